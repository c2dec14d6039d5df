// SPDX-License-Identifier: Apache-2.0
#include "ops/lanes.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/user.h"
#include "model/lane.h"

namespace weir::ops {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kShownNames = 5;

LaneStep step_of(const LaneRow& row, const TableRow* table) {
  switch (row.state) {
    case LaneRow::State::leaving:
      return LaneStep::leaving;
    case LaneRow::State::suspended:
      return LaneStep::suspended;
    case LaneRow::State::removed:
      return LaneStep::removed;
    case LaneRow::State::cancelling:
      return LaneStep::cancelling;
    case LaneRow::State::ended:
      return row.note == "cancelled" ? LaneStep::cancelled : LaneStep::streaming;
    case LaneRow::State::planned:
    case LaneRow::State::running:
      break;
  }
  // One that a crash has put back keeps what it has reached.
  if (table == nullptr) return LaneStep::planned;
  if (table->full == StageState::done) return LaneStep::catching_up;
  if (table->schema == StageState::done) return LaneStep::loading;
  return row.state == LaneRow::State::planned ? LaneStep::planned : LaneStep::schema;
}

void tell(const LaneRow& row, const char* id, const std::string& what, StateStore& store) {
  const std::string table = row.tables.size() == 1 ? row.tables.front().text() : "";
  store.add_event(row.task, {now(), "info", id, table,
                             fmt::format("{} asked: {} ({})", user_name(), what,
                                         lane_name(row.task, row.number))});
}

}  // namespace

std::string_view step_name(LaneStep step) {
  switch (step) {
    case LaneStep::leaving:
      return "leaving";
    case LaneStep::planned:
      return "planned";
    case LaneStep::schema:
      return "schema";
    case LaneStep::loading:
      return "loading";
    case LaneStep::catching_up:
      return "catching-up";
    case LaneStep::streaming:
      return "streaming";
    case LaneStep::suspended:
      return "suspended";
    case LaneStep::removed:
      return "removed";
    case LaneStep::cancelling:
      return "cancelling";
    case LaneStep::cancelled:
      return "cancelled";
  }
  return "";
}

std::string step_text(const LaneTable& table) {
  if (table.step != LaneStep::loading || table.chunks == 0) {
    return std::string(step_name(table.step));
  }
  return fmt::format("loading {}/{} chunks", table.chunks_done, table.chunks);
}

Lane look_at_lane(const LaneRow& row, StateStore& store) {
  Lane out;
  out.row = row;
  const std::string name = lane_name(row.task, row.number);
  const std::vector<TableRow> known = store.tables(name);
  // Those of a lane that has not begun, or has joined, are with the task itself.
  const std::vector<TableRow> others = store.tables(row.task);
  for (const TableName& source : row.tables) {
    LaneTable& table = out.tables.emplace_back();
    table.source = source;
    const auto at = std::ranges::find(known, source, &TableRow::source);
    const auto other = std::ranges::find(others, source, &TableRow::source);
    table.step = step_of(row, at == known.end() ? nullptr : &*at);
    if (at == known.end()) {
      if (other != others.end()) table.target = other->target;
      continue;
    }
    table.target = at->target;
    table.copied_rows = at->copied_rows;
    table.estimated_rows = at->estimated_rows;
    const std::vector<RangeProgress> ranges = store.ranges(name, source);
    table.chunks = ranges.size();
    table.chunks_done =
        static_cast<std::size_t>(std::ranges::count_if(ranges, &RangeProgress::done));
  }
  if (const auto stored = store.offset(name)) out.offset = stored->offset;
  return out;
}

std::optional<LaneRow> find_lane(const std::string& task, std::uint32_t number, StateStore& store) {
  for (const auto& rows : {store.lanes(task), store.ended_lanes(task, kAll)}) {
    const auto at = std::ranges::find(rows, number, &LaneRow::number);
    if (at != rows.end()) return *at;
  }
  return std::nullopt;
}

std::vector<TableName> without_history(const std::string& task, StateStore& store) {
  std::vector<TableName> out;
  for (const LaneRow& row : store.ended_lanes(task, kAll)) {
    if (row.note == "cancelled") continue;
    if (row.purpose == LaneRow::Purpose::add || row.purpose == LaneRow::Purpose::reload) {
      for (const TableName& table : row.tables) std::erase(out, table);
    }
    if (row.purpose == LaneRow::Purpose::add && !row.history) {
      out.insert(out.end(), row.tables.begin(), row.tables.end());
    }
  }
  return out;
}

std::uint32_t ask_for_lane(LaneRow row, const std::string& what, StateStore& store) {
  row.who = user_name();
  row.number = store.add_lane(row);
  tell(row, "lane.asked", what, store);
  return row.number;
}

void change_lane(const LaneRow& row, LaneRow changed, const std::string& what, StateStore& store) {
  changed.who = user_name();
  if (!store.change_lane(changed, row.state)) {
    throw Error(ExitCode::state_conflict, "lane.moved-on",
                fmt::format("lane {} has gone on meanwhile", lane_name(row.task, row.number)),
                fmt::format("it was {} a moment ago", to_string(row.state)),
                fmt::format("see weir sync status {}, and repeat it", row.task));
  }
  tell(changed, "lane.changed", what, store);
}

std::string way_out(const LaneRow& row) {
  // A statement's own fix says what becomes of it.
  const bool says_all =
      !row.stopped_at.empty() || row.error_fix.find("weir reload-table") != std::string::npos;
  if (says_all && !row.error_fix.empty()) return row.error_fix;
  return fmt::format("{}weir ddl resolve {} --table {} --retry",
                     row.error_fix.empty() ? "" : row.error_fix + "; then ", row.task,
                     row.tables.front().text());
}

Error suspension(const LaneRow& row) {
  const std::string names = names_text(row.tables);
  return Error(ExitCode::refused, row.error_id.empty() ? "lane.suspended" : row.error_id,
               row.error.empty() ? names + " is suspended" : row.error,
               fmt::format("{} {} until that is resolved; the other tables go on", names,
                           row.tables.size() == 1 ? "waits" : "wait"),
               way_out(row));
}

std::string names_text(std::span<const TableName> tables) {
  std::vector<std::string> names;
  for (const TableName& table : tables.first(std::min(tables.size(), kShownNames))) {
    names.push_back(table.text());
  }
  const std::string out = join(names, ", ");
  if (tables.size() <= kShownNames) return out;
  return fmt::format("{} and {} more", out, tables.size() - kShownNames);
}

}  // namespace weir::ops
