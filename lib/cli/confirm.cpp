// SPDX-License-Identifier: Apache-2.0
#include "cli/confirm.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace weir::cli {

void confirm(Terminal& terminal, const std::string& task, const std::string& loss, bool yes) {
  if (yes) return;
  if (!terminal.interactive()) {
    throw Error(ExitCode::refused, "confirm.no-terminal",
                fmt::format("task '{}': this needs a confirmation", task),
                fmt::format("{}, and there is no terminal to ask on", loss),
                "repeat it with --yes if you want that");
  }
  terminal.err(fmt::format("{}\ntype the task's name, {}, to go on: ", loss, task));
  const auto answer = terminal.read_line();
  if (!answer || trim(*answer) != task) {
    throw Error(ExitCode::refused, "confirm.declined",
                fmt::format("task '{}': not confirmed", task), "the answer was not the task's name",
                "repeat it and type the name, or give --yes");
  }
}

}  // namespace weir::cli
