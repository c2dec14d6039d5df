// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/cell.h"
#include "model/change.h"
#include "model/change_batch.h"
#include "model/counter.h"
#include "model/finding.h"
#include "model/key_range.h"
#include "model/kind.h"
#include "model/offset.h"
#include "model/offset_request.h"
#include "model/server_clock.h"
#include "model/table_alter.h"
#include "model/table_plan.h"
#include "model/task.h"

namespace weir {

/// How far one table has come, as the target itself remembers it.
struct TableProgress {
  TableName source;
  TableName target;
  bool created = false;      ///< weir made the target table, and makes its key and indexes
  bool full_done = false;    ///< all rows, and the key and the plain indexes
  bool unique_done = false;  ///< the unique indexes, built once the table is consistent
  /// The source table as the changes after Recovered::offset fit it.
  std::optional<Table> definition;
  Offset since;  ///< TablePlan::since
  std::uint64_t rows = 0;
  std::vector<RangeProgress> ranges;  ///< empty until the full stage has cut the table
};

/// What a target remembers of a task. It wins over the local state file.
struct Recovered {
  Identity source;  ///< the source server the offset belongs to
  Offset start;     ///< P0, from which the incremental stage begins
  /// Where the source was when the last row had been copied, or later (ChangeBatch::full_end); may
  /// be empty.
  Offset full_end;
  Offset offset;  ///< everything at or before it is in the target
  std::vector<TableProgress> tables;
};

/// Loads rows in the full stage over one connection of its own. One thread per loader.
class Loader {
 public:
  virtual ~Loader() = default;

  /// Begins a chunk: opens a transaction for the rows that follow. `added` are the cells of the
  /// plan's added columns, the same for every row of the chunk.
  virtual void begin(const TablePlan& plan, Row added) = 0;
  /// One row: the source columns of the plan, in order.
  virtual void row(Row cells) = 0;
  /// In which format the rows of the open chunk may come through copied() instead, as RowSink says.
  virtual CopyFormat copy_format() const { return CopyFormat::none; }
  virtual void copied(std::string_view /*row*/) {}
  /// Makes the rows and the mark visible together, and with them the mark's snapshot, if it has
  /// one, as the table's `since`; durable at the latest when finish() returns.
  virtual void commit(const RangeProgress& mark) = 0;
  /// Throws the chunk away. Never throws.
  virtual void abandon() noexcept = 0;
  /// Which row of the last chunk the target refused, from 1, if the Error does not name it by its
  /// key; 0 if that is not known.
  virtual std::uint64_t refused_row() const { return 0; }

  /// All rows of the table are there: builds the key and the plain indexes, then marks the table,
  /// durably. Returns what could not be built and why, one sentence each.
  virtual std::vector<std::string> finish(const TablePlan& plan) = 0;
  /// The table is consistent: builds its unique indexes, then marks it. Returns as finish().
  virtual std::vector<std::string> finish_unique(const TablePlan& plan) = 0;

  /// Bytes sent in the chunk that is open, as the target takes them.
  virtual std::uint64_t chunk_bytes() const = 0;
};

/// What became of a change of definition.
struct AlterResult {
  std::string target_sql;  ///< the statements that were carried out; "" if nothing was to be done
  /// What this target cannot do, or not as the source has it, and why: one sentence each. No reason
  /// to stop.
  std::vector<std::string> left_out = {};
};

/// Applies changes over one connection of its own, and fences every other applier of the same
/// task while it lives. One thread per applier.
class Applier {
 public:
  virtual ~Applier() = default;

  /// Applies a batch. If it ends a transaction, rows and offset are durable together when this
  /// returns; else the target's transaction stays open for the next batch.
  virtual void apply(const ChangeBatch& batch) = 0;

  /// Empties a table and stores the offset in one transaction.
  virtual AlterResult truncate(const TablePlan& plan, const Offset& offset) = 0;

  /// Changes the target table as `alter` says, remembers `alter.after.source` as the table's
  /// definition, and stores the offset; in one transaction where the target has transactions for
  /// definitions. A step that the target table already shows is passed over, so that it may be done
  /// twice, or by hand beforehand. Checks the outcome against the target's catalogue. The applier
  /// is not to be used for batches of the old plans afterwards.
  virtual AlterResult alter(const TableAlter& alter, const Offset& offset) = 0;

  /// The tables of these plans, which were copied beside others, become part of those, in one
  /// transaction: rows that differ are written, those that came from the source otherwise stay as
  /// they are, and what the copy lacks goes as DeletePolicy says. The copies are dropped, and the
  /// task applies to the others from then on. A table that is not there any more is replaced by its
  /// copy. Plans that were not copied beside others are passed over. The applier is not to be used
  /// for batches of these plans afterwards. Throws Error(refused, "reload.merge").
  virtual void merge(std::span<const TablePlan> plans) = 0;

  /// Time spent in the last apply(): all of it, and the part that was COMMIT.
  struct Timing {
    double seconds = 0;
    double commit_seconds = 0;
  };
  virtual Timing last_timing() const = 0;
};

/// One target. The connection behind these calls is used by one thread at a time.
class Target {
 public:
  virtual ~Target() = default;

  virtual std::string version() = 0;
  virtual Rung rung() const = 0;
  /// The server's clock, and how long an answer takes. Empty if this kind has no server.
  virtual std::optional<ServerClock> clock() { return std::nullopt; }

  /// Longest name of a table or column, in bytes, and why a name is not allowed ("" if it is).
  virtual std::size_t max_name_bytes() const = 0;
  virtual std::string refuse_name(std::string_view name) const = 0;
  /// Two names with the same fold are one name to it.
  virtual std::string fold_name(std::string_view name) const { return std::string(name); }
  /// The one schema that it has, in place of any that a rule names; "" if it has schemas.
  virtual std::string only_schema() const { return ""; }

  /// Fills in PlannedColumn::target_type where the task file does not say it. Asks the server at
  /// most whether it has a type of that name.
  virtual void plan_types(const Task& task, TablePlan& plan) const = 0;

  /// All that judge() wants to know, as JSON without a secret. `recovered` tells a resumed task
  /// from a new one. Leaves nothing behind: of a new one it may try what the task will do, in a
  /// table of its own.
  virtual std::string gather(const Task& task, std::span<const TablePlan> plans,
                             const std::optional<Recovered>& recovered) = 0;

  /// Everything that would make a task on these tables fail, by what gather() found, today or
  /// another day. Asks the server nothing. Throws Error(configuration, "facts.format").
  virtual std::vector<Finding> judge(std::span<const TablePlan> plans,
                                     const std::string& facts) const = 0;
  /// From now on plan_types() knows what these facts know, and asks no server.
  virtual void assume(const std::string& /*facts*/) {}

  /// What is remembered of the task; empty for a new one. Changes nothing. While a task runs, to be
  /// asked only after open_applier(): an earlier worker's last commit may still be under way
  /// before.
  virtual std::optional<Recovered> recover(const std::string& task) = 0;

  /// Records the start of a new task: control tables, P0, identity. Done once.
  virtual void start(const std::string& task, const Identity& source, const Offset& start) = 0;

  /// Creates the table if it is missing and checks it if it is there; applies `existing`. A table
  /// that was created here has no key or index yet.
  virtual void ensure_table(const std::string& task, const TablePlan& plan) = 0;
  /// Remembers how a table was cut. Once per table; an interrupted cut is cut anew.
  virtual void store_ranges(const std::string& task, const TablePlan& plan,
                            std::span<const KeyRange> ranges) = 0;
  /// Remembers where the source was after the last row had been copied.
  virtual void full_loaded(const std::string& task, const Offset& full_end) = 0;

  /// Puts the offset of a task that nobody applies elsewhere, with all that `move` says, in one
  /// transaction. Throws Error(state_conflict, "offset.moved") if it is not at `move.from`.
  virtual void move_offset(const std::string& task, const OffsetMove& move) = 0;

  /// Tables leave `from` for `to`, with all that is remembered of them, in one transaction. A `to`
  /// that is not known begins where `from` is: identity, start, full_end, offset. A table that is
  /// not with `from` is passed over: it was done before. Throws Error(state_conflict, "lane.apart")
  /// if `to` is known and at another offset, and "lane.unknown" if neither is known.
  virtual void split_tables(const std::string& from, const std::string& to,
                            std::span<const TableName> tables) = 0;
  /// All tables of `from` go to `to`, with the offset of `from` as their `since`, and `from` is
  /// forgotten; in one transaction. Nothing if `from` is not known. Throws Error(state_conflict,
  /// "lane.unknown") if `to` is not known, and "lane.table-twice" if it has one of the tables.
  virtual void join_tables(const std::string& from, const std::string& to) = 0;
  /// Forgets these tables of a task (marks, ranges, definition), so that they are copied anew; with
  /// none named, the task as a whole. Nothing that is not known.
  virtual void forget(const std::string& task, std::span<const TableName> tables) = 0;

  /// Drops what copies beside these tables have left, when none is under way.
  virtual void drop_beside(std::span<const TableName> tables) = 0;

  /// The statement that makes the target forget a task. Printed for people, never run by weir.
  virtual std::string forget_statement(const std::string& task) const = 0;
  /// Those that make it forget one source table of a task, which the next start then copies anew.
  virtual std::string forget_table_statements(const std::string& task,
                                              const TableName& table) const = 0;

  virtual std::unique_ptr<Loader> open_loader(const std::string& task) = 0;
  virtual std::unique_ptr<Applier> open_applier(const std::string& task,
                                                std::span<const TablePlan> plans) = 0;

  /// What counts at these places, in their order. Empty if nothing counts on this kind of target.
  /// Changes nothing.
  virtual std::optional<std::vector<FoundCounter>> counters(
      std::span<const CounterPlace> /*places*/) {
    return std::nullopt;
  }
  /// The statements after which `next` comes next at a place that counts, or can be made to, and
  /// everything else is as `found.wanted` says. A `next` beyond the bounds leaves it used up.
  virtual std::vector<std::string> counter_sql(const CounterPlace& /*place*/,
                                               const FoundCounter& /*found*/,
                                               CounterNumber /*next*/) const {
    return {};
  }
  /// The statement that drops a table, if it is there.
  virtual std::string drop_sql(const TableName& table) const = 0;
  /// Runs what counter_sql() or drop_sql() gave. Waits for locks, but for some seconds only.
  virtual void run_counter_sql(std::span<const std::string> /*statements*/) {}
};

/// Error(refused, "ddl.step") for a step that cannot be taken the way the source took it.
Error refuse_step(const TableAlter& alter, const ColumnAlter& step);
/// Error(refused, "ddl.target") for a statement that the target refuses, in its own words.
Error refuse_statement(const TableAlter& alter, const std::string& sql, const std::string& why);

/// Error(state_conflict, "offset.moved").
Error offset_moved(const std::string& task, const Offset& from);

/// What a target remembers of the two tasks between which tables change hands; each empty if it is
/// not known.
struct LaneOffsets {
  std::optional<std::string> from;
  std::optional<std::string> to;
};
/// Whether split_tables() has to begin `to`. Throws what it says.
bool begins_lane(const std::string& from, const std::string& to, const LaneOffsets& offsets);
/// Whether join_tables() has something to do. Throws Error(state_conflict, "lane.unknown").
bool joins_lane(const std::string& to, const LaneOffsets& offsets);
/// Error(state_conflict, "lane.table-twice").
Error table_twice(const std::string& to, const std::string& table);

/// The statements that remove the rows of one source table from control tables.
std::string forget_rows(const std::string& task, const TableName& table,
                        const std::vector<std::string>& control_tables);

/// How to begin a task anew where it cannot go on, as commands for a fix.
std::string begin_anew(const Target& target, const std::string& task);

/// Adds the ways that end in copies to those of a finding that names a gap in the log: of single
/// tables, where a reset of the offset is a way, and of all of them. Nothing to any other finding.
void add_copies(const Target& target, const std::string& task, Finding& finding);

}  // namespace weir
