// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "engine/engine.h"
#include "mapping/config_diff.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "ops/retention.h"
#include "ops/sync.h"
#include "source/source.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir::ops {

/// What it takes to make a change of the task file count, the least first.
enum class Need : std::uint8_t {
  live,          ///< nothing: a running task takes it on between two batches
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

/// A table that goes another way from a revision on, through a lane of its own.
struct TableMove {
  TableName table;
  Need need = Need::add_table;  ///< or `reload`, `remove_table`
  /// How it is copied: "truncate", "merge", "swap"; "" into a target table that is new to it.
  std::string mode;
  /// It left the task, and catches up from there: nothing is copied.
  bool comes_back = false;
  std::optional<LaneRow> lane;  ///< that it rests in
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
  std::string reload_mode;           ///< that was asked for; "" = the safest for each table
  std::vector<TableMove> moves;      ///< each table once
  std::vector<TablePlan> copies;     ///< of those whose rows are copied
  std::vector<Finding> findings;     ///< of the mapping and of the copies
  std::uint64_t rows = 0;            ///< to be copied, by the source's statistics
  std::optional<Seconds> copy_time;  ///< by the task's own rate, if that is known

  /// The most that a step needs; `live` if there are none.
  Need need() const;
  /// Whether a task that runs has to be started anew.
  bool restarts() const;
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

/// How tables whose rows no longer fit are to be copied.
struct CopyWish {
  std::string mode;      ///< "truncate", "merge", "swap"; "" = the safest for each table
  bool is_back = false;  ///< to what the task ran by before: the target tables are its own
};

/// Plans to go from the revision to the wanted file. Asks the servers only if table rules or types
/// changed, and changes nothing. Throws Error(state_conflict, "lane.open") for a table that has
/// something else done to it.
ChangePlan plan_change(const RevisionRow& running, const TaskFile& wanted, const CopyWish& wish,
                       const PlanBackends& backends, StateStore& store);

/// Throws Error(refused, "start.needs-apply") for a start by a file that gives tables that are
/// copied another target: only apply leads them there.
void refuse_start(const TaskFile& wanted, const PlanBackends& backends, StateStore& store);

/// Adds what the checks of a start say about the tables that are to be copied, and whether the
/// source keeps its log for as long as that takes.
void check_copies(ChangePlan& plan, const Task& wanted, const PlanBackends& backends,
                  StateStore& store, Engine& engine);

/// The lanes that the tables of a plan go through: to be kept together with the new revision.
std::vector<LaneChange> lane_changes(const ChangePlan& plan);

/// What becomes of these lanes if the revision before counts again. No worker lives.
std::vector<LaneChange> take_back_lanes(std::span<const LaneChange> begun, StateStore& store);

/// The main lane of a task once a plan is carried out.
Task main_lane_after(const ChangePlan& plan, Task wanted, StateStore& store);

/// A plan as a document of JSON without a secret, and back, for what apply compares. Reading throws
/// Error(configuration, "plan.format").
std::string encode_plan(const ChangePlan& plan);
ChangePlan decode_plan(std::string_view text);

/// Throws Error(refused, "plan.moved") if what `planned` was judged by is not what `now` was judged
/// by any more: revision, file, target tables, or an offset that `now` has not reached. `reached`
/// says whether its first offset is at or after its second.
void refuse_moved(const ChangePlan& planned, const ChangePlan& now,
                  const std::function<bool(const Offset&, const Offset&)>& reached);

/// Throws Error(refused) for a plan that cannot be carried out: "plan.refused", and what its
/// findings say.
void refuse_unfit(const ChangePlan& plan);

}  // namespace weir::ops
