// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/table_plan.h"
#include "stage/context.h"

namespace weir {

/// Runs a task's stages one after another until a stop is requested or something is in the way: the
/// whole work of a worker process. The plans come from the caller, checked (ops/preflight.h).
///
/// A crash at any instruction is mended by calling it again: what the target remembers decides
/// where each table goes on. Throws Error; the state store has it by then.
void run_task(const StageContext& context, std::vector<TablePlan> plans);

}  // namespace weir
