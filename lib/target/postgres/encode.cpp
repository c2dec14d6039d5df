// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/encode.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace weir::postgres {
namespace {

constexpr std::uint64_t repeat(std::uint8_t byte) { return 0x0101010101010101ULL * byte; }

/// Whether any of eight bytes is below 0x20 or a backslash (or, harmlessly, a false alarm beyond
/// the first such byte).
bool needs_care(std::uint64_t word) {
  const std::uint64_t low = (word - repeat(0x20)) & ~word;
  const std::uint64_t slash = word ^ repeat('\\');
  return ((low | ((slash - repeat(1)) & ~slash)) & repeat(0x80)) != 0;
}

char* escape_one(char c, char* out) {
  switch (c) {
    case '\\':
      *out++ = '\\';
      *out++ = '\\';
      return out;
    case '\n':
      *out++ = '\\';
      *out++ = 'n';
      return out;
    case '\r':
      *out++ = '\\';
      *out++ = 'r';
      return out;
    case '\t':
      *out++ = '\\';
      *out++ = 't';
      return out;
    case '\0':
      throw Error(
          ExitCode::refused, "postgres.nul", "a text value holds a NUL character",
          "PostgreSQL has no text type that can hold it",
          "remove the character on the source, drop the column in a table rule, or retype it");
    default:
      *out++ = c;
      return out;
  }
}

void append_be32(std::string& out, std::uint32_t value) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                        static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(bytes, sizeof bytes);
}

}  // namespace

CopyBuffer::CopyBuffer(PgConnection& connection)
    : connection_(connection), data_(std::make_unique_for_overwrite<char[]>(kSize)) {}

void CopyBuffer::flush() {
  if (used_ == 0) return;
  connection_.copy_data(data_.get(), used_);
  sent_ += used_;
  used_ = 0;
}

void CopyBuffer::raw(std::string_view text) { plain(text.data(), text.size()); }

void CopyBuffer::cell(Cell cell, Encoding encoding) {
  reserve_piece();
  if (!cell.has_value()) {
    if (cell.is_absent()) throw bug("an absent cell in the full stage");
    data_[used_++] = '\\';
    data_[used_++] = 'N';
    return;
  }
  switch (encoding) {
    case Encoding::plain:
      plain(cell.data(), cell.size());
      return;
    case Encoding::escaped:
      escaped(cell.data(), cell.size());
      return;
    case Encoding::hex:
      hex(cell.data(), cell.size());
      return;
    case Encoding::vector:
      floats(cell.data(), cell.size());
      return;
  }
}

void CopyBuffer::plain(const char* data, std::size_t size) {
  while (size > 0) {
    reserve_piece();
    const std::size_t piece = std::min(size, kPiece);
    std::memcpy(data_.get() + used_, data, piece);
    used_ += piece;
    data += piece;
    size -= piece;
  }
}

void CopyBuffer::escaped(const char* data, std::size_t size) {
  const char* const end = data + size;
  while (data < end) {
    reserve_piece();
    const char* const piece_end =
        data + std::min<std::size_t>(kPiece, static_cast<std::size_t>(end - data));
    char* out = data_.get() + used_;
    while (piece_end - data >= 8) {
      std::uint64_t word;
      std::memcpy(&word, data, 8);
      if (needs_care(word)) {
        for (int i = 0; i < 8; ++i) out = escape_one(*data++, out);
      } else {
        std::memcpy(out, &word, 8);
        out += 8;
        data += 8;
      }
    }
    while (data < piece_end) out = escape_one(*data++, out);
    used_ = static_cast<std::size_t>(out - data_.get());
  }
}

void CopyBuffer::hex(const char* data, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  // COPY takes one backslash away, the type's input wants the other.
  std::memcpy(data_.get() + used_, "\\\\x", 3);
  used_ += 3;
  while (size > 0) {
    reserve_piece();
    const std::size_t piece = std::min(size, kPiece);
    char* out = data_.get() + used_;
    for (std::size_t i = 0; i < piece; ++i) {
      const auto byte = static_cast<unsigned char>(data[i]);
      *out++ = kDigits[byte >> 4];
      *out++ = kDigits[byte & 15];
    }
    used_ += piece * 2;
    data += piece;
    size -= piece;
  }
}

void CopyBuffer::floats(const char* data, std::size_t size) {
  const std::string text = float_array_text({data, size});
  plain(text.data(), text.size());
}

void ArrayParam::begin(std::uint32_t element, std::size_t count) {
  data_.clear();
  append_be32(data_, 1);  // dimensions
  append_be32(data_, 1);  // there may be NULLs
  append_be32(data_, element);
  append_be32(data_, static_cast<std::uint32_t>(count));
  append_be32(data_, 1);  // lower bound
}

void ArrayParam::append(Cell cell, Encoding encoding) {
  if (!cell.has_value()) {
    if (cell.is_absent()) throw bug("an absent cell in a set-wise statement");
    append_be32(data_, 0xffffffff);
    return;
  }
  if (encoding == Encoding::vector) {
    const std::string text = float_array_text(cell.text());
    append_be32(data_, static_cast<std::uint32_t>(text.size()));
    data_ += text;
    return;
  }
  if (encoding == Encoding::escaped && std::memchr(cell.data(), 0, cell.size()) != nullptr) {
    char unused[2];
    escape_one('\0', unused);
  }
  append_be32(data_, cell.size());
  data_.append(cell.data(), cell.size());
}

PgParam ArrayParam::param() const {
  PgParam out;
  out.data = data_.data();
  out.size = static_cast<int>(data_.size());
  out.binary = true;
  return out;
}

std::string float_array_text(std::string_view floats) {
  std::string out = "{";
  char digits[32];
  for (std::size_t at = 0; at + 4 <= floats.size(); at += 4) {
    float value;
    std::memcpy(&value, floats.data() + at, 4);
    if (at > 0) out += ',';
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
  }
  return out + "}";
}

}  // namespace weir::postgres
