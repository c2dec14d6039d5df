// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/process.h"
#include "base/time.h"
#include "engine/embedded/lock.h"
#include "engine/embedded/notify.h"
#include "engine/embedded/restart_policy.h"
#include "engine/engine.h"

namespace weir {

/// TERM, INT and HUP of this process as a file descriptor instead of handlers, for the life of the
/// object. For a process that has no other threads, or whose other threads block them.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int fd() const { return fd_.get(); }
  int take();  ///< the next signal; 0 if there is none

 private:
  struct Mask;
  std::unique_ptr<Mask> before_;
  UniqueFd fd_;
};

struct SupervisorTiming {
  std::chrono::milliseconds tick{std::chrono::seconds(1)};
  std::chrono::milliseconds first_delay{std::chrono::seconds(1)};
  std::chrono::milliseconds last_delay{std::chrono::seconds(60)};
  std::chrono::milliseconds good_life{std::chrono::minutes(5)};
};

/// Keeps one worker running until the task is stopped, done or given up. Good for one run().
///
/// The worker leads a process group and dies with this thread; it inherits the lock, and none of
/// the service manager's variables.
class Supervisor {
 public:
  Supervisor(const Engine::Submission& submission, const Engine::Observer& observer,
             const SupervisorTiming& timing, TaskLock& lock, LockHolder holder);

  int run();  ///< as Engine::run

 private:
  void start_worker(bool failover);
  bool worker_runs();
  int stopped_with() const;
  /// Waits for a signal, the worker's end, the next tick or `until`, and does what is due.
  void wait(Clock::time_point until);
  void take_signals();
  void look_at_progress();
  std::string status(Clock::time_point next_worker);
  /// Runs a callback of the observer. Supervising goes on whatever becomes of it.
  template <class Call>
  void observe(Call&& call);

  const Engine::Submission& submission_;
  const Engine::Observer& observer_;
  const SupervisorTiming timing_;
  TaskLock& lock_;
  LockHolder holder_;
  RestartPolicy policy_;
  ServiceManager manager_;
  StopSignals signals_;

  std::unique_ptr<Process> worker_;   ///< none while waiting to start the next one
  ProcessEnd end_;                    ///< of the last worker
  std::optional<Error> start_error_;  ///< why the last worker could not be started
  Clock::time_point started_;         ///< the last worker
  Clock::time_point next_tick_;
  Clock::time_point next_watchdog_;
  bool ready_ = false;
  bool told_ready_ = false;
  bool connected_ = false;
  int stops_ = 0;        ///< stop signals so far
  int stop_signal_ = 0;  ///< the last of them
  std::string trouble_;  ///< why the observer could not be told, or told nothing
};

}  // namespace weir
