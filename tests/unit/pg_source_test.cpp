// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "source/postgres/catalog.h"
#include "source/postgres/checks.h"
#include "source/postgres/heartbeat.h"
#include "source/postgres/identity.h"
#include "source/postgres/offset.h"
#include "source/postgres/rows.h"
#include "source/postgres/slot.h"
#include "source/postgres/types.h"
#include "source/postgres/value.h"

using namespace weir;
using namespace weir::pgsource;

namespace {

ColumnType of(TypeKind kind) {
  ColumnType type;
  type.kind = kind;
  return type;
}

std::string fixed(TypeKind kind, std::string text) { return neutral_text(of(kind), text); }

NativeType native(std::string typname, std::string shown, int modifier = -1) {
  NativeType out;
  out.typname = std::move(typname);
  out.shown = std::move(shown);
  out.modifier = modifier;
  return out;
}

std::vector<std::string> cells_of(std::string line, std::vector<TextFix> fixes) {
  std::vector<Cell> cells(fixes.size());
  split_line(line.data(), line.size(), fixes, cells);
  std::vector<std::string> out;
  for (const Cell& cell : cells) {
    out.push_back(cell.is_null() ? "NULL" : std::string(cell.text()));
  }
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("PostgreSQL's text becomes the neutral form", "[pgsource]") {
  CHECK(fixed(TypeKind::boolean, "t") == "1");
  CHECK(fixed(TypeKind::boolean, "f") == "0");
  CHECK(fixed(TypeKind::text, "t") == "t");
  CHECK_THROWS_AS(fixed(TypeKind::boolean, "true"), Error);
}

TEST_CASE("bytes come as hexadecimal digits only", "[pgsource]") {
  CHECK(fixed(TypeKind::bytes, "\\x") == "");
  CHECK(fixed(TypeKind::bytes, "\\x00ff5c") == std::string("\x00\xff\x5c", 3));
  for (const char* wrong : {"", "\\", "\\x0", "\\x0g", "abcd", "\\000"}) {
    INFO(wrong);
    CHECK_THROWS_AS(fixed(TypeKind::bytes, wrong), Error);
  }
}

TEST_CASE("a timestamp loses its zone, which is UTC, and keeps its era", "[pgsource]") {
  const auto fix = [](const char* text) { return fixed(TypeKind::timestamp, text); };
  CHECK(fix("2026-01-02 03:04:05+00") == "2026-01-02 03:04:05");
  CHECK(fix("2026-01-02 03:04:05.678+00") == "2026-01-02 03:04:05.678");
  CHECK(fix("0044-03-15 12:00:00+00 BC") == "0044-03-15 12:00:00 BC");
  CHECK(fix("infinity") == "infinity");
  CHECK(fix("-infinity") == "-infinity");
  CHECK_THROWS_AS(fix("2026-01-02 03:04:05+02"), Error);
  CHECK_THROWS_AS(fix("2026-01-02 03:04:05"), Error);
  CHECK(text_fix(of(TypeKind::datetime)) == nullptr);
  CHECK(text_fix(of(TypeKind::decimal)) == nullptr);
}

TEST_CASE("UTF-8 is told from what is not", "[pgsource]") {
  for (const char* good : {"", "plain", "\xc3\xbc", "\xed\x9f\xbf", "\xef\xbf\xbf",
                           "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "a\xe2\x82\xac"}) {
    INFO(good);
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\x80",
                          "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "\xe2\x82", "caf\xe9!"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("a line of COPY is split where it lies", "[pgsource]") {
  const TextFix none = nullptr;
  CHECK(cells_of("a\tb\n", {none, none}) == Texts{"a", "b"});
  CHECK(cells_of("\t\n", {none, none}) == Texts{"", ""});
  CHECK(cells_of("\n", {none}) == Texts{""});
  CHECK(cells_of("\\N\tx\\ty\t\\\\N\n", {none, none, none}) == Texts{"NULL", "x\ty", "\\N"});
  CHECK(cells_of("\\b\\f\\n\\r\\t\\v\\\\\n", {none}) == Texts{"\b\f\n\r\t\v\\"});
  CHECK(cells_of("t\t\\\\x0a\n", {text_fix(of(TypeKind::boolean)),
                                  text_fix(of(TypeKind::bytes))}) == Texts{"1", "\n"});
  CHECK_THROWS_AS(cells_of("a\tb\n", {none}), Error);
  CHECK_THROWS_AS(cells_of("a\n", {none, none}), Error);
  CHECK_THROWS_AS(cells_of("a\tb", {none, none}), Error);
  CHECK_THROWS_AS(cells_of("", {none}), Error);
}

TEST_CASE("a tuple of binary COPY is split where it lies", "[pgsource]") {
  const std::string header("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  const std::string tuple("\0\3\0\0\0\2ab\377\377\377\377\0\0\0\0", 16);
  const auto cells_in = [](std::string_view from, std::size_t count) {
    std::vector<Cell> cells(count);
    split_tuple(from, cells);
    Texts out;
    for (const Cell& cell : cells) {
      out.push_back(cell.is_null() ? "NULL" : std::string(cell.text()));
    }
    return out;
  };
  CHECK(tuple_of(header + tuple, true) == tuple);
  CHECK(tuple_of(header, true).empty());
  CHECK(tuple_of(tuple, false) == tuple);
  CHECK(tuple_of("\377\377", false).empty());
  std::string longer = header;
  longer.back() = '\2';
  CHECK(tuple_of(longer + "xx" + tuple, true) == tuple);

  CHECK(cells_in(tuple, 3) == Texts{"ab", "NULL", ""});
  CHECK_THROWS_AS(cells_in(tuple, 2), Error);
  CHECK_THROWS_AS(cells_in(tuple, 4), Error);
  CHECK_THROWS_AS(cells_in(tuple + "x", 3), Error);
  for (std::size_t size = 0; size < tuple.size(); ++size) {
    CHECK_THROWS_AS(cells_in(std::string_view(tuple).substr(0, size), 3), Error);
  }
  for (std::size_t size = 0; size < header.size(); ++size) {
    CHECK_THROWS_AS(tuple_of(std::string_view(header).substr(0, size), true), Error);
  }
  std::string flagged = header;
  flagged[14] = '\1';
  CHECK_THROWS_AS(tuple_of(flagged, true), Error);
  CHECK_THROWS_AS(tuple_of(longer, true), Error);
}

TEST_CASE("PostgreSQL's types have neutral ones", "[pgsource]") {
  CHECK(column_type(native("int4", "integer")).kind == TypeKind::int32);
  CHECK(column_type(native("varchar", "character varying(20)", 24)).length == 20);
  CHECK(column_type(native("text", "text")).length == 0);
  CHECK(column_type(native("bit", "bit(5)", 5)).length == 5);
  CHECK(column_type(native("bit", "bit")).kind == TypeKind::other);
  CHECK(column_type(native("timestamptz", "timestamp(3) with time zone", 3)).precision == 3);
  CHECK(column_type(native("timestamp", "timestamp without time zone")).precision == 6);
  CHECK(column_type(native("hstore", "public.hstore")).kind == TypeKind::other);

  const auto numeric = [](int precision, int scale) {
    return column_type(native("numeric", "numeric", ((precision << 16) | (scale & 0x7ff)) + 4));
  };
  CHECK(numeric(10, 2).precision == 10);
  CHECK(numeric(10, 2).scale == 2);
  // What has no point in its digits cannot be stated as precision and scale.
  CHECK(numeric(3, -2).precision == 0);
  CHECK(numeric(3, 5).precision == 5);
  CHECK(numeric(3, 5).scale == 5);
  CHECK(column_type(native("numeric", "numeric")).precision == 0);

  NativeType color = native("color", "shop.color");
  color.typtype = 'e';
  color.labels = {"red", "green"};
  CHECK(column_type(color).kind == TypeKind::enumeration);
  CHECK(column_type(color).members == Texts{"red", "green"});
  color.is_array = true;
  CHECK(column_type(color).kind == TypeKind::array);
  CHECK(column_type(color).members.empty());
  // An array of texts is no text.
  NativeType texts = native("_text", "text[]");
  texts.is_array = true;
  CHECK(column_type(texts).kind == TypeKind::array);
  CHECK(column_type(texts).native == "text[]");
}

TEST_CASE("only literals are taken for constant defaults", "[pgsource]") {
  for (const char* literal :
       {"0", "-1", "12.5", "(-1)", "(1)", "'-1'::integer", "(-1)::numeric", "true", "false",
        "'x''y'::character varying", "E'a\\'b\\n'::text", "''::text", "'{1,2}'::integer[]",
        "'red'::shop.color", "'a'::\"My Schema\".\"T'x\"", "'1.5'::numeric(10,2)", "1.5e10",
        "'2026-01-01 00:00:00+00'::timestamp with time zone"}) {
    INFO(literal);
    CHECK(is_literal(literal));
  }
  for (const char* other :
       {"", "now()", "nextval('shop.item_id_seq'::regclass)", "1 + 1", "'a' || 'b'",
        "CURRENT_TIMESTAMP", "('now'::text)::date", "'x'::text || now()", "ARRAY[1]",
        "'a'::text; DROP TABLE x", "'a'::text)", "'unterminated", "-", "1::int + f(2)",
        "NULL::text", "'a'::\"open", "'a'::text COLLATE \"C\""}) {
    INFO(other);
    CHECK_FALSE(is_literal(other));
  }
}

TEST_CASE("a publication's statement names its tables one by one", "[pgsource]") {
  Table item;
  item.name = {"shop", "item"};
  item.engine = "heap";
  Table part;
  part.name = {"shop", "Part \"x\""};
  part.engine = "partitioned";
  const Table* tables[] = {&item, &part};
  CHECK(publication_sql("weir_shop", false, 150000, tables) ==
        "CREATE PUBLICATION \"weir_shop\" FOR TABLE ONLY \"shop\".\"item\", \"shop\".\"Part "
        "\"\"x\"\"\" WITH (publish = 'insert, update, delete, truncate', "
        "publish_via_partition_root = true)");
  CHECK(publication_sql("p", true, 180000, {tables, 1}) ==
        "ALTER PUBLICATION \"p\" ADD TABLE ONLY \"shop\".\"item\"");
  CHECK_THAT(publication_sql("p", false, 180000, tables),
             Catch::Contains("publish_generated_columns = stored"));
  CHECK(publication_sql("p", true, 150000, {}) == "");
}

TEST_CASE("a lane has a slot of its own, and the publication of its root", "[pgsource]") {
  Task task;
  task.name = "shop-1";
  CHECK(slot_name(task) == "weir_shop_1");
  const auto lane = [&task](const std::string& name) {
    Task out = task;
    out.name = name;
    return out;
  };
  CHECK(slot_name(lane("shop-1/2")) == "lane2_weir_shop_1");
  CHECK(publication_name(lane("shop-1/2")) == "weir_shop_1");
  CHECK(root_slot(lane("shop-1/2")) == "weir_shop_1");
  // Not that of a task or a lane that is called alike.
  CHECK(slot_name(lane("shop/12")) != slot_name(lane("shop-1/2")));
  CHECK(slot_name(lane("shop-1-2")) != slot_name(lane("shop-1/2")));
  task.source.slot = "mine";
  task.source.publication = "ours";
  CHECK(slot_name(task) == "mine");
  CHECK(slot_name(lane("shop-1/2")) == "lane2_mine");
  CHECK(publication_name(lane("shop-1/2")) == "ours");
  // A server cuts off what is too long, and would take two for one.
  task.source.slot.assign(63, 's');
  const std::string first = slot_name(lane("shop-1/2"));
  CHECK(slot_name(task).size() == 63);
  CHECK(first.size() == 63);
  task.source.slot.back() = 't';
  CHECK(slot_name(lane("shop-1/2")).size() == 63);
  CHECK(slot_name(lane("shop-1/2")) != first);
  CHECK(slot_name(lane("shop-1/4294967295")).size() == 63);
}

TEST_CASE("a slot says whether a task can go on", "[pgsource]") {
  const Offset offset{"0/200", {}};
  Slot slot;
  slot.plugin = "pgoutput";
  slot.database = "dw";
  slot.wal_status = "reserved";
  slot.confirmed = Lsn{0x200};
  const auto id = [&](const std::optional<Slot>& given) {
    const auto gap = slot_gap(given, "s", "dw", offset);
    return gap ? gap->id : "";
  };
  CHECK(id(slot) == "");
  CHECK(id({}) == "postgres.slot-missing");
  Slot other = slot;
  other.confirmed = Lsn{0x201};
  CHECK(id(other) == "postgres.slot-ahead");
  other = slot;
  other.wal_status = "lost";
  CHECK(id(other) == "postgres.slot-lost");
  other = slot;
  other.invalidation = "idle_timeout";
  CHECK(id(other) == "postgres.slot-lost");
  other = slot;
  other.plugin = "test_decoding";
  CHECK(id(other) == "postgres.slot-other");
  other = slot;
  other.database = "else";
  CHECK(id(other) == "postgres.slot-other");
  other = slot;
  other.active = true;
  CHECK(id(other) == "postgres.slot-active");
  other.held_by_weir = true;
  CHECK(id(other) == "");
}

TEST_CASE("the identity of a log is its cluster, its timeline and its database", "[pgsource]") {
  const LogIdentity identity{"7301", 2, "my database x"};
  CHECK(identity.text() == "postgres 7301 timeline 2 database my database x");
  const auto again = LogIdentity::parse(identity.text());
  REQUIRE(again);
  CHECK(again->text() == identity.text());
  CHECK_FALSE(LogIdentity::parse("mysql 7301"));
  CHECK_FALSE(LogIdentity::parse("postgres 7301 timeline x database d"));

  constexpr std::string_view kHistory =
      "1\t0/3000148\tno recovery target specified\n\n2\t1/A0\tno recovery target specified\n";
  CHECK(end_of_timeline(kHistory, 1) == Lsn{0x3000148});
  CHECK(end_of_timeline(kHistory, 2) == Lsn{0x1000000a0});
  CHECK_FALSE(end_of_timeline(kHistory, 3));
  CHECK_FALSE(end_of_timeline("", 1));
}

TEST_CASE("the checks of a PostgreSQL source say what to do", "[pgsource]") {
  for (const CatalogueRow& row : check_rows()) {
    INFO(row.id);
    CHECK_THAT(std::string(row.id), Catch::StartsWith("postgres."));
    CHECK(row.why.size() > 10);
    CHECK(row.fix.size() > 10);
  }
  Facts good;
  good.version = 150004;
  good.encoding = "UTF8";
  good.wal_level = "logical";
  good.may_replicate = good.may_create = true;
  good.slots_free = good.senders_free = 1;
  good.keep_size = "1GB";
  CHECK_FALSE(refuses(judge(good)));
  Facts bad = good;
  bad.wal_level = "replica";
  REQUIRE(refuses(judge(bad)));
  CHECK(judge(bad).front().id == "postgres.wal-level");
  // A task that resumes has its slot and its sender; their number is no news.
  bad = good;
  bad.is_new = false;
  bad.publication.emplace();
  bad.slots_free = bad.senders_free = 0;
  CHECK_FALSE(refuses(judge(bad)));
  bad.publication.reset();
  CHECK(refuses(judge(bad)));
  // A heartbeat that cannot be written is no reason not to run.
  bad = good;
  bad.beat_problem = BeatProblem{"the role reader", "GRANT EXECUTE"};
  const auto found = judge(bad);
  CHECK_FALSE(refuses(found));
  CHECK(std::any_of(found.begin(), found.end(), [](const Finding& finding) {
    return finding.id == "postgres.heartbeat-denied" && finding.fix == "GRANT EXECUTE";
  }));
}

TEST_CASE("a beat is known by its slot", "[pgsource]") {
  const Time written{std::chrono::microseconds(1'800'000'000'123'456)};
  const std::string content = beat_content("weir_shop", written);
  TextMessage message{true, "weir.heartbeat", content};
  CHECK(read_beat(message, "weir_shop") == written);
  CHECK_FALSE(read_beat(message, "weir_sho"));
  CHECK_FALSE(read_beat(message, "weir_shop2"));
  message.transactional = false;
  CHECK_FALSE(read_beat(message, "weir_shop"));
  message = {true, "weir.ddl", content};
  CHECK_FALSE(read_beat(message, "weir_shop"));
  for (const char* odd : {"", "weir_shop", "weir_shop ", "weir_shop soon"}) {
    message = {true, "weir.heartbeat", odd};
    CHECK_FALSE(read_beat(message, "weir_shop"));
  }
}
