// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "model/cell.h"
#include "model/table.h"

namespace weir {

/// One changed row as the change log tells it. The cells are in the order of Table::columns, and
/// are valid only during the call that hands them over.
struct RowChange {
  enum class Op : std::uint8_t { insert, update, remove };
  Op op = Op::insert;
  std::uint32_t table = 0;  ///< TablePlan::id
  Row before;               ///< update, remove
  Row after;                ///< insert, update
};

/// A change of definition (DDL), or another statement that acts on a whole table.
struct SchemaChange {
  enum class Kind : std::uint8_t {
    create_table,
    drop_table,
    rename_table,
    truncate_table,
    add_column,
    drop_column,
    alter_column,
    drop_rows,  ///< removes rows without logging them: DROP PARTITION, EXCHANGE PARTITION, ...
    other,
  };
  Kind kind = Kind::other;
  TableName table;     ///< the source table it is about
  TableName new_name;  ///< rename_table
  std::string sql;     ///< as the source logged it
  Time time{};
};

std::string to_string(SchemaChange::Kind kind);

}  // namespace weir
