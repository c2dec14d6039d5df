// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"

namespace weir {

/// A program in a session of its own, without a terminal, in "/", with its output appended to a log
/// file. It lives on after this object and after this process.
///
/// A monitor between us and it, the leader of its session, tells how it ended as long as this
/// object lives.
class Detached {
 public:
  /// Throws Error(failed) with id "process.start" or "start.log".
  Detached(const std::vector<std::string>& argv, const std::string& log_file);
  ~Detached();
  Detached(const Detached&) = delete;
  Detached& operator=(const Detached&) = delete;

  /// Whether the process `pid` came from the program.
  bool owns(int pid) const;
  /// How the program ended; empty if it still runs after `limit`.
  std::optional<ProcessEnd> wait(std::chrono::milliseconds limit);
  /// Ends the program with SIGTERM.
  void terminate();
  /// The end of what was logged since the start.
  std::string log_tail() const;

 private:
  std::string log_file_;
  std::size_t log_start_ = 0;
  int monitor_ = -1;
  UniqueFd link_;
  std::optional<ProcessEnd> end_;
};

}  // namespace weir
