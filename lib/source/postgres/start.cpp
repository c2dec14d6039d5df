// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/start.h"

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"

namespace weir::pgsource {
namespace {

constexpr std::chrono::milliseconds kLookEvery{2};
constexpr std::chrono::seconds kFlushPatience{10};

/// Who holds a transaction number. The columns of pg_stat_activity are NULL where the role may not
/// see them, which never counts as evidence. Autovacuum changes no row that anybody copies.
constexpr std::string_view kHolders =
    "SELECT l.transactionid, coalesce(a.state IN ('idle in transaction', 'idle in transaction "
    "(aborted)') OR a.wait_event_type IN ('Client', 'Lock', 'BufferPin', 'Activity') OR "
    "(a.wait_event_type = "
    "'IO' AND a.wait_event LIKE 'DataFile%') OR a.wait_event = 'PgSleep', false), coalesce(p.gid, "
    "''), coalesce(l.pid, 0), coalesce(a.usename, ''), coalesce(a.application_name, ''), "
    "coalesce(a.datname, ''), coalesce(extract(epoch FROM clock_timestamp() - coalesce(p.prepared, "
    "a.xact_start))::bigint, -1) "
    "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_prepared_xacts p "
    "ON l.pid IS NULL AND p.transaction = l.transactionid "
    "WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS "
    "DISTINCT FROM pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'";

struct Holder {
  std::string transaction;
  bool elsewhere = false;  ///< seen at something that no commit does
  std::string shown;
  std::string end;
};

std::vector<Holder> holders(PgConnection& connection, const std::string& condition) {
  const PgResult rows = connection.query(std::string(kHolders) + condition);
  std::vector<Holder> out;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Holder holder;
    holder.transaction = rows.text(i, 0);
    holder.elsewhere = rows.text(i, 1) == "t";
    holder.shown = fmt::format("transaction {}", holder.transaction);
    if (!rows.text(i, 2).empty()) {
      holder.shown += fmt::format(", prepared as '{}'", rows.text(i, 2));
      holder.end = "ROLLBACK PREPARED " + connection.quote(rows.text(i, 2));
    } else {
      holder.shown += fmt::format(" of process {}", rows.text(i, 3));
      holder.end = fmt::format("SELECT pg_terminate_backend({})", rows.text(i, 3));
      for (const auto& [name, column] :
           {std::pair{"role", 4}, {"application", 5}, {"database", 6}}) {
        const std::string_view text = rows.text(i, static_cast<std::size_t>(column));
        if (!text.empty()) holder.shown += fmt::format(", {} {}", name, text);
      }
    }
    if (rows.text(i, 7) != "-1") holder.shown += fmt::format(", for {} s", rows.text(i, 7));
    out.push_back(std::move(holder));
  }
  return out;
}

Lsn lsn(PgConnection& connection, const char* function) {
  return Lsn::parse(connection.scalar(fmt::format("SELECT {}()", function)).value_or(""));
}

}  // namespace

void wait_for_transactions(PgConnection& connection, WaitFor which,
                           std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  std::string condition;
  while (true) {
    std::vector<std::string> left;
    std::string example;
    for (const Holder& holder : holders(connection, condition)) {
      if (which == WaitFor::committing && holder.elsewhere) continue;
      left.push_back(holder.transaction);
      if (example.empty()) example = holder.shown;
    }
    if (left.empty()) return;
    if (Clock::now() >= deadline) {
      throw Error(
          ExitCode::failed, "postgres.start-wait",
          "the source does not come to a point from which a copy could begin",
          fmt::format("{} runs on; its changes could be lost between copy and log", example),
          "let it end, or end it with pg_terminate_backend() or ROLLBACK PREPARED, then "
          "start again; GRANT pg_monitor to weir's role lets it see which ones merely wait");
    }
    // Who came later does not matter.
    condition = fmt::format(" AND l.transactionid = ANY ('{{{}}}'::xid[])", join(left, ","));
    std::this_thread::sleep_for(kLookEvery);
  }
}

Lsn take_start_position(PgConnection& connection, std::chrono::milliseconds limit) {
  const Lsn position = lsn(connection, "pg_current_wal_flush_lsn");
  wait_for_transactions(connection, WaitFor::committing, limit);
  return position;
}

Lsn take_log_end(PgConnection& connection) {
  const Lsn end = lsn(connection, "pg_current_wal_insert_lsn");
  if (lsn(connection, "pg_current_wal_flush_lsn") >= end) return end;
  // What no commit follows may stay in memory for long. The commit of a message, which nobody
  // reads, makes the server write it out at once, and waits for no standby.
  try {
    connection.execute(
        "BEGIN; SET LOCAL synchronous_commit = local; SELECT "
        "pg_logical_emit_message(true, 'weir.flush', ''); COMMIT");
  } catch (const Error& error) {
    if (error.id() != "postgres.permission") throw;
    connection.rollback();
    // A commit of nothing, too, is written out, though the server takes its time.
    connection.execute("SELECT pg_current_xact_id()");
  }
  const Clock::time_point deadline = Clock::now() + kFlushPatience;
  while (lsn(connection, "pg_current_wal_flush_lsn") < end && Clock::now() < deadline) {
    std::this_thread::sleep_for(kLookEvery);
  }
  return end;
}

std::vector<Obstacle> old_transactions(PgConnection& connection, std::chrono::seconds age) {
  std::vector<Obstacle> out;
  for (Holder& holder :
       holders(connection, fmt::format(" AND clock_timestamp() - coalesce(p.prepared, "
                                       "a.xact_start) > interval '{} s'",
                                       age.count()))) {
    out.push_back({std::move(holder.shown), std::move(holder.end)});
  }
  return out;
}

std::string shown(const std::vector<Obstacle>& obstacles) {
  std::string out;
  for (const Obstacle& each : obstacles) out += (out.empty() ? "" : "; ") + each.shown;
  return out;
}

std::string end_statements(const std::vector<Obstacle>& obstacles) {
  std::string out;
  for (const Obstacle& each : obstacles) out += (out.empty() ? "" : "; ") + each.end;
  return out;
}

}  // namespace weir::pgsource
