// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "client/pq.h"
#include "model/cell.h"
#include "target/postgres/types.h"

namespace weir::postgres {

/// A buffer of COPY text rows on its way to the server. Cells are written straight into it; a large
/// cell passes through in pieces. One thread.
class CopyBuffer {
 public:
  explicit CopyBuffer(PgConnection& connection);

  /// One cell, without its separator. `table` and `column` are for the error only.
  void cell(Cell cell, Encoding encoding);
  void separator(char c) { data_[used_++] = c; }
  void raw(std::string_view text);
  /// Sends what is left.
  void flush();
  /// Forgets what is left.
  void clear() { used_ = 0; }
  std::uint64_t sent() const { return sent_; }
  void restart() { sent_ = 0; }

 private:
  static constexpr std::size_t kSize = std::size_t{256} << 10;
  static constexpr std::size_t kFlushAt = std::size_t{128} << 10;
  static constexpr std::size_t kPiece = std::size_t{32} << 10;  // grows to twice its size at most
  static constexpr std::size_t kSlack = 32;

  void reserve_piece() {
    if (used_ > kFlushAt) flush();
  }
  void plain(const char* data, std::size_t size);
  void escaped(const char* data, std::size_t size);
  void hex(const char* data, std::size_t size);
  void floats(const char* data, std::size_t size);

  PgConnection& connection_;
  std::unique_ptr<char[]> data_;
  std::size_t used_ = 0;
  std::uint64_t sent_ = 0;
};

/// A one-dimensional array parameter in PostgreSQL's binary format ("array_recv"): cells are
/// appended as they are, without quoting.
class ArrayParam {
 public:
  /// `element` is the type's OID: 25 text, 17 bytea.
  void begin(std::uint32_t element, std::size_t count);
  void append(Cell cell, Encoding encoding);
  PgParam param() const;
  std::size_t bytes() const { return data_.size(); }

 private:
  std::string data_;
};

constexpr std::uint32_t kByteaOid = 17;
constexpr std::uint32_t kTextOid = 25;

/// "{1,2.5}" from little-endian 32-bit floats.
std::string float_array_text(std::string_view floats);

}  // namespace weir::postgres
