// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/text_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/error.h"

namespace weir::mysql {
namespace {

constexpr std::size_t kDigitsPerWord = 9;
// Bytes that hold 0 to 9 decimal digits.
constexpr std::array<std::uint8_t, 10> kDigitBytes = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

bool has_word(const Column& column, std::string_view word) {
  return column.type.native.find(word) != std::string::npos;
}

std::string quote_name(std::string_view name) {
  std::string quoted = "`";
  for (const char c : name) {
    if (c == '`') quoted += '`';
    quoted += c;
  }
  quoted += '`';
  return quoted;
}

// The number made of `count` digits at `at`, or a number too large for any date part.
unsigned read_digits(const char* at, std::size_t count) {
  unsigned number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (at[i] < '0' || at[i] > '9') return 99'999;
    number = number * 10 + static_cast<unsigned>(at[i] - '0');
  }
  return number;
}

bool is_real_date_text(std::string_view text) {
  return text.size() >= 10 && text[4] == '-' && text[7] == '-' &&
         is_real_date(read_digits(text.data(), 4), read_digits(text.data() + 5, 2),
                      read_digits(text.data() + 8, 2));
}

template <class Float>
Cell number(Float value, Arena& arena) {
  std::array<char, 32> text;
  const char* end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return to_cell({text.data(), static_cast<std::size_t>(end - text.data())}, arena);
}

double read_double(const Column& column, std::string_view text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    throw Error(ExitCode::failed, "mysql.text-value",
                "column " + column.name + ": the server sent no number",
                "a value of type " + column.type.native + " does not read as one",
                "report this with the server's version");
  }
  return value;
}

Cell fix_float(const Column& column, const TypeSettings&, std::string_view text, Arena& arena) {
  return to_number(static_cast<float>(read_double(column, text)), arena);
}

Cell fix_double(const Column& column, const TypeSettings&, std::string_view text, Arena& arena) {
  return to_number(read_double(column, text), arena);
}

Cell fix_zerofill(const Column&, const TypeSettings&, std::string_view text, Arena&) {
  while (text.size() > 1 && text[0] == '0' && text[1] != '.') text.remove_prefix(1);
  return Cell(text);
}

Cell fix_boolean(const Column&, const TypeSettings&, std::string_view text, Arena&) {
  return Cell(text == "0" ? std::string_view("0") : std::string_view("1"));
}

// The server's own reading of a year(2): 70-99 are of the last century.
Cell fix_short_year(const Column&, const TypeSettings&, std::string_view text, Arena& arena) {
  char* out = arena.allocate(4);
  std::memcpy(out, text < "70" ? "20" : "19", 2);
  std::memcpy(out + 2, text.data(), 2);
  return {out, 4};
}

Cell fix_date(const Column& column, const TypeSettings& settings, std::string_view text,
              Arena& arena) {
  return check_date(text, column.name, settings.zero_dates, false, 0, arena);
}

Cell fix_datetime(const Column& column, const TypeSettings& settings, std::string_view text,
                  Arena& arena) {
  return check_date(text, column.name, settings.zero_dates, true, column.type.precision, arena);
}

Cell fix_bits(const Column& column, const TypeSettings&, std::string_view text, Arena& arena) {
  return to_bits(text, column.type.length, arena);
}

Cell fix_geometry(const Column&, const TypeSettings&, std::string_view text, Arena& arena) {
  return to_ewkb(text, arena);
}

std::uint32_t read_big_endian(const char* at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(at[i]);
  return value;
}

}  // namespace

std::string select_expression(const Column& column) {
  const std::string name = quote_name(column.name);
  // The server rounds a float to six digits on its way into text, and a double(m,d) to d; a
  // product has no declared digits. Adding 0 instead would turn -0 into 0.
  const bool rounded = column.type.kind == TypeKind::float32 ||
                       (column.type.kind == TypeKind::float64 && has_word(column, "("));
  return rounded ? name + "*1e0" : name;
}

TextFix text_fix(const Column& column, const TypeSettings&) {
  switch (column.type.kind) {
    case TypeKind::boolean:
      return fix_boolean;
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::int32:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::decimal:
      return has_word(column, "zerofill") ? fix_zerofill : nullptr;
    case TypeKind::float32:
      return fix_float;
    case TypeKind::float64:
      return fix_double;
    case TypeKind::bits:
      return fix_bits;
    case TypeKind::date:
      return fix_date;
    case TypeKind::datetime:
    case TypeKind::timestamp:
      return fix_datetime;
    case TypeKind::year:
      return has_word(column, "(2)") ? fix_short_year : nullptr;
    case TypeKind::geometry:
      return fix_geometry;
    default:
      return nullptr;
  }
}

bool is_real_date(unsigned year, unsigned month, unsigned day) {
  static constexpr std::array<std::uint8_t, 13> kDays = {0,  31, 28, 31, 30, 31, 30,
                                                         31, 31, 30, 31, 30, 31};
  if (year == 0 || year > 9999 || month == 0 || month > 12 || day == 0) return false;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= kDays[month] + (month == 2 && leap ? 1u : 0u);
}

Cell check_date(std::string_view text, const std::string& column, const ZeroDatePolicy& policy,
                bool with_time, unsigned digits, Arena& arena) {
  if (is_real_date_text(text)) return Cell(text);
  switch (policy.kind) {
    case ZeroDatePolicy::Kind::null:
      return Cell::null();
    case ZeroDatePolicy::Kind::date: {
      std::string out = policy.date;
      if (with_time) out += " 00:00:00";
      if (with_time && digits > 0) out.append(".").append(digits, '0');
      return to_cell(out, arena);
    }
    case ZeroDatePolicy::Kind::keep:
      return Cell(text);
    case ZeroDatePolicy::Kind::refuse:
      break;
  }
  throw Error(ExitCode::refused, "mysql.zero-date",
              "column " + column + " holds a date that no calendar has",
              "types.zero_dates is \"refuse\", and a target may not take dates with a zero part or "
              "a day that the month lacks",
              "set types.zero_dates to \"null\" or to a date such as \"1970-01-01\", or mend the "
              "rows on the source");
}

Cell to_ewkb(std::string_view geometry, Arena& arena) {
  constexpr std::size_t kSrid = 4;
  constexpr std::size_t kWkbHead = 5;  // byte order, type
  constexpr std::uint8_t kHasSrid = 0x20;
  if (geometry.size() < kSrid + kWkbHead || geometry[kSrid] != 1) {
    throw Error(ExitCode::failed, "mysql.geometry",
                "a geometry value is not in the server's format",
                "it is shorter than an SRID and a type, or not little-endian",
                "look for it with st_isvalid on the source and mend the row");
  }
  const std::string_view wkb = geometry.substr(kSrid);
  if (geometry.substr(0, kSrid) == std::string_view("\0\0\0\0", kSrid)) return Cell(wkb);
  char* out = arena.allocate(geometry.size());
  std::memcpy(out, wkb.data(), kWkbHead);
  out[kWkbHead - 1] = static_cast<char>(static_cast<std::uint8_t>(out[kWkbHead - 1]) | kHasSrid);
  std::memcpy(out + kWkbHead, geometry.data(), kSrid);
  std::memcpy(out + kWkbHead + kSrid, wkb.data() + kWkbHead, wkb.size() - kWkbHead);
  return {out, geometry.size()};
}

Cell to_bits(std::string_view bytes, std::uint64_t bits, Arena& arena) {
  char* out = arena.allocate(bits);
  for (std::uint64_t i = 0; i < bits; ++i) {
    const std::uint64_t place = bits - 1 - i;  // 0 = the lowest bit, in the last byte
    const std::uint64_t byte = place / 8;
    const bool set =
        byte < bytes.size() &&
        (static_cast<std::uint8_t>(bytes[bytes.size() - 1 - byte]) >> (place % 8) & 1) != 0;
    out[i] = set ? '1' : '0';
  }
  return {out, bits};
}

Cell to_number(float value, Arena& arena) { return number(value, arena); }
Cell to_number(double value, Arena& arena) { return number(value, arena); }

Cell to_cell(std::string_view text, Arena& arena) {
  if (text.empty()) return {"", 0};  // an arena may answer null to a request for nothing
  char* out = arena.allocate(text.size());
  std::copy(text.begin(), text.end(), out);
  return {out, text.size()};
}

std::size_t decimal_size(unsigned precision, unsigned scale) {
  const unsigned whole = precision - scale;
  return whole / kDigitsPerWord * 4 + kDigitBytes[whole % kDigitsPerWord] +
         scale / kDigitsPerWord * 4 + kDigitBytes[scale % kDigitsPerWord];
}

char* decimal_to_text(const char* binary, unsigned precision, unsigned scale, char* out) {
  const std::size_t size = decimal_size(precision, scale);
  std::array<char, 64> bytes;  // more than any decimal takes
  // A damaged log may claim any number of digits, and `out` has room for those of a server.
  if (precision > kMostDecimalDigits || scale > precision || size == 0) return nullptr;
  const bool negative = (static_cast<std::uint8_t>(binary[0]) & 0x80) == 0;
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(static_cast<std::uint8_t>(binary[i]) ^ (negative ? 0xff : 0));
  }
  bytes[0] = static_cast<char>(static_cast<std::uint8_t>(bytes[0]) ^ 0x80);

  const char* at = bytes.data();
  const auto put = [&at, &out](std::size_t digits, std::size_t width) {
    std::uint32_t word = read_big_endian(at, width);
    at += width;
    for (std::size_t i = digits; i > 0; --i, word /= 10) {
      out[i - 1] = static_cast<char>('0' + word % 10);
    }
    out += digits;
    return word == 0;  // more digits than there is room for: damaged
  };
  bool sound = true;
  if (negative) *out++ = '-';
  char* const whole_begin = out;
  unsigned whole = precision - scale;
  sound &= put(whole % kDigitsPerWord, kDigitBytes[whole % kDigitsPerWord]);
  for (whole /= kDigitsPerWord; whole > 0; --whole) sound &= put(kDigitsPerWord, 4);
  char* first = whole_begin;
  while (first < out - 1 && *first == '0') ++first;
  std::memmove(whole_begin, first, static_cast<std::size_t>(out - first));
  out -= first - whole_begin;
  if (out == whole_begin) *out++ = '0';
  if (scale > 0) {
    *out++ = '.';
    for (unsigned left = scale / kDigitsPerWord; left > 0; --left) sound &= put(kDigitsPerWord, 4);
    sound &= put(scale % kDigitsPerWord, kDigitBytes[scale % kDigitsPerWord]);
  }
  return sound ? out : nullptr;
}

}  // namespace weir::mysql
