// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/mysql.h"
#include "model/finding.h"
#include "model/task.h"
#include "target/mysql/control.h"
#include "target/mysql/table_sql.h"
#include "target/target.h"

namespace weir::mysqltarget {

/// Everything about the target server that decides whether a task can run on it.
struct Facts {
  struct TableFacts {
    const TablePlan* plan = nullptr;
    TableName source;
    TableName target;
    bool started = false;  ///< the task has this table already
    bool schema_exists = false;
    bool can_create = false;
    bool exists = false;
    bool is_table = false;
    bool has_rows = false;
    bool can_write = false;
    bool has_key = false;      ///< a unique index on exactly the plan's key
    std::string alter_denied;  ///< the server's words; "" if the account may alter it
    std::string drop_denied;   ///< likewise: TRUNCATE takes it too
    std::string engine;
    std::vector<std::string> triggers;
    std::vector<std::string> uniques;  ///< unique indexes besides the key
    std::map<std::string, ExistingColumn> columns;
    std::vector<std::string> planned;  ///< planned_types()
    std::vector<ColumnShape> shapes;
  };
  bool mariadb = false;
  std::uint64_t version = 0;
  std::string shown_version;
  bool read_only = false;
  bool local_infile = false;
  bool binlog = false;
  std::string binlog_format;
  std::uint64_t max_packet = 0;
  std::uint64_t binlog_cache = 0;  ///< max_binlog_cache_size
  bool can_keep_control = false;
  std::string control_why;  ///< the server's words, if it cannot
  std::string account;
  std::string control_schema;
  bool is_new = true;  ///< the target does not know the task
  /// What a table of weir's own could not be made or changed for; "" if it could, empty if that was
  /// not tried.
  std::optional<std::string> write_problem;
  std::string alters;         ///< which [ddl] setting has weir alter tables; "" if none does
  std::string truncates;      ///< likewise
  long connections_most = 0;  ///< max_connections
  long connections_left = 0;
  long connections_wanted = 0;
  bool native = false;
  std::vector<TableFacts> tables;
};

Facts gather(MysqlConnection& connection, const TableSql& sql, const Control& control,
             const Task& task, std::span<const TablePlan> plans,
             const std::optional<Recovered>& recovered);

/// Facts as JSON, without a secret, and back. decode_facts() throws what read_facts() does.
std::string encode_facts(const Facts& facts);
Facts decode_facts(std::string_view text);

std::vector<Finding> judge(const Facts& facts);

}  // namespace weir::mysqltarget
