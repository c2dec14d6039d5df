// SPDX-License-Identifier: Apache-2.0
#include "stage/lanes.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "mapping/rules.h"
#include "model/lane.h"
#include "model/swap_name.h"
#include "stage/runner.h"
#include "store/lane_task.h"
#include "target/plan.h"

namespace weir {
namespace {

/// How often the state file is looked at for something new.
constexpr std::chrono::milliseconds kLookEvery{250};
/// A lane that is no further behind the main lane may join, which waits for it meanwhile.
constexpr double kNearSeconds = 1.0;
/// So long the main lane waits for one. What is not there by then goes on by itself.
constexpr std::chrono::seconds kMeetPatience{10};
constexpr std::chrono::seconds kLongestPause{60};
/// A lane that could not begin because something moved is begun so often.
constexpr int kTries = 5;
/// After something that the next look would meet again.
constexpr std::chrono::seconds kLookAgain{5};

bool mended_by_waiting(const Error& error) {
  return error.code() == ExitCode::source_unreachable ||
         error.code() == ExitCode::target_unreachable || error.id() == "state.busy";
}

bool mended_by_trying(const Error& error) { return error.code() == ExitCode::failed; }

std::vector<std::string> texts_of(std::span<const TableName> names) {
  std::vector<std::string> out;
  for (const TableName& name : names) out.push_back(name.text());
  return out;
}

bool has_any(const Recovered& recovered, std::span<const TableName> names) {
  return std::ranges::any_of(recovered.tables, [&](const TableProgress& table) {
    return std::ranges::find(names, table.source) != names.end();
  });
}

bool merges(const LaneRow& row) { return row.reload_mode == "merge"; }

bool is_open(LaneRow::State state) {
  return state == LaneRow::State::planned || state == LaneRow::State::running;
}

}  // namespace

Lanes::Lanes(const TaskContext& task, Halt& halt, const LaneServers& servers)
    : main_{task.task, task.source, task.target, task.store, task.meter,
            task.stop, task.live,   halt,        *this},
      servers_(servers),
      root_(task.task.name) {}

Lanes::~Lanes() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  if (keeper_.joinable()) keeper_.join();
  for (auto& [number, lane] : lanes_) lane->stop.request();
  for (auto& [number, lane] : lanes_) lane->thread.join();
}

void Lanes::drop(Lane& lane) {
  lane.thread.join();
  const std::lock_guard lock(mutex_);
  lanes_.erase(lane.row.number);
}

void Lanes::recover(const Recovered& main) {
  const std::vector<LaneRow> rows = main_.store.lanes(root_);
  for (const LaneRow& row : rows) {
    if (row.state == LaneRow::State::leaving || row.state == LaneRow::State::cancelling) continue;
    const std::string name = lane_name(root_, row.number);
    if (!main_.store.offset(name)) keep_offset(name, main_.target);
    if (main_.target.recover(name)) continue;
    const Task task = side_lane(main_.task, row);
    if (has_any(main, row.tables)) {
      // It had joined, or it had not parted yet: then what made it part will come again.
      LaneRow ended = row;
      ended.note = row.state == LaneRow::State::suspended ? "not parted" : "joined";
      servers_.open_source(task)->release();
      main_.store.end_lane(ended, true);
      continue;
    }
    for (const LaneRow& other : rows) {
      const auto known = main_.target.recover(lane_name(root_, other.number));
      if (!known || !has_any(*known, row.tables)) continue;
      // It was to part from another lane, which does not run its tables any more.
      const Task from = side_lane(main_.task, other);
      keep_log(from, task, row.tables);
      main_.target.split_tables(from.name, task.name, row.tables);
      keep_offset(task.name, main_.target);
    }
  }
}

void Lanes::keep_offset(const std::string& lane, Target& target) {
  const std::optional<Recovered> recovered = target.recover(lane);
  if (recovered) main_.store.put_offset(lane, recovered->offset, recovered->source);
}

bool Lanes::keep_log(const Task& from, const Task& lane, std::span<const TableName> tables) {
  try {
    servers_.open_source(lane)->branch(from);
    return true;
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;
    // That is no reason to stop the others.
    main_.event("warning", "table.log-not-kept", weir::join(texts_of(tables), ", "),
                fmt::format("{}: {}", error.what(), error.why()));
    return false;
  }
}

Task Lanes::rules() {
  while (true) {
    const std::uint32_t revision = main_.store.newest_revision(root_);
    Task out = servers_.read_task();
    // A revision comes together with its lanes, so these are all that there were with it.
    bool has_parted = false;
    for (const LaneRow& row : main_.store.lanes(root_)) {
      if (row.state != LaneRow::State::leaving) continue;
      split(row);
      has_parted = true;
    }
    if (has_parted) continue;
    const std::uint32_t before = revision_.exchange(revision);
    if (before != 0 && before != revision) {
      main_.event(
          "info", "rules.taken", "",
          fmt::format("the table rules and policies of revision {} count from here on", revision));
    }
    return out;
  }
}

void Lanes::reselect(const Recovered& main) {
  Task rules = main_.task;
  rules.only.reset();
  rules.without.clear();
  const auto taken = [&](const std::vector<TableName>& names) {
    std::vector<TableName> out;
    for (const SelectedTable& table : select_tables(rules, names)) out.push_back(table.name);
    return out;
  };
  std::set<TableName> in_lanes;
  for (const LaneRow& row : main_.store.lanes(root_)) {
    in_lanes.insert(row.tables.begin(), row.tables.end());
    if (row.note != kNotSelected) continue;
    if (row.state == LaneRow::State::leaving) split(row);
  }
  LaneRow out;
  out.task = root_;
  out.purpose = LaneRow::Purpose::remove;
  out.state = LaneRow::State::leaving;
  out.note = kNotSelected;
  for (const TableProgress& table : main.tables) {
    if (!in_lanes.contains(table.source) && taken({table.source}).empty()) {
      out.tables.push_back(table.source);
    }
  }
  if (!out.tables.empty()) {
    out.number = main_.store.add_lane(out);
    split(out);
  }
  for (const LaneRow& row : main_.store.lanes(root_)) {
    if (row.note != kNotSelected || row.state != LaneRow::State::removed) continue;
    const std::vector<TableName> again = taken(row.tables);
    if (!again.empty()) bring_back(row, again);
  }
}

void Lanes::bring_back(LaneRow row, const std::vector<TableName>& tables) {
  const LaneRow from = row;
  row.tables = tables;
  row.note.clear();
  if (tables.size() < from.tables.size()) {
    row.number = main_.store.split_lane(row, from.number);
    const Task other = side_lane(main_.task, from);
    const Task task = side_lane(main_.task, row);
    keep_log(other, task, tables);
    main_.target.split_tables(other.name, task.name, tables);
    move_tables(main_.store, other.name, task.name, tables);
  }
  const Task task = side_lane(main_.task, row);
  const auto known = main_.target.recover(task.name);
  const auto gap =
      known ? servers_.open_source(task)->can_resume(known->offset, known->source) : std::nullopt;
  const bool can_resume = !gap || gap->severity != Severity::critical;
  if (can_resume) {
    row.state = LaneRow::State::planned;
  } else {
    row.state = LaneRow::State::suspended;
    row.error_id = gap->id;
    row.error = gap->what + ": " + gap->why;
    row.error_fix = fmt::format("weir reload-table {} {} --mode merge copies what is missing",
                                root_, weir::join(texts_of(tables), " "));
  }
  if (!main_.store.change_lane(row, LaneRow::State::removed)) return;
  for (const TableName& table : tables) {
    if (can_resume) {
      main_.event("info", "table.selected-again", table.text(),
                  "the rules take it again; it catches up from where it left");
    } else {
      main_.event("error", "table.suspended", table.text(),
                  fmt::format("the rules take it again, but {}", row.error));
    }
  }
}

void Lanes::run() {
  keeper_ = std::thread([this] { keep(); });
}

void Lanes::keep() {
  while (true) {
    std::chrono::milliseconds pause = kLookEvery;
    try {
      look();
    } catch (const Error& error) {
      // Nothing of the main lane hangs on it.
      log_warn(error.id(), error.what());
      pause = kLookAgain;
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, pause, [this] { return over_; })) return;
  }
}

void Lanes::look() {
  const std::uint32_t revision = main_.store.newest_revision(root_);
  bool wants_to_meet = revision != revision_;
  for (const LaneRow& row : main_.store.lanes(root_)) {
    Lane* lane = nullptr;
    bool has_ended = false;
    {
      const std::lock_guard lock(mutex_);
      if (meeting_ || over_) return;
      const auto at = lanes_.find(row.number);
      if (at != lanes_.end()) lane = at->second.get();
      has_ended = lane != nullptr && lane->end != End::none;
    }
    if (has_ended) {
      // What it came to is in its row; one that is to run begins again.
      drop(*lane);
      lane = nullptr;
    }
    if (row.state == LaneRow::State::cancelling) {
      if (lane != nullptr) lane->stop.request();
      if (lane == nullptr) cancel(row);
    } else if (row.state == LaneRow::State::leaving) {
      wants_to_meet = true;
    } else if (is_open(row.state)) {
      if (lane == nullptr) {
        start(row);
      } else if (lane->revision != revision) {
        lane->stop.request();  // it begins again by the newer one
      } else if (is_near(*lane)) {
        // A merge comes first, while the others go on: it takes as long as its tables are large.
        const bool is_asked = lane->halt.asked();
        if (may_join(*lane)) {
          wants_to_meet = true;
        } else if (!is_asked) {
          lane->halt.ask({});
        }
      }
    }
  }
  if (wants_to_meet && !main_.halt.asked()) main_.halt.ask({});
}

bool Lanes::may_join(const Lane& lane) { return !merges(lane.row) || lane.merged; }

bool Lanes::is_near(const Lane& lane) const {
  if (!lane.meter.consistent) return false;
  const Time at = now();
  const Sample sample = lane.meter.sample(at);
  if (sample.stage != Stage::incremental) return false;
  return sample.idle || sample.apply_lag_s <= main_.meter.sample(at).apply_lag_s + kNearSeconds;
}

void Lanes::clear(Target& target, const std::string& lane) {
  if (const auto known = target.recover(lane)) {
    std::vector<TableName> copied;
    std::vector<std::string> unfinished;
    for (const TableProgress& table : known->tables) {
      const auto name = swapped_name(table.target);
      copied.push_back(name.value_or(table.target));
      // One that is only emptied would never get the key and the indexes that it lacks.
      if (!name && table.created && !table.unique_done) {
        unfinished.push_back(target.drop_sql(table.target));
      }
    }
    target.drop_beside(copied);
    if (!unfinished.empty()) target.run_counter_sql(unfinished);
  }
  target.forget(lane, {});
}

void Lanes::start(LaneRow row) {
  auto lane = std::make_unique<Lane>();
  lane->revision = main_.store.newest_revision(root_);
  lane->task = side_lane(servers_.read_task(), row);
  if (row.state == LaneRow::State::planned && row.purpose == LaneRow::Purpose::reload) {
    clear(*servers_.open_target(lane->task), lane->task.name);
    main_.store.retain_tables(lane->task.name, {});
    // What it had to read the log with is of no use: the copy begins at a later place.
    servers_.open_source(lane->task)->release();
  }
  const LaneRow::State was = row.state;
  row.state = LaneRow::State::running;
  row.error_id.clear();
  row.error.clear();
  row.error_fix.clear();
  if (!main_.store.change_lane(row, was)) return;
  lane->row = std::move(row);
  Lane& started = *lane;
  const std::lock_guard lock(mutex_);
  lanes_[started.row.number] = std::move(lane);
  started.thread = std::thread([this, &started] { work(started); });
}

void Lanes::work(Lane& lane) {
  std::chrono::seconds pause{1};
  End end = End::failed;
  bool again = true;
  while (again) {
    again = false;
    try {
      lane.source = servers_.open_source(lane.task);
      lane.target = servers_.open_target(lane.task);
      StageContext context{lane.task, *lane.source, *lane.target, main_.store, lane.meter,
                           lane.stop, main_.live,   lane.halt,    *this};
      context.copies_rows = lane.row.history;
      context.copies_beside = lane.row.reload_mode == "swap" || merges(lane.row);
      if (merges(lane.row)) context.merged = &lane.merged;
      if (!lane.row.verdict.empty()) {
        const bool applies = lane.row.verdict == "apply";
        context.verdict = {lane.row.stopped_at, applies ? DdlAction::apply : DdlAction::ignore};
      }
      lane.failed_at = {};
      context.failed_at = &lane.failed_at;
      end = run_side_lane(context) ? End::halted : End::stopped;
    } catch (const Error& error) {
      const bool may_be_gone = mended_by_trying(error) || error.code() == ExitCode::not_found;
      const bool has_servers = lane.source != nullptr && lane.target != nullptr;
      again = may_be_gone && has_servers ? let_go_of_dropped(lane, error, pause)
                                         : failed(lane, error, pause);
    } catch (const std::exception& error) {
      again = failed(lane, bug(error.what()), pause);
    }
  }
  const std::lock_guard lock(mutex_);
  lane.end = lane.stop.requested() && end == End::failed ? End::stopped : end;
  changed_.notify_all();
}

bool Lanes::let_go_of_dropped(Lane& lane, const Error& error, std::chrono::seconds& pause) {
  std::vector<TableName> gone;
  try {
    const std::vector<TableName> there = lane.source->tables();
    const auto known = lane.target->recover(lane.task.name);
    for (const TableName& table : lane.row.tables) {
      if (std::ranges::find(there, table) != there.end()) continue;
      // Of one that is copied, the log tells what became of it.
      const bool copied = known && std::ranges::any_of(known->tables, [&](const auto& progress) {
                            return progress.source == table && progress.full_done;
                          });
      if (!copied) gone.push_back(table);
    }
  } catch (const Error&) {
    // The servers are not to be asked; the error itself says why.
    return failed(lane, error, pause);
  }
  if (gone.empty()) return failed(lane, error, pause);
  const bool is_added = lane.row.purpose == LaneRow::Purpose::add;
  for (const TableName& table : gone) {
    const bool is_last = lane.row.tables.size() == 1;
    const Error dropped =
        Error(ExitCode::refused, "table.dropped-meanwhile",
              fmt::format("{} is not on the source any more", table.text()),
              "it was dropped or renamed before its rows were copied",
              is_added && is_last
                  ? fmt::format("weir add-table {} {} --cancel gives it up", root_, table.text())
                  : fmt::format("weir remove-table {0} {1} lets go of it; once it is there again, "
                                "weir reload-table {0} {1} --mode truncate copies it",
                                root_, table.text()))
            .of_table(table.text());
    if (is_last) return failed(lane, dropped, pause);
    leave_out(lane.task, dropped, {});
  }
  return true;
}

bool Lanes::failed(Lane& lane, const Error& error, std::chrono::seconds& pause) {
  if (lane.stop.requested()) return false;
  const std::string tables = weir::join(texts_of(lane.row.tables), ", ");
  const bool again = mended_by_waiting(error) ||
                     (mended_by_trying(error) && pause < std::chrono::seconds(1 << kTries));
  if (again) {
    log_warn(error.id(),
             fmt::format("{}: {}; trying again in {} s", tables, error.what(), pause.count()));
    const bool stopped = lane.stop.wait_for(pause);
    pause = std::min(pause * 2, kLongestPause);
    return !stopped;
  }
  try {
    suspend(lane, error);
  } catch (const Error& untold) {
    log_error(untold.id(), untold.what());
  }
  return false;
}

void Lanes::suspend(Lane& lane, const Error& error) {
  lane.row.state = LaneRow::State::suspended;
  lane.row.error_id = error.id();
  lane.row.error = error.what();
  lane.row.error_fix = error.fix();
  lane.row.stopped_at = lane.failed_at;
  lane.row.verdict.clear();
  if (!main_.store.change_lane(lane.row, LaneRow::State::running)) return;
  main_.event("error", "table.suspended", weir::join(texts_of(lane.row.tables), ", "),
              error.what());
}

void Lanes::cancel(const LaneRow& row) {
  const Task task = side_lane(servers_.read_task(), row);
  servers_.open_target(task)->forget(task.name, {});
  servers_.open_source(task)->release();
  LaneRow ended = row;
  ended.note = "cancelled";
  main_.store.end_lane(ended, false);
  log_info("lane.cancelled", weir::join(texts_of(row.tables), ", "));
}

void Lanes::meet(const Offset& offset) {
  std::vector<Lane*> near;
  {
    const std::lock_guard lock(mutex_);
    meeting_ = true;
    for (auto& [number, lane] : lanes_) {
      if (lane->end != End::none || !is_near(*lane) || !may_join(*lane)) continue;
      near.push_back(lane.get());
      lane->halt.ask(offset);
    }
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kMeetPatience, [&] {
      return std::ranges::all_of(near, [](const Lane* lane) { return lane->end != End::none; });
    });
  }
  for (Lane* lane : near) {
    lane->halt.take_back();
    bool is_there = false;
    {
      const std::lock_guard lock(mutex_);
      is_there = lane->end == End::halted;
    }
    if (is_there) join_or_suspend(*lane);
  }
  main_.halt.take_back();
  const std::lock_guard lock(mutex_);
  meeting_ = false;
}

void Lanes::join_or_suspend(Lane& lane) {
  try {
    join(lane);
  } catch (const Error& error) {
    // What is in its way concerns its tables alone, and they are as they were.
    if (error.code() != ExitCode::refused && error.code() != ExitCode::state_conflict) throw;
    suspend(lane, error);
    drop(lane);
  }
}

void Lanes::join(Lane& lane) {
  main_.target.join_tables(lane.task.name, root_);
  lane.source->release();
  // A copy that was made beside its target has that one's name now.
  std::vector<TableRow> rows = main_.store.tables(lane.task.name);
  const Recovered whole = *main_.target.recover(root_);
  for (const TableProgress& table : whole.tables) {
    const auto row = std::ranges::find(rows, table.source, &TableRow::source);
    if (row != rows.end()) row->target = table.target;
  }
  main_.store.put_tables(lane.task.name, rows);
  LaneRow ended = lane.row;
  ended.note = "joined";
  main_.store.end_lane(ended, true);
  for (const TableName& table : lane.row.tables) {
    main_.event("info", "table.joined", table.text(), "it goes with the other tables from here on");
  }
  drop(lane);
}

void Lanes::split(LaneRow row) {
  const Task task = side_lane(servers_.read_task(), row);
  const bool copied_anew = row.purpose == LaneRow::Purpose::reload;
  if (!copied_anew) keep_log(main_.task, task, row.tables);
  // What a table that rested has is at another place, and is copied anew.
  if (copied_anew) main_.target.forget(task.name, {});
  main_.target.split_tables(root_, task.name, row.tables);
  if (!copied_anew) keep_offset(task.name, main_.target);
  row.state = copied_anew ? LaneRow::State::planned : LaneRow::State::removed;
  if (!copied_anew) move_tables(main_.store, root_, task.name, row.tables);
  if (!main_.store.change_lane(row, LaneRow::State::leaving)) return;
  const bool not_selected = row.note == kNotSelected;
  for (const TableName& table : row.tables) {
    if (not_selected) {
      main_.event("warning", "table.not-selected", table.text(),
                  "the rules do not take it any more: it leaves the task here, and its rows on the "
                  "target stay; if they take it again it catches up from here");
      continue;
    }
    main_.event("info", copied_anew ? "table.reloading" : "table.removed", table.text(),
                copied_anew ? "it leaves the other tables, to be copied anew"
                            : "it leaves the task here; its rows on the target stay");
  }
}

bool Lanes::can_leave_out(const Task& from, const Error& error) const {
  return !error.table().empty() && error.code() == ExitCode::refused &&
         from.dirty.policy != DirtyPolicy::stop_task && has_others(from);
}

bool Lanes::has_others(const Task& from) const {
  if (from.only) return from.only->size() > 1;
  std::set<TableName> apart;
  for (const LaneRow& lane : main_.store.lanes(root_)) {
    if (is_open(lane.state) || lane.state == LaneRow::State::leaving) return true;
    apart.insert(lane.tables.begin(), lane.tables.end());
  }
  const std::vector<TableRow> rows = main_.store.tables(root_);
  return std::ranges::count_if(
             rows, [&](const TableRow& row) { return !apart.contains(row.source); }) > 1;
}

void Lanes::leave_out(const Task& from, const Error& error, const Offset& place) {
  const std::size_t dot = error.table().find('.');
  const TableName table{error.table().substr(0, dot), error.table().substr(dot + 1)};
  LaneRow row;
  row.task = root_;
  row.purpose = LaneRow::Purpose::suspend;
  row.state = LaneRow::State::suspended;
  row.tables = {table};
  row.error_id = error.id();
  row.error = error.what();
  row.error_fix = error.fix();
  row.stopped_at = place;
  row.number = add_beside(from, row);
  const Task task = side_lane(from, row);
  if (!keep_log(from, task, row.tables)) {
    row.error_fix =
        fmt::format("{}; then weir reload-table {} {} --mode merge, for its log is not kept",
                    error.fix(), root_, table.text());
    main_.store.put_lane(row);
  }
  const std::unique_ptr<Target> target = servers_.open_target(task);
  target->split_tables(from.name, task.name, row.tables);
  keep_offset(task.name, *target);
  move_tables(main_.store, from.name, task.name, row.tables);
  main_.event("error", "table.suspended", error.table(),
              fmt::format("{}; the other tables go on", error.what()));
}

std::uint32_t Lanes::add_beside(const Task& from, LaneRow row) {
  const std::lock_guard lock(mutex_);
  for (auto& [number, lane] : lanes_) {
    if (lane->task.name != from.name) continue;
    // What was copied beside another table goes on there.
    row.reload_mode = lane->row.reload_mode;
    row.history = lane->row.history;
    const std::uint32_t added = main_.store.split_lane(row, number);
    for (const TableName& table : row.tables) {
      std::erase(lane->row.tables, table);
      lane->task.only->erase(table);
    }
    return added;
  }
  return main_.store.add_lane(row);
}

void Lanes::add(const std::vector<TableName>& tables) {
  LaneRow row;
  row.task = root_;
  row.tables = tables;
  main_.store.add_lane(row);
  for (const TableName& table : tables) {
    main_.event("info", "table.added", table.text(),
                "the rules select it; it is copied beside the others");
  }
}

}  // namespace weir
