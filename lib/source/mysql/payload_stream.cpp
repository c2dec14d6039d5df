// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/payload_stream.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>

#include <fmt/format.h>
#include <zstd.h>

#include "base/error.h"
#include "source/mysql/event_cursor.h"

namespace weir::mysql {
namespace {

constexpr std::size_t kEventHeaderSize = 19;
constexpr std::size_t kSizeOffset = 9;
constexpr std::size_t kFirstBuffer = std::size_t{1} << 18;
// A buffer that one huge row made larger than this is given back with the next payload.
constexpr std::size_t kLargestKept = std::size_t{16} << 20;
// What a server accepts is 1 GiB for the row images; the rest is for what goes around them.
constexpr std::size_t kLargestEvent = (std::size_t{1} << 30) + (std::size_t{1} << 16);

enum PayloadField : std::uint8_t { kEndOfFields = 0, kPayloadSize = 1, kAlgorithm = 2 };
enum Algorithm : std::uint64_t { kZstd = 0, kNotCompressed = 255 };

}  // namespace

struct PayloadStream::Zstd {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  Zstd() : context(ZSTD_createDCtx()) {
    if (!context) throw std::bad_alloc();
  }

  std::unique_ptr<ZSTD_DCtx, Free> context;
  ZSTD_inBuffer input{};
};

PayloadStream::PayloadStream() = default;
PayloadStream::~PayloadStream() = default;

void PayloadStream::open(const EventHeader& header, std::string_view body) {
  EventCursor cursor(header, body);
  std::uint64_t algorithm = kNotCompressed;
  std::uint64_t size = 0;
  bool sized = false;
  for (std::uint64_t code = cursor.packed(); code != kEndOfFields; code = cursor.packed()) {
    EventCursor field(header, cursor.packed_text());
    if (code == kAlgorithm) algorithm = field.packed();
    if (code == kPayloadSize) {
      size = field.packed();
      sized = true;
    }
  }
  const std::string_view payload = cursor.rest();
  if (!sized || size != payload.size()) malformed_event(header, "its payload has another size");

  header_ = &header;
  begin_ = 0;
  if (algorithm == kNotCompressed) {
    data_ = payload.data();
    end_ = payload.size();
    complete_ = true;
    return;
  }
  if (algorithm != kZstd) {
    throw Error(ExitCode::unsupported, "binlog.unsupported-event",
                fmt::format("a transaction in the log is compressed by method {}", algorithm),
                "weir knows zstd, the one that MySQL 8 writes",
                "set binlog_transaction_compression = OFF on the source, or upgrade weir");
  }
  if (!zstd_) zstd_ = std::make_unique<Zstd>();
  ZSTD_DCtx_reset(zstd_->context.get(), ZSTD_reset_session_only);
  zstd_->input = {payload.data(), payload.size(), 0};
  if (capacity_ == 0 || capacity_ > kLargestKept) {
    buffer_.reset();
    buffer_ = std::make_unique_for_overwrite<char[]>(kFirstBuffer);
    capacity_ = kFirstBuffer;
  }
  data_ = buffer_.get();
  end_ = 0;
  complete_ = payload.empty();
}

std::string_view PayloadStream::next(bool& last) {
  for (;;) {
    const std::size_t have = end_ - begin_;
    if (have >= kEventHeaderSize) {
      const auto size = static_cast<std::size_t>(little_endian(data_ + begin_ + kSizeOffset, 4));
      if (size < kEventHeaderSize || size > kLargestEvent) {
        malformed_event(*header_, "an event inside it has an impossible size");
      }
      // One byte more than the event shows that another follows.
      if (have > size || (have == size && complete_)) {
        last = have == size;
        const std::string_view event(data_ + begin_, size);
        begin_ += size;
        return event;
      }
    }
    if (complete_) {
      if (have == 0) return {};
      malformed_event(*header_, "it ends in the middle of an event");
    }
    inflate_more();
  }
}

void PayloadStream::inflate_more() {
  if (end_ == capacity_) {
    const std::size_t have = end_ - begin_;
    // Moving what is left is cheap while it is the smaller part; an event of about the buffer's
    // size gets a larger one instead.
    if (have > capacity_ / 2) {
      auto larger = std::make_unique_for_overwrite<char[]>(capacity_ * 2);
      std::memcpy(larger.get(), buffer_.get() + begin_, have);
      buffer_ = std::move(larger);
      capacity_ *= 2;
    } else {
      std::memmove(buffer_.get(), buffer_.get() + begin_, have);
    }
    data_ = buffer_.get();
    begin_ = 0;
    end_ = have;
  }
  ZSTD_outBuffer output{buffer_.get() + end_, capacity_ - end_, 0};
  const std::size_t before = zstd_->input.pos;
  const std::size_t left = ZSTD_decompressStream(zstd_->context.get(), &output, &zstd_->input);
  if (ZSTD_isError(left) != 0) {
    malformed_event(*header_, std::string("zstd says: ") + ZSTD_getErrorName(left));
  }
  end_ += output.pos;
  complete_ = left == 0 && zstd_->input.pos == zstd_->input.size;
  if (!complete_ && output.pos == 0 && zstd_->input.pos == before) {
    malformed_event(*header_, "its compressed part ends early");
  }
}

}  // namespace weir::mysql
