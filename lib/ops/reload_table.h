// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/finding.h"
#include "model/task.h"
#include "ops/add_table.h"
#include "ops/remove_table.h"
#include "store/state_store.h"

namespace weir::ops {

struct ReloadPlan {
  std::string mode;                 ///< truncate, merge, swap
  std::vector<TableName> leaving;   ///< out of the main lane, for one of their own
  std::vector<LaneRow> resting;     ///< lanes that are suspended or removed
  std::vector<LaneRow> on_its_way;  ///< lanes that are reloaded in this mode already
  std::vector<TablePair> tables;
  std::vector<Finding> findings;
  std::uint64_t rows = 0;
  std::optional<Seconds> copy_time;
  bool nothing() const { return leaving.empty() && resting.empty(); }
};

/// Works out what copying the tables anew would do, and checks that it can be done. Changes nothing
/// but what check_retention() keeps. Throws what find_tables() does, and Error(state_conflict,
/// "lane.open") for a table that something else is done to.
ReloadPlan plan_reload(const Task& task, std::span<const std::string> words,
                       const std::string& mode, const OpenSource& open_source,
                       const OpenTarget& open_target, StateStore& store, Engine& engine);

/// Asks the task to do it. Returns the lanes in which the tables are then.
std::vector<std::uint32_t> begin_reload(const std::string& task, const ReloadPlan& plan,
                                        StateStore& store);

}  // namespace weir::ops
