// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/embedded_engine.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/embedded/detached.h"

namespace weir {
namespace {

constexpr std::chrono::milliseconds kPause{10};
/// How long the holder of a lock may take to say who it is.
constexpr std::chrono::milliseconds kIntroduction{1000};

bool elsewhere(const LockHolder& holder) {
  return !holder.host.empty() && holder.host != host_name();
}

/// Who holds the lock. One whose processes cannot be found is given the time to say who it is; what
/// remains unknown is a worker that lost its supervisor before that could write it down.
std::optional<LockHolder> introduced(const std::string& path) {
  const Clock::time_point deadline = Clock::now() + kIntroduction;
  for (;;) {
    auto holder = TaskLock::holder(path);
    if (!holder || elsewhere(*holder) || holder->supervisor.alive() || holder->worker.alive() ||
        Clock::now() > deadline) {
      return holder;
    }
    std::this_thread::sleep_for(kPause);
  }
}

/// Whether only a worker is left, which was told to finish when its supervisor died.
bool orphaned(const LockHolder& holder) { return !elsewhere(holder) && !holder.supervisor.alive(); }

/// Whether it is Engine::hold(). Of who has not yet said who it is, the text is another one's.
bool only_holds(const LockHolder& holder) { return holder.holds_only && holder.supervisor.alive(); }

/// Whether nobody else may start the task: it runs. Else whoever has the lock gives it up soon.
bool keeps(const LockHolder& holder) { return !orphaned(holder) && !only_holds(holder); }

class HeldLock final : public Engine::Hold {
 public:
  explicit HeldLock(TaskLock lock) : lock_(std::move(lock)) {}

 private:
  TaskLock lock_;
};

/// A process for an error text, and how to find it if all we know is that it has the lock.
std::string name_of(const ProcessMark& process, const std::string& path) {
  return process.alive() ? fmt::format("process {}", process.pid)
                         : fmt::format("the process that lsof {} shows", path);
}

Error running_error(const std::string& task, const LockHolder& holder) {
  return Error(ExitCode::state_conflict, "task.running",
               fmt::format("task {} is running already", task),
               fmt::format("process {} on {} has run it since {}", holder.supervisor.pid,
                           holder.host, to_rfc3339(holder.since)),
               fmt::format("see weir sync status {0}; weir sync stop {0} ends it", task));
}

ExitCode exit_code(const ProcessEnd& end) {
  const auto rows = exit_codes();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const ExitCodeRow& known_row) {
    return static_cast<int>(known_row.code) == end.status();
  });
  return row == rows.end() ? ExitCode::failed : row->code;
}

std::chrono::milliseconds left(Clock::time_point deadline) {
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()),
                  std::chrono::milliseconds(0));
}

}  // namespace

EmbeddedEngine::EmbeddedEngine(std::string folder, const EmbeddedTiming& timing)
    : folder_(std::move(folder)), timing_(timing) {}

std::string EmbeddedEngine::lock_path(const std::string& task) const {
  if (task.empty() || task.find('/') != std::string::npos) {
    throw bug("a task name that is not a file name: " + task);
  }
  return folder_ + "/" + task + ".lock";
}

TaskLock EmbeddedEngine::take_lock(const std::string& task) const {
  const std::string path = lock_path(task);
  const Clock::time_point deadline = Clock::now() + timing_.orphan_patience;
  for (;;) {
    if (auto lock = TaskLock::acquire(path)) return std::move(*lock);
    const auto holder = introduced(path);
    if (!holder) continue;
    if (keeps(*holder)) throw running_error(task, *holder);
    if (Clock::now() > deadline && only_holds(*holder)) {
      throw Error(ExitCode::state_conflict, "task.held",
                  fmt::format("task {} is held by {}", task, name_of(holder->supervisor, path)),
                  "a verb changes it, and has not come to its end", "try again later");
    }
    if (Clock::now() > deadline) {
      throw Error(ExitCode::state_conflict, "task.leaving",
                  fmt::format("{} still works for task {}", name_of(holder->worker, path), task),
                  "its supervisor was killed, and it has not come to the end of its batch",
                  "try again later, or end it with kill -9");
    }
    std::this_thread::sleep_for(kPause);
  }
}

int EmbeddedEngine::run(const Submission& submission, const Observer& observer) {
  TaskLock lock = take_lock(submission.task);
  LockHolder self;
  self.supervisor = ProcessMark::of(getpid());
  self.host = host_name();
  self.since = now();
  self.command = join(submission.worker, " ");
  lock.describe(self);
  const int code =
      Supervisor(submission, observer, timing_.supervisor, lock, std::move(self)).run();
  if (observer.ended) observer.ended(code);
  return code;
}

bool EmbeddedEngine::submit(const std::string& task, const std::vector<std::string>& supervisor,
                            const std::string& log_file) {
  const std::string path = lock_path(task);
  if (const auto holder = introduced(path); holder && keeps(*holder)) return false;

  Detached program(supervisor, log_file);
  const Clock::time_point deadline = Clock::now() + timing_.submit_patience;
  for (;;) {
    const auto holder = TaskLock::holder(path);
    if (holder && program.owns(holder->supervisor.pid)) return true;
    if (const auto end = program.wait(kPause)) {
      if (end->status() == 0) return true;  // a task that had nothing to do
      if (exit_code(*end) == ExitCode::state_conflict) {
        const auto other = introduced(path);
        if (other && keeps(*other)) return false;
      }
      throw Error(exit_code(*end), "start.failed", fmt::format("task {} did not start", task),
                  program.log_tail(), fmt::format("see {}", log_file));
    }
    if (Clock::now() > deadline) {
      program.terminate();
      throw Error(ExitCode::timed_out, "start.timeout",
                  fmt::format("task {} did not start in {}", task,
                              format_duration(timing_.submit_patience)),
                  program.log_tail(), fmt::format("see {}", log_file));
    }
  }
}

bool EmbeddedEngine::stop(const std::string& task, std::chrono::milliseconds limit) {
  const std::string path = lock_path(task);
  const Clock::time_point deadline = Clock::now() + limit;
  const auto holder = introduced(path);
  if (!holder || only_holds(*holder)) return false;
  if (elsewhere(*holder)) {
    throw Error(ExitCode::state_conflict, "stop.other-host",
                fmt::format("task {} runs on {}", task, holder->host),
                "it can only be stopped there",
                fmt::format("run weir sync stop {} on {}", task, holder->host));
  }
  const ProcessMark target = orphaned(*holder) ? holder->worker : holder->supervisor;
  const UniqueFd process = open_pidfd(target.pid);
  // Asked after the pidfd is open: from here on it cannot be another process.
  if (process && target.alive() && !signal_pidfd(process.get(), SIGTERM) && errno == EPERM) {
    throw Error(ExitCode::state_conflict, "stop.denied", fmt::format("cannot stop task {}", task),
                fmt::format("process {} belongs to another user", target.pid),
                "run weir sync stop as the user that started it");
  }
  const auto timeout = [&] {
    return Error(ExitCode::timed_out, "stop.timeout",
                 fmt::format("task {} has not stopped after {}", task, format_duration(limit)),
                 fmt::format("{} is still finishing its batch", name_of(target, path)),
                 fmt::format("wait, or run weir sync stop {} again: the second request ends it at "
                             "once, and nothing that is committed is lost",
                             task));
  };
  if (process && !wait_readable(process.get(), left(deadline))) throw timeout();
  // Its worker may have the lock for a moment longer.
  while (const auto rest = TaskLock::holder(path)) {
    const bool next = rest->supervisor.pid != holder->supervisor.pid && rest->supervisor.alive();
    if (next || elsewhere(*rest)) break;
    if (Clock::now() > deadline) throw timeout();
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

std::unique_ptr<Engine::Hold> EmbeddedEngine::hold(const std::string& task) {
  TaskLock lock = take_lock(task);
  LockHolder self;
  self.supervisor = ProcessMark::of(getpid());
  self.host = host_name();
  self.since = now();
  self.holds_only = true;
  lock.describe(self);
  return std::make_unique<HeldLock>(std::move(lock));
}

Engine::Status EmbeddedEngine::status(const std::string& task) {
  const auto holder = TaskLock::holder(lock_path(task));
  if (!holder || only_holds(*holder)) return {};
  if (orphaned(*holder)) return {true, 0, host_name(), holder->since};
  return {true, holder->supervisor.pid, holder->host, holder->since};
}

}  // namespace weir
