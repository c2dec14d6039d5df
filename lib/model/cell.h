// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace weir {

/// One value of one column in its neutral form: a view of bytes that somebody else owns.
///
/// What the bytes mean is fixed by the column's TypeKind (model/type.h) and is the same in the full
/// and the incremental stage, whatever the source's own formats are. Three states: a value
/// (possibly empty), NULL, and absent (the change log did not carry the column: a MINIMAL row
/// image, an unchanged TOAST value). An absent cell must never be written as NULL.
class Cell {
 public:
  Cell() = default;  ///< NULL
  Cell(const char* data, std::size_t size) : data_(data), size_(static_cast<std::uint32_t>(size)) {}
  explicit Cell(std::string_view text) : Cell(text.data(), text.size()) {}
  static Cell null() { return Cell(); }
  static Cell absent() {
    Cell cell;
    cell.size_ = 1;
    return cell;
  }

  bool is_null() const { return data_ == nullptr && size_ == 0; }
  bool is_absent() const { return data_ == nullptr && size_ == 1; }
  bool has_value() const { return data_ != nullptr; }

  const char* data() const { return data_; }
  std::uint32_t size() const { return data_ == nullptr ? 0 : size_; }
  std::string_view text() const { return {data_, size()}; }

 private:
  const char* data_ = nullptr;
  std::uint32_t size_ = 0;
};

using Row = std::span<const Cell>;

/// A format of PostgreSQL's COPY in which whole rows may be passed on as they came.
enum class CopyFormat : std::uint8_t { none, text, binary };

}  // namespace weir
