// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "model/task.h"
#include "store/state_store.h"

namespace weir {

/// Notes of lanes that were removed: by rules that do not take their tables any more, and of which
/// somebody dropped the target tables.
inline constexpr const char* kNotSelected = "not selected";
inline constexpr const char* kDropped = "dropped";

/// The task as its main lane runs it: without the tables that are in lanes of their own.
Task main_lane(Task task, std::span<const LaneRow> lanes);
/// The task as a lane runs it.
Task side_lane(Task task, const LaneRow& lane);

/// What the state file has of these tables goes from one lane to another.
void move_tables(StateStore& store, const std::string& from, const std::string& to,
                 std::span<const TableName> tables);

}  // namespace weir
