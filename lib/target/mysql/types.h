// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/table_plan.h"
#include "model/type.h"

namespace weir::mysqltarget {

/// How a neutral cell becomes bytes for MySQL.
enum class Encoding : std::uint8_t {
  number,    ///< digits, never quoted
  decimal,   ///< any number of digits: more than 30 after the point are refused, not rounded
  single,    ///< 32-bit float, written as the 64-bit value that it is
  real,      ///< 64-bit float
  temporal,  ///< a date with or without time: quoted, of the years 0000 to 9999
  text,      ///< UTF-8: quoted and escaped
  bytes,     ///< escaped, without a character set
  bits,      ///< packed
  geometry,  ///< the server's own format: SRID, WKB
};

/// One row of the table that maps neutral types to MySQL's, for sources of another kind. A source
/// of the same kind keeps the types that it has.
struct TypeRow {
  TypeKind kind;
  std::string_view target;  ///< template: {length} {precision} {scale}
  std::string_view note;    ///< for weir-types(7): one sentence without a full stop, or ""
};

std::span<const TypeRow> type_rows();
const TypeRow& type_row(TypeKind kind);

/// The types of all columns of a plan, without character sets. `native`: the source is a MySQL or
/// MariaDB, and its own spelling is kept.
std::vector<std::string> planned_types(const TablePlan& plan, bool native);

/// What a server can do that another may not.
struct Dialect {
  bool mariadb = false;
  std::uint64_t version = 0;         ///< 101106 for 10.11.6
  std::set<std::string> collations;  ///< by their full names
  /// The server adds no DEFAULT CURRENT_TIMESTAMP ON UPDATE of its own to TIMESTAMP columns.
  bool explicit_timestamps = true;
};

/// A column as this server can have it.
struct ColumnShape {
  std::string type;
  std::string charset;    ///< "" where the type has none, or the rule says it all
  std::string collation;  ///< likewise
  std::string replaced;   ///< what it is instead of, where the server does not know that; else ""
};

/// The column at `place`; `planned` is its entry of planned_types(). What a `type` rule says is
/// taken as it is.
ColumnShape shape_of(const TablePlan& plan, std::size_t place, const std::string& planned,
                     bool native, const Dialect& dialect);

/// The collation in which two texts are equal only if their bytes are.
std::string exact_collation(const Dialect& dialect);

/// A column as the target's catalogue has it.
struct ExistingColumn {
  std::string name;
  std::string data_type;    ///< "varchar"
  std::string column_type;  ///< "varchar(20)"
  std::string charset;      ///< "" where NULL
  std::string collation;
  std::uint64_t characters = 0;
  std::uint64_t octets = 0;
  std::uint16_t precision = 0;
  std::uint16_t scale = 0;
  std::uint16_t second_digits = 0;
  bool nullable = true;
  bool has_default = false;
  bool generated = false;
  bool on_update = false;  ///< the server sets it by itself when a row changes
};

/// How cells of `type` are written into `column`.
Encoding encoding_for(const ColumnType& type, const ExistingColumn& column);

/// Whether a text in UTF-8 must be converted by the server on its way into the column, because the
/// bytes of a file have no character set.
bool needs_conversion(Encoding encoding, const ExistingColumn& column);

/// Whether a column that exists can hold every value of `type`.
enum class Fit : std::uint8_t { fits, narrow, other };
Fit fit(const ColumnType& type, const ExistingColumn& column);

/// The most bytes that the column takes in an index; 0 if it has no limit.
std::uint64_t index_bytes(const std::string& type, const std::string& charset);

/// The longest key of an index of InnoDB's, in bytes.
constexpr std::uint64_t kMaxKeyBytes = 3072;

/// "varchar" of "varchar(20) unsigned".
std::string_view type_word(std::string_view type);

}  // namespace weir::mysqltarget
