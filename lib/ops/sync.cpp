// SPDX-License-Identifier: Apache-2.0
#include "ops/sync.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "base/user.h"
#include "mapping/task_file.h"
#include "store/lane_task.h"

namespace weir::ops {
namespace {

constexpr std::size_t kRateSamples = 10;
/// What the incremental stage calls itself until the target is consistent.
constexpr std::string_view kCatchingUp = "catching up";
/// A task that is no further behind than that keeps up with its source.
constexpr std::chrono::seconds kNear{10};
/// Whoever waits wants to be able to leave.
constexpr std::chrono::seconds kAskPatience{5};
/// Further away nobody plans, and a time cannot hold everything.
constexpr std::chrono::duration<double> kCentury{std::chrono::hours(24 * 36500)};
// A process that a signal ended has this and the signal's number as its exit code.
constexpr int kSignalled = 128;

bool looks_like_path(const std::string& argument) {
  return argument.find('/') != std::string::npos || argument.ends_with(".toml");
}

Error unknown_task(const std::string& name, StateStore& store) {
  std::vector<std::string> names;
  for (const TaskRow& task : store.tasks()) names.push_back(task.name);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = suggest(name, views);
  return Error(ExitCode::not_found, "task.unknown", fmt::format("no task {}", name),
               names.empty() ? "no task is registered in this state folder"
                             : "it was never started from this state folder",
               near.empty() ? "see `weir sync list`, or give the path of a task file"
                            : fmt::format("did you mean {}?", near));
}

/// Keeps how a run of the supervisor ended.
void record_end(const std::string& task, StateStore& store, int exit_code) {
  const auto code = static_cast<ExitCode>(exit_code);
  TaskState state = TaskState::failed;
  if (code == ExitCode::ok || code == ExitCode::interrupted || code == ExitCode::terminated) {
    state = TaskState::stopped;
  } else if (code == ExitCode::refused) {
    state = TaskState::refused;
  }
  const auto row = store.task(task);
  if (exit_code > kSignalled && state == TaskState::failed && row && row->error_id.empty()) {
    store.set_error(task, exit_code, "task.worker-killed",
                    fmt::format("the worker was killed by signal {}, once more than "
                                "failover.limit allows",
                                exit_code - kSignalled),
                    fmt::format("find out who killed it (the kernel, when memory runs out); then "
                                "weir sync start {}",
                                task));
  }
  store.set_state(task, state, "");
  store.add_event(task, {now(), state == TaskState::stopped ? "info" : "error", "task.ended", "",
                         fmt::format("the task ended with exit code {}", exit_code)});
}

/// Sets whether the task file is still the revision that the task runs by.
void compare_file(Status& status, StateStore& store) {
  const std::vector<RevisionRow> newest = store.revisions(status.task.name, 1);
  if (newest.empty()) return;
  status.revision = newest.back().number;
  try {
    status.file_differs = sha256(read_task_text(status.task.file)) != newest.back().digest;
  } catch (const Error&) {
    // Without a file the task goes on by its revision, and there is nothing to compare with.
  }
}

std::optional<Countdown> countdown(const std::string& task, const StateStore::StoredOffset& offset,
                                   StateStore& store) {
  const std::vector<RetentionRow> rows = store.retention(task, 1);
  // What was asked before was asked for an offset that the task has left.
  if (rows.empty() || rows.back().at < offset.stored) return {};
  const RetentionRow& row = rows.back();
  Countdown out;
  out.checked = row.at;
  out.lost = row.verdict == "lost";
  out.unknown = row.verdict == "unknown" && !row.may_stay_down_s;
  out.limited_by = row.limited_by;
  if (row.may_stay_down_s) {
    out.restart_before =
        row.at + std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(
                     std::min(*row.may_stay_down_s, kCentury.count())));
  }
  return out;
}

}  // namespace

TaskFile find_task_file(const std::string& argument, StateStore& store) {
  std::string path = argument;
  if (!looks_like_path(argument)) {
    const auto row = store.task(argument);
    if (!row) throw unknown_task(argument, store);
    path = row->file;
  }
  TaskFile out;
  out.text = read_task_text(path);
  out.task = parse_task(out.text, path);
  out.task.file = std::filesystem::absolute(path).lexically_normal().string();
  return out;
}

Task find_task(const std::string& argument, StateStore& store) {
  Task task = find_task_file(argument, store).task;
  const std::vector<LaneRow> lanes = store.lanes(task.name);
  return main_lane(std::move(task), lanes);
}

std::string find_task_name(const std::string& argument, StateStore& store) {
  if (looks_like_path(argument)) {
    // A path still names its task if the file has gone bad since.
    for (const TaskRow& row : store.tasks()) {
      struct stat a {};
      struct stat b {};
      if (stat(argument.c_str(), &a) == 0 && stat(row.file.c_str(), &b) == 0 &&
          a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
        return row.name;
      }
    }
    return read_task(argument).name;
  }
  if (!store.task(argument)) throw unknown_task(argument, store);
  return argument;
}

bool has_supervisor(const TaskRow& row) {
  return row.state == TaskState::running || row.state == TaskState::starting ||
         row.state == TaskState::stopping;
}

Status status(const std::string& task, StateStore& store, Engine& engine) {
  Status out;
  const auto row = store.task(task);
  if (!row) throw unknown_task(task, store);
  out.task = *row;
  out.engine = engine.status(task);
  bool should_run = has_supervisor(out.task);
  if (should_run && !out.engine.running) {
    // It may have ended, or been started, between the two looks. Who ends it says so first.
    out.task = store.task(task).value_or(*row);
    out.engine = engine.status(task);
    should_run = has_supervisor(out.task);
  }
  out.tables = store.tables(task);
  out.offset = store.offset(task);
  if (should_run && !out.engine.running) {
    out.task.state = TaskState::failed;
    out.task.detail = "its supervisor is gone without having stopped it";
    if (out.task.error_id.empty()) {
      out.task.error_id = "task.supervisor-gone";
      out.task.error = "the supervisor was killed, or the machine went down";
      out.task.error_fix = fmt::format("weir sync start {}", task);
    }
  }
  if (out.engine.running && out.engine.supervisor_pid == 0 && should_run) {
    out.task.detail = "its supervisor is gone; the worker finishes its batch and leaves";
  }
  const std::vector<Sample> samples = store.samples(task, kRateSamples);
  if (!samples.empty() && samples.back().at >= out.task.started) {
    out.sample = samples.back();
    // Counters begin anew with each worker; a rate needs two samples of the same one.
    auto first = samples.end() - 1;
    while (first != samples.begin() && (first - 1)->rows_read <= first->rows_read &&
           (first - 1)->at >= out.task.started) {
      --first;
    }
    const double seconds = std::chrono::duration<double>(samples.back().at - first->at).count();
    if (seconds > 0) {
      const Sample& last = samples.back();
      out.rows_read_rate = static_cast<double>(last.rows_read - first->rows_read) / seconds;
      out.rows_written_rate =
          static_cast<double>(last.rows_written - first->rows_written) / seconds;
      out.bytes_written_rate =
          static_cast<double>(last.bytes_written - first->bytes_written) / seconds;
    }
  }
  out.caught_up = out.engine.running && out.task.state == TaskState::running && out.sample &&
                  out.sample->idle && out.sample->stage == Stage::incremental &&
                  out.task.stage == Stage::incremental && out.task.detail != kCatchingUp;
  out.joining = std::ranges::any_of(store.lanes(task), [](const LaneRow& lane) {
    return lane.state == LaneRow::State::leaving || lane.state == LaneRow::State::planned ||
           lane.state == LaneRow::State::running;
  });
  out.caught_up = out.caught_up && !out.joining;
  if (out.caught_up) out.task.detail = "caught up";
  if (!out.engine.running && out.offset) out.countdown = countdown(task, *out.offset, store);
  out.failovers = store.count_events(task, "failover", now() - std::chrono::minutes(30));
  compare_file(out, store);
  for (const LaneRow& lane : store.lanes(task)) out.lanes.push_back(look_at_lane(lane, store));
  out.without_history = without_history(task, store);
  return out;
}

std::size_t suspended_tables(const Status& status) {
  std::size_t out = 0;
  for (const Lane& lane : status.lanes) {
    if (lane.row.state == LaneRow::State::suspended) out += lane.tables.size();
  }
  return out;
}

const Lane* oldest_suspended(const Status& status) {
  const Lane* out = nullptr;
  for (const Lane& lane : status.lanes) {
    if (lane.row.state != LaneRow::State::suspended || !lane.offset) continue;
    // One without a time took its offset when it began, and lanes are in order.
    if (out == nullptr || lane.offset->source_time < out->offset->source_time) out = &lane;
  }
  return out;
}

CatchUp::CatchUp(const Task& task, OpenSource open_source)
    : task_(task), open_source_(open_source), asked_(now()) {
  task_.source.patience = kAskPatience;
}

bool CatchUp::done(const Status& status) {
  // A sample from before says nothing about what the source has had since.
  if (status.caught_up && status.sample->at >= asked_) return true;
  const bool may_be = status.engine.running && status.task.state == TaskState::running &&
                      status.task.stage == Stage::incremental && !status.joining &&
                      status.task.detail != kCatchingUp && status.offset && status.sample &&
                      status.sample->stage == Stage::incremental;
  if (!may_be) return false;
  try {
    if (source_ == nullptr) source_ = open_source_(task_);
    if (!goal_.empty() && source_->reached(status.offset->offset, goal_)) {
      if (status.sample->apply_lag_s <= static_cast<double>(kNear.count())) return true;
      goal_ = {};
    }
    if (goal_.empty()) goal_ = source_->log_end();
  } catch (const Error& error) {
    if (error.code() == ExitCode::bug) throw;
    source_.reset();
  }
  return false;
}

Engine::Observer observe(const std::string& task, StateStore& store) {
  Engine::Observer observer;
  observer.worker_starts = [&task, &store](bool failover) {
    if (failover) {
      store.add_event(task, {now(), "warning", "failover", "", "a worker was started again"});
    }
    store.set_state(task, TaskState::starting, "");
  };
  observer.worker_ended = [&task, &store](int exit_code,
                                          std::optional<std::chrono::milliseconds> delay) {
    if (!delay) return;
    const std::string what = exit_code > kSignalled
                                 ? fmt::format("was killed by signal {}", exit_code - kSignalled)
                                 : fmt::format("ended with {}", exit_code);
    store.add_event(task, {now(), "warning", "worker.ended", "", "the worker " + what});
    store.set_state(task, TaskState::starting,
                    fmt::format("the worker {}; next try in {}", what, format_duration(*delay)));
  };
  observer.ended = [&task, &store](int exit_code) { record_end(task, store, exit_code); };
  observer.status_line = [&task, &store] {
    const auto row = store.task(task);
    const auto samples = store.samples(task, 1);
    if (!row || samples.empty()) return std::string("starting");
    return fmt::format("{}: lag {}", to_string(row->stage),
                       format_duration(std::chrono::duration<double>(samples.back().apply_lag_s)));
  };
  observer.is_ready = [&task, &store] {
    const auto row = store.task(task);
    return row && row->state == TaskState::running && row->stage == Stage::incremental;
  };
  observer.has_connected = [&task, &store] {
    const auto row = store.task(task);
    return row && row->state == TaskState::running;
  };
  return observer;
}

void record_error(const std::string& task, StateStore& store, const Error& error) {
  store.set_error(task, static_cast<int>(error.code()), error.id(), error.what(), error.fix());
  store.add_event(task, {now(), "error", error.id(), "", error.what()});
}

void record_waivers(const std::string& task, std::span<const std::string> ids, StateStore& store) {
  std::vector<WaiverRow> rows;
  for (const std::string& id : ids) {
    rows.push_back({now(), id, user_name()});
    store.add_event(task, {now(), "warning", "task.waived", "",
                           fmt::format("{} waived {} for this start", user_name(), id)});
  }
  store.put_waivers(task, rows);
}

std::vector<std::string> waived_ids(const std::string& task, StateStore& store) {
  std::vector<std::string> out;
  for (const WaiverRow& row : store.waivers(task)) out.push_back(row.id);
  return out;
}

std::string summary_line(const Status& status) {
  std::string out =
      fmt::format("{}, {}", to_string(status.task.state), to_string(status.task.stage));
  if (!status.sample) return out;
  if (status.task.stage == Stage::incremental) {
    out += status.caught_up
               ? ", caught up"
               : fmt::format(
                     ", {} rows/s, lag {}",
                     format_count(static_cast<std::uint64_t>(status.rows_written_rate)),
                     format_duration(std::chrono::duration<double>(status.sample->apply_lag_s)));
  } else if (status.task.stage == Stage::full) {
    std::size_t done = 0;
    for (const TableRow& table : status.tables) done += table.full == StageState::done ? 1 : 0;
    out += fmt::format(", {}/{} tables, {} rows/s, {}/s", done, status.tables.size(),
                       format_count(static_cast<std::uint64_t>(status.rows_read_rate)),
                       format_bytes(static_cast<std::uint64_t>(status.bytes_written_rate)));
  }
  return out;
}

}  // namespace weir::ops
