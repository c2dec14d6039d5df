// SPDX-License-Identifier: Apache-2.0
#include "target/mysql/types.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"

namespace weir::mysqltarget {
namespace {

constexpr auto kTypes = std::to_array<TypeRow>({
    {TypeKind::boolean, "tinyint(1)", ""},
    {TypeKind::int8, "tinyint", ""},
    {TypeKind::int16, "smallint", ""},
    {TypeKind::int32, "int", ""},
    {TypeKind::int64, "bigint", ""},
    {TypeKind::uint8, "tinyint unsigned", ""},
    {TypeKind::uint16, "smallint unsigned", ""},
    {TypeKind::uint32, "int unsigned", ""},
    {TypeKind::uint64, "bigint unsigned", ""},
    {TypeKind::decimal, "decimal({precision},{scale})",
     "at most 65 digits, 30 of them after the point: decimal(65,30) where the source has more or "
     "no limit; NaN and infinity are refused"},
    {TypeKind::float32, "float", "NaN and infinity are refused"},
    {TypeKind::float64, "double", "NaN and infinity are refused"},
    {TypeKind::text, "varchar({length})",
     "text, mediumtext or longtext beyond 1024 characters or without a limit; a key column needs "
     "a limit"},
    {TypeKind::bytes, "varbinary({length})",
     "blob, mediumblob or longblob beyond 4096 bytes or without a limit"},
    {TypeKind::bits, "bit({length})", "text beyond 64 bits"},
    {TypeKind::date, "date", "years before 1 and after 9999, and infinity, are refused"},
    {TypeKind::time, "time({precision})", ""},
    {TypeKind::datetime, "datetime({precision})", "wall-clock time, never shifted"},
    {TypeKind::timestamp, "datetime({precision})",
     "in UTC; say timestamp in a type rule where all are of the years 1970 to 2037"},
    {TypeKind::year, "year", ""},
    {TypeKind::json, "json",
     "MariaDB keeps the text; MySQL keeps the document without duplicate keys, and a number with a "
     "point as a double"},
    {TypeKind::enumeration, "varchar(255)", ""},
    {TypeKind::set, "text", ""},
    {TypeKind::uuid, "char(36)", "because MariaDB's uuid refuses some values of other servers"},
    {TypeKind::inet, "varchar(49)", ""},
    {TypeKind::geometry, "geometry", ""},
    {TypeKind::vector, "longblob", "little-endian 32-bit floats"},
    {TypeKind::interval, "varchar(100)", ""},
    {TypeKind::array, "longtext", ""},
    {TypeKind::other, "longtext", ""},
});

constexpr std::uint64_t kMaxVarchar = 1024;
constexpr std::uint64_t kMaxKeyVarchar = 768;  // four bytes each are InnoDB's 3072
constexpr std::uint64_t kMaxVarbinary = 4096;
constexpr std::uint64_t kMaxRow = 60'000;  // of 65,535; NULL bits and lengths take some
constexpr std::uint16_t kMaxDigits = 65;
constexpr std::uint16_t kMaxScale = 30;

// The first number in brackets: 3 in "vector(3)"; 0 if there is none.
std::uint64_t number_in_brackets(std::string_view text) {
  std::uint64_t number = 0;
  const std::size_t open = text.find('(');
  if (open != std::string_view::npos) {
    std::from_chars(text.data() + open + 1, text.data() + text.size(), number);
  }
  return number;
}

bool in_key(const TablePlan& plan, std::size_t place) {
  return std::find(plan.key.begin(), plan.key.end(), place) != plan.key.end();
}

/// The smallest type of the family that holds so many bytes.
std::string by_bytes(std::uint64_t bytes, const char* family) {
  if (bytes == 0 || bytes > 16'777'215) return fmt::format("long{}", family);
  return bytes > 65'535 ? fmt::format("medium{}", family) : family;
}

std::string foreign_type(const ColumnType& type, bool is_key) {
  switch (type.kind) {
    case TypeKind::text:
      if (type.length == 0 || type.length > (is_key ? kMaxKeyVarchar : kMaxVarchar)) {
        return by_bytes(type.length * 4, "text");
      }
      break;
    case TypeKind::bytes:
      if (type.length == 0 || type.length > kMaxVarbinary) return by_bytes(type.length, "blob");
      break;
    case TypeKind::bits:
      if (type.length == 0 || type.length > 64) return by_bytes(type.length, "text");
      break;
    default:
      break;
  }
  const bool any_decimal = type.kind == TypeKind::decimal && type.precision == 0;
  const unsigned scale = any_decimal ? kMaxScale : std::min(type.scale, kMaxScale);
  const unsigned precision =
      type.kind != TypeKind::decimal ? std::min<std::uint16_t>(type.precision, 6)
      : any_decimal                  ? kMaxDigits
                                     : std::min(std::max(type.precision, type.scale), kMaxDigits);
  std::string out;
  expand(type_row(type.kind).target, out,
         [&type, precision, scale](std::string_view name, std::string& value) {
           value += std::to_string(name == "length"  ? type.length
                                   : name == "scale" ? scale
                                                     : precision);
           return true;
         });
  return out;
}

std::string labels(const char* word, const std::vector<std::string>& members) {
  std::string out = word;
  for (const std::string& label : members) {
    out += out.size() == std::string_view(word).size() ? "('" : ",'";
    for (const char c : label) {
      if (c == '\'' || c == '\\') out += c;
      out += c;
    }
    out += '\'';
  }
  return out + ')';
}

std::string native_type(const ColumnType& type) {
  switch (type.kind) {
    case TypeKind::json:
      return "json";
    case TypeKind::enumeration:
      return labels("enum", type.members);
    case TypeKind::set:
      return labels("set", type.members);
    default:
      break;
  }
  // MariaDB marks the formats of old tables so.
  return std::string(trim(std::string_view(type.native).substr(0, type.native.find("/* "))));
}

/// What a column takes of the 65,535 bytes that a row may have outside of large values.
std::uint64_t row_bytes(const std::string& type) {
  const std::string_view word = type_word(type);
  if (word == "varchar") return number_in_brackets(type) * 4 + 2;
  if (word == "varbinary") return number_in_brackets(type) + 2;
  return 34;  // nothing else is longer than a decimal
}

bool is_text_type(std::string_view word) {
  return word == "char" || word == "varchar" || word.ends_with("text");
}

bool is_geometry_type(std::string_view word) {
  static constexpr auto kWords = std::to_array<std::string_view>(
      {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
       "multipolygon", "geometrycollection", "geomcollection"});
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end();
}

/// The type on a server that may not have what the source has.
std::string on_this_server(const std::string& type, const Dialect& dialect) {
  const std::string_view word = type_word(type);
  const auto has = [&dialect](std::uint64_t mariadb, std::uint64_t mysql) {
    const std::uint64_t since = dialect.mariadb ? mariadb : mysql;
    return since != 0 && dialect.version >= since;
  };
  if (word == "uuid" && !has(100700, 0)) return "char(36)";
  if (word == "inet4" && !has(101000, 0)) return "varchar(15)";
  if (word == "inet6" && !has(100500, 0)) return "varchar(45)";
  if (word == "vector" && !has(110700, 90000)) {
    return fmt::format("varbinary({})", number_in_brackets(type) * 4);
  }
  if (word == "year") return dialect.mariadb ? type : "year";
  if (word == "geomcollection") return "geometrycollection";
  // MariaDB's compressed columns; the comment is for MariaDB alone, but tells nobody else anything.
  if (!dialect.mariadb) return std::string(trim(type.substr(0, type.find("/*"))));
  return type;
}

/// The same character set under the name that the other releases use: utf8_bin, utf8mb3_bin.
std::string other_name(const std::string& collation) {
  if (collation.starts_with("utf8_")) return "utf8mb3" + collation.substr(4);
  if (collation.starts_with("utf8mb3_")) return "utf8" + collation.substr(7);
  return "";
}

/// A collation that compares much like one that the server lacks. Not for keys: what were two may
/// become one.
std::string near_collation(const std::string& collation, const Dialect& dialect) {
  struct Near {
    std::string_view part;
    std::array<const char*, 3> instead;
  };
  static constexpr Near kNear[] = {
      {"_ai_ci",
       {"utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci", "utf8mb4_unicode_520_nopad_ci"}},
      {"_as_ci", {"utf8mb4_0900_as_ci", "utf8mb4_uca1400_nopad_as_ci", nullptr}},
      {"_as_cs", {"utf8mb4_0900_as_cs", "utf8mb4_uca1400_nopad_as_cs", nullptr}},
  };
  for (const Near& near : kNear) {
    if (!collation.ends_with(near.part)) continue;
    for (const char* name : near.instead) {
      if (name != nullptr && dialect.collations.contains(name)) return name;
    }
  }
  return exact_collation(dialect);
}

bool is_unique_part(const TablePlan& plan, std::size_t place) {
  const std::uint32_t source = plan.columns[place].source;
  return std::any_of(
      plan.source.indexes.begin(), plan.source.indexes.end(), [source](const Index& index) {
        return index.kind == Index::Kind::unique &&
               std::any_of(index.parts.begin(), index.parts.end(),
                           [source](const IndexPart& part) { return part.column == source; });
      });
}

/// Decimal digits that every value of an integer kind fits into.
unsigned integer_digits(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean:
      return 1;
    case TypeKind::int8:
    case TypeKind::uint8:
      return 3;
    case TypeKind::year:
      return 4;
    case TypeKind::int16:
    case TypeKind::uint16:
      return 5;
    case TypeKind::int32:
    case TypeKind::uint32:
      return 10;
    case TypeKind::int64:
      return 19;
    case TypeKind::uint64:
      return 20;
    default:
      return 0;
  }
}

struct IntegerBits {
  unsigned bits;
  bool is_unsigned;
};

IntegerBits integer_bits(TypeKind kind) {
  switch (kind) {
    case TypeKind::boolean:
      return {1, true};
    case TypeKind::int8:
      return {8, false};
    case TypeKind::uint8:
      return {8, true};
    case TypeKind::int16:
      return {16, false};
    case TypeKind::uint16:
    case TypeKind::year:
      return {16, true};
    case TypeKind::int32:
      return {32, false};
    case TypeKind::uint32:
      return {32, true};
    case TypeKind::int64:
      return {64, false};
    case TypeKind::uint64:
      return {64, true};
    default:
      return {0, false};
  }
}

Fit at_least(bool holds) { return holds ? Fit::fits : Fit::narrow; }

unsigned bits_of(std::string_view word) {
  struct Size {
    std::string_view word;
    unsigned bits;
  };
  static constexpr Size kSizes[] = {
      {"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}};
  for (const Size& size : kSizes) {
    if (size.word == word) return size.bits;
  }
  return 0;
}

Fit fit_number(const ColumnType& type, const ExistingColumn& column) {
  const IntegerBits needed = integer_bits(type.kind);
  const bool is_unsigned = column.column_type.find("unsigned") != std::string::npos;
  const bool is_integer = needed.bits > 0;
  if (const unsigned bits = bits_of(column.data_type); bits > 0 && is_integer) {
    // A mediumint is a 32-bit kind here, and keeps its own name in `native`.
    const bool medium = type_word(type.native) == "mediumint";
    if (medium && bits >= 24) {
      return at_least(bits > 24 ||
                      is_unsigned == (type.native.find("unsigned") != std::string::npos));
    }
    if (is_unsigned) return at_least(needed.is_unsigned && bits >= needed.bits);
    return at_least(needed.is_unsigned ? bits > needed.bits : bits >= needed.bits);
  }
  if (column.data_type == "decimal") {
    if (is_integer) {
      return at_least(!(is_unsigned && !needed.is_unsigned) &&
                      column.precision >= column.scale + integer_digits(type.kind));
    }
    if (type.kind != TypeKind::decimal) return Fit::other;
    const bool any = type.precision == 0;
    const int scale = any ? kMaxScale : type.scale;
    const int whole = any ? kMaxDigits - kMaxScale : type.precision - type.scale;
    return at_least(column.scale >= scale && column.precision - column.scale >= whole);
  }
  if (column.data_type == "double") {
    if (is_integer) return at_least(needed.bits <= 32);
    return type.kind == TypeKind::decimal ? Fit::other : Fit::fits;
  }
  if (column.data_type == "float") {
    if (is_integer) return at_least(needed.bits <= 16);
    return type.kind == TypeKind::float32   ? Fit::fits
           : type.kind == TypeKind::float64 ? Fit::narrow
                                            : Fit::other;
  }
  if (type.kind == TypeKind::year && column.data_type == "year") return Fit::fits;
  return Fit::other;
}

/// Characters that every value of a kind fits into, as far as the kind tells; 0 = no limit.
std::uint64_t text_characters(const ColumnType& type) {
  std::uint64_t needed = type.length;
  if (type.kind == TypeKind::uuid) needed = 36;
  if (type.kind == TypeKind::inet) needed = 49;
  for (const std::string& label : type.members) {
    needed =
        type.kind == TypeKind::set ? needed + label.size() + 1 : std::max(needed, label.size());
  }
  // tinytext, text and the like have no length of their own, but a limit in bytes.
  const std::string_view word = type_word(type.native);
  if (needed == 0) {
    if (word == "tinytext") needed = 255;
    if (word == "text") needed = 65'535;
    if (word == "mediumtext") needed = 16'777'215;
  }
  return needed;
}

Fit fit_text(const ColumnType& type, const ExistingColumn& column) {
  if (column.data_type == "longtext") return Fit::fits;
  const std::uint64_t needed = text_characters(type);
  if (needed == 0) return Fit::narrow;
  if (column.data_type == "char" || column.data_type == "varchar") {
    return at_least(column.characters >= needed);
  }
  // The limit of these is one of bytes.
  const bool same_limit = type_word(type.native) == column.data_type;
  return at_least(same_limit || column.octets >= needed * 4);
}

}  // namespace

std::span<const TypeRow> type_rows() { return kTypes; }

const TypeRow& type_row(TypeKind kind) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [kind](const TypeRow& row) { return row.kind == kind; });
}

std::string_view type_word(std::string_view type) {
  return type.substr(0, type.find_first_of(" ("));
}

std::vector<std::string> planned_types(const TablePlan& plan, bool native) {
  std::vector<std::string> out;
  std::uint64_t row = 0;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const PlannedColumn& column = plan.columns[i];
    const bool as_source = native && !column.added() && !column.type.native.empty();
    out.push_back(as_source ? native_type(column.type)
                            : foreign_type(column.type, in_key(plan, i)));
    row += row_bytes(out.back());
  }
  // Sources of other kinds have no limit to the length of a row.
  while (!native && row > kMaxRow) {
    std::size_t widest = out.size();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::string_view word = type_word(out[i]);
      if (in_key(plan, i) || (word != "varchar" && word != "varbinary")) continue;
      if (widest == out.size() || row_bytes(out[i]) > row_bytes(out[widest])) widest = i;
    }
    if (widest == out.size()) break;
    row -= row_bytes(out[widest]);
    out[widest] = type_word(out[widest]) == "varchar" ? "text" : "blob";
    row += row_bytes(out[widest]);
  }
  return out;
}

std::string exact_collation(const Dialect& dialect) {
  // The ones without padding tell 'a' from 'a '.
  for (const char* name : {"utf8mb4_0900_bin", "utf8mb4_nopad_bin"}) {
    if (dialect.collations.contains(name)) return name;
  }
  return "utf8mb4_bin";
}

ColumnShape shape_of(const TablePlan& plan, std::size_t place, const std::string& planned,
                     bool native, const Dialect& dialect) {
  const PlannedColumn& column = plan.columns[place];
  ColumnShape out;
  if (column.target_type != planned) {
    out.type = column.target_type;
    return out;
  }
  out.type = on_this_server(planned, dialect);
  if (native && !column.added() && type_word(out.type) != type_word(planned)) {
    out.replaced = fmt::format("type {}", planned);
  }
  const std::string_view word = type_word(out.type);
  const bool has_charset = is_text_type(word) || word == "enum" || word == "set";
  if (!has_charset) return out;
  out.charset = "utf8mb4";
  out.collation = exact_collation(dialect);
  if (!native || column.added()) return out;
  const Column& source = plan.source.columns[column.source];
  if (source.collation.empty()) return out;
  for (const std::string& name : {source.collation, other_name(source.collation)}) {
    if (name.empty() || !dialect.collations.contains(name)) continue;
    out.collation = name;
    out.charset = name == "binary" ? name : name.substr(0, name.find('_'));
    return out;
  }
  const bool tells_rows_apart = in_key(plan, place) || is_unique_part(plan, place);
  if (!tells_rows_apart) out.collation = near_collation(source.collation, dialect);
  out.replaced = fmt::format("collation {}", source.collation);
  return out;
}

Encoding encoding_for(const ColumnType& type, const ExistingColumn& column) {
  const std::string_view word = column.data_type;
  switch (type.kind) {
    case TypeKind::bytes:
    case TypeKind::vector:
      return Encoding::bytes;
    case TypeKind::geometry:
      return is_geometry_type(word) ? Encoding::geometry : Encoding::bytes;
    case TypeKind::bits:
      return word == "bit" ? Encoding::bits : Encoding::text;
    default:
      break;
  }
  if (is_text_type(word)) return Encoding::text;
  switch (type.kind) {
    case TypeKind::decimal: {
      const bool may_exceed = type.precision == 0 || type.scale > column.scale;
      return may_exceed && column.scale == kMaxScale ? Encoding::decimal : Encoding::number;
    }
    case TypeKind::boolean:
    case TypeKind::int8:
    case TypeKind::int16:
    case TypeKind::int32:
    case TypeKind::int64:
    case TypeKind::uint8:
    case TypeKind::uint16:
    case TypeKind::uint32:
    case TypeKind::uint64:
    case TypeKind::year:
      return Encoding::number;
    case TypeKind::float32:
      return word == "float" ? Encoding::single : Encoding::real;
    case TypeKind::float64:
      return Encoding::real;
    case TypeKind::date:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      return Encoding::temporal;
    default:
      return Encoding::text;
  }
}

bool needs_conversion(Encoding encoding, const ExistingColumn& column) {
  if (encoding != Encoding::text) return false;
  if (column.data_type == "time" || column.data_type == "year") return false;
  return column.charset != "utf8mb4" && column.charset != "utf8mb3" && column.charset != "utf8";
}

Fit fit(const ColumnType& type, const ExistingColumn& column) {
  const std::string_view word = column.data_type;
  switch (type.kind) {
    case TypeKind::text:
      return is_text_type(word) ? fit_text(type, column) : Fit::other;
    case TypeKind::enumeration:
    case TypeKind::set:
      if (word == "enum" || word == "set") {
        return equals_ignoring_case(column.column_type, native_type(type)) ? Fit::fits
                                                                           : Fit::narrow;
      }
      return is_text_type(word) ? fit_text(type, column) : Fit::other;
    case TypeKind::bytes:
      if (word == "longblob") return Fit::fits;
      if (word == "binary" || word == "varbinary") {
        return at_least(type.length > 0 && column.octets >= type.length);
      }
      if (!word.ends_with("blob")) return Fit::other;
      return at_least(word == type_word(type.native) ||
                      (type.length > 0 && column.octets >= type.length));
    case TypeKind::bits:
      if (word == "bit") return at_least(type.length > 0 && column.precision >= type.length);
      return is_text_type(word) ? fit_text(type, column) : Fit::other;
    case TypeKind::date:
      return word == "date" || word == "datetime" ? Fit::fits : Fit::other;
    case TypeKind::time:
      return word == "time" ? at_least(column.second_digits >= type.precision) : Fit::other;
    case TypeKind::datetime:
    case TypeKind::timestamp:
      if (word == "timestamp") {
        if (type.kind == TypeKind::datetime) return Fit::other;
      } else if (word != "datetime") {
        return Fit::other;
      }
      return at_least(column.second_digits >= std::min<std::uint16_t>(type.precision, 6));
    case TypeKind::json:
      return word == "json" || word == "longtext" ? Fit::fits : Fit::other;
    case TypeKind::uuid:
      return word == "uuid" ? Fit::fits : is_text_type(word) ? fit_text(type, column) : Fit::other;
    case TypeKind::inet:
      if (word == "inet6" || word == type_word(type.native)) return Fit::fits;
      return is_text_type(word) ? fit_text(type, column) : Fit::other;
    case TypeKind::geometry:
      return word == "geometry" || word == type_word(type.native) ? Fit::fits : Fit::other;
    case TypeKind::vector:
      return word == "vector" || word.ends_with("blob") || word == "varbinary" ? Fit::fits
                                                                               : Fit::other;
    case TypeKind::interval:
      return is_text_type(word) && (word != "varchar" || column.characters >= 64) ? Fit::fits
                                                                                  : Fit::other;
    case TypeKind::array:
    case TypeKind::other:
      return word == "longtext" ? Fit::fits : is_text_type(word) ? Fit::narrow : Fit::other;
    default:
      return is_text_type(word) ? Fit::fits : fit_number(type, column);
  }
}

std::uint64_t index_bytes(const std::string& type, const std::string& charset) {
  const std::string_view word = type_word(type);
  if (word.ends_with("text") || word.ends_with("blob") || word == "json" || word == "vector" ||
      is_geometry_type(word)) {
    return 0;
  }
  const std::uint64_t length = std::max<std::uint64_t>(number_in_brackets(type), 1);
  if (word == "char" || word == "varchar") {
    const bool narrow = charset == "latin1" || charset == "ascii" || charset == "binary";
    const bool three = charset == "utf8mb3" || charset == "utf8";
    return length * (narrow ? 1 : three ? 3 : 4);
  }
  if (word == "binary" || word == "varbinary") return length;
  return 34;  // nothing else is longer than a decimal
}

}  // namespace weir::mysqltarget
