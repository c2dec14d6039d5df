// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
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

/// Whether the full stage can read the table in the order of `key` (places in Table::columns): an
/// index gives that order, and each part has a type whose values can be compared with a literal.
bool can_read_in_order(const Table& table, std::span<const std::uint32_t> key);

}  // namespace weir::mysql
