// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/source.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include <fmt/format.h>

#include "base/error.h"
#include "model/facts.h"
#include "model/lane.h"
#include "source/mysql/catalog.h"
#include "source/mysql/changes.h"
#include "source/mysql/checks.h"
#include "source/mysql/counters.h"
#include "source/mysql/find.h"
#include "source/mysql/heartbeat.h"
#include "source/mysql/offset.h"
#include "source/mysql/resume.h"
#include "source/mysql/retention.h"
#include "source/mysql/rows.h"
#include "source/mysql/start.h"

namespace weir::mysql {
namespace {

std::uint32_t own_replica_id(const Task& task) {
  // Nobody looked at the id of a lane before it began.
  if (task.name == root_name(task.name)) return replica_id(task);
  // The reader is opened by a thread that need not have the turn at the other connection.
  MysqlConnection own(task.source, MysqlConnection::Role::source);
  const std::string server = own.scalar("SELECT @@global.server_id").value_or("0");
  return lane_replica_id(task,
                         static_cast<std::uint32_t>(std::strtoul(server.c_str(), nullptr, 10)));
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

std::optional<ServerClock> MysqlSource::clock() {
  MysqlConnection& open = connection();
  return read_clock([&open] {
    const auto micros =
        open.scalar("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS UNSIGNED)");
    return Time(std::chrono::microseconds(std::strtoll(micros.value_or("0").c_str(), nullptr, 10)));
  });
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
  return resume_gap(connection(), task_, offset, this->identity(), identity);
}

std::optional<RetentionFacts> MysqlSource::retention(const Offset& offset,
                                                     const Identity& identity) {
  RetentionFacts facts = read_retention(connection(), task_, offset);
  facts.gap = can_resume(offset, identity);
  return facts;
}

FoundOffset MysqlSource::find_offset(const OffsetRequest& request) {
  // File, position and GTIDs of one moment.
  if (request.kind == OffsetRequest::Kind::now) return {start_offset(), "", false};
  return find_place(connection(), task_, request);
}

std::optional<LogDistance> MysqlSource::distance(const Offset& from, const Offset& to) {
  return log_between(connection(), from, to);
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
      std::make_unique<BinlogReader>(task_.source, own_replica_id(task_), from, plans, task_.types);
  if (task_.source.heartbeat.count() > 0) {
    reader->watch(BeatFinder(task_.source.heartbeat_table, root_name(task_.name)));
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
