// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/table_plan.h"
#include "stage/context.h"
#include "stage/lanes.h"

namespace weir {

/// Runs a task's stages one after another until a stop is requested or something is in the way that
/// concerns more than one table: the whole work of a worker process. The plans come from the
/// caller, checked (ops/preflight.h). Beside the incremental stage run the task's other lanes.
///
/// A crash at any instruction is mended by calling it again: what the target remembers decides
/// where each table goes on. Throws Error; the state store has it by then.
void run_task(const TaskContext& context, const LaneServers& servers, std::vector<TablePlan> plans);

/// Runs the stages of a lane beside the main one, from what the target remembers of it or from the
/// source's present, until its halt is asked for and reached (true), or a stop is (false).
bool run_side_lane(const StageContext& context);

}  // namespace weir
