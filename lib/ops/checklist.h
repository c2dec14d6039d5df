// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "engine/engine.h"
#include "model/task.h"
#include "ops/preflight.h"
#include "ops/retention.h"
#include "ops/sync.h"
#include "source/source.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir::ops {

/// What can lose data, load a server or leave a target behind that nobody expects.
enum class Operation : std::uint8_t {
  remove_table,
  add_tables,
  restart,
  rerun_full,  ///< a full load from its beginning
  tune,        ///< other settings for the same task
  reset_offset,
  remap,  ///< other mapping rules for tables that are copied already
};

/// Their names, in the order of the enumeration.
inline constexpr auto kOperations = std::to_array<std::string_view>(
    {"remove-table", "add-tables", "restart", "rerun-full", "tune", "reset-offset", "remap"});

std::string_view to_string(Operation operation);
/// A bug() if it is none.
Operation operation_named(std::string_view name);

/// `unknown` is no pass: the fact is hidden, or nobody answered.
enum class ItemVerdict : std::uint8_t { pass, fail, unknown, not_applicable };
std::string_view to_string(ItemVerdict verdict);

/// All that weir knows of a task when it judges; gathered once.
struct ChecklistFacts {
  Operation operation = Operation::restart;
  Task task;
  Time now{};
  Status status;
  RetentionReport retention;
  /// How long the copy that the operation begins may take, and what that was reckoned from; empty
  /// if it begins none, or if no rate was measured.
  std::optional<Seconds> full_load;
  std::string full_load_basis;
  /// What a start would find; for a full load from its beginning as if the target knew nothing.
  std::optional<Preflight> checked;
  std::optional<Error> unchecked;  ///< why there is no `checked`
  std::vector<EventRow> events;    ///< the newest ones, oldest first
  std::size_t failovers = 0;       ///< within the task's own window
  std::size_t failovers_day = 0;
  Time ddl_confirmed{};  ///< until when somebody has confirmed that every change was dealt with
};

/// What the facts say about one item.
struct Judgement {
  ItemVerdict verdict = ItemVerdict::unknown;
  std::string measured;  ///< the fact, in a few words; "" if there is none
  /// Only a person can say more, and is asked; without an answer it stays as it is here.
  bool asks = false;
  std::string action = {};  ///< in place of ItemSpec::action
};

/// One item: the single place that questions, judging, pages and answer files are made from.
struct ItemSpec {
  std::string_view id;
  std::string_view question;  ///< one whose good answer is yes
  std::uint32_t operations;   ///< a bit for each operation that it is asked for
  /// A pure function of the facts; null if only a person knows.
  Judgement (*judge)(const ChecklistFacts& facts);
  std::uint32_t asks;       ///< a bit for each operation in which a person may be asked
  std::string_view how;     ///< how to find out, for the person, or how weir measures it
  std::string_view action;  ///< what to do first if it is not so; `TASK` stands for the task
};

std::span<const ItemSpec> checklist_items();
bool applies(const ItemSpec& item, Operation operation);

/// An item of one checklist, with `TASK` replaced in its texts.
struct ChecklistItem {
  std::string id;
  std::string question;  ///< "" if a later weir no longer has the item
  std::string how;
  ItemVerdict verdict = ItemVerdict::unknown;
  std::string measured;
  bool asks = false;
  std::optional<bool> answer;
  std::string evidence;  ///< in the words of who answered
  std::string action;    ///< "" if the item passed or does not apply
};

/// Asks both servers and reads the state; changes nothing on a server. What cannot be asked is a
/// fact of its own, not an Error. Throws Error(not_found, "task.unknown").
ChecklistFacts gather_checklist(Operation operation, const Task& task,
                                const std::function<std::unique_ptr<Source>(const Task&)>& source,
                                const std::function<std::unique_ptr<Target>(const Task&)>& target,
                                StateStore& store, Engine& engine);

/// Rows a second that the task itself has copied; empty if that was too short to tell.
std::optional<double> copy_rate(const std::vector<Sample>& samples);

/// The items of the operation, in the order of the table. Asks nobody.
std::vector<ChecklistItem> judge_checklist(const ChecklistFacts& facts);

/// Takes an answer to an item that asks; any other is left as it was measured.
void take_answer(ChecklistItem& item, bool yes, std::string evidence);

bool passed(std::span<const ChecklistItem> items);
/// The ids of those that ask and have no answer.
std::vector<std::string> unanswered(std::span<const ChecklistItem> items);

/// One answer of a file.
struct ChecklistAnswer {
  std::string id;
  bool yes = false;
  std::string evidence;
};

/// Reads `[answers]` of a TOML text. Throws Error(configuration, "checklist.answers"), which tells
/// every problem there is. Items of other operations are allowed, so that one file can serve all.
std::vector<ChecklistAnswer> parse_answers(std::string_view toml, const std::string& file_name);
/// Likewise from a file. Throws also "checklist.answers-unreadable".
std::vector<ChecklistAnswer> read_answers(const std::string& path);
/// A file for the operation, with every question in it and no answer.
std::string answers_template(Operation operation, const std::string& task);

/// What is kept of a checklist in which every item was answered.
ChecklistRow checklist_row(Operation operation, std::span<const ChecklistItem> items, Time at,
                           std::string who);
/// The items of a kept checklist, with the questions and actions of today.
std::vector<ChecklistItem> items_of(const ChecklistRow& row, const std::string& task);

/// For how long a checklist counts, unless an option says otherwise.
constexpr std::chrono::hours kChecklistAge{1};

/// Nothing if the newest checklist of the operation passed and is no older than `max_age`; else an
/// Error(refused) with the command that makes one: "checklist.missing", "checklist.failed" or
/// "checklist.stale".
std::optional<Error> checklist_gap(Operation operation, const std::string& task, StateStore& store,
                                   std::chrono::milliseconds max_age = kChecklistAge);
/// Throws what that returns.
void require_checklist(Operation operation, const std::string& task, StateStore& store,
                       std::chrono::milliseconds max_age = kChecklistAge);

}  // namespace weir::ops
