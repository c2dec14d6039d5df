// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/mysql.h"
#include "model/catalogue.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "model/task.h"

namespace weir::mysql {

/// What a server says about itself and the selected tables: read once, judged by pure rules.
/// Empty optionals are facts that the account may not see.
struct Facts {
  bool is_new = true;  ///< the task will take a start position
  bool is_mariadb = false;
  std::string version;
  std::optional<bool> log_bin;
  std::optional<std::string> binlog_format;
  std::optional<std::string> row_image;
  std::optional<std::string> row_metadata;
  std::optional<std::string> row_value_options;
  std::optional<bool> gtid_mode;
  std::optional<std::string> server_id;
  std::optional<bool> is_replica;
  std::optional<bool> logs_replica_updates;
  std::optional<std::uint64_t> expire_seconds;  ///< 0 = the log is not purged by age
  std::optional<std::vector<std::string>> prepared_xa;
  std::optional<std::vector<std::string>> logged_schemas;    ///< binlog_do_db
  std::optional<std::vector<std::string>> unlogged_schemas;  ///< binlog_ignore_db
  std::string replication_denied;    ///< why the log cannot be read; "" if it can
  std::string start_method_missing;  ///< why no safe start position can be taken; "" if it can

  struct TableFacts {
    const TablePlan* plan = nullptr;
    TableName source;
    std::string name;
    std::string schema;
    std::string engine;
    std::string select_denied;  ///< "" if every planned column may be read
    bool moved_on = false;      ///< ... because the table or a column is no longer there
    bool keyless = false;       ///< to be copied from one exact snapshot
    std::string lock_denied;    ///< why that snapshot is denied; "" if it is not, or not wanted
    std::vector<std::string> cascades;       ///< foreign keys that change rows without logging them
    std::vector<std::string> unsure_labels;  ///< columns whose labels information_schema may garble
  };
  std::vector<TableFacts> tables;

  /// The heartbeat table, if the task has a heartbeat.
  struct HeartbeatFacts {
    enum class State : std::uint8_t { writable, denied, missing, refused };
    State state = State::writable;
    std::string evidence;  ///< why it cannot be written to; "" if it can be, once it is made
    std::string schema;
    std::string statements;  ///< that make it and let the account write to it
  };
  std::optional<HeartbeatFacts> heartbeat;
};

Facts gather(MysqlConnection& connection, const Task& task, std::span<const TablePlan> plans,
             bool is_new);

/// Facts as JSON, without a secret, and back. decode_facts() throws what read_facts() does.
std::string encode_facts(const Facts& facts);
Facts decode_facts(std::string_view text);

/// Every rule over `facts`: findings in the order of the table of rules.
std::vector<Finding> judge(const Facts& facts);

/// The checks of this kind, for the catalogue of ids.
std::vector<CatalogueRow> check_rows();

}  // namespace weir::mysql
