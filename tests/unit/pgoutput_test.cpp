// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/pgoutput.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;
using namespace weir::pgsource;

namespace {

/// Bytes of a message, written in network order.
class Bytes {
 public:
  explicit Bytes(char kind) { letter(kind); }
  Bytes() = default;

  Bytes& letter(char c) {
    text_ += c;
    return *this;
  }
  Bytes& u16(std::uint16_t value) { return number(value, 2); }
  Bytes& u32(std::uint32_t value) { return number(value, 4); }
  Bytes& u64(std::uint64_t value) { return number(value, 8); }
  Bytes& name(std::string_view value) {
    text_ += value;
    return letter('\0');
  }
  Bytes& value(std::string_view value) {
    letter('t').u32(static_cast<std::uint32_t>(value.size()));
    text_ += value;
    return *this;
  }

  const std::string& text() const { return text_; }

 private:
  Bytes& number(std::uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i) text_ += static_cast<char>(value >> (8 * i) & 0xff);
    return *this;
  }
  std::string text_;
};

std::string id_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.id();
  }
  return "none";
}

/// Every message that is shorter or longer than the right one must be refused, and nothing else may
/// happen.
void refuses_other_lengths(const std::string& message,
                           const std::function<void(std::string&)>& read) {
  std::string right = message;
  CHECK_NOTHROW(read(right));
  for (std::size_t size = 0; size < message.size(); ++size) {
    CAPTURE(size);
    std::string cut = message.substr(0, size);
    cut.shrink_to_fit();
    CHECK(id_of([&] { read(cut); }) == "postgres.malformed-message");
  }
  std::string longer = message + '\0';
  CHECK(id_of([&] { read(longer); }) == "postgres.malformed-message");
}

std::string text_of(const TupleCell& cell) {
  switch (cell.kind) {
    case TupleCell::Kind::null:
      return "NULL";
    case TupleCell::Kind::unchanged:
      return "unchanged";
    case TupleCell::Kind::text:
      return std::string(cell.text, cell.size);
  }
  return "";
}

// 2026-01-02 03:04:05.000006 in microseconds since 2000-01-01.
constexpr std::uint64_t kTime = 820'638'245'000'006;
constexpr const char* kTimeText = "2026-01-02T03:04:05.000006Z";

}  // namespace

TEST_CASE("the frames of a stream are told apart", "[pgout]") {
  const std::string data = Bytes('w').u64(1).u64(2).u64(kTime).letter('X').letter('Y').text();
  const StreamFrame frame = read_frame(data);
  CHECK(frame.kind == StreamFrame::Kind::data);
  CHECK(frame.data == "XY");

  const std::string keepalive = Bytes('k').u64(0x16'b374'd848).u64(kTime).letter('\1').text();
  const StreamFrame heartbeat = read_frame(keepalive);
  CHECK(heartbeat.kind == StreamFrame::Kind::keepalive);
  CHECK(heartbeat.end.text() == "16/B374D848");
  CHECK(heartbeat.wants_reply);
  refuses_other_lengths(keepalive, [](std::string& m) { read_frame(m); });
  for (std::size_t size = 0; size < 25; ++size) {
    CHECK(id_of([&] { read_frame(data.substr(0, size)); }) == "postgres.malformed-message");
  }
  CHECK(id_of([] { read_frame("z"); }) == "postgres.malformed-message");
}

TEST_CASE("a status update says what was received, what is durable, and when", "[pgout]") {
  const std::string update = status_update({5}, {3}, parse_rfc3339(kTimeText), true);
  CHECK(update == Bytes('r').u64(5).u64(3).u64(3).u64(kTime).letter('\1').text());
}

TEST_CASE("transactions begin and commit", "[pgout]") {
  const std::string begin = Bytes('B').u64(0x100).u64(kTime).u32(77).text();
  CHECK(message_kind(begin) == Message::begin);
  CHECK(read_begin(begin).commit.value == 0x100);
  CHECK(to_rfc3339(read_begin(begin).time, true) == kTimeText);
  CHECK(read_begin(begin).xid == 77);
  refuses_other_lengths(begin, [](std::string& m) { read_begin(m); });

  const std::string commit = Bytes('C').letter('\0').u64(0x100).u64(0x130).u64(kTime).text();
  CHECK(read_commit(commit).end.value == 0x130);
  CHECK(to_rfc3339(read_commit(commit).time, true) == kTimeText);
  refuses_other_lengths(commit, [](std::string& m) { read_commit(m); });

  const std::string streamed =
      Bytes('c').u32(77).letter('\0').u64(0x100).u64(0x130).u64(kTime).text();
  CHECK(read_stream_commit(streamed).first == 77);
  CHECK(read_stream_commit(streamed).second.end.value == 0x130);
  refuses_other_lengths(streamed, [](std::string& m) { read_stream_commit(m); });

  const std::string start = Bytes('S').u32(77).letter('\1').text();
  CHECK(read_stream_start(start) == 77);
  refuses_other_lengths(start, [](std::string& m) { read_stream_start(m); });

  const std::string abort = Bytes('A').u32(77).u32(78).text();
  CHECK(read_stream_abort(abort).xid == 77);
  CHECK(read_stream_abort(abort).subxid == 78);
  refuses_other_lengths(abort, [](std::string& m) { read_stream_abort(m); });
}

TEST_CASE("a relation tells names, types and the replica identity", "[pgout]") {
  const std::string message = Bytes('R')
                                  .u32(16385)
                                  .name("shop")
                                  .name("item")
                                  .letter('f')
                                  .u16(2)
                                  .letter('\1')
                                  .name("id")
                                  .u32(23)
                                  .u32(0xffffffff)
                                  .letter('\0')
                                  .name("price")
                                  .u32(1700)
                                  .u32(655366)
                                  .text();
  const RelationMessage relation = read_relation(message);
  CHECK(relation.id == 16385);
  CHECK(relation.schema == "shop");
  CHECK(relation.table == "item");
  CHECK(relation.identity == 'f');
  REQUIRE(relation.columns.size() == 2);
  CHECK(relation.columns[0] == RelationColumn{true, "id", 23, -1});
  CHECK(relation.columns[1] == RelationColumn{false, "price", 1700, 655366});
  refuses_other_lengths(message, [](std::string& m) { read_relation(m); });
}

TEST_CASE("rows hold values, NULLs and what did not change", "[pgout]") {
  RowMessage row;
  std::string insert = Bytes('I').u32(9).letter('N').u16(3).value("a").letter('n').value("").text();
  read_row(insert, row);
  CHECK(row.op == RowChange::Op::insert);
  CHECK(row.relation == 9);
  REQUIRE(row.new_cells.size() == 3);
  CHECK(text_of(row.new_cells[0]) == "a");
  CHECK(text_of(row.new_cells[1]) == "NULL");
  CHECK(text_of(row.new_cells[2]).empty());

  std::string update = Bytes('U').u32(9).letter('N').u16(2).value("a").letter('u').text();
  read_row(update, row);
  CHECK(row.op == RowChange::Op::update);
  CHECK(row.before == RowMessage::Before::nothing);
  CHECK(text_of(row.new_cells[1]) == "unchanged");

  std::string moved = Bytes('U')
                          .u32(9)
                          .letter('K')
                          .u16(2)
                          .value("old")
                          .letter('n')
                          .letter('N')
                          .u16(2)
                          .value("new")
                          .value("x")
                          .text();
  read_row(moved, row);
  CHECK(row.before == RowMessage::Before::key);
  CHECK(text_of(row.old_cells[0]) == "old");
  CHECK(text_of(row.new_cells[0]) == "new");

  std::string remove = Bytes('D').u32(9).letter('O').u16(1).value("gone").text();
  read_row(remove, row);
  CHECK(row.op == RowChange::Op::remove);
  CHECK(row.before == RowMessage::Before::row);
  CHECK(text_of(row.old_cells[0]) == "gone");

  for (const std::string& message : {insert, update, moved, remove}) {
    refuses_other_lengths(message, [&](std::string& m) { read_row(m, row); });
  }
}

TEST_CASE("a row in another form than asked for is refused", "[pgout]") {
  RowMessage row;
  std::string binary = Bytes('I').u32(9).letter('N').u16(1).letter('b').u32(1).letter('x').text();
  CHECK(id_of([&] { read_row(binary, row); }) == "postgres.binary-value");
  std::string unknown = Bytes('I').u32(9).letter('N').u16(1).letter('?').text();
  CHECK(id_of([&] { read_row(unknown, row); }) == "postgres.malformed-message");
  // An insert has no old row, a delete no new one, and an update cannot have two old ones.
  for (std::string message : {Bytes('I').u32(9).letter('K').u16(0).letter('N').u16(0).text(),
                              Bytes('D').u32(9).letter('N').u16(0).text(),
                              Bytes('U').u32(9).letter('K').u16(0).letter('O').u16(0).text(),
                              Bytes('U').u32(9).letter('?').u16(0).text()}) {
    CHECK(id_of([&] { read_row(message, row); }) == "postgres.malformed-message");
  }
}

TEST_CASE("a truncation names its tables and options", "[pgout]") {
  const std::string message = Bytes('T').u32(2).letter('\3').u32(9).u32(10).text();
  const TruncateMessage truncate = read_truncate(message);
  CHECK(truncate.relations == std::vector<std::uint32_t>{9, 10});
  CHECK(truncate.cascade);
  CHECK(truncate.restart_identity);
  refuses_other_lengths(message, [](std::string& m) { read_truncate(m); });
  // A count that no message could hold must not be believed.
  const std::string lie = Bytes('T').u32(0xffffffff).letter('\0').u32(9).text();
  CHECK(id_of([&] { read_truncate(lie); }) == "postgres.malformed-message");
}

TEST_CASE("a message of somebody has a prefix and a content", "[pgout]") {
  const std::string message =
      Bytes('M').letter('\1').u64(0x100).name("weir.ddl").u32(2).letter('{').letter('}').text();
  const TextMessage text = read_text(message);
  CHECK(text.transactional);
  CHECK(text.prefix == "weir.ddl");
  CHECK(text.content == "{}");
  refuses_other_lengths(message, [](std::string& m) { read_text(m); });
}

TEST_CASE("a message of an unknown kind is refused by name", "[pgout]") {
  for (const char kind : {'P', 'K', 'r', 'b', 'p', 'x', '\0'}) {
    CHECK(id_of([&] { message_kind(std::string(1, kind)); }) == "postgres.unknown-message");
  }
  CHECK(id_of([] { message_kind(""); }) == "postgres.malformed-message");
  for (const char kind : {'B', 'C', 'O', 'R', 'Y', 'I', 'U', 'D', 'T', 'M', 'S', 'E', 'c', 'A'}) {
    CHECK(static_cast<char>(message_kind(std::string(1, kind))) == kind);
  }
}

TEST_CASE("inside a streamed block a message says whose it is", "[pgout]") {
  CHECK(streamed_xid(Bytes('I').u32(78).u32(9).text()) == 78);
  CHECK(id_of([] { streamed_xid("I123"); }) == "postgres.malformed-message");
}
