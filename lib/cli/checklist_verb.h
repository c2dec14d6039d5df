// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "base/exit_code.h"
#include "cli/backends.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "ops/checklist.h"

namespace weir::cli {

/// What `weir checklist` does.
ExitCode checklist(Session& session, const Backends& backends);

/// For verbs with a risk, which take --checklist-age: returns if the operation has a checklist that
/// passed and still counts, else goes through one with whoever is at the terminal, and keeps it.
/// Throws Error(refused) if it does not pass, or if nobody is there.
void demand_checklist(Session& session, const Backends& backends, ops::Operation operation,
                      const Task& task, StateStore& store, Engine& engine);

/// Asks each item that asks and has no answer yet. Stops at the end of the input.
void ask_items(Terminal& terminal, std::span<ops::ChecklistItem> items);

/// The items as a list, 80 columns wide.
std::string checklist_text(std::span<const ops::ChecklistItem> items, const Terminal& terminal,
                           Stream stream);

}  // namespace weir::cli
