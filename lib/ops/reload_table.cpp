// SPDX-License-Identifier: Apache-2.0
#include "ops/reload_table.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "model/lane.h"
#include "model/swap_name.h"
#include "ops/lanes.h"
#include "ops/preflight.h"

namespace weir::ops {
namespace {

bool rests(const LaneRow& lane) {
  return lane.state == LaneRow::State::suspended || lane.state == LaneRow::State::removed;
}

/// The tables as they are on the source now, which is what is copied.
std::vector<TablePlan> plans_of(const Task& task, std::span<const TablePair> tables,
                                const std::string& mode, const std::set<TableName>& unfinished,
                                Source& source, const Target& target,
                                std::vector<Finding>& findings) {
  // Also those that are in lanes of their own, which the main lane is without.
  Task part = task;
  part.without.clear();
  part.only.emplace();
  std::set<std::string> names;
  for (const TablePair& table : tables) {
    names.insert(table.source.text());
    part.only->insert(table.source);
  }
  Mapping mapping = map_task(part, source, target, std::nullopt);
  for (Finding& finding : mapping.findings) {
    if (names.contains(finding.table)) findings.push_back(std::move(finding));
  }
  std::vector<TablePlan> out;
  for (TablePlan& plan : mapping.plans) {
    if (names.erase(plan.source.name.text()) == 0) continue;
    // The mode says what becomes of the table that is there, and of its rows.
    const bool made_anew = mode == "swap" || unfinished.contains(plan.source.name);
    plan.existing = made_anew         ? ExistingPolicy::replace
                    : mode == "merge" ? ExistingPolicy::append
                                      : ExistingPolicy::truncate;
    out.push_back(std::move(plan));
  }
  for (const TablePlan& plan : out) {
    if (mode != "merge" || !plan.key.empty()) continue;
    Finding keyless;
    keyless.id = "reload.merge-key";
    keyless.severity = Severity::critical;
    keyless.table = plan.source.name.text();
    keyless.what = fmt::format("{} has no key", keyless.table);
    keyless.why = "a merge finds the rows that are there by their key";
    keyless.fix = fmt::format(
        "reload it with --mode swap or truncate, or name columns that are unique as `key` in its "
        "rule of {}",
        task.file);
    findings.push_back(std::move(keyless));
  }
  for (const std::string& name : names) {
    if (std::ranges::find(findings, name, &Finding::table) != findings.end()) continue;
    Finding gone;
    gone.id = "table.gone";
    gone.severity = Severity::critical;
    gone.table = name;
    gone.what = fmt::format("{} is not on the source, or no rule takes it any more", name);
    gone.why = "there is nothing to copy";
    gone.fix = fmt::format("weir remove-table {} {} lets go of it", task.name, name);
    findings.push_back(std::move(gone));
  }
  return out;
}

}  // namespace

ReloadPlan plan_reload(const Task& task, std::span<const std::string> words,
                       const std::string& mode, const OpenSource& open_source,
                       const OpenTarget& open_target, StateStore& store, Engine& engine) {
  NamedTables named = find_tables(task.name, words, store);
  ReloadPlan out;
  out.mode = mode;
  out.leaving = std::move(named.main);
  for (const TableRow& row : store.tables(task.name)) {
    if (std::ranges::find(out.leaving, row.source) != out.leaving.end()) {
      out.tables.push_back({row.source, row.target});
    }
  }
  for (LaneRow& lane : named.lanes) {
    for (const LaneTable& table : look_at_lane(lane, store).tables) {
      out.tables.push_back({table.source, table.target});
    }
    if (rests(lane)) {
      out.resting.push_back(std::move(lane));
    } else if (lane.purpose == LaneRow::Purpose::reload && lane.reload_mode == mode) {
      out.on_its_way.push_back(std::move(lane));
    } else {
      throw Error(ExitCode::state_conflict, "lane.open",
                  fmt::format("{} is being changed already", names_text(lane.tables)),
                  fmt::format("lane {} ({}{}) is {}", lane_name(task.name, lane.number),
                              to_string(lane.purpose),
                              lane.reload_mode.empty() ? "" : ", " + lane.reload_mode,
                              to_string(lane.state)),
                  fmt::format("wait for it: weir sync status {} shows how far it is", task.name));
    }
  }
  if (out.nothing()) return out;
  const Task bounded = with_patience(task);
  const std::unique_ptr<Source> source = open_source(bounded);
  const std::unique_ptr<Target> target = open_target(bounded);
  std::set<TableName> unfinished;
  for (const LaneRow& lane : out.resting) {
    const auto known = target->recover(lane_name(task.name, lane.number));
    if (!known) continue;
    for (const TableProgress& table : known->tables) {
      const bool is_beside = swapped_name(table.target).has_value();
      if (!is_beside && table.created && !table.unique_done) unfinished.insert(table.source);
    }
  }
  std::vector<TablePlan> plans =
      plans_of(bounded, out.tables, mode, unfinished, *source, *target, out.findings);
  if (refuses(out.findings)) return out;
  CopyCheck check =
      check_copy(task, std::move(plans), true, open_source, open_target, store, engine);
  out.rows = check.rows;
  out.copy_time = check.copy_time;
  out.findings.insert(out.findings.end(), check.findings.begin(), check.findings.end());
  return out;
}

std::vector<std::uint32_t> begin_reload(const std::string& task, const ReloadPlan& plan,
                                        StateStore& store) {
  std::vector<std::uint32_t> out;
  const auto what = [&](std::span<const TableName> tables) {
    return fmt::format("copy {} anew, mode {}", names_text(tables), plan.mode);
  };
  for (const LaneRow& lane : plan.on_its_way) out.push_back(lane.number);
  for (const LaneRow& lane : plan.resting) {
    LaneRow changed = lane;
    changed.purpose = LaneRow::Purpose::reload;
    changed.state = LaneRow::State::planned;
    changed.reload_mode = plan.mode;
    changed.history = true;
    changed.error_id.clear();
    changed.error.clear();
    changed.error_fix.clear();
    changed.stopped_at = {};
    changed.verdict.clear();
    changed.note.clear();
    change_lane(lane, changed, what(lane.tables), store);
    out.push_back(lane.number);
  }
  if (plan.leaving.empty()) return out;
  LaneRow row;
  row.task = task;
  row.purpose = LaneRow::Purpose::reload;
  row.state = LaneRow::State::leaving;
  row.tables = plan.leaving;
  row.reload_mode = plan.mode;
  out.push_back(ask_for_lane(row, what(plan.leaving), store));
  return out;
}

}  // namespace weir::ops
