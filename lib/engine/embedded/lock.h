// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/process.h"
#include "base/time.h"

namespace weir {

/// A process, safe against a pid that was given to another one meanwhile.
struct ProcessMark {
  int pid = 0;
  std::uint64_t start = 0;  ///< clock ticks from boot to its start

  static ProcessMark of(int pid);
  bool alive() const;
};

/// What a lock file says about the process that holds it.
struct LockHolder {
  ProcessMark supervisor;
  ProcessMark worker;  ///< pid 0 while there is none
  std::string host;
  Time since{};
  std::string command;
  bool holds_only = false;  ///< Engine::hold(): the task does not run
};

/// The lock of one task: an advisory lock (open file description) on a file that is never deleted.
///
/// The supervisor holds it for its life and its worker inherits it, so that after a killed
/// supervisor nobody starts the task while the old worker is still finishing its batch. The end of
/// this object releases it for them all; after a crash the kernel does. A file without a lock means
/// nothing.
class TaskLock {
 public:
  /// Takes the lock; empty if another process has it. Creates the file and its folder.
  static std::optional<TaskLock> acquire(const std::string& path);

  /// What is known of the holder of the lock; empty if nobody has it. Takes no lock itself, so it
  /// disturbs nobody. A holder that has not yet said who it is shows as the one before it, whose
  /// processes have ended, or with nothing filled in.
  static std::optional<LockHolder> holder(const std::string& path);

  TaskLock(TaskLock&&) noexcept = default;
  ~TaskLock();

  void describe(const LockHolder& holder);
  int fd() const { return file_.get(); }

 private:
  explicit TaskLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

std::string host_name();

}  // namespace weir
