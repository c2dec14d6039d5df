// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/transaction_buffer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"

namespace weir::pgsource {
namespace {

constexpr std::size_t kWindow = std::size_t{256} << 10;

Error spill_error(const char* what, int error) {
  return Error(
      ExitCode::failed, "postgres.spill",
      fmt::format("cannot {} the file that holds a large transaction until it commits", what),
      fmt::format("{}: {}", spill_folder(), std::generic_category().message(error)),
      "free space there, or set TMPDIR to a folder with space; the task goes on where it was");
}

int open_file() {
  std::string path = spill_folder() + "/weir-transaction-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);  // with mode 0600
  if (fd < 0) throw spill_error("create", errno);
  unlink(path.c_str());
  return fd;
}

}  // namespace

// /tmp may be memory, which is what the file is to save.
std::string spill_folder() {
  const char* set = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it here
  return set != nullptr && *set != '\0' ? set : "/var/tmp";
}

TransactionBuffer::~TransactionBuffer() {
  if (fd_ >= 0) close(fd_);
}

void TransactionBuffer::append(char kind, std::string_view body) {
  const auto size = static_cast<std::uint32_t>(body.size() + 1);
  char head[sizeof size + 1];
  std::memcpy(head, &size, sizeof size);
  head[sizeof size] = kind;
  if (memory_.size() + body.size() < memory_limit_) {
    memory_.append(head, sizeof head);
    memory_.append(body);
    return;
  }
  write(memory_);
  memory_.clear();
  write({head, sizeof head});
  write(body);
}

void TransactionBuffer::write(std::string_view left) {
  if (fd_ < 0) fd_ = open_file();
  while (!left.empty()) {
    const ssize_t written = pwrite(fd_, left.data(), left.size(), static_cast<off_t>(file_size_));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw spill_error("write", errno);
    left.remove_prefix(static_cast<std::size_t>(written));
    file_size_ += static_cast<std::uint64_t>(written);
  }
}

void TransactionBuffer::truncate(std::uint64_t place) {
  if (place >= file_size_) {
    memory_.resize(std::min<std::size_t>(memory_.size(), place - file_size_));
    return;
  }
  memory_.clear();
  file_size_ = place;
  // What is left behind is written over, but may be large.
  if (ftruncate(fd_, static_cast<off_t>(place)) != 0) throw spill_error("cut", errno);
}

char* TransactionBuffer::load(std::size_t size) {
  if (read_at_ >= file_size_) return memory_.data() + (read_at_ - file_size_);
  const std::uint64_t window_end = window_at_ + window_.size();
  if (read_at_ + size > window_end) {
    // No message lies partly in memory: append() writes whole ones.
    const std::uint64_t want =
        std::min<std::uint64_t>(std::max(size, kWindow), file_size_ - read_at_);
    window_.resize(want);
    window_at_ = read_at_;
    for (std::size_t have = 0; have < window_.size();) {
      const ssize_t got = pread(fd_, window_.data() + have, window_.size() - have,
                                static_cast<off_t>(window_at_ + have));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw spill_error("read", got == 0 ? EIO : errno);
      have += static_cast<std::size_t>(got);
    }
  }
  return window_.data() + (read_at_ - window_at_);
}

std::span<char> TransactionBuffer::next() {
  if (read_at_ >= end()) return {};
  place_ = read_at_;
  std::uint32_t size = 0;
  std::memcpy(&size, load(sizeof size), sizeof size);
  char* const whole = load(sizeof size + size);
  read_at_ += sizeof size + size;
  return {whole + sizeof size, size};
}

}  // namespace weir::pgsource
