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
  std::uint64_t version_number = 0;  ///< 101106 for 10.11.6
  std::string product;  ///< that speaks the protocol and is neither MySQL nor MariaDB; "" otherwise
  std::string service;  ///< "Amazon RDS" and the like; "" for a server of one's own
  std::string account;  ///< as GRANT wants it: 'weir'@'%'
  std::optional<bool> log_bin;
  std::optional<std::string> binlog_format;
  std::optional<std::string> row_image;
  std::optional<std::string> row_metadata;
  std::optional<std::string> row_value_options;
  std::optional<std::string> gtid_mode;  ///< of MySQL
  /// Of MariaDB: where a domain's newest transaction has a smaller number than an older one.
  std::vector<std::string> unordered_domains;
  std::optional<std::string> server_id;
  std::optional<bool> is_replica;
  std::optional<bool> logs_replica_updates;
  std::vector<std::string> standing_channels;   ///< of a replica: those that apply nothing, and why
  std::string expiry_name;                      ///< of the setting that purges the log by age
  std::optional<std::uint64_t> expire_seconds;  ///< 0 = the log is not purged by age
  std::optional<std::vector<std::string>> prepared_xa;       ///< each as XA COMMIT wants it
  std::optional<std::vector<std::string>> logged_schemas;    ///< binlog_do_db
  std::optional<std::vector<std::string>> unlogged_schemas;  ///< binlog_ignore_db
  std::string replication_denied;    ///< why the account may not read the log; "" if it may
  std::string log_unreadable;        ///< why it cannot be read although it may; "" if it can
  std::string start_method_missing;  ///< why no safe start position can be taken; "" if it can
  bool logs_cascades = false;        ///< what foreign keys change is in the log

  /// A replica that is connected to the server.
  struct ReplicaFacts {
    std::uint32_t id = 0;
    std::string host;  ///< as it calls itself
  };
  std::uint32_t replica_id = 0;      ///< that the task will show
  bool replica_id_is_given = false;  ///< by the task file
  std::optional<std::vector<ReplicaFacts>> replicas;

  bool takes_read_lock = false;  ///< a start position costs a global read lock
  /// A session that would keep a lock waiting.
  struct SessionFacts {
    std::uint64_t id = 0;
    std::string account;
    std::uint64_t seconds = 0;
  };
  /// Asked only where a task would lock something.
  std::optional<std::vector<SessionFacts>> long_sessions;

  std::int64_t connections_left = 0;
  std::string connections_limit;  ///< what limits them: "max_connections = 151, 151 in use"
  std::int64_t connections_wanted = 0;

  /// A table that a tool for online schema changes keeps beside `table`.
  struct ShadowFacts {
    TableName table;
    TableName shadow;
  };
  std::vector<ShadowFacts> shadows;
  std::vector<TableName> views;  ///< in the schemas of the task

  struct ForeignKeyFacts {
    std::string name;
    TableName refers_to;
    std::string on_delete;
    std::string on_update;
  };

  struct TableFacts {
    const TablePlan* plan = nullptr;
    TableName source;
    std::string name;
    std::string schema;
    std::string engine;
    std::string select_denied;   ///< "" if every planned column may be read
    bool moved_on = false;       ///< ... because the table or a column is no longer there
    std::string columns_hidden;  ///< why not all columns may be read, though the planned ones may
    bool keyless = false;        ///< to be copied from one exact snapshot
    std::string lock_denied;     ///< why that snapshot is denied; "" if it is not, or not wanted
    bool partitioned = false;
    bool read_in_order = true;  ///< in chunks of its key
    std::vector<ForeignKeyFacts> foreign_keys;
    std::vector<std::string> unsure_labels;  ///< columns whose labels information_schema may garble
    std::vector<std::string> zero_dates;     ///< columns in whose sample the task would stop
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
