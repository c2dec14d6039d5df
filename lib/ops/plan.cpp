// SPDX-License-Identifier: Apache-2.0
#include "ops/plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "base/user.h"
#include "mapping/rules.h"
#include "model/lane.h"
#include "ops/add_table.h"
#include "ops/preflight.h"
#include "ops/resume.h"
#include "ops/revision.h"
#include "store/lane_task.h"

namespace weir::ops {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "weir-plan-1";
/// So many revisions are looked at for the rules that a removed table was copied by.
constexpr std::size_t kRevisionsBack = 100;
constexpr auto kNeeds = std::to_array<std::string_view>(
    {"live", "pause", "add-table", "reload", "remove-table", "refused"});

/// What a key needs; the first row that fits counts. An empty name is every key of the section.
struct SettingRow {
  std::string_view section;
  std::string_view name;
  Need need;
  std::string_view effect;
};

constexpr std::string_view kOtherServer =
    "it is another server, or another place on it, which need not hold what the task left";

constexpr auto kSettings = std::to_array<SettingRow>({
    {"", "name", Need::refused, "a task of another name is another task, and has copied nothing"},
    {"source", "kind", Need::refused, kOtherServer},
    {"source", "host", Need::refused, kOtherServer},
    {"source", "port", Need::refused, kOtherServer},
    {"source", "socket", Need::refused, kOtherServer},
    {"source", "database", Need::refused, kOtherServer},
    {"source", "slot", Need::refused, "the log is kept for the task by the slot that it has"},
    {"source", "publication", Need::refused, "the slot is read through the publication it has"},
    {"target", "kind", Need::refused, kOtherServer},
    {"target", "path", Need::refused, kOtherServer},
    {"target", "host", Need::refused, kOtherServer},
    {"target", "port", Need::refused, kOtherServer},
    {"target", "socket", Need::refused, kOtherServer},
    {"target", "database", Need::refused, kOtherServer},
    {"target", "control_schema", Need::refused, "the task's offset and progress are in that one"},
    {"full", "connections", Need::live, "counts from the next chunk on"},
    {"full", "chunk_rows", Need::live, "counts from the next chunk on"},
    {"full", "rate_limit", Need::live, "counts at once, for rows that are being copied too"},
    {"incremental", "flush_interval", Need::live, "counts from the next batch on"},
    {"retention", "window", Need::live, "counts from the next weir check-retention on"},
    {"ddl", "", Need::live, "counts for statements that the task comes to from now on"},
    {"dirty", "", Need::live, "counts for rows that the target refuses from now on"},
    {"types", "", Need::pause, "rows that are on the target keep the values that they have"},
    {"failover", "", Need::pause, "the supervisor counts by it from its start on"},
    {"", "", Need::pause, "the worker goes by it from its start on"},
});

const SettingRow& setting_row(const ConfigChange& change) {
  const auto found = std::ranges::find_if(kSettings, [&](const SettingRow& row) {
    const bool any = row.section.empty() && row.name.empty();
    return any || (row.section == change.section && (row.name.empty() || row.name == change.name));
  });
  return *found;
}

const TablePlan* plan_of(std::span<const TablePlan> plans, const TableName& name) {
  const auto found =
      std::ranges::find_if(plans, [&](const TablePlan& plan) { return plan.source.name == name; });
  return found == plans.end() ? nullptr : &*found;
}

std::string key_names(const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::uint32_t place : plan.key) names.push_back(plan.columns[place].name);
  return names.empty() ? "all columns" : join(names, ", ");
}

std::string text_of(const DeletePolicy& deletes) {
  switch (deletes.kind) {
    case DeletePolicy::Kind::apply:
      return "apply";
    case DeletePolicy::Kind::ignore:
      return "ignore";
    case DeletePolicy::Kind::soft:
      return "soft:" + deletes.column;
  }
  return "";
}

std::string text_of(ExistingPolicy existing) {
  constexpr auto kWords =
      std::to_array<std::string_view>({"refuse", "append", "truncate", "replace"});
  return std::string(kWords[static_cast<std::size_t>(existing)]);
}

/// What a column is called in the rules: by its name on the source, or its own if it is added.
std::string rule_name(const TablePlan& plan, const PlannedColumn& column) {
  return column.added() ? column.name : plan.source.columns[column.source].name;
}

const PlannedColumn* column_of(const TablePlan& plan, const std::string& name, bool added) {
  const auto found = std::ranges::find_if(plan.columns, [&](const PlannedColumn& column) {
    return column.added() == added && rule_name(plan, column) == name;
  });
  return found == plan.columns.end() ? nullptr : &*found;
}

/// Compares what the rules made of one table.
class TableComparison {
 public:
  TableComparison(const TablePlan& before, const TablePlan& after, std::vector<PlanStep>& out)
      : before_(before), after_(after), out_(out) {}

  void run() {
    if (before_.target != after_.target) {
      add("target", before_.target.text(), after_.target.text(), Need::reload,
          fmt::format("the rows are copied to {}; {} stays on the target as it is then",
                      after_.target.text(), before_.target.text()));
    }
    for (const PlannedColumn& column : before_.columns) compare_column(column);
    for (const PlannedColumn& column : after_.columns) {
      const std::string name = rule_name(after_, column);
      if (column_of(before_, name, column.added()) != nullptr) continue;
      add("column " + name, "", column.name, Need::reload,
          "rows that are on the target lack its values");
    }
    if (key_names(before_) != key_names(after_)) {
      add("key", key_names(before_), key_names(after_), Need::reload,
          "rows are told apart by other columns, which the target's key does not know");
    }
    if (text_of(before_.deletes) != text_of(after_.deletes)) {
      add("deletes", text_of(before_.deletes), text_of(after_.deletes), Need::live,
          "counts for deletes that the task comes to from now on; those before stay as they were "
          "dealt with");
    }
    if (before_.existing != after_.existing) {
      add("existing", text_of(before_.existing), text_of(after_.existing), Need::live,
          "counts when the table is copied anew; rows that are there stay");
    }
  }

 private:
  void add(std::string what, std::string before, std::string after, Need need, std::string effect) {
    out_.push_back({std::move(what), before_.source.name, std::move(before), std::move(after), need,
                    std::move(effect)});
  }

  void compare_column(const PlannedColumn& column) {
    const std::string name = rule_name(before_, column);
    const PlannedColumn* now = column_of(after_, name, column.added());
    if (now == nullptr) {
      return add("column " + name, column.name, "", Need::reload,
                 fmt::format("the target's column {} goes, with what it holds", column.name));
    }
    if (column.name != now->name) {
      add("column " + name, column.name, now->name, Need::reload,
          "the target's column gets the other name");
    }
    if (column.target_type != now->target_type) {
      add("type of " + name, column.target_type, now->target_type, Need::reload,
          "values that are on the target have the type that it is made with");
    }
    if (column.constant != now->constant) {
      add("value of " + name, column.constant, now->constant, Need::live,
          "rows that are on the target keep the value that they have until they change");
    }
  }

  const TablePlan& before_;
  const TablePlan& after_;
  std::vector<PlanStep>& out_;
};

/// What would make a plan wrong if it changed: whether the tables are there, and their columns.
std::string digest_of(const std::string& facts) {
  constexpr auto kShape = std::to_array<const char*>(
      {"target", "exists", "is_table", "columns", "table", "uniques", "has_key"});
  std::string shape;
  const Json all = Json::parse(facts);
  for (const Json& table : all.at("tables")) {
    for (const char* name : kShape) {
      if (table.contains(name)) shape += fmt::format("{} {}\n", name, table.at(name).dump());
    }
  }
  return sha256(shape);
}

bool concerns_tables(const ConfigChange& change) {
  return change.section == "types" || change.section.starts_with("table");
}

bool is_removed(const LaneRow& lane) {
  return lane.purpose == LaneRow::Purpose::remove &&
         (lane.state == LaneRow::State::removed || lane.state == LaneRow::State::leaving);
}

const LaneRow* lane_of(std::span<const LaneRow> lanes, const TableName& table) {
  const auto at = std::ranges::find_if(lanes, [&](const LaneRow& lane) {
    return std::ranges::find(lane.tables, table) != lane.tables.end();
  });
  return at == lanes.end() ? nullptr : &*at;
}

bool selects(const Task& task, const TableName& table) {
  return !select_tables(task, {&table, 1}).empty();
}

/// Plans what changes of rules mean for tables.
class TablePlanning {
 public:
  TablePlanning(const Task& before, const Task& after, const CopyWish& wish,
                const PlanBackends& backends, StateStore& store, ChangePlan& out)
      : before_(with_patience(before)),
        after_(with_patience(after)),
        wish_(wish),
        store_(store),
        lanes_(store.lanes(before.name)),
        source_(backends.source(before_)),
        target_(backends.target(before_)),
        out_(out) {}

  void run() {
    std::optional<Recovered> main = target_->recover(before_.name);
    if (!main) return;
    out_.offset = main->offset.text;
    all_ = std::move(*main);
    gather_lanes();
    Mapping now = map_tables(after_, read_tables(after_, *source_, all_), *target_);
    const Mapping then = map_tables(before_, tables_there(), *target_);
    std::erase_if(now.plans, [](const TablePlan& plan) { return plan.source.gone; });
    std::erase_if(now.findings,
                  [](const Finding& finding) { return finding.severity < Severity::warning; });
    out_.findings = std::move(now.findings);
    if (refuses(out_.findings)) return;

    std::vector<PlanStep> steps = compare_plans(then.plans, now.plans);
    std::vector<TablePlan> concerned;
    for (PlanStep& step : steps) {
      const TablePlan* old_plan = plan_of(then.plans, step.table);
      const TablePlan* new_plan = plan_of(now.plans, step.table);
      plan_move(step, old_plan, new_plan);
      if (!out_.tables.empty() && out_.tables.back() == step.table) continue;
      out_.tables.push_back(step.table);
      if (old_plan != nullptr) concerned.push_back(*old_plan);
      if (new_plan != nullptr && (old_plan == nullptr || old_plan->target != new_plan->target)) {
        concerned.push_back(*new_plan);
      }
    }
    refuse_parts();
    out_.steps.insert(out_.steps.end(), steps.begin(), steps.end());
    if (!concerned.empty()) {
      out_.target_digest = digest_of(target_->gather(before_, concerned, all_));
    }
  }

 private:
  /// What is remembered of lanes joins what is of the main lane, but for tables that were removed.
  void gather_lanes() {
    for (const LaneRow& lane : lanes_) {
      if (is_removed(lane)) {
        for (const TableName& table : lane.tables) {
          std::erase_if(all_.tables, [&](const TableProgress& one) { return one.source == table; });
          const bool comes_back = selects(after_, table) && !selects(before_, table);
          before_.without.insert(table);
          if (!comes_back) after_.without.insert(table);
        }
        continue;
      }
      in_lanes_.insert(lane.tables.begin(), lane.tables.end());
      const auto part = target_->recover(lane_name(before_.name, lane.number));
      if (part) all_.tables.insert(all_.tables.end(), part->tables.begin(), part->tables.end());
    }
  }

  /// The tables that the task has, in whichever lane.
  SourceTables tables_there() {
    SourceTables out = read_tables(before_, *source_, all_);
    std::set<TableName> names = in_lanes_;
    for (const TableProgress& table : all_.tables) {
      if (table.definition && !table.definition->gone) names.insert(table.source);
    }
    out.visible.assign(names.begin(), names.end());
    return out;
  }

  void plan_move(PlanStep& step, const TablePlan* old_plan, const TablePlan* new_plan) {
    if (step.need < Need::add_table) return;
    const LaneRow* lane = lane_of(lanes_, step.table);
    const bool rests = lane != nullptr && (lane->state == LaneRow::State::suspended ||
                                           lane->state == LaneRow::State::removed);
    if (lane != nullptr && !rests) {
      throw Error(ExitCode::state_conflict, "lane.open",
                  fmt::format("{} is being changed already", step.table.text()),
                  fmt::format("lane {} ({}) is {}", lane_name(lane->task, lane->number),
                              to_string(lane->purpose), to_string(lane->state)),
                  fmt::format("wait for it: weir sync status {} shows how far it is", lane->task));
    }
    TableMove move;
    move.table = step.table;
    move.need = step.need;
    if (lane != nullptr) move.lane = *lane;
    if (step.need == Need::add_table && lane != nullptr) {
      come_back(move, step, *new_plan);
    } else if (step.need == Need::reload) {
      const bool is_same_table = old_plan->target == new_plan->target;
      move.mode = !wish_.mode.empty() || (!is_same_table && !wish_.is_back) ? wish_.mode
                                                                            : std::string("swap");
    }
    step.effect += mode_text(move, new_plan);
    if (!out_.moves.empty() && out_.moves.back().table == move.table) return;
    const bool is_copied = move.need != Need::remove_table && !move.comes_back;
    if (is_copied) out_.copies.push_back(copy_of(*new_plan, move));
    out_.moves.push_back(std::move(move));
  }

  /// A table that was removed is selected again: it catches up from where it left if its target
  /// table is as it was left and still fits, and the source still has its log from there on.
  void come_back(TableMove& move, PlanStep& step, const TablePlan& now) {
    move.mode = wish_.mode.empty() ? "swap" : wish_.mode;
    Task part = before_;
    part.name = lane_name(before_.name, move.lane->number);
    const auto left = target_->recover(part.name);
    if (!left || move.lane->note == "dropped" || !wish_.mode.empty()) return;
    const auto gap = resume_gap(part, *source_, *target_, left);
    if (gap && gap->severity == Severity::critical) return;
    std::vector<RevisionRow> revisions = store_.revisions(before_.name, kRevisionsBack);
    for (auto row = revisions.rbegin(); row != revisions.rend(); ++row) {
      const Task then = with_patience(task_of(*row));
      if (!selects(then, now.source.name)) continue;
      SourceTables tables;
      tables.history = left;
      for (const TableProgress& table : left->tables) tables.visible.push_back(table.source);
      std::ranges::sort(tables.visible);
      const Mapping mapping = map_tables(then, tables, *target_);
      const TablePlan* plan = plan_of(mapping.plans, now.source.name);
      if (plan == nullptr) return;
      std::vector<PlanStep> differences;
      TableComparison(*plan, now, differences).run();
      move.comes_back =
          std::ranges::find(differences, Need::reload, &PlanStep::need) == differences.end();
      if (move.comes_back) step.effect = "it catches up from where it left the task";
      return;
    }
  }

  static std::string mode_text(const TableMove& move, const TablePlan* plan) {
    if (move.need == Need::remove_table || move.comes_back) return "";
    if (move.mode == "swap") {
      return fmt::format("; a copy is made beside {}, whose place it takes once it has caught up",
                         plan->target.text());
    }
    if (move.mode == "truncate") return fmt::format("; {} is emptied first", plan->target.text());
    if (move.mode == "merge") {
      return fmt::format(
          "; rows of {} are overwritten, and those that the source does not have "
          "are deleted",
          plan->target.text());
    }
    return "";
  }

  static TablePlan copy_of(const TablePlan& plan, const TableMove& move) {
    TablePlan out = plan;
    if (move.mode == "swap") out.existing = ExistingPolicy::replace;
    if (move.mode == "truncate") out.existing = ExistingPolicy::truncate;
    if (move.mode == "merge") out.existing = ExistingPolicy::append;
    return out;
  }

  /// What rests together goes on together.
  void refuse_parts() const {
    for (const TableMove& move : out_.moves) {
      if (!move.lane) continue;
      for (const TableName& table : move.lane->tables) {
        const auto other = std::ranges::find(out_.moves, table, &TableMove::table);
        if (other != out_.moves.end() && other->need == move.need && other->mode == move.mode &&
            other->comes_back == move.comes_back) {
          continue;
        }
        throw Error(ExitCode::state_conflict, "lane.partial",
                    fmt::format("lane {} has other tables too: {}",
                                lane_name(move.lane->task, move.lane->number), table.text()),
                    "what was begun together is at one place of the log, and goes on together",
                    fmt::format("resolve that lane first, or change all of its tables alike: weir "
                                "sync status {} shows them",
                                move.lane->task));
      }
    }
  }

  Task before_;
  Task after_;
  const CopyWish& wish_;
  StateStore& store_;
  std::vector<LaneRow> lanes_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Target> target_;
  ChangePlan& out_;
  Recovered all_;
  std::set<TableName> in_lanes_;
};

Error moved(const ChangePlan& planned, const std::string& why) {
  return Error(
      ExitCode::refused, "plan.moved",
      fmt::format("the plan for task {} is out of date", planned.task), why,
      fmt::format("nothing was changed; look at what it would do now: weir plan {}", planned.task));
}

std::string text_at(const Json& json, const char* name) { return json.at(name).get<std::string>(); }

}  // namespace

std::string_view to_string(Need need) { return kNeeds.at(static_cast<std::size_t>(need)); }

Need ChangePlan::need() const {
  Need out = Need::live;
  for (const PlanStep& step : steps) out = std::max(out, step.need);
  return out;
}

bool ChangePlan::restarts() const {
  return std::ranges::find(steps, Need::pause, &PlanStep::need) != steps.end();
}

std::vector<PlanStep> judge_settings(std::span<const ConfigChange> changes) {
  std::vector<PlanStep> out;
  for (const ConfigChange& change : changes) {
    PlanStep step;
    step.what = change.title();
    step.before = change.before;
    step.after = change.after;
    if (change.section.starts_with("table")) {
      step.need = Need::live;
      step.effect = "a running task takes rules on between two transactions";
    } else {
      const SettingRow& row = setting_row(change);
      step.need = row.need;
      step.effect = row.effect;
    }
    out.push_back(std::move(step));
  }
  return out;
}

std::vector<PlanStep> compare_plans(std::span<const TablePlan> before,
                                    std::span<const TablePlan> after) {
  std::vector<PlanStep> out;
  for (const TablePlan& plan : before) {
    if (const TablePlan* now = plan_of(after, plan.source.name)) {
      TableComparison(plan, *now, out).run();
      continue;
    }
    out.push_back({"table", plan.source.name, plan.target.text(), "", Need::remove_table,
                   fmt::format("its changes are applied no more, and {} stays as it is then",
                               plan.target.text())});
  }
  for (const TablePlan& plan : after) {
    if (plan_of(before, plan.source.name) != nullptr) continue;
    out.push_back({"table", plan.source.name, "", plan.target.text(), Need::add_table,
                   fmt::format("about {} rows are copied to {}",
                               format_count(plan.source.estimated_rows), plan.target.text())});
  }
  return out;
}

ChangePlan plan_change(const RevisionRow& running, const TaskFile& wanted, const CopyWish& wish,
                       const PlanBackends& backends, StateStore& store) {
  ChangePlan out;
  out.task = running.task;
  out.taken = now();
  out.revision = running.number;
  out.file = wanted.task.file;
  out.file_digest = sha256(wanted.text);
  out.reload_mode = wish.mode;
  if (const auto offset = store.offset(running.task)) out.offset = offset->offset.text;
  const Task before = task_of(running);
  const std::vector<ConfigChange> changes =
      diff_config({running.text, running.file}, {wanted.text, wanted.task.file});
  out.steps = judge_settings(changes);
  // What is another task anyway has no tables to compare.
  if (out.need() == Need::refused) return out;
  if (std::ranges::any_of(changes, concerns_tables)) {
    TablePlanning(before, wanted.task, wish, backends, store, out).run();
  }
  return out;
}

void refuse_start(const TaskFile& wanted, const PlanBackends& backends, StateStore& store) {
  const auto running = newest_revision(wanted.task.name, store);
  if (!running || running->digest == sha256(wanted.text)) return;
  const ChangePlan plan = plan_change(*running, wanted, {}, backends, store);
  // Tables come and go with any start, and whether columns fit is found out by its checks.
  const auto step = std::ranges::find(plan.steps, "target", &PlanStep::what);
  if (step == plan.steps.end()) return;
  throw Error(
      ExitCode::refused, "start.needs-apply",
      fmt::format("task {} cannot be started by its file as it is now: {} would have "
                  "another target table",
                  plan.task, step->table.text()),
      "what is done about the rows that are on the target is planned and recorded first",
      fmt::format("weir apply {0}, which a stopped task may have too, and start it then; or "
                  "weir sync start {0} --keep-config without the edits",
                  plan.task));
}

void check_copies(ChangePlan& plan, const Task& wanted, const PlanBackends& backends,
                  StateStore& store, Engine& engine) {
  if (plan.copies.empty() || refuses(plan.findings)) return;
  CopyCheck check =
      check_copy(wanted, plan.copies, true, backends.source, backends.target, store, engine);
  plan.rows = check.rows;
  plan.copy_time = check.copy_time;
  plan.findings.insert(plan.findings.end(), check.findings.begin(), check.findings.end());
}

std::vector<LaneChange> lane_changes(const ChangePlan& plan) {
  std::vector<LaneChange> out;
  // Tables that go the same way go it together.
  std::map<std::pair<Need, std::string>, LaneRow> fresh;
  std::set<std::uint32_t> resting;
  for (const TableMove& move : plan.moves) {
    if (!move.lane) {
      fresh[{move.need, move.mode}].tables.push_back(move.table);
      continue;
    }
    if (!resting.insert(move.lane->number).second) continue;
    LaneChange change{*move.lane, move.lane->state};
    LaneRow& row = change.row;
    row.who = user_name();
    if (move.comes_back) {
      row.state = LaneRow::State::planned;
    } else if (move.need == Need::remove_table) {
      row.purpose = LaneRow::Purpose::remove;
      row.state = LaneRow::State::removed;
    } else {
      row.purpose = LaneRow::Purpose::reload;
      // What was copied is forgotten on the way, as of tables that leave the main lane.
      row.state = LaneRow::State::leaving;
      row.reload_mode = move.mode;
      row.history = true;
      row.stopped_at = {};
      row.verdict.clear();
      row.note.clear();
    }
    row.error_id.clear();
    row.error.clear();
    row.error_fix.clear();
    out.push_back(std::move(change));
  }
  for (auto& [way, row] : fresh) {
    const auto& [need, mode] = way;
    row.task = plan.task;
    row.who = user_name();
    row.reload_mode = mode;
    row.purpose = need == Need::add_table ? LaneRow::Purpose::add
                  : need == Need::reload  ? LaneRow::Purpose::reload
                                          : LaneRow::Purpose::remove;
    row.state = need == Need::add_table ? LaneRow::State::planned : LaneRow::State::leaving;
    out.push_back({std::move(row), LaneRow::State::ended});
  }
  return out;
}

std::vector<LaneChange> take_back_lanes(std::span<const LaneChange> begun, StateStore& store) {
  std::vector<LaneChange> out;
  const std::vector<LaneRow> lanes = store.lanes(begun.empty() ? "" : begun.front().row.task);
  for (const LaneChange& one : begun) {
    const auto now = std::ranges::find(lanes, one.row.number, &LaneRow::number);
    if (now == lanes.end()) continue;
    LaneChange change{*now, now->state};
    LaneRow& row = change.row;
    if (row.purpose == LaneRow::Purpose::add) {
      row.state = LaneRow::State::cancelling;
    } else if (row.state == LaneRow::State::leaving && one.from == LaneRow::State::ended) {
      row.state = LaneRow::State::ended;
      row.note = "undone";
    } else if (row.purpose == LaneRow::Purpose::remove) {
      row.state = one.from == LaneRow::State::ended ? LaneRow::State::planned : one.from;
    } else {
      // Nobody knows how much of the old copy is left: it is made again by the old rules.
      row.state = LaneRow::State::leaving;
      row.reload_mode = "swap";
    }
    out.push_back(std::move(change));
  }
  return out;
}

Task main_lane_after(const ChangePlan& plan, Task wanted, StateStore& store) {
  const std::vector<LaneRow> lanes = store.lanes(plan.task);
  Task out = main_lane(std::move(wanted), lanes);
  for (const TableMove& move : plan.moves) out.without.insert(move.table);
  return out;
}

std::string encode_plan(const ChangePlan& plan) {
  Json steps = Json::array();
  for (const PlanStep& step : plan.steps) {
    steps.push_back({{"what", step.what},
                     {"table", step.table.table.empty() ? Json() : Json(step.table.text())},
                     {"before", step.before},
                     {"after", step.after},
                     {"need", to_string(step.need)},
                     {"effect", step.effect}});
  }
  Json moves = Json::array();
  for (const TableMove& move : plan.moves) {
    moves.push_back({{"table", move.table.text()},
                     {"need", to_string(move.need)},
                     {"mode", move.mode.empty() ? Json() : Json(move.mode)},
                     {"comes_back", move.comes_back}});
  }
  Json tables = Json::array();
  for (const TableName& table : plan.tables) tables.push_back(table.text());
  const Json out{{"format", kFormat},
                 {"task", plan.task},
                 {"taken", to_rfc3339(plan.taken)},
                 {"revision", plan.revision},
                 {"file", plan.file},
                 {"file_digest", plan.file_digest},
                 {"offset", plan.offset},
                 {"target_digest", plan.target_digest},
                 {"reload_mode", plan.reload_mode.empty() ? Json() : Json(plan.reload_mode)},
                 {"tables", std::move(tables)},
                 {"need", to_string(plan.need())},
                 {"restarts", plan.restarts()},
                 {"steps", std::move(steps)},
                 {"moves", std::move(moves)},
                 {"estimated_rows", plan.rows},
                 {"copy_s", plan.copy_time ? Json(plan.copy_time->count()) : Json()}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

ChangePlan decode_plan(std::string_view text) {
  const auto wrong = [](const std::string& why) {
    return Error(ExitCode::configuration, "plan.format", "this is no plan that weir can apply", why,
                 "make it anew: weir plan TASK --out FILE");
  };
  try {
    const Json json = Json::parse(text);
    if (text_at(json, "format") != kFormat) {
      throw wrong(
          fmt::format("its format is {}, and {} is wanted", text_at(json, "format"), kFormat));
    }
    ChangePlan out;
    out.task = text_at(json, "task");
    out.taken = parse_rfc3339(text_at(json, "taken"));
    out.revision = json.at("revision").get<std::uint32_t>();
    out.file = text_at(json, "file");
    out.file_digest = text_at(json, "file_digest");
    out.offset = text_at(json, "offset");
    out.target_digest = text_at(json, "target_digest");
    if (json.at("reload_mode").is_string()) out.reload_mode = text_at(json, "reload_mode");
    return out;
  } catch (const Json::exception& error) {
    throw wrong(error.what());
  }
}

void refuse_moved(const ChangePlan& planned, const ChangePlan& now,
                  const std::function<bool(const Offset&, const Offset&)>& reached) {
  if (planned.revision != now.revision) {
    throw moved(planned, fmt::format("it was made for revision {}, and the task runs by {}",
                                     planned.revision, now.revision));
  }
  if (planned.file != now.file || planned.file_digest != now.file_digest) {
    throw moved(planned, fmt::format("{} was edited since", planned.file));
  }
  if (planned.target_digest != now.target_digest) {
    std::vector<std::string> names;
    for (const TableName& table : now.tables) names.push_back(table.text());
    throw moved(planned, fmt::format("the target tables of {} changed since", join(names, ", ")));
  }
  if (planned.offset == now.offset || planned.offset.empty()) return;
  if (now.offset.empty() || !reached({now.offset, {}}, {planned.offset, {}})) {
    throw moved(planned, fmt::format("it was made at offset {}, and the task stands before that: "
                                     "its offset was put back",
                                     planned.offset));
  }
}

void refuse_unfit(const ChangePlan& plan) {
  if (refuses(plan.findings)) throw refusal(plan.findings);
  const auto step = std::ranges::find(plan.steps, Need::refused, &PlanStep::need);
  if (step != plan.steps.end()) {
    throw Error(ExitCode::refused, "plan.refused",
                fmt::format("{} of task {} cannot be changed so", step->what, plan.task),
                step->effect,
                fmt::format("put {} back to {}, or give the other one a task of its own; for a "
                            "server that moved and holds all of this one's data, stop the task and "
                            "start it with the file: weir sync start checks whose log it is",
                            step->what, step->before));
  }
}

}  // namespace weir::ops
