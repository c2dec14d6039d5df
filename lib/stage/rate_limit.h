// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "base/time.h"
#include "stage/context.h"

namespace weir {

/// Holds all threads of the full stage together to so many rows and bytes a second, as the settings
/// have it at that moment. 0 = no limit.
class RateLimit {
 public:
  explicit RateLimit(const LiveSettings& settings) : settings_(settings) {}

  /// Counts rows and bytes that have passed, and sleeps while they are ahead of their time.
  void take(std::uint64_t rows, std::uint64_t bytes, StopRequest& stop) {
    const std::uint64_t changes = settings_.changes();
    const FullSettings full = settings_.full();
    if (full.rate_rows == 0 && full.rate_bytes == 0) return;
    Clock::time_point due;
    {
      const std::lock_guard lock(mutex_);
      // What was owed at another rate is owed no more.
      if (changes != changes_) due_ = {};
      changes_ = changes;
      due_ = std::max(due_, Clock::now()) +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                 std::max(seconds(rows, full.rate_rows), seconds(bytes, full.rate_bytes))));
      due = due_;
    }
    for (Clock::time_point now = Clock::now(); now < due && settings_.changes() == changes;
         now = Clock::now()) {
      if (stop.wait_for(std::min<Clock::duration>(due - now, kLook))) return;
    }
  }

 private:
  /// A sleeper must not sleep on for an hour once the limit is gone.
  static constexpr std::chrono::milliseconds kLook{200};

  static double seconds(std::uint64_t count, std::uint64_t rate) {
    return rate == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(rate);
  }

  const LiveSettings& settings_;
  std::mutex mutex_;
  std::uint64_t changes_ = 0;
  Clock::time_point due_{};
};

}  // namespace weir
