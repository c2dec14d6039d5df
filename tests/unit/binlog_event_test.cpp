// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/binlog_event.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/text.h"
#include "source/mysql/binlog_file.h"

using namespace weir;
using namespace weir::mysql;

namespace {

std::string number(std::uint64_t value, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i)
    out += i < 8 ? static_cast<char>(value >> (8 * i) & 0xff) : '\0';
  return out;
}

std::string unhex(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return out;
}

std::string crc(std::string_view bytes) {
  return number(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()), 4);
}

struct Header {
  std::uint16_t flags = 0;
  std::uint32_t timestamp = 1'700'000'000;
  std::uint32_t next_position = 1000;
};

/// An event without a checksum.
std::string plain_event(std::uint8_t type, const std::string& body, Header header = {}) {
  return number(header.timestamp, 4) + number(type, 1) + number(9, 4) +
         number(19 + body.size(), 4) + number(header.next_position, 4) + number(header.flags, 2) +
         body;
}

/// An event with one.
std::string event(std::uint8_t type, const std::string& body, Header header = {}) {
  std::string out = plain_event(type, body + "....", header);
  out.resize(out.size() - 4);
  return out + crc(out);
}

std::string format_event(const std::string& version, std::uint8_t algorithm = 1, Header header = {},
                         std::size_t types = 42) {
  std::string lengths(types, '\0');
  const auto set = [&](std::size_t type, int length) {
    if (type <= types) lengths[type - 1] = static_cast<char>(length);
  };
  set(2, 13);
  set(19, 8);
  for (const std::size_t type : {23, 24, 25, 166, 167, 168}) set(type, 8);
  for (const std::size_t type : {30, 31, 32, 39, 169, 170, 171}) set(type, 10);
  set(33, 42);
  set(34, 42);
  set(162, 19);
  set(165, 13);
  std::string name = version;
  name.resize(50, '\0');
  return event(15,
               number(4, 2) + name + number(0, 4) + number(19, 1) + lengths + number(algorithm, 1),
               header);
}
std::string mysql_format(std::uint8_t algorithm = 1) { return format_event("8.0.36", algorithm); }
std::string mariadb_format() { return format_event("10.11.6-MariaDB-log", 1, {}, 171); }

std::string text1(const std::string& text) { return number(text.size(), 1) + text; }

/// A table of INT columns.
std::string map_body(std::uint64_t id, const std::string& table, std::size_t columns,
                     const std::string& optional = {}) {
  return number(id, 6) + number(1, 2) + text1("db") + '\0' + text1(table) + '\0' +
         text1(std::string(columns, '\3')) + text1("") + std::string((columns + 7) / 8, '\xff') +
         optional;
}

std::string query_body(const std::string& schema, const std::string& sql,
                       const std::string& status = {}, std::uint16_t error = 0) {
  return number(7, 4) + number(0, 4) + number(schema.size(), 1) + number(error, 2) +
         number(status.size(), 2) + status + schema + '\0' + sql;
}

std::string rows_v1(std::uint64_t id, std::uint16_t flags, const std::string& rest) {
  return number(id, 6) + number(flags, 2) + rest;
}

/// Writes down what it is handed, one line each.
class Recorder final : public BinlogHandler {
 public:
  std::vector<std::string> lines;
  std::vector<std::shared_ptr<const TableMap>> maps;

  void on_rotate(std::string_view file, std::uint64_t position) override {
    lines.push_back(fmt::format("rotate {}:{}", file, position));
  }
  void on_format(const EventHeader&, std::string_view version) override {
    lines.push_back(fmt::format("format {}", version));
  }
  void on_gtid(const EventHeader&, const GtidEvent& gtid) override {
    std::string line = "gtid " + gtid.gtid.text();
    if (gtid.anonymous) line += " anonymous";
    if (gtid.standalone) line += " standalone";
    if (gtid.ddl) line += " ddl";
    if (gtid.xa == GtidEvent::Xa::prepare) line += " prepare " + gtid.xid;
    if (gtid.xa == GtidEvent::Xa::complete) line += " complete " + gtid.xid;
    lines.push_back(fmt::format("{} at {}", line, gtid.commit_time.time_since_epoch().count()));
  }
  void on_query(const EventHeader& header, const QueryEvent& query) override {
    lines.push_back(fmt::format("query [{}] {} error {} mode {} collation {} next {}", query.schema,
                                query.sql, query.error, query.sql_mode, query.client_collation,
                                header.next_position));
  }
  void on_table_map(const EventHeader&, const std::shared_ptr<const TableMap>& map) override {
    maps.push_back(map);
    lines.push_back(
        fmt::format("map {} {}.{} {}", map->id, map->schema, map->table, map->columns.size()));
  }
  void on_rows(const EventHeader& header, const RowsEvent& rows, const TableMap& map) override {
    const char* const kind = rows.kind == RowsEvent::Kind::insert   ? "insert"
                             : rows.kind == RowsEvent::Kind::update ? "update"
                                                                    : "remove";
    lines.push_back(fmt::format("{} {} columns {} before {} after {} rows {}{}{} next {}", kind,
                                map.table, rows.column_count,
                                rows.before_columns == nullptr ? -1 : rows.before_columns[0],
                                rows.after_columns == nullptr ? -1 : rows.after_columns[0],
                                hex(rows.rows), rows.partial_json ? " partial" : "",
                                rows.ends_statement ? " end" : "", header.next_position));
  }
  void on_xid(const EventHeader& header) override {
    lines.push_back(fmt::format("xid next {}", header.next_position));
  }
  void on_xa_prepare(const EventHeader& header, std::string_view xid, bool one_phase) override {
    lines.push_back(
        fmt::format("xa {}{} next {}", xid, one_phase ? " one phase" : "", header.next_position));
  }
  void on_heartbeat(const EventHeader&, std::string_view file, std::uint64_t position) override {
    lines.push_back(fmt::format("heartbeat {}:{}", file, position));
  }
  void on_statement_text(const EventHeader&, std::string_view sql) override {
    lines.push_back(fmt::format("text {}", sql));
  }
  void on_other(const EventHeader& header, std::string_view name) override {
    lines.push_back(fmt::format("other {} {}", header.type, name));
  }

  std::string last() const { return lines.empty() ? "nothing" : lines.back(); }
};

/// A decoder and what came out of it.
struct Reader {
  BinlogDecoder decoder;
  Recorder recorder;

  explicit Reader(const std::string& format = {}) {
    if (!format.empty()) decoder.feed(format, recorder);
  }
  std::string feed(const std::string& bytes) {
    decoder.feed(bytes, recorder);
    return recorder.last();
  }
  /// The id of the error that feeding it gives.
  std::string refused(const std::string& bytes) {
    try {
      decoder.feed(bytes, recorder);
    } catch (const Error& error) {
      CHECK_FALSE(error.why().empty());
      CHECK_FALSE(error.fix().empty());
      return error.id();
    }
    return "taken";
  }
};

std::string zlib_form(const std::string& plain) {
  std::string out(compressBound(plain.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  out.resize(size);
  std::string length;
  for (std::size_t left = plain.size(); left > 0; left >>= 8) {
    length.insert(length.begin(), static_cast<char>(left & 0xff));
  }
  return number(0x80 | length.size(), 1) + length + out;
}

std::string zstd_form(const std::string& plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
  return out;
}

std::string payload_body(const std::string& payload, std::uint8_t algorithm) {
  const std::string packed = algorithm < 251 ? number(algorithm, 1) : '\xfc' + number(algorithm, 2);
  return '\2' + text1(packed) + "\1\11" + '\xfe' + number(payload.size(), 8) + '\0' + payload;
}

class TempFile {
 public:
  explicit TempFile(const std::string& bytes) {
    char name[] = "/tmp/weir-binlog-XXXXXX";
    const int fd = mkstemp(name);
    REQUIRE(fd >= 0);
    close(fd);
    path_ = name;
    append(bytes);
  }
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  void append(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::app) << bytes;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::atomic<std::size_t> allocations{0};

}  // namespace

// All that may meet one another, or a sanitizer sees its own new end in our delete. Not to be
// inlined, or the compiler sees free() meet memory of operator new.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = ::operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("event names are those of SHOW BINLOG EVENTS", "[mysql][binlog]") {
  CHECK(event_name(2) == "Query");
  CHECK(event_name(23) == "Write_rows_v1");
  CHECK(event_name(31) == "Update_rows");
  CHECK(event_name(42) == "Gtid_tagged_log_event");
  CHECK(event_name(166) == "Write_rows_compressed_v1");
  CHECK(event_name(0) == "Unknown(0)");
  CHECK(event_name(200) == "Unknown(200)");
}

TEST_CASE("the format description decides about checksums", "[mysql][binlog]") {
  SECTION("CRC32") {
    Reader reader;
    CHECK(reader.feed(mysql_format()) == "format 8.0.36");
    CHECK(reader.feed(event(16, number(1, 8))) == "xid next 1000");
    std::string damaged = event(16, number(1, 8));
    damaged[22] ^= 1;
    CHECK(reader.refused(damaged) == "binlog.checksum");
    CHECK(reader.refused(plain_event(16, number(1, 8))) == "binlog.checksum");
  }
  SECTION("none: the description alone has the four bytes") {
    Reader reader(mysql_format(0));
    CHECK(reader.feed(plain_event(29, "\3abc")) == "text abc");
  }
  SECTION("a server from before checksums") {
    // The array ends with the event: neither algorithm nor checksum.
    std::string old = format_event("5.5.62-log", 0, {}, 27);
    old.resize(old.size() - 5);
    old.replace(9, 4, number(old.size(), 4));
    Reader reader(old);
    CHECK(reader.recorder.last() == "format 5.5.62-log");
    CHECK(reader.feed(plain_event(2, query_body("d", "BEGIN"))) ==
          "query [d] BEGIN error 0 mode 0 collation 0 next 1000");
  }
  SECTION("an algorithm that does not exist yet") {
    Reader reader;
    CHECK(reader.refused(mysql_format(2)) == "binlog.unsupported-event");
  }
  SECTION("the in-use flag is not covered") {
    std::string open = mysql_format();
    open[17] = 1;
    Reader reader;
    CHECK(reader.feed(open) == "format 8.0.36");
    open[40] ^= 1;
    CHECK(reader.refused(open) == "binlog.checksum");
  }
  SECTION("nothing may come before it") {
    Reader reader;
    CHECK(reader.refused(event(16, number(1, 8))) == "binlog.malformed");
    reader.feed(mysql_format());
    reader.decoder.reset();
    CHECK(reader.refused(event(16, number(1, 8))) == "binlog.malformed");
  }
  SECTION("a log format of another age") {
    std::string body = number(3, 2) + std::string(50, '\0') + number(0, 4) + number(19, 1);
    Reader reader;
    CHECK(reader.refused(event(15, body)) == "binlog.unsupported-event");
  }
}

TEST_CASE("an event must be as long as it says", "[mysql][binlog]") {
  Reader reader(mysql_format());
  const std::string whole = event(16, number(1, 8));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(reader.refused(whole.substr(0, size)) == "binlog.malformed");
  }
  CHECK(reader.refused(whole + "x") == "binlog.malformed");
}

TEST_CASE("bodies that end early are refused, wherever they end", "[mysql][binlog]") {
  const std::string map = map_body(5, "t", 3);
  const std::vector<std::pair<std::uint8_t, std::string>> bodies = {
      {2, query_body("db", "", std::string("\0\0\0\0\0", 5))},
      {19, map},
      {23, rows_v1(5, 1, "\3\7")},
      {31, number(5, 6) + number(1, 2) + number(2, 2) + "\3\7\7"},
      {33,
       number(0, 1) + std::string(16, 'u') + number(1, 8) + number(2, 1) + std::string(16, '\0')},
      {38, number(0, 1) + number(1, 4) + number(1, 4) + number(1, 4) + "ab"},
      {26, number(1, 2) + text1("lost")},
  };
  for (const auto& [type, body] : bodies) {
    for (std::size_t size = 0; size < body.size(); ++size) {
      Reader reader(mysql_format());
      reader.feed(event(19, map));
      INFO("type " << int{type} << ", " << size << " bytes of " << body.size());
      CHECK(reader.refused(event(type, body.substr(0, size))) == "binlog.malformed");
    }
  }
}

TEST_CASE("what is not known stops, unless the log says that it may be ignored",
          "[mysql][binlog]") {
  Reader reader(mysql_format());
  CHECK(reader.feed(event(43, "large transaction header", {0x80})) == "other 43 Ignorable");
  CHECK(reader.feed(event(28, "", {0x80})) == "other 28 Ignorable");
  for (const int type : {0, 28, 43, 159, 172, 255}) {
    CHECK(reader.refused(event(static_cast<std::uint8_t>(type), "")) == "binlog.unknown-event");
  }
  // The flag is for types that a reader does not know: it does not make a known one optional.
  CHECK(reader.refused(event(26, number(1, 2) + text1("lost"), {0x80})) == "binlog.incident");
  reader.feed(event(19, map_body(5, "t", 3)));
  CHECK(reader.feed(event(23, rows_v1(5, 1, "\3\7r"), {0x80})) ==
        "insert t columns 3 before -1 after 7 rows 72 end next 1000");
}

TEST_CASE("what weir knows and cannot take is refused by name", "[mysql][binlog]") {
  Reader reader(mysql_format());
  for (const int type : {1, 6, 7, 8, 9, 10, 11, 12, 17, 18, 20, 21, 22}) {
    INFO(type);
    CHECK(reader.refused(event(static_cast<std::uint8_t>(type), "x")) ==
          "binlog.unsupported-event");
  }
  try {
    reader.feed(event(26, number(1, 2) + text1("error writing to the log")));
    FAIL("an incident was taken");
  } catch (const Error& error) {
    CHECK(error.id() == "binlog.incident");
    CHECK_THAT(error.why(), Catch::Contains("error writing to the log"));
  }
  try {
    reader.feed(event(18, "x"));
    FAIL("LOAD DATA was taken");
  } catch (const Error& error) {
    CHECK_THAT(error.summary(), Catch::Contains("Execute_load_query"));
  }
}

TEST_CASE("events without data pass", "[mysql][binlog]") {
  Reader reader(mariadb_format());
  for (const int type : {3, 5, 13, 14, 35, 36, 37, 161, 163, 164}) {
    CHECK(reader.feed(event(static_cast<std::uint8_t>(type), "x")) ==
          fmt::format("other {} {}", type, event_name(static_cast<std::uint8_t>(type))));
  }
}

TEST_CASE("a rotate is an announcement or the end of a file", "[mysql][binlog]") {
  const std::string body = number(4, 8) + "bin.000007";
  const Header announced{0x20, 0, 0};
  Reader reader;
  CHECK(reader.feed(event(4, body, announced)) == "rotate bin.000007:4");
  // A session that did not ask for checksums gets none on announcements, whatever the file has.
  Reader without;
  CHECK(without.feed(plain_event(4, body, announced)) == "rotate bin.000007:4");
  without.feed(mysql_format());
  CHECK(without.feed(plain_event(4, body, announced)) == "rotate bin.000007:4");

  reader.feed(mysql_format());
  CHECK(reader.feed(event(4, body)) == "other 4 Rotate");
  CHECK(reader.feed(event(4, body, announced)) == "rotate bin.000007:4");
  // This session has checksums: now a missing one is a damaged one.
  CHECK(reader.refused(plain_event(4, body, announced)) == "binlog.checksum");
  CHECK(reader.refused(event(4, number(4, 8), announced)) == "binlog.malformed");
  CHECK(reader.refused(event(4, number(4, 8) + "bin\1", announced)) == "binlog.malformed");
}

TEST_CASE("heartbeats tell how far the log is read", "[mysql][binlog]") {
  Reader reader(mysql_format());
  CHECK(reader.feed(event(27, "bin.000007", {0, 0, 4711})) == "heartbeat bin.000007:4711");
  CHECK(reader.feed(event(41, "\1\12bin.000007\2\11" + ('\xfe' + number(5'000'000'000, 8)) +
                                  '\0')) == "heartbeat bin.000007:5000000000");
  CHECK(reader.refused(plain_event(27, "bin.000007", {0, 0, 4711})) == "binlog.checksum");

  Reader mariadb(mariadb_format());
  CHECK(mariadb.feed(event(27, number(5'000'000'000, 8) + "bin.000007", {0, 0, 0})) ==
        "heartbeat bin.000007:5000000000");
}

TEST_CASE("MySQL GTID events of all ages", "[mysql][binlog]") {
  const std::string uuid = unhex("d7bd99cae65f11f1a27702fc00000001");
  const std::string text = "d7bd99ca-e65f-11f1-a277-02fc00000001";
  const std::string five_six = number(1, 1) + uuid + number(23, 8);
  const std::string clock = number(2, 1) + number(0, 8) + number(1, 8);
  Reader reader(mysql_format());
  CHECK(reader.feed(event(33, five_six + clock)) == "gtid " + text + ":23 at 1700000000000000");
  CHECK(reader.feed(event(33, five_six + clock + number(1'700'000'000'123'456, 7) + "\5rest")) ==
        "gtid " + text + ":23 at 1700000000123456");
  const std::uint64_t has_original = std::uint64_t{1} << 55;
  CHECK(reader.feed(event(33, five_six + clock + number(1'700'000'009'000'000 | has_original, 7) +
                                  number(1'600'000'000'000'001, 7))) ==
        "gtid " + text + ":23 at 1600000000000001");
  CHECK(reader.feed(event(34, five_six + clock)) == "gtid  anonymous at 1700000000000000");

  // MySQL 5.6: the event ends after the number.
  std::string old = mysql_format();
  old[19 + 57 + 32] = 25;
  old.resize(old.size() - 4);
  Reader five_six_reader(old + crc(old));
  CHECK(five_six_reader.feed(event(33, five_six)) == "gtid " + text + ":23 at 1700000000000000");

  // Captured from MySQL 8.0 and 9.7.
  CHECK(reader.feed(unhex(
            "acc4026b21150000004d000000eb000000000001d7bd99cae65f11f1a27702fc0000000101000000000000"
            "000200000000000000000100000000000000de0184fdda6006be50620100743c0820")) ==
        "gtid d7bd99ca-e65f-11f1-a277-02fc00000001:1 at 1795343532687838");
}

TEST_CASE("tagged GTID events, captured from MySQL 9.7", "[mysql][binlog]") {
  Reader reader(mysql_format());
  const std::string short_tag =
      "acc4026b2a1500000051000000b142000000000274000000025d03f502650229039903be22c5038902ee04f10300"
      "00"
      "0002040406087461677808680a7c0c7f80f785fdda60061071051283120b8406d04c";
  CHECK(reader.feed(unhex(short_tag)) ==
        "gtid d7bd99ca-e65f-11f1-a277-02fc00000001:tagx:1 at 1795343532816256");
  CHECK(reader.feed(
            unhex("acc4026b2a150000006c00000084450000000002aa000000025d03f502650229039903be22"
                  "c5038902ee04f103000000020404063e615f6d7563685f6c6f6e6765725f7461675f7468616e"
                  "5f757375616c5f393908680a840c7fdbfd85fdda600610dd051283120b917db426")) ==
        "gtid d7bd99ca-e65f-11f1-a277-02fc00000001:a_much_longer_tag_than_usual_99:1 at "
        "1795343532817883");

  // A later server may need its reader to know more fields: byte 2 holds their number, doubled.
  std::string body = unhex(short_tag).substr(19);
  body.resize(body.size() - 4);
  body[2] = 24;
  CHECK(reader.feed(event(42, body)) ==
        "gtid d7bd99ca-e65f-11f1-a277-02fc00000001:tagx:1 at 1795343532816256");
  body[2] = 26;
  CHECK(reader.refused(event(42, body)) == "binlog.unsupported-event");
  body[2] = 0;
  body[0] = 4;
  CHECK(reader.refused(event(42, body)) == "binlog.unsupported-event");
  CHECK(reader.refused(event(42, unhex("020400"))) == "binlog.malformed");
}

TEST_CASE("MariaDB GTID events", "[mysql][binlog]") {
  Reader reader(mariadb_format());
  const auto body = [](std::uint8_t flags, const std::string& rest) {
    return number(23, 8) + number(3, 4) + number(flags, 1) + rest;
  };
  CHECK(reader.feed(event(162, body(0, std::string(6, '\0')))) ==
        "gtid 3-9-23 at 1700000000000000");
  CHECK(reader.feed(event(162, body(0x21, std::string(6, '\0')))) ==
        "gtid 3-9-23 standalone ddl at 1700000000000000");
  CHECK(reader.feed(event(162, body(0x0e, number(77, 8)))) == "gtid 3-9-23 at 1700000000000000");
  CHECK(reader.feed(event(162, body(0x4e, number(77, 8) + number(7, 4) + "\2\1gtb"))) ==
        "gtid 3-9-23 prepare X'6774',X'62',7 at 1700000000000000");
  CHECK(reader.refused(event(162, body(0x4c, number(7, 4) + "\2\1gt"))) == "binlog.malformed");

  // Captured from MariaDB 10.11: XA COMMIT 'gt','bq',7.
  CHECK(reader.feed(unhex("71c4026ba20b0000002e000000632b000008000c00000000000000000000008d07000000"
                          "020267746271271c8fd3")) ==
        "gtid 0-11-12 standalone complete X'6774',X'6271',7 at 1795343473000000");
}

TEST_CASE("queries bring what their text was read with", "[mysql][binlog]") {
  Reader reader(mysql_format());
  CHECK(reader.feed(event(2, query_body("shop", "BEGIN"))) ==
        "query [shop] BEGIN error 0 mode 0 collation 0 next 1000");
  const std::string status = '\0' + number(0, 4) + '\1' + number(4 | 1 << 20, 8) + "\6\3std" +
                             '\3' + number(1, 2) + number(2, 2) + '\4' + number(28, 2) +
                             number(28, 2) + number(8, 2) + "\5\3UTC";
  CHECK(reader.feed(event(2, query_body("", "DROP TABLE x", status, 1051))) ==
        "query [] DROP TABLE x error 1051 mode 1048580 collation 28 next 1000");
  CHECK(reader.feed(event(29, "\7UPDATE t")) == "text UPDATE t");
  CHECK(reader.feed(event(160, "UPDATE t")) == "text UPDATE t");
}

TEST_CASE("xa prepare names its transaction as XA COMMIT does", "[mysql][binlog]") {
  Reader reader(mysql_format());
  const auto body = [](std::uint8_t one_phase) {
    return number(one_phase, 1) + number(7, 4) + number(2, 4) + number(3, 4) + "g\xff" + "bqu";
  };
  CHECK(reader.feed(event(38, body(0))) == "xa X'67ff',X'627175',7 next 1000");
  CHECK(reader.feed(event(38, body(1))) == "xa X'67ff',X'627175',7 one phase next 1000");
}

TEST_CASE("row events of both versions", "[mysql][binlog]") {
  Reader reader(mysql_format());
  const std::string map = event(19, map_body(5, "t", 3));
  const auto v2 = [](const std::string& extra, const std::string& rest) {
    return number(5, 6) + number(0, 2) + number(2 + extra.size(), 2) + extra + rest;
  };
  CHECK(reader.feed(map) == "map 5 db.t 3");
  CHECK(reader.feed(event(23, rows_v1(5, 0, "\3\7row"))) ==
        "insert t columns 3 before -1 after 7 rows 726f77 next 1000");
  CHECK(reader.feed(event(24, rows_v1(5, 0, "\3\1\6row"))) ==
        "update t columns 3 before 1 after 6 rows 726f77 next 1000");
  CHECK(reader.feed(event(25, rows_v1(5, 0, "\3\7row"))) ==
        "remove t columns 3 before 7 after -1 rows 726f77 next 1000");
  CHECK(reader.feed(event(30, v2("", "\3\7row"))) ==
        "insert t columns 3 before -1 after 7 rows 726f77 next 1000");
  CHECK(reader.feed(event(31, v2("extra", "\3\1\6row"))) ==
        "update t columns 3 before 1 after 6 rows 726f77 next 1000");
  CHECK(reader.feed(event(32, v2("", "\3\7row"))) ==
        "remove t columns 3 before 7 after -1 rows 726f77 next 1000");
  CHECK(reader.feed(event(39, v2("", "\3\1\6row"))) ==
        "update t columns 3 before 1 after 6 rows 726f77 partial next 1000");

  CHECK(reader.refused(event(23, rows_v1(5, 0, "\2\3row"))) == "binlog.malformed");
  CHECK(reader.refused(event(23, rows_v1(6, 0, "\3\7row"))) == "binlog.malformed");
  CHECK(reader.refused(event(30, number(5, 6) + number(0, 2) + number(1, 2) + "\3\7row")) ==
        "binlog.malformed");
}

TEST_CASE("rows without a column are refused, for they would have no end", "[mysql][binlog]") {
  const std::string map = event(19, map_body(5, "t", 3));
  Reader reader(mysql_format());
  CHECK(reader.feed(map) == "map 5 db.t 3");
  // The highest bit of the bitmap is no column's.
  const std::string none = std::string("\3") + '\x80';
  CHECK(reader.feed(event(23, rows_v1(5, 0, none))) ==
        "insert t columns 3 before -1 after 128 rows  next 1000");
  CHECK(reader.refused(event(23, rows_v1(5, 0, none + "row"))) == "binlog.malformed");
  CHECK(reader.refused(event(25, rows_v1(5, 0, none + "row"))) == "binlog.malformed");
  CHECK(reader.refused(event(24, rows_v1(5, 0, none + '\0' + "row"))) == "binlog.malformed");
  CHECK(reader.feed(event(24, rows_v1(5, 0, std::string("\3\1") + '\0' + "row"))) ==
        "update t columns 3 before 1 after 0 rows 726f77 next 1000");
}

TEST_CASE("a table map is good for its statement", "[mysql][binlog]") {
  Reader reader(mysql_format());
  const std::string map = event(19, map_body(5, "t", 3));
  const std::string rows = event(23, rows_v1(5, 0, "\3\7r"));
  const std::string last_rows = event(23, rows_v1(5, 1, "\3\7r"));
  CHECK(reader.refused(rows) == "binlog.malformed");
  reader.feed(map);
  reader.feed(event(19, map_body(6, "u", 2)));
  reader.feed(rows);
  CHECK(reader.feed(last_rows) == "insert t columns 3 before -1 after 7 rows 72 end next 1000");
  CHECK(reader.refused(rows) == "binlog.malformed");

  reader.feed(map);
  reader.feed(rows);
  // The same bytes give the same map; others under the same id give another.
  CHECK(reader.recorder.maps[0] == reader.recorder.maps[2]);
  reader.feed(event(19, map_body(5, "t", 4)));
  CHECK(reader.recorder.maps[3] != reader.recorder.maps[0]);
  CHECK(reader.recorder.maps[0]->columns.size() == 3);
  CHECK(reader.refused(rows) == "binlog.malformed");

  reader.feed(map);
  reader.feed(mysql_format());
  CHECK(reader.refused(rows) == "binlog.malformed");
}

TEST_CASE("a statement may end without a table", "[mysql][binlog]") {
  Reader reader(mysql_format());
  reader.feed(event(19, map_body(5, "t", 3)));
  CHECK(reader.feed(event(23, rows_v1(0xffffff, 1, std::string(1, '\0')))) ==
        "other 23 Write_rows_v1");
  CHECK(reader.refused(event(23, rows_v1(5, 1, "\3\7r"))) == "binlog.malformed");
  CHECK(reader.refused(event(23, rows_v1(0xffffff, 0, std::string(1, '\0')))) ==
        "binlog.malformed");
}

TEST_CASE("many tables do not pile up", "[mysql][binlog]") {
  Reader reader(mysql_format());
  std::weak_ptr<const TableMap> first;
  for (std::uint64_t id = 1; id <= 10'000; ++id) {
    reader.feed(event(19, map_body(id, "t", 3)));
    reader.feed(event(23, rows_v1(id, 1, "\3\7r")));
    if (id == 1) first = reader.recorder.maps[0];
    reader.recorder.maps.clear();
  }
  CHECK(first.expired());
}

TEST_CASE("column types and their metadata", "[mysql][binlog]") {
  Reader reader(mysql_format());
  // STRING(10), STRING(1020) with its high length bits in the type, ENUM, SET, NEWDECIMAL(10,3),
  // VARCHAR(300), BIT(13), BLOB, DATETIME2(6), DOUBLE, TINY
  const std::string types = "\xfe\xfe\xfe\xfe\xf6\x0f\x10\xfc\x12\x05\x01";
  const std::string meta = unhex("fe0a") + unhex("cefc") + unhex("f701") + unhex("f802") +
                           unhex("0a03") + number(300, 2) + unhex("0501") + unhex("02") +
                           unhex("06") + unhex("08");
  const std::string body = number(5, 6) + number(1, 2) + text1("db") + '\0' + text1("t") + '\0' +
                           text1(types) + text1(meta) + "\x01\x04";
  reader.feed(event(19, body));
  const std::vector<MapColumn>& columns = reader.recorder.maps.at(0)->columns;
  const std::vector<std::pair<int, int>> expected = {
      {254, 10}, {254, 1020}, {247, 1}, {248, 2}, {246, 10 << 8 | 3}, {15, 300}, {16, 0x105},
      {252, 2},  {18, 6},     {5, 8},   {1, 0}};
  REQUIRE(columns.size() == expected.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    CHECK(columns[i].type == expected[i].first);
    CHECK(columns[i].meta == expected[i].second);
    CHECK(columns[i].nullable == (i == 0 || i == 10));
  }
  const auto with_type = [](char type, const std::string& column_meta) {
    return event(19, number(5, 6) + number(1, 2) + text1("db") + '\0' + text1("t") + '\0' +
                         text1(std::string(1, type)) + text1(column_meta) + "\x01");
  };
  CHECK(reader.refused(with_type('\x14', "")) == "binlog.column-type");
  CHECK(reader.refused(with_type('\x03', "x")) == "binlog.malformed");
  CHECK(reader.refused(with_type('\x0f', "x")) == "binlog.malformed");
}

TEST_CASE("optional metadata, captured from MySQL 9.7", "[mysql][binlog]") {
  // create table vt (id int unsigned primary key, v vector(3), e text character set latin1,
  //   g point, h varchar(9) character set ascii invisible, j json, t tinyint unsigned)
  Reader reader(mysql_format());
  reader.feed(
      unhex("acc4026b13150000005b0000005d3b000000007100000000000100017400027674000703f2fcff0f"
            "f501060402040900047e0101c003033f080b0701010d0103040f0269640176016501670168016a01"
            "740801000c01f6bc5e2641"));
  const TableMap& map = *reader.recorder.maps.at(0);
  CHECK(map.schema == "t");
  CHECK(map.table == "vt");
  CHECK(map.has_signedness);
  CHECK(map.has_collations);
  CHECK(map.has_names);
  std::string seen;
  for (const MapColumn& column : map.columns) {
    seen += fmt::format("{} {}{}{} {};", column.name, column.type,
                        column.is_unsigned ? " unsigned" : "", column.visible ? "" : " hidden",
                        column.collation);
  }
  CHECK(seen == "id 3 unsigned 0;v 242 63;e 252 8;g 255 0;h 15 hidden 11;j 245 0;t 1 unsigned 0;");
}

TEST_CASE("optional metadata, captured from MariaDB 10.11", "[mysql][binlog]") {
  // create table ct (id int primary key, a varchar(1000) compressed character set latin1,
  //   b text compressed character set gbk, c varchar(10) character set ascii, d int unsigned,
  //   g geometry, u uuid, i6 inet6, i4 inet4)
  Reader reader(mariadb_format());
  reader.feed(
      unhex("71c4026b130b0000006800000041370000000019000000000001000174000263740009038d8c0f03"
            "fffefefe0ce903020a0004fe10fe10fe04fe0101014002073f0008011c020b070100041502696401"
            "6101620163016401670175026936026934080100e289876a"));
  std::string seen;
  for (const MapColumn& column : reader.recorder.maps.at(0)->columns) {
    seen += fmt::format("{} {}{} {};", column.name, column.type,
                        column.is_unsigned ? " unsigned" : "", column.collation);
  }
  CHECK(seen ==
        "id 3 0;a 141 8;b 140 28;c 15 11;d 3 unsigned 0;g 255 63;u 254 63;i6 254 63;i4 254 63;");
}

TEST_CASE("labels, charsets of enums, and years among the numbers", "[mysql][binlog]") {
  // TINY, YEAR, INT, ENUM, SET, VARCHAR
  const std::string start = number(5, 6) + number(1, 2) + text1("db") + '\0' + text1("t") + '\0' +
                            text1("\x01\x0d\x03\xfe\xfe\x0f") +
                            text1(unhex("f701") + unhex("f801") + number(20, 2)) + "\x3f";
  const std::string signs = unhex("010160");                          // the year and the int
  const std::string charset = unhex("03012d");                        // of the varchar
  const std::string set_labels = unhex("0505") + "\2\1x\1y";          // two
  const std::string enum_labels = unhex("0606") + "\2\3one" + '\0';   // two, the second is empty
  const std::string enum_charsets = unhex("0a03") + unhex("21011c");  // 33, but 28 for the second
  const std::string key = unhex("080100");
  const std::string later = unhex("7f0412345678");
  Reader reader(mysql_format());
  reader.feed(
      event(19, start + signs + charset + set_labels + enum_labels + enum_charsets + key + later));
  const TableMap& map = *reader.recorder.maps.at(0);
  CHECK_FALSE(map.columns[0].is_unsigned);
  CHECK(map.columns[1].is_unsigned);
  CHECK(map.columns[2].is_unsigned);
  CHECK(map.columns[3].members == std::vector<std::string>{"one", ""});
  CHECK(map.columns[4].members == std::vector<std::string>{"x", "y"});
  CHECK(map.columns[3].collation == 33);
  CHECK(map.columns[4].collation == 28);
  CHECK(map.columns[5].collation == 45);
  CHECK_FALSE(map.has_names);

  CHECK(reader.refused(event(19, start + unhex("0100"))) == "binlog.malformed");
  CHECK(reader.refused(event(19, start + unhex("0505") + "\3\1x\1y")) == "binlog.malformed");
  CHECK(reader.refused(event(19, start + unhex("0405") + "\1a\1b\1")) == "binlog.malformed");
  CHECK(reader.refused(event(19, start + unhex("01fa60"))) == "binlog.malformed");
}

TEST_CASE("MariaDB's compressed events", "[mysql][binlog]") {
  Reader reader(mariadb_format());
  const std::string sql = "INSERT INTO t VALUES " + std::string(70'000, '1');
  std::string body = query_body("db", "");
  CHECK(reader.feed(event(165, body + zlib_form(sql))) ==
        "query [db] " + sql + " error 0 mode 0 collation 0 next 1000");
  CHECK(reader.feed(event(165, body + zlib_form("BEGIN"))) ==
        "query [db] BEGIN error 0 mode 0 collation 0 next 1000");

  reader.feed(event(19, map_body(5, "t", 3)));
  const std::string packed = zlib_form("row");
  const std::string v2 = number(5, 6) + number(0, 2) + number(2, 2);
  CHECK(reader.feed(event(166, rows_v1(5, 0, "\3\7" + packed))) ==
        "insert t columns 3 before -1 after 7 rows 726f77 next 1000");
  CHECK(reader.feed(event(167, rows_v1(5, 0, "\3\1\6" + packed))) ==
        "update t columns 3 before 1 after 6 rows 726f77 next 1000");
  CHECK(reader.feed(event(168, rows_v1(5, 0, "\3\7" + packed))) ==
        "remove t columns 3 before 7 after -1 rows 726f77 next 1000");
  CHECK(reader.feed(event(169, v2 + "\3\7" + packed)) ==
        "insert t columns 3 before -1 after 7 rows 726f77 next 1000");
  CHECK(reader.feed(event(170, v2 + "\3\1\6" + packed)) ==
        "update t columns 3 before 1 after 6 rows 726f77 next 1000");
  CHECK(reader.feed(event(171, v2 + "\3\7" + packed)) ==
        "remove t columns 3 before 7 after -1 rows 726f77 next 1000");

  // Captured from MariaDB 10.11.
  CHECK(reader.feed(
            unhex("d6c4026ba50b0000007c000000f9b200000400050000000000000001000023000000000001"
                  "0100002054000000000603737464041c001c00080081300000000000000074008129789c7309"
                  "f20f50087174f271554848364a50d0d752484fcd4b2d4a2c494d5148aa54284e2d2a4b2d52d0"
                  "d20700fd950ca6b929fc4d")) ==
        "query [t] DROP TABLE `c2` /* generated by server */ error 0 mode 1411383296 collation 28 "
        "next 45817");

  for (const std::string& damaged :
       {std::string(), std::string("\x80"), "\x90" + packed.substr(1), "\x88" + packed.substr(1),
        std::string("\x81\4") + packed.substr(2), std::string("\x81\2") + packed.substr(2),
        packed.substr(0, packed.size() - 1), std::string("\x84\x7f\xff\xff\xff") + packed.substr(2),
        std::string("\x85\1\1\1\1\1") + packed.substr(2)}) {
    INFO(hex(damaged));
    CHECK(reader.refused(event(165, body + damaged)) == "binlog.malformed");
  }
}

TEST_CASE("a transaction payload, captured from MySQL 9.7", "[mysql][binlog]") {
  Reader reader(mysql_format());
  reader.recorder.lines.clear();
  reader.feed(
      unhex("c0c4026b2815000000d5000000264b000000000201000303fc2e010101b20028b52ffd602e004505009288"
            "1f2b7055d3"
            "1880d5ffff3fedff0757ff7f1ea567a91c569522655d415bfe050542e74687c2ff41c0639026650a1be6ff"
            "f5844242b"
            "1aecbf6fe93e7be0f16084ea535ea6896d900f454ddd58067e7e85257cd470ada761c8382305210f268386"
            "07c58a5c2"
            "ae57c5e593f07c7a8232b9790416c04f3fbc2e1d6df90dab6dc70511007210088a412074c69bc2b97846ab"
            "a005d8f59"
            "5552c064073e08258d8c2b21e100f8c3c002fc1c7eb7d"));
  CHECK(reader.recorder.lines ==
        std::vector<std::string>{
            "query [t] XA START X'6378',X'',1 error 0 mode 1168113696 collation 33 next 0",
            "map 108 t.u 2",
            "insert u columns 2 before -1 after 255 rows 004600000002007861 end next 0",
            "query [t] XA END X'6378',X'',1 error 0 mode 1168113696 collation 33 next 0",
            "xa X'6378',X'',1 next 19238"});
}

TEST_CASE("a payload may be large, in parts, or not compressed", "[mysql][binlog]") {
  std::string inner =
      plain_event(2, query_body("db", "BEGIN")) + plain_event(19, map_body(5, "t", 3));
  std::size_t rows = 0;
  // Rows of all sizes, one of them much larger than the decoder's buffer.
  for (std::size_t size = 1; size < 4'000'000; size = size * 3 / 2 + 1, ++rows) {
    inner += plain_event(23, rows_v1(5, 0, "\3\7" + std::string(size, static_cast<char>(size))));
  }
  for (std::size_t i = 0; i < 20'000; ++i, ++rows) {
    inner += plain_event(23, rows_v1(5, 0, "\3\7" + number(i, 40)));
  }
  inner += plain_event(16, number(1, 8));
  const std::size_t half = inner.size() / 2;

  const auto check = [&](const std::string& body) {
    Reader reader(mysql_format());
    reader.recorder.lines.clear();
    CHECK(reader.feed(event(40, body)) == "xid next 1000");
    REQUIRE(reader.recorder.lines.size() == rows + 3);
    CHECK(reader.recorder.lines[1] == "map 5 db.t 3");
    CHECK(reader.recorder.lines[2] == "insert t columns 3 before -1 after 7 rows 01 next 0");
    CHECK(reader.recorder.lines[rows + 1] ==
          "insert t columns 3 before -1 after 7 rows " + hex(number(19'999, 40)) + " next 0");
    // The next event is ordinary again.
    CHECK(reader.feed(event(16, number(1, 8))) == "xid next 1000");
  };
  check(payload_body(zstd_form(inner), 0));
  check(payload_body(zstd_form(inner.substr(0, half)) + zstd_form(inner.substr(half)), 0));
  check(payload_body(inner, 255));
}

TEST_CASE("a damaged payload is refused", "[mysql][binlog]") {
  const std::string xid = plain_event(16, number(1, 8));
  const auto outcome = [](const std::string& body) {
    Reader reader(mysql_format());
    return reader.refused(event(40, body));
  };
  const std::string packed = zstd_form(xid + xid);
  CHECK(outcome(payload_body(packed, 0)) == "taken");
  CHECK(outcome(payload_body(packed, 1)) == "binlog.unsupported-event");
  CHECK(outcome(payload_body(packed.substr(0, packed.size() - 1), 0)) == "binlog.malformed");
  CHECK(outcome(payload_body(packed + "x", 0)) == "binlog.malformed");
  CHECK(outcome(payload_body("no zstd", 0)) == "binlog.malformed");
  CHECK(outcome(payload_body(packed, 0) + "x") == "binlog.malformed");
  CHECK(outcome(packed) == "binlog.malformed");
  CHECK(outcome(payload_body(zstd_form(xid + xid.substr(0, 20)), 0)) == "binlog.malformed");
  CHECK(outcome(payload_body(zstd_form(xid + xid.substr(0, 10)), 0)) == "binlog.malformed");
  CHECK(outcome(payload_body(zstd_form(std::string(30, '\0')), 0)) == "binlog.malformed");
  CHECK(outcome(payload_body(plain_event(40, payload_body(xid, 255)), 255)) == "binlog.malformed");
  CHECK(outcome(payload_body(mysql_format(), 255)) == "binlog.malformed");
  CHECK(outcome(payload_body(plain_event(200, ""), 255)) == "binlog.unknown-event");
}

TEST_CASE("nothing is allocated per event once tables are known", "[mysql][binlog]") {
  /// Takes everything and keeps nothing.
  class Sink final : public BinlogHandler {
   public:
    std::size_t events = 0;
    void on_rotate(std::string_view, std::uint64_t) override { ++events; }
    void on_format(const EventHeader&, std::string_view) override { ++events; }
    void on_gtid(const EventHeader&, const GtidEvent&) override { ++events; }
    void on_query(const EventHeader&, const QueryEvent&) override { ++events; }
    void on_table_map(const EventHeader&, const std::shared_ptr<const TableMap>&) override {
      ++events;
    }
    void on_rows(const EventHeader&, const RowsEvent&, const TableMap&) override { ++events; }
    void on_xid(const EventHeader&) override { ++events; }
    void on_xa_prepare(const EventHeader&, std::string_view, bool) override { ++events; }
    void on_heartbeat(const EventHeader&, std::string_view, std::uint64_t) override { ++events; }
    void on_statement_text(const EventHeader&, std::string_view) override { ++events; }
    void on_other(const EventHeader&, std::string_view) override { ++events; }
  };
  const std::string map = plain_event(19, map_body(5, "t", 3));
  const std::string rows = plain_event(23, rows_v1(5, 1, "\3\7row"));
  const std::string xid = plain_event(16, number(1, 8));
  const std::vector<std::string> log = {
      event(162, number(23, 8) + number(3, 4) + number(0x4c, 1) + number(7, 4) + number(60, 1) +
                     number(1, 1) + std::string(61, 'g')),
      event(2, query_body("db", "BEGIN")),
      event(160, "insert into t values (1), (2), (3)"),
      event(19, map_body(5, "t", 3)),
      event(23, rows_v1(5, 0, "\3\7row")),
      event(166, rows_v1(5, 1, "\3\7" + zlib_form(std::string(100'000, 'r')))),
      event(40, payload_body(zstd_form(map + rows + map + rows + xid), 0)),
      event(38, number(0, 1) + number(7, 4) + number(60, 4) + number(0, 4) + std::string(60, 'g')),
      event(16, number(1, 8)),
      event(27, "bin.000007", {0, 0, 4711}),
  };
  BinlogDecoder decoder;
  Sink sink;
  decoder.feed(mariadb_format(), sink);
  for (int i = 0; i < 3; ++i) {
    for (const std::string& one : log) decoder.feed(one, sink);
  }
  const std::size_t before = allocations;
  const std::size_t events = sink.events;
  for (int i = 0; i < 100; ++i) {
    for (const std::string& one : log) decoder.feed(one, sink);
  }
  CHECK(allocations == before);
  CHECK(sink.events == events + 100 * 14);
}

TEST_CASE("a binlog file is read to its end, and on when it grows", "[mysql][binlog]") {
  const std::string magic =
      "\xfe"
      "bin";
  const std::string start = magic + mysql_format();
  const std::string xid = event(16, number(1, 8));
  TempFile file(start + xid);
  BinlogFile reader(file.path());
  BinlogDecoder decoder;
  Recorder recorder;
  CHECK(reader.position() == 4);
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::event);
  CHECK(reader.position() == start.size());
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::event);
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::end);
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::end);

  file.append(xid.substr(0, 10));
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::truncated);
  file.append(xid.substr(10, 12));
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::truncated);
  CHECK(reader.position() == start.size() + xid.size());
  file.append(xid.substr(22));
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::event);
  CHECK(reader.next(decoder, recorder) == BinlogFile::Read::end);

  // Events larger than the buffer, and many around its edge.
  const std::string large = event(160, std::string(700'000, 's'));
  std::size_t added = 0;
  for (int i = 0; i < 3; ++i) {
    file.append(large);
    ++added;
    for (int k = 0; k < 9'000; ++k, ++added) file.append(xid);
  }
  recorder.lines.clear();
  while (reader.next(decoder, recorder) == BinlogFile::Read::event) {
  }
  CHECK(recorder.lines.size() == added);
  CHECK(reader.position() == std::filesystem::file_size(file.path()));
}

TEST_CASE("what is not a readable binlog file is refused", "[mysql][binlog]") {
  const auto outcome = [](const std::string& bytes) -> std::string {
    TempFile file(bytes);
    BinlogDecoder decoder;
    Recorder recorder;
    try {
      BinlogFile reader(file.path());
      while (reader.next(decoder, recorder) == BinlogFile::Read::event) {
      }
    } catch (const Error& error) {
      CHECK_THAT(error.summary(), Catch::Contains(file.path()));
      return error.id();
    }
    return "taken";
  };
  const std::string magic =
      "\xfe"
      "bin";
  const std::string xid = event(16, number(1, 8));
  CHECK(outcome(magic) == "taken");
  CHECK(outcome("") == "binlog.file");
  CHECK(outcome("\xfe"
                "bi") == "binlog.file");
  CHECK(outcome("SQLite format 3") == "binlog.file");
  CHECK(outcome("\xfd"
                "bin....") == "binlog.encrypted");
  CHECK(outcome(magic + std::string(30, '\0')) == "binlog.file");
  std::string damaged = xid;
  damaged[20] ^= 1;
  CHECK(outcome(magic + mysql_format() + damaged) == "binlog.checksum");

  // After START_ENCRYPTION a file on the server's disk is encrypted, a copy from the stream is not.
  const std::string start = magic + mariadb_format() + event(164, std::string(17, 'k'));
  const auto end = static_cast<std::uint32_t>(start.size() + xid.size());
  CHECK(outcome(start) == "taken");
  CHECK(outcome(start + event(16, number(1, 8), {0, 1, end})) == "taken");
  CHECK(outcome(start + std::string(xid.size(), '\x7b')) == "binlog.encrypted");

  try {
    BinlogFile reader("/nonexistent/bin.000001");
    FAIL("a file that is not there was opened");
  } catch (const Error& error) {
    CHECK(error.id() == "binlog.file");
  }
}
