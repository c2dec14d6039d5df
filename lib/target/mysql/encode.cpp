// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/encode.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace weir::mysqltarget {
namespace {

constexpr std::size_t kFirstCapacity = std::size_t{64} << 10;
constexpr std::size_t kFewBytes = 64;  // more than a number or a date takes

constexpr std::uint64_t repeat(std::uint8_t byte) { return 0x0101010101010101ULL * byte; }

constexpr std::uint64_t has_zero(std::uint64_t word) { return (word - repeat(1)) & ~word; }

/// Whether any of eight bytes may need an escape: for a file those below 0x20 and the backslash,
/// for SQL NUL, the quote and the backslash. A false alarm does no harm.
template <bool kFile>
bool needs_care(std::uint64_t word) {
  std::uint64_t found = has_zero(word ^ repeat('\\'));
  if constexpr (kFile) {
    found |= (word - repeat(0x20)) & ~word;
  } else {
    found |= has_zero(word) | has_zero(word ^ repeat('\''));
  }
  return (found & repeat(0x80)) != 0;
}

template <bool kFile>
char* escape_one(char c, char* out) {
  char code = 0;
  if (c == '\\') {
    code = '\\';
  } else if (c == '\0') {
    code = '0';
  } else if (kFile && c == '\n') {
    code = 'n';
  } else if (kFile && c == '\t') {
    code = 't';
  } else if (!kFile && c == '\'') {
    code = '\'';
  } else {
    *out++ = c;
    return out;
  }
  *out++ = '\\';
  *out++ = code;
  return out;
}

Error not_a_number() {
  return Error(ExitCode::refused, "mysql-target.not-a-number",
               "a value is NaN or infinity, which MySQL has not",
               "no numeric type of the target can hold it",
               "mend the row on the source, or give the column a text type in the table rule: "
               "columns = { type = { COLUMN = \"varchar(40)\" } }");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void check_number(std::string_view text) {
  const char first = text.size() > 1 && text[0] == '-' ? text[1] : text.empty() ? 'N' : text[0];
  if (!is_digit(first)) throw not_a_number();
}

void check_decimal(std::string_view text) {
  constexpr std::size_t kMaxScale = 30;
  check_number(text);
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return;
  // The server would round, and not even warn.
  if (text.find_last_not_of('0') <= point + kMaxScale) return;
  throw Error(ExitCode::refused, "mysql-target.decimal-scale",
              "a number has more than 30 digits after the point",
              "no decimal of MySQL holds them, and weir does not round",
              "mend the row on the source, or give the column a text type in the table rule: "
              "columns = { type = { COLUMN = \"varchar(100)\" } }");
}

void check_temporal(std::string_view text) {
  if (text.size() >= 10 && text[4] == '-' && is_digit(text.back())) return;
  throw Error(ExitCode::refused, "mysql-target.date",
              "a value is a date that MySQL has not: infinity, before the year 1, or after 9999",
              "the target's dates are of the years 0001 to 9999",
              "mend the row on the source, or give the column a text type in the table rule: "
              "columns = { type = { COLUMN = \"varchar(40)\" } }");
}

}  // namespace

void RowBuffer::grow(std::size_t more) {
  const std::size_t capacity = std::max({kFirstCapacity, capacity_ * 2, used_ + more});
  auto data = std::make_unique_for_overwrite<char[]>(capacity);
  if (used_ > 0) std::memcpy(data.get(), data_.get(), used_);
  data_ = std::move(data);
  capacity_ = capacity;
}

template <bool kFile>
void RowBuffer::escaped(const char* data, std::size_t size) {
  reserve(size * 2);
  const char* const end = data + size;
  char* out = data_.get() + used_;
  while (end - data >= 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    if (needs_care<kFile>(word)) {
      for (int i = 0; i < 8; ++i) out = escape_one<kFile>(*data++, out);
    } else {
      std::memcpy(out, &word, 8);
      out += 8;
      data += 8;
    }
  }
  while (data < end) out = escape_one<kFile>(*data++, out);
  used_ = static_cast<std::size_t>(out - data_.get());
}

template <bool kFile>
void RowBuffer::geometry(std::string_view ewkb) {
  constexpr std::size_t kHead = 5;  // byte order, type
  constexpr std::uint8_t kHasSrid = 0x20;
  std::array<char, 4 + kHead> head{};
  if (ewkb.size() < kHead) {
    throw Error(ExitCode::refused, "mysql-target.geometry", "a geometry is too short for one",
                "it lacks its byte order and type", "mend the row on the source");
  }
  std::memcpy(head.data() + 4, ewkb.data(), kHead);
  ewkb.remove_prefix(kHead);
  auto& type = head.back();
  if ((static_cast<std::uint8_t>(type) & kHasSrid) != 0 && ewkb.size() >= 4) {
    type = static_cast<char>(static_cast<std::uint8_t>(type) & ~kHasSrid);
    std::memcpy(head.data(), ewkb.data(), 4);
    ewkb.remove_prefix(4);
  }
  escaped<kFile>(head.data(), head.size());
  escaped<kFile>(ewkb.data(), ewkb.size());
}

void RowBuffer::packed_bits(std::string_view digits) {
  std::array<char, 8> bytes{};
  const std::size_t count = std::min<std::size_t>(digits.size(), 64);
  const std::size_t size = (count + 7) / 8;
  for (std::size_t i = 0; i < count; ++i) {
    if (digits[count - 1 - i] != '1') continue;
    char& byte = bytes[size - 1 - i / 8];
    byte = static_cast<char>(static_cast<std::uint8_t>(byte) | 1U << (i % 8));
  }
  escaped<true>(bytes.data(), size);
}

void RowBuffer::single(std::string_view text) {
  float value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ptr != end || read.ec != std::errc() || !std::isfinite(value)) throw not_a_number();
  // The server reads it as 64 bits, and takes the largest 32-bit value in its short spelling for
  // one too large.
  reserve(kFewBytes);
  char* const out = data_.get() + used_;
  used_ += static_cast<std::size_t>(
      std::to_chars(out, out + kFewBytes, static_cast<double>(value), std::chars_format::scientific)
          .ptr -
      out);
}

void RowBuffer::real(std::string_view text) {
  check_number(text);
  raw(text);
  // Without an exponent SQL has a decimal or an integer, and neither has a negative zero.
  if (text.find('e') == std::string_view::npos) raw("e0");
}

void RowBuffer::file_cell(Cell cell, Encoding encoding) {
  if (!cell.has_value()) {
    if (cell.is_absent()) throw bug("an absent cell in the full stage");
    raw("\\N");
    return;
  }
  switch (encoding) {
    case Encoding::number:
      check_number(cell.text());
      raw(cell.text());
      return;
    case Encoding::decimal:
      check_decimal(cell.text());
      raw(cell.text());
      return;
    case Encoding::temporal:
      check_temporal(cell.text());
      raw(cell.text());
      return;
    case Encoding::text:
    case Encoding::bytes:
      escaped<true>(cell.data(), cell.size());
      return;
    case Encoding::single:
      single(cell.text());
      return;
    case Encoding::real:
      real(cell.text());
      return;
    case Encoding::bits:
      packed_bits(cell.text());
      return;
    case Encoding::geometry:
      geometry<true>(cell.text());
      return;
  }
}

void RowBuffer::literal(Cell cell, Encoding encoding) {
  if (!cell.has_value()) {
    if (cell.is_absent()) throw bug("an absent cell among values");
    raw("NULL");
    return;
  }
  switch (encoding) {
    case Encoding::number:
      check_number(cell.text());
      raw(cell.text());
      return;
    case Encoding::decimal:
      check_decimal(cell.text());
      raw(cell.text());
      return;
    case Encoding::temporal:
      check_temporal(cell.text());
      raw('\'');
      raw(cell.text());
      break;
    case Encoding::text:
      raw('\'');
      escaped<false>(cell.data(), cell.size());
      break;
    case Encoding::bytes:
      raw("_binary'");
      escaped<false>(cell.data(), cell.size());
      break;
    case Encoding::single:
      single(cell.text());
      return;
    case Encoding::real:
      real(cell.text());
      return;
    case Encoding::bits:
      raw("b'");
      raw(cell.text());
      break;
    case Encoding::geometry:
      raw("_binary'");
      geometry<false>(cell.text());
      break;
  }
  raw('\'');
}

}  // namespace weir::mysqltarget
