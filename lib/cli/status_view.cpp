// SPDX-License-Identifier: Apache-2.0
#include "cli/status_view.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "model/lane.h"

namespace weir::cli {
namespace {

std::string duration(double seconds) {
  return format_duration(std::chrono::duration<double>(seconds));
}

Json time_or_null(Time time) { return time == Time{} ? Json(nullptr) : Json(to_rfc3339(time)); }
Json seconds_or_null(std::optional<double> seconds) {
  return seconds ? Json(*seconds) : Json(nullptr);
}
Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

struct Totals {
  std::size_t schema_done = 0;
  std::size_t full_done = 0;
  std::uint64_t copied = 0;
  std::uint64_t estimated = 0;
};

Totals totals_of(const ops::Status& status) {
  Totals out;
  for (const TableRow& table : status.tables) {
    out.schema_done += table.schema == StageState::done ? 1 : 0;
    out.full_done += table.full == StageState::done ? 1 : 0;
    out.copied += table.copied_rows;
    out.estimated += std::max(table.estimated_rows, table.copied_rows);
  }
  return out;
}

Style style_of(TaskState state) {
  switch (state) {
    case TaskState::running:
      return Style::green;
    case TaskState::failed:
    case TaskState::refused:
      return Style::red;
    default:
      return Style::yellow;
  }
}

std::string bar(double part) {
  constexpr int kWidth = 20;
  const int filled = static_cast<int>(std::clamp(part, 0.0, 1.0) * kWidth);
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(kWidth - filled), '.') + "]";
}

/// "may stay stopped until 2026-... (5 h 12 m left, binlog_expire_logs_seconds)".
std::string countdown_text(const ops::Countdown& countdown, Time now) {
  std::string out;
  if (countdown.lost) {
    out = "its offset is gone from the source's log";
  } else if (countdown.unknown) {
    out = "nobody knows how long it may stay stopped";
  } else if (!countdown.restart_before) {
    out = "may stay stopped without a limit that is known";
  } else {
    const Time end = *countdown.restart_before;
    out = end > now ? fmt::format("may stay stopped until {} ({} left", to_rfc3339(end),
                                  format_duration(end - now))
                    : fmt::format("overdue: was to be started before {} ({} ago", to_rfc3339(end),
                                  format_duration(now - end));
    return out + (countdown.limited_by.empty() ? ")" : fmt::format(", {})", countdown.limited_by));
  }
  return countdown.limited_by.empty() ? out : fmt::format("{} ({})", out, countdown.limited_by);
}

/// The error of a table's first stage that has one.
std::string table_error(const TableRow& table) {
  if (!table.schema_error.empty()) return table.schema_error;
  if (!table.full_error.empty()) return table.full_error;
  return table.incremental_error;
}

std::string purpose_text(const LaneRow& row) {
  std::string out = to_string(row.purpose);
  if (!row.reload_mode.empty()) out += ", " + row.reload_mode;
  if (!row.history) out += ", without history";
  return out;
}

/// Tables that are not with the others: what they do, and of those that are stopped why, since when
/// and what to do.
std::string lanes_text(const ops::Status& status, const Terminal& terminal, bool with_header) {
  if (status.lanes.empty()) return "";
  TextTable table(
      {{"TABLE"}, {"LANE"}, {"PURPOSE"}, {"STEP"}, {"ROWS", TextTable::Align::right}, {"SINCE"}});
  std::string stopped;
  for (const ops::Lane& lane : status.lanes) {
    const std::string name = lane_name(lane.row.task, lane.row.number);
    for (const ops::LaneTable& one : lane.tables) {
      table.add({one.source.text(), name, purpose_text(lane.row), ops::step_text(one),
                 one.copied_rows == 0 ? "" : format_count(one.copied_rows),
                 to_rfc3339(lane.row.changed)});
    }
    if (lane.row.state != LaneRow::State::suspended) continue;
    stopped += fmt::format("{} {}: {}: {}\n", terminal.paint(Stream::out, Style::red, "suspended"),
                           ops::names_text(lane.row.tables), lane.row.error_id, lane.row.error);
    for (const std::string& part : split("fix: " + ops::way_out(lane.row), '\n')) {
      if (!part.empty()) stopped += "  " + part + "\n";
    }
  }
  return "\n" + table.text(with_header) + stopped;
}

}  // namespace

Json lane_json(const ops::Lane& lane) {
  const LaneRow& row = lane.row;
  Json tables = Json::array();
  for (const ops::LaneTable& table : lane.tables) {
    tables.push_back({{"source", table.source.text()},
                      {"target", table.target.table.empty() ? Json() : Json(table.target.text())},
                      {"step", step_name(table.step)},
                      {"chunks", table.chunks},
                      {"chunks_done", table.chunks_done},
                      {"estimated_rows", table.estimated_rows},
                      {"copied_rows", table.copied_rows}});
  }
  Json out{{"lane", lane_name(row.task, row.number)},
           {"purpose", to_string(row.purpose)},
           {"state", to_string(row.state)},
           {"tables", std::move(tables)},
           {"reload_mode", text_or_null(row.reload_mode)},
           {"history", row.history},
           {"offset", lane.offset ? Json(lane.offset->text) : Json()},
           {"offset_time", lane.offset ? time_or_null(lane.offset->source_time) : Json()}};
  if (row.error_id.empty()) {
    out["error"] = nullptr;
  } else {
    out["error"] = {{"id", row.error_id}, {"what", row.error}, {"fix", ops::way_out(lane.row)}};
  }
  out["stopped_at"] = row.stopped_at.empty() ? Json() : Json(row.stopped_at.text);
  out["verdict"] = text_or_null(row.verdict);
  out["note"] = text_or_null(row.note);
  out["who"] = text_or_null(row.who);
  out["created"] = time_or_null(row.created);
  out["changed"] = time_or_null(row.changed);
  return out;
}

std::string left_text(const ops::Countdown& countdown, Time now) {
  if (countdown.lost) return "gone";
  if (countdown.unknown) return "unknown";
  if (!countdown.restart_before) return "unlimited";
  if (*countdown.restart_before <= now) return "overdue";
  return format_duration(*countdown.restart_before - now);
}

void add_countdown(Json& out, const std::optional<ops::Countdown>& countdown, Time now) {
  const bool ends = countdown && countdown->restart_before;
  out["restart_before"] = ends ? Json(to_rfc3339(*countdown->restart_before)) : Json();
  out["left_s"] =
      ends ? Json(std::floor(
                 std::chrono::duration<double>(*countdown->restart_before - now).count()))
           : Json();
  out["limited_by"] = countdown ? text_or_null(countdown->limited_by) : Json();
}

Json status_json(const ops::Status& status) {
  Json out;
  const TaskRow& task = status.task;
  out["state"] = to_string(task.state);
  out["stage"] = to_string(task.stage);
  out["detail"] = text_or_null(task.detail);
  out["running"] = status.engine.running;
  out["pid"] = status.engine.running ? Json(status.engine.supervisor_pid) : Json(nullptr);
  out["started"] = time_or_null(task.started);
  out["caught_up"] = status.caught_up;
  out["offset"] = status.offset ? Json(status.offset->offset.text) : Json(nullptr);
  out["offset_time"] =
      status.offset ? time_or_null(status.offset->offset.source_time) : Json(nullptr);
  out["offset_stored"] = status.offset ? time_or_null(status.offset->stored) : Json(nullptr);
  add_countdown(out, status.countdown, now());
  out["identity"] = status.offset ? Json(status.offset->identity.text) : Json(nullptr);
  const auto figure = [&status](auto value) { return status.sample ? Json(value) : Json(nullptr); };
  const Sample sample = status.sample.value_or(Sample{});
  out["read_lag_s"] = figure(sample.read_lag_s);
  out["apply_lag_s"] = figure(sample.apply_lag_s);
  out["heard_age_s"] = figure(sample.heard_age_s);
  out["heartbeat_age_s"] = seconds_or_null(sample.heartbeat_age_s);
  out["heartbeat_delay_s"] = seconds_or_null(sample.heartbeat_delay_s);
  out["idle"] = figure(sample.idle);
  out["sampled"] = status.sample ? time_or_null(sample.at) : Json(nullptr);
  out["rows_read_per_s"] = status.rows_read_rate;
  out["rows_written_per_s"] = status.rows_written_rate;
  out["bytes_written_per_s"] = status.bytes_written_rate;
  out["rows_read"] = figure(sample.rows_read);
  out["bytes_read"] = figure(sample.bytes_read);
  out["rows_written"] = figure(sample.rows_written);
  out["bytes_written"] = figure(sample.bytes_written);
  out["transactions"] = figure(sample.transactions);
  out["batches"] = figure(sample.batches);
  out["reader_wait_s"] = figure(sample.reader_wait_s);
  out["writer_wait_s"] = figure(sample.writer_wait_s);
  out["apply_s"] = figure(sample.apply_s);
  out["commit_s"] = figure(sample.commit_s);
  out["last_batch_rows"] = figure(sample.last_batch_rows);
  out["queue_bytes"] = figure(sample.queue_bytes);
  out["memory_bytes"] = figure(sample.memory_bytes);
  out["failovers"] = status.failovers;
  out["revision"] = status.revision == 0 ? Json() : Json(status.revision);
  out["file_differs"] = status.file_differs ? Json(*status.file_differs) : Json();
  if (task.error_id.empty()) {
    out["error"] = nullptr;
  } else {
    out["error"] = {{"id", task.error_id},
                    {"what", task.error},
                    {"fix", task.error_fix},
                    {"exit_code", task.exit_code}};
  }
  out["tables"] = Json::array();
  for (const TableRow& table : status.tables) {
    out["tables"].push_back({{"source", table.source.text()},
                             {"target", table.target.text()},
                             {"schema", to_string(table.schema)},
                             {"full", to_string(table.full)},
                             {"incremental", to_string(table.incremental)},
                             {"estimated_rows", table.estimated_rows},
                             {"copied_rows", table.copied_rows},
                             {"copied_bytes", table.copied_bytes},
                             {"applied_changes", table.applied_changes},
                             {"last_change", time_or_null(table.last_change)},
                             {"error", text_or_null(table_error(table))}});
  }
  out["suspended_tables"] = ops::suspended_tables(status);
  const ops::Lane* const oldest = ops::oldest_suspended(status);
  out["suspended_from"] = oldest == nullptr ? Json() : Json(oldest->offset->text);
  out["lanes"] = Json::array();
  for (const ops::Lane& lane : status.lanes) out["lanes"].push_back(lane_json(lane));
  out["without_history"] = Json::array();
  for (const TableName& table : status.without_history) {
    out["without_history"].push_back(table.text());
  }
  return out;
}

std::string status_text(const ops::Status& status, const Terminal& terminal, bool with_tables,
                        bool with_header) {
  const TaskRow& task = status.task;
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += fmt::format("{:<10}{}{}\n", name, name.size() < 10 ? "" : " ", value);
  };
  std::string state = terminal.paint(Stream::out, style_of(task.state), to_string(task.state));
  state += ", " + to_string(task.stage) + " stage";
  if (!task.detail.empty()) state += ", " + task.detail;
  line("task", task.name);
  line("state", state);
  if (status.engine.running && status.engine.supervisor_pid != 0) {
    line("since",
         fmt::format("{} (pid {})", to_rfc3339(status.engine.since), status.engine.supervisor_pid));
  }
  if (status.sample && status.engine.running) {
    const Sample& sample = *status.sample;
    line("lag", fmt::format("read {}, apply {}{}", duration(sample.read_lag_s),
                            duration(sample.apply_lag_s), sample.idle ? ", idle" : ""));
    if (sample.heartbeat_age_s) {
      line("heartbeat",
           fmt::format("{} old on the target, was {} on its way", duration(*sample.heartbeat_age_s),
                       duration(sample.heartbeat_delay_s.value_or(0))));
    }
    line("rates", fmt::format("{} rows/s read, {} rows/s written, {}/s",
                              format_count(static_cast<std::uint64_t>(status.rows_read_rate)),
                              format_count(static_cast<std::uint64_t>(status.rows_written_rate)),
                              format_bytes(static_cast<std::uint64_t>(status.bytes_written_rate))));
    line("memory", format_bytes(sample.memory_bytes) + " at most");
  }
  if (status.offset) {
    line("offset", status.offset->offset.text);
    line("stored", to_rfc3339(status.offset->stored));
  }
  if (status.file_differs.value_or(false)) {
    line("revision", fmt::format("{}; {} was edited since: weir plan {}", status.revision,
                                 task.file, task.name));
  } else if (status.revision != 0) {
    line("revision", std::to_string(status.revision));
  }
  if (status.countdown) {
    line("retention", countdown_text(*status.countdown, now()));
  }
  if (status.failovers > 0) {
    line("failovers", fmt::format("{} in the last 30 minutes", status.failovers));
  }
  if (const std::size_t stopped = ops::suspended_tables(status); stopped > 0) {
    line("suspended", fmt::format("{} {}, see below", stopped, stopped == 1 ? "table" : "tables"));
  }
  if (const ops::Lane* const oldest = ops::oldest_suspended(status)) {
    const Time at = oldest->offset->source_time;
    line("log needed", fmt::format("from {}{} on, for {}", oldest->offset->text,
                                   at == Time{} ? "" : fmt::format(" ({})", to_rfc3339(at)),
                                   ops::names_text(oldest->row.tables)));
  }
  if (!status.without_history.empty()) {
    line("partial", fmt::format("{}: added without the rows that they had",
                                ops::names_text(status.without_history)));
  }
  if (!task.error_id.empty()) {
    line("error", fmt::format("{}: {}", task.error_id, task.error));
    std::string_view name = "fix";
    for (const std::string& part : split(task.error_fix, '\n')) {
      if (!part.empty()) line(std::exchange(name, ""), part);
    }
  }
  const std::string lanes = lanes_text(status, terminal, with_header);
  if (!with_tables || status.tables.empty()) return out + lanes;
  out += "\n";
  TextTable table({{"TABLE"},
                   {"TARGET"},
                   {"SCHEMA"},
                   {"FULL"},
                   {"INCR"},
                   {"ROWS", TextTable::Align::right},
                   {"CHANGES", TextTable::Align::right},
                   {"LAST CHANGE"}});
  for (const TableRow& row : status.tables) {
    table.add({row.source.text(), row.target == row.source ? "=" : row.target.text(),
               to_string(row.schema), to_string(row.full), to_string(row.incremental),
               format_count(row.copied_rows), format_count(row.applied_changes),
               row.last_change == Time{} ? "" : to_rfc3339(row.last_change)});
  }
  out += table.text(with_header);
  for (const TableRow& row : status.tables) {
    if (const std::string error = table_error(row); !error.empty()) {
      out += fmt::format("{}: {}\n", row.source.text(), error);
    }
  }
  return out + lanes;
}

std::vector<std::string> progress_lines(const ops::Status& status) {
  const Totals totals = totals_of(status);
  const std::size_t tables = status.tables.size();
  const Stage stage = status.task.stage;
  const bool running = status.task.state == TaskState::running;
  const auto state = [&](Stage of, bool done) {
    if (done) return "done";
    return running && stage == of ? "running" : "waiting";
  };
  const bool schema_done = tables > 0 && totals.schema_done == tables;
  const bool full_done = tables > 0 && totals.full_done == tables;
  std::vector<std::string> out;
  out.push_back(fmt::format("schema       {:<8} {}/{} tables", state(Stage::schema, schema_done),
                            totals.schema_done, tables));
  std::string full =
      fmt::format("full         {:<8} {}/{} tables, {} rows", state(Stage::full, full_done),
                  totals.full_done, tables, format_count(totals.copied));
  if (running && stage == Stage::full && !full_done) {
    const double part = totals.estimated == 0 ? 0
                                              : static_cast<double>(totals.copied) /
                                                    static_cast<double>(totals.estimated);
    full += fmt::format(" {} {}/s", bar(part),
                        format_count(static_cast<std::uint64_t>(status.rows_read_rate)));
  }
  out.push_back(std::move(full));
  std::string incremental = fmt::format("incremental  {:<8}", state(Stage::incremental, false));
  if (running && stage == Stage::incremental && status.sample) {
    incremental +=
        status.caught_up
            ? " caught up"
            : fmt::format(" {} rows/s, lag {}",
                          format_count(static_cast<std::uint64_t>(status.rows_written_rate)),
                          duration(status.sample->apply_lag_s));
  }
  out.push_back(std::move(incremental));
  return out;
}

}  // namespace weir::cli
