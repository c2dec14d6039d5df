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

/// Where a column of a changed table comes from.
struct ColumnOrigin {
  static constexpr std::uint32_t kNew = 0xffffffff;

  std::uint32_t before = kNew;  ///< its place in the earlier definition, or kNew
  /// Of a new column: what the rows hold that were there before it, in neutral form; empty = NULL.
  std::optional<std::string> fill;
  std::string fill_unknown;  ///< why `fill` cannot be told: an expression; "" if it can
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
  /// The whole definition of a selected table from here on, if it changed and could be read.
  std::shared_ptr<const Table> definition;
  std::vector<ColumnOrigin> origins;  ///< one for each column of `definition`
  std::string unreadable;             ///< why there is no definition though there should be one
};

std::string to_string(SchemaChange::Kind kind);

}  // namespace weir
