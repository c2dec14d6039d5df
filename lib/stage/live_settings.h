// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "model/task.h"

namespace weir {

/// The settings of a task that may become others while it works. Set by the thread that looks for a
/// new revision, read by those of the data path at each use; each setting stands for itself.
class LiveSettings {
 public:
  explicit LiveSettings(const Task& task) { set(task); }

  void set(const Task& task) {
    connections_ = task.full.connections;
    chunk_rows_ = task.full.chunk_rows;
    rate_rows_ = task.full.rate_rows;
    rate_bytes_ = task.full.rate_bytes;
    flush_interval_ = task.incremental.flush_interval;
    ++changes_;
  }

  FullSettings full() const { return {connections_, chunk_rows_, rate_rows_, rate_bytes_}; }
  std::chrono::milliseconds flush_interval() const { return flush_interval_; }
  /// Another number after each set().
  std::uint64_t changes() const { return changes_; }

 private:
  std::atomic<std::uint32_t> connections_;
  std::atomic<std::uint64_t> chunk_rows_;
  std::atomic<std::uint64_t> rate_rows_;
  std::atomic<std::uint64_t> rate_bytes_;
  std::atomic<std::chrono::milliseconds> flush_interval_;
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace weir
