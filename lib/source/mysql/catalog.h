// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "client/mysql.h"
#include "model/table.h"
#include "model/task.h"

namespace weir::mysql {

/// The base tables that the account sees, without the server's own schemas, sorted by name.
std::vector<TableName> list_tables(MysqlConnection& connection);

/// The definitions of `names`, in that order, from information_schema: a few queries per schema,
/// whatever the number of tables. Throws Error(not_found, "mysql.no-table").
std::vector<Table> describe_tables(MysqlConnection& connection, const TypeSettings& types,
                                   std::span<const TableName> names);

/// One collation that a server knows.
struct Collation {
  std::uint32_t id = 0;
  std::string name;
  std::string charset;
  bool is_default = false;  ///< of its charset
};

std::vector<Collation> read_collations(MysqlConnection& connection);

/// What every definition goes through at last. Expects all indexes in `indexes`, the primary key
/// under the name PRIMARY, and no key: puts the indexes in the order of their names and chooses the
/// columns that identify a row.
void choose_key(Table& table);

/// Whether the index can be a Table::key: unique, without nullable or prefix parts.
bool identifies_rows(const Table& table, const Index& index);

/// The order of Table::indexes.
bool index_before(const Index& a, const Index& b);

/// Whether two definitions say the same; sizes are no part of them.
bool same_definition(const Table& a, const Table& b);

/// Whether the full stage can read the table in the order of `key` (places in Table::columns): an
/// index gives that order, and each part has a type whose values can be compared with a literal.
bool can_read_in_order(const Table& table, std::span<const std::uint32_t> key);

}  // namespace weir::mysql
