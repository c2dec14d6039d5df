// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/change.h"
#include "source/postgres/offset.h"

namespace weir::pgsource {

/// A message of a replication stream: the outer frame of pgoutput's.
struct StreamFrame {
  enum class Kind : std::uint8_t { data, keepalive };
  Kind kind = Kind::data;
  Lsn end;                   ///< keepalive: everything that ends at or before it has been sent
  bool wants_reply = false;  ///< keepalive: the server ends the session if it hears nothing soon
  std::string_view data;     ///< one message of pgoutput
};

/// Throws Error(failed, "postgres.malformed-message").
StreamFrame read_frame(std::string_view message);

/// The client's word: what it has received, and what is durable and need not be sent again.
std::string status_update(Lsn received, Lsn durable, Time time, bool wants_reply);

/// The first byte of a message of pgoutput.
enum class Message : char {
  begin = 'B',
  commit = 'C',
  origin = 'O',
  relation = 'R',
  type = 'Y',
  insert = 'I',
  update = 'U',
  remove = 'D',
  truncate = 'T',
  text = 'M',  ///< pg_logical_emit_message()
  stream_start = 'S',
  stream_stop = 'E',
  stream_commit = 'c',
  stream_abort = 'A',
};

struct BeginMessage {
  Lsn commit;  ///< CommitMessage::begin
  Time time{};
  std::uint32_t xid = 0;
};

struct CommitMessage {
  Lsn begin;  ///< before the commit: who reads from here on is sent the transaction
  Lsn end;    ///< after it: who reads from here on is not
  Time time{};
};

struct RelationColumn {
  bool identity = false;  ///< part of the replica identity
  std::string name;
  std::uint32_t type = 0;
  std::int32_t modifier = -1;

  bool operator==(const RelationColumn&) const = default;
};

/// A table as the rows that follow have it.
struct RelationMessage {
  std::uint32_t id = 0;
  std::string schema;
  std::string table;
  char identity = 'd';  ///< pg_class.relreplident: d, n, f, i
  std::vector<RelationColumn> columns;

  bool operator==(const RelationMessage&) const = default;
};

/// One column of a row. Its text is a part of the message.
struct TupleCell {
  enum class Kind : std::uint8_t { null, unchanged, text };
  Kind kind = Kind::null;
  char* text = nullptr;
  std::uint32_t size = 0;
};

/// A changed row.
struct RowMessage {
  /// What the server tells about the row as it was.
  enum class Before : std::uint8_t { nothing, key, row };
  RowChange::Op op = RowChange::Op::insert;
  std::uint32_t relation = 0;
  Before before = Before::nothing;
  std::vector<TupleCell> old_cells;  ///< with Before::key, those beyond the identity are NULL
  std::vector<TupleCell> new_cells;
};

struct TruncateMessage {
  std::vector<std::uint32_t> relations;
  bool cascade = false;
  bool restart_identity = false;
};

/// What pg_logical_emit_message() wrote. Views of the message.
struct TextMessage {
  bool transactional = false;
  std::string_view prefix;
  std::string_view content;
};

struct StreamAbortMessage {
  std::uint32_t xid = 0;
  std::uint32_t subxid = 0;  ///< equal to `xid` if the whole transaction is aborted
};

/// The kind of a message. Throws Error(refused, "postgres.unknown-message") for one that weir does
/// not know, and what the readers below throw for an empty one.
Message message_kind(std::string_view message);

/// The contents of one message of each kind; its kind must be right. They throw
/// Error(failed, "postgres.malformed-message") where the bytes do not fit.
BeginMessage read_begin(std::string_view message);
CommitMessage read_commit(std::string_view message);
RelationMessage read_relation(std::string_view message);
/// Into `out`, whose memory is used again. Throws also Error(unsupported, "postgres.binary-value").
void read_row(std::span<char> message, RowMessage& out);
TruncateMessage read_truncate(std::string_view message);
TextMessage read_text(std::string_view message);
std::uint32_t read_stream_start(std::string_view message);  ///< the transaction's id
/// The id of the transaction, and its end.
std::pair<std::uint32_t, CommitMessage> read_stream_commit(std::string_view message);
StreamAbortMessage read_stream_abort(std::string_view message);

/// Inside a streamed block each message has a (sub)transaction's id after its kind.
std::uint32_t streamed_xid(std::string_view message);
/// Bytes of that id.
constexpr std::size_t kStreamedXidSize = 4;

}  // namespace weir::pgsource
