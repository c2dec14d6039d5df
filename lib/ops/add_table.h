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

#include "engine/engine.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "ops/retention.h"
#include "source/source.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir::ops {

using OpenSource = std::function<std::unique_ptr<Source>(const Task&)>;
using OpenTarget = std::function<std::unique_ptr<Target>(const Task&)>;

/// What becomes of a source table that somebody asks to add.
enum class AddFate : std::uint8_t {
  added,
  there,       ///< the task has it
  on_its_way,  ///< it was asked for before
  ignored,
};
std::string_view to_string(AddFate fate);

struct AddedTable {
  TableName source;
  TableName target;  ///< empty of one that is ignored
  AddFate fate = AddFate::added;
  std::string why;  ///< the rule that takes it, or the reason
};

struct AddRequest {
  std::vector<std::string> words;  ///< names and globs
  bool history = true;             ///< false: the rows that are there now are not copied
};

struct AddPlan {
  std::vector<AddedTable> tables;    ///< all that the words match, in order of name
  std::vector<TableName> added;      ///< those that are new
  std::vector<std::uint32_t> lanes;  ///< those in which others are on their way
  std::string rules;  ///< what has to be appended to the task file first; "" if nothing
  std::vector<Finding> findings;
  bool overwrites = false;           ///< rows of target tables are deleted by a rule
  std::uint64_t rows = 0;            ///< by the source's statistics
  std::optional<Seconds> copy_time;  ///< by the task's own rate, if that is known
};

/// Whether a word can be a pattern: why not, or "".
std::string refuse_pattern(const std::string& word);

/// Works out what adding the tables would do, and checks them as a start would. Changes nothing on
/// a server and nothing of the task. `file_text` is the text of the task file.
///
/// Throws Error(not_found, "table.no-match") for a word that matches no table of the source, and
/// Error(state_conflict, "lane.open") for a table that another change has.
AddPlan plan_add(const Task& task, const std::string& file_text, const AddRequest& request,
                 const OpenSource& open_source, const OpenTarget& open_target, StateStore& store,
                 Engine& engine);

/// Asks the task to add them, once its file has the rules; returns the number of the lane.
std::uint32_t begin_add(const Task& task, const AddRequest& request, const AddPlan& plan,
                        StateStore& store);

/// What the checks of a start say about tables that are to be copied by a lane of the task, and
/// whether the source keeps its log for as long as that takes. `plans` get new ids.
struct CopyCheck {
  std::vector<Finding> findings;
  std::uint64_t rows = 0;
  std::optional<Seconds> copy_time;
};
CopyCheck check_copy(const Task& task, std::vector<TablePlan> plans, bool history,
                     const OpenSource& open_source, const OpenTarget& open_target,
                     StateStore& store, Engine& engine);

/// What giving up added tables does.
struct CancelPlan {
  std::vector<LaneRow> lanes;     ///< that are to be given up, with all their tables
  std::vector<TableName> absent;  ///< named, and not on their way
};
/// The lanes with added tables that the words match. Throws Error(state_conflict, "lane.partial")
/// if the words match only some of a lane's tables, and Error(not_found, "table.no-match") if a
/// word matches no table that is on its way or in the task.
CancelPlan plan_cancel(const std::string& task, std::span<const std::string> words,
                       StateStore& store);
/// Gives them up: at once where nothing was begun and the task does not run, else by its worker.
void cancel(const CancelPlan& plan, StateStore& store, Engine& engine);

/// Error(state_conflict, "lane.partial") if `lane` has tables that are not among `named`: it can
/// only be changed as a whole.
void require_whole(const LaneRow& lane, std::span<const TableName> named);

}  // namespace weir::ops
