// SPDX-License-Identifier: Apache-2.0
#include "ops/remove_table.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/user.h"
#include "mapping/rules.h"
#include "model/lane.h"
#include "ops/lanes.h"
#include "ops/preflight.h"
#include "ops/resume.h"
#include "store/lane_task.h"

namespace weir::ops {
namespace {

Error unknown_table(const std::string& task, const std::string& word,
                    const std::set<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view near = suggest(word, views);
  return Error(
      ExitCode::not_found, "table.unknown", fmt::format("task {} has no table {}", task, word),
      fmt::format("it has {} tables, by the names that they have on the source", known.size()),
      near.empty() ? fmt::format("weir sync status {} lists them", task)
                   : fmt::format("did you mean {}?", near));
}

Error on_its_way(const TableName& table, const LaneRow& lane) {
  return Error(ExitCode::state_conflict, "lane.open",
               fmt::format("{} is being changed already", table.text()),
               fmt::format("lane {} ({}) is {}", lane_name(lane.task, lane.number),
                           to_string(lane.purpose), to_string(lane.state)),
               fmt::format("wait for it, or give it up: weir add-table {} {} --cancel", lane.task,
                           table.text()));
}

/// A table that no rule takes would have no target to catch up on.
void require_rules(const Task& task, const LaneRow& lane) {
  Task rules = task;
  rules.without.clear();
  const std::vector<SelectedTable> taken = select_tables(rules, lane.tables);
  std::vector<TableName> others;
  for (const TableName& table : lane.tables) {
    if (std::ranges::find(taken, table, &SelectedTable::name) == taken.end()) {
      others.push_back(table);
    }
  }
  if (others.empty()) return;
  throw Error(
      ExitCode::refused, "table.no-rule",
      fmt::format("no rule of the task takes {}", names_text(others)),
      "the rules say which target table it has, and it left with them or was excluded since",
      fmt::format(
          "put it back into {}, then weir apply {}{}", task.file, task.name,
          lane.note == kNotSelected ? ": that brings it back by itself" : ", and repeat this"));
}

/// What the worker does with a table that leaves.
void leave(const Task& main, LaneRow row, const OpenSource& open_source,
           const OpenTarget& open_target, StateStore& store) {
  const Task part = side_lane(main, row);
  open_source(part)->branch(main);
  open_target(main)->split_tables(main.name, part.name, row.tables);
  move_tables(store, main.name, part.name, row.tables);
  row.state = LaneRow::State::removed;
  if (!store.change_lane(row, LaneRow::State::leaving)) return;
  for (const TableName& table : row.tables) {
    store.add_event(main.name, {now(), "info", "table.removed", table.text(),
                                "it leaves the task here; its rows on the target stay"});
  }
}

bool is_removed(const LaneRow& lane) {
  return lane.purpose == LaneRow::Purpose::remove &&
         (lane.state == LaneRow::State::removed || lane.state == LaneRow::State::leaving);
}

}  // namespace

NamedTables find_tables(const std::string& task, std::span<const std::string> words,
                        StateStore& store) {
  const std::vector<LaneRow> lanes = store.lanes(task);
  std::set<TableName> main;
  std::set<std::string> known;
  for (const TableRow& row : store.tables(task)) main.insert(row.source);
  for (const TableName& table : main) known.insert(table.text());
  for (const LaneRow& lane : lanes) {
    for (const TableName& table : lane.tables) known.insert(table.text());
  }
  NamedTables out;
  std::set<TableName> named;
  std::set<std::uint32_t> numbers;
  for (const std::string& word : words) {
    if (!known.contains(word)) throw unknown_table(task, word, known);
    const LaneRow* in = nullptr;
    for (const LaneRow& lane : lanes) {
      const auto at = std::ranges::find(lane.tables, word, &TableName::text);
      if (at == lane.tables.end()) continue;
      if (lane.purpose == LaneRow::Purpose::add || lane.state == LaneRow::State::cancelling) {
        throw on_its_way(*at, lane);
      }
      in = &lane;
      named.insert(*at);
    }
    if (in != nullptr) {
      if (numbers.insert(in->number).second) out.lanes.push_back(*in);
      continue;
    }
    const auto at = std::ranges::find(main, word, &TableName::text);
    if (named.insert(*at).second) out.main.push_back(*at);
  }
  const std::vector<TableName> all(named.begin(), named.end());
  for (const LaneRow& lane : out.lanes) require_whole(lane, all);
  return out;
}

RemovePlan plan_remove(const std::string& task, std::span<const std::string> words,
                       StateStore& store) {
  NamedTables named = find_tables(task, words, store);
  RemovePlan out;
  for (LaneRow& lane : named.lanes) {
    if (is_removed(lane)) {
      out.removed.push_back(std::move(lane));
    } else if (lane.state == LaneRow::State::suspended) {
      out.suspended.push_back(std::move(lane));
    } else {
      throw Error(ExitCode::state_conflict, "lane.open",
                  fmt::format("{} is being changed already", names_text(lane.tables)),
                  fmt::format("lane {} ({}) is {}", lane_name(task, lane.number),
                              to_string(lane.purpose), to_string(lane.state)),
                  fmt::format("wait for it: weir sync status {} shows how far it is", task));
    }
  }
  out.leaving = std::move(named.main);
  const std::vector<TableRow> main = store.tables(task);
  std::size_t staying = main.size();
  for (const LaneRow& lane : store.lanes(task)) {
    if (lane.state != LaneRow::State::leaving) continue;
    staying -= static_cast<std::size_t>(std::ranges::count_if(main, [&](const TableRow& row) {
      return std::ranges::find(lane.tables, row.source) != lane.tables.end();
    }));
  }
  if (!out.leaving.empty() && out.leaving.size() >= staying) {
    throw Error(ExitCode::refused, "table.last",
                fmt::format("task {} would have no table left", task),
                "a task without a table has nothing to do, and no offset of its own",
                fmt::format("weir sync stop {}, if none of them is wanted any more", task));
  }
  const auto add = [&](const std::string& of, std::span<const TableName> tables) {
    const std::vector<TableRow> rows = store.tables(of);
    for (const TableName& table : tables) {
      auto at = std::ranges::find(rows, table, &TableRow::source);
      if (at != rows.end()) {
        out.tables.push_back({table, at->target});
        continue;
      }
      const auto other = std::ranges::find(main, table, &TableRow::source);
      out.tables.push_back({table, other == main.end() ? TableName{} : other->target});
    }
  };
  add(task, out.leaving);
  for (const auto* lanes : {&out.suspended, &out.removed}) {
    for (const LaneRow& lane : *lanes) add(lane_name(task, lane.number), lane.tables);
  }
  return out;
}

std::vector<std::uint32_t> begin_remove(const std::string& task, const RemovePlan& plan,
                                        StateStore& store) {
  std::vector<std::uint32_t> out;
  for (const LaneRow& lane : plan.removed) out.push_back(lane.number);
  for (const LaneRow& lane : plan.suspended) {
    LaneRow changed = lane;
    changed.purpose = LaneRow::Purpose::remove;
    changed.state = LaneRow::State::removed;
    change_lane(lane, changed, "remove " + names_text(lane.tables), store);
    out.push_back(lane.number);
  }
  if (plan.leaving.empty()) return out;
  LaneRow row;
  row.task = task;
  row.purpose = LaneRow::Purpose::remove;
  row.state = LaneRow::State::leaving;
  row.tables = plan.leaving;
  out.push_back(ask_for_lane(row, "remove " + names_text(plan.leaving), store));
  return out;
}

bool leave_at_once(const Task& task, std::span<const std::uint32_t> lanes,
                   const OpenSource& open_source, const OpenTarget& open_target, StateStore& store,
                   Engine& engine) {
  if (engine.status(task.name).running) return false;
  try {
    const std::unique_ptr<Engine::Hold> hold = engine.hold(task.name);
    for (const std::uint32_t number : lanes) {
      const auto row = find_lane(task.name, number, store);
      if (row && row->state == LaneRow::State::leaving) {
        leave(with_patience(task), *row, open_source, open_target, store);
      }
    }
  } catch (const Error& error) {
    // What was asked for is kept: the task does it once it runs, and reaches its servers.
    const bool waits = error.id() == "task.running" ||
                       error.code() == ExitCode::source_unreachable ||
                       error.code() == ExitCode::target_unreachable;
    if (!waits) throw;
    return false;
  }
  return true;
}

std::vector<LaneRow> undo_remove(const Task& task, std::span<const std::string> words, bool dry_run,
                                 const OpenSource& open_source, const OpenTarget& open_target,
                                 StateStore& store, Engine& engine) {
  const NamedTables named = find_tables(task.name, words, store);
  const auto not_removed = [&](std::span<const TableName> tables, const std::string& why) {
    return Error(ExitCode::state_conflict, "lane.not-removed",
                 fmt::format("{} cannot be brought back", names_text(tables)), why,
                 fmt::format("weir sync status {} shows where each table is", task.name));
  };
  if (!named.main.empty()) throw not_removed(named.main, "the task has it: it was not removed");
  for (const LaneRow& lane : named.lanes) {
    if (lane.purpose != LaneRow::Purpose::remove) {
      throw not_removed(lane.tables,
                        fmt::format("lane {} is no removal but one of purpose {}",
                                    lane_name(task.name, lane.number), to_string(lane.purpose)));
    }
    // On its way back already.
    if (!is_removed(lane)) continue;
    if (lane.note == kDropped) {
      throw Error(ExitCode::refused, "table.dropped",
                  fmt::format("the target tables of {} were dropped", names_text(lane.tables)),
                  "there is nothing left to catch up with",
                  fmt::format("weir reload-table {} {} --mode truncate copies them anew", task.name,
                              names_text(lane.tables)));
    }
    if (lane.state == LaneRow::State::leaving) {
      if (engine.status(task.name).running) {
        throw not_removed(lane.tables, "it has not left yet, which takes a moment");
      }
      if (dry_run) continue;
      // Nothing has happened yet: the tables are where they were.
      const std::unique_ptr<Engine::Hold> hold = engine.hold(task.name);
      const auto now = find_lane(task.name, lane.number, store);
      if (!now || now->state != LaneRow::State::leaving) {
        throw not_removed(lane.tables, "it has left meanwhile; repeat it");
      }
      LaneRow ended = lane;
      ended.note = "undone";
      store.add_event(task.name,
                      {weir::now(), "info", "lane.changed", "",
                       fmt::format("{} asked: bring back {} ({})", user_name(),
                                   names_text(lane.tables), lane_name(task.name, lane.number))});
      store.end_lane(ended, false);
      continue;
    }
    require_rules(task, lane);
    Task part = with_patience(task);
    part.name = lane_name(task.name, lane.number);
    const std::unique_ptr<Source> source = open_source(part);
    const std::unique_ptr<Target> target = open_target(part);
    auto gap = resume_gap(part, *source, *target, target->recover(part.name));
    if (gap && gap->severity == Severity::critical) {
      gap->ways.clear();
      gap->fix = fmt::format("weir reload-table {} {} --mode truncate copies them anew", task.name,
                             names_text(lane.tables));
      throw refusal(*gap);
    }
    if (dry_run) continue;
    LaneRow changed = lane;
    changed.state = LaneRow::State::planned;
    change_lane(lane, changed, "bring back " + names_text(lane.tables), store);
  }
  return named.lanes;
}

void record_drop(const LaneRow& lane, std::span<const std::string> statements, StateStore& store) {
  LaneRow changed = lane;
  changed.note = kDropped;
  change_lane(
      lane, changed,
      fmt::format("drop on the target: {}",
                  join(std::vector<std::string>(statements.begin(), statements.end()), "; ")),
      store);
}

void release_source(const Task& task, const LaneRow& lane, const OpenSource& open_source) {
  open_source(side_lane(with_patience(task), lane))->release();
}

}  // namespace weir::ops
