// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir::pgsource {

/// Where large transactions wait: TMPDIR, else /var/tmp.
std::string spill_folder();

/// Messages of one transaction until it is known whether it commits: in memory while they are few,
/// then in a file without a name, which is gone with the process. Written first, read then.
class TransactionBuffer {
 public:
  /// Keeps less than `memory` bytes in memory.
  explicit TransactionBuffer(std::size_t memory) : memory_limit_(memory) {}
  ~TransactionBuffer();
  TransactionBuffer(const TransactionBuffer&) = delete;
  TransactionBuffer& operator=(const TransactionBuffer&) = delete;

  /// Adds the message `kind`, `body`. Throws Error(failed, "postgres.spill") if the file cannot
  /// take it.
  void append(char kind, std::string_view body);
  /// Where the next message will be.
  std::uint64_t end() const { return file_size_ + memory_.size(); }
  /// Forgets the messages from `place` on.
  void truncate(std::uint64_t place);

  /// The next message to read, from the first one on; empty at the end. It may be written over and
  /// is valid until the next call. Nothing is appended once reading has begun.
  std::span<char> next();
  /// Where the message that next() returned is.
  std::uint64_t place() const { return place_; }

  bool in_file() const { return fd_ >= 0; }

 private:
  void write(std::string_view left);
  /// Makes `size` bytes from `read_at_` on lie in memory; returns where.
  char* load(std::size_t size);

  std::size_t memory_limit_;
  std::string memory_;  ///< what follows the file
  std::uint64_t file_size_ = 0;
  int fd_ = -1;
  std::uint64_t place_ = 0;
  std::uint64_t read_at_ = 0;
  std::string window_;  ///< a part of the file, from window_at_ on
  std::uint64_t window_at_ = 0;
};

}  // namespace weir::pgsource
