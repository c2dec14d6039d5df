// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/sqlite.h"
#include "model/table_plan.h"
#include "target/sqlite/types.h"

namespace weir::sqlite {

/// The table's name as SQL. There is one schema, and the plan says so (NameRules::schema).
std::string table_sql(const TablePlan& plan);

/// One column of a table that is there, or is to be made.
struct TableColumn {
  std::string name;
  std::string declared;  ///< its type
  bool not_null = false;
  bool generated = false;
  std::optional<std::string> default_sql;
};

/// A table, as the file's catalogue describes it.
struct ExistingTable {
  bool is_table = false;  ///< neither a view nor virtual
  bool strict = false;
  bool has_rowid = true;
  std::vector<TableColumn> columns;
  std::vector<std::string> key;  ///< of the primary key, in its order

  const TableColumn* find(std::string_view name) const;
};

/// Empty if nothing has this name.
std::optional<ExistingTable> describe(const SqliteDatabase& database, const std::string& table);

/// What ensure_table() makes of a plan.
ExistingTable planned_table(const TablePlan& plan);
/// The statement that makes a table under `name`.
std::string create_sql(const ExistingTable& table, const std::string& name);

/// What an index of the source is called here: names are unique in a file, and per table there.
std::string index_name(const std::string& table, const std::string& index);

/// The statement that builds an index of the source: "" if it is there, or cannot be.
struct IndexSql {
  std::string sql;
  std::string left_out;  ///< why it cannot be built, one sentence; "" if it can
};
IndexSql index_sql(const SqliteDatabase& database, const TablePlan& plan, const Index& index);

/// Whether a unique index, the primary key or the rowid finds a row by exactly the plan's key.
bool has_key(const SqliteDatabase& database, const TablePlan& plan);

}  // namespace weir::sqlite
