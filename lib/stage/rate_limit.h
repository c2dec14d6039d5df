// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "base/time.h"
#include "stage/context.h"

namespace weir {

/// Holds all threads of the full stage together to so many rows and bytes a second. 0 = no limit.
class RateLimit {
 public:
  RateLimit(std::uint64_t rows, std::uint64_t bytes) : rows_(rows), bytes_(bytes) {}

  /// Counts rows and bytes that have passed, and sleeps while they are ahead of their time.
  void take(std::uint64_t rows, std::uint64_t bytes, StopRequest& stop) {
    if (rows_ == 0 && bytes_ == 0) return;
    Clock::time_point due;
    {
      const std::lock_guard lock(mutex_);
      const double seconds =
          std::max(rows_ == 0 ? 0.0 : static_cast<double>(rows) / static_cast<double>(rows_),
                   bytes_ == 0 ? 0.0 : static_cast<double>(bytes) / static_cast<double>(bytes_));
      due_ = std::max(due_, Clock::now()) +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
      due = due_;
    }
    if (due > Clock::now()) stop.wait_for(due - Clock::now());
  }

 private:
  std::uint64_t rows_;
  std::uint64_t bytes_;
  std::mutex mutex_;
  Clock::time_point due_{};
};

}  // namespace weir
