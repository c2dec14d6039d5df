// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/cell.h"
#include "model/offset.h"
#include "model/table.h"
#include "model/task.h"

namespace weir {

/// One column of a target table.
struct PlannedColumn {
  static constexpr std::uint32_t kAdded = 0xffffffff;

  std::string name;               ///< on the target
  std::uint32_t source = kAdded;  ///< place in Table::columns, or kAdded
  ColumnType type;                ///< neutral
  std::string target_type;  ///< as the target spells it; set by a `type` rule, else by the target
  bool nullable = true;
  std::string constant;  ///< of an added column: the template from the task file

  bool added() const { return source == kAdded; }
};

/// What weir does with one source table: the outcome of the mapping rules. No database is asked
/// to make one (mapping/rules.h), and every stage works from it.
struct TablePlan {
  std::uint32_t id = 0;  ///< its place among the task's tables; RowChange::table
  Table source;
  TableName target;
  std::vector<PlannedColumn> columns;  ///< source columns in source order, then the added ones
  /// Places in `columns`; empty for a table whose rows are told apart by all their columns.
  std::vector<std::uint32_t> key;
  bool key_is_primary = false;  ///< the key is the source's own primary or unique key
  DeletePolicy deletes;
  ExistingPolicy existing = ExistingPolicy::refuse;
  std::uint32_t rule = 0;  ///< the [[table]] rule that took it, from 0
  /// The table's changes count from here on: what is at or before it came with the copy. Empty if
  /// they all count. `source` is the definition at this place, or later if DDL was applied since.
  Offset since;
};

/// "id = 5, code = x" for a message: which row it is about. `cells` has one for each planned
/// column, or at least up to the last of the key. At most some hundred bytes.
std::string key_text(const TablePlan& plan, Row cells);

}  // namespace weir
