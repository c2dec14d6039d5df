// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "source/mysql/binlog_event.h"

namespace weir::mysql {

/// Reads one binlog file on disk, event by event, also while a server still writes it. One thread.
class BinlogFile {
 public:
  enum class Read : std::uint8_t {
    event,      ///< one event was fed
    end,        ///< the file ends after a whole event, so far
    truncated,  ///< the file ends inside an event: it is being written, or was cut short
  };

  /// Throws Error(failed, "binlog.file") if it cannot be read or is no binlog, and
  /// Error(unsupported, "binlog.encrypted") if MySQL encrypted it.
  explicit BinlogFile(std::string path);
  ~BinlogFile();

  /// Feeds the next event. After `end` and `truncated` it may be called again, and goes on once the
  /// file has grown. Throws what the decoder throws, with the file's name before it, and
  /// Error(unsupported, "binlog.encrypted") at the place from which MariaDB encrypted the file.
  Read next(BinlogDecoder& decoder, BinlogHandler& handler);

  /// Where the next event begins, in bytes from the beginning of the file.
  std::uint64_t position() const { return position_; }

 private:
  struct Descriptor;

  bool have(std::size_t size);

  std::string path_;
  std::unique_ptr<Descriptor> file_;
  std::uint64_t position_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // of what next() has not fed yet; it lies at position_ in the file
  std::size_t end_ = 0;
  // What follows START_ENCRYPTION tells whether it is encrypted: in a copy that was taken over the
  // network the event is there, and nothing is.
  bool after_start_encryption_ = false;
};

}  // namespace weir::mysql
