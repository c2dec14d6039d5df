// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "client/mysql.h"
#include "model/table_plan.h"
#include "target/mysql/types.h"

namespace weir::mysqltarget {

/// Writes the definitions of target tables for one server. Sends nothing.
class TableSql {
 public:
  /// `native`: the source is a MySQL or MariaDB, whose definitions are kept.
  TableSql(const MysqlConnection& connection, Dialect dialect, bool native)
      : connection_(connection), dialect_(std::move(dialect)), native_(native) {}

  const Dialect& dialect() const { return dialect_; }

  /// CREATE TABLE IF NOT EXISTS with its key, without the other indexes.
  std::string create(const TablePlan& plan) const;

  /// A column as ADD COLUMN and MODIFY COLUMN take it, its name first. `fill` is what the rows that
  /// are there get as its default, instead of its own.
  std::string column(const TablePlan& plan, std::size_t place,
                     const std::string* fill = nullptr) const;
  /// " DEFAULT ..." of a column; "" if it has none that this server takes.
  std::string default_clause(const TablePlan& plan, std::size_t place) const;

  /// The parts of the key in brackets.
  std::string key(const TablePlan& plan) const;

  /// One index as ALTER TABLE takes it, or why this target has no such index.
  struct IndexSql {
    std::string sql;     ///< "" if there is a reason
    std::string reason;  ///< also set beside `sql`: it was built, but not as it is on the source
    bool fulltext = false;
  };
  IndexSql index(const TablePlan& plan, const Index& index) const;

  std::vector<ColumnShape> shapes(const TablePlan& plan) const;

 private:
  std::string default_literal(const PlannedColumn& column, const ColumnShape& shape,
                              const std::string& text) const;

  const MysqlConnection& connection_;
  Dialect dialect_;
  bool native_;
};

/// Whether `index` stands behind the key that the target table has anyway.
bool is_key_index(const TablePlan& plan, const Index& index);

}  // namespace weir::mysqltarget
