// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "model/cell.h"
#include "target/mysql/types.h"

namespace weir::mysqltarget {

/// Rows on their way to the server, as lines of a LOAD DATA file or as literals of SQL. Keeps its
/// memory from one message to the next. One thread.
class RowBuffer {
 public:
  /// One cell of a file whose fields end with a tab, lines with a newline, escaped by a backslash,
  /// without a character set. A newline in the buffer is always the end of a row. Throws
  /// Error(refused, "mysql-target.not-a-number") and "mysql-target.date" for what MySQL has not.
  void file_cell(Cell cell, Encoding encoding);
  /// One cell as SQL, for a session in UTF-8 whose sql_mode leaves backslashes their meaning.
  void literal(Cell cell, Encoding encoding);

  void raw(std::string_view text) {
    reserve(text.size());
    std::memcpy(data_.get() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void raw(char c) {
    reserve(1);
    data_[used_++] = c;
  }

  std::size_t size() const { return used_; }
  std::string_view view() const { return {data_.get(), used_}; }
  void clear() { used_ = 0; }
  /// Drops what was written after the buffer had `size` bytes.
  void cut(std::size_t size) { used_ = size; }

 private:
  void reserve(std::size_t more) {
    if (more > capacity_ - used_) grow(more);
  }
  void grow(std::size_t more);
  template <bool kFile>
  void escaped(const char* data, std::size_t size);
  template <bool kFile>
  void geometry(std::string_view ewkb);
  void packed_bits(std::string_view digits);
  void single(std::string_view text);
  void real(std::string_view text);

  std::unique_ptr<char[]> data_;
  std::size_t used_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace weir::mysqltarget
