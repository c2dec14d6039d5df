// SPDX-License-Identifier: Apache-2.0
#include "target/sqlite/control.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/time.h"
#include "model/definition.h"
#include "model/swap_name.h"

namespace weir::sqlite {
namespace {

constexpr int kFormat = 1;
constexpr std::chrono::milliseconds kLockEvery{10};

constexpr const char* kDefinition = R"(
CREATE TABLE IF NOT EXISTS weir_task (
  task TEXT PRIMARY KEY,
  format INTEGER NOT NULL,            -- of these tables
  source_identity TEXT NOT NULL,      -- the server that the offsets belong to
  start_offset TEXT NOT NULL,         -- where the incremental stage began
  full_end_offset TEXT,               -- where the source was when the last row had been copied
  log_offset TEXT NOT NULL,           -- everything at or before it is in this file
  source_time TEXT,                   -- commit time of the last applied transaction
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS weir_table (
  task TEXT NOT NULL,
  source_schema TEXT NOT NULL,
  source_table TEXT NOT NULL,
  target_schema TEXT NOT NULL,
  target_table TEXT NOT NULL,
  created INTEGER NOT NULL,           -- weir created the table and builds its indexes
  full_done INTEGER NOT NULL DEFAULT 0,
  unique_done INTEGER NOT NULL DEFAULT 0,
  definition TEXT NOT NULL,              -- the source table as changes after log_offset fit it, JSON
  since_offset TEXT NOT NULL,          -- changes at or before it came with the copy; empty = none
  PRIMARY KEY (task, source_schema, source_table)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS weir_range (
  task TEXT NOT NULL,
  source_schema TEXT NOT NULL,
  source_table TEXT NOT NULL,
  number INTEGER NOT NULL,
  after_key TEXT NOT NULL,            -- the range holds keys greater than this ...
  upto_key TEXT NOT NULL,             -- ... up to this one; empty = open
  whole INTEGER NOT NULL,             -- the table cannot be read in key order
  reached_key TEXT NOT NULL,          -- key of the last row that is in this file
  row_count INTEGER NOT NULL,
  byte_count INTEGER NOT NULL,
  done INTEGER NOT NULL,
  PRIMARY KEY (task, source_schema, source_table, number)
) STRICT, WITHOUT ROWID;
-- Forgetting a task is one DELETE, whether or not the session that says it knows of references.
CREATE TRIGGER IF NOT EXISTS weir_forget AFTER DELETE ON weir_task BEGIN
  DELETE FROM weir_table WHERE task = old.task;
  DELETE FROM weir_range WHERE task = old.task;
END)";

TableName name_at(const SqliteStatement& row, int column) {
  return {std::string(row.text(column)), std::string(row.text(column + 1))};
}

bool has_control(SqliteDatabase& database) {
  return database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'weir_task'") != 0;
}

std::optional<std::string> offset_of(SqliteDatabase& database, const std::string& task) {
  if (!has_control(database)) return {};
  SqliteStatement row = database.prepare("SELECT log_offset FROM weir_task WHERE task = ?");
  row.bind(task);
  if (!row.step()) return {};
  return std::string(row.text(0));
}

/// Tables that were copied beside others take their names.
void swap_tables(SqliteDatabase& database, const std::string& task) {
  std::vector<TableName> tables;
  SqliteStatement rows =
      database.prepare("SELECT target_schema, target_table FROM weir_table WHERE task = ?");
  rows.bind(task);
  while (rows.step()) tables.push_back(name_at(rows, 0));
  for (const TableName& beside : tables) {
    const auto name = swapped_name(beside);
    if (!name) continue;
    rename_table(database, beside, *name);
    database.prepare("UPDATE weir_table SET target_table = ? WHERE task = ? AND target_table = ?")
        .bind(name->table)
        .bind(task)
        .bind(beside.table)
        .run();
  }
}

}  // namespace

void create_control(SqliteDatabase& database) { database.execute(kDefinition); }

std::optional<Recovered> recover(SqliteDatabase& database, const std::string& task) {
  if (!has_control(database)) return {};
  SqliteStatement row = database.prepare(
      "SELECT format, source_identity, start_offset, full_end_offset, log_offset, source_time "
      "FROM weir_task WHERE task = ?");
  row.bind(task);
  if (!row.step()) return {};
  if (row.integer(0) > kFormat) {
    throw Error(
        ExitCode::refused, "sqlite.control-newer",
        fmt::format("the control tables in {} are of format {}", database.path(), row.integer(0)),
        fmt::format("this weir knows formats up to {}", kFormat), "use the newer weir");
  }
  Recovered out;
  out.source.text = row.text(1);
  out.start.text = row.text(2);
  out.full_end.text = row.text(3);
  out.offset.text = row.text(4);
  if (!row.is_null(5)) out.offset.source_time = parse_rfc3339(row.text(5));

  std::map<TableName, TableProgress> tables;
  SqliteStatement progress = database.prepare(
      "SELECT source_schema, source_table, target_schema, target_table, full_done, unique_done, "
      "definition, since_offset, created FROM weir_table WHERE task = ?");
  progress.bind(task);
  while (progress.step()) {
    TableProgress table;
    table.source = name_at(progress, 0);
    table.target = name_at(progress, 2);
    table.full_done = progress.integer(4) != 0;
    table.unique_done = progress.integer(5) != 0;
    table.definition = decode_definition(progress.text(6));
    table.since.text = progress.text(7);
    table.created = progress.integer(8) != 0;
    tables.emplace(table.source, std::move(table));
  }
  SqliteStatement ranges = database.prepare(
      "SELECT source_schema, source_table, number, after_key, upto_key, whole, reached_key, "
      "row_count, byte_count, done FROM weir_range WHERE task = ? ORDER BY number");
  ranges.bind(task);
  while (ranges.step()) {
    const auto at = tables.find(name_at(ranges, 0));
    if (at == tables.end()) continue;
    RangeProgress range;
    range.range.number = static_cast<std::uint32_t>(ranges.integer(2));
    range.range.after = decode_key(ranges.text(3));
    range.range.upto = decode_key(ranges.text(4));
    range.range.whole = ranges.integer(5) != 0;
    range.reached = decode_key(ranges.text(6));
    range.rows = static_cast<std::uint64_t>(ranges.integer(7));
    range.bytes = static_cast<std::uint64_t>(ranges.integer(8));
    range.done = ranges.integer(9) != 0;
    at->second.rows += range.rows;
    at->second.ranges.push_back(std::move(range));
  }
  for (auto& [name, table] : tables) out.tables.push_back(std::move(table));
  return out;
}

void store_full_end(SqliteDatabase& database, const std::string& task, const Offset& full_end) {
  database.prepare("UPDATE weir_task SET full_end_offset = ? WHERE task = ?")
      .bind(full_end.text)
      .bind(task)
      .run();
}

void store_offset(SqliteDatabase& database, const std::string& task, const Offset& offset) {
  database
      .prepare(
          "UPDATE weir_task SET log_offset = ?, source_time = ?, updated_at = "
          "strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE task = ?")
      .bind(offset.text)
      .bind(to_rfc3339(offset.source_time, true))
      .bind(task)
      .run();
  if (database.changes() == 1) return;
  throw Error(ExitCode::state_conflict, "sqlite.task-gone",
              fmt::format("{} no longer knows task {}", database.path(), task),
              "its row in weir_task was removed while the task ran",
              "start the task anew with empty target tables, or restore the file");
}

void move_offset(SqliteDatabase& database, const std::string& task, const OffsetMove& move) {
  SqliteStatement at = database.prepare("SELECT log_offset FROM weir_task WHERE task = ?");
  at.bind(task);
  if (!at.step() || at.text(0) != move.from.text) throw offset_moved(task, move.from);
  SqliteStatement put = database.prepare(
      "UPDATE weir_task SET log_offset = ?, full_end_offset = coalesce(nullif(?, ''), "
      "full_end_offset), source_time = ?, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') "
      "WHERE task = ?");
  put.bind(move.to.text).bind(move.consistent_at.text);
  if (move.to.source_time == Time{}) {
    put.bind(nullptr);
  } else {
    put.bind(to_rfc3339(move.to.source_time, true));
  }
  put.bind(task).run();
  SqliteStatement since = database.prepare(
      "UPDATE weir_table SET since_offset = ? WHERE task = ? AND source_schema = ? AND "
      "source_table = ?");
  for (const TableName& table : move.left_out) {
    since.bind(move.from.text).bind(task).bind(table.schema).bind(table.table).run();
  }
}

void split_tables(SqliteDatabase& database, const std::string& from, const std::string& to,
                  std::span<const TableName> tables) {
  if (begins_lane(from, to, {offset_of(database, from), offset_of(database, to)})) {
    database
        .prepare(
            "INSERT INTO weir_task (task, format, source_identity, start_offset, full_end_offset, "
            "log_offset, source_time) SELECT ?, format, source_identity, start_offset, "
            "full_end_offset, log_offset, source_time FROM weir_task WHERE task = ?")
        .bind(to)
        .bind(from)
        .run();
  }
  for (const char* control : {"weir_table", "weir_range"}) {
    SqliteStatement put = database.prepare(
        fmt::format("UPDATE {} SET task = ? WHERE task = ? AND source_schema = ? AND source_table "
                    "= ?",
                    control));
    for (const TableName& table : tables) {
      put.bind(to).bind(from).bind(table.schema).bind(table.table).run();
    }
  }
}

void join_tables(SqliteDatabase& database, const std::string& from, const std::string& to) {
  const LaneOffsets offsets = {offset_of(database, from), offset_of(database, to)};
  if (!joins_lane(to, offsets)) return;
  SqliteStatement twice = database.prepare(
      "SELECT a.source_schema || '.' || a.source_table FROM weir_table a JOIN weir_table b USING "
      "(source_schema, source_table) WHERE a.task = ? AND b.task = ? LIMIT 1");
  twice.bind(from).bind(to);
  if (twice.step()) throw table_twice(to, std::string(twice.text(0)));
  swap_tables(database, from);
  database.prepare("UPDATE weir_table SET task = ?, since_offset = ? WHERE task = ?")
      .bind(to)
      .bind(*offsets.from)
      .bind(from)
      .run();
  database.prepare("UPDATE weir_range SET task = ? WHERE task = ?").bind(to).bind(from).run();
  forget(database, from, {});
}

void keep_merged(SqliteDatabase& database, const std::string& task, const TablePlan& plan,
                 const TableName& kept) {
  // Its indexes are complete, whoever made them.
  database
      .prepare(
          "UPDATE weir_table SET target_table = ?, created = 0 WHERE task = ? AND source_schema = "
          "? AND source_table = ?")
      .bind(kept.table)
      .bind(task)
      .bind(plan.source.name.schema)
      .bind(plan.source.name.table)
      .run();
}

void rename_table(SqliteDatabase& database, const TableName& beside, const TableName& name) {
  const std::string old = sqlite_identifier(name.table);
  // Views and triggers that name the table are to find the new one.
  database.execute("PRAGMA legacy_alter_table = ON");
  database.execute(("DROP TABLE IF EXISTS " + old).c_str());
  database.execute(
      fmt::format("ALTER TABLE {} RENAME TO {}", sqlite_identifier(beside.table), old).c_str());
  database.execute("PRAGMA legacy_alter_table = OFF");
}

void forget(SqliteDatabase& database, const std::string& task, std::span<const TableName> tables) {
  if (!has_control(database)) return;
  if (tables.empty()) {
    database.prepare("DELETE FROM weir_task WHERE task = ?").bind(task).run();
    return;
  }
  for (const char* control : {"weir_table", "weir_range"}) {
    SqliteStatement remove = database.prepare(fmt::format(
        "DELETE FROM {} WHERE task = ? AND source_schema = ? AND source_table = ?", control));
    for (const TableName& table : tables) {
      remove.bind(task).bind(table.schema).bind(table.table).run();
    }
  }
}

void store_mark(SqliteDatabase& database, const std::string& task, const TablePlan& plan,
                const RangeProgress& mark) {
  database
      .prepare(
          "UPDATE weir_range SET reached_key = ?, row_count = ?, byte_count = ?, done = ? WHERE "
          "task = ? AND source_schema = ? AND source_table = ? AND number = ?")
      .bind(encode_key(mark.reached))
      .bind(mark.rows)
      .bind(mark.bytes)
      .bind(mark.done)
      .bind(task)
      .bind(plan.source.name.schema)
      .bind(plan.source.name.table)
      .bind(mark.range.number)
      .run();
  if (mark.snapshot.empty()) return;
  database
      .prepare(
          "UPDATE weir_table SET since_offset = ? WHERE task = ? AND source_schema = ? AND "
          "source_table = ?")
      .bind(mark.snapshot.text)
      .bind(task)
      .bind(plan.source.name.schema)
      .bind(plan.source.name.table)
      .run();
}

bool created_here(SqliteDatabase& database, const std::string& task, const TablePlan& plan) {
  SqliteStatement row = database.prepare(
      "SELECT created FROM weir_table WHERE task = ? AND source_schema = ? AND source_table = ?");
  row.bind(task).bind(plan.source.name.schema).bind(plan.source.name.table);
  return row.step() && row.integer(0) != 0;
}

TaskLock::TaskLock(const std::string& path, const std::string& task,
                   std::chrono::milliseconds limit) {
  // No task's name has a '+'.
  std::string plain = task;
  std::ranges::replace(plain, '/', '+');
  const std::string name = fmt::format("{}.{}.lock", path, plain);
  file_.reset(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file_) {
    throw Error(ExitCode::target_unreachable, "sqlite.lock", "cannot use the lock file " + name,
                std::strerror(errno),
                "check the folder and its permissions, or correct target.path");
  }
  const Clock::time_point deadline = Clock::now() + limit;
  while (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (Clock::now() >= deadline) {
      throw Error(ExitCode::state_conflict, "sqlite.task-held",
                  fmt::format("another worker applies task {} to {}", task, path),
                  name + " is locked", "stop the task where it runs (fuser " + name + " shows it)");
    }
    std::this_thread::sleep_for(kLockEvery);
  }
}

}  // namespace weir::sqlite
