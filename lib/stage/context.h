// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "model/task.h"
#include "source/source.h"
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

/// What the stages of one running task share.
struct StageContext {
  const Task& task;
  Source& source;
  Target& target;
  StateStore& store;
  Meter& meter;
  StopRequest& stop;

  /// Adds to the task's history and to the log.
  void event(const std::string& level, const std::string& id, const std::string& table,
             const std::string& text) const;
};

}  // namespace weir
