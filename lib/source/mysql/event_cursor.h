// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "source/mysql/binlog_event.h"

namespace weir::mysql {

/// Throws Error(failed, "binlog.malformed") naming the event and its place; `why` completes it.
[[noreturn]] void malformed_event(const EventHeader& header, std::string_view why);

/// The number of `size` bytes at `at`, little-endian, 8 at most.
inline std::uint64_t little_endian(const char* at, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < size; ++i) {
    out |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  }
  return out;
}

/// Reads the fields of one event in order, little-endian. What would reach past the end throws
/// malformed_event(). Views into the event; `header` must outlive it.
class EventCursor {
 public:
  EventCursor(const EventHeader& header, std::string_view bytes) : header_(header), left_(bytes) {}

  std::size_t left() const { return left_.size(); }

  std::string_view take(std::uint64_t size) {
    if (size > left_.size()) malformed_event(header_, "it ends before what it says it holds");
    const std::string_view out = left_.substr(0, static_cast<std::size_t>(size));
    left_.remove_prefix(out.size());
    return out;
  }

  std::string_view rest() { return take(left_.size()); }

  /// A number of `size` bytes, 8 at most.
  std::uint64_t number(std::size_t size) { return little_endian(take(size).data(), size); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }

  /// The client protocol's length-encoded integer.
  std::uint64_t packed() {
    const std::uint8_t first = byte();
    if (first < 251) return first;
    if (first == 252) return number(2);
    if (first == 253) return number(3);
    if (first == 254) return number(8);
    malformed_event(header_, "a length is not a number");
  }
  std::string_view packed_text() { return take(packed()); }

 private:
  const EventHeader& header_;
  std::string_view left_;
};

}  // namespace weir::mysql
