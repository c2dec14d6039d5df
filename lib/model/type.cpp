// SPDX-License-Identifier: Apache-2.0
#include "model/type.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

constexpr auto kTypeKinds = std::to_array<TypeKindRow>({
    {TypeKind::boolean, "boolean", "'0' or '1'"},
    {TypeKind::int8, "int8", "decimal digits, '-' in front of a negative value"},
    {TypeKind::int16, "int16", "as int8"},
    {TypeKind::int32, "int32", "as int8"},
    {TypeKind::int64, "int64", "as int8"},
    {TypeKind::uint8, "uint8", "decimal digits"},
    {TypeKind::uint16, "uint16", "as uint8"},
    {TypeKind::uint32, "uint32", "as uint8"},
    {TypeKind::uint64, "uint64", "as uint8"},
    {TypeKind::decimal, "decimal",
     "decimal digits with exactly `scale` digits after the point; where the precision is 0, any "
     "number of them, or NaN, Infinity, -Infinity"},
    {TypeKind::float32, "float32", "a decimal number that reads back as the same 32-bit value"},
    {TypeKind::float64, "float64", "a decimal number that reads back as the same 64-bit value"},
    {TypeKind::text, "text", "UTF-8"},
    {TypeKind::bytes, "bytes", "the bytes themselves"},
    {TypeKind::bits, "bits", "`length` characters '0' or '1', highest bit first"},
    {TypeKind::date, "date",
     "YYYY-MM-DD; also longer years, a trailing BC, infinity and -infinity where the source has "
     "them"},
    {TypeKind::time, "time", "[-]HH:MM:SS[.f], hours up to 838, `precision` digits of the second"},
    {TypeKind::datetime, "datetime",
     "YYYY-MM-DD HH:MM:SS[.f], wall-clock time, never shifted, at most `precision` digits of the "
     "second; otherwise as date"},
    {TypeKind::timestamp, "timestamp", "as datetime, in UTC"},
    {TypeKind::year, "year", "four digits"},
    {TypeKind::json, "json", "JSON text in UTF-8"},
    {TypeKind::enumeration, "enum", "the label in UTF-8; the error value is the empty text"},
    {TypeKind::set, "set", "the labels in the order of their definition, joined with ','"},
    {TypeKind::uuid, "uuid", "36 characters in lowercase"},
    {TypeKind::inet, "inet", "an IPv4 or IPv6 address as text"},
    {TypeKind::geometry, "geometry", "EWKB, little-endian; plain WKB where the SRID is 0"},
    {TypeKind::vector, "vector", "`length` little-endian 32-bit floats"},
    {TypeKind::interval, "interval",
     "an ISO 8601 duration; each field has its own sign: P1Y2M-3DT4H5M6.7S"},
    {TypeKind::array, "array", "PostgreSQL's array literal: {1,NULL,\"a b\"}"},
    {TypeKind::other, "other", "the text form that the source's server itself prints"},
});

}  // namespace

std::span<const TypeKindRow> type_kinds() { return kTypeKinds; }

std::string_view to_string(TypeKind kind) {
  return std::find_if(kTypeKinds.begin(), kTypeKinds.end(),
                      [kind](const TypeKindRow& row) { return row.kind == kind; })
      ->name;
}

}  // namespace weir
