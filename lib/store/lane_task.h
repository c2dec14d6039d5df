// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/task.h"
#include "store/state_store.h"

namespace weir {

/// The task as its main lane runs it: without the tables that are in lanes of their own.
Task main_lane(Task task, std::span<const LaneRow> lanes);
/// The task as a lane runs it.
Task side_lane(Task task, const LaneRow& lane);

}  // namespace weir
