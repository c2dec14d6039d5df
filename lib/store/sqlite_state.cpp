// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_state.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/folder.h"
#include "client/sqlite.h"
#include "model/lane.h"

namespace weir {
namespace {

constexpr const char* kSchema1 = R"sql(
CREATE TABLE task (
  -- One row for each registered task. Times here and below are RFC 3339 in UTC, with microseconds.
  name       TEXT NOT NULL PRIMARY KEY,         -- as in the task file
  file       TEXT NOT NULL,                     -- absolute path of the task file
  state      TEXT NOT NULL DEFAULT 'stopped'    -- what the task is doing
             CHECK (state IN ('stopped', 'starting', 'running', 'stopping', 'failed', 'refused')),
  stage      TEXT NOT NULL DEFAULT 'schema'     -- the stage it is in, or was in last
             CHECK (stage IN ('schema', 'full', 'incremental')),
  detail     TEXT NOT NULL DEFAULT '',          -- the same for people, in a few words
  error_id   TEXT NOT NULL DEFAULT '',          -- error that ended the last worker; '' if none
  error      TEXT NOT NULL DEFAULT '',          -- what happened, and why
  error_fix  TEXT NOT NULL DEFAULT '',          -- what to do about it
  exit_code  INTEGER NOT NULL DEFAULT 0,        -- of the worker that ended with the error
  created_at TEXT NOT NULL,                     -- when the task was registered
  started_at TEXT,                              -- when it last entered the state 'starting'
  changed_at TEXT NOT NULL                      -- when `state` last changed
) STRICT, WITHOUT ROWID;

CREATE TABLE table_state (
  -- One row for each table of a task, with its state in each stage.
  task               TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  source_schema      TEXT NOT NULL,             -- database (MySQL) or schema (PostgreSQL)
  source_table       TEXT NOT NULL,
  target_schema      TEXT NOT NULL,
  target_table       TEXT NOT NULL,
  schema_state       TEXT NOT NULL CHECK (schema_state IN ('waiting', 'running', 'done', 'failed')),
  full_state         TEXT NOT NULL CHECK (full_state IN ('waiting', 'running', 'done', 'failed')),
  incremental_state  TEXT NOT NULL
                     CHECK (incremental_state IN ('waiting', 'running', 'done', 'failed')),
  schema_error       TEXT NOT NULL,             -- why the stage failed; '' if it did not
  full_error         TEXT NOT NULL,
  incremental_error  TEXT NOT NULL,
  estimated_rows     INTEGER NOT NULL,          -- what the source's statistics said
  copied_rows        INTEGER NOT NULL,          -- by the full stage
  copied_bytes       INTEGER NOT NULL,          -- by the full stage
  applied_changes    INTEGER NOT NULL,          -- by the incremental stage
  last_change_at     TEXT,                      -- source commit time of the last applied change
  PRIMARY KEY (task, source_schema, source_table)
) STRICT, WITHOUT ROWID;

CREATE TABLE chunk_range (
  -- The key ranges that the full stage splits a table into, and how far each has come.
  -- Keys are lists of '=' and the value, joined by ','; other than printable ASCII is %XX.
  task           TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  source_schema  TEXT NOT NULL,
  source_table   TEXT NOT NULL,
  number         INTEGER NOT NULL,              -- its place among the ranges of the table, from 0
  after_key      TEXT NOT NULL,                 -- keys greater than this; '' = from the first
  upto_key       TEXT NOT NULL,                 -- up to and including this; '' = to the last
  whole          INTEGER NOT NULL,              -- 1: the table cannot be read in key order
  reached_key    TEXT NOT NULL,                 -- last key that is durable on the target
  rows           INTEGER NOT NULL,              -- copied so far
  bytes          INTEGER NOT NULL,              -- copied so far
  done           INTEGER NOT NULL,              -- 1: copied to its end
  PRIMARY KEY (task, source_schema, source_table, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_offset (
  -- The position in the source's change log from which nothing is lost: everything before it is
  -- durable on the target. No row before the first one is known.
  task        TEXT NOT NULL PRIMARY KEY REFERENCES task (name) ON DELETE CASCADE,
  offset_text TEXT NOT NULL,                    -- as the source's kind writes it
  source_at   TEXT,                             -- source commit time at the offset, if known
  identity    TEXT NOT NULL,                    -- proves which server the offset came from
  stored_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  -- The history of the tasks: stages, failovers, errors, waived risks. Kept.
  number      INTEGER PRIMARY KEY,              -- in order of arrival
  task        TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  at          TEXT NOT NULL,
  level       TEXT NOT NULL,                    -- error, warning, info
  id          TEXT NOT NULL,                    -- stable, dotted: stage.full.done, failover, ...
  table_name  TEXT NOT NULL,                    -- the table it is about; '' if none
  text        TEXT NOT NULL                     -- for people
) STRICT;
CREATE INDEX event_of_task ON event (task);
CREATE INDEX event_by_id ON event (task, id, at);

CREATE TABLE sample (
  -- What a running task measured, about once a second; one a minute after an hour, none after 14
  -- days. Totals count from the start of the worker; times in seconds.
  task            TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  at              TEXT NOT NULL,
  stage           TEXT NOT NULL CHECK (stage IN ('schema', 'full', 'incremental')),
  rows_read       INTEGER NOT NULL,             -- total
  bytes_read      INTEGER NOT NULL,             -- total
  rows_written    INTEGER NOT NULL,             -- total
  bytes_written   INTEGER NOT NULL,             -- total
  transactions    INTEGER NOT NULL,             -- total, source transactions
  batches         INTEGER NOT NULL,             -- total, target transactions
  reader_wait_s   REAL NOT NULL,                -- total, the reader waited for the source
  writer_wait_s   REAL NOT NULL,                -- total, the reader waited for the writer
  apply_s         REAL NOT NULL,                -- total, inside the target
  commit_s        REAL NOT NULL,                -- total, of apply_s in COMMIT
  read_lag_s      REAL NOT NULL,                -- age of what was read last; 0 = all is read
  apply_lag_s     REAL NOT NULL,                -- age of what was applied last; 0 = all is applied
  heard_age_s     REAL NOT NULL,                -- since the source was last heard of
  last_batch_rows INTEGER NOT NULL,
  queue_bytes     INTEGER NOT NULL,             -- read and not yet written
  memory_bytes    INTEGER NOT NULL,             -- peak resident set of the worker
  idle            INTEGER NOT NULL,             -- 1: nothing to do, as opposed to stuck
  PRIMARY KEY (task, at)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kSchema2 = R"sql(
-- Both NULL without a heartbeat, and before the first.
ALTER TABLE sample ADD COLUMN heartbeat_age_s REAL;    -- since the newest one on the target was written
ALTER TABLE sample ADD COLUMN heartbeat_delay_s REAL;  -- from its write to the target's commit
)sql";

constexpr const char* kSchema3 = R"sql(
CREATE TABLE retention (
  -- What each run of check-retention found of the task's source; kept for 30 days. NULL = unknown.
  task            TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  at              TEXT NOT NULL,
  verdict         TEXT NOT NULL,                -- lost, critical, unknown, warning, ok
  may_stay_down_s REAL,                         -- also NULL if nothing limits it
  limited_by      TEXT NOT NULL,                -- the setting that decides; '' if none
  oldest          TEXT NOT NULL,                -- where the source's log began
  oldest_at       TEXT,                         -- when that was written, by the source's clock
  end_file        TEXT NOT NULL,                -- where the log ended; '' if it has no files
  end_position    INTEGER NOT NULL,
  kept_bytes      INTEGER,                      -- all of the log that was there
  margin_bytes    INTEGER,                      -- from where it began to the offset
  written_bytes   INTEGER,                      -- since the run before
  written_span_s  REAL,                         -- how long before that was
  PRIMARY KEY (task, at)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kSchema4 = R"sql(
CREATE TABLE waiver (
  -- The checks that the last start of a task waived. What was waived before is in its events.
  task TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  id   TEXT NOT NULL,                           -- of the check
  at   TEXT NOT NULL,
  who  TEXT NOT NULL,                           -- the user who started the task
  PRIMARY KEY (task, id)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kSchema5 = R"sql(
CREATE TABLE offset_history (
  -- Where the offset of a task has been. Samples are one in ten minutes after a day; after 14 days
  -- only resets are left, which are kept.
  number      INTEGER PRIMARY KEY,              -- in order of arrival
  task        TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  at          TEXT NOT NULL,
  reason      TEXT NOT NULL CHECK (reason IN ('start', 'sample', 'stop', 'reset')),
  offset_text TEXT NOT NULL,                    -- as the source's kind writes it
  source_at   TEXT,                             -- source commit time at the offset, if known
  identity    TEXT NOT NULL,                    -- proves which server the offset came from
  note        TEXT NOT NULL                     -- of a reset: from where, by whom, why; else ''
) STRICT;
CREATE INDEX offset_history_of_task ON offset_history (task, at);
)sql";

constexpr const char* kSchema6 = R"sql(
CREATE TABLE checklist (
  -- What was confirmed before an operation with a risk. Kept.
  number    INTEGER PRIMARY KEY,                -- in order of arrival
  task      TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  operation TEXT NOT NULL,                      -- remove-table, restart, ...
  at        TEXT NOT NULL,
  who       TEXT NOT NULL,                      -- the user who ran weir checklist
  passed    INTEGER NOT NULL                    -- 1: every item that applies passed
) STRICT;
CREATE INDEX checklist_of_task ON checklist (task, operation, number);

CREATE TABLE checklist_item (
  -- The items of a checklist, in its order.
  checklist INTEGER NOT NULL REFERENCES checklist (number) ON DELETE CASCADE,
  place     INTEGER NOT NULL,                   -- from 0
  id        TEXT NOT NULL,
  verdict   TEXT NOT NULL,                      -- pass, fail, unknown, not-applicable
  measured  TEXT NOT NULL,                      -- what weir found; '' if it only asked
  answer    INTEGER,                            -- 1: yes, 0: no, NULL: nobody was asked
  evidence  TEXT NOT NULL,                      -- of the answer, in the person's words
  PRIMARY KEY (checklist, place)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kSchema7 = R"sql(
CREATE TABLE lane (
  -- The parts of a task that run, or ran, beside its main lane. Each that has not ended has a row
  -- in `task` as well, named task/number. Kept.
  task          TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  number        INTEGER NOT NULL,               -- from 1
  purpose       TEXT NOT NULL CHECK (purpose IN ('add', 'reload', 'suspend', 'remove')),
  state         TEXT NOT NULL
                CHECK (state IN ('leaving', 'planned', 'running', 'suspended', 'removed',
                                 'cancelling', 'ended')),
  reload_mode   TEXT NOT NULL,                  -- truncate, merge, swap; '' if nothing is reloaded
  history       INTEGER NOT NULL,               -- 0: no rows are copied
  error_id      TEXT NOT NULL,                  -- why it is suspended; '' if it is not
  error         TEXT NOT NULL,
  error_fix     TEXT NOT NULL,
  stopped_at    TEXT NOT NULL,                  -- offset of the statement that stopped it, or ''
  stopped_source_at TEXT,                       -- source commit time there, if known
  verdict       TEXT NOT NULL,                  -- about that statement: apply, skip; '' = none yet
  note          TEXT NOT NULL,                  -- of an ended one: joined, cancelled, undone
  who           TEXT NOT NULL,                  -- the user; '' if weir did it by itself
  created_at    TEXT NOT NULL,
  changed_at    TEXT NOT NULL,                  -- when `state` last changed
  PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE lane_table (
  -- The tables of a lane.
  task          TEXT NOT NULL,
  number        INTEGER NOT NULL,
  place         INTEGER NOT NULL,               -- from 0
  source_schema TEXT NOT NULL,
  source_table  TEXT NOT NULL,
  PRIMARY KEY (task, number, place),
  FOREIGN KEY (task, number) REFERENCES lane (task, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kSchema8 = R"sql(
CREATE TABLE ddl (
  -- Statements of the source that changed a table of the task, and what became of them. Kept for 90
  -- days; those that wait for somebody for ever.
  task          TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  number        INTEGER NOT NULL,               -- within the task, from 1
  at            TEXT NOT NULL,                  -- when weir met it, the last time
  source_at     TEXT,                           -- when the source ran it, if known
  source_schema TEXT NOT NULL,
  source_table  TEXT NOT NULL,
  lane          TEXT NOT NULL,                  -- that met it last; '' = the main one
  kind          TEXT NOT NULL,                  -- add_column, drop_table, ...
  offset_text   TEXT NOT NULL,                  -- its place in the source's change log
  source_sql    TEXT NOT NULL,
  target_sql    TEXT NOT NULL,                  -- what was carried out; '' if nothing
  policy        TEXT NOT NULL,                  -- what [ddl] says: apply, ignore, ...
  outcome       TEXT NOT NULL
                CHECK (outcome IN ('begun', 'applied', 'ignored', 'alerted', 'stopped-table',
                                   'stopped-task', 'failed', 'resolved')),
  error_id      TEXT NOT NULL,                  -- of one that stopped or failed; else ''
  error         TEXT NOT NULL,
  error_fix     TEXT NOT NULL,
  duration_s    REAL,                           -- on the target; NULL if it did not come to that
  resolved_by   TEXT NOT NULL,                  -- the user; '' if nobody had to
  resolved_at   TEXT,
  resolution    TEXT NOT NULL,                  -- apply, skip, reload: MODE
  PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX ddl_of_place ON ddl (task, offset_text);
CREATE INDEX ddl_unsettled ON ddl (task, source_schema, source_table)
  WHERE outcome IN ('begun', 'stopped-table', 'stopped-task', 'failed');
)sql";

constexpr const char* kSchema9 = R"sql(
CREATE TABLE revision (
  -- The task file each time a task took another one on. A task runs by the newest. Kept.
  task   TEXT NOT NULL REFERENCES task (name) ON DELETE CASCADE,
  number INTEGER NOT NULL,                      -- from 1
  at     TEXT NOT NULL,
  who    TEXT NOT NULL,                         -- the user who did it
  reason TEXT NOT NULL,                         -- start, apply, rollback, add-table
  file   TEXT NOT NULL,                         -- where it stood; relative paths count from there
  digest TEXT NOT NULL,                         -- SHA-256 of the text, in hexadecimal
  text   TEXT NOT NULL,                         -- the whole file
  PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;
)sql";

/// Number i brings schema version i to i + 1. Rows are only ever added.
constexpr std::array<const char*, 9> kMigrations = {
    kSchema1, kSchema2, kSchema3, kSchema4, kSchema5, kSchema6, kSchema7, kSchema8, kSchema9};
constexpr std::int64_t kHeartbeatVersion = 2;
constexpr std::int64_t kRetentionVersion = 3;
constexpr std::int64_t kWaiverVersion = 4;
constexpr std::int64_t kOffsetsVersion = 5;
constexpr std::int64_t kChecklistVersion = 6;
constexpr std::int64_t kLanesVersion = 7;
constexpr std::int64_t kDdlVersion = 8;
constexpr std::int64_t kRevisionVersion = 9;
constexpr std::int64_t kVersion = static_cast<std::int64_t>(kMigrations.size());

constexpr std::chrono::milliseconds kBusyTimeout{5000};
constexpr std::chrono::milliseconds kReadPatience{1000};
constexpr std::chrono::hours kSampleDetail{1};
constexpr std::chrono::hours kSampleLife{14 * 24};
constexpr std::chrono::hours kRetentionLife{30 * 24};
constexpr std::chrono::hours kOffsetDetail{24};
constexpr std::chrono::hours kOffsetLife{14 * 24};
constexpr std::chrono::hours kDdlLife{90 * 24};

/// SQLite has one view of a WAL's shared memory for a whole process: a writer that opens the file
/// during a read would get the reader's, which cannot be written.
std::mutex shared_memory_mutex;

std::string text_of(Time time) { return to_rfc3339(time, true); }

/// The epoch stands for "never", which is NULL.
void bind_time(SqliteStatement& statement, Time time) {
  if (time == Time{}) {
    statement.bind(nullptr);
  } else {
    statement.bind(text_of(time));
  }
}

template <class Number>
void bind_optional(SqliteStatement& statement, const std::optional<Number>& value) {
  if (value) {
    statement.bind(*value);
  } else {
    statement.bind(nullptr);
  }
}

Time time_at(const SqliteStatement& row, int column) {
  return row.is_null(column) ? Time{} : parse_rfc3339(row.text(column));
}

/// The enumerator that `text` names; the first `count` ones are tried.
template <class Enum>
Enum enumerator(std::string_view text, int count) {
  for (int i = 0; i < count; ++i) {
    if (to_string(static_cast<Enum>(i)) == text) return static_cast<Enum>(i);
  }
  throw Error(ExitCode::failed, "state.io", fmt::format("\"{}\" in weir.db is not a state", text),
              "the file was changed by hand or is damaged", "restore weir.db from a copy");
}

TaskState task_state(std::string_view text) { return enumerator<TaskState>(text, 6); }
Stage stage(std::string_view text) { return enumerator<Stage>(text, 3); }
StageState stage_state(std::string_view text) { return enumerator<StageState>(text, 4); }
OffsetRow::Reason offset_reason(std::string_view text) {
  return enumerator<OffsetRow::Reason>(text, 4);
}

LaneRow::Purpose lane_purpose(std::string_view text) {
  return enumerator<LaneRow::Purpose>(text, 4);
}
LaneRow::State lane_state(std::string_view text) { return enumerator<LaneRow::State>(text, 7); }
DdlRow::Outcome ddl_outcome(std::string_view text) { return enumerator<DdlRow::Outcome>(text, 8); }

std::int64_t row_limit(std::size_t limit) {
  return static_cast<std::int64_t>(
      std::min<std::size_t>(limit, std::numeric_limits<std::int64_t>::max()));
}

std::uint64_t count_at(const SqliteStatement& row, int column) {
  return static_cast<std::uint64_t>(row.integer(column));
}

constexpr const char* kRevisionColumns =
    "SELECT task, number, at, who, reason, file, digest, text FROM revision ";

RevisionRow revision_row(const SqliteStatement& row) {
  RevisionRow out;
  int c = 0;
  out.task = row.text(c++);
  out.number = static_cast<std::uint32_t>(row.integer(c++));
  out.at = time_at(row, c++);
  out.who = row.text(c++);
  out.reason = row.text(c++);
  out.file = row.text(c++);
  out.digest = row.text(c++);
  out.text = row.text(c++);
  return out;
}

constexpr const char* kTaskColumns =
    "SELECT name, file, state, stage, detail, error_id, error, error_fix, exit_code, created_at,"
    " started_at, changed_at FROM task ";

TaskRow task_row(const SqliteStatement& row) {
  TaskRow task;
  int c = 0;
  task.name = row.text(c++);
  task.file = row.text(c++);
  task.state = task_state(row.text(c++));
  task.stage = stage(row.text(c++));
  task.detail = row.text(c++);
  task.error_id = row.text(c++);
  task.error = row.text(c++);
  task.error_fix = row.text(c++);
  task.exit_code = static_cast<int>(row.integer(c++));
  task.created = time_at(row, c++);
  task.started = time_at(row, c++);
  task.changed = time_at(row, c++);
  return task;
}

constexpr const char* kDdlColumns =
    "SELECT number, at, source_at, source_schema, source_table, lane, kind, offset_text,"
    " source_sql, target_sql, policy, outcome, error_id, error, error_fix, duration_s, resolved_by,"
    " resolved_at, resolution FROM ddl ";
constexpr const char* kOpenDdl = "outcome IN ('stopped-table', 'stopped-task', 'failed')";

DdlRow ddl_of(const SqliteStatement& row) {
  DdlRow ddl;
  int c = 0;
  ddl.number = static_cast<std::uint32_t>(row.integer(c++));
  ddl.at = time_at(row, c++);
  ddl.source_time = time_at(row, c++);
  ddl.table.schema = row.text(c++);
  ddl.table.table = row.text(c++);
  ddl.lane = row.text(c++);
  ddl.kind = row.text(c++);
  ddl.offset.text = row.text(c++);
  ddl.source_sql = row.text(c++);
  ddl.target_sql = row.text(c++);
  ddl.policy = row.text(c++);
  ddl.outcome = ddl_outcome(row.text(c++));
  ddl.error_id = row.text(c++);
  ddl.error = row.text(c++);
  ddl.error_fix = row.text(c++);
  if (!row.is_null(c)) ddl.duration_s = row.real(c);
  ddl.resolved_by = row.text(++c);
  ddl.resolved_at = time_at(row, ++c);
  ddl.resolution = row.text(++c);
  ddl.offset.source_time = ddl.source_time;
  return ddl;
}

void replace_ddl(SqliteDatabase& db, const std::string& task, const DdlRow& row) {
  SqliteStatement put = db.prepare(
      "INSERT OR REPLACE INTO ddl (task, number, at, source_at, source_schema, source_table, lane,"
      " kind, offset_text, source_sql, target_sql, policy, outcome, error_id, error, error_fix,"
      " duration_s, resolved_by, resolved_at, resolution)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  put.bind(task).bind(row.number).bind(text_of(row.at));
  bind_time(put, row.source_time);
  put.bind(row.table.schema)
      .bind(row.table.table)
      .bind(row.lane)
      .bind(row.kind)
      .bind(row.offset.text)
      .bind(row.source_sql)
      .bind(row.target_sql)
      .bind(row.policy)
      .bind(to_string(row.outcome))
      .bind(row.error_id)
      .bind(row.error)
      .bind(row.error_fix);
  bind_optional(put, row.duration_s);
  put.bind(row.resolved_by);
  bind_time(put, row.resolved_at);
  put.bind(row.resolution).run();
}

/// What tells that a file is still the one that was read.
struct FileMark {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec changed{};

  bool operator==(const FileMark& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
  }
};

std::optional<FileMark> mark_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) == 0) {
    return FileMark{found.st_dev, found.st_ino, found.st_size, found.st_mtim};
  }
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw Error(ExitCode::failed, "state.io", "cannot read " + path, std::strerror(errno),
              "run as the owner of the state folder, or give --state-dir");
}

/// Creates the file for its owner alone, and takes away what others may do with an older one.
/// It is never opened here: closing it would drop the locks that SQLite has on it in this process.
void create_private_file(const std::string& path) {
  const int created = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (created >= 0) {
    close(created);
    return;
  }
  if (errno == EEXIST) {
    struct stat found {};
    if (stat(path.c_str(), &found) == 0 && (found.st_mode & 0077) != 0) {
      if (chmod(path.c_str(), 0600) == 0) return;
    } else {
      return;
    }
  }
  throw Error(ExitCode::failed, "state.io", "cannot create " + path, std::strerror(errno),
              "give this user a state folder of its own with --state-dir or WEIR_STATE_DIR");
}

class SqliteState final : public StateStore {
 public:
  SqliteState(const std::string& folder, bool read_only)
      : path_(folder + "/weir.db"), read_only_(read_only) {
    if (read_only) {
      read([](SqliteDatabase& db) { return db.integer("SELECT count(*) FROM task"); });
    } else {
      make_private_folder(folder);
      create_private_file(path_);
      open_for_writing();
    }
  }

  std::vector<TaskRow> tasks() override {
    return read([](SqliteDatabase& db) {
      std::vector<TaskRow> out;
      SqliteStatement row =
          db.prepare(std::string(kTaskColumns) + "WHERE instr(name, '/') = 0 ORDER BY name");
      while (row.step()) out.push_back(task_row(row));
      return out;
    });
  }

  std::optional<TaskRow> task(const std::string& name) override {
    return read([&](SqliteDatabase& db) -> std::optional<TaskRow> {
      SqliteStatement row = db.prepare(std::string(kTaskColumns) + "WHERE name = ?");
      row.bind(name);
      if (!row.step()) return std::nullopt;
      return task_row(row);
    });
  }

  void put_task(const std::string& name, const std::string& file) override {
    write([&](SqliteDatabase& db) {
      const std::string at = text_of(now());
      db.prepare(
            "INSERT INTO task (name, file, created_at, changed_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET file = excluded.file")
          .bind(name)
          .bind(file)
          .bind(at)
          .bind(at)
          .run();
    });
  }

  void set_state(const std::string& task, TaskState state, const std::string& detail) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare(
            "UPDATE task SET detail = ?2,"
            " started_at = iif(?3 = 'starting' AND state <> ?3, ?4, started_at),"
            " changed_at = iif(state <> ?3, ?4, changed_at), state = ?3 WHERE name = ?1")
          .bind(task)
          .bind(detail)
          .bind(to_string(state))
          .bind(text_of(now()))
          .run();
    });
  }

  void set_stage(const std::string& task, Stage stage, const std::string& detail) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare("UPDATE task SET stage = ?2, detail = ?3 WHERE name = ?1")
          .bind(task)
          .bind(to_string(stage))
          .bind(detail)
          .run();
    });
  }

  void set_error(const std::string& task, int exit_code, const std::string& id,
                 const std::string& what, const std::string& fix) override {
    const bool clear = id.empty();
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare(
            "UPDATE task SET exit_code = ?2, error_id = ?3, error = ?4, error_fix = ?5"
            " WHERE name = ?1")
          .bind(task)
          .bind(clear ? 0 : exit_code)
          .bind(id)
          .bind(clear ? std::string() : what)
          .bind(clear ? std::string() : fix)
          .run();
    });
  }

  std::vector<TableRow> tables(const std::string& task) override {
    return read([&](SqliteDatabase& db) {
      std::vector<TableRow> out;
      SqliteStatement row = db.prepare(
          "SELECT source_schema, source_table, target_schema, target_table, schema_state,"
          " full_state, incremental_state, schema_error, full_error, incremental_error,"
          " estimated_rows, copied_rows, copied_bytes, applied_changes, last_change_at"
          " FROM table_state WHERE task = ? ORDER BY source_schema, source_table");
      row.bind(task);
      while (row.step()) {
        TableRow& table = out.emplace_back();
        int c = 0;
        table.source.schema = row.text(c++);
        table.source.table = row.text(c++);
        table.target.schema = row.text(c++);
        table.target.table = row.text(c++);
        table.schema = stage_state(row.text(c++));
        table.full = stage_state(row.text(c++));
        table.incremental = stage_state(row.text(c++));
        table.schema_error = row.text(c++);
        table.full_error = row.text(c++);
        table.incremental_error = row.text(c++);
        table.estimated_rows = count_at(row, c++);
        table.copied_rows = count_at(row, c++);
        table.copied_bytes = count_at(row, c++);
        table.applied_changes = count_at(row, c++);
        table.last_change = time_at(row, c++);
      }
      return out;
    });
  }

  void put_tables(const std::string& task, std::span<const TableRow> rows) override {
    write_task(task, [&](SqliteDatabase& db) {
      SqliteStatement put = db.prepare(
          "INSERT OR REPLACE INTO table_state (task, source_schema, source_table, target_schema,"
          " target_table, schema_state, full_state, incremental_state, schema_error, full_error,"
          " incremental_error, estimated_rows, copied_rows, copied_bytes, applied_changes,"
          " last_change_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      for (const TableRow& table : rows) {
        put.bind(task)
            .bind(table.source.schema)
            .bind(table.source.table)
            .bind(table.target.schema)
            .bind(table.target.table)
            .bind(to_string(table.schema))
            .bind(to_string(table.full))
            .bind(to_string(table.incremental))
            .bind(table.schema_error)
            .bind(table.full_error)
            .bind(table.incremental_error)
            .bind(table.estimated_rows)
            .bind(table.copied_rows)
            .bind(table.copied_bytes)
            .bind(table.applied_changes);
        bind_time(put, table.last_change);
        put.run();
      }
    });
  }

  void retain_tables(const std::string& task, std::span<const TableName> keep) override {
    write_task(task, [&](SqliteDatabase& db) {
      const std::set<TableName> kept(keep.begin(), keep.end());
      std::set<TableName> gone;
      SqliteStatement row = db.prepare(
          "SELECT source_schema, source_table FROM table_state WHERE task = ?1 UNION"
          " SELECT source_schema, source_table FROM chunk_range WHERE task = ?1");
      row.bind(task);
      while (row.step()) {
        TableName name{std::string(row.text(0)), std::string(row.text(1))};
        if (!kept.contains(name)) gone.insert(std::move(name));
      }
      SqliteStatement forget_table = db.prepare(
          "DELETE FROM table_state WHERE task = ? AND source_schema = ? AND source_table = ?");
      SqliteStatement forget_ranges = db.prepare(
          "DELETE FROM chunk_range WHERE task = ? AND source_schema = ? AND source_table = ?");
      for (const TableName& name : gone) {
        forget_table.bind(task).bind(name.schema).bind(name.table).run();
        forget_ranges.bind(task).bind(name.schema).bind(name.table).run();
      }
    });
  }

  std::vector<RangeProgress> ranges(const std::string& task, const TableName& table) override {
    return read([&](SqliteDatabase& db) {
      std::vector<RangeProgress> out;
      SqliteStatement row = db.prepare(
          "SELECT number, after_key, upto_key, whole, reached_key, rows, bytes, done"
          " FROM chunk_range WHERE task = ? AND source_schema = ? AND source_table = ?"
          " ORDER BY number");
      row.bind(task).bind(table.schema).bind(table.table);
      while (row.step()) {
        RangeProgress& progress = out.emplace_back();
        int c = 0;
        progress.range.number = static_cast<std::uint32_t>(row.integer(c++));
        progress.range.after = decode_key(row.text(c++));
        progress.range.upto = decode_key(row.text(c++));
        progress.range.whole = row.integer(c++) != 0;
        progress.reached = decode_key(row.text(c++));
        progress.rows = count_at(row, c++);
        progress.bytes = count_at(row, c++);
        progress.done = row.integer(c++) != 0;
      }
      return out;
    });
  }

  void put_range(const std::string& task, const TableName& table,
                 const RangeProgress& progress) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare(
            "INSERT OR REPLACE INTO chunk_range (task, source_schema, source_table, number,"
            " after_key, upto_key, whole, reached_key, rows, bytes, done)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(task)
          .bind(table.schema)
          .bind(table.table)
          .bind(progress.range.number)
          .bind(encode_key(progress.range.after))
          .bind(encode_key(progress.range.upto))
          .bind(progress.range.whole)
          .bind(encode_key(progress.reached))
          .bind(progress.rows)
          .bind(progress.bytes)
          .bind(progress.done)
          .run();
    });
  }

  std::optional<StoredOffset> offset(const std::string& task) override {
    return read([&](SqliteDatabase& db) -> std::optional<StoredOffset> {
      SqliteStatement row = db.prepare(
          "SELECT offset_text, source_at, identity, stored_at FROM task_offset WHERE task = ?");
      row.bind(task);
      if (!row.step()) return std::nullopt;
      return StoredOffset{Offset{std::string(row.text(0)), time_at(row, 1)},
                          Identity{std::string(row.text(2))}, time_at(row, 3)};
    });
  }

  void put_offset(const std::string& task, const Offset& offset,
                  const Identity& identity) override {
    write_task(task, [&](SqliteDatabase& db) {
      SqliteStatement put = db.prepare(
          "INSERT OR REPLACE INTO task_offset (task, offset_text, source_at, identity, stored_at)"
          " VALUES (?, ?, ?, ?, ?)");
      put.bind(task).bind(offset.text);
      bind_time(put, offset.source_time);
      put.bind(identity.text).bind(text_of(now())).run();
    });
  }

  void add_offset(const std::string& task, const OffsetRow& row) override {
    const auto insert = [&](SqliteDatabase& db) {
      SqliteStatement put = db.prepare(
          "INSERT INTO offset_history (task, at, reason, offset_text, source_at, identity, note)"
          " VALUES (?, ?, ?, ?, ?, ?, ?)");
      put.bind(task).bind(text_of(row.at)).bind(to_string(row.reason)).bind(row.offset.text);
      bind_time(put, row.offset.source_time);
      put.bind(row.identity.text).bind(row.note).run();
      db.prepare("DELETE FROM offset_history WHERE task = ? AND at < ? AND reason <> 'reset'")
          .bind(task)
          .bind(text_of(row.at - kOffsetLife))
          .run();
      // The first 15 characters of a time are its ten minutes; ':' is past every digit.
      db.prepare(
            "DELETE FROM offset_history AS old WHERE task = ?1 AND at < ?2 AND reason = 'sample'"
            " AND EXISTS (SELECT 1 FROM offset_history AS next WHERE next.task = ?1"
            " AND next.reason = 'sample' AND next.at > old.at"
            " AND next.at < substr(old.at, 1, 15) || ':')")
          .bind(task)
          .bind(text_of(std::chrono::floor<std::chrono::minutes>(row.at - kOffsetDetail)))
          .run();
    };
    write_task(task, insert,
               row.reason == OffsetRow::Reason::sample ? Durability::after_crash
                                                       : Durability::after_power_loss);
  }

  std::vector<OffsetRow> offsets(const std::string& task, std::size_t limit, Time since) override {
    return read([&](SqliteDatabase& db) {
      std::vector<OffsetRow> out;
      if (db.integer("PRAGMA user_version") < kOffsetsVersion) return out;
      SqliteStatement row = db.prepare(
          "SELECT at, reason, offset_text, source_at, identity, note FROM offset_history"
          " WHERE task = ? AND at >= ? ORDER BY number DESC LIMIT ?");
      row.bind(task).bind(text_of(since)).bind(row_limit(limit));
      while (row.step()) {
        OffsetRow& each = out.emplace_back();
        each.at = time_at(row, 0);
        each.reason = offset_reason(row.text(1));
        each.offset = {std::string(row.text(2)), time_at(row, 3)};
        each.identity.text = row.text(4);
        each.note = row.text(5);
      }
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  void add_event(const std::string& task, const EventRow& event) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare(
            "INSERT INTO event (task, at, level, id, table_name, text) VALUES (?, ?, ?, ?, ?, ?)")
          .bind(root_name(task))
          .bind(text_of(event.at))
          .bind(event.level)
          .bind(event.id)
          .bind(event.table)
          .bind(event.text)
          .run();
    });
  }

  std::vector<EventRow> events(const std::string& task, std::size_t limit) override {
    return read([&](SqliteDatabase& db) {
      std::vector<EventRow> out;
      SqliteStatement row = db.prepare(
          "SELECT at, level, id, table_name, text FROM event WHERE task = ?"
          " ORDER BY number DESC LIMIT ?");
      row.bind(task).bind(row_limit(limit));
      while (row.step()) {
        out.push_back({time_at(row, 0), std::string(row.text(1)), std::string(row.text(2)),
                       std::string(row.text(3)), std::string(row.text(4))});
      }
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  std::size_t count_events(const std::string& task, const std::string& id, Time since) override {
    return read([&](SqliteDatabase& db) -> std::size_t {
      SqliteStatement row =
          db.prepare("SELECT count(*) FROM event WHERE task = ? AND id = ? AND at >= ?");
      row.bind(task).bind(id).bind(text_of(since));
      row.step();
      return count_at(row, 0);
    });
  }

  void add_sample(const std::string& task, const Sample& sample) override {
    const auto insert = [&](SqliteDatabase& db) {
      SqliteStatement put = db.prepare(
          "INSERT OR REPLACE INTO sample (task, at, stage, rows_read, bytes_read, rows_written,"
          " bytes_written, transactions, batches, reader_wait_s, writer_wait_s, apply_s,"
          " commit_s, read_lag_s, apply_lag_s, heard_age_s, last_batch_rows, queue_bytes,"
          " memory_bytes, idle, heartbeat_age_s, heartbeat_delay_s)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      put.bind(task)
          .bind(text_of(sample.at))
          .bind(to_string(sample.stage))
          .bind(sample.rows_read)
          .bind(sample.bytes_read)
          .bind(sample.rows_written)
          .bind(sample.bytes_written)
          .bind(sample.transactions)
          .bind(sample.batches)
          .bind(sample.reader_wait_s)
          .bind(sample.writer_wait_s)
          .bind(sample.apply_s)
          .bind(sample.commit_s)
          .bind(sample.read_lag_s)
          .bind(sample.apply_lag_s)
          .bind(sample.heard_age_s)
          .bind(sample.last_batch_rows)
          .bind(sample.queue_bytes)
          .bind(sample.memory_bytes)
          .bind(sample.idle);
      for (const std::optional<double>& seconds :
           {sample.heartbeat_age_s, sample.heartbeat_delay_s}) {
        if (seconds) {
          put.bind(*seconds);
        } else {
          put.bind(nullptr);
        }
      }
      put.run();
      thin_samples(db, task, sample.at);
    };
    write_task(task, insert, Durability::after_crash);
  }

  std::vector<Sample> samples(const std::string& task, std::size_t limit) override {
    return read([&](SqliteDatabase& db) {
      std::vector<Sample> out;
      // A file that is only read is as the weir that writes it made it.
      const bool has_beats = db.integer("PRAGMA user_version") >= kHeartbeatVersion;
      SqliteStatement row = db.prepare(fmt::format(
          "SELECT at, stage, rows_read, bytes_read, rows_written, bytes_written, transactions,"
          " batches, reader_wait_s, writer_wait_s, apply_s, commit_s, read_lag_s, apply_lag_s,"
          " heard_age_s, last_batch_rows, queue_bytes, memory_bytes, idle, {}"
          " FROM sample WHERE task = ? ORDER BY at DESC LIMIT ?",
          has_beats ? "heartbeat_age_s, heartbeat_delay_s" : "NULL, NULL"));
      row.bind(task).bind(row_limit(limit));
      while (row.step()) {
        Sample& sample = out.emplace_back();
        int c = 0;
        sample.at = time_at(row, c++);
        sample.stage = stage(row.text(c++));
        sample.rows_read = count_at(row, c++);
        sample.bytes_read = count_at(row, c++);
        sample.rows_written = count_at(row, c++);
        sample.bytes_written = count_at(row, c++);
        sample.transactions = count_at(row, c++);
        sample.batches = count_at(row, c++);
        sample.reader_wait_s = row.real(c++);
        sample.writer_wait_s = row.real(c++);
        sample.apply_s = row.real(c++);
        sample.commit_s = row.real(c++);
        sample.read_lag_s = row.real(c++);
        sample.apply_lag_s = row.real(c++);
        sample.heard_age_s = row.real(c++);
        sample.last_batch_rows = count_at(row, c++);
        sample.queue_bytes = count_at(row, c++);
        sample.memory_bytes = count_at(row, c++);
        sample.idle = row.integer(c++) != 0;
        for (std::optional<double>* seconds :
             {&sample.heartbeat_age_s, &sample.heartbeat_delay_s}) {
          if (!row.is_null(c)) *seconds = row.real(c);
          ++c;
        }
      }
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  void add_retention(const std::string& task, const RetentionRow& row) override {
    write_task(task, [&](SqliteDatabase& db) {
      SqliteStatement put = db.prepare(
          "INSERT OR REPLACE INTO retention (task, at, verdict, may_stay_down_s, limited_by,"
          " oldest, oldest_at, end_file, end_position, kept_bytes, margin_bytes, written_bytes,"
          " written_span_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      put.bind(task).bind(text_of(row.at)).bind(row.verdict);
      bind_optional(put, row.may_stay_down_s);
      put.bind(row.limited_by).bind(row.oldest);
      bind_time(put, row.oldest_time);
      put.bind(row.end.file).bind(row.end.position);
      bind_optional(put, row.kept_bytes);
      bind_optional(put, row.margin_bytes);
      bind_optional(put, row.written ? std::optional(row.written->bytes) : std::nullopt);
      bind_optional(put, row.written ? std::optional(row.written->span.count()) : std::nullopt);
      put.run();
      db.prepare("DELETE FROM retention WHERE task = ? AND at < ?")
          .bind(task)
          .bind(text_of(row.at - kRetentionLife))
          .run();
    });
  }

  std::vector<RetentionRow> retention(const std::string& task, std::size_t limit) override {
    return read([&](SqliteDatabase& db) {
      std::vector<RetentionRow> out;
      if (db.integer("PRAGMA user_version") < kRetentionVersion) return out;
      SqliteStatement row = db.prepare(
          "SELECT at, verdict, may_stay_down_s, limited_by, oldest, oldest_at, end_file,"
          " end_position, kept_bytes, margin_bytes, written_bytes, written_span_s"
          " FROM retention WHERE task = ? ORDER BY at DESC LIMIT ?");
      row.bind(task).bind(row_limit(limit));
      while (row.step()) {
        RetentionRow& run = out.emplace_back();
        int c = 0;
        run.at = time_at(row, c++);
        run.verdict = row.text(c++);
        if (!row.is_null(c)) run.may_stay_down_s = row.real(c);
        run.limited_by = row.text(++c);
        run.oldest = row.text(++c);
        run.oldest_time = time_at(row, ++c);
        run.end.file = row.text(++c);
        run.end.position = count_at(row, ++c);
        if (!row.is_null(++c)) run.kept_bytes = count_at(row, c);
        if (!row.is_null(++c)) run.margin_bytes = count_at(row, c);
        if (!row.is_null(++c)) {
          run.written = LogGrowth{count_at(row, c), std::chrono::duration<double>(row.real(c + 1))};
        }
      }
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  void put_waivers(const std::string& task, std::span<const WaiverRow> rows) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare("DELETE FROM waiver WHERE task = ?").bind(task).run();
      for (const WaiverRow& row : rows) {
        db.prepare("INSERT OR REPLACE INTO waiver (task, id, at, who) VALUES (?, ?, ?, ?)")
            .bind(task)
            .bind(row.id)
            .bind(text_of(row.at))
            .bind(row.who)
            .run();
      }
    });
  }

  std::vector<WaiverRow> waivers(const std::string& task) override {
    return read([&](SqliteDatabase& db) {
      std::vector<WaiverRow> out;
      if (db.integer("PRAGMA user_version") < kWaiverVersion) return out;
      SqliteStatement row = db.prepare("SELECT at, id, who FROM waiver WHERE task = ? ORDER BY id");
      row.bind(task);
      while (row.step()) {
        out.push_back({time_at(row, 0), std::string(row.text(1)), std::string(row.text(2))});
      }
      return out;
    });
  }

  void add_checklist(const std::string& task, const ChecklistRow& row) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare("INSERT INTO checklist (task, operation, at, who, passed) VALUES (?, ?, ?, ?, ?)")
          .bind(task)
          .bind(row.operation)
          .bind(text_of(row.at))
          .bind(row.who)
          .bind(row.passed)
          .run();
      const std::int64_t number = db.integer("SELECT last_insert_rowid()");
      SqliteStatement put = db.prepare(
          "INSERT INTO checklist_item (checklist, place, id, verdict, measured, answer, evidence)"
          " VALUES (?, ?, ?, ?, ?, ?, ?)");
      std::uint64_t place = 0;
      for (const ChecklistItemRow& item : row.items) {
        put.bind(number).bind(place++).bind(item.id).bind(item.verdict).bind(item.measured);
        bind_optional(put, item.answer);
        put.bind(item.evidence).run();
      }
    });
  }

  std::vector<ChecklistRow> checklists(const std::string& task, const std::string& operation,
                                       std::size_t limit) override {
    return read([&](SqliteDatabase& db) {
      std::vector<ChecklistRow> out;
      if (db.integer("PRAGMA user_version") < kChecklistVersion) return out;
      SqliteStatement row = db.prepare(
          "SELECT number, operation, at, who, passed FROM checklist"
          " WHERE task = ?1 AND (?2 = '' OR operation = ?2) ORDER BY number DESC LIMIT ?3");
      row.bind(task).bind(operation).bind(row_limit(limit));
      while (row.step()) {
        ChecklistRow& one = out.emplace_back();
        one.operation = row.text(1);
        one.at = time_at(row, 2);
        one.who = row.text(3);
        one.passed = row.integer(4) != 0;
        SqliteStatement item = db.prepare(
            "SELECT id, verdict, measured, answer, evidence FROM checklist_item"
            " WHERE checklist = ? ORDER BY place");
        item.bind(row.integer(0));
        while (item.step()) {
          ChecklistItemRow& answered = one.items.emplace_back();
          answered.id = item.text(0);
          answered.verdict = item.text(1);
          answered.measured = item.text(2);
          if (!item.is_null(3)) answered.answer = item.integer(3) != 0;
          answered.evidence = item.text(4);
        }
      }
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  std::uint32_t add_lane(const LaneRow& row) override {
    std::uint32_t number = 0;
    write_task(row.task, [&](SqliteDatabase& db) { number = insert_lane(db, row); });
    return number;
  }

  std::uint32_t split_lane(const LaneRow& row, std::uint32_t from) override {
    std::uint32_t number = 0;
    write_task(row.task, [&](SqliteDatabase& db) {
      for (const TableName& table : row.tables) {
        db.prepare(
              "DELETE FROM lane_table WHERE task = ? AND number = ? AND source_schema = ? AND"
              " source_table = ?")
            .bind(row.task)
            .bind(from)
            .bind(table.schema)
            .bind(table.table)
            .run();
      }
      number = insert_lane(db, row);
    });
    return number;
  }

  std::vector<LaneRow> lanes(const std::string& task) override {
    return read([&](SqliteDatabase& db) {
      return lane_rows(db, "WHERE task = ?1 AND state <> 'ended' ORDER BY number", task);
    });
  }

  std::vector<LaneRow> ended_lanes(const std::string& task, std::size_t limit) override {
    return read([&](SqliteDatabase& db) {
      return lane_rows(db,
                       fmt::format("WHERE task = ?1 AND number IN (SELECT number FROM lane"
                                   " WHERE task = ?1 AND state = 'ended'"
                                   " ORDER BY number DESC LIMIT {}) ORDER BY number",
                                   row_limit(limit)),
                       task);
    });
  }

  void put_lane(const LaneRow& row) override {
    write_task(row.task, [&](SqliteDatabase& db) {
      if (!replace_lane(db, row)) throw unknown_lane(row);
    });
  }

  bool change_lane(const LaneRow& row, LaneRow::State from) override {
    bool changed = false;
    write_task(row.task, [&](SqliteDatabase& db) {
      const std::optional<LaneMark> kept = mark_of_lane(db, row);
      if (!kept) throw unknown_lane(row);
      changed = kept->state == from;
      if (changed) replace_lane(db, row);
    });
    return changed;
  }

  void end_lane(const LaneRow& row, bool joined) override {
    write_task(row.task, [&](SqliteDatabase& db) {
      const std::optional<LaneMark> kept = mark_of_lane(db, row);
      if (!kept) throw unknown_lane(row);
      if (kept->state == LaneRow::State::ended) return;
      finish_lane(db, row, joined);
    });
  }

  std::uint32_t add_ddl(const std::string& task, const DdlRow& row) override {
    DdlRow kept = row;
    write_task(task, [&](SqliteDatabase& db) {
      SqliteStatement same = db.prepare(
          "SELECT number, policy, resolved_by, resolved_at, resolution FROM ddl"
          " WHERE task = ? AND offset_text = ? AND source_schema = ? AND source_table = ?"
          " AND kind = ? AND source_sql = ?");
      same.bind(task)
          .bind(row.offset.text)
          .bind(row.table.schema)
          .bind(row.table.table)
          .bind(row.kind)
          .bind(row.source_sql);
      bool is_there = same.step();
      if (!is_there) {
        // A table goes no further than a statement that waits, so the same one there is that one,
        // though a source may have found another place for it.
        same = db.prepare(
            fmt::format("SELECT number, policy, resolved_by, resolved_at, resolution FROM ddl"
                        " WHERE task = ? AND source_schema = ? AND source_table = ? AND kind = ?"
                        " AND source_sql = ? AND {} ORDER BY number DESC",
                        kOpenDdl));
        same.bind(task)
            .bind(row.table.schema)
            .bind(row.table.table)
            .bind(row.kind)
            .bind(row.source_sql);
        is_there = same.step();
      }
      if (is_there) {
        kept.number = static_cast<std::uint32_t>(same.integer(0));
        if (!row.is_open() && !same.is_null(3)) {
          kept.policy = same.text(1);  // what is done now is what somebody said, not the policy
          kept.resolved_by = same.text(2);
          kept.resolved_at = time_at(same, 3);
          kept.resolution = same.text(4);
        }
      } else {
        SqliteStatement last =
            db.prepare("SELECT coalesce(max(number), 0) FROM ddl WHERE task = ?");
        last.bind(task);
        last.step();
        kept.number = static_cast<std::uint32_t>(last.integer(0) + 1);
      }
      replace_ddl(db, task, kept);
      // The newest one stays: numbers are never given twice.
      db.prepare(fmt::format("DELETE FROM ddl WHERE task = ?1 AND at < ?2 AND number <> ?3"
                             " AND number < (SELECT max(number) FROM ddl WHERE task = ?1)"
                             " AND NOT {}",
                             kOpenDdl))
          .bind(task)
          .bind(text_of(row.at - kDdlLife))
          .bind(kept.number)
          .run();
    });
    return kept.number;
  }

  std::vector<DdlRow> ddl(const std::string& task, std::size_t limit, bool only_open) override {
    return read([&](SqliteDatabase& db) {
      std::vector<DdlRow> out;
      if (db.integer("PRAGMA user_version") < kDdlVersion) return out;
      SqliteStatement row =
          db.prepare(fmt::format("{} WHERE task = ? {}{} ORDER BY number DESC LIMIT ?", kDdlColumns,
                                 only_open ? "AND " : "", only_open ? kOpenDdl : ""));
      row.bind(task).bind(row_limit(limit));
      while (row.step()) out.push_back(ddl_of(row));
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  std::vector<DdlRow> unsettled_ddl(const std::string& task) override {
    return read([&](SqliteDatabase& db) {
      std::vector<DdlRow> out;
      if (db.integer("PRAGMA user_version") < kDdlVersion) return out;
      SqliteStatement row = db.prepare(
          std::string(kDdlColumns) +
          "WHERE task = ? AND outcome IN ('begun', 'stopped-table', 'stopped-task', 'failed')"
          " ORDER BY number");
      row.bind(task);
      while (row.step()) out.push_back(ddl_of(row));
      return out;
    });
  }

  std::optional<DdlRow> ddl_row(const std::string& task, std::uint32_t number) override {
    return read([&](SqliteDatabase& db) -> std::optional<DdlRow> {
      if (db.integer("PRAGMA user_version") < kDdlVersion) return std::nullopt;
      SqliteStatement row = db.prepare(std::string(kDdlColumns) + "WHERE task = ? AND number = ?");
      row.bind(task).bind(number);
      if (!row.step()) return std::nullopt;
      return ddl_of(row);
    });
  }

  void put_ddl(const std::string& task, const DdlRow& row) override {
    write_task(task, [&](SqliteDatabase& db) { replace_ddl(db, task, row); });
  }

  std::uint32_t add_revision(const RevisionRow& row, std::span<LaneChange> lanes) override {
    std::uint32_t number = 0;
    write_task(row.task, [&](SqliteDatabase& db) {
      number = newest_revision_in(db, row.task) + 1;
      if (row.number != 0 && row.number != number) {
        throw Error(
            ExitCode::state_conflict, "revision.moved",
            fmt::format("task {} has got another revision meanwhile", row.task),
            fmt::format("this was to be revision {}, and the newest is {}", row.number, number - 1),
            fmt::format("look at it with weir config list {}, then plan again", row.task));
      }
      db.prepare(
            "INSERT INTO revision (task, number, at, who, reason, file, digest, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
          .bind(row.task)
          .bind(static_cast<std::uint64_t>(number))
          .bind(text_of(row.at))
          .bind(row.who)
          .bind(row.reason)
          .bind(row.file)
          .bind(row.digest)
          .bind(row.text)
          .run();
      for (LaneChange& lane : lanes) {
        if (lane.row.number == 0) {
          lane.row.number = insert_lane(db, lane.row);
          continue;
        }
        const std::optional<LaneMark> kept = mark_of_lane(db, lane.row);
        if (!kept) throw unknown_lane(lane.row);
        if (kept->state != lane.from) throw moved_on(lane.row, lane.from);
        if (lane.row.state == LaneRow::State::ended) {
          finish_lane(db, lane.row, false);
        } else {
          replace_lane(db, lane.row);
        }
      }
    });
    return number;
  }

  std::uint32_t newest_revision(const std::string& task) override {
    return read([&](SqliteDatabase& db) { return newest_revision_in(db, task); });
  }

  std::vector<RevisionRow> revisions(const std::string& task, std::size_t limit) override {
    return read([&](SqliteDatabase& db) {
      std::vector<RevisionRow> out;
      if (db.integer("PRAGMA user_version") < kRevisionVersion) return out;
      SqliteStatement row =
          db.prepare(std::string(kRevisionColumns) + "WHERE task = ? ORDER BY number DESC LIMIT ?");
      row.bind(task).bind(row_limit(limit));
      while (row.step()) out.push_back(revision_row(row));
      std::reverse(out.begin(), out.end());
      return out;
    });
  }

  std::optional<RevisionRow> revision(const std::string& task, std::uint32_t number) override {
    return read([&](SqliteDatabase& db) -> std::optional<RevisionRow> {
      if (db.integer("PRAGMA user_version") < kRevisionVersion) return std::nullopt;
      SqliteStatement row =
          db.prepare(std::string(kRevisionColumns) + "WHERE task = ? AND number = ?");
      row.bind(task).bind(static_cast<std::uint64_t>(number));
      if (!row.step()) return std::nullopt;
      return revision_row(row);
    });
  }

  void resolve_ddl(const std::string& task, const DdlRow& row) override {
    write_task(task, [&](SqliteDatabase& db) {
      db.prepare(fmt::format("UPDATE ddl SET resolved_by = ?1, resolved_at = ?2, resolution = ?3,"
                             " outcome = iif({0}, 'resolved', outcome)"
                             " WHERE task = ?4 AND number = ?5 AND (at = ?6 OR NOT {0})",
                             kOpenDdl))
          .bind(row.resolved_by)
          .bind(text_of(row.resolved_at))
          .bind(row.resolution)
          .bind(task)
          .bind(row.number)
          .bind(text_of(row.at))
          .run();
    });
  }

 private:
  static std::uint32_t newest_revision_in(SqliteDatabase& db, const std::string& task) {
    if (db.integer("PRAGMA user_version") < kRevisionVersion) return 0;
    SqliteStatement row =
        db.prepare("SELECT coalesce(max(number), 0) FROM revision WHERE task = ?");
    row.bind(task);
    return row.step() ? static_cast<std::uint32_t>(row.integer(0)) : 0;
  }

  /// Makes a lane and its task; returns its number.
  static std::uint32_t insert_lane(SqliteDatabase& db, const LaneRow& row) {
    for (const TableName& table : row.tables) {
      SqliteStatement open = db.prepare(
          "SELECT number, purpose, state FROM lane_table JOIN lane USING (task, number)"
          " WHERE task = ? AND source_schema = ? AND source_table = ? AND state <> 'ended'");
      open.bind(row.task).bind(table.schema).bind(table.table);
      if (open.step()) {
        throw Error(ExitCode::state_conflict, "lane.open",
                    fmt::format("{} is being changed already", table.text()),
                    fmt::format("lane {} of the task ({}) is {}",
                                lane_name(row.task, static_cast<std::uint32_t>(open.integer(0))),
                                open.text(1), open.text(2)),
                    "see weir sync status " + row.task + "; wait for it, or give it up first");
      }
    }
    SqliteStatement next =
        db.prepare("SELECT coalesce(max(number), 0) + 1 FROM lane WHERE task = ?");
    next.bind(row.task);
    next.step();
    const auto number = static_cast<std::uint32_t>(next.integer(0));
    const std::string at = text_of(now());
    LaneRow numbered = row;
    numbered.number = number;
    write_lane(db, numbered, at, at);
    db.prepare(
          "INSERT INTO task (name, file, created_at, changed_at)"
          " SELECT ?1, file, ?2, ?2 FROM task WHERE name = ?3")
        .bind(lane_name(row.task, number))
        .bind(at)
        .bind(row.task)
        .run();
    return number;
  }

  /// What a change of a lane's row has to know of the one that is there.
  struct LaneMark {
    LaneRow::State state;
    std::string created;
    std::string changed;
  };

  static Error unknown_lane(const LaneRow& row) {
    return bug("there is no lane " + lane_name(row.task, row.number));
  }

  static Error moved_on(const LaneRow& row, LaneRow::State from) {
    return Error(ExitCode::state_conflict, "lane.moved-on",
                 fmt::format("lane {} has gone on meanwhile", lane_name(row.task, row.number)),
                 fmt::format("it was {} a moment ago", to_string(from)),
                 fmt::format("see weir sync status {}, and repeat it", row.task));
  }

  static std::optional<LaneMark> mark_of_lane(SqliteDatabase& db, const LaneRow& row) {
    SqliteStatement kept =
        db.prepare("SELECT state, created_at, changed_at FROM lane WHERE task = ? AND number = ?");
    kept.bind(row.task).bind(row.number);
    if (!kept.step()) return std::nullopt;
    return LaneMark{lane_state(kept.text(0)), std::string(kept.text(1)), std::string(kept.text(2))};
  }

  static bool replace_lane(SqliteDatabase& db, const LaneRow& row) {
    const std::optional<LaneMark> kept = mark_of_lane(db, row);
    if (!kept) return false;
    write_lane(db, row, kept->created, kept->state == row.state ? kept->changed : text_of(now()));
    return true;
  }

  /// Its task goes, and what was known of its tables goes to the main lane or with it.
  static void finish_lane(SqliteDatabase& db, const LaneRow& row, bool joined) {
    LaneRow ended = row;
    ended.state = LaneRow::State::ended;
    replace_lane(db, ended);
    const std::string lane = lane_name(row.task, row.number);
    if (joined) {
      for (const char* table : {"table_state", "chunk_range"}) {
        db.prepare(fmt::format("UPDATE OR REPLACE {} SET task = ?1 WHERE task = ?2", table))
            .bind(row.task)
            .bind(lane)
            .run();
      }
    }
    db.prepare("DELETE FROM task WHERE name = ?").bind(lane).run();
  }

  static void write_lane(SqliteDatabase& db, const LaneRow& row, const std::string& created,
                         const std::string& changed) {
    SqliteStatement put = db.prepare(
        "INSERT OR REPLACE INTO lane (task, number, purpose, state, reload_mode, history, error_id,"
        " error, error_fix, stopped_at, stopped_source_at, verdict, note, who, created_at,"
        " changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    put.bind(row.task)
        .bind(row.number)
        .bind(to_string(row.purpose))
        .bind(to_string(row.state))
        .bind(row.reload_mode)
        .bind(row.history)
        .bind(row.error_id)
        .bind(row.error)
        .bind(row.error_fix)
        .bind(row.stopped_at.text);
    bind_time(put, row.stopped_at.source_time);
    put.bind(row.verdict).bind(row.note).bind(row.who).bind(created).bind(changed).run();
    db.prepare("DELETE FROM lane_table WHERE task = ? AND number = ?")
        .bind(row.task)
        .bind(row.number)
        .run();
    SqliteStatement table = db.prepare(
        "INSERT INTO lane_table (task, number, place, source_schema, source_table)"
        " VALUES (?, ?, ?, ?, ?)");
    std::uint64_t place = 0;
    for (const TableName& name : row.tables) {
      table.bind(row.task).bind(row.number).bind(place++).bind(name.schema).bind(name.table).run();
    }
  }

  static std::vector<LaneRow> lane_rows(SqliteDatabase& db, const std::string& where,
                                        const std::string& task) {
    std::vector<LaneRow> out;
    if (db.integer("PRAGMA user_version") < kLanesVersion) return out;
    SqliteStatement row = db.prepare(
        "SELECT number, purpose, state, reload_mode, history, error_id, error, error_fix,"
        " stopped_at, stopped_source_at, verdict, note, who, created_at, changed_at FROM lane " +
        where);
    row.bind(task);
    while (row.step()) {
      LaneRow& lane = out.emplace_back();
      int c = 0;
      lane.task = task;
      lane.number = static_cast<std::uint32_t>(row.integer(c++));
      lane.purpose = lane_purpose(row.text(c++));
      lane.state = lane_state(row.text(c++));
      lane.reload_mode = row.text(c++);
      lane.history = row.integer(c++) != 0;
      lane.error_id = row.text(c++);
      lane.error = row.text(c++);
      lane.error_fix = row.text(c++);
      lane.stopped_at.text = row.text(c++);
      lane.stopped_at.source_time = time_at(row, c++);
      lane.verdict = row.text(c++);
      lane.note = row.text(c++);
      lane.who = row.text(c++);
      lane.created = time_at(row, c++);
      lane.changed = time_at(row, c++);
      SqliteStatement table = db.prepare(
          "SELECT source_schema, source_table FROM lane_table WHERE task = ? AND number = ?"
          " ORDER BY place");
      table.bind(task).bind(lane.number);
      while (table.step()) {
        lane.tables.push_back({std::string(table.text(0)), std::string(table.text(1))});
      }
    }
    return out;
  }

  /// What a commit survives. A sample is worth no fsync: after a power loss the last ones may be
  /// missing, while the file stays sound.
  enum class Durability { after_power_loss, after_crash };

  SqliteDatabase::Options options(SqliteDatabase::Access access) const {
    return {access, kBusyTimeout, "state"};
  }

  void require_known(std::int64_t version) const {
    if (version <= kVersion) return;
    throw Error(ExitCode::refused, "state.newer",
                fmt::format("{} was written by a newer weir", path_),
                fmt::format("its schema version is {}, this weir knows {}", version, kVersion),
                "use the newer weir, or another state folder (--state-dir)");
  }

  void open_for_writing() {
    const std::lock_guard lock(shared_memory_mutex);
    db_.emplace(path_, options(SqliteDatabase::Access::write));
    require_known(db_->integer("PRAGMA user_version"));
    enter_wal();
    db_->execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    if (db_->integer("PRAGMA user_version") == kVersion) return;
    SqliteTransaction transaction(*db_);
    // Another process may have done it while we waited for the lock.
    const std::int64_t version = db_->integer("PRAGMA user_version");
    require_known(version);
    for (std::int64_t i = version; i < kVersion; ++i) {
      db_->execute(kMigrations[static_cast<std::size_t>(i)]);
    }
    db_->execute(fmt::format("PRAGMA user_version = {}", kVersion).c_str());
    transaction.commit();
  }

  /// SQLite does not wait for others while it changes the journal mode, so the waiting is ours.
  void enter_wal() {
    const Clock::time_point deadline = Clock::now() + kBusyTimeout;
    for (;;) {
      try {
        SqliteStatement mode = db_->prepare("PRAGMA journal_mode = WAL");
        if (mode.step() && mode.text(0) == "wal") return;
        throw Error(ExitCode::failed, "state.io", "cannot keep a write-ahead log beside " + path_,
                    "the file system does not support shared memory",
                    "keep the state on a local disk (--state-dir)");
      } catch (const Error& error) {
        if (error.code() != ExitCode::state_conflict || Clock::now() > deadline) throw;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  template <class Change>
  void write(Change&& change, Durability durability = Durability::after_power_loss) {
    const std::lock_guard lock(mutex_);
    if (read_only_) throw bug("a write to a state that was opened for reading");
    if (durability != durability_) {
      db_->execute(durability == Durability::after_crash ? "PRAGMA synchronous = NORMAL"
                                                         : "PRAGMA synchronous = FULL");
      durability_ = durability;
    }
    SqliteTransaction transaction(*db_);
    change(*db_);
    transaction.commit();
  }

  template <class Change>
  void write_task(const std::string& task, Change&& change,
                  Durability durability = Durability::after_power_loss) {
    write(
        [&](SqliteDatabase& db) {
          SqliteStatement known = db.prepare("SELECT 1 FROM task WHERE name = ?");
          known.bind(task);
          if (!known.step()) {
            throw Error(ExitCode::not_found, "task.unknown",
                        fmt::format("there is no task \"{}\"", task), path_ + " does not list it",
                        "see weir sync list; weir sync start FILE registers a task");
          }
          change(db);
        },
        durability);
  }

  /// Runs `query`; a default answer if there is nothing to read from yet.
  template <class Query>
  auto read(Query&& query) -> std::invoke_result_t<Query&, SqliteDatabase&> {
    const std::lock_guard lock(mutex_);
    if (!read_only_) return query(*db_);
    const Clock::time_point deadline = Clock::now() + kReadPatience;
    for (;;) {
      const std::optional<FileMark> before = mark_of(path_);
      if (!before) return {};
      const bool frozen = !wal_holds_data();
      const auto undisturbed = [&] { return mark_of(path_) == before && !wal_holds_data(); };
      try {
        auto answer = ask(frozen, query);
        // SQLite's locks keep a WAL in order for us; a frozen file has none.
        if (!frozen || undisturbed()) return answer;
      } catch (const Error& error) {
        // A writer that comes or goes under our hands can show as any error.
        const bool lasting = error.code() == ExitCode::refused || (frozen && undisturbed());
        if (lasting || Clock::now() > deadline) throw;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  /// Opens the file for this one query: a connection that stays would keep a writer that ends from
  /// tidying up, and would have to notice that a WAL came or went.
  template <class Query>
  auto ask(bool frozen, Query& query) -> std::invoke_result_t<Query&, SqliteDatabase&> {
    const std::lock_guard lock(shared_memory_mutex);
    SqliteDatabase db(
        path_, options(frozen ? SqliteDatabase::Access::frozen : SqliteDatabase::Access::read));
    const std::int64_t version = db.integer("PRAGMA user_version");
    require_known(version);
    if (version == 0) return {};
    return query(db);
  }

  /// If so, the file alone is not the whole truth.
  bool wal_holds_data() const {
    const std::optional<FileMark> wal = mark_of(path_ + "-wal");
    return wal && wal->size > 0;
  }

  /// Keeps one sample a minute of those older than an hour. Runs once a minute of samples, over
  /// the minute that came of age; the first time over all that other processes left.
  void thin_samples(SqliteDatabase& db, const std::string& task, Time at) {
    const Time border = std::chrono::floor<std::chrono::minutes>(at - kSampleDetail);
    Time& thinned = thinned_[task];
    if (border <= thinned) return;
    db.prepare("DELETE FROM sample WHERE task = ? AND at < ?")
        .bind(task)
        .bind(text_of(at - kSampleLife))
        .run();
    // The first 16 characters of a time are its minute; ':' followed by ':' is past its end.
    db.prepare(
          "DELETE FROM sample AS old WHERE task = ?1 AND at >= ?2 AND at < ?3 AND at <>"
          " (SELECT max(at) FROM sample WHERE task = ?1 AND at >= substr(old.at, 1, 16)"
          " AND at < substr(old.at, 1, 16) || '::')")
        .bind(task)
        .bind(text_of(thinned))
        .bind(text_of(border))
        .run();
    thinned = border;
  }

  const std::string path_;
  const bool read_only_;
  std::mutex mutex_;
  std::optional<SqliteDatabase> db_;                      ///< empty if read-only
  Durability durability_ = Durability::after_power_loss;  ///< of the next commit on db_
  std::map<std::string, Time> thinned_;  ///< by task: samples before it are one a minute
};

}  // namespace

std::unique_ptr<StateStore> open_sqlite_state(const std::string& folder, bool read_only) {
  return std::make_unique<SqliteState>(folder, read_only);
}

}  // namespace weir
