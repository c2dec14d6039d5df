// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "mapping/rules.h"
#include "model/task.h"
#include "source/source.h"
#include "stage/live_settings.h"
#include "stage/meter.h"
#include "store/state_store.h"
#include "target/target.h"

namespace weir {

/// Asks every thread of a worker to finish what it is at and leave. Safe from any thread, not from
/// a signal handler.
class StopRequest {
 public:
  bool requested() const { return requested_; }
  void request() {
    const std::lock_guard lock(mutex_);
    requested_ = true;
    changed_.notify_all();
    if (on_request_) on_request_();
  }
  /// Sleeps until the request comes or `limit` is over; true if it came.
  bool wait_for(std::chrono::nanoseconds limit) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return requested_.load(); });
  }
  /// `call` is made with each request, on the requesting thread; it must be short. Empty = none.
  void on_request(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    on_request_ = std::move(call);
  }

 private:
  std::atomic<bool> requested_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> on_request_;
};

/// Where the incremental stage of a lane shall end though nobody stops the worker. Safe from any
/// thread.
class Halt {
 public:
  /// Ends it between the next two transactions that are at or after `place`; empty = any.
  void ask(const Offset& place) {
    const std::lock_guard lock(mutex_);
    place_ = place;
    asked_ = true;
    if (on_ask_) on_ask_();
  }
  void take_back() { asked_ = false; }
  bool asked() const { return asked_; }
  bool is_at(const Source& source, const Offset& here) const {
    if (!asked_) return false;
    const std::lock_guard lock(mutex_);
    return place_.empty() || source.reached(here, place_);
  }
  /// `call` is made with each ask(), on the asking thread; it must be short. Empty = none.
  void on_ask(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    on_ask_ = std::move(call);
  }

 private:
  mutable std::mutex mutex_;
  std::atomic<bool> asked_{false};
  Offset place_;
  std::function<void()> on_ask_;
};

/// What becomes of a table that fails while others go on.
class TableFailures {
 public:
  virtual ~TableFailures() = default;
  /// Whether the lane `from` may go on without the table that the error is about.
  virtual bool can_leave_out(const Task& from, const Error& error) const = 0;
  /// Splits that table off from the lane, which nobody applies at the moment, to be suspended at
  /// the lane's offset. `place` is where in the log, if a statement is the cause.
  virtual void leave_out(const Task& from, const Error& error, const Offset& place) = 0;
};

/// What a worker process has of one task.
struct TaskContext {
  const Task& task;
  Source& source;
  Target& target;
  StateStore& store;
  Meter& meter;
  StopRequest& stop;
  const LiveSettings& live;
};

/// What somebody said about the statement at `at`. It wins over the policies of the task file.
struct DdlVerdict {
  Offset at;  ///< the end of the transaction that the statement is
  DdlAction action = DdlAction::ignore;
};

/// What the stages of one lane of a running task share.
struct StageContext {
  const Task& task;
  Source& source;
  Target& target;
  StateStore& store;
  Meter& meter;
  StopRequest& stop;
  const LiveSettings& live;
  Halt& halt;
  TableFailures& failures;
  /// Takes where in the log the statement stands that an error is about, if that is known.
  Offset* failed_at = nullptr;
  bool copies_rows = true;  ///< false: the tables begin empty, with the changes from now on
  /// Whether the tables are copied beside their targets, to be merged into them or to take their
  /// place.
  bool copies_beside = false;
  /// Of a lane whose copies are merged: true once that is done, and the lane may join.
  std::atomic<bool>* merged = nullptr;
  std::optional<DdlVerdict> verdict = {};

  /// What the rules make of these tables here.
  MappingResult map(std::span<const Table> definitions) const;
  /// Adds to the task's history and to the log.
  void event(const std::string& level, const std::string& id, const std::string& table,
             const std::string& text) const;
};

}  // namespace weir
