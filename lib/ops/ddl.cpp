// SPDX-License-Identifier: Apache-2.0
#include "ops/ddl.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/lane.h"

namespace weir::ops {
namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

bool contains(const LaneRow& lane, const std::string& table) {
  return std::ranges::any_of(lane.tables,
                             [&](const TableName& name) { return name.text() == table; });
}

/// The part of the task that a table is in, if that is not the main lane.
std::optional<LaneRow> lane_of(const std::string& task, const std::string& table,
                               StateStore& store) {
  for (LaneRow& lane : store.lanes(task)) {
    if (contains(lane, table)) return std::move(lane);
  }
  return std::nullopt;
}

/// Whether the lane waits at this statement. What suspends it may be a word of the target, long
/// after the place was known; but a table goes no further than a statement that waits.
bool waits_at(const LaneRow& lane, const DdlRow& row) {
  if (lane.state != LaneRow::State::suspended) return false;
  return lane.stopped_at == row.offset || (row.is_open() && lane.error_id == row.error_id);
}

struct SkipRow {
  std::string_view kind;
  std::string_view effect;
};

/// What the target's rows miss if a statement is not carried out there.
constexpr auto kSkips = std::to_array<SkipRow>({
    {"create_table", "the table stays out of the task, until the task is started anew"},
    {"drop_table", "the target keeps its table as it is, and nothing follows"},
    {"rename_table", "the target keeps its table as it is, and nothing follows"},
    {"truncate_table", "the target keeps the rows from before, beside those that follow"},
    {"drop_rows",
     "the target keeps the rows that went with the statement, and lacks those that came with it"},
    {"add_column", "the target never gets the column, nor its values"},
    {"drop_column", "the target keeps the column, and rows that follow have its default there"},
    {"change_key",
     "the target keeps its key; if weir tells rows apart by it, the table stops again"},
    {"default", "the target keeps its default; rows that follow bring their own values"},
    {"comment", "the target keeps its comment"},
    {"index", "the target keeps its indexes"},
});
constexpr std::string_view kOtherSkip =
    "the target keeps its columns as they are, and a value that does not fit stops the table again";

std::string skip_effect(const DdlRow& row) {
  const auto found = std::ranges::find(kSkips, row.kind, &SkipRow::kind);
  return std::string(found == kSkips.end() ? kOtherSkip : found->effect);
}

/// Why this way does not help with a statement; "" if it may.
std::string why_useless(const DdlRow& row, Resolution how) {
  const bool decides = how == Resolution::apply || how == Resolution::applied;
  if (row.error_id == "ddl.table-replaced" && (decides || how == Resolution::skip)) {
    return "another table has the name now, and its rows cannot be told from the log";
  }
  if (row.error_id == "ddl.unreadable" && (decides || how == Resolution::skip)) {
    return "what the statement made of the table is not known, so rows after it cannot be read";
  }
  if (row.error_id == "ddl.rename-ignored" && how == Resolution::skip) {
    return "the column has another name from here on, and the target none by that name";
  }
  if (row.error_id == "ddl.key-ignored" && how == Resolution::skip) {
    return "rows are told apart by another key from here on, which the target table has not";
  }
  if (row.kind == "rename_table" && decides) {
    return "the table waits under its old name; skip it, and weir add-table copies the one of the "
           "new name";
  }
  if (row.kind == "drop_rows" && decides) {
    return "it removes or brings rows that the log does not show";
  }
  return "";
}

bool is_destructive(const DdlRow& row) {
  return row.kind == "drop_table" || row.kind == "drop_column" || row.kind == "truncate_table";
}

std::string resolution_text(const ResolveRequest& request) {
  if (request.how == Resolution::reload) return "reload: " + request.reload_mode;
  return std::string(to_string(request.how));
}

std::string resolved_text(const DdlRow& row) {
  return fmt::format("{}, by {}, {}", row.resolution,
                     row.resolved_by.empty() ? "weir" : row.resolved_by,
                     to_rfc3339(row.resolved_at));
}

Error conflict(const std::string& what, const std::string& why, const std::string& task) {
  return Error(ExitCode::state_conflict, "ddl.conflict", what, why,
               fmt::format("look where it is: weir sync status {}, weir ddl list {}", task, task));
}

Error not_stopped(const std::string& what, const std::string& why, const std::string& fix) {
  return Error(ExitCode::refused, "ddl.not-stopped", what, why, fix);
}

std::string ways(const std::string& task, const DdlRow& row) {
  struct Way {
    Resolution how;
    std::string_view meaning;
  };
  constexpr auto kWays = std::to_array<Way>({
      {Resolution::apply, "weir carries it out"},
      {Resolution::applied, "it was carried out on the target by hand"},
      {Resolution::skip, "the target stays as it is"},
      {Resolution::reload, "the table is copied anew"},
  });
  std::vector<std::string> out;
  for (const Way& way : kWays) {
    if (!why_useless(row, way.how).empty()) continue;
    out.push_back(fmt::format("--{} ({})", to_string(way.how), way.meaning));
  }
  return fmt::format("weir ddl resolve {} {} with {}", task, row.number, join(out, ", or "));
}

/// The lane of a statement that waits. Throws if none waits at it.
LaneRow waiting_lane(const std::string& task, const DdlRow& row, StateStore& store) {
  const std::string what = fmt::format("statement {} of task {}", row.number, task);
  const std::optional<LaneRow> lane = lane_of(task, row.table.text(), store);
  if (lane && waits_at(*lane, row)) return *lane;
  if (!row.is_open() && row.outcome != DdlRow::Outcome::resolved) {
    throw not_stopped(fmt::format("{} stopped nothing: {}", what, to_string(row.outcome)),
                      "there is nothing to resolve",
                      fmt::format("see weir ddl list {} --open", task));
  }
  if (lane && lane->state == LaneRow::State::suspended) {
    throw not_stopped(
        fmt::format("{} is not what {} waits at", what, row.table.text()),
        fmt::format("{} [{}]", lane->error, lane->error_id),
        fmt::format("see weir ddl list {} --open; without a statement there: weir ddl resolve {} "
                    "--table {} --retry",
                    task, task, row.table.text()));
  }
  if (lane) {
    throw conflict(fmt::format("{} is being changed", row.table.text()),
                   fmt::format("{} ({}) is {}", lane_name(task, lane->number),
                               to_string(lane->purpose), to_string(lane->state)),
                   task);
  }
  if (row.outcome == DdlRow::Outcome::stopped_table) {
    throw conflict(fmt::format("{} does not wait apart from the others", row.table.text()),
                   "the worker has not put it aside yet, or it is no longer in the task", task);
  }
  throw Error(ExitCode::refused, "ddl.task-stopped",
              fmt::format("{} stopped the task as a whole", what), row.error, row.error_fix);
}

ResolvePlan plan_table(const std::string& task, const ResolveRequest& request, StateStore& store) {
  const std::optional<LaneRow> lane = lane_of(task, request.table, store);
  if (!lane) {
    const std::vector<TableRow> tables = store.tables(task);
    const bool known = std::ranges::any_of(
        tables, [&](const TableRow& row) { return row.source.text() == request.table; });
    if (!known) {
      throw Error(ExitCode::not_found, "ddl.table-unknown",
                  fmt::format("task {} has no table {}", task, request.table),
                  "tables are named as on the source, with their schema",
                  fmt::format("see weir sync status {}", task));
    }
  }
  if (!lane || lane->state == LaneRow::State::removed) {
    throw not_stopped(fmt::format("{} does not wait", request.table),
                      lane ? "it was removed from the task" : "its changes are applied",
                      fmt::format("see weir sync status {}", task));
  }
  if (lane->state != LaneRow::State::suspended) {
    throw conflict(fmt::format("{} is being changed", request.table),
                   fmt::format("{} ({}) is {}", lane_name(task, lane->number),
                               to_string(lane->purpose), to_string(lane->state)),
                   task);
  }
  ResolvePlan plan;
  plan.lane = *lane;
  plan.table = request.table;
  for (const DdlRow& row : store.ddl(task, kAll, true)) {
    if (row.table.text() == request.table && waits_at(*lane, row)) plan.row = row;
  }
  return plan;
}

}  // namespace

std::string_view to_string(Resolution resolution) {
  switch (resolution) {
    case Resolution::apply:
      return "apply";
    case Resolution::applied:
      return "applied";
    case Resolution::skip:
      return "skip";
    case Resolution::reload:
      return "reload";
    case Resolution::retry:
      return "retry";
  }
  return "";
}

std::vector<DdlRow> ddl_rows(const std::string& task, std::size_t limit, Time since, bool only_open,
                             StateStore& store) {
  std::vector<DdlRow> rows = store.ddl(task, since == Time{} ? limit : kAll, only_open);
  std::erase_if(rows, [&](const DdlRow& row) { return row.at < since; });
  if (rows.size() > limit) {
    rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(limit));
  }
  return rows;
}

DdlRow find_ddl(const std::string& task, std::uint32_t number, StateStore& store) {
  if (auto row = store.ddl_row(task, number)) return *std::move(row);
  throw Error(ExitCode::not_found, "ddl.unknown",
              fmt::format("task {} has no statement {}", task, number),
              "statements are numbered as they are met, and forgotten after 90 days unless they "
              "wait for somebody",
              fmt::format("see weir ddl list {}", task));
}

std::string advice(const std::string& task, const DdlRow& row, StateStore& store) {
  if (row.outcome == DdlRow::Outcome::begun) {
    return "wait: the worker is at it, or will meet it again with the task's next start";
  }
  const std::optional<LaneRow> lane = lane_of(task, row.table.text(), store);
  if (lane && waits_at(*lane, row)) return ways(task, row);
  if (row.is_open()) {
    return row.error_fix.empty() ? "mend what the error names, then start the task" : row.error_fix;
  }
  if (row.outcome == DdlRow::Outcome::resolved && lane) {
    return fmt::format("wait until the table has caught up: weir sync status {}", task);
  }
  return "nothing";
}

ResolvePlan plan_resolve(const std::string& task, const ResolveRequest& request,
                         StateStore& store) {
  ResolvePlan plan;
  if (request.number) {
    const DdlRow row = find_ddl(task, *request.number, store);
    const std::optional<LaneRow> lane = lane_of(task, row.table.text(), store);
    plan.row = row;
    plan.table = row.table.text();
    // Whoever resolves it is killed before the lane hears of it: then it waits still.
    if (!row.is_open() && !row.resolution.empty() && !(lane && waits_at(*lane, row))) {
      if (row.resolution != resolution_text(request)) {
        throw conflict(fmt::format("statement {} of task {} is resolved already", row.number, task),
                       resolved_text(row), task);
      }
      plan.resolution = row.resolution;
      plan.already = resolved_text(row);
      return plan;
    }
    plan.lane = waiting_lane(task, row, store);
    const std::string why = why_useless(row, request.how);
    if (!why.empty()) {
      throw Error(
          ExitCode::refused, "ddl.no-way",
          fmt::format("--{} does not help with statement {}", to_string(request.how), row.number),
          why, ways(task, row));
    }
  } else {
    plan = plan_table(task, request, store);
  }
  const bool about_statement =
      request.how != Resolution::reload && request.how != Resolution::retry;
  if (about_statement && !plan.row) throw bug("a verdict without a statement");
  plan.resolution = resolution_text(request);
  LaneRow& lane = plan.lane;
  lane.state = LaneRow::State::planned;
  lane.error_id.clear();
  lane.error.clear();
  lane.error_fix.clear();
  lane.verdict.clear();
  if (plan.row) lane.stopped_at = plan.row->offset;
  switch (request.how) {
    case Resolution::apply:
      lane.verdict = "apply";
      plan.effect = "the statement is carried out on the target, and the table catches up";
      if (is_destructive(*plan.row)) {
        plan.loss = fmt::format("what {} removes would be removed on the target: {}",
                                plan.row->kind, plan.table);
      }
      break;
    case Resolution::applied:
      lane.verdict = "apply";
      plan.effect =
          "the target has to look as if weir had carried the statement out; what is missing is "
          "done, and the table catches up";
      if (is_destructive(*plan.row)) {
        plan.loss = fmt::format("what {} removes would be removed on the target if it is there: {}",
                                plan.row->kind, plan.table);
      }
      break;
    case Resolution::skip:
      lane.verdict = "skip";
      // Nothing of a table that appeared is in the target yet.
      if (plan.row->kind == "create_table") lane.state = LaneRow::State::cancelling;
      plan.effect = skip_effect(*plan.row);
      plan.loss = fmt::format("{} would differ from the source: {}", plan.table, plan.effect);
      break;
    case Resolution::reload:
      lane.purpose = LaneRow::Purpose::reload;
      lane.reload_mode = request.reload_mode;
      lane.stopped_at = {};
      plan.effect = fmt::format("the definition is read again and {} copied anew ({})",
                                lane.tables.size() == 1 ? "the table is" : "the tables are",
                                request.reload_mode);
      plan.loss = fmt::format("the rows of {} on the target would be replaced", plan.table);
      break;
    case Resolution::retry:
      plan.effect = "the table is tried again from where it waits, and catches up";
      break;
  }
  return plan;
}

void carry_out(const std::string& task, const ResolvePlan& plan, const std::string& by,
               StateStore& store) {
  if (!store.change_lane(plan.lane, LaneRow::State::suspended)) {
    throw conflict(fmt::format("{} does not wait any more", plan.table),
                   "somebody else resolved it, or the worker went on, at the same time", task);
  }
  if (plan.row && plan.resolution != to_string(Resolution::retry)) {
    DdlRow row = *plan.row;
    row.resolved_by = by;
    row.resolved_at = now();
    row.resolution = plan.resolution;
    store.resolve_ddl(task, row);
  }
  const std::string text = plan.row ? fmt::format("statement {}, {}: {}, by {}", plan.row->number,
                                                  plan.row->kind, plan.resolution, by)
                                    : fmt::format("{}, by {}", plan.resolution, by);
  store.add_event(task, {now(), "info", "ddl.resolved", plan.table, text});
}

std::optional<LaneRow> look_at(const std::string& task, std::uint32_t lane, StateStore& store) {
  for (const LaneRow& row : store.lanes(task)) {
    if (row.number != lane) continue;
    if (row.state != LaneRow::State::suspended) return row;
    const std::string& id = row.error_id;
    throw Error(ExitCode::refused, id, row.error,
                fmt::format("{} waits again", lane_name(task, lane)), row.error_fix);
  }
  for (const LaneRow& row : store.ended_lanes(task, kAll)) {
    // One that was skipped was to be given up.
    if (row.number != lane || row.note == "joined" || row.verdict == "skip") continue;
    throw Error(ExitCode::failed, "ddl.given-up",
                fmt::format("{} was given up: {}", lane_name(task, lane), row.note),
                "somebody gave the change of its tables up meanwhile",
                fmt::format("see weir sync status {}", task));
  }
  return std::nullopt;
}

}  // namespace weir::ops
