// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/process.h"
#include "base/time.h"

namespace weir {

/// Decides whether a worker that ended by itself is started again, and when. No I/O.
///
/// An exit code that a restart cannot mend (ExitCodeRow::restart) ends the task. A lost server
/// (exit codes 5 and 6) is waited for as long as it takes, once the task has been connected; before
/// that it ends the task, because a wrong password is an error and not an outage. Everything else,
/// signals included, is a failover: `limit` of them within `window` are made good.
class RestartPolicy {
 public:
  struct Limits {
    std::uint32_t failovers = 3;
    std::chrono::milliseconds window{std::chrono::minutes(30)};
    std::chrono::milliseconds first_delay{std::chrono::seconds(1)};  ///< doubled each time ...
    std::chrono::milliseconds last_delay{std::chrono::seconds(60)};  ///< ... up to this
    std::chrono::milliseconds good_life{std::chrono::minutes(5)};    ///< after it, the first again
  };

  explicit RestartPolicy(const Limits& limits) : limits_(limits) {}

  /// The time to wait before the next worker; empty if there is to be none.
  std::optional<std::chrono::milliseconds> after(const ProcessEnd& end, bool connected,
                                                 Clock::time_point started,
                                                 Clock::time_point ended);

 private:
  Limits limits_;
  std::chrono::milliseconds delay_{0};  ///< the last one
  std::deque<Clock::time_point> failovers_;
};

}  // namespace weir
