// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/json_binary.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "source/mysql/text_value.h"

namespace weir::mysql {
namespace {

enum ValueType : std::uint8_t {
  kSmallObject = 0x00,
  kLargeObject = 0x01,
  kSmallArray = 0x02,
  kLargeArray = 0x03,
  kLiteral = 0x04,
  kInt16 = 0x05,
  kUint16 = 0x06,
  kInt32 = 0x07,
  kUint32 = 0x08,
  kInt64 = 0x09,
  kUint64 = 0x0a,
  kDouble = 0x0b,
  kString = 0x0c,
  kOpaque = 0x0f,
};

// The column types that an opaque value may be of and that have a text form of their own.
enum OpaqueType : std::uint8_t {
  kTimestamp = 7,
  kDate = 10,
  kTime = 11,
  kDatetime = 12,
  kDecimal = 246,
};

// The server refuses deeper documents; a damaged one must not exhaust the stack.
constexpr int kMaxDepth = 100;

Error malformed(const char* why) {
  return Error(ExitCode::failed, "binlog.malformed", "a json value in the change log is damaged",
               why,
               "compare the row with the source; read the log file with mysqlbinlog -vv to tell a "
               "damaged log from a fault in weir");
}

template <class T>
T read(std::string_view bytes, std::size_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) throw malformed("it ends too early");
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view part(std::string_view bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || bytes.size() - at < size) throw malformed("it ends too early");
  return bytes.substr(at, size);
}

// A length of 7 bits a byte, low bits first; moves `at` behind it.
std::size_t read_length(std::string_view bytes, std::size_t& at) {
  std::size_t length = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = read<std::uint8_t>(bytes, at++);
    length |= static_cast<std::size_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return length;
  }
  throw malformed("a length has no end");
}

template <class T>
void put_integer(T value, std::string& out) {
  std::array<char, 20> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

// Digits and exponent are the shortest that read back. The server writes them without an exponent
// from 1e-15 up to below 1e15, and above where there are digits after the point; it writes the
// exponent without a plus sign or leading zeros.
void put_double(double value, std::string& out) {
  std::array<char, 32> text;
  const char* end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific)
          .ptr;
  std::string_view left(text.data(), static_cast<std::size_t>(end - text.data()));
  if (left.front() == '-') {
    out += '-';
    left.remove_prefix(1);
  }
  const std::size_t e = left.find('e');
  if (e == std::string_view::npos) throw malformed("a number is not finite");
  int exponent = 0;
  const char* const exponent_text = left.data() + e + (left[e + 1] == '+' ? 2 : 1);
  std::from_chars(exponent_text, end, exponent);
  std::string digits(1, left.front());
  if (e > 1) digits.append(left.substr(2, e - 2));
  const int count = static_cast<int>(digits.size());

  if (exponent < -15 || (exponent > 14 && count <= exponent + 1)) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    out += 'e';
    put_integer(exponent, out);
  } else if (exponent < 0) {
    out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
  } else if (count > exponent + 1) {
    out.append(digits, 0, static_cast<std::size_t>(exponent) + 1).append(".");
    out.append(digits, static_cast<std::size_t>(exponent) + 1);
  } else {
    out.append(digits).append(static_cast<std::size_t>(exponent + 1 - count), '0').append(".0");
  }
}

void put_string(std::string_view text, std::string& out) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    out += '\\';
    switch (c) {
      case '"':
      case '\\':
        out += static_cast<char>(c);
        break;
      case '\b':
        out += 'b';
        break;
      case '\f':
        out += 'f';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out.append("u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
    }
  }
  out.append(text, plain);
  out += '"';
}

void put_base64(std::string_view bytes, std::string& out) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  // The server breaks its lines, and the breaks are part of the value.
  constexpr std::size_t kLine = 76;
  std::size_t column = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 3, column += 4) {
    if (column == kLine) {
      out += '\n';
      column = 0;
    }
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
}

void put_padded(std::uint64_t value, std::size_t width, std::string& out) {
  std::array<char, 20> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  const auto count = static_cast<std::size_t>(end - digits.data());
  if (count < width) out.append(width - count, '0');
  out.append(digits.data(), count);
}

void put_clock(std::uint64_t hours, std::uint64_t packed, std::uint64_t micros, std::string& out) {
  put_padded(hours, 2, out);
  out += ':';
  put_padded(packed >> 6 & 63, 2, out);
  out += ':';
  put_padded(packed & 63, 2, out);
  out += '.';
  put_padded(micros, 6, out);
}

// Dates and times are one 64-bit number: 24 bits of microseconds below the packed fields.
void put_temporal(std::uint8_t type, std::string_view bytes, std::string& out) {
  const auto packed = read<std::int64_t>(bytes, 0);
  const bool negative = packed < 0;
  const std::uint64_t value =
      negative ? 0 - static_cast<std::uint64_t>(packed) : static_cast<std::uint64_t>(packed);
  const std::uint64_t micros = value & 0xffffff;
  const std::uint64_t fields = value >> 24;
  out += '"';
  if (type == kTime) {
    if (negative) out += '-';
    put_clock(fields >> 12 & 0x3ff, fields, micros, out);
  } else {
    const std::uint64_t date = fields >> 17;
    put_padded(date / (13 * 32), 4, out);
    out += '-';
    put_padded(date / 32 % 13, 2, out);
    out += '-';
    put_padded(date & 31, 2, out);
    if (type != kDate) {
      out += ' ';
      put_clock(fields >> 12 & 31, fields, micros, out);
    }
  }
  out += '"';
}

void put_opaque(std::string_view bytes, std::string& out) {
  std::size_t at = 1;
  const auto type = read<std::uint8_t>(bytes, 0);
  const std::size_t length = read_length(bytes, at);
  const std::string_view data = part(bytes, at, length);
  switch (type) {
    case kDecimal: {
      const unsigned precision = read<std::uint8_t>(data, 0);
      const unsigned scale = read<std::uint8_t>(data, 1);
      std::array<char, kMostDecimalDigits + 3> text;
      if (precision > kMostDecimalDigits || scale > precision) {
        throw malformed("a decimal is too wide");
      }
      const std::string_view digits = part(data, 2, decimal_size(precision, scale));
      char* const end = decimal_to_text(digits.data(), precision, scale, text.data());
      if (end == nullptr) throw malformed("a decimal holds no digits");
      out.append(text.data(), end);
      return;
    }
    case kTimestamp:
    case kDate:
    case kTime:
    case kDatetime:
      return put_temporal(type, data, out);
    default: {
      std::string text = "base64:type";
      put_integer(unsigned{type}, text);
      text += ':';
      put_base64(data, text);
      put_string(text, out);
    }
  }
}

void put_value(std::uint8_t type, std::string_view bytes, int depth, std::string& out);

/// Reads an object or an array: a head of count, size and entries, then keys and values.
class Container {
 public:
  Container(std::string_view bytes, bool large, int depth)
      : large_(large), width_(large ? 4 : 2), depth_(depth) {
    if (depth > kMaxDepth) throw malformed("it is nested too deeply");
    count_ = offset(bytes, 0);
    bytes_ = part(bytes, 0, offset(bytes, width_));
  }

  void put_array(std::string& out) const {
    out += '[';
    for (std::size_t i = 0; i < count_; ++i) {
      if (i > 0) out += ", ";
      put_entry(2 * width_ + i * entry_size(), out);
    }
    out += ']';
  }

  void put_object(std::string& out) const {
    const std::size_t key_entry = width_ + 2;
    const std::size_t values = 2 * width_ + count_ * key_entry;
    out += '{';
    for (std::size_t i = 0; i < count_; ++i) {
      if (i > 0) out += ", ";
      const std::size_t at = 2 * width_ + i * key_entry;
      const auto length = read<std::uint16_t>(bytes_, at + width_);
      put_string(part(bytes_, offset(bytes_, at), length), out);
      out += ": ";
      put_entry(values + i * entry_size(), out);
    }
    out += '}';
  }

 private:
  std::size_t entry_size() const { return 1 + width_; }

  std::size_t offset(std::string_view bytes, std::size_t at) const {
    return large_ ? read<std::uint32_t>(bytes, at) : read<std::uint16_t>(bytes, at);
  }

  void put_entry(std::size_t at, std::string& out) const {
    const auto type = read<std::uint8_t>(bytes_, at);
    const bool inlined = type == kLiteral || type == kInt16 || type == kUint16 ||
                         (large_ && (type == kInt32 || type == kUint32));
    const std::size_t value = inlined ? at + 1 : offset(bytes_, at + 1);
    if (value > bytes_.size()) throw malformed("an offset points behind its end");
    put_value(type, bytes_.substr(value), depth_, out);
  }

  bool large_;
  std::size_t width_;  // of an offset
  int depth_;
  std::size_t count_;
  std::string_view bytes_;
};

void put_value(std::uint8_t type, std::string_view bytes, int depth, std::string& out) {
  switch (type) {
    case kSmallObject:
    case kLargeObject:
      return Container(bytes, type == kLargeObject, depth + 1).put_object(out);
    case kSmallArray:
    case kLargeArray:
      return Container(bytes, type == kLargeArray, depth + 1).put_array(out);
    case kLiteral: {
      static constexpr std::array<const char*, 3> kLiterals = {"null", "true", "false"};
      const auto literal = read<std::uint8_t>(bytes, 0);
      if (literal >= kLiterals.size()) throw malformed("a literal is not known");
      out += kLiterals[literal];
      return;
    }
    case kInt16:
      return put_integer(read<std::int16_t>(bytes, 0), out);
    case kUint16:
      return put_integer(read<std::uint16_t>(bytes, 0), out);
    case kInt32:
      return put_integer(read<std::int32_t>(bytes, 0), out);
    case kUint32:
      return put_integer(read<std::uint32_t>(bytes, 0), out);
    case kInt64:
      return put_integer(read<std::int64_t>(bytes, 0), out);
    case kUint64:
      return put_integer(read<std::uint64_t>(bytes, 0), out);
    case kDouble:
      return put_double(read<double>(bytes, 0), out);
    case kString: {
      std::size_t at = 0;
      const std::size_t length = read_length(bytes, at);
      return put_string(part(bytes, at, length), out);
    }
    case kOpaque:
      return put_opaque(bytes, out);
    default:
      throw malformed("a type is not known");
  }
}

}  // namespace

void json_to_text(std::string_view binary, std::string& out) {
  // What INSERT IGNORE leaves in a NOT NULL column; the server reads it as the literal.
  if (binary.empty()) {
    out += "null";
    return;
  }
  put_value(static_cast<std::uint8_t>(binary[0]), binary.substr(1), 0, out);
}

}  // namespace weir::mysql
