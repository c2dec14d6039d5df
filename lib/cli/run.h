// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/exit_code.h"
#include "cli/session.h"
#include "cli/version.h"

namespace weir::cli {

/// A verb of this binary: its row of the table, by name, and what does its work.
struct Verb {
  std::string_view name;
  ExitCode (*run)(Session& session);
};

/// The main of a `weir-GROUP` binary whose verbs share their first word: reads the command line,
/// runs the verb, prints what it throws, and returns the process's exit code. A verb that ends with
/// ExitCode::interrupted or ExitCode::terminated ends the process by that signal.
///
/// This is the only place where errors are caught.
int run(int argc, char** argv, std::span<const Verb> verbs, Libraries (*libraries)() = nullptr);

/// The main of `weir`: finds `weir-VERB` beside itself or in PATH, and becomes it.
int dispatch(int argc, char** argv, Libraries (*libraries)() = nullptr);

}  // namespace weir::cli
