// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/types.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace weir::mysql {
namespace {

using enum TypeCondition;

constexpr std::string_view kTemporal =
    "dates that no calendar has, 0000-00-00 among them, follow types.zero_dates";
constexpr std::string_view kGeometry =
    "the SRID is kept; axes are in the order of storage, x first";

// A longer list of codes than one: old temporal types keep their code until the table is rebuilt,
// and MariaDB's COMPRESSED columns have codes of their own (140, 141).
constexpr auto kTypeRows = std::to_array<TypeRow>({
    {"tinyint", tinyint1_boolean, TypeKind::boolean, "\x01",
     "with types.tinyint1 = \"boolean\"; every value but 0 is true"},
    {"tinyint", is_unsigned, TypeKind::uint8, "\x01", ""},
    {"tinyint", none, TypeKind::int8, "\x01", ""},
    {"smallint", is_unsigned, TypeKind::uint16, "\x02", ""},
    {"smallint", none, TypeKind::int16, "\x02", ""},
    {"mediumint", none, TypeKind::int32, "\x09", "also where it is unsigned"},
    {"int", is_unsigned, TypeKind::uint32, "\x03", ""},
    {"int", none, TypeKind::int32, "\x03", ""},
    {"bigint", is_unsigned, TypeKind::uint64, "\x08", ""},
    {"bigint", none, TypeKind::int64, "\x08", ""},
    {"decimal", none, TypeKind::decimal, "\xf6", "every digit is kept"},
    {"float", none, TypeKind::float32, "\x04", "also float(m,d) and unsigned; no digit is lost"},
    {"double", none, TypeKind::float64, "\x05", "also double(m,d) and unsigned"},
    {"bit", none, TypeKind::bits, "\x10", ""},
    {"year", none, TypeKind::year, "\x0d", "0000 is kept; year(2) becomes four digits"},
    {"date", none, TypeKind::date, "\x0a\x0e", kTemporal},
    {"time", none, TypeKind::time, "\x13\x0b", "-838:59:59 to 838:59:59"},
    {"datetime", none, TypeKind::datetime, "\x12\x0c", kTemporal},
    {"timestamp", none, TypeKind::timestamp, "\x11\x07", kTemporal},
    {"char", none, TypeKind::text, "\xfe", "without trailing spaces, as the server shows it"},
    {"varchar", none, TypeKind::text, "\x0f\xfd\x8d", ""},
    {"tinytext", none, TypeKind::text, "\xfc\x8c", ""},
    {"text", none, TypeKind::text, "\xfc\x8c", ""},
    {"mediumtext", none, TypeKind::text, "\xfc\x8c", ""},
    {"longtext", json_check, TypeKind::json, "\xfc\x8c",
     "json on MariaDB, a longtext whose own check is json_valid, counts as json"},
    {"longtext", none, TypeKind::text, "\xfc\x8c", ""},
    {"binary", none, TypeKind::bytes, "\xfe", "padded with zero bytes, as the server shows it"},
    {"varbinary", none, TypeKind::bytes, "\x0f\xfd\x8d", ""},
    {"tinyblob", none, TypeKind::bytes, "\xfc\x8c", ""},
    {"blob", none, TypeKind::bytes, "\xfc\x8c", ""},
    {"mediumblob", none, TypeKind::bytes, "\xfc\x8c", ""},
    {"longblob", none, TypeKind::bytes, "\xfc\x8c", ""},
    {"enum", none, TypeKind::enumeration, "\xf7", "the error value 0 becomes the empty text"},
    {"set", none, TypeKind::set, "\xf8", ""},
    {"json", none, TypeKind::json, "\xf5", "of MySQL: as the server's own SELECT writes it"},
    {"uuid", none, TypeKind::uuid, "\xfe", "of MariaDB"},
    {"inet4", none, TypeKind::inet, "\xfe", "of MariaDB"},
    {"inet6", none, TypeKind::inet, "\xfe", "of MariaDB"},
    {"vector", none, TypeKind::vector, "\xf2\x0f", "from MySQL 9 and MariaDB 11.7 on"},
    {"geometry", none, TypeKind::geometry, "\xff", kGeometry},
    {"point", none, TypeKind::geometry, "\xff", kGeometry},
    {"linestring", none, TypeKind::geometry, "\xff", kGeometry},
    {"polygon", none, TypeKind::geometry, "\xff", kGeometry},
    {"multipoint", none, TypeKind::geometry, "\xff", kGeometry},
    {"multilinestring", none, TypeKind::geometry, "\xff", kGeometry},
    {"multipolygon", none, TypeKind::geometry, "\xff", kGeometry},
    {"geometrycollection", none, TypeKind::geometry, "\xff", kGeometry},
    {"geomcollection", none, TypeKind::geometry, "\xff", kGeometry},
});

bool has_word(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

bool holds(TypeCondition condition, const NativeType& from) {
  switch (condition) {
    case none:
      return true;
    case is_unsigned:
      return has_word(from.column_type, "unsigned");
    case tinyint1_boolean:
      return from.tinyint1_as_boolean && from.column_type == "tinyint(1)";
    case json_check:
      return from.json_check && from.is_mariadb;
  }
  throw bug("a type condition without a rule");
}

// The first number in brackets: 3 in "vector(3)".
std::uint64_t number_in_brackets(std::string_view text) {
  std::uint64_t number = 0;
  const std::size_t open = text.find('(');
  if (open != std::string_view::npos) {
    std::from_chars(text.data() + open + 1, text.data() + text.size(), number);
  }
  return number;
}

}  // namespace

std::string_view to_string(TypeCondition condition) {
  switch (condition) {
    case none:
      return "";
    case is_unsigned:
      return "unsigned";
    case tinyint1_boolean:
      return "(1), with types.tinyint1 = \"boolean\"";
    case json_check:
      return "with a json_valid check";
  }
  throw bug("a type condition without a name");
}

std::span<const TypeRow> type_rows() { return kTypeRows; }

ColumnType column_type(const NativeType& from) {
  const auto row = std::find_if(kTypeRows.begin(), kTypeRows.end(), [&from](const TypeRow& each) {
    return equals_ignoring_case(each.native, from.data_type) && holds(each.condition, from);
  });
  if (row == kTypeRows.end()) {
    throw Error(ExitCode::unsupported, "mysql.type",
                "column type " + from.column_type + " is not known to weir",
                "weir cannot tell how the server writes its values into the change log",
                "drop the column in the [[table]] rule, or exclude the table");
  }
  ColumnType type;
  type.kind = row->kind;
  type.native = from.column_type;
  switch (row->kind) {
    case TypeKind::text:
      if (!row->native.ends_with("text")) type.length = from.characters;
      break;
    case TypeKind::bytes:
      if (!row->native.ends_with("blob")) type.length = from.octets;
      break;
    case TypeKind::bits:
      type.length = from.precision;
      break;
    case TypeKind::vector:
      type.length = number_in_brackets(from.column_type);
      break;
    case TypeKind::decimal:
      type.precision = from.precision;
      type.scale = from.scale;
      break;
    case TypeKind::time:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      type.precision = from.second_digits;
      break;
    case TypeKind::enumeration:
    case TypeKind::set:
      type.members = parse_labels(from.column_type);
      break;
    default:
      break;
  }
  return type;
}

const TypeRow* type_row(const ColumnType& type) {
  const std::string_view name =
      std::string_view(type.native).substr(0, type.native.find_first_of(" ("));
  const auto row = std::find_if(kTypeRows.begin(), kTypeRows.end(), [&](const TypeRow& each) {
    return each.kind == type.kind && equals_ignoring_case(each.native, name);
  });
  return row == kTypeRows.end() ? nullptr : &*row;
}

std::vector<std::string> parse_labels(std::string_view column_type) {
  const auto malformed = [&column_type] {
    return Error(ExitCode::failed, "mysql.type-labels",
                 "cannot read the labels of " + std::string(column_type),
                 "information_schema.columns.column_type is not a list of quoted labels",
                 "report this with the output of show create table");
  };
  std::vector<std::string> labels;
  std::size_t at = column_type.find('(');
  if (at == std::string_view::npos) throw malformed();
  do {
    if (++at >= column_type.size() || column_type[at] != '\'') throw malformed();
    std::string label;
    for (++at;; ++at) {
      if (at >= column_type.size()) throw malformed();
      char c = column_type[at];
      const char next = at + 1 < column_type.size() ? column_type[at + 1] : '\0';
      if (c == '\'') {
        if (next != '\'') break;
        ++at;
      } else if (c == '\\') {
        c = next == '0' ? '\0' : next == 'n' ? '\n' : next == 'r' ? '\r' : next;
        ++at;
      }
      label += c;
    }
    labels.push_back(std::move(label));
    ++at;
  } while (at < column_type.size() && column_type[at] == ',');
  if (at >= column_type.size() || column_type[at] != ')') throw malformed();
  return labels;
}

bool labels_uncertain(const ColumnType& type, std::string_view charset) {
  static constexpr auto kBeyondBmp =
      std::to_array<std::string_view>({"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"});
  return std::find(kBeyondBmp.begin(), kBeyondBmp.end(), charset) != kBeyondBmp.end() &&
         std::any_of(type.members.begin(), type.members.end(),
                     [](const std::string& label) { return label.find('?') != std::string::npos; });
}

}  // namespace weir::mysql
