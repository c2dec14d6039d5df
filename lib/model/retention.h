// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/finding.h"
#include "model/task.h"

namespace weir {

/// Where a change log ends, so that what is written from there on can be counted.
struct LogHead {
  std::string file;  ///< "" where the log is one row of bytes
  std::uint64_t position = 0;

  bool operator==(const LogHead&) const = default;
};

struct LogFile {
  std::string name;
  std::uint64_t bytes = 0;
};

/// A setting of the server that says how long it keeps its log, as it shows it.
struct RetentionSetting {
  std::string name;
  std::string value;
};

/// One reason why the server would let go of its log at a task's offset.
struct RetentionLimit {
  enum class Kind : std::uint8_t { age, size };
  Kind kind = Kind::age;
  std::string name;   ///< of the setting, or "measured-window", "configured-window"
  std::string value;  ///< as the server shows it; "" if it is no setting
  /// Kind::age: what follows the offset may go this long after `since` (by the server's clock); the
  /// epoch means that the time only begins to count when the task stops.
  std::chrono::seconds age{0};
  Time since{};
  std::uint64_t bytes = 0;  ///< Kind::size: may still be written before the offset goes
};

/// Bytes that were written in a span.
struct LogGrowth {
  std::uint64_t bytes = 0;
  std::chrono::duration<double> span{0};
};

/// What a server says about how long a task may stay away. Times are by the server's clock. What is
/// not known is empty, and `hidden` names what would make it known.
struct RetentionFacts {
  /// Why the log can no longer be read from the offset on: critical means that it cannot.
  std::optional<Finding> gap;
  std::vector<Finding> hidden;

  Time server_now{};
  std::chrono::duration<double> clock_ahead{0};  ///< the server's clock, compared with ours
  std::chrono::duration<double> clock_error{0};  ///< that comparison may be wrong by as much

  std::vector<RetentionSetting> policy;
  std::vector<RetentionLimit> limits;
  /// The offset itself keeps the server from letting go: what it keeps grows by all that is
  /// written. Also true where nothing is ever let go.
  bool grows = false;

  std::string oldest;  ///< where the log begins, as the server would name it
  Time oldest_time{};
  LogHead end;
  std::vector<LogFile> files;               ///< oldest first; empty where there are none
  std::optional<std::uint64_t> file_count;  ///< of all that is kept
  std::optional<std::uint64_t> kept_bytes;  ///< all that is kept
  std::optional<std::uint64_t> behind;      ///< bytes between the offset and the end
  std::optional<std::uint64_t> margin;      ///< bytes between the oldest place and the offset
  std::optional<LogGrowth> growth;          ///< by the server's own account, over a long time

  /// The server's clock said `server` at some moment between `asked` and `told` by ours.
  void compare_clocks(Time server, Time asked, Time told);
  /// Adds the limit that the task file sets, if it sets one, from `since` on. False if it does not.
  bool add_configured_limit(const Task& task, Time since);
};

}  // namespace weir
