// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/cell.h"
#include "model/table.h"
#include "model/type.h"

namespace weir {

/// One column of a row as `weir log show` knows it: the log may tell less than a catalogue does.
struct LogColumn {
  /// What is known about the bytes of a text.
  enum class Text : std::uint8_t {
    utf8,
    unsure,   ///< text in some character set, or bytes: nothing says which
    foreign,  ///< text in a character set that cannot be converted here
  };
  std::string name;
  TypeKind kind = TypeKind::text;
  Text text = Text::utf8;
};

/// One thing that a change log holds, for people to look at. Views, valid during the call that
/// hands it over; what does not apply is empty.
struct LogEntry {
  enum class Kind : std::uint8_t {
    begin,      ///< a transaction begins
    query,      ///< `text` is the statement behind the rows that follow
    insert,     ///< one row
    update,     ///< one row
    remove,     ///< one row
    statement,  ///< `text` was logged as a statement: definitions, accounts, ...
    prepare,    ///< the first phase of a distributed transaction ends
    commit,
    rollback,
    rotate,  ///< the log goes on in the file `text`, if that is known
  };
  Kind kind = Kind::statement;
  std::string_view offset;     ///< where its transaction begins: the log can be read from there on
  std::uint64_t position = 0;  ///< of its event, in the file that `offset` names; 0 = not known
  Time time{};                 ///< commit time where the log tells it, else when it was logged
  std::string_view transaction;  ///< the global id, as the source writes it
  std::string_view xid;          ///< of a distributed transaction
  std::string_view schema;       ///< of a row, or that a statement was run in
  std::string_view table;        ///< of a row, or that a statement defines, if it is only one
  std::string_view text;
  /// The columns of a row and their values; empty if values are not wanted or cannot be told.
  std::span<const LogColumn> columns;
  Row before;  ///< update, remove
  Row after;   ///< insert, update
};

/// Stable, lowercase: "insert"; a removed row is "delete".
std::string_view to_string(LogEntry::Kind kind);

/// Takes the entries of a log, in log order. Called on the thread that reads.
class LogSink {
 public:
  virtual ~LogSink() = default;

  /// Whether rows of `table` are wanted. May be asked once for many rows.
  virtual bool wants(const TableName& table) = 0;
  virtual void entry(const LogEntry& entry) = 0;
  /// Whether nothing more is wanted, whatever comes.
  virtual bool done() const = 0;
};

/// How a log is to be read.
struct LogRequest {
  std::string from;     ///< an offset as the source writes it; "" = the beginning (a file only)
  bool values = false;  ///< hand over values, and statements that hold some
  bool follow = false;  ///< go on at the end of what is there now
};

/// Reads a change log for people to look at: nothing is applied, and no offset moves. One thread.
class LogReader {
 public:
  enum class Read : std::uint8_t {
    event,  ///< there may be more
    end,    ///< nothing more now; with LogRequest::follow there may be later
    over,   ///< nothing more will come: the log goes on in another file
  };

  virtual ~LogReader() = default;

  /// Hands over what the next event holds, which may be nothing. Blocks only while the source has
  /// yet to send what it has. Throws what decoding throws: an event that weir does not understand
  /// is never passed over.
  virtual Read read(LogSink& sink) = 0;

  /// With LogRequest::follow: whether read() may find more; waits for that until time runs out or a
  /// signal comes.
  virtual bool wait(std::chrono::milliseconds limit) = 0;
};

}  // namespace weir
