// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "client/pq.h"
#include "model/table.h"

namespace weir::pgsource {

/// The ordinary and partitioned tables of the database, sorted by name; a partition goes with its
/// root. Without the server's own schemas, temporary tables and what belongs to an extension.
std::vector<TableName> list_tables(PgConnection& connection);

/// How generated columns take part: the change log has none of them before PostgreSQL 18, and
/// there the stored ones if the publication says so.
enum class GeneratedColumns : std::uint8_t { left_out, stored };

/// The definitions of `names`, in that order: a few queries, whatever the number of tables. Columns
/// that the change log lacks are not in them. Throws Error(not_found, "postgres.no-table").
std::vector<Table> describe_tables(PgConnection& connection, GeneratedColumns generated,
                                   std::span<const TableName> names);

/// Whether `expression`, as pg_get_expr() writes it, is a literal and nothing else.
bool is_literal(std::string_view expression);

/// Whether the full stage can read the table in the order of `key` (places in Table::columns): an
/// index gives that order, and each part has a type whose operators are the server's own.
bool can_read_in_order(const Table& table, std::span<const std::uint32_t> key);

/// "schema"."table".
std::string qualified(const TableName& name);

}  // namespace weir::pgsource
