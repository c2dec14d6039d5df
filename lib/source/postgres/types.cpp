// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/types.h"

#include <algorithm>
#include <array>

namespace weir::pgsource {
namespace {

using enum TypeClass;

constexpr int kHeader = 4;  // what a modifier of text or numeric has on top
constexpr std::uint16_t kMicroseconds = 6;

constexpr std::string_view kInfinity = "infinity, -infinity and dates BC are kept";
constexpr std::string_view kNetwork = "as text, because it may be a network";

constexpr auto kTypeRows = std::to_array<TypeRow>({
    {array, "", "any array", TypeKind::array, "all dimensions and bounds are kept"},
    {enumeration, "", "any enum", TypeKind::enumeration, ""},
    {composite, "", "any composite type", TypeKind::other, ""},
    {range, "", "any range or multirange", TypeKind::other, ""},
    {named, "bool", "boolean", TypeKind::boolean, ""},
    {named, "int2", "smallint", TypeKind::int16, ""},
    {named, "int4", "integer", TypeKind::int32, ""},
    {named, "int8", "bigint", TypeKind::int64, ""},
    {named, "oid", "oid", TypeKind::uint32, ""},
    {named, "float4", "real", TypeKind::float32, "NaN and the infinities are kept"},
    {named, "float8", "double precision", TypeKind::float64, "NaN and the infinities are kept"},
    {named, "numeric", "numeric", TypeKind::decimal,
     "every digit is kept; NaN and the infinities too"},
    {named, "bpchar", "character", TypeKind::text, "with the spaces it is padded with"},
    {named, "varchar", "character varying", TypeKind::text, ""},
    {named, "text", "text", TypeKind::text, ""},
    {named, "name", "name", TypeKind::text, ""},
    {named, "citext", "citext", TypeKind::text, "equal only in the same case on another target"},
    {named, "bytea", "bytea", TypeKind::bytes, ""},
    {named, "bit", "bit", TypeKind::bits, ""},
    {named, "date", "date", TypeKind::date, kInfinity},
    {named, "time", "time without time zone", TypeKind::time, "24:00:00 is kept"},
    {named, "timestamp", "timestamp without time zone", TypeKind::datetime, kInfinity},
    {named, "timestamptz", "timestamp with time zone", TypeKind::timestamp, kInfinity},
    {named, "interval", "interval", TypeKind::interval, "months, days and seconds stay apart"},
    {named, "json", "json", TypeKind::json, "the text as it is"},
    {named, "jsonb", "jsonb", TypeKind::json, ""},
    {named, "uuid", "uuid", TypeKind::uuid, ""},
    {named, "inet", "inet", TypeKind::other, kNetwork},
    {named, "cidr", "cidr", TypeKind::other, kNetwork},
    {named, "varbit", "bit varying", TypeKind::other, "its digits"},
    {named, "money", "money", TypeKind::other, "as the locale C writes it: $1,234.50"},
    {any, "", "any other type", TypeKind::other,
     "timetz, xml, tsvector, hstore, geometric types and what extensions bring, as the server "
     "prints them"},
});

TypeClass class_of(const NativeType& from) {
  if (from.is_array) return array;
  switch (from.typtype) {
    case 'e':
      return enumeration;
    case 'c':
      return composite;
    case 'r':
    case 'm':
      return range;
    default:
      return named;
  }
}

bool fits(const TypeRow& row, TypeClass type_class, const NativeType& from) {
  if (row.type_class == any) return true;
  return row.type_class == type_class && (type_class != named || row.typname == from.typname);
}

}  // namespace

std::span<const TypeRow> type_rows() { return kTypeRows; }

ColumnType column_type(const NativeType& from) {
  const TypeClass type_class = class_of(from);
  const TypeRow& row = *std::find_if(kTypeRows.begin(), kTypeRows.end(), [&](const TypeRow& each) {
    return fits(each, type_class, from);
  });
  ColumnType type;
  type.kind = row.kind;
  type.native = from.shown;
  const int modifier = from.modifier;
  switch (row.kind) {
    case TypeKind::text:
      if (modifier > kHeader) type.length = static_cast<std::uint64_t>(modifier - kHeader);
      break;
    case TypeKind::bits:
      // Without a length, which only a query's result can lack, there is no width to state.
      if (modifier < 0) type.kind = TypeKind::other;
      type.length = static_cast<std::uint64_t>(std::max(modifier, 0));
      break;
    case TypeKind::decimal: {
      if (modifier < kHeader) break;
      const int precision = ((modifier - kHeader) >> 16) & 0xffff;
      const int scale = (((modifier - kHeader) & 0x7ff) ^ 1024) - 1024;
      // numeric(3,-2) rounds to hundreds, which only "any number of digits" covers.
      if (scale < 0) break;
      type.precision = static_cast<std::uint16_t>(std::max(precision, scale));
      type.scale = static_cast<std::uint16_t>(scale);
      break;
    }
    case TypeKind::time:
    case TypeKind::datetime:
    case TypeKind::timestamp:
      type.precision = modifier < 0 ? kMicroseconds : static_cast<std::uint16_t>(modifier);
      break;
    case TypeKind::enumeration:
      type.members = from.labels;
      break;
    default:
      break;
  }
  return type;
}

}  // namespace weir::pgsource
