// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "client/sqlite.h"
#include "model/cell.h"
#include "model/type.h"

namespace weir::sqlite {

/// How a neutral cell is bound to a statement.
enum class Encoding : std::uint8_t {
  integer,      ///< a 64-bit integer, and text where the digits do not fit
  real,         ///< a 64-bit float; NaN is refused, for SQLite would make it NULL
  real_or_nan,  ///< a 64-bit float, and NaN as text
  text,
  blob,
};

/// One row of the table that maps neutral types to SQLite's.
struct TypeRow {
  TypeKind kind;
  std::string_view target;
  std::string_view note;  ///< for weir-types(7): one sentence without a full stop, or ""
};

std::span<const TypeRow> type_rows();
const TypeRow& type_row(TypeKind kind);

/// The type of a column in a STRICT table.
std::string target_type(const ColumnType& type);

/// How the values of `type` go into a column that weir declares as `declared`: a type of its own or
/// one from a `type` rule.
Encoding encoding(const ColumnType& type, std::string_view declared);

/// Binds one cell. `column` is for the error only.
void bind(SqliteStatement& statement, Cell cell, Encoding encoding, std::string_view column);

/// What a column can keep: the five types of a STRICT table, or the affinity that SQLite reads from
/// the declared type of any other table.
enum class Storage : std::uint8_t { integer, real, text, blob, any, numeric, unknown };
Storage storage(std::string_view declared, bool strict);

/// Whether a column that exists can hold every value of `type`.
enum class Fit : std::uint8_t { fits, narrow, other };
Fit fit(const ColumnType& type, Storage storage);

}  // namespace weir::sqlite
