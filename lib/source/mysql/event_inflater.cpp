// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/event_inflater.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <new>

#include <zlib.h>

#include "source/mysql/event_cursor.h"

namespace weir::mysql {
namespace {

// What a server accepts is 1 GiB for the row images; the rest is for what goes around them.
constexpr std::uint64_t kLargestEvent = (std::uint64_t{1} << 30) + (std::uint64_t{1} << 16);
constexpr std::size_t kSmallestBuffer = std::size_t{1} << 16;
// A buffer that one huge row made larger than this is given back at the next event.
constexpr std::size_t kLargestKept = std::size_t{16} << 20;
// zlib cannot do better than 1032 to 1: a length that asks for more is damaged, and must not
// decide how much memory is taken.
constexpr std::uint64_t kBestRatio = 1032;

// zlib takes an unsigned char* that it does not write to, for want of const in its interface.
Bytef* bytes_of(const char* text) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text));
}

}  // namespace

/// The stream's state is made once and reset for each event, to spare its allocations.
struct EventInflater::Zlib {
  Zlib() {
    if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  }
  ~Zlib() { inflateEnd(&stream); }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;

  z_stream stream{};
};

EventInflater::EventInflater() = default;
EventInflater::~EventInflater() = default;

std::string_view EventInflater::inflate(const EventHeader& header, std::string_view compressed) {
  EventCursor cursor(header, compressed);
  const std::uint8_t method = cursor.byte();
  const std::size_t length_size = method & 0x07;
  if ((method & 0xf8) != 0x80 || length_size == 0 || length_size > 4) {
    malformed_event(header, "its compression is not the one that weir knows (zlib)");
  }
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < length_size; ++i) size = size << 8 | cursor.byte();
  const std::string_view input = cursor.rest();
  if (size > kLargestEvent || size > (input.size() + 64) * kBestRatio) {
    malformed_event(header, "it says that it inflates to more than it can hold");
  }

  if (size > capacity_ || (capacity_ > kLargestKept && size <= kLargestKept)) {
    buffer_.reset();
    capacity_ = std::max(kSmallestBuffer, std::bit_ceil(static_cast<std::size_t>(size)));
    buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
  }
  if (!zlib_) zlib_ = std::make_unique<Zlib>();
  z_stream& stream = zlib_->stream;
  inflateReset(&stream);
  stream.next_in = bytes_of(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = bytes_of(buffer_.get());
  stream.avail_out = static_cast<uInt>(size);
  if (::inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_out != 0) {
    malformed_event(header, "its compressed part is damaged");
  }
  return {buffer_.get(), static_cast<std::size_t>(size)};
}

}  // namespace weir::mysql
