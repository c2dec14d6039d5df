// SPDX-License-Identifier: Apache-2.0
// weir complete: words for the shell, from weir's own state and its catalogue of ids.
#include "base/error.h"
#include "cli/catalogue.h"
#include "cli/run.h"
#include "registry/catalogue.h"
#include "store/state_store.h"

namespace {

using weir::ExitCode;

ExitCode complete(weir::cli::Session& session) {
  if (session.argument() == "ids") {
    for (const auto& section : weir::cli::whole_catalogue(weir::kind_catalogue)) {
      for (const auto& row : section.rows) session.print(std::string(row.id) + "\n");
    }
    return ExitCode::ok;
  }
  // A message in the middle of somebody's command line helps nobody.
  try {
    const auto state = weir::open_state(session.state_folder(), true);
    if (session.argument() == "tasks") {
      for (const auto& task : state->tasks()) session.print(task.name + "\n");
    } else if (const auto task = session.text("task")) {
      for (const auto& table : state->tables(*task)) session.print(table.source.text() + "\n");
    }
  } catch (const weir::Error&) {
    return ExitCode::ok;
  }
  return ExitCode::ok;
}

constexpr weir::cli::Verb kVerbs[] = {{"complete", complete}};

}  // namespace

int main(int argc, char** argv) { return weir::cli::run(argc, argv, kVerbs); }
