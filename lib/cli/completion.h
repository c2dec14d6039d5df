// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace weir::cli {

// The completion scripts, made from the table of verbs. They ask `weir complete` for names.

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace weir::cli
