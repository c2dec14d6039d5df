// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/type.h"

namespace weir::postgres {

/// How a neutral cell becomes bytes for PostgreSQL.
enum class Encoding : std::uint8_t {
  plain,    ///< digits, dates and the like: nothing to escape
  escaped,  ///< text: COPY needs escapes
  hex,      ///< bytes: bytea
  vector,   ///< little-endian floats: an array of real
};

/// One row of the table that maps neutral types to PostgreSQL's.
struct TypeRow {
  TypeKind kind;
  std::string_view target;  ///< template: {length} {precision} {scale}
  Encoding encoding;
  std::string_view note;  ///< for weir-types(7): one sentence without a full stop, or ""
};

std::span<const TypeRow> type_rows();
const TypeRow& type_row(TypeKind kind);

/// The PostgreSQL type for `type`: "numeric(20,4)".
std::string target_type(const ColumnType& type);

/// The type that a column of a PostgreSQL source keeps here: its own, if every server has it. ""
/// for a type of the source's user or of an extension, and for one whose values name objects that
/// the source alone has.
std::string kept_type(const ColumnType& type);

/// Whether a column that exists can hold every value of `type`.
enum class Fit : std::uint8_t { fits, narrow, other };
/// `name` is pg_type.typname, `modifier` atttypmod.
Fit fit(const ColumnType& type, std::string_view name, int modifier);

}  // namespace weir::postgres
