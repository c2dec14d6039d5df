// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/default_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "source/mysql/text_value.h"

namespace weir::mysql {
namespace {

constexpr std::string_view kZeroDate = "0000-00-00";
constexpr std::size_t kFloatDigits = 6;

NeutralValue unknown(std::string why) { return {{}, std::move(why)}; }
NeutralValue known(std::string text) { return {std::move(text), {}}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// The length of the UTF-8 character that `lead` begins; 0 if it begins none.
std::size_t utf8_size(unsigned char lead) {
  return lead < 0x80   ? 1
         : lead < 0xc2 ? 0
         : lead < 0xe0 ? 2
         : lead < 0xf0 ? 3
         : lead < 0xf5 ? 4
                       : 0;
}

/// The number of characters; nothing if the bytes are not UTF-8.
std::optional<std::size_t> utf8_length(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++count) {
    const std::size_t size = utf8_size(static_cast<unsigned char>(text[i]));
    if (size == 0 || i + size > text.size()) return {};
    for (std::size_t k = 1; k < size; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return {};
    }
    i += size;
  }
  return count;
}

bool has_wide_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0xf0; });
}

bool has_word(const Column& column, std::string_view word) {
  return column.type.native.find(word) != std::string::npos;
}

/// The declared digits after the point of a float(m,d); nothing if there are none.
std::optional<unsigned> declared_scale(const Column& column) {
  const std::string& native = column.type.native;
  const std::size_t comma = native.find(',');
  if (comma == std::string::npos) return {};
  unsigned scale = 0;
  std::from_chars(native.data() + comma + 1, native.data() + native.size(), scale);
  return scale;
}

/// [-]digits[.digits], without an exponent.
struct Decimal {
  bool negative = false;
  std::string whole;
  std::string fraction;
};

std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal out;
  text = trim(text);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  const std::size_t point = text.find('.');
  out.whole = text.substr(0, point);
  if (point != std::string_view::npos) out.fraction = text.substr(point + 1);
  if (out.whole.empty() && out.fraction.empty()) return {};
  if (!std::all_of(out.whole.begin(), out.whole.end(), is_digit) ||
      !std::all_of(out.fraction.begin(), out.fraction.end(), is_digit)) {
    return {};
  }
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  return out;
}

/// Rounded half away from zero, with exactly `scale` digits after the point.
std::string to_text(Decimal number, std::size_t scale) {
  const bool up = number.fraction.size() > scale && number.fraction[scale] >= '5';
  number.fraction.resize(scale, '0');
  std::string digits = number.whole + number.fraction;
  if (up) {
    std::size_t i = digits.size();
    while (i > 0 && digits[i - 1] == '9') digits[--i] = '0';
    if (i == 0) {
      digits.insert(0, "1");
    } else {
      ++digits[i - 1];
    }
  }
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  const bool is_zero = digits.find_first_not_of('0') == std::string::npos;
  if (scale > 0) digits.insert(digits.size() - scale, ".");
  return number.negative && !is_zero ? "-" + digits : digits;
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (const char c : bytes) out = out << 8 | static_cast<std::uint8_t>(c);
  return out;
}

/// What a literal is worth as a number in decimal digits; nothing if that takes more than reading.
std::optional<Decimal> number_of(const Literal& literal) {
  if (literal.kind != Literal::Kind::bytes) return parse_decimal(literal.text);
  if (literal.text.size() > sizeof(std::uint64_t)) return {};
  return parse_decimal(std::to_string(big_endian(literal.text)));
}

NeutralValue integer_value(const Column& column, const Literal& literal) {
  const std::optional<Decimal> number = number_of(literal);
  if (!number) return unknown("its default is no plain number");
  std::string text = to_text(*number, 0);
  if (column.type.kind == TypeKind::boolean) return known(text == "0" ? "0" : "1");
  return known(std::move(text));
}

NeutralValue year_value(const Column& column, const Literal& literal) {
  const std::optional<Decimal> number = number_of(literal);
  if (!number || number->negative || !number->fraction.empty() || number->whole.size() > 4) {
    return unknown("its default is no plain year");
  }
  unsigned year = 0;
  std::from_chars(number->whole.data(), number->whole.data() + number->whole.size(), year);
  const bool zero_text = literal.kind == Literal::Kind::string && literal.text.size() < 4;
  if (year > 0 || zero_text) {
    if (year < 70) year += 2000;
    if (year < 100) year += 1900;
  }
  if (has_word(column, "(2)") && (year < 1970 || year > 2069)) {
    return unknown("its default is beyond the years that two digits can tell");
  }
  return known(fmt::format("{:04}", year));
}

NeutralValue float_value(const Column& column, const Literal& literal) {
  if (literal.kind == Literal::Kind::bytes) return unknown("its default is no plain number");
  std::string_view text = trim(literal.text);
  if (text.starts_with('+')) text.remove_prefix(1);
  const std::optional<unsigned> scale = declared_scale(column);
  if (scale) {
    const std::optional<Decimal> number = parse_decimal(text);
    if (!number || number->fraction.size() > *scale) {
      return unknown("the server rounds its default in binary");
    }
  }
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return unknown("its default is no plain number");
  }
  if (value == 0) value = 0;
  Arena arena;
  return known(std::string(column.type.kind == TypeKind::float32
                               ? to_number(static_cast<float>(value), arena).text()
                               : to_number(value, arena).text()));
}

NeutralValue bits_value(const Column& column, const Literal& literal) {
  std::string bytes = literal.text;
  if (literal.kind == Literal::Kind::number) {
    std::uint64_t number = 0;
    const char* const end = literal.text.data() + literal.text.size();
    const auto read = std::from_chars(literal.text.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) return unknown("its default is no plain number");
    bytes.clear();
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  } else if (literal.foreign || (literal.kind == Literal::Kind::string && !is_ascii(bytes))) {
    return unknown("its default depends on a character set");
  }
  Arena arena;
  return known(std::string(to_bits(bytes, column.type.length, arena).text()));
}

/// As the server turns a number into text: no sign of plus, no zeros in front.
std::optional<std::string> number_text(std::string_view text) {
  const std::optional<Decimal> number = parse_decimal(text);
  if (!number) return {};
  return to_text(*number, number->fraction.size());
}

bool holds_unicode(std::string_view charset, std::string_view text) {
  if (charset == "utf8mb4" || charset == "utf16" || charset == "utf16le" || charset == "utf32" ||
      charset == "gb18030") {
    return true;
  }
  const bool narrow = charset == "utf8mb3" || charset == "utf8" || charset == "ucs2";
  return narrow && !has_wide_character(text);
}

NeutralValue text_value(const Column& column, const Literal& literal) {
  std::string text = literal.text;
  if (literal.foreign) return unknown("its default is written in another character set");
  if (literal.kind == Literal::Kind::number) {
    std::optional<std::string> plain = number_text(text);
    if (!plain) return unknown("its default is a number with an exponent");
    text = std::move(*plain);
  } else if (literal.kind == Literal::Kind::bytes) {
    const bool wide = column.charset.starts_with("utf16") || column.charset == "utf32" ||
                      column.charset == "ucs2";
    if (wide || (!is_ascii(text) && !column.charset.starts_with("utf8"))) {
      return unknown("its default is bytes in the column's character set");
    }
  }
  const std::optional<std::size_t> length = utf8_length(text);
  if (!length || (!is_ascii(text) && !holds_unicode(column.charset, text))) {
    return unknown("its default has characters that its character set may lack");
  }
  if (column.type.native.starts_with("char(")) {
    text.erase(text.find_last_not_of(' ') + 1);
  }
  if (column.type.length > 0 && *utf8_length(text) > column.type.length) {
    return unknown("its default is longer than the column");
  }
  return known(std::move(text));
}

NeutralValue bytes_value(const Column& column, const Literal& literal) {
  std::string bytes = literal.text;
  if (literal.foreign) return unknown("its default is written in another character set");
  if (literal.kind == Literal::Kind::number) {
    std::optional<std::string> plain = number_text(bytes);
    if (!plain) return unknown("its default is a number with an exponent");
    bytes = std::move(*plain);
  }
  if (column.type.length > 0 && bytes.size() > column.type.length) {
    return unknown("its default is longer than the column");
  }
  if (column.type.native.starts_with("binary(")) bytes.resize(column.type.length, '\0');
  return known(std::move(bytes));
}

NeutralValue label_value(const Column& column, const Literal& literal) {
  if (literal.kind == Literal::Kind::number || literal.foreign) {
    return unknown("its default is no label");
  }
  const auto& labels = column.type.members;
  const auto label_of = [&labels](std::string_view text) -> std::optional<std::size_t> {
    const std::string_view name = text.substr(0, text.find_last_not_of(' ') + 1);
    auto at = std::find(labels.begin(), labels.end(), name);
    if (at == labels.end()) {
      const auto same = [name](const std::string& label) {
        return equals_ignoring_case(label, name);
      };
      if (std::count_if(labels.begin(), labels.end(), same) != 1) return {};
      at = std::find_if(labels.begin(), labels.end(), same);
    }
    return static_cast<std::size_t>(at - labels.begin());
  };
  if (column.type.kind == TypeKind::enumeration) {
    const std::optional<std::size_t> place = label_of(literal.text);
    return place ? known(labels[*place]) : unknown("its default is no label of it");
  }
  std::uint64_t chosen = 0;
  if (!literal.text.empty()) {
    for (const std::string& part : split(literal.text, ',')) {
      const std::optional<std::size_t> place = label_of(part);
      if (!place) return unknown("its default is no list of its labels");
      chosen |= std::uint64_t{1} << *place;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if ((chosen >> i & 1) == 0) continue;
    if (!text.empty()) text += ',';
    text += labels[i];
  }
  return known(std::move(text));
}

/// Digits of the second from a literal's fraction: cut, or rounded if that changes no digit before
/// the point.
std::optional<std::string> second_fraction(std::string fraction, std::size_t digits, bool rounds) {
  if (rounds && fraction.size() > digits &&
      fraction.find_first_not_of('0', digits) != std::string::npos) {
    Decimal number{false, "", fraction};
    const std::string rounded = to_text(number, digits);
    if (rounded[0] != '0' || digits == 0) {
      if (rounded != "0") return {};
    }
    return digits == 0 ? "" : rounded.substr(2);
  }
  fraction.resize(digits, '0');
  return fraction;
}

/// The numbers of "2020-1-2" or "1:2:3" as two digits each; nothing if it is not of that form.
std::optional<std::vector<std::string>> parts_of(std::string_view text, char separator) {
  std::vector<std::string> parts = split(text, separator);
  for (std::string& part : parts) {
    if (part.empty() || part.size() > 4 || !std::all_of(part.begin(), part.end(), is_digit)) {
      return {};
    }
    if (part.size() == 1) part.insert(0, "0");
  }
  return parts;
}

struct Clock {
  std::string text;      ///< HH:MM:SS
  std::string fraction;  ///< digits of the second
};

std::optional<Clock> parse_clock(std::string_view text) {
  Clock out;
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos) {
    out.fraction = text.substr(point + 1);
    if (!std::all_of(out.fraction.begin(), out.fraction.end(), is_digit)) return {};
  }
  auto parts = parts_of(text.substr(0, point), ':');
  if (!parts || parts->size() < 2 || parts->size() > 3) return {};
  if (parts->size() == 2) parts->emplace_back("00");
  if ((*parts)[1].size() > 2 || (*parts)[2].size() > 2) return {};
  out.text = join(*parts, ":");
  return out;
}

std::string with_fraction(std::string text, const std::string& fraction) {
  return fraction.empty() ? text : text + "." + fraction;
}

/// By the policy for dates that no calendar has.
NeutralValue judged_date(const Column& column, std::string text, const LiteralRules& rules) {
  Arena arena;
  try {
    const Cell cell = check_date(text, column.name, rules.types.zero_dates,
                                 column.type.kind != TypeKind::date, column.type.precision, arena);
    if (cell.is_null()) return {};
    return known(std::string(cell.text()));
  } catch (const Error&) {
    return unknown("it holds a date that no calendar has, which types.zero_dates refuses");
  }
}

NeutralValue date_value(const Column& column, const Literal& literal, const LiteralRules& rules) {
  const std::string no_plain = "its default is no plain date";
  const bool with_time = column.type.kind != TypeKind::date;
  std::string_view text = trim(literal.text);
  if (literal.kind == Literal::Kind::bytes) return unknown(no_plain);
  std::string date;
  Clock clock{"00:00:00", ""};
  const bool all_digits = !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
  if (literal.kind == Literal::Kind::number && text.find_first_not_of('0') == text.npos) {
    date = kZeroDate;
  } else if (all_digits && (text.size() == 8 || (text.size() == 14 && with_time))) {
    date = fmt::format("{}-{}-{}", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2));
    if (text.size() == 14) {
      clock.text =
          fmt::format("{}:{}:{}", text.substr(8, 2), text.substr(10, 2), text.substr(12, 2));
    }
  } else {
    const std::size_t space = text.find_first_of(" T");
    const auto parts = parts_of(text.substr(0, space), '-');
    if (!parts || parts->size() != 3 || (*parts)[0].size() != 4 || (*parts)[1].size() > 2 ||
        (*parts)[2].size() > 2) {
      return unknown(no_plain);
    }
    date = join(*parts, "-");
    if (space != std::string_view::npos) {
      const auto read = parse_clock(trim(text.substr(space + 1)));
      if (!read || read->text.size() != 8 || !with_time) return unknown(no_plain);
      clock = *read;
    }
  }
  if (!with_time) return judged_date(column, std::move(date), rules);
  const auto fraction =
      second_fraction(clock.fraction, column.type.precision, rules.rounds_seconds);
  if (!fraction) return unknown("the server rounds its default up to a full second");
  std::string moment = date + " " + clock.text;
  if (column.type.kind == TypeKind::timestamp && date != kZeroDate) {
    if (!rules.utc_offset) {
      return unknown("its default is in the session's time zone, which the log does not tell");
    }
    moment = shift_datetime(moment, -*rules.utc_offset);
    if (moment.empty()) return unknown(no_plain);
  }
  return judged_date(column, with_fraction(std::move(moment), *fraction), rules);
}

NeutralValue time_value(const Column& column, const Literal& literal, const LiteralRules& rules) {
  const std::string no_plain = "its default is no plain time";
  std::string_view text = trim(literal.text);
  if (literal.kind == Literal::Kind::bytes) return unknown(no_plain);
  if (literal.kind == Literal::Kind::number && text.find_first_not_of('0') == text.npos) {
    text = "00:00:00";
  }
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto clock = parse_clock(text);
  if (!clock || (clock->text.size() != 8 && clock->text.size() != 9)) return unknown(no_plain);
  const auto fraction =
      second_fraction(clock->fraction, column.type.precision, rules.rounds_seconds);
  if (!fraction) return unknown("the server rounds its default up to a full second");
  const std::string plain = with_fraction(clock->text, *fraction);
  const bool is_zero = plain.find_first_not_of("0:.") == std::string::npos;
  return known(negative && !is_zero ? "-" + plain : plain);
}

}  // namespace

std::string shift_datetime(std::string_view text, std::chrono::seconds offset) {
  const auto field = [text](std::size_t at, std::size_t size) {
    unsigned number = 0;
    if (at + size <= text.size())
      std::from_chars(text.data() + at, text.data() + at + size, number);
    return number;
  };
  using namespace std::chrono;
  if (!is_real_date(field(0, 4), field(5, 2), field(8, 2))) return {};
  const year_month_day date(year(static_cast<int>(field(0, 4))), month(field(5, 2)),
                            day(field(8, 2)));
  const auto moment =
      sys_days(date) + hours(field(11, 2)) + minutes(field(14, 2)) + seconds(field(17, 2)) + offset;
  const auto whole_day = floor<days>(moment);
  const year_month_day out(whole_day);
  const hh_mm_ss clock(moment - whole_day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(out.year()),
                     static_cast<unsigned>(out.month()), static_cast<unsigned>(out.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

NeutralValue literal_value(const Column& column, const Literal& literal,
                           const LiteralRules& rules) {
  switch (column.type.kind) {
    case TypeKind::boolean:
    case TypeKind::int8:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
      return integer_value(column, literal);
    case TypeKind::decimal: {
      const std::optional<Decimal> number = number_of(literal);
      if (!number) return unknown("its default is no plain number");
      return known(to_text(*number, column.type.scale));
    }
    case TypeKind::float32:
    case TypeKind::float64:
      return float_value(column, literal);
    case TypeKind::year:
      return year_value(column, literal);
    case TypeKind::bits:
      return bits_value(column, literal);
    case TypeKind::text:
    case TypeKind::json:
      return text_value(column, literal);
    case TypeKind::bytes:
      return bytes_value(column, literal);
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      return date_value(column, literal, rules);
    case TypeKind::time:
      return time_value(column, literal, rules);
    case TypeKind::enumeration:
    case TypeKind::set:
      return label_value(column, literal);
    case TypeKind::uuid:
      if (literal.kind == Literal::Kind::string && literal.text.size() == 36) {
        return known(to_lower(literal.text));
      }
      break;
    case TypeKind::inet:
      if (column.type.native == "inet4" && literal.kind == Literal::Kind::string) {
        return known(literal.text);
      }
      break;
    default:
      break;
  }
  return unknown("weir does not read defaults of its type");
}

NeutralValue implicit_value(const Column& column, const LiteralRules& rules, bool is_mariadb) {
  const Literal zero{Literal::Kind::number, "0", false};
  switch (column.type.kind) {
    case TypeKind::text:
    case TypeKind::set:
      return known("");
    case TypeKind::bytes:
      return bytes_value(column, {});
    case TypeKind::enumeration:
      return known(column.type.members.front());
    case TypeKind::json:
      return known(is_mariadb ? "" : "null");
    case TypeKind::uuid:
      return known("00000000-0000-0000-0000-000000000000");
    case TypeKind::inet:
      return known(column.type.native == "inet4" ? "0.0.0.0" : "::");
    default:
      return literal_value(column, zero, rules);
  }
}

std::optional<std::string> reliable_default(const Column& column, std::string neutral) {
  switch (column.type.kind) {
    case TypeKind::bytes:
      return {};
    case TypeKind::timestamp:
      if (!neutral.starts_with(kZeroDate)) return {};
      break;
    case TypeKind::float32:
      if (static_cast<std::size_t>(std::count_if(neutral.begin(), neutral.end(), is_digit)) >
          kFloatDigits) {
        return {};
      }
      break;
    case TypeKind::text:
    case TypeKind::json:
    case TypeKind::enumeration:
    case TypeKind::set:
      if (has_wide_character(neutral) || neutral.find('?') != std::string::npos) return {};
      break;
    default:
      break;
  }
  return neutral;
}

}  // namespace weir::mysql
