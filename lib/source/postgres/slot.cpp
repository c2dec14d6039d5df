// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/slot.h"

#include <thread>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"
#include "source/postgres/catalog.h"
#include "source/postgres/start.h"

namespace weir::pgsource {
namespace {

constexpr int kVersion17 = 170000;
constexpr int kVersion18 = 180000;

/// Who read the slot last may need a moment to be gone.
constexpr std::chrono::seconds kLeavePatience{10};
constexpr std::chrono::milliseconds kLookEvery{20};

std::optional<Lsn> lsn_of(const PgResult& rows, std::size_t column) {
  if (rows.is_null(0, column)) return {};
  return Lsn::parse(rows.text(0, column));
}

Finding gap(const char* id, std::string what, std::string why, std::string fix,
            std::string evidence) {
  Finding out;
  out.id = id;
  out.severity = Severity::critical;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  out.evidence = std::move(evidence);
  return out;
}

}  // namespace

std::optional<Slot> read_slot(PgConnection& connection, const std::string& name) {
  const bool newer = connection.server_version_number() >= kVersion17;
  const std::string sql = fmt::format(
      "SELECT s.plugin, s.database, s.temporary, s.active, s.active_pid, a.usename, "
      "a.application_name, a.client_addr, s.restart_lsn, s.confirmed_flush_lsn, s.wal_status, {}, "
      "a.usename = current_user AND a.application_name = 'weir' AND a.backend_type = 'walsender', "
      "s.active AND a.pid IS NULL, {} FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON "
      "a.pid = s.active_pid WHERE s.slot_name = $1",
      newer ? "s.invalidation_reason" : "NULL", newer ? "failover" : "NULL");
  PgResult rows = connection.query(sql, {name});
  // The views are read one after the other: who ended in between reads from it no more.
  constexpr int kLooks = 10;
  for (int look = 1; look < kLooks && rows.rows() > 0 && rows.text(0, 13) == "t"; ++look) {
    rows = connection.query(sql, {name});
  }
  if (rows.rows() == 0) return {};
  Slot slot;
  slot.plugin = rows.text(0, 0);
  slot.database = rows.text(0, 1);
  slot.temporary = rows.text(0, 2) == "t";
  slot.active = rows.text(0, 3) == "t";
  if (slot.active) {
    slot.holder = fmt::format("process {}", rows.text(0, 4));
    for (const auto& [word, column] : {std::pair{"role", 5}, {"application", 6}, {"from", 7}}) {
      const std::string_view text = rows.text(0, static_cast<std::size_t>(column));
      if (!text.empty()) slot.holder += fmt::format(", {} {}", word, text);
    }
  }
  slot.restart = lsn_of(rows, 8);
  slot.confirmed = lsn_of(rows, 9);
  slot.wal_status = rows.text(0, 10);
  slot.invalidation = rows.text(0, 11);
  slot.held_by_weir = rows.text(0, 12) == "t";
  if (!rows.is_null(0, 14)) slot.failover = rows.text(0, 14) == "t";
  return slot;
}

void create_slot(PgConnection& connection, const std::string& name,
                 std::chrono::milliseconds limit) {
  connection.execute(fmt::format("SET statement_timeout = {}", limit.count()));
  try {
    // From 17 on, with failover: a standby keeps a copy that can take over.
    connection.query(
        connection.server_version_number() >= kVersion17
            ? "SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, false, true)"
            : "SELECT pg_create_logical_replication_slot($1, 'pgoutput', false, false)",
        {name});
  } catch (const Error& error) {
    if (error.code() == ExitCode::source_unreachable) throw;
    connection.execute("SET statement_timeout = 0");
    if (error.why().find("57014") == std::string::npos) throw;
    const std::string old = shown(old_transactions(connection, std::chrono::seconds(1)));
    throw Error(
        ExitCode::failed, "postgres.start-wait",
        fmt::format("the source did not make the slot {} within {}", name, format_duration(limit)),
        "a new slot waits for every transaction that runs, in every database; " +
            (old.empty() ? std::string("pg_locks no longer shows which") : old),
        "let them end, or end them with pg_terminate_backend() or ROLLBACK PREPARED, then "
        "start again");
  }
  connection.execute("SET statement_timeout = 0");
}

void copy_slot(PgConnection& connection, const std::string& from, const std::string& name) {
  try {
    connection.query("SELECT pg_copy_logical_replication_slot($1, $2, false, 'pgoutput')",
                     {from, name});
  } catch (const Error& error) {
    if (error.code() == ExitCode::source_unreachable) throw;
    throw Error(
        ExitCode::refused, "postgres.slot-copy",
        fmt::format("cannot make the slot {} from {}", name, from), error.why(),
        "tables that go their own way for a while take a slot of their own: raise "
        "max_replication_slots, or drop one that nobody uses (SELECT slot_name, active FROM "
        "pg_replication_slots); the role needs REPLICATION");
  }
}

void let_fail_over(PgConnection& replication, const std::string& name) {
  replication.command(
      fmt::format("ALTER_REPLICATION_SLOT {} (FAILOVER true)", pg_identifier(name)));
}

std::optional<Slot> read_left_slot(PgConnection& connection, const std::string& name) {
  const Clock::time_point deadline = Clock::now() + kLeavePatience;
  std::optional<Slot> slot = read_slot(connection, name);
  while (slot && slot->active && Clock::now() < deadline) {
    std::this_thread::sleep_for(kLookEvery);
    slot = read_slot(connection, name);
  }
  return slot;
}

void drop_slot(PgConnection& connection, const std::string& name) {
  const std::optional<Slot> slot = read_left_slot(connection, name);
  if (!slot) return;
  if (slot->active) {
    throw Error(ExitCode::state_conflict, "postgres.slot-in-use",
                fmt::format("another session reads from the slot {}", name), slot->holder,
                fmt::format("end that reader: SELECT pg_terminate_backend(active_pid) FROM "
                            "pg_replication_slots WHERE slot_name = '{}'",
                            name));
  }
  connection.query("SELECT pg_drop_replication_slot($1)", {name});
}

std::optional<Finding> slot_gap(const std::optional<Slot>& slot, const std::string& name,
                                const std::string& database, const Offset& offset) {
  const std::string lost_why =
      "the server has let go of the changes after the offset; going on would lose them in silence";
  if (!slot) {
    return gap("postgres.slot-missing", fmt::format("the replication slot {} is gone", name),
               lost_why,
               "if it was renamed or another one keeps the log from the offset on, name it as "
               "source.slot",
               "pg_replication_slots does not have it");
  }
  if (slot->plugin != "pgoutput" || slot->database != database) {
    return gap("postgres.slot-other", fmt::format("the replication slot {} is another one", name),
               "weir reads a logical slot of this database with the plugin pgoutput",
               "name the right one as source.slot",
               fmt::format("plugin = {}, database = {}; wanted pgoutput, {}",
                           slot->plugin.empty() ? "none" : slot->plugin,
                           slot->database.empty() ? "none" : slot->database, database));
  }
  if (!slot->usable()) {
    return gap(
        "postgres.slot-lost",
        fmt::format("the source no longer has its log from offset {} on", offset.text), lost_why,
        "raise max_slot_wal_keep_size on the source before the task goes on",
        fmt::format(
            "wal_status = {}{}", slot->wal_status,
            slot->invalidation.empty() ? "" : ", invalidation_reason = " + slot->invalidation));
  }
  if (slot->confirmed && *slot->confirmed > Lsn::parse(offset.text)) {
    return gap(
        "postgres.slot-ahead", fmt::format("the replication slot {} is ahead of the task", name),
        "somebody else has read from it, or moved it: the server does not send what is "
        "before its place again",
        fmt::format("give each reader a slot of its own (source.slot); or go on without those "
                    "changes: weir offset reset TASK --to lsn:{}",
                    slot->confirmed->text()),
        fmt::format("confirmed_flush_lsn = {}, offset {}", slot->confirmed->text(), offset.text));
  }
  if (slot->active && !slot->held_by_weir) {
    return gap("postgres.slot-active",
               fmt::format("somebody else reads from the replication slot {}", name),
               "two readers would take changes away from each other",
               fmt::format("end that reader: SELECT pg_terminate_backend(active_pid) FROM "
                           "pg_replication_slots WHERE slot_name = '{}'; or give each a slot of "
                           "its own (source.slot)",
                           name),
               "active = t, wanted f; " + slot->holder);
  }
  return {};
}

std::optional<Publication> read_publication(PgConnection& connection, const std::string& name) {
  const bool newest = connection.server_version_number() >= kVersion18;
  const PgResult row = connection.query(
      fmt::format("SELECT pubviaroot, pubinsert, pubupdate, pubdelete, pubtruncate, {}, "
                  "puballtables FROM pg_publication WHERE pubname = $1",
                  newest ? "pubgencols = 's'" : "false"),
      {name});
  if (row.rows() == 0) return {};
  Publication out;
  out.via_root = row.text(0, 0) == "t";
  for (const auto& [kind, column] :
       {std::pair{"insert", 1}, {"update", 2}, {"delete", 3}, {"truncate", 4}}) {
    if (row.text(0, static_cast<std::size_t>(column)) != "t") out.left_out.emplace_back(kind);
  }
  out.stored_columns = row.text(0, 5) == "t";
  out.all_tables = row.text(0, 6) == "t";
  const PgResult rows = connection.query(
      "SELECT p.schemaname, p.tablename, p.rowfilter IS NOT NULL, a.attname FROM "
      "pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class c ON "
      "c.relnamespace = n.oid AND c.relname = p.tablename LEFT JOIN pg_attribute a ON a.attrelid = "
      "c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (p.attnames) WHERE "
      "p.pubname = $1",
      {name});
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    Publication::Table& table =
        out.tables[{std::string(rows.text(i, 0)), std::string(rows.text(i, 1))}];
    table.filtered = rows.text(i, 2) == "t";
    if (!rows.is_null(i, 3)) table.left_out.emplace(rows.text(i, 3));
  }
  return out;
}

std::string publication_sql(const std::string& name, bool exists, int server_version,
                            std::span<const Table* const> tables) {
  if (tables.empty()) return "";
  std::string list;
  for (const Table* table : tables) {
    list += list.empty() ? "" : ", ";
    list += (table->engine == "partitioned" ? "" : "ONLY ") + qualified(table->name);
  }
  if (exists) return fmt::format("ALTER PUBLICATION {} ADD TABLE {}", pg_identifier(name), list);
  return fmt::format(
      "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete, truncate', "
      "publish_via_partition_root = true{})",
      pg_identifier(name), list,
      server_version >= kVersion18 ? ", publish_generated_columns = stored" : "");
}

}  // namespace weir::pgsource
