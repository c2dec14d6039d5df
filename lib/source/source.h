// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/cell.h"
#include "model/change.h"
#include "model/counter.h"
#include "model/finding.h"
#include "model/key_range.h"
#include "model/offset.h"
#include "model/offset_request.h"
#include "model/retention.h"
#include "model/server_clock.h"
#include "model/table.h"
#include "model/table_plan.h"
#include "model/task.h"

namespace weir {

/// Takes rows of the full stage. Called on the thread that reads.
class RowSink {
 public:
  virtual ~RowSink() = default;

  /// The source columns of TablePlan::columns, in that order; valid during the call only.
  virtual void row(Row cells) = 0;

  /// The format of PostgreSQL's COPY in which copied() may be called in place of row(), for all
  /// rows of a chunk: the target would write the same values. For a reader that has such rows.
  virtual CopyFormat copy_format() const { return CopyFormat::none; }
  /// One row as COPY sends it: the same columns as row(). Text comes with its newline, and as
  /// PostgreSQL prints it in UTF-8, UTC, ISO dates and hexadecimal bytea; binary is a tuple,
  /// without the header of the stream, each column in the binary form of its ColumnType::native.
  virtual void copied(std::string_view /*row*/) {}
};

/// What one chunk brought.
struct ChunkResult {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  KeyCells last;      ///< key of the last row, where the next chunk begins; empty once it is done
  bool done = false;  ///< the range has no more rows
  /// Of a table without a key: the rows hold exactly the changes at or before it.
  Offset snapshot;
};

/// Reads tables for the full stage over one connection of its own. One thread per reader.
class RowReader {
 public:
  virtual ~RowReader() = default;

  /// Cuts a table into ranges that several readers can work on. At least one.
  virtual std::vector<KeyRange> ranges(const TablePlan& plan, const FullSettings& settings) = 0;

  /// Reads up to `limit` rows of `range` in key order, beginning after `after` (the range's own
  /// lower bound if empty). With KeyRange::whole it reads the whole table, whatever the limit. A
  /// table without a key is read so, from one snapshot whose place in the log is exact.
  virtual ChunkResult read(const TablePlan& plan, const KeyRange& range, const KeyCells& after,
                           std::uint64_t limit, RowSink& sink) = 0;

  /// Reads the row with this key as it is now; false if there is none. Only asked of a source whose
  /// log does not carry every column of each changed row. Throws Error(refused,
  /// "source.partial-key-change") if the table is another one by now than `plan` says.
  virtual bool read_row(const TablePlan& /*plan*/, const KeyCells& /*key*/, RowSink& /*sink*/) {
    throw bug("a row is read again of a source that logs whole rows");
  }
};

/// Takes the changes of the incremental stage, in log order. Called on the thread that reads.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;

  /// A transaction with changes to a selected table begins.
  virtual void begin(Time commit_time) = 0;
  virtual void row(const RowChange& change) = 0;
  /// Inside a transaction: it emptied the table with this TablePlan::id, among other things, and
  /// the task wants its target table emptied then. What it put in before need not have come. A
  /// statement that is alone in its transaction, or wanted otherwise, comes through schema().
  virtual void truncate(std::uint32_t /*table*/) { throw bug("nobody empties tables here"); }
  /// A change of definition, between two transactions. ChangeReader::offset() is still before it,
  /// so that a task that stops here meets it again; commit() follows, with the offset after it, and
  /// is the place to do something about it. Where it was part of a transaction whose rows are still
  /// to come, the offset stays before both, and who stops there meets both again.
  virtual void schema(const SchemaChange& change) = 0;
  /// A transaction ended, with or without changes to selected tables. ChangeReader::offset() is
  /// after it.
  virtual void commit(Time commit_time) = 0;
  /// The transaction whose commit() follows holds the task's own beat, which was written at
  /// `written`. ChangeReader::offset() is after it already. For the reader to call, if the task has
  /// a heartbeat; the row itself is never handed on. Who does not measure need not listen.
  virtual void heartbeat(Time /*written*/) {}
};

/// Reads a source's change log from one offset on. One thread per reader; wake() from any.
class ChangeReader {
 public:
  enum class Wait : std::uint8_t { ready, woken, timed_out };

  virtual ~ChangeReader() = default;

  /// Waits until poll() will find something to read, somebody calls wake(), or time runs out.
  virtual Wait wait(std::chrono::milliseconds limit) = 0;

  /// Hands everything that one message of the log holds to `sink`. May block in the middle of a
  /// message only. Throws Error: the connection broke (`*.lost`, may be mended by reconnecting), or
  /// the log holds something that cannot be applied.
  virtual void poll(ChangeSink& sink) = 0;

  /// Ends a wait() that is under way, or the next one.
  virtual void wake() = 0;

  /// The offset after the last transaction end that poll() passed on. Never inside a transaction.
  virtual Offset offset() const = 0;

  /// Whether the last thing heard was that nothing follows yet (a heartbeat). A hint: some servers
  /// say so while they pass over what we have already.
  virtual bool at_end() const = 0;

  /// Everything at or before `offset` is durable on the target: the source may let go of that part
  /// of its log. From any thread.
  virtual void confirm(const Offset& offset) = 0;

  /// Log bytes read, and when the server was last heard of (a heartbeat counts).
  virtual std::uint64_t bytes_read() const = 0;
  virtual Time last_heard() const = 0;
};

/// Writes the task's beats: one row for each task in Endpoint::heartbeat_table, which holds the
/// task's name and the time of the beat as text (to_rfc3339() with microseconds, by weir's own
/// clock, so that no other clock is needed to measure). Where the log takes messages that need no
/// table, a message with the same. The change log brings them back through ChangeSink::heartbeat().
///
/// Over a connection of its own, which beat() opens when it needs one. One thread.
class Heartbeat {
 public:
  virtual ~Heartbeat() = default;

  /// Commits `written` into the task's row, and makes the table if there is none and the account
  /// may. Comes back within some 20 s, whatever the server does. After an Error the next call
  /// begins with a new connection.
  virtual void beat(Time written) = 0;
};

/// One source server. The connection behind these calls is opened by the first that needs it, and
/// used by one thread at a time; readers bring their own.
class Source {
 public:
  virtual ~Source() = default;

  /// "MariaDB 10.11.6" and the like.
  virtual std::string version() = 0;
  virtual Identity identity() = 0;

  /// The base tables that the account sees, without the server's own schemas, sorted.
  virtual std::vector<TableName> tables() = 0;
  /// Their definitions, in the order of `names`. A table that is gone is an Error(not_found).
  virtual std::vector<Table> describe(std::span<const TableName> names) = 0;

  /// All that judge() wants to know, as JSON without a secret. `is_new` tells a task that will take
  /// a start offset from one that resumes. Changes nothing.
  virtual std::string gather(const Task& task, std::span<const TablePlan> plans, bool is_new) = 0;

  /// Everything that would make a task on these tables fail or lose data, by what gather() found,
  /// today or another day. Asks the server nothing. Throws Error(configuration, "facts.format").
  virtual std::vector<Finding> judge(std::span<const TablePlan> plans,
                                     const std::string& facts) const = 0;

  /// Makes the source ready for a new task on these tables, whatever that takes: PostgreSQL needs a
  /// publication and a slot. Called once before start_offset() of a new task, and again if it did
  /// not get further.
  virtual void prepare(std::span<const TablePlan> plans) = 0;

  /// Sees to it that the log can be read for this lane's task from wherever `parent` can go on,
  /// without either holding the other. Harmless if done already. Called while `parent` is not past
  /// that place.
  virtual void branch(const Task& /*parent*/) {}

  /// Gives up what prepare() or branch() made on the server for this lane's task alone. Nothing for
  /// a task that is no lane. Harmless if done already.
  virtual void release() {}

  /// An offset P such that every transaction at or before P is visible to every read that starts
  /// after this call returns (a plain current position does not give that).
  virtual Offset start_offset() = 0;

  /// An offset at or after the commit of everything that a read up to now can have seen: what is
  /// visible at the call is at or before it. Must not wait for transactions that still run.
  virtual Offset log_end() { return start_offset(); }

  /// Whether the log can still be read from `offset`: nothing if it can, else the named gap.
  virtual std::optional<Finding> can_resume(const Offset& offset, const Identity& identity) = 0;

  /// How long the log will be kept from `offset` on, as the server says. Changes nothing there: no
  /// slot moves, and nothing is done that lets the server purge. Empty if this kind cannot tell.
  virtual std::optional<RetentionFacts> retention(const Offset& /*offset*/,
                                                  const Identity& /*identity*/) {
    return std::nullopt;
  }

  /// The server's clock, and how long an answer takes. Empty if this kind has no server.
  virtual std::optional<ServerClock> clock() { return std::nullopt; }

  /// Whether `a` is at or after `b`. Both must be of this source's identity.
  virtual bool reached(const Offset& a, const Offset& b) const = 0;

  /// The place in the log that is asked for, if it is there and between two transactions. Changes
  /// nothing. Throws Error(unsupported, "offset.kind") for a kind of place that the log does not
  /// know, and Error(refused, "offset.not-in-log") with what it does hold, or "offset.inside" with
  /// the places before and after.
  virtual FoundOffset find_offset(const OffsetRequest& request);

  /// How much log is between two places of this source; empty if that cannot be told.
  virtual std::optional<LogDistance> distance(const Offset& /*from*/, const Offset& /*to*/) {
    return std::nullopt;
  }

  /// Sees to it that the log can be read from `found`, which a target is about to remember. Returns
  /// the offset that it should remember: another one than `found` only if that `renews`.
  virtual Offset claim(const FoundOffset& found) { return found.offset; }

  /// The target remembers `offset`: the source may let go of the log before it. What cannot be done
  /// is told in a sentence, and does no harm; else "".
  virtual std::string let_go(const Offset& /*offset*/) { return ""; }

  virtual std::unique_ptr<RowReader> open_rows() = 0;
  /// Reads from `from` on. `plans` are those whose changes are wanted; all ids must be distinct,
  /// and the span must outlive the reader. Rows of a plan that has a `since` come only from the
  /// transactions after it, and so do the changes of the table itself.
  virtual std::unique_ptr<ChangeReader> open_changes(const Offset& from,
                                                     std::span<const TablePlan> plans) = 0;
  /// Asks the server nothing yet. Null if this kind has no heartbeat: the task is told so, and goes
  /// on. A kind that has one checks in preflight() that it can be written, with findings that warn
  /// and never refuse, and where it selects what is logged (a publication), prepare() selects the
  /// heartbeat table too.
  virtual std::unique_ptr<Heartbeat> open_heartbeat() { return nullptr; }

  /// What hands out numbers for columns of these tables, as the server has it now, then the
  /// sequences by themselves in the tables' schemas and those that the columns draw from; sorted.
  /// Empty if this kind has nothing of the sort. Changes nothing.
  virtual std::optional<std::vector<Counter>> counters(std::span<const TablePlan> /*plans*/) {
    return std::nullopt;
  }
};

}  // namespace weir
