// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
    rename_column,
    change_type,  ///< of a column; also whether it may be NULL, its character set, its counting
    change_key,
    default_value,
    comment,
    index,
    drop_rows,  ///< removes rows without logging them: DROP PARTITION, EXCHANGE PARTITION, ...
    shadow,     ///< only to be remembered: Table::shadows; no policy asks about it
    other,      ///< options, places of columns, partitions: what no row and no target shows
  };
  /// A statement may do several things: this is the one that weighs most, as far as its words tell.
  /// What it did to `definition` tells exactly (mapping/ddl.h).
  Kind kind = Kind::other;
  TableName table;     ///< the source table it is about
  TableName new_name;  ///< rename_table
  /// Of a table that comes to be: the one that it is made for, if its name is one of those that
  /// tools for online schema changes give to their own tables; else empty.
  TableName serves;
  std::string sql;  ///< as the source logged it
  Time time{};
  /// The whole definition of a selected table from here on, if it changed and could be read.
  std::shared_ptr<const Table> definition;
  std::vector<ColumnOrigin> origins;  ///< one for each column of `definition`
  std::string unreadable;             ///< why there is no definition though there should be one
};

std::string to_string(SchemaChange::Kind kind);

}  // namespace weir
