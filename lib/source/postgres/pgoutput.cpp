// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/pgoutput.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace weir::pgsource {
namespace {

/// PostgreSQL counts microseconds from 2000-01-01.
constexpr std::chrono::seconds kEpoch{946'684'800};

Error malformed(std::string_view what) {
  return Error(ExitCode::failed, "postgres.malformed-message",
               "the source sent a message that does not fit its protocol", std::string(what),
               "report it with the version of the server; the task cannot pass this place");
}

/// Takes fields off the front of a message; every length is checked.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  template <class Integer>
  Integer integer() {
    const std::string_view bytes = take(sizeof(Integer));
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return static_cast<Integer>(value);
  }
  char letter() { return take(1)[0]; }
  Lsn lsn() { return {integer<std::uint64_t>()}; }
  Time time() {
    // The sum of what a server may send must not overflow, whatever it sends.
    const std::uint64_t micros =
        integer<std::uint64_t>() + std::chrono::microseconds(kEpoch).count();
    return Time(std::chrono::microseconds(static_cast<std::int64_t>(micros)));
  }

  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) {
      throw malformed(fmt::format("a field of {} bytes where {} are left", size, bytes_.size()));
    }
    const std::string_view out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return out;
  }
  /// Up to a zero byte.
  std::string_view text() {
    const std::size_t end = bytes_.find('\0');
    if (end == std::string_view::npos) throw malformed("a text without an end");
    const std::string_view out = bytes_.substr(0, end);
    bytes_.remove_prefix(end + 1);
    return out;
  }
  std::string_view rest() { return std::exchange(bytes_, {}); }
  std::size_t left() const { return bytes_.size(); }

  void end() const {
    if (!bytes_.empty()) throw malformed(fmt::format("{} bytes after its end", bytes_.size()));
  }

 private:
  std::string_view bytes_;
};

/// The fields behind the kind.
Fields fields_of(std::string_view message) {
  Fields fields(message);
  fields.letter();
  return fields;
}

CommitMessage commit_fields(Fields& fields) {
  fields.letter();  // flags, none of which exists yet
  CommitMessage out;
  out.begin = fields.lsn();
  out.end = fields.lsn();
  out.time = fields.time();
  fields.end();
  return out;
}

/// `message` is what `fields` are taken from.
void read_tuple(std::span<char> message, Fields& fields, std::vector<TupleCell>& out) {
  out.resize(fields.integer<std::uint16_t>());
  for (TupleCell& cell : out) {
    switch (fields.letter()) {
      case 'n':
        cell = {TupleCell::Kind::null};
        break;
      case 'u':
        cell = {TupleCell::Kind::unchanged};
        break;
      case 't': {
        const auto size = fields.integer<std::uint32_t>();
        const std::size_t place = message.size() - fields.left();
        fields.take(size);
        cell = {TupleCell::Kind::text, message.data() + place, size};
        break;
      }
      case 'b':
        throw Error(ExitCode::unsupported, "postgres.binary-value",
                    "the source sent a value in binary form", "weir asks for text only",
                    "report it with the version of the server");
      default:
        throw malformed("a value of an unknown form");
    }
  }
}

template <class Integer>
void append(std::string& out, Integer value) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff);
  }
}

}  // namespace

StreamFrame read_frame(std::string_view message) {
  Fields fields(message);
  StreamFrame out;
  switch (fields.letter()) {
    case 'w':
      fields.lsn();  // of the change
      fields.lsn();  // likewise: pgoutput does not tell the end of the log here
      fields.time();
      out.data = fields.rest();
      return out;
    case 'k':
      out.kind = StreamFrame::Kind::keepalive;
      out.end = fields.lsn();
      fields.time();
      out.wants_reply = fields.letter() != 0;
      fields.end();
      return out;
    default:
      throw malformed("a frame of an unknown kind");
  }
}

std::string status_update(Lsn received, Lsn durable, Time time, bool wants_reply) {
  std::string out = "r";
  append(out, received.value);
  append(out, durable.value);
  append(out, durable.value);
  append(out, (time.time_since_epoch() - kEpoch).count());
  out += wants_reply ? '\1' : '\0';
  return out;
}

Message message_kind(std::string_view message) {
  constexpr auto kKnown = std::to_array<Message>(
      {Message::begin, Message::commit, Message::origin, Message::relation, Message::type,
       Message::insert, Message::update, Message::remove, Message::truncate, Message::text,
       Message::stream_start, Message::stream_stop, Message::stream_commit, Message::stream_abort});
  const auto kind = static_cast<Message>(Fields(message).letter());
  if (std::find(kKnown.begin(), kKnown.end(), kind) != kKnown.end()) return kind;
  throw Error(ExitCode::refused, "postgres.unknown-message",
              "the source's log holds a message that weir does not know",
              fmt::format("its kind is {:#04x}", static_cast<unsigned char>(message[0])),
              "report it with the version of the server; until then the task cannot pass this "
              "place");
}

BeginMessage read_begin(std::string_view message) {
  Fields fields = fields_of(message);
  BeginMessage out;
  out.commit = fields.lsn();
  out.time = fields.time();
  out.xid = fields.integer<std::uint32_t>();
  fields.end();
  return out;
}

CommitMessage read_commit(std::string_view message) {
  Fields fields = fields_of(message);
  return commit_fields(fields);
}

RelationMessage read_relation(std::string_view message) {
  Fields fields = fields_of(message);
  RelationMessage out;
  out.id = fields.integer<std::uint32_t>();
  out.schema = fields.text();
  // The server writes nothing for its own schema.
  if (out.schema.empty()) out.schema = "pg_catalog";
  out.table = fields.text();
  out.identity = fields.letter();
  out.columns.resize(fields.integer<std::uint16_t>());
  for (RelationColumn& column : out.columns) {
    column.identity = (fields.letter() & 1) != 0;
    column.name = fields.text();
    column.type = fields.integer<std::uint32_t>();
    column.modifier = fields.integer<std::int32_t>();
  }
  fields.end();
  return out;
}

void read_row(std::span<char> message, RowMessage& out) {
  Fields fields({message.data(), message.size()});
  const auto kind = static_cast<Message>(fields.letter());
  out.op = kind == Message::insert   ? RowChange::Op::insert
           : kind == Message::update ? RowChange::Op::update
                                     : RowChange::Op::remove;
  out.relation = fields.integer<std::uint32_t>();
  out.before = RowMessage::Before::nothing;
  char part = fields.letter();
  if ((part == 'K' || part == 'O') && out.op != RowChange::Op::insert) {
    out.before = part == 'K' ? RowMessage::Before::key : RowMessage::Before::row;
    read_tuple(message, fields, out.old_cells);
    if (out.op == RowChange::Op::remove) return fields.end();
    part = fields.letter();
  }
  if (part != 'N' || out.op == RowChange::Op::remove) throw malformed("a row of an unknown form");
  read_tuple(message, fields, out.new_cells);
  fields.end();
}

TruncateMessage read_truncate(std::string_view message) {
  Fields fields = fields_of(message);
  const auto count = fields.integer<std::uint32_t>();
  const auto options = static_cast<unsigned char>(fields.letter());
  TruncateMessage out;
  out.cascade = (options & 1) != 0;
  out.restart_identity = (options & 2) != 0;
  if (fields.left() / sizeof(std::uint32_t) < count) throw malformed("fewer tables than it counts");
  for (std::uint32_t i = 0; i < count; ++i) {
    out.relations.push_back(fields.integer<std::uint32_t>());
  }
  fields.end();
  return out;
}

TextMessage read_text(std::string_view message) {
  Fields fields = fields_of(message);
  TextMessage out;
  out.transactional = (fields.letter() & 1) != 0;
  fields.lsn();
  out.prefix = fields.text();
  out.content = fields.take(fields.integer<std::uint32_t>());
  fields.end();
  return out;
}

std::uint32_t read_stream_start(std::string_view message) {
  Fields fields = fields_of(message);
  const auto xid = fields.integer<std::uint32_t>();
  fields.letter();  // whether it is the transaction's first block
  fields.end();
  return xid;
}

std::pair<std::uint32_t, CommitMessage> read_stream_commit(std::string_view message) {
  Fields fields = fields_of(message);
  const auto xid = fields.integer<std::uint32_t>();
  return {xid, commit_fields(fields)};
}

StreamAbortMessage read_stream_abort(std::string_view message) {
  Fields fields = fields_of(message);
  StreamAbortMessage out;
  out.xid = fields.integer<std::uint32_t>();
  out.subxid = fields.integer<std::uint32_t>();
  fields.end();
  return out;
}

std::uint32_t streamed_xid(std::string_view message) {
  return fields_of(message).integer<std::uint32_t>();
}

}  // namespace weir::pgsource
