// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace weir {

/// What keeps a task running. Verbs ask an engine, never a process.
///
/// The embedded engine (engine/embedded) supervises a worker process on this machine; a distributed
/// one will drive a cluster. Calls are for one thread.
class Engine {
 public:
  virtual ~Engine() = default;

  /// What to run. `worker` is the command that does the work and ends with an ExitCode.
  struct Submission {
    std::string task;
    std::vector<std::string> worker;   ///< argv of the worker process
    std::uint32_t failover_limit = 3;  ///< restarts within `window` before the task is failed
    std::chrono::milliseconds failover_window{std::chrono::minutes(30)};
  };

  /// What an engine reports while a task runs. Called on the thread of run(); members may be empty.
  /// An Error thrown by one is shown to the service manager and does not end the task.
  struct Observer {
    /// A worker is about to start; `failover` if another one died before it.
    std::function<void(bool failover)> worker_starts;
    /// A worker ended by itself with `exit_code` (128 + signal if it was killed); `delay` until the
    /// next one, or none if there will be none.
    std::function<void(int exit_code, std::optional<std::chrono::milliseconds> delay)> worker_ended;
    /// The task is over, and run() will return `exit_code`. Until this returns nobody else can have
    /// the task. An Error thrown by it is thrown by run().
    std::function<void(int exit_code)> ended;
    /// About once a second while a worker lives; the text goes to the service manager.
    std::function<std::string()> status_line;
    /// Whether the task has come far enough to be called ready (the service manager is told once).
    std::function<bool()> is_ready;
    /// Whether a worker of this run has worked with both servers. From then on a lost server is
    /// waited for. A task that is ready has; without this callback only that counts.
    std::function<bool()> has_connected;
  };

  struct Status {
    bool running = false;  ///< something holds the task: a supervisor, or a worker that outlived it
    int supervisor_pid = 0;  ///< 0 while a worker that outlived its supervisor finishes
    std::string host;
    Time since{};
  };

  /// Runs the task in this process until it is done, stopped or given up; returns the exit code.
  /// Throws Error(state_conflict, "task.running") if it runs elsewhere on this machine.
  ///
  /// A worker that ends by itself with 0 has done the task. One that ends with a code which a
  /// restart cannot mend (ExitCodeRow::restart) ends the task with that code. After a lost server
  /// (codes 5 and 6) it is started again for as long as the outage lasts, unless the task has never
  /// connected: a wrong password at the start is an error, not an outage. After any other code or a
  /// signal it is started again `failover_limit` times within `failover_window`; one more, and the
  /// task ends with that code, or 1 for a signal. The wait before a start is 1 s, doubled each time
  /// up to 60 s, and 1 s again after a worker that lived for 5 minutes.
  ///
  /// The first TERM, INT or HUP lets the worker finish its batch, and run() returns 0 (or the code
  /// of an error on the way out). The second one kills the worker and returns 130 (INT) or 143. If
  /// this process is killed, the worker is told to finish its batch.
  virtual int run(const Submission& submission, const Observer& observer) = 0;

  /// Starts `supervisor` (a command that ends up in run()) detached from this terminal, its output
  /// appended to `log_file`, and returns once it holds the task. False if the task already ran.
  /// If it ends before that, throws Error with its exit code, id "start.failed" and the end of its
  /// log; Error(timed_out, "start.timeout") if it does neither in a minute.
  virtual bool submit(const std::string& task, const std::vector<std::string>& supervisor,
                      const std::string& log_file) = 0;

  /// Asks the task to finish its batch and leave, and waits. False if it did not run.
  /// Throws Error(timed_out, "stop.timeout") if it is still there after `limit`; a second call
  /// then ends it at once. Error(state_conflict, "stop.other-host") if it runs on another machine.
  virtual bool stop(const std::string& task, std::chrono::milliseconds limit) = 0;

  /// Keeps a task that does not run from being started, for as long as it lives.
  class Hold {
   public:
    virtual ~Hold() = default;
  };
  /// Throws Error(state_conflict, "task.running") if it runs on this machine. Who starts it
  /// meanwhile waits; to others it looks like a task that does not run.
  virtual std::unique_ptr<Hold> hold(const std::string& task) = 0;

  /// Asks without disturbing: it takes no lock. The pid is 0 for a moment after a start, and while
  /// a worker outlives its killed supervisor.
  virtual Status status(const std::string& task) = 0;
};

}  // namespace weir
