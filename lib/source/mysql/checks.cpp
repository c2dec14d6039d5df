// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/checks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "source/mysql/heartbeat.h"
#include "source/mysql/start.h"
#include "source/mysql/types.h"

namespace weir::mysql {
namespace {

constexpr std::uint64_t kShortRetention = 24 * 3600;

/// What a rule found: evidence, and the table if it is about one. `unknown` where the fact is
/// hidden.
struct Hit {
  std::string evidence;
  std::string table;
  bool unknown = false;
  std::string grant;     ///< of an unknown fact: what would show it
  std::string fix = {};  ///< in place of the rule's, where it depends on the fact
};
using Hits = std::vector<Hit>;

template <class T, class Judge>
Hits on(const std::optional<T>& fact, const char* name, Judge&& judge,
        const char* grant = "let the account read the server's global variables") {
  if (!fact) return {{fmt::format("the account may not see {}", name), "", true, grant}};
  const std::string evidence = judge(*fact);
  if (evidence.empty()) return {};
  return {{evidence, "", false, ""}};
}

template <class Judge>
Hits on_tables(const Facts& facts, Judge&& judge) {
  Hits hits;
  for (const Facts::TableFacts& table : facts.tables) {
    std::string evidence = judge(table);
    if (!evidence.empty()) hits.push_back({std::move(evidence), table.name, false, ""});
  }
  return hits;
}

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

using HeartbeatState = Facts::HeartbeatFacts::State;

Hits on_heartbeat(const Facts& facts, HeartbeatState state, bool with_statements) {
  if (!facts.heartbeat || facts.heartbeat->state != state) return {};
  return {{facts.heartbeat->evidence, "", false, "",
           with_statements ? facts.heartbeat->statements : std::string()}};
}

/// Why changes to tables of `schema` are not logged; "" if they are.
std::string not_logged(const Facts& facts, const std::string& schema) {
  if (contains(*facts.unlogged_schemas, schema)) return "binlog_ignore_db has " + schema;
  if (!facts.logged_schemas->empty() && !contains(*facts.logged_schemas, schema)) {
    return "binlog_do_db lacks " + schema;
  }
  return "";
}

struct CheckRow {
  const char* id;
  Severity severity;
  CheckGroup group;
  const char* why;
  const char* fix;
};

struct Rule {
  CheckRow row;
  const char* what;
  Hits (*judge)(const Facts&);
};

/// A new check is one new row; its facts come from gather().
const auto kRules = std::to_array<Rule>({
    {{"mysql.binlog-off", Severity::critical, CheckGroup::change_log,
      "without a binlog there are no changes to follow",
      "set log_bin in the server's configuration and restart it"},
     "the binlog is off",
     [](const Facts& f) {
       return on(f.log_bin, "log_bin", [](bool v) { return v ? "" : "log_bin = OFF"; });
     }},
    {{"mysql.binlog-format", Severity::critical, CheckGroup::change_log,
      "statement events carry no row images to apply",
      "SET GLOBAL binlog_format = 'ROW', then reconnect the writers; set it in the configuration "
      "too"},
     "changes are not logged as rows",
     [](const Facts& f) {
       return on(f.binlog_format, "binlog_format",
                 [](const std::string& v) { return v == "ROW" ? "" : "binlog_format = " + v; });
     }},
    {{"mysql.row-image", Severity::critical, CheckGroup::change_log,
      "an incomplete row image does not say what the other columns hold",
      "SET GLOBAL binlog_row_image = 'FULL', then reconnect the writers"},
     "row images are not complete",
     [](const Facts& f) {
       return on(f.row_image, "binlog_row_image", [](const std::string& v) {
         return v.starts_with("FULL") ? "" : "binlog_row_image = " + v;
       });
     }},
    {{"mysql.partial-json", Severity::critical, CheckGroup::change_log,
      "JSON updates would be logged as differences",
      "SET GLOBAL binlog_row_value_options = '', then reconnect the writers"},
     "partial JSON updates are on",
     [](const Facts& f) {
       return on(f.row_value_options, "binlog_row_value_options", [](const std::string& v) {
         return v.empty() ? "" : "binlog_row_value_options = " + v;
       });
     }},
    {{"mysql.row-metadata", Severity::info, CheckGroup::change_log,
      "column names in the log let weir see a changed definition at its exact place",
      "SET GLOBAL binlog_row_metadata = 'FULL'; it costs a few bytes for each statement"},
     "the log does not carry column names",
     [](const Facts& f) {
       return on(f.row_metadata, "binlog_row_metadata", [](const std::string& v) {
         return v == "FULL" ? "" : "binlog_row_metadata = " + v;
       });
     }},
    {{"mysql.replica-updates", Severity::critical, CheckGroup::change_log,
      "what this replica receives from its own source is not in its binlog",
      "set log_slave_updates (log_replica_updates) and restart the server, or use its source"},
     "the server is a replica that does not log what it applies",
     [](const Facts& f) {
       if (f.logs_replica_updates == true || f.is_replica == false) return Hits{};
       return on(
           f.is_replica, "whether it is a replica",
           [](bool v) { return v ? "log_slave_updates = OFF" : ""; },
           "GRANT SLAVE MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.* TO the account");
     }},
    {{"mysql.server-id", Severity::critical, CheckGroup::change_log,
      "a server without an id refuses replicas",
      "set server_id in the server's configuration and restart it"},
     "the server has no id",
     [](const Facts& f) {
       return on(f.server_id, "server_id",
                 [](const std::string& v) { return v == "0" ? "server_id = 0" : ""; });
     }},
    {{"mysql.replication-denied", Severity::critical, CheckGroup::privileges,
      "the changes cannot be read",
      "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account"},
     "the account may not read the change log",
     [](const Facts& f) {
       if (f.replication_denied.empty()) return Hits{};
       return Hits{{f.replication_denied, "", false, ""}};
     }},
    {{"mysql.start-method", Severity::critical, CheckGroup::change_log,
      "a position taken any other way loses transactions that are logged but not yet visible",
      "turn GTIDs on, or GRANT BACKUP_ADMIN ON *.* (or RELOAD) TO the account"},
     "no safe start position can be taken",
     [](const Facts& f) {
       if (!f.is_new || f.start_method_missing.empty()) return Hits{};
       return Hits{{f.start_method_missing, "", false, ""}};
     }},
    {{"mysql.xa-prepared", Severity::critical, CheckGroup::change_log,
      "rows of a prepared XA transaction are logged before the task starts and visible only after "
      "it",
      "commit or roll back the transactions that XA RECOVER shows"},
     "XA transactions are prepared and not decided",
     [](const Facts& f) {
       if (!f.is_new) return Hits{};  // the log still has their rows for us
       return on(f.prepared_xa, "XA RECOVER", [](const std::vector<std::string>& v) {
         return v.empty() ? std::string() : "XA RECOVER shows " + join(v, ", ");
       });
     }},
    {{"mysql.schema-not-logged", Severity::critical, CheckGroup::change_log,
      "changes to this table never reach the log",
      "take the schema out of binlog_ignore_db, or into binlog_do_db, and restart the server"},
     "the schema is left out of the binlog",
     [](const Facts& f) {
       if (!f.logged_schemas || !f.unlogged_schemas) {
         return Hits{{"the account may not see SHOW MASTER STATUS", "", true,
                      "GRANT BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.* TO the "
                      "account"}};
       }
       return on_tables(f, [&](const Facts::TableFacts& t) { return not_logged(f, t.schema); });
     }},
    {{"mysql.select-denied", Severity::critical, CheckGroup::privileges,
      "the rows of the table cannot be copied", "GRANT SELECT on the table to the account"},
     "the account may not read the table",
     [](const Facts& f) {
       return on_tables(f, [&](const Facts::TableFacts& t) {
         // A task that resumes works by the definition at its offset, which may be history.
         return t.moved_on && !f.is_new ? std::string() : t.select_denied;
       });
     }},
    {{"mysql.lock-tables", Severity::critical, CheckGroup::privileges,
      "the place of a snapshot in the log is exact only while the table is locked for a moment",
      "GRANT LOCK TABLES ON the schema TO the account, or give the table a key"},
     "the account may not lock a table whose rows are told apart by all columns",
     [](const Facts& f) {
       if (!f.is_new) return Hits{};
       return on_tables(f, [](const Facts::TableFacts& t) { return t.lock_denied; });
     }},
    {{"mysql.snapshot-engine", Severity::critical, CheckGroup::tables,
      "only InnoDB shows a table as of one place in the log, and without a key its rows cannot be "
      "applied twice",
      "ALTER TABLE ... ENGINE = InnoDB, or give the table a key"},
     "a table whose rows are told apart by all columns has an engine without snapshots",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) {
         return !t.keyless || t.engine == "InnoDB" ? std::string() : "engine " + t.engine;
       });
     }},
    {{"mysql.engine", Severity::warning, CheckGroup::tables,
      "after a crash a table of this engine and the log may differ, and so may the target",
      "ALTER TABLE ... ENGINE = InnoDB"},
     "the table's engine is not transactional",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) {
         return t.engine == "InnoDB" || t.engine == "ROCKSDB" ? std::string()
                                                              : "engine " + t.engine;
       });
     }},
    {{"mysql.cascade", Severity::warning, CheckGroup::tables,
      "the server does not log rows that it changes through a foreign key, so the target keeps "
      "them",
      "drop the ON DELETE or ON UPDATE action and let the application do it, or compare the table "
      "regularly"},
     "a foreign key changes rows that are not logged",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) { return join(t.cascades, ", "); });
     }},
    {{"mysql.labels", Severity::warning, CheckGroup::types,
      "information_schema shows characters beyond U+FFFF in ENUM and SET labels as '?'",
      "SET GLOBAL binlog_row_metadata = 'FULL' and compare the column after the full stage"},
     "labels of the column may be shown wrongly by the server",
     [](const Facts& f) {
       return on_tables(f, [](const Facts::TableFacts& t) { return join(t.unsure_labels, ", "); });
     }},
    {{"mysql.short-retention", Severity::warning, CheckGroup::retention,
      "a task that stands still longer than this cannot resume",
      "raise binlog_expire_logs_seconds to some days"},
     "the binlog is kept for less than a day",
     [](const Facts& f) {
       return on(f.expire_seconds, "binlog_expire_logs_seconds", [](std::uint64_t v) {
         return v == 0 || v >= kShortRetention
                    ? std::string()
                    : fmt::format("kept for {}", format_duration(std::chrono::seconds(v)));
       });
     }},
    {{"mysql.heartbeat-denied", Severity::warning, CheckGroup::privileges,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "GRANT SELECT, INSERT, UPDATE on the heartbeat table to the account"},
     "the account may not write to the heartbeat table",
     [](const Facts& f) { return on_heartbeat(f, HeartbeatState::denied, true); }},
    {{"mysql.heartbeat-missing", Severity::warning, CheckGroup::change_log,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "create the heartbeat table, and GRANT SELECT, INSERT, UPDATE on it to the account"},
     "there is no heartbeat table, and the account may not make it",
     [](const Facts& f) { return on_heartbeat(f, HeartbeatState::missing, true); }},
    {{"mysql.heartbeat-refused", Severity::warning, CheckGroup::change_log,
      "without the heartbeat the way to the target is not measured; the task runs all the same",
      "drop a table with other columns, and weir makes it anew; on a server that may not be "
      "written to, leave heartbeat out of the task file"},
     "the server does not take a heartbeat",
     [](const Facts& f) { return on_heartbeat(f, HeartbeatState::refused, false); }},
    {{"mysql.heartbeat-not-logged", Severity::warning, CheckGroup::change_log,
      "a heartbeat that is not in the log never comes to the target, and its age only grows",
      "name another heartbeat_table in the task file"},
     "the schema of the heartbeat table is left out of the binlog",
     [](const Facts& f) {
       if (!f.heartbeat || !f.logged_schemas || !f.unlogged_schemas) return Hits{};
       const std::string evidence = not_logged(f, f.heartbeat->schema);
       return evidence.empty() ? Hits{} : Hits{{evidence, "", false, ""}};
     }},
    {{"mysql.heartbeat-replica", Severity::warning, CheckGroup::change_log,
      "heartbeats are transactions of this replica's own, which its source does not have and which "
      "stand in the way when another server takes its place",
      "leave heartbeat out of the task file, or let the task follow the replica's source"},
     "a heartbeat would be written to a replica",
     [](const Facts& f) {
       return f.heartbeat && f.is_replica == true ? Hits{{"", "", false, ""}} : Hits{};
     }},
});

std::optional<std::string> variable(MysqlConnection& connection, const std::string& name) {
  const auto rows = connection.query(fmt::format("SHOW GLOBAL VARIABLES LIKE '{}'", name));
  if (rows.empty()) return {};
  return rows[0][1];
}

std::optional<bool> as_bool(const std::optional<std::string>& value) {
  if (!value) return {};
  return *value == "ON" || *value == "1";
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> out;
  for (const std::string& part : split(list, ',')) {
    if (!part.empty()) out.push_back(part);
  }
  return out;
}

/// Runs `read`; a refusal by the server leaves the fact unknown.
template <class Read>
void try_fact(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.id() != "mysql.denied" && error.id() != "mysql.query") throw;
  }
}

constexpr unsigned kNoSuchColumn = 1054;
constexpr unsigned kNoSuchTable = 1146;

void gather_tables(MysqlConnection& connection, const Task& task, std::span<const TablePlan> plans,
                   Facts& facts) {
  std::map<TableName, std::vector<std::string>> cascades;
  try_fact([&] {
    for (const auto& row : connection.query(
             "SELECT constraint_schema, table_name, constraint_name, delete_rule, update_rule FROM "
             "information_schema.referential_constraints WHERE delete_rule IN ('CASCADE', 'SET "
             "NULL', "
             "'SET DEFAULT') OR update_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT')")) {
      cascades[{row[0].value_or(""), row[1].value_or("")}].push_back(
          fmt::format("{} (ON DELETE {}, ON UPDATE {})", row[2].value_or(""), row[3].value_or(""),
                      row[4].value_or("")));
    }
  });
  for (const TablePlan& plan : plans) {
    Facts::TableFacts table;
    table.plan = &plan;
    table.source = plan.source.name;
    table.name = plan.source.name.text();
    table.schema = plan.source.name.schema;
    table.engine = plan.source.engine;
    table.cascades = cascades[plan.source.name];
    std::string columns;
    for (const PlannedColumn& column : plan.columns) {
      if (column.added()) continue;
      const Column& source = plan.source.columns[column.source];
      if (!columns.empty()) columns += ", ";
      columns += mysql_identifier(source.name);
      if (labels_uncertain(source.type, source.charset)) table.unsure_labels.push_back(source.name);
    }
    try {
      connection.query(fmt::format("SELECT {} FROM {}.{} LIMIT 0", columns,
                                   mysql_identifier(plan.source.name.schema),
                                   mysql_identifier(plan.source.name.table)));
    } catch (const Error& error) {
      if (error.id() == "mysql.lost") throw;
      table.select_denied = error.why();
      const unsigned number = connection.error_number();
      table.moved_on = number == kNoSuchColumn || number == kNoSuchTable;
    }
    table.keyless = plan.key.empty() && task.tables[plan.rule].key_all_columns;
    if (table.keyless) table.lock_denied = table_lock_missing(connection, plan.source.name);
    facts.tables.push_back(std::move(table));
  }
}

Facts::HeartbeatFacts gather_heartbeat(MysqlConnection& connection, const Task& task) {
  using State = HeartbeatState;
  constexpr unsigned kNoSuchSchema = 1049;
  const TableName& table = task.source.heartbeat_table;
  const HeartbeatSql sql = heartbeat_sql(connection, table, task.name, now());
  Facts::HeartbeatFacts facts;
  facts.schema = table.schema;
  facts.statements = sql.create_schema + "; " + sql.create_table + "; " + sql.grant;
  const auto refused = [&](const std::string& statement) {
    try {
      connection.query(statement);
      return false;
    } catch (const Error& error) {
      if (error.id() == "mysql.lost") throw;
      facts.evidence = error.why();
      facts.state = error.id() == "mysql.denied" ? State::denied : State::refused;
      return true;
    }
  };
  // EXPLAIN needs what the statement needs, and changes nothing. So does PREPARE.
  if (!refused("EXPLAIN " + sql.beat)) return facts;
  const unsigned number = connection.error_number();
  if (number == kNoSuchTable || number == kNoSuchSchema) {
    if (!refused("PREPARE weir_heartbeat FROM " + connection.quote(sql.create_table))) {
      connection.execute("DEALLOCATE PREPARE weir_heartbeat");
      return {State::writable, "", facts.schema, facts.statements};
    }
    facts.state = State::missing;
  } else if (facts.state == State::denied) {
    // An account without any privilege on a table does not see whether it is there.
    const auto rows = connection.query(
        fmt::format("SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND "
                    "table_name = {}",
                    connection.quote(table.schema), connection.quote(table.table)));
    if (!rows.empty()) facts.statements = sql.grant;
  }
  return facts;
}

}  // namespace

Facts gather(MysqlConnection& connection, const Task& task, std::span<const TablePlan> plans,
             bool is_new) {
  Facts facts;
  facts.is_new = is_new;
  facts.is_mariadb = connection.is_mariadb();
  facts.version = connection.server_version();
  facts.log_bin = as_bool(variable(connection, "log_bin"));
  facts.binlog_format = variable(connection, "binlog_format");
  // Where a server has no such variable, it has no such setting.
  facts.row_image = variable(connection, "binlog_row_image").value_or("FULL");
  facts.row_metadata = variable(connection, "binlog_row_metadata").value_or("NO_LOG");
  facts.row_value_options = variable(connection, "binlog_row_value_options").value_or("");
  facts.gtid_mode = facts.is_mariadb || as_bool(variable(connection, "gtid_mode")).value_or(false);
  facts.server_id = variable(connection, "server_id");
  facts.logs_replica_updates =
      as_bool(variable(connection, facts.is_mariadb ? "log_slave_updates" : "log_replica_updates"));
  if (!facts.logs_replica_updates) {
    facts.logs_replica_updates = as_bool(variable(connection, "log_slave_updates"));
  }
  const bool new_words = !facts.is_mariadb && connection.server_version_number() >= 80022;
  try_fact([&] {
    facts.is_replica =
        !connection.query(new_words ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS").empty();
  });
  try_fact([&] {
    const bool newest = !facts.is_mariadb && connection.server_version_number() >= 80200;
    const auto rows = connection.query(newest ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
    facts.logged_schemas =
        rows.empty() ? std::vector<std::string>() : split_list(rows[0][2].value_or(""));
    facts.unlogged_schemas =
        rows.empty() ? std::vector<std::string>() : split_list(rows[0][3].value_or(""));
  });
  if (const auto seconds = variable(connection, "binlog_expire_logs_seconds")) {
    std::uint64_t value = 0;
    std::from_chars(seconds->data(), seconds->data() + seconds->size(), value);
    facts.expire_seconds = value;
  }
  try_fact([&] {
    std::vector<std::string> prepared;
    for (const auto& row : connection.query("XA RECOVER"))
      prepared.push_back(row.back().value_or(""));
    facts.prepared_xa = std::move(prepared);
  });
  if (facts.log_bin == true) {
    facts.start_method_missing = start_method_missing(connection);
    facts.replication_denied = probe_log(task);
  }
  gather_tables(connection, task, plans, facts);
  if (task.source.heartbeat.count() > 0) facts.heartbeat = gather_heartbeat(connection, task);
  return facts;
}

std::vector<Finding> judge(const Facts& facts) {
  std::vector<Finding> findings;
  for (const Rule& rule : kRules) {
    for (Hit& hit : rule.judge(facts)) {
      Finding finding;
      finding.id = rule.row.id;
      finding.severity = hit.unknown ? Severity::unknown : rule.row.severity;
      finding.what = hit.unknown ? fmt::format("cannot tell whether {}", rule.what) : rule.what;
      finding.why = rule.row.why;
      finding.fix = hit.unknown ? hit.grant : hit.fix.empty() ? rule.row.fix : hit.fix;
      finding.evidence = std::move(hit.evidence);
      finding.table = std::move(hit.table);
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

std::vector<CatalogueRow> check_rows() {
  std::vector<CatalogueRow> rows;
  for (const Rule& rule : kRules) {
    const CheckRow& row = rule.row;
    rows.push_back({row.id, IdKind::check, row.severity, rule.what, row.why, row.fix,
                    "weir preflight TASK", row.group});
  }
  return rows;
}

}  // namespace weir::mysql
