// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "model/table.h"

namespace weir {

/// A place in the task file, for messages. Lines and columns count from 1; 0 = not known.
struct FilePlace {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

enum class Tls : std::uint8_t { off, require, verify_ca, verify_full };

/// One server, as [source] or [target] describes it.
struct Endpoint {
  std::string kind;  ///< a row of the registry: "mysql", "postgres"
  std::string host;
  std::uint16_t port = 0;  ///< 0 = the kind's default
  std::string socket;      ///< MySQL: socket file; PostgreSQL: folder of the socket
  std::string user;
  std::string database;
  std::string path;  ///< of a kind that is a file; it has none of the others
  SecretRef password;
  Tls tls = Tls::off;
  std::string tls_ca;
  /// Target only: the schema that holds weir's own tables.
  std::string control_schema = "weir";
  /// Source only: the replica id weir shows to a MySQL server; 0 = derived from the task's name.
  std::uint32_t server_id = 0;
  /// Source only: how often the task writes its row into the heartbeat table; 0 = never.
  std::chrono::milliseconds heartbeat{0};
  /// Source only: no rule takes this table, whether the task has a heartbeat or another one does.
  TableName heartbeat_table{"weir", "weir_heartbeat"};
  /// Source only, PostgreSQL: names of the replication slot and the publication; "" = derived from
  /// the task's name.
  std::string slot;
  std::string publication;
  bool ddl_triggers = false;  ///< changes of definition are logged by event triggers
  /// The longest that the server may take for one answer; 0 = as long as the work needs. Set by
  /// verbs that must end, not by the task file.
  std::chrono::seconds patience{0};
  FilePlace place;
};

/// Selects names: a glob (`*`, `?`, `[a-z]`) over "schema.table", or an ECMAScript regex that must
/// match the whole of it.
struct Pattern {
  bool regex = false;
  std::string text;
  FilePlace place;
};

/// What becomes of a source DELETE.
struct DeletePolicy {
  enum class Kind : std::uint8_t { apply, ignore, soft };
  Kind kind = Kind::apply;
  std::string column;  ///< soft: the target column that takes the time of the delete
};

/// What becomes of rows that the target table already holds when a task starts.
enum class ExistingPolicy : std::uint8_t { refuse, append, truncate, replace };

/// What to do when the source's change log shows a kind of DDL on a selected table.
enum class DdlAction : std::uint8_t { apply, ignore, alert, stop_table, stop_task };

/// One for each kind of change (SchemaChange::Kind). What adds is applied, what takes away or
/// changes stops the table that it is about.
struct DdlSettings {
  DdlAction create_table = DdlAction::alert;
  DdlAction drop_table = DdlAction::stop_table;
  DdlAction rename_table = DdlAction::stop_table;
  DdlAction truncate_table = DdlAction::apply;
  DdlAction add_column = DdlAction::apply;
  DdlAction drop_column = DdlAction::stop_table;
  DdlAction rename_column = DdlAction::stop_table;
  DdlAction change_type = DdlAction::stop_table;
  DdlAction change_key = DdlAction::stop_table;
  DdlAction default_value = DdlAction::ignore;
  DdlAction comment = DdlAction::ignore;
  DdlAction index = DdlAction::ignore;
  DdlAction other = DdlAction::ignore;

  bool operator==(const DdlSettings&) const = default;
};

/// One [[table]] rule.
struct TableRule {
  Pattern match;
  std::vector<Pattern> exclude;
  std::string target = "{schema}.{table}";  ///< template: {source} {database} {schema} {table} {1}
  std::vector<std::string> key;             ///< source column names; empty = the table's own key
  bool key_all_columns = false;   ///< a table without a key has its rows told apart by all columns
  std::vector<std::string> drop;  ///< source column names
  std::map<std::string, std::string> rename;  ///< source column -> target column
  std::map<std::string, std::string>
      retype;  ///< source column -> target type, as the target spells it
  std::vector<std::pair<std::string, std::string>> add_columns;  ///< target column, template
  DeletePolicy deletes;
  ExistingPolicy existing = ExistingPolicy::refuse;
  std::optional<DdlSettings>
      ddl;  ///< the task's with what the rule says otherwise; empty: as it is
  FilePlace place;
};

/// What becomes of dates that most targets cannot hold: 0000-00-00, 2026-00-15, 2026-02-00.
struct ZeroDatePolicy {
  enum class Kind : std::uint8_t {
    refuse,
    null,
    date,
    keep,  ///< as the source has it: to be shown, or for a target that has such dates too
  };
  Kind kind = Kind::refuse;
  std::string date;  ///< "YYYY-MM-DD", for Kind::date
};

struct TypeSettings {
  ZeroDatePolicy zero_dates;
  bool tinyint1_as_boolean = false;
};

struct FullSettings {
  std::uint32_t connections = 4;
  std::uint64_t chunk_rows = 100'000;
  std::uint64_t rate_rows = 0;   ///< rows a second over all connections; 0 = none
  std::uint64_t rate_bytes = 0;  ///< bytes a second over all connections; 0 = none
};

struct IncrementalSettings {
  std::chrono::milliseconds flush_interval{200};  ///< the longest a commit waits while more comes
};

/// What becomes of a row that the target refuses.
enum class DirtyPolicy : std::uint8_t { stop_table, stop_task, quarantine };

struct DirtySettings {
  DirtyPolicy policy = DirtyPolicy::stop_table;
  std::uint64_t table_limit = 100;
  std::uint64_t task_limit = 1000;
};

/// What restarting may cost before a task is given up.
struct FailoverSettings {
  std::uint32_t limit = 3;
  std::chrono::milliseconds window{std::chrono::minutes(30)};
};

/// What is known of the source's log and cannot be asked of the server.
struct RetentionSettings {
  std::chrono::milliseconds window{0};  ///< how long it is kept; 0 = as the server says
};

/// One task: one source, one target, mapping rules, settings. Made by mapping/task_file.h.
struct Task {
  std::string name;
  std::string file;  ///< the path it was read from
  Endpoint source;
  Endpoint target;
  std::vector<TableRule> tables;
  TypeSettings types;
  FullSettings full;
  IncrementalSettings incremental;
  DdlSettings ddl;
  DirtySettings dirty;
  FailoverSettings failover;
  RetentionSettings retention;

  /// Of the tables that the rules take, those that belong to this lane (model/lane.h): none but
  /// `only`, if that is said, and none of `without`.
  std::optional<std::set<TableName>> only;
  std::set<TableName> without;
};

}  // namespace weir
