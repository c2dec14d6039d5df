// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace weir {

/// A file descriptor that is closed with this object.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// How to start a program.
struct ProcessOptions {
  std::vector<std::string> argv;         ///< argv[0] is looked up in PATH
  std::vector<std::string> without_env;  ///< variables that it does not get
  int input = -1;                        ///< fd that becomes stdin; -1 = /dev/null
  int output = -1;                       ///< fd that becomes stdout; -1 = ours
  int error = -1;                        ///< fd that becomes stderr; -1 = ours
  int keep = -1;                         ///< one more fd that stays open; all others are closed
  bool own_group = false;                ///< leads a process group, which kill_group() ends
  int death_signal = 0;                  ///< sent to it when the thread that started it ends
  std::string folder;                    ///< working folder; "" = ours
};

/// What a child does between fork() and exec(). Everything that allocates is done beforehand: in a
/// child of a process with threads only async-signal-safe calls are allowed.
class ChildProgram {
 public:
  explicit ChildProgram(const ProcessOptions& options);
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  /// Becomes the program. Failing that, writes errno to `report` and ends with 127.
  [[noreturn]] void run(int report) const noexcept;

  /// What the parent reads at the other end: 0 once the program runs, else errno. The parent must
  /// have closed its own copy of `report`.
  static int read_report(int reader);
  /// Error(failed, "process.start").
  static Error error(const std::string& program, int number);

 private:
  const ProcessOptions& options_;
  int parent_;
  UniqueFd null_;
  std::vector<std::string> environment_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
};

/// How a process ended.
struct ProcessEnd {
  int code = 0;    ///< exit code, if no signal
  int signal = 0;  ///< that killed it

  /// As shells count: the exit code, or 128 + signal.
  int status() const { return signal != 0 ? 128 + signal : code; }
};

/// A child process. Killed, with its group if it leads one, and reaped with this object.
class Process {
 public:
  /// Throws Error(failed, "process.start") if the program cannot be started.
  explicit Process(const ProcessOptions& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int pid() const { return pid_; }
  int fd() const { return pidfd_.get(); }  ///< becomes readable when it has ended

  void signal(int number);
  void kill_group();  ///< SIGKILL to all that is left of it
  /// How it ended, with whatever it left in its group killed; empty if it still runs after `limit`.
  std::optional<ProcessEnd> wait(std::chrono::milliseconds limit);

 private:
  int pid_ = -1;
  bool own_group_ = false;
  UniqueFd pidfd_;
  std::optional<ProcessEnd> end_;
};

/// A pidfd of any process; empty if there is none with this pid.
UniqueFd open_pidfd(int pid);
/// False if the process has ended.
bool signal_pidfd(int pidfd, int number);
/// Whether `fd` became readable (a pidfd: ended) within `limit`.
bool wait_readable(int fd, std::chrono::milliseconds limit);

}  // namespace weir
