// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"
#include "store/state_store.h"

namespace weir {

/// What a running worker counts. Written by the threads of the data path, read by the sampler; each
/// field stands for itself.
struct Meter {
  std::atomic<Stage> stage{Stage::schema};
  std::atomic<std::uint64_t> rows_read{0};
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::uint64_t> rows_written{0};
  std::atomic<std::uint64_t> bytes_written{0};
  std::atomic<std::uint64_t> transactions{0};
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> reader_wait_us{0};
  std::atomic<std::uint64_t> writer_wait_us{0};
  std::atomic<std::uint64_t> apply_us{0};
  std::atomic<std::uint64_t> commit_us{0};
  std::atomic<std::uint64_t> last_batch_rows{0};
  std::atomic<std::uint64_t> queue_bytes{0};
  std::atomic<Time> last_read_commit{Time{}};  ///< commit time of the transaction read last
  std::atomic<Time> oldest_pending{Time{}};    ///< of the oldest one not yet applied; epoch if none
  std::atomic<Time> last_heard{Time{}};
  std::atomic<Time> newest_beat{Time{}};  ///< when it was written; on the target, epoch if none
  std::atomic<std::uint64_t> beat_delay_us{0};  ///< from its write to the target's commit
  std::atomic<bool> reader_idle{false};         ///< the log is read to its end
  std::atomic<bool> consistent{false};          ///< what changed during the copy is applied, too

  /// One sample as of `at`.
  Sample sample(Time at) const;
};

/// Adds the time from construction to destruction to a counter.
class WaitClock {
 public:
  explicit WaitClock(std::atomic<std::uint64_t>& counter)
      : counter_(counter), begin_(Clock::now()) {}
  ~WaitClock() {
    counter_ += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin_).count());
  }
  WaitClock(const WaitClock&) = delete;
  WaitClock& operator=(const WaitClock&) = delete;

 private:
  std::atomic<std::uint64_t>& counter_;
  Clock::time_point begin_;
};

}  // namespace weir
