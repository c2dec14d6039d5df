// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "client/pq.h"
#include "model/task.h"
#include "source/postgres/offset.h"
#include "source/source.h"

namespace weir::pgsource {

/// The replication session of a task: streams what its slot decodes. One thread reads. A thread
/// of the stream's own keeps the session alive, however long the reader is busy elsewhere, and
/// tells the server what is durable.
class SlotStream {
 public:
  /// Asks for what commits after `from`. Waits up to 15 s for an earlier session on the slot to
  /// end. Throws Error(refused, "postgres.slot-missing") or "postgres.slot-lost",
  /// Error(source_unreachable, "postgres.slot-in-use").
  SlotStream(const Task& task, Lsn from);
  ~SlotStream();
  SlotStream(const SlotStream&) = delete;
  SlotStream& operator=(const SlotStream&) = delete;

  /// Waits until take() has something to return or to throw, or somebody calls wake().
  ChangeReader::Wait wait(std::chrono::milliseconds limit);
  /// A message as the server framed it; empty if there is none. Throws what ended the stream.
  PgMessage take();
  void wake();  ///< from any thread

  /// Everything before this place has been read.
  void received(Lsn place);
  /// The server wants to hear from us now.
  void answer();
  /// Everything before this place is durable. From any thread.
  void confirm(Lsn place);

 private:
  void start(const Task& task, Lsn from);
  void keep_alive();

  int wake_fd_;
  bool encrypted_ = false;
  std::chrono::milliseconds interval_{};

  std::mutex mutex_;  ///< for all below
  std::condition_variable changed_;
  PgConnection connection_;
  PgMessage next_;
  std::exception_ptr error_;
  Lsn received_;
  Lsn durable_;
  bool answer_ = false;
  bool closing_ = false;
  std::thread keeping_;
};

}  // namespace weir::pgsource
