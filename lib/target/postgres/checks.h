// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/pq.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "target/postgres/control.h"
#include "target/target.h"

namespace weir::postgres {

/// What a server says about itself and the target tables: read once, judged by pure rules.
struct Facts {
  struct ExistingColumn {
    std::string type;  ///< pg_type.typname
    int modifier = -1;
    std::string shown;  ///< format_type()
    bool not_null = false;
    bool has_default = false;
    bool generated = false;
    bool always = false;  ///< an identity that takes no value but its own
  };
  struct TableFacts {
    const TablePlan* plan = nullptr;
    TableName source;
    TableName target;
    bool started = false;  ///< the task has this table already
    bool schema_exists = false;
    bool can_create = false;
    bool exists = false;
    bool is_table = false;  ///< ordinary or partitioned table
    bool is_partitioned = false;
    bool has_rows = false;
    bool can_write = false;
    bool owned = false;     ///< else it cannot be altered
    bool can_drop = false;  ///< the schema's owner may as well
    bool can_truncate = false;
    std::vector<std::string> triggers;  ///< its own, and foreign keys
    bool has_key = false;  ///< a unique index, not deferrable, on exactly the plan's key
    std::map<std::string, ExistingColumn> columns;
  };
  int version = 0;
  bool read_only = false;
  bool control_exists = false;
  bool can_create_schema = false;
  bool owns_control = false;
  bool utf8 = false;
  std::string encoding;
  std::string role;
  std::string control_schema;
  bool keeps_zero_dates = false;  ///< the task wants what PostgreSQL cannot do
  /// Types of the source that are no built-in ones, and what they are here; "" if they are not.
  std::map<std::string, std::string> foreign_types;
  bool same_product = false;  ///< the source is a PostgreSQL too: columns keep their types
  long connections_left = 0;
  long connections_wanted = 0;
  std::string connection_limits;
  bool is_new = true;  ///< the target does not know the task
  /// What a change that was rolled back again was refused for; "" if it was not, empty if none was
  /// tried.
  std::optional<std::string> write_problem;
  bool may_leave_out_triggers = true;  ///< the role may set session_replication_role
  std::string alters;     ///< which [ddl] setting has weir alter tables; "" if none does
  std::string truncates;  ///< likewise
  std::vector<TableFacts> tables;
};

Facts gather(PgConnection& connection, const Control& control, const Task& task,
             std::span<const TablePlan> plans, const std::optional<Recovered>& recovered);

/// Facts as JSON, without a secret, and back. decode_facts() throws what read_facts() does.
std::string encode_facts(const Facts& facts);
Facts decode_facts(std::string_view text);

std::vector<Finding> judge(const Facts& facts);

}  // namespace weir::postgres
