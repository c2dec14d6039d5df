// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/binlog_file.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "source/mysql/event_cursor.h"

namespace weir::mysql {
namespace {

constexpr std::size_t kHeaderSize = 19;
constexpr std::size_t kTypeOffset = 4;
constexpr std::size_t kSizeOffset = 9;
constexpr std::size_t kNextPositionOffset = 13;
constexpr std::uint8_t kStartEncryption = 164;
// What a server accepts is 1 GiB for the row images; the rest is for what goes around them.
constexpr std::uint64_t kLargestEvent = (std::uint64_t{1} << 30) + (std::uint64_t{1} << 16);
constexpr std::size_t kFirstBuffer = std::size_t{1} << 18;
constexpr std::string_view kMagic =
    "\xfe"
    "bin";
constexpr std::string_view kEncryptedMagic =
    "\xfd"
    "bin";

[[noreturn]] void fail(const std::string& path, std::string_view why) {
  throw Error(ExitCode::failed, "binlog.file", fmt::format("binlog file {} cannot be read", path),
              std::string(why), "check the path and the permissions");
}

[[noreturn]] void encrypted(const std::string& path, std::string_view option) {
  throw Error(
      ExitCode::unsupported, "binlog.encrypted", fmt::format("binlog file {} is encrypted", path),
      "only the server has the key; over the network it sends its log in the clear",
      fmt::format("read the log from the server, or set {} = OFF there for new files", option));
}

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

struct BinlogFile::Descriptor {
  explicit Descriptor(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) fail(path, reason(errno));
  }
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int fd;
};

BinlogFile::BinlogFile(std::string path)
    : path_(std::move(path)),
      file_(std::make_unique<Descriptor>(path_)),
      buffer_(std::make_unique_for_overwrite<char[]>(kFirstBuffer)),
      capacity_(kFirstBuffer) {
  if (!have(kMagic.size())) fail(path_, "it is too short for a binlog");
  const std::string_view magic(buffer_.get(), kMagic.size());
  if (magic == kEncryptedMagic) encrypted(path_, "binlog_encryption");
  if (magic != kMagic) fail(path_, "it does not begin as a binlog does");
  begin_ = position_ = kMagic.size();
}

BinlogFile::~BinlogFile() = default;

/// Reads on until `size` bytes are there from begin_; false where the file ends before.
bool BinlogFile::have(std::size_t size) {
  if (end_ - begin_ >= size) return true;
  if (capacity_ - begin_ < size) {
    const std::size_t left = end_ - begin_;
    if (size > capacity_) {
      const std::size_t capacity = std::bit_ceil(size);
      auto larger = std::make_unique_for_overwrite<char[]>(capacity);
      std::memcpy(larger.get(), buffer_.get() + begin_, left);
      buffer_ = std::move(larger);
      capacity_ = capacity;
    } else {
      std::memmove(buffer_.get(), buffer_.get() + begin_, left);
    }
    begin_ = 0;
    end_ = left;
  }
  while (end_ - begin_ < size) {
    const auto offset = static_cast<off_t>(position_ + (end_ - begin_));
    const ssize_t got = ::pread(file_->fd, buffer_.get() + end_, capacity_ - end_, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path_, reason(errno));
    if (got == 0) return false;
    end_ += static_cast<std::size_t>(got);
  }
  return true;
}

BinlogFile::Read BinlogFile::next(BinlogDecoder& decoder, BinlogHandler& handler) {
  if (!have(kHeaderSize)) return end_ == begin_ ? Read::end : Read::truncated;
  const char* const header = buffer_.get() + begin_;
  const std::uint64_t size = little_endian(header + kSizeOffset, 4);
  if (after_start_encryption_ &&
      little_endian(header + kNextPositionOffset, 4) != position_ + size) {
    encrypted(path_, "encrypt_binlog");
  }
  if (size < kHeaderSize || size > kLargestEvent) {
    fail(path_, fmt::format("the event at position {} has an impossible size ({} bytes)", position_,
                            size));
  }
  if (!have(size)) return Read::truncated;
  const bool starts_encryption =
      static_cast<std::uint8_t>(buffer_[begin_ + kTypeOffset]) == kStartEncryption;
  try {
    decoder.feed({buffer_.get() + begin_, size}, handler);
  } catch (const Error& error) {
    throw error.within(fmt::format("{} at {}", path_, position_));
  }
  after_start_encryption_ = starts_encryption;
  begin_ += size;
  position_ += size;
  return Read::event;
}

}  // namespace weir::mysql
