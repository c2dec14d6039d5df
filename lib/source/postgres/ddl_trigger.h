// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/pq.h"
#include "source/postgres/relation.h"

namespace weir::pgsource {

/// What the messages of weir's event triggers are called in the log.
constexpr std::string_view kDdlPrefix = "weir.ddl";

/// What one such message tells.
struct DdlMessage {
  enum class Kind : std::uint8_t {
    definition,  ///< a table was made or altered: it is as `columns` say
    drop_table,
    drop_column,
  };
  Kind kind = Kind::definition;
  std::uint32_t table = 0;  ///< its oid
  std::uint32_t root = 0;   ///< of a partition: the oid of the table at the top; else 0
  int column = 0;           ///< drop_column: the number it had
  std::string column_name;
  std::string schema;
  std::string name;
  std::string sql;                ///< the statement, cut if it is long
  bool created = false;           ///< the table is new
  bool moves_partitions = false;  ///< a partition with rows was attached or detached
  std::vector<ColumnFacts> columns;
};

/// Throws Error(failed, "postgres.ddl-message").
DdlMessage read_ddl_message(std::string_view content);

/// The statements that install the functions and triggers, for a superuser.
std::string ddl_trigger_sql();

/// Makes sure that they are there as this version wants them. Throws Error(refused,
/// "postgres.ddl-triggers"), with the statements, if the role may not make them.
void ensure_ddl_triggers(PgConnection& connection);

}  // namespace weir::pgsource
