// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/terminal.h"

namespace weir::cli {

/// Returns if the operator agrees to lose what `loss` names: with `yes`, or by typing the task's
/// name. Throws Error(refused) otherwise: "confirm.no-terminal" where nobody can answer,
/// "confirm.declined" on any other answer.
void confirm(Terminal& terminal, const std::string& task, const std::string& loss, bool yes);

}  // namespace weir::cli
