// SPDX-License-Identifier: Apache-2.0
#include "target/postgres/types.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace weir::postgres {
namespace {

constexpr std::uint64_t kMaxVarchar = 10'485'760;

constexpr auto kTypes = std::to_array<TypeRow>({
    {TypeKind::boolean, "boolean", Encoding::plain, ""},
    {TypeKind::int8, "smallint", Encoding::plain, ""},
    {TypeKind::int16, "smallint", Encoding::plain, ""},
    {TypeKind::int32, "integer", Encoding::plain, ""},
    {TypeKind::int64, "bigint", Encoding::plain, ""},
    {TypeKind::uint8, "smallint", Encoding::plain, ""},
    {TypeKind::uint16, "integer", Encoding::plain, ""},
    {TypeKind::uint32, "bigint", Encoding::plain, ""},
    {TypeKind::uint64, "numeric(20,0)", Encoding::plain, "no PostgreSQL integer holds 2^64 - 1"},
    {TypeKind::decimal, "numeric({precision},{scale})", Encoding::plain, ""},
    {TypeKind::float32, "real", Encoding::plain, ""},
    {TypeKind::float64, "double precision", Encoding::plain, ""},
    {TypeKind::text, "varchar({length})", Encoding::escaped,
     "text where the source has no limit or one beyond 10485760; a NUL character is refused"},
    {TypeKind::bytes, "bytea", Encoding::hex, ""},
    {TypeKind::bits, "bit({length})", Encoding::plain, ""},
    {TypeKind::date, "date", Encoding::plain, "zero dates: see types.zero_dates in weir.toml(5)"},
    {TypeKind::time, "interval", Encoding::plain, "MySQL's TIME goes from -838 to 838 hours"},
    {TypeKind::datetime, "timestamp({precision})", Encoding::plain,
     "wall-clock time, never shifted"},
    {TypeKind::timestamp, "timestamp({precision}) with time zone", Encoding::plain, ""},
    {TypeKind::year, "smallint", Encoding::plain, ""},
    {TypeKind::json, "json", Encoding::escaped,
     "the text as it is; say jsonb in a type rule where order and duplicate keys may go"},
    {TypeKind::enumeration, "text", Encoding::escaped, ""},
    {TypeKind::set, "text", Encoding::escaped, ""},
    {TypeKind::uuid, "uuid", Encoding::plain, ""},
    {TypeKind::inet, "inet", Encoding::plain, ""},
    {TypeKind::geometry, "bytea", Encoding::hex, "EWKB, as PostGIS reads it"},
    {TypeKind::vector, "real[]", Encoding::vector, ""},
    {TypeKind::interval, "interval", Encoding::plain, ""},
    {TypeKind::array, "text", Encoding::escaped, ""},
    {TypeKind::other, "text", Encoding::escaped, ""},
});

/// Decimal digits that every value of an integer kind fits into.
int integer_digits(TypeKind kind) {
  switch (kind) {
    case TypeKind::int8:
    case TypeKind::uint8:
      return 3;
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

/// Bits of the smallest PostgreSQL integer for the kind; 128 where there is none.
int integer_bits(TypeKind kind) {
  switch (kind) {
    case TypeKind::int8:
    case TypeKind::uint8:
    case TypeKind::int16:
    case TypeKind::year:
      return 16;
    case TypeKind::uint16:
    case TypeKind::int32:
      return 32;
    case TypeKind::uint32:
    case TypeKind::int64:
      return 64;
    default:
      return 128;
  }
}

Fit at_least(bool holds) { return holds ? Fit::fits : Fit::narrow; }

Fit fit_integer(TypeKind kind, std::string_view name, int modifier) {
  if (name == "int2") return at_least(integer_bits(kind) <= 16);
  if (name == "int4") return at_least(integer_bits(kind) <= 32);
  if (name == "int8") return at_least(integer_bits(kind) <= 64);
  if (name == "float8") return at_least(integer_bits(kind) <= 32);
  if (name == "numeric") {
    if (modifier < 0) return Fit::fits;
    const int precision = ((modifier - 4) >> 16) & 0xffff;
    const int scale = (modifier - 4) & 0x7ff;
    return at_least(precision - scale >= integer_digits(kind));
  }
  return Fit::other;
}

}  // namespace

std::span<const TypeRow> type_rows() { return kTypes; }

const TypeRow& type_row(TypeKind kind) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [kind](const TypeRow& r) { return r.kind == kind; });
}

std::string target_type(const ColumnType& type) {
  if (type.kind == TypeKind::text && (type.length == 0 || type.length > kMaxVarchar)) return "text";
  if (type.kind == TypeKind::decimal && type.precision == 0) return "numeric";
  std::string out;
  expand(type_row(type.kind).target, out, [&type](std::string_view name, std::string& value) {
    value += std::to_string(name == "length"  ? type.length
                            : name == "scale" ? type.scale
                                              : type.precision);
    return true;
  });
  return out;
}

std::string kept_type(const ColumnType& type) {
  // A source session prints names that are not the server's own with their schema.
  if (type.native.find('.') != std::string::npos) return "";
  if (type.native.starts_with("reg") || type.native.starts_with("aclitem")) return "";
  return type.native;
}

Fit fit(const ColumnType& type, std::string_view name, int modifier) {
  if (name == "text") return Fit::fits;
  const bool is_text = type.kind == TypeKind::text || type.kind == TypeKind::enumeration ||
                       type.kind == TypeKind::set || type.kind == TypeKind::uuid ||
                       type.kind == TypeKind::inet;
  if (is_text && (name == "varchar" || name == "bpchar")) {
    if (name == "varchar" && modifier < 0) return Fit::fits;
    std::uint64_t needed = type.length;
    if (type.kind == TypeKind::uuid) needed = 36;
    if (type.kind == TypeKind::inet) needed = 45;
    for (const std::string& label : type.members) {
      needed =
          type.kind == TypeKind::set ? needed + label.size() + 1 : std::max(needed, label.size());
    }
    return at_least(needed > 0 && static_cast<std::uint64_t>(modifier) >= needed + 4);
  }
  switch (type.kind) {
    case TypeKind::boolean:
      return name == "bool" ? Fit::fits : Fit::other;
    case TypeKind::decimal: {
      if (name != "numeric") return Fit::other;
      if (modifier < 0) return Fit::fits;
      if (type.precision == 0) return Fit::narrow;
      const int precision = ((modifier - 4) >> 16) & 0xffff;
      const int scale = (modifier - 4) & 0x7ff;
      return at_least(scale >= type.scale && precision - scale >= type.precision - type.scale);
    }
    case TypeKind::float32:
      return name == "float4" || name == "float8" ? Fit::fits : Fit::other;
    case TypeKind::float64:
      return name == "float8" ? Fit::fits : name == "float4" ? Fit::narrow : Fit::other;
    case TypeKind::bytes:
    case TypeKind::geometry:
      return name == "bytea" ? Fit::fits : Fit::other;
    case TypeKind::bits:
      if (name == "varbit" && modifier < 0) return Fit::fits;
      if (name == "bit" || name == "varbit") {
        return at_least(static_cast<std::uint64_t>(modifier) >= type.length);
      }
      return Fit::other;
    case TypeKind::date:
      return name == "date" || name == "timestamp" ? Fit::fits : Fit::other;
    case TypeKind::time:
      return name == "interval" ? Fit::fits : name == "time" ? Fit::narrow : Fit::other;
    case TypeKind::datetime:
    case TypeKind::timestamp: {
      const std::string_view wanted = type.kind == TypeKind::datetime ? "timestamp" : "timestamptz";
      if (name == "date") return Fit::narrow;
      if (name != wanted) return Fit::other;
      return at_least(modifier < 0 || modifier >= type.precision);
    }
    case TypeKind::json:
      return name == "json" || name == "jsonb" ? Fit::fits : Fit::other;
    case TypeKind::uuid:
      return name == "uuid" ? Fit::fits : Fit::other;
    case TypeKind::inet:
      return name == "inet" ? Fit::fits : Fit::other;
    case TypeKind::vector:
      return name == "_float4" || name == "_float8" ? Fit::fits : Fit::other;
    case TypeKind::interval:
      return name == "interval" ? Fit::fits : Fit::other;
    case TypeKind::text:
    case TypeKind::enumeration:
    case TypeKind::set:
    case TypeKind::array:
    case TypeKind::other:
      return Fit::other;
    default:
      return fit_integer(type.kind, name, modifier);
  }
}

}  // namespace weir::postgres
