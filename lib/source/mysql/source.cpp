// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/source.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/error.h"
#include "model/facts.h"
#include "source/mysql/catalog.h"
#include "source/mysql/changes.h"
#include "source/mysql/checks.h"
#include "source/mysql/counters.h"
#include "source/mysql/heartbeat.h"
#include "source/mysql/offset.h"
#include "source/mysql/retention.h"
#include "source/mysql/rows.h"
#include "source/mysql/start.h"

namespace weir::mysql {
namespace {

Finding lost(const Offset& offset, const std::string& evidence) {
  Finding finding;
  finding.id = "mysql.offset-lost";
  finding.severity = Severity::critical;
  finding.what = fmt::format("the source no longer has its log from offset {} on", offset.text);
  finding.why = "the changes after the offset were purged; going on would lose them in silence";
  finding.fix = "restore the missing binlog files on the source";
  finding.evidence = evidence;
  return finding;
}

}  // namespace

MysqlSource::MysqlSource(const Task& task) : task_(task) {}

MysqlConnection& MysqlSource::connection() {
  if (!connection_) connection_.emplace(task_.source, MysqlConnection::Role::source);
  return *connection_;
}

std::string MysqlSource::version() {
  return fmt::format("{} {}", connection().is_mariadb() ? "MariaDB" : "MySQL",
                     connection().server_version());
}

Identity MysqlSource::identity() {
  if (!connection().is_mariadb()) {
    return {"mysql " + connection().scalar("SELECT @@server_uuid").value_or("")};
  }
  // MariaDB has no server_uuid, and its server_uid follows the network card, not the data. The
  // server itself proves the rest: it refuses a GTID that is not in its own log.
  return {fmt::format("mariadb domain {} server {}",
                      connection().scalar("SELECT @@global.gtid_domain_id").value_or(""),
                      connection().scalar("SELECT @@global.server_id").value_or(""))};
}

std::vector<TableName> MysqlSource::tables() { return list_tables(connection()); }

std::vector<Table> MysqlSource::describe(std::span<const TableName> names) {
  return describe_tables(connection(), task_.types, names);
}

std::string MysqlSource::gather(const Task& task, std::span<const TablePlan> plans, bool is_new) {
  return encode_facts(mysql::gather(connection(), task, plans, is_new));
}

std::vector<Finding> MysqlSource::judge(std::span<const TablePlan> plans,
                                        const std::string& facts) const {
  Facts known = decode_facts(facts);
  std::vector<Finding> findings = link_tables(known.tables, plans);
  std::ranges::move(mysql::judge(known), std::back_inserter(findings));
  return findings;
}

Offset MysqlSource::start_offset() { return {take_start_position(connection()).text(), now()}; }

Offset MysqlSource::log_end() { return {take_log_end(connection()).text(), now()}; }

std::optional<Finding> MysqlSource::can_resume(const Offset& offset, const Identity& identity) {
  const Identity current = this->identity();
  if (!(current == identity)) {
    Finding finding;
    finding.id = "source.identity-changed";
    finding.severity = Severity::critical;
    finding.what = "the source is not the server that the task's offset came from";
    finding.why =
        "an offset means nothing on another server: changes would be lost or applied twice";
    finding.fix = "point the task at the old server";
    finding.evidence = fmt::format("now {}, before {}", current.text, identity.text);
    return finding;
  }
  const LogPosition position = LogPosition::parse(offset.text);
  if (position.by_gtid() && !connection().is_mariadb()) {
    const std::string set = connection().quote(position.gtids.text());
    if (connection().scalar(fmt::format("SELECT GTID_SUBSET(@@global.gtid_purged, {})", set)) !=
        "1") {
      return lost(offset, "gtid_purged = " +
                              connection().scalar("SELECT @@global.gtid_purged").value_or(""));
    }
    if (connection().scalar(fmt::format("SELECT GTID_SUBSET({}, @@global.gtid_executed)", set)) !=
        "1") {
      Finding finding =
          lost(offset, "gtid_executed = " +
                           connection().scalar("SELECT @@global.gtid_executed").value_or(""));
      finding.what = "the source lacks transactions that the task has applied";
      finding.why = "the server was restored from a backup, or another one was promoted that lags";
      return finding;
    }
    return {};
  }
  std::vector<std::string> files;
  std::uint64_t size = 0;
  try {
    for (const auto& row : connection().query("SHOW BINARY LOGS")) {
      files.push_back(row[0].value_or(""));
      if (files.back() == position.file) size = std::stoull(row[1].value_or("0"));
    }
  } catch (const Error& error) {
    if (error.id() == "mysql.lost") throw;
    Finding finding;
    finding.id = "mysql.log-list-hidden";
    finding.severity = Severity::unknown;
    finding.what = "cannot tell whether the source still has its log from the offset on";
    finding.why =
        "the account may not see SHOW BINARY LOGS; the server decides when the log is opened";
    finding.fix =
        "GRANT BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) ON *.* TO the account";
    finding.evidence = error.why();
    return finding;
  }
  if (std::find(files.begin(), files.end(), position.file) == files.end()) {
    // By GTID the log may be read on from an offset at the end of a file that is gone.
    const auto floor = position.by_gtid() && !files.empty()
                           ? transactions_before(connection(), files.front())
                           : std::nullopt;
    if (floor && position.gtids.contains(*floor)) return {};
    return lost(offset, files.empty() ? "the server has no binlog files"
                                      : fmt::format("the oldest kept file is {}", files.front()));
  }
  if (!position.by_gtid() && position.position > size) {
    return lost(offset, fmt::format("{} ends at {}", position.file, size));
  }
  return {};
}

std::optional<RetentionFacts> MysqlSource::retention(const Offset& offset,
                                                     const Identity& identity) {
  std::optional<Finding> gap = can_resume(offset, identity);
  RetentionFacts facts = read_retention(connection(), task_, offset);
  if (!gap && !facts.files.empty()) gap = history_gap(connection(), offset, facts.files);
  facts.gap = std::move(gap);
  return facts;
}

bool MysqlSource::reached(const Offset& a, const Offset& b) const {
  return mysql::reached(applied_position(a.text), applied_position(b.text));
}

std::unique_ptr<RowReader> MysqlSource::open_rows() {
  return std::make_unique<TableReader>(task_.source, task_.types);
}

std::unique_ptr<ChangeReader> MysqlSource::open_changes(const Offset& from,
                                                        std::span<const TablePlan> plans) {
  auto reader =
      std::make_unique<BinlogReader>(task_.source, replica_id(task_), from, plans, task_.types);
  if (task_.source.heartbeat.count() > 0) {
    reader->watch(BeatFinder(task_.source.heartbeat_table, task_.name));
  }
  return reader;
}

std::unique_ptr<Heartbeat> MysqlSource::open_heartbeat() {
  return std::make_unique<MysqlHeartbeat>(task_);
}

std::optional<std::vector<Counter>> MysqlSource::counters(std::span<const TablePlan> plans) {
  return read_counters(connection(), plans);
}

}  // namespace weir::mysql
