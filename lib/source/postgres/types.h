// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/type.h"

namespace weir::pgsource {

/// What a row of the type table is about: one type by its name, or all types of a class.
enum class TypeClass : std::uint8_t { named, array, enumeration, composite, range, any };

/// One row of the table of PostgreSQL's column types. The first row that fits decides.
struct TypeRow {
  TypeClass type_class;
  std::string_view typname;  ///< pg_type.typname; "" for a class
  std::string_view native;   ///< as format_type() writes it, without length or precision
  TypeKind kind;
  std::string_view note;  ///< for weir-types(7): one sentence without a full stop, or ""
};

/// The whole table: what weir-types(7) is made from.
std::span<const TypeRow> type_rows();

/// A column's type as the catalogue has it; of a domain, its base.
struct NativeType {
  std::string typname;
  std::string shown;  ///< format_type() with an empty search_path: a foreign type has its schema
  char typtype = 'b';
  bool is_array = false;
  int modifier = -1;                ///< atttypmod, or the domain's
  std::vector<std::string> labels;  ///< of an enum
};

ColumnType column_type(const NativeType& from);

}  // namespace weir::pgsource
