// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "mapping/config_diff.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "ops/sync.h"
#include "source/source.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir::ops {

/// What it takes to make a change of the task file count, the least first.
enum class Need : std::uint8_t {
  live,          ///< nothing: a running task takes it on
  pause,         ///< the task stops and starts again
  add_table,     ///< rows of a table that the task does not have yet are copied
  reload,        ///< the table is copied anew
  remove_table,  ///< a table leaves the task
  refused,       ///< it would be another task
};
std::string_view to_string(Need need);

/// One thing that becomes different.
struct PlanStep {
  std::string what;  ///< "full.chunk_rows"; of a table: "target", "column mail", "key"
  TableName table;   ///< on the source; empty for a setting
  std::string before;
  std::string after;
  Need need = Need::live;
  std::string effect;  ///< what that does to a running task and to the data that is there
};

/// What another task file would do to a task, and what that was judged by.
struct ChangePlan {
  std::string task;
  Time taken{};
  std::uint32_t revision = 0;  ///< that it begins from
  std::string file;            ///< of the wanted text
  std::string file_digest;
  std::string offset;             ///< of the task; "" if the target was not asked
  std::string target_digest;      ///< of the target tables concerned; "" if there are none
  std::vector<TableName> tables;  ///< that are concerned
  std::vector<PlanStep> steps;
  std::vector<Finding> findings;  ///< of the mapping

  /// The most that a step needs; `live` if there are none.
  Need need() const;
};

/// What each changed setting needs. Changes of table rules are shown as they are: what they need is
/// up to the tables.
std::vector<PlanStep> judge_settings(std::span<const ConfigChange> changes);

/// What becomes of each table that the task has, as `before` says, or gets, as `after` says.
std::vector<PlanStep> compare_plans(std::span<const TablePlan> before,
                                    std::span<const TablePlan> after);

/// How a plan reaches servers.
struct PlanBackends {
  std::function<std::unique_ptr<Source>(const Task&)> source;
  std::function<std::unique_ptr<Target>(const Task&)> target;
};

/// Plans to go from the revision to the wanted file. Asks the servers only if table rules or types
/// changed, and changes nothing.
ChangePlan plan_change(const RevisionRow& running, const TaskFile& wanted,
                       const PlanBackends& backends);

/// A plan as a document of JSON without a secret, and back, for what apply compares. Reading throws
/// Error(configuration, "plan.format").
std::string encode_plan(const ChangePlan& plan);
ChangePlan decode_plan(std::string_view text);

/// Throws Error(refused, "plan.moved") if what `planned` was judged by is not what `now` was judged
/// by any more: revision, file, target tables.
void refuse_moved(const ChangePlan& planned, const ChangePlan& now);

/// Throws Error(refused) for a plan that cannot be carried out: "plan.refused", "plan.reload",
/// "plan.remove-table", and what the mapping finds.
void refuse_unfit(const ChangePlan& plan);

}  // namespace weir::ops
