// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/start.h"

#include <charconv>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "model/lane.h"
#include "source/mysql/changes.h"

namespace weir::mysql {
namespace {

std::uint64_t number(const MysqlConnection::Value& value) {
  std::uint64_t out = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), out);
  return out;
}

bool has_gtids(MysqlConnection& connection) {
  const auto rows = connection.query("SHOW GLOBAL VARIABLES LIKE 'gtid_mode'");
  return !rows.empty() && rows[0][1] == "ON";
}

std::string status_query(MysqlConnection& connection) {
  const bool newest = !connection.is_mariadb() && connection.server_version_number() >= 80200;
  return newest ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

/// How long a commit may wait for a replica between the log and the engine.
std::chrono::milliseconds replica_wait(MysqlConnection& connection) {
  const auto semi_sync = connection.query(
      "SELECT @@rpl_semi_sync_master_enabled, @@rpl_semi_sync_master_wait_point, "
      "@@rpl_semi_sync_master_timeout");
  const bool waits = semi_sync[0][0] == "1" && semi_sync[0][1] == "AFTER_SYNC";
  return std::chrono::milliseconds(waits ? number(semi_sync[0][2]) : 0);
}

/// Files up to here are read from their beginning at any time, and none has a longer header.
constexpr std::uint64_t kSmallFile = 256 << 10;

/// Begins a consistent snapshot. Its file and position.
LogPosition begin_snapshot(MysqlConnection& connection) {
  LogPosition out;
  connection.execute("ROLLBACK");
  connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT");
  for (const auto& row : connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'")) {
    if (row[0] == "Binlog_snapshot_file") out.file = row[1].value_or("");
    if (row[0] == "Binlog_snapshot_position") out.position = number(row[1]);
  }
  if (out.file.empty()) {
    throw Error(ExitCode::failed, "mysql.start-method", "the snapshot has no binlog position",
                "the binlog is off", "set log_bin in the server's configuration and restart it");
  }
  return out;
}

/// What the log says of a position in it.
struct PlaceInLog {
  bool known = false;             ///< the log was looked at
  bool inside_file = true;        ///< a transaction of the same file is before it
  bool ends_transaction = false;  ///< the event that ends there is the last of a transaction
  /// The engines have committed all transactions of the files before.
  bool is_checkpointed = false;
};

/// Looks at the events up to `place`: of a small file all, else those since `before`, which must be
/// an earlier position. Asks nothing if it is not.
PlaceInLog look_at(MysqlConnection& connection, const LogPosition& place,
                   const LogPosition& before) {
  PlaceInLog out;
  std::string from;
  if (place.position > kSmallFile) {
    if (before.file != place.file || before.position >= place.position) return out;
    from = fmt::format(" FROM {}", before.position);
  } else {
    out.inside_file = false;
  }
  out.known = true;
  for (const auto& row :
       connection.query("SHOW BINLOG EVENTS IN " + connection.quote(place.file) + from)) {
    const std::string& type = *row[2];
    // A checkpoint event names the oldest file that may have something to be committed.
    if (type == "Binlog_checkpoint" && row[5] == place.file) out.is_checkpointed = true;
    // By where they begin: some releases show no end of the events inside a transaction.
    if (number(row[1]) >= place.position) continue;
    if (type == "Gtid") out.inside_file = true;
    out.ends_transaction = number(row[4]) == place.position &&
                           (type == "Xid" || type == "Query" || type == "XA_prepare");
  }
  return out;
}

/// The position of a consistent snapshot is the end of the last group of transactions that the
/// engines show, but for two moments: when a server begins a new file and when it writes a Binlog
/// checkpoint event, it puts the position behind them although groups before may be logged and not
/// visible yet. Once they are visible, the position is the end of the group again, or stays.
///
/// So a position counts at once only if a transaction's own event ends there. At the beginning of a
/// file it counts if the log said before the snapshot that nothing of the older files is pending;
/// time proves nothing there, because disks are waited for. Behind a checkpoint event it counts if
/// it stays: the groups before it are on disk and wait for nothing but their turn (and a replica,
/// if the server has them wait). Turns are counted, too, lest a server that stood still be taken
/// for an idle one. The last snapshot is left open.
LogPosition settled_snapshot(MysqlConnection& connection) {
  constexpr int kTurns = 100;
  constexpr std::chrono::milliseconds kTurn{5};
  constexpr std::chrono::milliseconds kStays{500};
  constexpr std::chrono::seconds kLimit{60};

  const std::chrono::milliseconds replicas = replica_wait(connection);
  const Clock::time_point deadline = Clock::now() + kLimit + replicas;
  std::string checkpointed;
  LogPosition before;
  PlaceInLog place;
  Clock::time_point since = Clock::now();
  int turns = 0;
  for (;; std::this_thread::sleep_for(kTurn)) {
    LogPosition out = begin_snapshot(connection);
    const bool stays = out.file == before.file && out.position == before.position;
    if (!stays || !place.inside_file) place = look_at(connection, out, before);
    if (place.known && place.ends_transaction) return out;
    if (!place.inside_file) {
      if (out.file == checkpointed) return out;
      if (place.is_checkpointed) checkpointed = out.file;
    }
    if (!stays) {
      since = Clock::now();
      turns = 0;
    } else if (place.inside_file && ++turns >= kTurns &&
               Clock::now() - since >= kStays + replicas) {
      return out;
    }
    if (Clock::now() >= deadline) {
      throw Error(ExitCode::failed, "mysql.start-method", "no safe start position can be taken",
                  fmt::format("transactions before {}:{} are still being committed", out.file,
                              out.position),
                  "see in SHOW PROCESSLIST what the commits wait for (a full or slow disk, a "
                  "semi-synchronous replica), then start the task again");
    }
    before = std::move(out);
  }
}

LogPosition from_snapshot(MysqlConnection& connection) {
  LogPosition out = settled_snapshot(connection);
  // Once: the server reads the file from its beginning.
  const auto gtids = connection.scalar(
      fmt::format("SELECT BINLOG_GTID_POS({}, {})", connection.quote(out.file), out.position));
  out.gtids = GtidSet::parse(gtids.value_or(""));
  return out;
}

LogPosition from_executed_set(MysqlConnection& connection) {
  // File and position of the same answer may be ahead of what is visible; the set is not, and it is
  // the set that the log is asked for.
  const auto row = connection.query(status_query(connection)).at(0);
  LogPosition out;
  out.file = row[0].value_or("");
  out.position = number(row[1]);
  out.gtids = GtidSet::parse(row[4].value_or(""));
  return out;
}

LogPosition from_log_status(MysqlConnection& connection) {
  const auto row =
      connection
          .query(
              "SELECT local->>'$.binary_log_file', local->>'$.binary_log_position' FROM "
              "performance_schema.log_status")
          .at(0);
  LogPosition out;
  out.file = row[0].value_or("");
  out.position = number(row[1]);
  return out;
}

LogPosition from_read_lock(MysqlConnection& connection) {
  constexpr int kTries = 5;
  connection.execute("SET SESSION lock_wait_timeout = 2");
  for (int attempt = 1;; ++attempt) {
    try {
      connection.execute("FLUSH TABLES WITH READ LOCK");
      break;
    } catch (const Error&) {
      connection.execute("UNLOCK TABLES");
      if (attempt == kTries) throw;
    }
  }
  const auto row = connection.query(status_query(connection)).at(0);
  connection.execute("UNLOCK TABLES");
  LogPosition out;
  out.file = row[0].value_or("");
  out.position = number(row[1]);
  return out;
}

/// Ends when its session does.
class TableLock {
 public:
  TableLock(const Endpoint& endpoint, const TableName& table)
      : connection_(endpoint, MysqlConnection::Role::source) {
    const std::string name = mysql_identifier(table.schema) + "." + mysql_identifier(table.table);
    std::string why;
    for (const Try& attempt : kTries) {
      connection_.execute(fmt::format("SET SESSION lock_wait_timeout = {}", attempt.limit.count()));
      try {
        connection_.execute(fmt::format("LOCK TABLES {} {}", name, attempt.kind));
        return;
      } catch (const Error& error) {
        if (connection_.error_number() == kDenied || connection_.error_number() == kTableDenied) {
          throw Error(ExitCode::source_unreachable, "mysql.lock-tables",
                      fmt::format("the account may not lock {}", table.text()), error.why(),
                      fmt::format("GRANT LOCK TABLES ON {}.* TO the account",
                                  mysql_identifier(table.schema)));
        }
        why = error.why();
        // A server that takes no writes may refuse WRITE, and has no writers to wait for.
        const bool is_read = attempt.kind == std::string_view("READ");
        if (is_read && connection_.error_number() != kLockTimeout) throw;
      }
    }
    throw Error(ExitCode::failed, "mysql.snapshot-lock",
                fmt::format("cannot lock {} for the moment of its snapshot", table.text()), why,
                "end the long transaction that holds the table (performance_schema.metadata_locks "
                "shows it), then start the task again");
  }

  MysqlConnection& connection() { return connection_; }

 private:
  static constexpr unsigned kDenied = 1044;
  static constexpr unsigned kTableDenied = 1142;
  static constexpr unsigned kLockTimeout = 1205;
  struct Try {
    std::chrono::seconds limit;
    const char* kind;
  };
  static constexpr Try kTries[] = {
      {std::chrono::seconds(2), "READ"},  {std::chrono::seconds(1), "WRITE"},
      {std::chrono::seconds(2), "READ"},  {std::chrono::seconds(1), "WRITE"},
      {std::chrono::seconds(10), "READ"}, {std::chrono::seconds(1), "WRITE"},
  };

  MysqlConnection connection_;
};

/// While the table is locked every transaction that changed it is in the log and visible, and no
/// other can begin: the end of the log is right for this table, whatever else is under way.
LogPosition from_table_lock(MysqlConnection& connection, const Endpoint& endpoint,
                            const TableName& table) {
  connection.execute("ROLLBACK");  // what it read of the table would keep the lock away
  TableLock lock(endpoint, table);
  connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT");
  return from_executed_set(lock.connection());
}

/// Whether the server answers `sql` for this account.
bool allowed(MysqlConnection& connection, const std::string& sql, std::string& why) {
  try {
    connection.query(sql);
    return true;
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    why = error.why();
    return false;
  }
}

}  // namespace

LogPosition take_start_position(MysqlConnection& connection) {
  if (connection.is_mariadb()) {
    LogPosition out = from_snapshot(connection);
    connection.execute("ROLLBACK");
    return out;
  }
  if (has_gtids(connection)) {
    LogPosition out = from_executed_set(connection);
    // Before the first transaction of a server the set is empty and cannot be asked for.
    if (out.by_gtid()) return out;
  }
  std::string why;
  if (allowed(connection, "SELECT local FROM performance_schema.log_status", why)) {
    return from_log_status(connection);
  }
  try {
    return from_read_lock(connection);
  } catch (const Error& error) {
    throw Error(ExitCode::failed, "mysql.start-method", "no safe start position can be taken",
                fmt::format("GTIDs are off, log_status: {}; read lock: {}", why, error.why()),
                "turn GTIDs on, or GRANT BACKUP_ADMIN ON *.* and SELECT ON "
                "performance_schema.log_status (or RELOAD ON *.*) TO the account");
  }
}

LogPosition take_log_end(MysqlConnection& connection) {
  if (!connection.is_mariadb()) return take_start_position(connection);
  // What is visible was logged before.
  const auto row = connection.query("SHOW MASTER STATUS").at(0);
  LogPosition out;
  out.file = row[0].value_or("");
  out.position = number(row[1]);
  out.gtids = GtidSet::parse(connection.scalar("SELECT @@gtid_binlog_pos").value_or(""));
  return out;
}

LogPosition begin_exact_snapshot(MysqlConnection& connection, const Endpoint& endpoint,
                                 const TableName& table) {
  return connection.is_mariadb() ? from_snapshot(connection)
                                 : from_table_lock(connection, endpoint, table);
}

std::string table_lock_missing(MysqlConnection& connection, const TableName& table) {
  if (connection.is_mariadb()) return "";
  // Privileges that come with a role are shown only where the role is named.
  std::string roles = "NONE";
  if (connection.server_version_number() >= 80000) {
    roles = connection.scalar("SELECT CURRENT_ROLE()").value_or(roles);
  }
  const auto grants = connection.query("SHOW GRANTS FOR CURRENT_USER()" +
                                       (roles == "NONE" ? std::string() : " USING " + roles));
  bool granted = false;
  for (const auto& row : grants) {
    const std::string line = row[0].value_or("");
    const std::size_t on = line.find(" ON ");
    const std::size_t after = line.find(".*", on == std::string::npos ? line.size() : on);
    if (after == std::string::npos) continue;
    const std::string what = line.substr(0, on);
    if (what.find("LOCK TABLES") == std::string::npos &&
        what.find("ALL PRIVILEGES") == std::string::npos) {
      continue;
    }
    std::string level = line.substr(on + 4, after - on - 4);
    if (what.starts_with("REVOKE")) {  // partial_revokes
      if (level == mysql_identifier(table.schema)) return line;
      continue;
    }
    if (level != "*") {
      level = level.substr(1, level.size() - 2);
      if (connection.scalar(fmt::format("SELECT {} LIKE {}", connection.quote(table.schema),
                                        connection.quote(level))) != "1") {
        continue;
      }
    }
    granted = true;
  }
  return granted ? "" : "SHOW GRANTS has no LOCK TABLES for the schema";
}

std::string start_method_missing(MysqlConnection& connection) {
  if (connection.is_mariadb()) return "";
  std::string why;
  if (has_gtids(connection)) {
    return allowed(connection, status_query(connection), why) ? "" : why;
  }
  if (allowed(connection, "SELECT local FROM performance_schema.log_status", why)) return "";
  for (const auto& row : connection.query("SHOW GRANTS")) {
    const std::string grant = row[0].value_or("");
    if (grant.find(" ON *.* ") != std::string::npos &&
        (grant.find("RELOAD") != std::string::npos ||
         grant.find("FLUSH_TABLES") != std::string::npos ||
         grant.find("ALL PRIVILEGES") != std::string::npos)) {
      return "";
    }
  }
  return "GTIDs are off, and " + why;
}

bool needs_read_lock(MysqlConnection& connection) {
  std::string why;
  return !connection.is_mariadb() && !has_gtids(connection) &&
         !allowed(connection, "SELECT local FROM performance_schema.log_status", why);
}

namespace {

/// Far from the small numbers that people give to servers.
constexpr std::uint32_t kDerived = 0x40000000;

std::uint32_t derived_id(std::string_view name) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash | kDerived;
}

}  // namespace

std::optional<Error> probe_log(const Task& task) {
  try {
    MysqlConnection connection(task.source, MysqlConnection::Role::source);
    const auto logs = connection.query(status_query(connection));
    LogPosition from;
    if (!logs.empty()) {
      from.file = logs[0][0].value_or("");
      from.position = number(logs[0][1]);
    }
    // Not the task's own id: the server would end the stream of a task that runs.
    const std::uint32_t probe_id =
        replica_id(task) ^ (0x20000000U | static_cast<std::uint32_t>(getpid()));
    BinlogReader reader(task.source, probe_id, {from.text(), {}}, {}, task.types);
    reader.wait(std::chrono::seconds(5));
    struct Nothing final : ChangeSink {
      void begin(Time) override {}
      void row(const RowChange&) override {}
      void schema(const SchemaChange&) override {}
      void commit(Time) override {}
    } nothing;
    reader.poll(nothing);
    return {};
  } catch (const Error& error) {
    return error;
  }
}

std::uint32_t replica_id(const Task& task) {
  if (task.name != root_name(task.name)) return lane_replica_id(task, 0);
  return task.source.server_id != 0 ? task.source.server_id : derived_id(task.name);
}

std::uint32_t lane_replica_id(const Task& task, std::uint32_t server) {
  Task root;
  root.name = root_name(task.name);
  root.source.server_id = task.source.server_id;
  std::uint32_t id = derived_id(task.name);
  while (id == server || id == replica_id(root)) id = (id + 1) | kDerived;
  return id;
}

}  // namespace weir::mysql
