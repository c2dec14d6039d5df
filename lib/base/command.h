// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace weir {

/// How a shell command ended, and what it wrote.
struct CommandResult {
  enum class End : unsigned char { exited, signalled, timed_out };
  End end = End::exited;
  int status = 0;    ///< exit status, or the signal's number
  std::string out;   ///< its stdout
  std::string err;   ///< its stderr
  bool cut = false;  ///< it wrote more than kCommandOutputLimit to one of them; the rest is lost

  bool ok() const { return end == End::exited && status == 0; }
};

/// Bytes kept of each of stdout and stderr.
inline constexpr std::size_t kCommandOutputLimit = std::size_t{64} << 10;

/// Runs `command` with /bin/sh in a process group of its own: stdin is empty, nothing but stdout
/// and stderr is inherited. It is over when the shell ends, even if something that it left in the
/// background still holds its output; at `limit` the whole group is killed. The environment is
/// passed on. Throws Error(failed, "command.start") if the system cannot start a process.
CommandResult run_command(const std::string& command, std::chrono::milliseconds limit);

/// "exit status 2", "signal 9", "no end within its time limit": for messages.
std::string describe_end(const CommandResult& result);

}  // namespace weir
