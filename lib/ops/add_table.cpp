// SPDX-License-Identifier: Apache-2.0
#include "ops/add_table.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "mapping/pattern.h"
#include "mapping/rules.h"
#include "mapping/task_file.h"
#include "model/lane.h"
#include "ops/checklist.h"
#include "ops/init.h"
#include "ops/lanes.h"
#include "ops/preflight.h"
#include "store/lane_task.h"

namespace weir::ops {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kSamples = 20'000;

Finding finding(const char* id, Severity severity, std::string what, std::string why,
                std::string fix) {
  Finding out;
  out.id = id;
  out.severity = severity;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  return out;
}

std::vector<TableName> matching(const std::string& word, std::span<const TableName> names) {
  // A name may hold what a pattern would read as a wildcard.
  for (const TableName& name : names) {
    if (name.text() == word) return {name};
  }
  const TablePattern pattern({false, word, {}});
  std::vector<TableName> out;
  std::ranges::copy_if(names, std::back_inserter(out),
                       [&](const TableName& name) { return pattern.matches(name); });
  return out;
}

Error no_match(const std::string& word, std::span<const TableName> names, const std::string& why) {
  std::vector<std::string> texts;
  for (const TableName& name : names) texts.push_back(name.text());
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::string_view near = suggest(word, views);
  return Error(ExitCode::not_found, "table.no-match", fmt::format("no table matches {}", word), why,
               near.empty()
                   ? "give schema.table, or a glob such as 'shop.order_*'; a table without "
                     "any privilege is invisible to the account"
                   : fmt::format("did you mean {}?", near));
}

/// All that any word matches, in order; each word has to match one.
std::set<TableName> match_all(std::span<const std::string> words, std::span<const TableName> names,
                              const std::string& why) {
  std::set<TableName> out;
  for (const std::string& word : words) {
    const std::vector<TableName> found = matching(word, names);
    if (found.empty()) throw no_match(word, names, why);
    out.insert(found.begin(), found.end());
  }
  return out;
}

std::string rule_text(const Task& task, std::size_t rule) {
  const std::uint32_t line = task.tables[rule].place.line;
  return line == 0 ? fmt::format("rule {}", rule + 1)
                   : fmt::format("rule {} at line {}", rule + 1, line);
}

/// The rule that would take the table if it did not exclude it.
std::optional<std::size_t> excluding_rule(const Task& task, const TableName& table) {
  for (std::size_t i = 0; i < task.tables.size(); ++i) {
    const TableRule& rule = task.tables[i];
    const auto takes = [&](const Pattern& pattern) { return TablePattern(pattern).matches(table); };
    if (takes(rule.match) && std::ranges::any_of(rule.exclude, takes)) return i;
  }
  return std::nullopt;
}

/// The tables that are in a lane, with that.
std::map<TableName, LaneRow> tables_of_lanes(const std::string& task, StateStore& store) {
  std::map<TableName, LaneRow> out;
  for (const LaneRow& row : store.lanes(task)) {
    for (const TableName& table : row.tables) out.emplace(table, row);
  }
  return out;
}

Error in_the_way(const TableName& table, const LaneRow& lane) {
  std::string fix = fmt::format("wait for it: weir sync status {} shows how far it is", lane.task);
  if (lane.note == kNotSelected) {
    fix = fmt::format(
        "add a rule for it to the task file and weir apply {}: it comes back from where it left",
        lane.task);
  } else if (lane.purpose == LaneRow::Purpose::remove) {
    fix = fmt::format(
        "weir remove-table {0} {1} --undo brings it back from where it left, weir "
        "reload-table {0} {1} --mode truncate with all rows copied anew",
        lane.task, table.text());
  }
  return Error(ExitCode::state_conflict, "lane.open",
               fmt::format("{} is being changed already", table.text()),
               fmt::format("lane {} ({}) is {}", lane_name(lane.task, lane.number),
                           to_string(lane.purpose), to_string(lane.state)),
               std::move(fix));
}

std::string rule_of(const TableName& table) {
  return fmt::format("\n[[table]]\nmatch = {}\n",
                     toml_text(glob_of(table.schema) + "." + glob_of(table.table)));
}

/// What the whole mapping says of tables that are to be added.
bool concerns(const Finding& finding, const std::set<std::string>& added) {
  if (finding.table.empty() || added.contains(finding.table)) return true;
  return finding.id == "mapping.collision" &&
         std::ranges::any_of(added, [&](const std::string& name) {
           return finding.what.find(name) != std::string::npos;
         });
}

void judge_log(const Task& task, CopyCheck& check, bool history, const OpenSource& open_source,
               StateStore& store, Engine& engine) {
  RetentionRequest request;
  if (history) {
    std::optional<double> rate = copy_rate(store.samples(task.name, kSamples));
    if (rate && task.full.rate_rows > 0) {
      rate = std::min(*rate, static_cast<double>(task.full.rate_rows));
    }
    if (rate) check.copy_time = Seconds(static_cast<double>(check.rows) / *rate);
    if (check.copy_time > request.critical) request.planned_stop = check.copy_time;
  }
  RetentionReport report;
  try {
    report = check_retention(task, request, open_source, store, engine);
  } catch (const Error& error) {
    if (error.code() != ExitCode::unsupported) throw;
    report = unasked(task.name, error);
  }
  if (report.verdict == Verdict::ok || report.verdict == Verdict::warning) return;
  const std::string needed =
      check.copy_time ? fmt::format("the copy of {} rows may take {}", format_count(check.rows),
                                    format_duration(*check.copy_time))
                      : std::string("how long the copy takes is not known");
  check.findings.push_back(finding(
      "table.retention",
      report.verdict == Verdict::unknown ? Severity::unknown : Severity::critical,
      report.may_stay_down ? fmt::format("the source keeps its log for {} from here on",
                                         format_duration(*report.may_stay_down))
                           : "nobody knows for how long the source keeps its log",
      fmt::format("what changes while tables are copied is read from the log afterwards; {}; {}",
                  needed, report.reason),
      fmt::format("weir check-retention {} tells what limits it; raise that, or add the tables in "
                  "smaller parts",
                  task.name)));
}

}  // namespace

std::string_view to_string(AddFate fate) {
  switch (fate) {
    case AddFate::added:
      return "added";
    case AddFate::there:
      return "there";
    case AddFate::on_its_way:
      return "on-its-way";
    case AddFate::ignored:
      return "ignored";
  }
  return "";
}

std::string refuse_pattern(const std::string& word) {
  try {
    const TablePattern pattern({false, word, {}});
    return "";
  } catch (const Error& error) {
    return error.summary();
  }
}

CopyCheck check_copy(const Task& task, std::vector<TablePlan> plans, bool history,
                     const OpenSource& open_source, const OpenTarget& open_target,
                     StateStore& store, Engine& engine) {
  CopyCheck out;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    plans[i].id = static_cast<std::uint32_t>(i);
    plans[i].since = {};
    if (history) out.rows += plans[i].source.estimated_rows;
  }
  // To both servers the lane is a new task of its own.
  std::uint32_t next = 1;
  for (const auto& rows : {store.lanes(task.name), store.ended_lanes(task.name, kAll)}) {
    for (const LaneRow& row : rows) next = std::max(next, row.number + 1);
  }
  Task lane = with_patience(task);
  lane.name = lane_name(task.name, next);
  const std::unique_ptr<Source> source = open_source(lane);
  const std::unique_ptr<Target> target = open_target(lane);
  out.findings = source->judge(plans, source->gather(lane, plans, true));
  // The task itself holds what a new task of the same file would find taken.
  std::erase_if(out.findings, [](const Finding& one) {
    return one.id == "mysql.server-id-taken" || one.id == "postgres.slot-active";
  });
  const std::vector<Finding> of_target =
      target->judge(plans, target->gather(lane, plans, std::nullopt));
  out.findings.insert(out.findings.end(), of_target.begin(), of_target.end());
  judge_log(task, out, history, open_source, store, engine);
  std::erase_if(out.findings, [](const Finding& one) { return one.severity < Severity::warning; });
  return out;
}

AddPlan plan_add(const Task& task, const std::string& file_text, const AddRequest& request,
                 const OpenSource& open_source, const OpenTarget& open_target, StateStore& store,
                 Engine& engine) {
  const Task bounded = with_patience(task);
  const std::unique_ptr<Source> source = open_source(bounded);
  const std::unique_ptr<Target> target = open_target(bounded);
  const std::vector<TableName> visible = source->tables();
  const std::set<TableName> matched =
      match_all(request.words, visible,
                fmt::format("the source shows {} tables to the account, and none is called so",
                            visible.size()));
  std::map<TableName, TableName> there;
  for (const TableRow& row : store.tables(task.name)) there.emplace(row.source, row.target);
  const std::map<TableName, LaneRow> lanes = tables_of_lanes(task.name, store);
  const std::vector<TableName> names(matched.begin(), matched.end());
  std::map<TableName, std::uint32_t> selected;
  for (const SelectedTable& one : select_tables(task, names)) selected.emplace(one.name, one.rule);

  AddPlan out;
  for (const TableName& name : names) {
    AddedTable& table = out.tables.emplace_back();
    table.source = name;
    const auto lane = lanes.find(name);
    if (lane != lanes.end() && lane->second.purpose == LaneRow::Purpose::add &&
        lane->second.state != LaneRow::State::cancelling) {
      table.fate = AddFate::on_its_way;
      table.why = fmt::format("lane {} is {}", lane_name(task.name, lane->second.number),
                              to_string(lane->second.state));
      if (std::ranges::find(out.lanes, lane->second.number) == out.lanes.end()) {
        out.lanes.push_back(lane->second.number);
      }
    } else if (lane != lanes.end() && (lane->second.purpose == LaneRow::Purpose::remove ||
                                       lane->second.purpose == LaneRow::Purpose::add)) {
      throw in_the_way(name, lane->second);
    } else if (lane != lanes.end() || there.contains(name)) {
      table.fate = AddFate::there;
      table.why = lane == lanes.end() ? std::string("the task has it")
                                      : fmt::format("the task has it, in lane {}",
                                                    lane_name(task.name, lane->second.number));
      if (const auto at = there.find(name); at != there.end()) table.target = at->second;
    } else if (name == task.source.heartbeat_table) {
      table.fate = AddFate::ignored;
      table.why = "it is the table of heartbeats";
    } else if (const auto at = selected.find(name); at != selected.end()) {
      table.why = rule_text(task, at->second);
      out.added.push_back(name);
    } else if (const auto rule = excluding_rule(task, name)) {
      table.fate = AddFate::ignored;
      table.why = "excluded by " + rule_text(task, *rule);
      if (std::ranges::find(request.words, name.text()) == request.words.end()) continue;
      Finding excluded =
          finding("table.excluded", Severity::critical,
                  fmt::format("{} is excluded by {}", name.text(), rule_text(task, *rule)),
                  "somebody decided that the task shall not have it",
                  "take it out of that `exclude` first");
      excluded.table = name.text();
      out.findings.push_back(std::move(excluded));
    } else {
      table.why = "no rule takes it: a rule is added to the task file";
      out.rules += rule_of(name);
      out.added.push_back(name);
    }
  }
  if (out.added.empty()) return out;

  Task with_rules =
      out.rules.empty() ? bounded : with_patience(parse_task(file_text + out.rules, task.file));
  with_rules.file = task.file;
  Mapping mapping = map_task(with_rules, *source, *target, target->recover(task.name));
  std::set<std::string> added;
  for (const TableName& name : out.added) added.insert(name.text());
  std::ranges::copy_if(mapping.findings, std::back_inserter(out.findings),
                       [&](const Finding& one) { return concerns(one, added); });
  std::vector<TablePlan> plans;
  for (TablePlan& plan : mapping.plans) {
    if (!added.contains(plan.source.name.text())) continue;
    const auto line = std::ranges::find(out.tables, plan.source.name, &AddedTable::source);
    line->target = plan.target;
    out.overwrites = out.overwrites || plan.existing == ExistingPolicy::truncate ||
                     plan.existing == ExistingPolicy::replace;
    plans.push_back(std::move(plan));
  }
  if (!request.history) {
    out.findings.push_back(finding(
        "table.no-history", Severity::warning, "the rows that the tables hold now are not copied",
        "the target gets what changes from here on; a change of a row that it lacks finds nothing",
        "leave out --no-history to copy them"));
  }
  // Target names that collide or do not exist would be judged twice.
  if (refuses(out.findings)) return out;
  CopyCheck check = check_copy(with_rules, std::move(plans), request.history, open_source,
                               open_target, store, engine);
  out.rows = check.rows;
  out.copy_time = check.copy_time;
  out.findings.insert(out.findings.end(), check.findings.begin(), check.findings.end());
  return out;
}

std::uint32_t begin_add(const Task& task, const AddRequest& request, const AddPlan& plan,
                        StateStore& store) {
  LaneRow row;
  row.task = task.name;
  row.purpose = LaneRow::Purpose::add;
  row.tables = plan.added;
  row.history = request.history;
  return ask_for_lane(row,
                      fmt::format("add {}{}", names_text(plan.added),
                                  request.history ? "" : " without the rows that are there now"),
                      store);
}

CancelPlan plan_cancel(const std::string& task, std::span<const std::string> words,
                       StateStore& store) {
  std::vector<LaneRow> adding = store.lanes(task);
  std::erase_if(adding, [](const LaneRow& row) { return row.purpose != LaneRow::Purpose::add; });
  std::vector<TableName> known;
  for (const LaneRow& row : adding) {
    known.insert(known.end(), row.tables.begin(), row.tables.end());
  }
  for (const TableRow& row : store.tables(task)) known.push_back(row.source);
  const std::set<TableName> matched =
      match_all(words, known, "no table of that name is on its way into the task");
  const std::vector<TableName> named(matched.begin(), matched.end());
  CancelPlan out;
  std::set<TableName> found;
  for (const LaneRow& row : adding) {
    const bool has = std::ranges::any_of(
        row.tables, [&](const TableName& table) { return matched.contains(table); });
    if (!has) continue;
    require_whole(row, named);
    found.insert(row.tables.begin(), row.tables.end());
    out.lanes.push_back(row);
  }
  std::ranges::set_difference(matched, found, std::back_inserter(out.absent));
  return out;
}

void cancel(const CancelPlan& plan, StateStore& store, Engine& engine) {
  for (const LaneRow& row : plan.lanes) {
    if (row.state == LaneRow::State::cancelling) continue;
    LaneRow changed = row;
    changed.state = LaneRow::State::cancelling;
    change_lane(row, changed, "give up adding " + names_text(row.tables), store);
    // One that no worker has taken up yet is known to nobody else.
    const bool begun = row.state != LaneRow::State::planned || row.changed != row.created;
    if (begun || engine.status(row.task).running) continue;
    const std::unique_ptr<Engine::Hold> hold = engine.hold(row.task);
    const auto now = find_lane(row.task, row.number, store);
    if (!now || now->state != LaneRow::State::cancelling) continue;
    changed.note = "cancelled";
    store.end_lane(changed, false);
  }
}

void require_whole(const LaneRow& lane, std::span<const TableName> named) {
  std::vector<TableName> missing;
  for (const TableName& table : lane.tables) {
    if (std::ranges::find(named, table) == named.end()) missing.push_back(table);
  }
  if (missing.empty()) return;
  throw Error(ExitCode::state_conflict, "lane.partial",
              fmt::format("lane {} has other tables too: {}", lane_name(lane.task, lane.number),
                          names_text(missing)),
              "what was begun together is at one place of the log, and goes on together",
              "name all of them");
}

}  // namespace weir::ops
