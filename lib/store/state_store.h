// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/finding.h"
#include "model/key_range.h"
#include "model/offset.h"
#include "model/retention.h"
#include "model/table.h"

namespace weir {

enum class Stage : std::uint8_t { schema, full, incremental };
enum class StageState : std::uint8_t { waiting, running, done, failed };
std::string to_string(Stage stage);
std::string to_string(StageState state);

/// What a task is doing, for people and scripts. `failed` stays until the next start.
enum class TaskState : std::uint8_t { stopped, starting, running, stopping, failed, refused };
std::string to_string(TaskState state);

struct TaskRow {
  std::string name;
  std::string file;  ///< absolute path of the task file
  TaskState state = TaskState::stopped;
  Stage stage = Stage::schema;
  std::string detail;    ///< "catching up", "idle", "waiting 8 s before the next try"
  std::string error_id;  ///< of the last error that ended a worker; "" after a clean start
  std::string error;
  std::string error_fix;
  int exit_code = 0;
  Time created{};
  Time started{};  ///< last start
  Time changed{};  ///< last change of state
};

struct TableRow {
  TableName source;
  TableName target;
  StageState schema = StageState::waiting;
  StageState full = StageState::waiting;
  StageState incremental = StageState::waiting;
  std::string schema_error;
  std::string full_error;
  std::string incremental_error;
  std::uint64_t estimated_rows = 0;
  std::uint64_t copied_rows = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t applied_changes = 0;
  Time last_change{};  ///< source commit time of the last applied change; epoch if none
};

/// One line of a task's history. Kept; verbs that waive a risk write one too.
struct EventRow {
  Time at{};
  std::string level;  ///< error, warning, info
  std::string id;     ///< stable, dotted: "stage.full.done", "failover", an error's id
  std::string table;
  std::string text;
};

/// One sample of a running task, about one a second. Counters are totals since the worker's start.
struct Sample {
  Time at{};
  Stage stage = Stage::schema;
  std::uint64_t rows_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t rows_written = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t transactions = 0;
  std::uint64_t batches = 0;
  double reader_wait_s = 0;  ///< the reader waited for the source
  double writer_wait_s = 0;  ///< the reader waited for the writer
  double apply_s = 0;        ///< time inside the target, of which ...
  double commit_s = 0;       ///< ... COMMIT
  double read_lag_s = 0;     ///< now - commit time of what was read last; 0 if all is read
  double apply_lag_s = 0;    ///< now - commit time of what was applied last; 0 if all is applied
  double heard_age_s = 0;    ///< since the source was last heard of, heartbeats included
  std::uint64_t last_batch_rows = 0;
  std::uint64_t queue_bytes = 0;
  std::uint64_t memory_bytes = 0;  ///< peak resident set
  bool idle = false;               ///< nothing to do, as opposed to stuck
  /// Since the newest heartbeat row that the target has was written on the source, and how long
  /// that one was on its way; empty without a heartbeat, and before the first.
  std::optional<double> heartbeat_age_s = {};
  std::optional<double> heartbeat_delay_s = {};
};

/// One line of where a task's offset has been.
struct OffsetRow {
  enum class Reason : std::uint8_t {
    start,   ///< a worker went on from there
    sample,  ///< about once a minute while the incremental stage runs
    stop,    ///< the task was stopped there
    reset,   ///< somebody put it there
  };
  Time at{};
  Reason reason = Reason::sample;
  Offset offset;
  Identity identity;
  std::string note;  ///< of a reset: from where, by whom and why
};
std::string to_string(OffsetRow::Reason reason);

/// What one run of check-retention found of a task's source.
struct RetentionRow {
  Time at{};
  std::string verdict;                    ///< lost, critical, unknown, warning, ok
  std::optional<double> may_stay_down_s;  ///< empty if nothing limits it, or nobody knows
  std::string limited_by;
  std::string oldest;  ///< where the log began
  Time oldest_time{};  ///< by the server's clock; epoch if unknown
  LogHead end;         ///< where it ended
  std::optional<std::uint64_t> kept_bytes;
  std::optional<std::uint64_t> margin_bytes;
  /// Written since the run before this one; empty if that cannot be told.
  std::optional<LogGrowth> written;
};

/// A check that somebody waived at the last start of a task.
struct WaiverRow {
  Time at{};
  std::string id;
  std::string who;  ///< the user
};

/// One item of a checklist, as it was answered.
struct ChecklistItemRow {
  std::string id;
  std::string verdict;         ///< pass, fail, unknown, not-applicable
  std::string measured;        ///< what weir found; "" if it only asked
  std::optional<bool> answer;  ///< yes or no; empty if nobody was asked
  std::string evidence;        ///< of that answer, in the person's own words

  bool operator==(const ChecklistItemRow&) const = default;
};

/// One run of weir checklist in which every item was answered.
struct ChecklistRow {
  std::string operation;
  Time at{};
  std::string who;
  bool passed = false;
  std::vector<ChecklistItemRow> items;
};

/// A part of a task that runs beside its main lane; see model/lane.h.
struct LaneRow {
  enum class Purpose : std::uint8_t { add, reload, suspend, remove };
  enum class State : std::uint8_t {
    leaving,  ///< asked for: its tables are still in the main lane
    planned,  ///< asked for, or to be tried again: runs with the next look of the worker
    running,
    suspended,   ///< stopped by `error`, until somebody resolves it
    removed,     ///< rests where its tables left the task
    cancelling,  ///< to be given up: forgotten on the target, its source's slot too
    ended,       ///< joined, or given up; see `note`
  };
  std::string task;          ///< the root's name
  std::uint32_t number = 0;  ///< 0 in add_lane(): the next one
  Purpose purpose = Purpose::add;
  State state = State::planned;
  std::vector<TableName> tables;
  std::string
      reload_mode;       ///< "truncate", "merge", "swap"; "" for none, and for a new target table
  bool history = true;   ///< false: no rows are copied
  std::string error_id;  ///< with `error` and `error_fix`: why it is suspended
  std::string error;
  std::string error_fix;
  Offset stopped_at;    ///< where in the log, if a statement stopped it
  std::string verdict;  ///< what was said about that statement: "apply", "skip"; "" = nothing yet
  std::string note;     ///< of an ended one: "joined", "cancelled", "undone"
  std::string who;      ///< the user, or "" if weir did it by itself
  Time created{};       ///< set by the store
  Time changed{};       ///< last change of state; set by the store
};
std::string to_string(LaneRow::Purpose purpose);
std::string to_string(LaneRow::State state);

/// A lane that begins, or goes on in another way, together with a revision.
struct LaneChange {
  LaneRow row;                                  ///< number 0: a new one
  LaneRow::State from = LaneRow::State::ended;  ///< the state that one that is there has to be in
};

/// One statement of the source that changed a table of a task, or one that its rules select.
struct DdlRow {
  enum class Outcome : std::uint8_t {
    begun,    ///< the worker is at it, or ended before it could say more
    applied,  ///< carried out on the target, as far as there was anything to do
    ignored,
    alerted,
    stopped_table,  ///< the table waits there, in a lane of its own
    stopped_task,
    failed,    ///< it was to be applied, and could not be
    resolved,  ///< somebody has said what is to be done; see `resolution`
  };
  std::uint32_t number = 0;  ///< within its task, from 1; 0 in add_ddl()
  Time at{};                 ///< when it was met, the last time
  Time source_time{};        ///< when the source ran it; epoch if unknown
  TableName table;
  std::string lane;  ///< that met it last: "shop/1"; "" = the main one
  std::string kind;  ///< "add_column", ...
  Offset offset;     ///< its place: everything before it is applied if it stopped something
  std::string source_sql;
  std::string target_sql;  ///< "" if nothing was to be done
  std::string policy;      ///< "apply", "ignore", "alert", "stop-table", "stop-task"; "" for none
  Outcome outcome = Outcome::begun;
  std::string error_id, error, error_fix;  ///< of one that stopped or failed
  std::optional<double> duration_s;        ///< on the target; empty if it did not come to that
  std::string resolved_by;
  Time resolved_at{};
  std::string resolution;  ///< "apply", "skip", "reload: merge", ...

  /// Whether it waits for somebody.
  bool is_open() const {
    return outcome == Outcome::stopped_table || outcome == Outcome::stopped_task ||
           outcome == Outcome::failed;
  }
};
std::string to_string(DdlRow::Outcome outcome);
/// The task file as a task took it on.
struct RevisionRow {
  std::string task;
  std::uint32_t number = 0;  ///< from 1; 0 in add_revision(): the next one
  Time at{};
  std::string who;
  std::string reason;  ///< start, apply, rollback, add-table
  std::string file;    ///< where it stood: relative paths in it count from that folder
  std::string text;
  std::string digest;  ///< SHA-256 of `text`
};

/// weir's local state: one SQLite file, readable with sqlite3, described in weir-state(5).
///
/// Calls are safe from several threads and several processes (WAL, one short BEGIN IMMEDIATE per
/// write); each throws Error(state_conflict, "state.busy") if the file stays locked for 5 s, and
/// Error(failed, "state.io") if it cannot be read or written. Unknown tasks: reads give empty,
/// writes throw Error(not_found, "task.unknown").
class StateStore {
 public:
  virtual ~StateStore() = default;

  /// By name, without the lanes of tasks, which task() knows.
  virtual std::vector<TaskRow> tasks() = 0;
  virtual std::optional<TaskRow> task(const std::string& name) = 0;
  /// Registers the task, or updates the path of its file.
  virtual void put_task(const std::string& name, const std::string& file) = 0;
  /// Sets `started` when the task becomes `starting`, and `changed` when its state is another one.
  virtual void set_state(const std::string& task, TaskState state, const std::string& detail) = 0;
  virtual void set_stage(const std::string& task, Stage stage, const std::string& detail) = 0;
  /// Keeps the error that ended a worker; an empty id clears it.
  virtual void set_error(const std::string& task, int exit_code, const std::string& id,
                         const std::string& what, const std::string& fix) = 0;

  virtual std::vector<TableRow> tables(const std::string& task) = 0;
  /// Replaces the rows of these tables; others of the task stay.
  virtual void put_tables(const std::string& task, std::span<const TableRow> rows) = 0;
  /// Forgets tables of the task that are not in `keep`.
  virtual void retain_tables(const std::string& task, std::span<const TableName> keep) = 0;

  virtual std::vector<RangeProgress> ranges(const std::string& task, const TableName& table) = 0;
  virtual void put_range(const std::string& task, const TableName& table,
                         const RangeProgress& progress) = 0;

  /// The last committed offset and the server it came from; empty before the first.
  struct StoredOffset {
    Offset offset;
    Identity identity;
    Time stored{};
  };
  virtual std::optional<StoredOffset> offset(const std::string& task) = 0;
  virtual void put_offset(const std::string& task, const Offset& offset,
                          const Identity& identity) = 0;

  /// Adds a line to the history of the offset, and thins old ones: samples are one in ten minutes
  /// after a day, and nothing but resets is left after 14 days.
  virtual void add_offset(const std::string& task, const OffsetRow& row) = 0;
  /// The newest `limit` lines since `since`, oldest first.
  virtual std::vector<OffsetRow> offsets(const std::string& task, std::size_t limit,
                                         Time since) = 0;

  /// What happens to a lane is in the history of its task.
  virtual void add_event(const std::string& task, const EventRow& event) = 0;
  /// The newest `limit` events, oldest first.
  virtual std::vector<EventRow> events(const std::string& task, std::size_t limit) = 0;
  /// Events with this id since `since`.
  virtual std::size_t count_events(const std::string& task, const std::string& id, Time since) = 0;

  /// Adds a sample, and thins old ones: one a minute after an hour, none after 14 days.
  virtual void add_sample(const std::string& task, const Sample& sample) = 0;
  /// The newest `limit` samples, oldest first.
  virtual std::vector<Sample> samples(const std::string& task, std::size_t limit) = 0;

  /// Replaces the waivers of the task.
  virtual void put_waivers(const std::string& task, std::span<const WaiverRow> rows) = 0;
  virtual std::vector<WaiverRow> waivers(const std::string& task) = 0;

  /// Adds a run of check-retention, and forgets those older than 30 days.
  virtual void add_retention(const std::string& task, const RetentionRow& row) = 0;
  /// The newest `limit` runs, oldest first.
  virtual std::vector<RetentionRow> retention(const std::string& task, std::size_t limit) = 0;

  /// Keeps a checklist with its items. Kept for ever.
  virtual void add_checklist(const std::string& task, const ChecklistRow& row) = 0;
  /// The newest `limit` of this operation, or of all of them if it is "", oldest first.
  virtual std::vector<ChecklistRow> checklists(const std::string& task,
                                               const std::string& operation, std::size_t limit) = 0;

  /// Adds a lane with a task of its own, lane_name(), and returns its number, which is never used
  /// again. Throws Error(state_conflict, "lane.open") if one of its tables is in a lane of the task
  /// that has not ended.
  virtual std::uint32_t add_lane(const LaneRow& row) = 0;
  /// The same for tables that leave the lane `from` of their task at this moment.
  virtual std::uint32_t split_lane(const LaneRow& row, std::uint32_t from) = 0;
  /// All that have not ended, by number.
  virtual std::vector<LaneRow> lanes(const std::string& task) = 0;
  /// The `limit` that were made last of those that have ended, by number.
  virtual std::vector<LaneRow> ended_lanes(const std::string& task, std::size_t limit) = 0;
  /// Replaces what is kept of the lane (task, number).
  virtual void put_lane(const LaneRow& row) = 0;
  /// The same, but only if its state is still `from`; says whether it was.
  virtual bool change_lane(const LaneRow& row, LaneRow::State from) = 0;
  /// Ends a lane: its tables and their ranges go to the main lane if it `joined`, else they are
  /// dropped; its task goes. Nothing to do if it has ended.
  virtual void end_lane(const LaneRow& row, bool joined) = 0;

  /// Keeps a statement, and returns its number. One that is there already (the same statement on
  /// the same table, at the same place or where the table waits) keeps its number and what was
  /// resolved about it, unless it waits for somebody again. Forgets those of more than 90 days ago
  /// that wait for nobody.
  virtual std::uint32_t add_ddl(const std::string& task, const DdlRow& row) = 0;
  /// The newest `limit` of the statements, or of those that wait for somebody, oldest first.
  virtual std::vector<DdlRow> ddl(const std::string& task, std::size_t limit, bool only_open) = 0;
  /// Those that were begun or wait for somebody, oldest first.
  virtual std::vector<DdlRow> unsettled_ddl(const std::string& task) = 0;
  virtual std::optional<DdlRow> ddl_row(const std::string& task, std::uint32_t number) = 0;
  /// Replaces a statement by its number.
  virtual void put_ddl(const std::string& task, const DdlRow& row) = 0;
  /// Keeps what somebody said about a statement, as `row` has it. One that still waits as it did
  /// when `row` was read becomes `resolved`; one that waits again since is left alone.
  virtual void resolve_ddl(const std::string& task, const DdlRow& row) = 0;
  /// Adds a revision of the task file and returns its number. Throws Error(state_conflict,
  /// "revision.moved") if `number` is given and is not the next one. Kept for ever.
  ///
  /// With it, in one transaction, lanes are made, which get their numbers, and changed; one that is
  /// not `from` any more is an Error(state_conflict, "lane.moved-on"). Whoever sees the revision
  /// sees them.
  virtual std::uint32_t add_revision(const RevisionRow& row, std::span<LaneChange> lanes) = 0;
  std::uint32_t add_revision(const RevisionRow& row) { return add_revision(row, {}); }
  /// The number of the newest one, which the task runs by; 0 if there is none. Cheap.
  virtual std::uint32_t newest_revision(const std::string& task) = 0;
  /// The newest `limit`, oldest first.
  virtual std::vector<RevisionRow> revisions(const std::string& task, std::size_t limit) = 0;
  virtual std::optional<RevisionRow> revision(const std::string& task, std::uint32_t number) = 0;
};

/// Where the state is kept: `folder` if given, else WEIR_STATE_DIR, else systemd's STATE_DIRECTORY,
/// else the XDG state folder + "/weir".
std::string state_folder(const std::string& folder);

/// Opens `folder`/weir.db, creating folder (0700) and file (0600) unless `read_only`. A newer
/// schema version is refused with Error(refused, "state.newer"). Read-only and missing: empty.
std::unique_ptr<StateStore> open_state(const std::string& folder, bool read_only);

}  // namespace weir
