// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "source/mysql/catalog.h"
#include "source/mysql/checks.h"
#include "source/mysql/dump.h"
#include "source/mysql/gtid.h"
#include "source/mysql/heartbeat.h"
#include "source/mysql/retention.h"
#include "source/mysql/start.h"
#include "source/mysql/types.h"

namespace weir::mysql {
namespace {

using Variables = std::map<std::string, std::string>;

constexpr unsigned kNoSuchSchema = 1049;
constexpr unsigned kNoSuchColumn = 1054;
constexpr unsigned kNoSuchTable = 1146;
/// A lock that weir asks for is given up after some ten seconds.
constexpr int kLongSession = 10;
constexpr int kSampledRows = 1000;
constexpr std::chrono::seconds kReaderLinger{5};
constexpr std::chrono::milliseconds kLookAgain{200};

template <class Integer>
Integer number(const MysqlConnection::Value& value) {
  Integer out = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), out);
  return out;
}

std::string text_of(const MysqlConnection::Value& value) { return value.value_or(""); }

/// Those that the server has, by name.
Variables read_variables(MysqlConnection& connection) {
  Variables out;
  for (const auto& row : connection.query(
           "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', "
           "'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options', 'gtid_mode', "
           "'server_id', 'log_slave_updates', 'log_replica_updates', 'binlog_expire_logs_seconds', "
           "'expire_logs_days', 'binlog_expire_logs_auto_purge', 'max_binlog_total_size', "
           "'max_binlog_size', 'max_connections', 'basedir', 'aurora_version', 'version_comment', "
           "'innodb_native_foreign_keys')")) {
    out[to_lower(text_of(row[0]))] = text_of(row[1]);
  }
  return out;
}

std::optional<std::string> value_of(const Variables& variables, const char* name) {
  const auto found = variables.find(name);
  if (found == variables.end()) return {};
  return found->second;
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

std::string account(MysqlConnection& connection) {
  const std::string current = text_of(connection.scalar("SELECT CURRENT_USER()"));
  const std::size_t at = current.rfind('@');
  if (at == std::string::npos) return connection.quote(current);
  return connection.quote(current.substr(0, at)) + "@" + connection.quote(current.substr(at + 1));
}

/// Who speaks the protocol without having a binlog to send.
std::string product_of(const std::string& version, const std::string& comment) {
  for (const char* name : {"TiDB", "Vitess", "SingleStore", "StarRocks", "Doris"}) {
    if (version.find(name) != std::string::npos || comment.find(name) != std::string::npos) {
      return name;
    }
  }
  return "";
}

std::string service_of(const Variables& variables) {
  if (variables.contains("aurora_version")) return "Amazon Aurora";
  if (value_of(variables, "basedir").value_or("").starts_with("/rdsdbbin")) return "Amazon RDS";
  if (value_of(variables, "version_comment") == "(Google)") return "Google Cloud SQL";
  return "";
}

/// The domains whose newest transaction is not the one with the largest number.
std::vector<std::string> unordered_domains(MysqlConnection& connection) {
  const auto each = [](const std::string& gtids, auto&& take) {
    for (const std::string& gtid : split_list(gtids)) {
      const std::vector<std::string> parts = split(trim(gtid), '-');
      if (parts.size() == 3) take(parts[0], parts[1], number<std::uint64_t>(parts[2]));
    }
  };
  // In this order: whatever is logged in between makes the newest numbers larger only.
  const std::string state = text_of(connection.scalar("SELECT @@GLOBAL.gtid_binlog_state"));
  const std::string position = text_of(connection.scalar("SELECT @@GLOBAL.gtid_binlog_pos"));
  std::map<std::string, std::uint64_t> newest;
  each(position, [&](const std::string& domain, const std::string&, std::uint64_t sequence) {
    newest[domain] = sequence;
  });
  std::vector<std::string> out;
  each(state, [&](const std::string& domain, const std::string& server, std::uint64_t sequence) {
    if (newest.contains(domain) && sequence > newest[domain]) {
      out.push_back(fmt::format("{0}-{1}-{2} was logged before a transaction {0}-*-{3}", domain,
                                server, sequence, newest[domain]));
    }
  });
  return out;
}

/// Reads what the server says of its own sources: one row for each channel.
void gather_replica(MysqlConnection& connection, Facts& facts) {
  const bool new_words = !facts.is_mariadb && facts.version_number >= 80022;
  // Without ALL, MariaDB shows the channel that has no name only.
  const std::string query = facts.is_mariadb ? "SHOW ALL SLAVES STATUS"
                            : new_words      ? "SHOW REPLICA STATUS"
                                             : "SHOW SLAVE STATUS";
  const auto channels = connection.query(query);
  facts.is_replica = !channels.empty();
  // Their places: the first columns of MariaDB's answer are its own.
  const std::size_t shift = facts.is_mariadb ? 2 : 0;
  constexpr std::size_t kReceives = 10;
  constexpr std::size_t kApplies = 11;
  for (const auto& row : channels) {
    if (row.size() <= kApplies + shift) continue;
    const std::string receives = text_of(row[kReceives + shift]);
    const std::string applies = text_of(row[kApplies + shift]);
    if (receives == "Yes" && applies == "Yes") continue;
    facts.standing_channels.push_back(
        new_words
            ? fmt::format("Replica_IO_Running = {}, Replica_SQL_Running = {}", receives, applies)
            : fmt::format("Slave_IO_Running = {}, Slave_SQL_Running = {}", receives, applies));
  }
}

void gather_log(MysqlConnection& connection, const Variables& variables, Facts& facts) {
  facts.log_bin = as_bool(value_of(variables, "log_bin"));
  facts.binlog_format = value_of(variables, "binlog_format");
  // Where a server has no such variable, it has no such setting.
  facts.row_image = value_of(variables, "binlog_row_image").value_or("FULL");
  facts.row_metadata = value_of(variables, "binlog_row_metadata").value_or("NO_LOG");
  facts.row_value_options = value_of(variables, "binlog_row_value_options").value_or("");
  if (!facts.is_mariadb) facts.gtid_mode = value_of(variables, "gtid_mode").value_or("OFF");
  if (facts.is_mariadb) facts.unordered_domains = unordered_domains(connection);
  facts.server_id = value_of(variables, "server_id");
  facts.logs_replica_updates = as_bool(value_of(variables, "log_replica_updates"));
  if (!facts.logs_replica_updates) {
    facts.logs_replica_updates = as_bool(value_of(variables, "log_slave_updates"));
  }
  // From 9.6 on MySQL carries a foreign key's actions out as statements of its own.
  facts.logs_cascades = value_of(variables, "innodb_native_foreign_keys") == "OFF";
  try_fact([&] { gather_replica(connection, facts); });
  try_fact([&] {
    const bool newest = !facts.is_mariadb && facts.version_number >= 80200;
    const auto rows = connection.query(newest ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
    facts.logged_schemas =
        rows.empty() ? std::vector<std::string>() : split_list(text_of(rows[0][2]));
    facts.unlogged_schemas =
        rows.empty() ? std::vector<std::string>() : split_list(text_of(rows[0][3]));
  });
  const LogPolicy policy = judge_policy(variables);
  facts.expiry_name = policy.expiry_name;
  facts.expire_seconds =
      policy.expiry ? static_cast<std::uint64_t>(std::max<std::int64_t>(1, policy.expiry->count()))
                    : 0;
  // RDS purges by hours of its own, whatever the variables say; NULL is none at all.
  try_fact([&] {
    const auto hours = connection.query(
        "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'");
    if (hours.empty()) return;
    facts.expiry_name = "binlog retention hours";
    facts.expire_seconds = std::max<std::uint64_t>(1, number<std::uint64_t>(hours[0][0]) * 3600);
  });
  try_fact([&] {
    std::vector<std::string> prepared;
    for (const auto& row : connection.query("XA RECOVER")) {
      const std::string data = text_of(row[3]);
      const auto global = number<std::size_t>(row[1]);
      prepared.push_back(fmt::format("{},{},{}", connection.quote(data.substr(0, global)),
                                     connection.quote(data.substr(std::min(global, data.size()))),
                                     text_of(row[0])));
    }
    facts.prepared_xa = std::move(prepared);
  });
}

void gather_replicas(MysqlConnection& connection, const Task& task, Facts& facts) {
  facts.replica_id = replica_id(task);
  facts.replica_id_is_given = task.source.server_id != 0;
  const bool new_words = !facts.is_mariadb && facts.version_number >= 80022;
  const auto look = [&] {
    std::vector<Facts::ReplicaFacts> replicas;
    for (const auto& row : connection.query(new_words ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS")) {
      replicas.push_back({number<std::uint32_t>(row[0]), text_of(row[1])});
    }
    facts.replicas = std::move(replicas);
    return std::ranges::none_of(*facts.replicas, [&](const Facts::ReplicaFacts& replica) {
      return replica.id == facts.replica_id && replica.host == kReplicaHost;
    });
  };
  try_fact([&] {
    // A reader that has just ended is shown until the server has tried to send it a heartbeat.
    const Clock::time_point begin = Clock::now();
    while (!look() && facts.is_new && Clock::now() - begin < kReaderLinger) {
      std::this_thread::sleep_for(kLookAgain);
    }
  });
}

/// Sessions that have a transaction, or a statement, for long: what a lock waits for.
void gather_long_sessions(MysqlConnection& connection, Facts& facts) {
  try_fact([&] {
    std::vector<Facts::SessionFacts> sessions;
    // The start of a transaction is shown in the server's own time zone, not in the session's.
    for (const auto& row : connection.query(fmt::format(
             "SELECT p.id, p.user, p.host, GREATEST(COALESCE(TIMESTAMPDIFF(SECOND, t.trx_started, "
             "CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')), 0), IF(p.command = 'Query', "
             "p.time, 0)) AS age FROM information_schema.processlist p LEFT JOIN "
             "information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id WHERE p.id <> "
             "CONNECTION_ID() AND p.user <> 'system user' AND p.user <> 'event_scheduler' HAVING "
             "age >= {} ORDER BY age DESC LIMIT 20",
             kLongSession))) {
      const std::string host = text_of(row[2]);
      sessions.push_back({number<std::uint64_t>(row[0]),
                          fmt::format("{}@{}", text_of(row[1]), host.substr(0, host.find(':'))),
                          number<std::uint64_t>(row[3])});
    }
    facts.long_sessions = std::move(sessions);
  });
}

void gather_connections(MysqlConnection& connection, const Task& task, const Variables& variables,
                        Facts& facts) {
  // The change log, one for questions, and the full stage's.
  facts.connections_wanted =
      2 + (facts.is_new ? task.full.connections : 0) + (task.source.heartbeat.count() > 0 ? 1 : 0);
  const auto used = connection.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'");
  const auto most = number<std::int64_t>(value_of(variables, "max_connections"));
  const auto in_use = used.empty() ? 0 : number<std::int64_t>(used[0][1]);
  // This one ends before the task begins.
  facts.connections_left = most - in_use + 1;
  facts.connections_limit = fmt::format("max_connections = {}, {} in use", most, in_use);
  const auto own_most = number<std::int64_t>(connection.scalar("SELECT @@max_user_connections"));
  if (own_most == 0) return;
  const auto own = number<std::int64_t>(
      connection.scalar("SELECT COUNT(*) FROM information_schema.processlist WHERE user = "
                        "SUBSTRING_INDEX(USER(), '@', 1)"));
  if (own_most - own + 1 >= facts.connections_left) return;
  facts.connections_left = own_most - own + 1;
  facts.connections_limit =
      fmt::format("max_user_connections = {} for {}, {} in use", own_most, facts.account, own);
}

/// The table that a tool for online schema changes works on, by the name of its helper; "" if it is
/// none.
std::string shadowed(const std::string& name) {
  static constexpr auto kEndings =
      std::to_array<std::string_view>({"_gho", "_ghc", "_ghk", "_new", "_del", "_old"});
  for (const std::string_view ending : kEndings) {
    if (name.starts_with('_') && name.ends_with(ending) && name.size() > ending.size() + 1) {
      return name.substr(1, name.size() - ending.size() - 1);
    }
  }
  return "";
}

/// What the lists of the selected schemas tell, in one question.
struct Neighbours {
  std::set<TableName> partitioned;
};

Neighbours gather_neighbours(MysqlConnection& connection, std::span<const TablePlan> plans,
                             Facts& facts) {
  std::set<std::string> schemas;
  for (const TablePlan& plan : plans) schemas.insert(connection.quote(plan.source.name.schema));
  Neighbours out;
  if (schemas.empty()) return out;
  const std::vector<std::string> quoted(schemas.begin(), schemas.end());
  std::set<TableName> names;
  for (const auto& row : connection.query(
           fmt::format("SELECT table_schema, table_name, table_type, create_options FROM "
                       "information_schema.tables WHERE table_schema IN ({})",
                       join(quoted, ", ")))) {
    TableName name{text_of(row[0]), text_of(row[1])};
    if (row[2] == "VIEW") {
      facts.views.push_back(std::move(name));
      continue;
    }
    if (text_of(row[3]).find("partitioned") != std::string::npos) out.partitioned.insert(name);
    names.insert(std::move(name));
  }
  std::ranges::sort(facts.views);
  for (const TableName& name : names) {
    TableName table{name.schema, shadowed(name.table)};
    if (names.contains(table)) facts.shadows.push_back({std::move(table), name});
  }
  return out;
}

std::map<TableName, std::vector<Facts::ForeignKeyFacts>> read_foreign_keys(
    MysqlConnection& connection) {
  std::map<TableName, std::vector<Facts::ForeignKeyFacts>> out;
  try_fact([&] {
    for (const auto& row : connection.query(
             "SELECT constraint_schema, table_name, constraint_name, unique_constraint_schema, "
             "referenced_table_name, delete_rule, update_rule FROM "
             "information_schema.referential_constraints")) {
      out[{text_of(row[0]), text_of(row[1])}].push_back(
          {text_of(row[2]), {text_of(row[3]), text_of(row[4])}, text_of(row[5]), text_of(row[6])});
    }
  });
  return out;
}

bool is_temporal(const Column& column) {
  return column.type.kind == TypeKind::date || column.type.kind == TypeKind::datetime ||
         column.type.kind == TypeKind::timestamp;
}

/// The columns of which the first or the last rows hold a date that no calendar has.
std::vector<std::string> sample_dates(MysqlConnection& connection, const TablePlan& plan,
                                      const std::string& name) {
  std::vector<std::string> columns;
  std::vector<std::string> names;
  std::vector<std::string> tests;
  for (const PlannedColumn& column : plan.columns) {
    if (column.added() || !is_temporal(plan.source.columns[column.source])) continue;
    columns.push_back(plan.source.columns[column.source].name);
    names.push_back(mysql_identifier(columns.back()));
    tests.push_back(
        fmt::format("MAX({0} IS NOT NULL AND (LAST_DAY({0}) IS NULL OR DAYOFMONTH({0}) = 0 OR "
                    "DAYOFMONTH({0}) > DAYOFMONTH(LAST_DAY({0}))))",
                    names.back()));
  }
  if (columns.empty()) return {};
  const std::string some = fmt::format("SELECT {} FROM {}", join(names, ", "), name);
  std::string sample = fmt::format("({} LIMIT {})", some, kSampledRows);
  if (plan.source.key_is_primary) {
    const std::string first = mysql_identifier(plan.source.columns[plan.source.key.front()].name);
    sample += fmt::format(" UNION ALL ({} ORDER BY {} DESC LIMIT {})", some, first, kSampledRows);
  }
  std::vector<std::string> out;
  try_fact([&] {
    const auto row = connection.query(
        fmt::format("SELECT {} FROM ({}) AS sample", join(tests, ", "), sample))[0];
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (row[i] == "1") out.push_back(columns[i]);
    }
  });
  return out;
}

/// Why `sql` is refused; "" if it is not.
std::string refusal_of(MysqlConnection& connection, const std::string& sql) {
  try {
    connection.query(sql);
    return "";
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    return error.why();
  }
}

void gather_tables(MysqlConnection& connection, const Task& task, std::span<const TablePlan> plans,
                   Facts& facts) {
  const Neighbours neighbours = gather_neighbours(connection, plans, facts);
  auto foreign_keys = read_foreign_keys(connection);
  for (const TablePlan& plan : plans) {
    Facts::TableFacts table;
    table.plan = &plan;
    table.source = plan.source.name;
    table.name = plan.source.name.text();
    table.schema = plan.source.name.schema;
    table.engine = plan.source.engine;
    table.partitioned = neighbours.partitioned.contains(plan.source.name);
    table.foreign_keys = std::move(foreign_keys[plan.source.name]);
    std::string columns;
    for (const PlannedColumn& column : plan.columns) {
      if (column.added()) continue;
      const Column& source = plan.source.columns[column.source];
      if (!columns.empty()) columns += ", ";
      columns += mysql_identifier(source.name);
      if (labels_uncertain(source.type, source.charset)) table.unsure_labels.push_back(source.name);
    }
    const std::string name =
        mysql_identifier(plan.source.name.schema) + "." + mysql_identifier(plan.source.name.table);
    // A column that the account may not see is missing from the definition too, and only the star
    // tells.
    if (!refusal_of(connection, fmt::format("SELECT *, {} FROM {} LIMIT 0", columns, name))
             .empty()) {
      table.select_denied =
          refusal_of(connection, fmt::format("SELECT {} FROM {} LIMIT 0", columns, name));
      const unsigned error = table.select_denied.empty() ? 0 : connection.error_number();
      table.moved_on = error == kNoSuchColumn || error == kNoSuchTable;
      if (table.select_denied.empty()) {
        table.columns_hidden =
            refusal_of(connection, fmt::format("SELECT * FROM {} LIMIT 0", name));
      }
    }
    table.keyless = plan.key.empty() && task.tables[plan.rule].key_all_columns;
    if (table.keyless) table.lock_denied = table_lock_missing(connection, plan.source.name);
    if (!plan.key.empty()) {
      std::vector<std::uint32_t> key;
      for (const std::uint32_t part : plan.key) key.push_back(plan.columns[part].source);
      table.read_in_order = can_read_in_order(plan.source, key);
    }
    if (facts.is_new && table.select_denied.empty() &&
        task.types.zero_dates.kind == ZeroDatePolicy::Kind::refuse) {
      table.zero_dates = sample_dates(connection, plan, name);
    }
    facts.tables.push_back(std::move(table));
  }
}

Facts::HeartbeatFacts gather_heartbeat(MysqlConnection& connection, const Task& task) {
  using State = Facts::HeartbeatFacts::State;
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
  const unsigned error = connection.error_number();
  if (error == kNoSuchTable || error == kNoSuchSchema) {
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
  facts.version_number = connection.server_version_number();
  facts.account = account(connection);
  const Variables variables = read_variables(connection);
  facts.product = product_of(facts.version, value_of(variables, "version_comment").value_or(""));
  facts.service = service_of(variables);
  gather_log(connection, variables, facts);
  gather_connections(connection, task, variables, facts);
  gather_replicas(connection, task, facts);
  if (facts.log_bin == true) {
    facts.start_method_missing = start_method_missing(connection);
    facts.takes_read_lock = needs_read_lock(connection);
    if (const auto error = probe_log(task)) {
      const bool denied =
          error->id() == "mysql.denied" || error->id() == "mysql.replication-denied";
      (denied ? facts.replication_denied : facts.log_unreadable) =
          error->why().empty() ? error->summary() : error->why();
    }
  }
  gather_tables(connection, task, plans, facts);
  const bool locks =
      facts.takes_read_lock ||
      (!facts.is_mariadb && std::ranges::any_of(facts.tables, &Facts::TableFacts::keyless));
  if (is_new && locks) gather_long_sessions(connection, facts);
  if (task.source.heartbeat.count() > 0) facts.heartbeat = gather_heartbeat(connection, task);
  return facts;
}

}  // namespace weir::mysql
