// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "source/mysql/binlog_event.h"

namespace weir::mysql {

/// Takes the events out of a MySQL TRANSACTION_PAYLOAD, one after another. A payload of some
/// megabytes may hold a transaction of gigabytes, so it is inflated piece by piece: the buffer is
/// as large as the largest event needs. One thread.
class PayloadStream {
 public:
  PayloadStream();
  ~PayloadStream();

  /// Begins with the body of an event; both must stay until the last event was taken. Throws
  /// Error(failed, "binlog.malformed"), Error(unsupported, "binlog.unsupported-event").
  void open(const EventHeader& header, std::string_view body);

  /// The next event, header included, valid until the next call; empty at the end. `last` tells
  /// whether nothing follows it. Throws Error(failed, "binlog.malformed").
  std::string_view next(bool& last);

 private:
  struct Zstd;

  void inflate_more();

  const EventHeader* header_ = nullptr;
  std::unique_ptr<Zstd> zstd_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  const char* data_ = nullptr;  // buffer_, or the payload itself where it is not compressed
  std::size_t begin_ = 0;       // the first byte that next() has not given out
  std::size_t end_ = 0;
  bool complete_ = true;  // nothing more will come after end_
};

}  // namespace weir::mysql
