// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/heartbeat.h"

#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/time.h"
#include "model/cell.h"
#include "model/change_batch.h"
#include "model/lane.h"
#include "source/mysql/log_view.h"
#include "source/mysql/row_decoder.h"

namespace weir::mysql {
namespace {

/// A beat is worth no wait: who waits for it is the end of a worker.
constexpr std::chrono::seconds kPatience{10};
constexpr unsigned kNoSuchTable = 1146;
constexpr unsigned kNoSuchSchema = 1049;

std::string account(MysqlConnection& connection) {
  const std::string current = connection.scalar("SELECT CURRENT_USER()").value_or("");
  const std::size_t at = current.rfind('@');
  if (at == std::string::npos) return connection.quote(current);
  return connection.quote(current.substr(0, at)) + "@" + connection.quote(current.substr(at + 1));
}

}  // namespace

HeartbeatSql heartbeat_sql(MysqlConnection& connection, const TableName& table,
                           const std::string& task, Time written) {
  const std::string name = mysql_identifier(table.schema) + "." + mysql_identifier(table.table);
  const std::string time = connection.quote(to_rfc3339(written, true));
  HeartbeatSql sql;
  sql.create_schema = "CREATE DATABASE IF NOT EXISTS " + mysql_identifier(table.schema);
  sql.create_table = fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (task varchar(64) NOT NULL PRIMARY KEY, written_at "
      "varchar(32) NOT NULL) ENGINE=InnoDB CHARACTER SET ascii COLLATE ascii_bin",
      name);
  sql.beat = fmt::format(
      "INSERT INTO {} (task, written_at) VALUES ({}, {}) ON DUPLICATE KEY UPDATE written_at = {}",
      name, connection.quote(task), time, time);
  // MariaDB wants SELECT for the second half of the statement.
  sql.grant = fmt::format("GRANT SELECT, INSERT, UPDATE ON {} TO {}", name, account(connection));
  return sql;
}

MysqlHeartbeat::MysqlHeartbeat(const Task& task)
    : source_(task.source), task_(root_name(task.name)) {}

void MysqlHeartbeat::beat(Time written) {
  try {
    write(written);
  } catch (const Error&) {
    connection_.reset();
    throw;
  }
}

void MysqlHeartbeat::write(Time written) {
  if (!connection_) {
    connection_.emplace(source_, MysqlConnection::Role::source, kPatience);
    connection_->execute(
        "SET SESSION autocommit = 1, lock_wait_timeout = 5, innodb_lock_wait_timeout = 5");
  }
  const HeartbeatSql sql = heartbeat_sql(*connection_, source_.heartbeat_table, task_, written);
  try {
    connection_->execute(sql.beat);
    return;
  } catch (const Error&) {
    const unsigned number = connection_->error_number();
    if (number != kNoSuchTable && number != kNoSuchSchema) throw;
  }
  // An account that may make the table need not be allowed to make schemas.
  if (connection_
          ->query("SELECT 1 FROM information_schema.schemata WHERE schema_name = " +
                  connection_->quote(source_.heartbeat_table.schema))
          .empty()) {
    connection_->execute(sql.create_schema);
  }
  connection_->execute(sql.create_table);
  connection_->execute(sql.beat);
}

BeatFinder::BeatFinder(TableName table, std::string task)
    : table_(std::move(table)), task_(std::move(task)) {}

bool BeatFinder::is_table(const TableMap& map) const {
  return map.table == table_.table && map.schema == table_.schema;
}

std::optional<Time> BeatFinder::find(const RowsEvent& event, const TableMap& map) const {
  std::optional<Time> newest;
  if (event.kind == RowsEvent::Kind::remove || event.partial_json || map.columns.size() < 2) {
    return newest;
  }
  try {
    std::vector<bool> wanted(map.columns.size(), false);
    wanted[0] = wanted[1] = true;
    const std::vector<std::shared_ptr<const Charset>> charsets(map.columns.size());
    const RowDecoder decoder(map, table_from_map(map), wanted, charsets, {});
    std::vector<Cell> cells(map.columns.size());
    Arena arena;
    const char* at = event.rows.data();
    const char* end = at + event.rows.size();
    while (at < end) {
      if (event.kind == RowsEvent::Kind::update) {
        at = decoder.decode(at, end, event.before_columns, cells, arena);
      }
      at = decoder.decode(at, end, event.after_columns, cells, arena);
      if (!cells[0].has_value() || !cells[1].has_value() || cells[0].text() != task_) continue;
      newest = parse_rfc3339(cells[1].text());
    }
  } catch (const Error&) {
    // Somebody else's table, or hand: it tells nothing about the task.
  }
  return newest;
}

}  // namespace weir::mysql
