// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "source/mysql/binlog_event.h"

namespace weir::mysql {

/// Undoes MariaDB's log_bin_compress for one query text or one set of row images: a byte with the
/// algorithm and the length's size, the length (big-endian), a zlib stream. One thread.
class EventInflater {
 public:
  EventInflater();
  ~EventInflater();

  /// The plain bytes, valid until the next call. Throws Error(failed, "binlog.malformed").
  std::string_view inflate(const EventHeader& header, std::string_view compressed);

 private:
  struct Zlib;
  std::unique_ptr<Zlib> zlib_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
};

}  // namespace weir::mysql
