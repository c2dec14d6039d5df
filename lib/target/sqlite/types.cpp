// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace weir::sqlite {
namespace {

/// Digits that a decimal keeps on its way through a 64-bit float.
constexpr int kRealDigits = 15;
/// Digits that always fit into a 64-bit integer.
constexpr int kIntegerDigits = 18;

constexpr auto kTypes = std::to_array<TypeRow>({
    {TypeKind::boolean, "INTEGER", "0 or 1"},
    {TypeKind::int8, "INTEGER", ""},
    {TypeKind::int16, "INTEGER", ""},
    {TypeKind::int32, "INTEGER", ""},
    {TypeKind::int64, "INTEGER", ""},
    {TypeKind::uint8, "INTEGER", ""},
    {TypeKind::uint16, "INTEGER", ""},
    {TypeKind::uint32, "INTEGER", ""},
    {TypeKind::uint64, "ANY", "an integer up to 2^63 - 1, its digits as text beyond"},
    {TypeKind::decimal, "REAL",
     "up to 15 digits, which a 64-bit float keeps; INTEGER without a scale and up to 18 digits; "
     "TEXT beyond, as the source prints it: cast it before comparing it with a number"},
    {TypeKind::float32, "REAL", "the sign of -0 is lost; NaN is refused, say ANY in a type rule"},
    {TypeKind::float64, "REAL", "the sign of -0 is lost; NaN is refused, say ANY in a type rule"},
    {TypeKind::text, "TEXT",
     "any length up to 10^9 bytes; compared byte by byte, whatever the source's collation; a NUL "
     "character is kept, but functions such as length() stop at it"},
    {TypeKind::bytes, "BLOB", "any length up to 10^9 bytes"},
    {TypeKind::bits, "TEXT", "characters 0 and 1, highest bit first"},
    {TypeKind::date, "TEXT",
     "YYYY-MM-DD, as SQLite's date functions read it; zero dates: see types.zero_dates in "
     "weir.toml(5)"},
    {TypeKind::time, "TEXT", "[-]HH:MM:SS[.f]; MySQL's TIME goes from -838 to 838 hours"},
    {TypeKind::datetime, "TEXT", "YYYY-MM-DD HH:MM:SS[.f], wall-clock time, never shifted"},
    {TypeKind::timestamp, "TEXT", "YYYY-MM-DD HH:MM:SS[.f] in UTC"},
    {TypeKind::year, "INTEGER", ""},
    {TypeKind::json, "TEXT", "the text as it is, as SQLite's JSON functions read it"},
    {TypeKind::enumeration, "TEXT", ""},
    {TypeKind::set, "TEXT", ""},
    {TypeKind::uuid, "TEXT", ""},
    {TypeKind::inet, "TEXT", ""},
    {TypeKind::geometry, "BLOB", "EWKB"},
    {TypeKind::vector, "BLOB", "little-endian 32-bit floats"},
    {TypeKind::interval, "TEXT", ""},
    {TypeKind::array, "TEXT", ""},
    {TypeKind::other, "TEXT", ""},
});

bool is_float(TypeKind kind) { return kind == TypeKind::float32 || kind == TypeKind::float64; }

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

Error not_a_number(std::string_view column) {
  return Error(ExitCode::refused, "sqlite.nan",
               fmt::format("the column {} holds NaN, which a REAL cannot", column),
               "SQLite would store NULL in its place",
               fmt::format("say type = {{ {} = \"ANY\" }} in the table rule, which keeps NaN as "
                           "text, and begin the table anew",
                           column));
}

void bind_real(SqliteStatement& statement, std::string_view text, bool keep_nan,
               std::string_view column) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  // What is out of range stays what it is, for the table to judge.
  if (at != end || error != std::errc{}) {
    statement.bind_view(text);
  } else if (!std::isnan(value)) {
    statement.bind(value);
  } else if (keep_nan) {
    statement.bind_view(text);
  } else {
    throw not_a_number(column);
  }
}

}  // namespace

std::span<const TypeRow> type_rows() { return kTypes; }

const TypeRow& type_row(TypeKind kind) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [kind](const TypeRow& row) { return row.kind == kind; });
}

std::string target_type(const ColumnType& type) {
  if (type.kind == TypeKind::decimal) {
    if (type.precision == 0) return "TEXT";
    if (type.scale == 0 && type.precision <= kIntegerDigits) return "INTEGER";
    if (type.precision > kRealDigits) return "TEXT";
  }
  return std::string(type_row(type.kind).target);
}

Encoding encoding(const ColumnType& type, std::string_view declared) {
  switch (storage(declared, true)) {
    case Storage::integer:
      return Encoding::integer;
    case Storage::real:
      return Encoding::real;
    case Storage::blob:
      return Encoding::blob;
    case Storage::any: {
      if (is_float(type.kind)) return Encoding::real_or_nan;
      const Storage usual = storage(target_type(type), true);
      if (usual == Storage::integer || type.kind == TypeKind::uint64) return Encoding::integer;
      return usual == Storage::blob ? Encoding::blob : Encoding::text;
    }
    default:
      return Encoding::text;
  }
}

void bind(SqliteStatement& statement, Cell cell, Encoding encoding, std::string_view column) {
  if (!cell.has_value()) {
    if (cell.is_absent()) throw bug("an absent cell in a statement that sets all columns");
    statement.bind(nullptr);
    return;
  }
  const std::string_view text = cell.text();
  switch (encoding) {
    case Encoding::integer: {
      std::int64_t value = 0;
      const char* const end = text.data() + text.size();
      const auto [at, error] = std::from_chars(text.data(), end, value);
      if (at == end && error == std::errc{}) {
        statement.bind(value);
      } else {
        statement.bind_view(text);
      }
      return;
    }
    case Encoding::real:
      bind_real(statement, text, false, column);
      return;
    case Encoding::real_or_nan:
      bind_real(statement, text, true, column);
      return;
    case Encoding::text:
      statement.bind_view(text);
      return;
    case Encoding::blob:
      statement.bind_blob_view(text);
      return;
  }
}

Storage storage(std::string_view declared, bool strict) {
  const std::string type = to_lower(declared);
  if (strict) {
    if (type == "integer" || type == "int") return Storage::integer;
    if (type == "real") return Storage::real;
    if (type == "text") return Storage::text;
    if (type == "blob") return Storage::blob;
    return type == "any" ? Storage::any : Storage::unknown;
  }
  if (contains(type, "int")) return Storage::integer;
  if (contains(type, "char") || contains(type, "clob") || contains(type, "text")) {
    return Storage::text;
  }
  if (type.empty() || contains(type, "blob")) return Storage::any;
  if (contains(type, "real") || contains(type, "floa") || contains(type, "doub")) {
    return Storage::real;
  }
  return Storage::numeric;
}

Fit fit(const ColumnType& type, Storage storage_there) {
  if (storage_there == Storage::any) return Fit::fits;
  const Storage planned = storage(target_type(type), true);
  if (storage_there == planned) return Fit::fits;
  switch (planned) {
    case Storage::integer:
      if (storage_there == Storage::text || storage_there == Storage::numeric) return Fit::fits;
      // A float has every integer up to 2^53.
      if (storage_there == Storage::real) {
        return type.kind == TypeKind::int64 || type.kind == TypeKind::decimal ? Fit::narrow
                                                                              : Fit::fits;
      }
      return Fit::other;
    case Storage::real:
      if (storage_there == Storage::numeric) return Fit::fits;
      if (storage_there == Storage::blob) return Fit::other;
      // SQLite writes a float as text with 15 digits.
      return storage_there == Storage::text && !is_float(type.kind) ? Fit::fits : Fit::narrow;
    case Storage::any:  // uint64
      if (storage_there == Storage::text) return Fit::fits;
      return storage_there == Storage::blob ? Fit::other : Fit::narrow;
    case Storage::text:
      // Digits beyond what a float keeps would be cut off.
      return type.kind == TypeKind::decimal && storage_there != Storage::blob ? Fit::narrow
                                                                              : Fit::other;
    default:
      return Fit::other;
  }
}

}  // namespace weir::sqlite
