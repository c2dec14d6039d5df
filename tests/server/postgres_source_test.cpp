// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/pg_load.h"
#include "support/seed.h"
#include "support/task_run.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using std::chrono::milliseconds;

namespace {

constexpr const char* kShopRule = "[[table]]\nmatch = \"shop.*\"\n";

/// A column of every type that a server has, with values at its extremes.
struct TypeSample {
  const char* type;
  std::vector<const char*> values;  ///< SQL expressions
};

const std::vector<TypeSample>& samples() {
  static const std::vector<TypeSample> kSamples = {
      {"smallint", {"-32768", "32767"}},
      {"integer", {"-2147483648", "2147483647"}},
      {"bigint", {"-9223372036854775808", "9223372036854775807"}},
      {"numeric",
       {"'NaN'", "'Infinity'", "'-Infinity'", "'1e5000'", "'1e-5000'", "1.00", "1.000", "0",
        "'-123456789012345678901234567890.123456789012345678901234567890'"}},
      {"numeric(10,2)", {"'NaN'", "99999999.99", "-0.01", "0"}},
      {"numeric(3,-2)", {"'NaN'", "99900", "-100"}},
      {"numeric(3,5)", {"0.00999", "-0.00001"}},
      {"real", {"'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "'1e-45'", "'3.4028235e38'", "0.1"}},
      {"double precision",
       {"'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "'5e-324'", "'1.7976931348623157e308'",
        "0.1"}},
      {"boolean", {"true", "false"}},
      {"text",
       {"''", "E'\\\\N'", "E'\\\\'", "E'\\t\\n\\r\\b\\f\\v'", "'NULL'", "E'\\\\.'",
        "E'\\u00fc\\U0001F600'", "repeat(E'long\\t\\\\', 20000)", "E'\\\\\\\\n\\n'"}},
      {"varchar(5)", {"'a'", "''", "'     '", "E'\\u00fc\\u00fc\\u00fc\\u00fc\\u00fc'"}},
      {"char(5)", {"'a'", "''", "'  a'"}},
      {"\"char\"", {"'x'", "''"}},
      {"name", {"'n'", "repeat('n', 63)"}},
      {"bytea", {"''", "'\\x00'", "'\\xff5c0a090d'", "decode(repeat('00ff5c', 30000), 'hex')"}},
      {"bit(3)", {"B'000'", "B'101'"}},
      {"bit varying", {"B''", "B'1'", "repeat('10', 500)::varbit"}},
      {"date",
       {"'4713-01-01 BC'", "'5874897-12-31'", "'infinity'", "'-infinity'", "'0001-01-01'",
        "'0001-12-31 BC'"}},
      {"time", {"'00:00'", "'24:00'", "'23:59:59.999999'"}},
      {"time(0)", {"'12:34:56'"}},
      {"timetz", {"'12:00:00.5+15:59'", "'24:00:00-15:59'"}},
      {"timestamp",
       {"'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'infinity'", "'-infinity'",
        "'2026-01-02 03:04:05.6'"}},
      {"timestamp(0)", {"'2026-01-02 03:04:05'"}},
      {"timestamptz",
       {"'4713-01-01 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", "'infinity'",
        "'-infinity'", "'2026-01-02 03:04:05.6-08'", "'0044-03-15 12:00:00.25+00 BC'"}},
      {"timestamptz(3)", {"'2026-01-02 03:04:05.678+05:30'"}},
      {"interval",
       {"'178000000 years'", "'-178000000 years'", "'1 mon -1 day 00:00:00.000001'", "'0'",
        "'-00:00:01'", "'1 year -2 mons 3 days -04:05:06.789'", "'100000 hours'", "'-0.5 s'"}},
      {"interval day to second(3)", {"'3 days 04:05:06.789'"}},
      {"json", {"'{\"a\" : 1,  \"a\":2}'", "'null'", "' [1 , \"\\u0000\"] '"}},
      {"jsonb", {"'{\"b\":1.50,\"a\":[null,\"\\n\\\\\"]}'", "'\"\\u00e9\"'", "'1e40'"}},
      {"uuid", {"'00000000-0000-0000-0000-000000000000'", "gen_random_uuid()"}},
      {"inet", {"'::1/64'", "'192.168.0.1'", "'::ffff:1.2.3.4'"}},
      {"cidr", {"'10.0.0.0/8'", "'2001:db8::/32'"}},
      {"macaddr", {"'08:00:2b:01:02:03'"}},
      {"macaddr8", {"'08:00:2b:01:02:03:04:05'"}},
      {"types.color", {"'red'", "'two words'"}},
      {"types.pair", {"'(1,\"a, \"\"b\"\" \\\\\\\\\")'", "'(,)'", "'(3,\"\")'"}},
      {"types.email", {"'a@b'"}},
      {"types.amount", {"12.34", "'NaN'"}},
      {"int[]", {"'{}'", "'{NULL,-1}'", "'{{1,2},{3,4}}'", "'[2:3]={1,2}'"}},
      {"text[]", {"ARRAY['a b', 'NULL', NULL, '', E'c\\\\d\"e', E'\\t']"}},
      {"timestamptz[]", {"ARRAY['2026-01-02 03:04:05+05'::timestamptz, 'infinity', NULL]"}},
      {"bytea[]", {"ARRAY['\\x005c'::bytea, '']"}},
      {"numeric(8,3)[]", {"'{1.5,NaN}'"}},
      {"boolean[]", {"'{t,f,NULL}'"}},
      {"interval[]", {"ARRAY['1 mon -3 days'::interval]"}},
      {"types.color[]", {"'{red,\"two words\"}'"}},
      {"types.pair[]", {"ARRAY['(1,x)'::types.pair]"}},
      {"int4range", {"'empty'", "'(,)'", "'[1,10)'"}},
      {"numrange", {"'[1.50,)'"}},
      {"tsrange", {"'[2026-01-01,infinity)'"}},
      {"tstzrange", {"'[2026-01-01 00:00:00+02,)'"}},
      {"int8multirange", {"'{[1,2),[5,9)}'", "'{}'"}},
      {"tsvector", {"$$'a b':1A,2B c$$", "''"}},
      {"tsquery", {"'a & !b'"}},
      {"xml", {"'<a x=\"1\">&amp;</a>'", "'<a/><b/>'"}},
      {"money", {"'-92233720368547758.08'", "'92233720368547758.07'"}},
      {"oid", {"4294967295", "0"}},
      {"regclass", {"'types.sample'::regclass"}},
      {"pg_lsn", {"'FFFFFFFF/FFFFFFFF'"}},
      {"point", {"'(1e300,-0)'"}},
      {"box", {"'(2,2),(1,1)'"}},
      {"path", {"'[(1,2),(3,4)]'", "'((1,2),(3,4))'"}},
      {"polygon", {"'((0,0),(1,1),(1,0))'"}},
      {"circle", {"'<(1,2),3>'"}},
      {"hstore", {"'a=>1, \"b c\"=>NULL'", "''"}},
      {"citext", {"'MixedCase'"}},
  };
  return kSamples;
}

std::string make_samples() {
  std::string sql =
      "CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE SCHEMA types; "
      "CREATE TYPE types.color AS ENUM ('red', 'two words'); "
      "CREATE TYPE types.pair AS (a int, b text); "
      "CREATE DOMAIN types.email AS varchar(60) CHECK (VALUE LIKE '%@%'); "
      "CREATE DOMAIN types.precise AS numeric(10,2); CREATE DOMAIN types.amount AS types.precise; "
      "CREATE TABLE types.sample (id int PRIMARY KEY";
  for (std::size_t i = 0; i < samples().size(); ++i) {
    sql += ", c" + std::to_string(i) + ' ' + samples()[i].type;
  }
  return sql + ')';
}

/// Rows from `first` on: together they hold every value, and a NULL for each column.
std::string fill_samples(int first) {
  std::size_t rows = 1;
  for (const TypeSample& sample : samples()) rows = std::max(rows, sample.values.size() + 1);
  std::string sql;
  for (std::size_t row = 0; row < rows; ++row) {
    sql += "INSERT INTO types.sample VALUES (" + std::to_string(first + static_cast<int>(row));
    for (const TypeSample& sample : samples()) {
      const std::size_t value = row % (sample.values.size() + 1);
      sql += value == sample.values.size() ? ", NULL" : std::string(", ") + sample.values[value];
    }
    sql += ");";
  }
  return sql;
}

void check_types(TempPostgres& source, TempPostgres& target, bool same_types) {
  source.sql("ALTER ROLE weir SUPERUSER");
  PgSession owner = source.session();
  owner.sql(make_samples());
  owner.sql(fill_samples(1));
  if (same_types) {
    target.sql(
        "CREATE SCHEMA extra; CREATE EXTENSION hstore SCHEMA extra; CREATE EXTENSION citext; "
        "CREATE SCHEMA types AUTHORIZATION weir; CREATE TYPE types.color AS ENUM ('red', 'two "
        "words'); CREATE TYPE types.pair AS (a int, b text); GRANT USAGE ON SCHEMA extra TO weir");
  }
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"types.*\"\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  CHECK(pg_differences(source, target, "types") == "");

  owner.sql(fill_samples(1001));
  owner.sql(fill_samples(2001));
  // Rows that come as updates, and one that comes whole with a new key.
  owner.sql("UPDATE types.sample SET c0 = 7 WHERE id BETWEEN 2001 AND 2003");
  owner.sql("UPDATE types.sample s SET c1 = 8 WHERE id < 1000");
  owner.sql("DELETE FROM types.sample WHERE id = 2005");
  const auto rows = [](TempPostgres& server) {
    return server.value("SELECT count(*) || ' ' || sum(c1) FROM types.sample");
  };
  REQUIRE(task.await([&] { return rows(target) == rows(source); }));
  CHECK(pg_differences(source, target, "types") == "");

  // The same value twice, by copy and by the log, is the same value on the target.
  std::string columns;
  for (std::size_t i = 2; i < samples().size(); ++i) {
    if (std::string(samples()[i].values.back()) == "gen_random_uuid()") continue;
    columns += (columns.empty() ? "t.c" : ", t.c") + std::to_string(i);
  }
  const std::string row = "SELECT string_agg(ROW(" + columns +
                          ")::text, '|' ORDER BY id) FROM "
                          "types.sample t WHERE id ";
  CHECK(target.value(row + "< 1000") == target.value(row + "BETWEEN 1001 AND 2000"));

  const Rows shown = target.query(
      "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = "
      "'types.sample'::regclass AND attnum > 0");
  std::map<std::string, std::string> types;
  for (std::size_t i = 1; i < shown.size(); ++i) {
    types[samples()[i - 1].type] = shown[i].at(1);
  }
  CHECK(types["numeric"] == "numeric");
  CHECK(types["numeric(3,-2)"] == "numeric(3,-2)");
  CHECK(types["jsonb"] == "jsonb");
  CHECK(types["timestamptz(3)"] == "timestamp(3) with time zone");
  CHECK(types["interval day to second(3)"] == "interval day to second(3)");
  CHECK(types["tstzrange"] == "tstzrange");
  CHECK(types["numeric(8,3)[]"] == "numeric(8,3)[]");
  CHECK(types["types.amount"] == "numeric(10,2)");
  CHECK(types["regclass"] == "text");
  CHECK(types["hstore"] == (same_types ? "extra.hstore" : "text"));
  CHECK(types["citext"] == (same_types ? "citext" : "text"));
  CHECK(types["types.color"] == (same_types ? "types.color" : "text"));
  CHECK(types["types.pair[]"] == (same_types ? "types.pair[]" : "text"));
  CHECK(task.stop().code == 0);
}

/// Runs a task under writers, hurts it and its source, and compares.
void check_under_load(TempPostgres& source, TempPostgres& target) {
  const std::uint64_t seed = choose_seed();
  WARN("WEIR_TEST_SEED=" << seed);
  PgLoad load(source, {.seed = seed});
  TaskRun task(
      source, target,
      {.rest = std::string(kShopRule) + "[full]\nchunk_rows = 300\nrate_limit = \"4000 rows/s\"\n"
                                        "[failover]\nlimit = 1000\n"});
  load.start();
  const TaskRun::Result started = task.start("");
  INFO(started.text());
  REQUIRE(started.code == 0);
  const auto stage = [&] { return task.status()["stage"].get<std::string>(); };
  REQUIRE(task.await([&] { return stage() == "full" || stage() == "incremental"; }));
  std::mt19937_64 random(seed);
  std::map<std::string, int> kills;
  pid_t last = -1;
  const auto strike = [&](int count) {
    for (int i = 0; i < count; ++i) {
      pid_t worker = -1;
      REQUIRE(task.await([&] {
        worker = task.worker();
        return worker > 0 && worker != last;
      }));
      const auto moment = std::chrono::steady_clock::now() + milliseconds(random() % 900);
      task.await([&] { return std::chrono::steady_clock::now() >= moment; });
      ++kills[stage()];
      last = task.kill_worker();
      if (i % 3 == 2) {
        // The supervisor waits longer before each next worker; a new one begins anew.
        task.stop();
        REQUIRE(task.start("").code == 0);
      }
    }
  };
  strike(7);
  REQUIRE(task.await([&] { return stage() == "incremental"; }));
  strike(7);
  REQUIRE(task.await([&] { return stage() == "incremental"; }));
  source.restart();
  const std::string mark = set_pg_mark(source);
  REQUIRE(task.await([&] { return get_pg_mark(target) == mark; }));
  source.kill9();
  source.start();
  REQUIRE(eventually([&] { return load.commits() > 200; }));
  load.stop();
  const std::string end = set_pg_mark(source);
  REQUIRE(task.await([&] { return get_pg_mark(target) == end; }));
  CHECK(pg_differences(source, target) == "");
  CHECK(target.value("SELECT sum(n) FROM shop.plus") ==
        source.value("SELECT sum(n) FROM shop.plus"));
  CHECK(target.value("SELECT sum(n) FROM shop.plus") ==
        target.value("SELECT -sum(n) FROM shop.minus"));
  WARN(load.commits() << " commits; killed " << kills["full"] << " times in full, "
                      << kills["incremental"] << " times in incremental");
  CHECK(kills["full"] > 2);
  CHECK(kills["incremental"] > 2);

  // The slot has followed the task: what the task no longer needs is let go.
  REQUIRE(task.await([&] {
    return source.value(
               "SELECT s.confirmed_flush_lsn >= t.at - 8192 FROM pg_replication_slots s, "
               "(SELECT pg_current_wal_flush_lsn() AS at) t WHERE slot_name = 'weir_shop'") == "t";
  }));
  CHECK(task.stop().code == 0);
}

/// The ids of the findings of `weir preflight`, with the table where there is one.
std::set<std::string> findings(const TaskRun& task, const std::string& severity = "critical") {
  const nlohmann::json answer = task.run({"preflight", task.file(), "--json"}).json();
  std::set<std::string> out;
  for (const auto& finding : answer["findings"]) {
    if (finding["severity"] != severity) continue;
    const std::string table =
        finding["table"].is_null() ? "" : " " + finding["table"].get<std::string>();
    out.insert(finding["id"].get<std::string>() + table);
    // Each says what to do.
    CHECK_FALSE(finding["fix"].get<std::string>().empty());
    CHECK_FALSE(finding["why"].get<std::string>().empty());
  }
  return out;
}

std::string fix_of(const TaskRun& task, const std::string& id) {
  const nlohmann::json answer = task.run({"preflight", task.file(), "--json"}).json();
  for (const auto& finding : answer["findings"]) {
    if (finding["id"] == id) return finding["fix"];
  }
  return "";
}

using Ids = std::set<std::string>;

/// A source with one small table, and its owner.
struct Small {
  explicit Small(const TempPostgres::Options& options = {}) : source(options) {
    source.sql("ALTER ROLE weir REPLICATION");
    source.session().sql(
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text); INSERT INTO "
        "shop.item VALUES (1, 'a'), (2, 'b')");
  }
  TempPostgres source;
  TempPostgres target;
};

}  // namespace

TEST_CASE("PostgreSQL 15: every type goes through copy and log unchanged", "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  check_types(source, target, true);
}

TEST_CASE("PostgreSQL 15: types that the target lacks are texts there", "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  check_types(source, target, false);
}

TEST_CASE("PostgreSQL 18: every type goes through copy and log unchanged",
          "[server][pgsource][bootstrap]") {
  TempPostgres source({.release = TempPostgres::Release::v18});
  TempPostgres target;
  check_types(source, target, true);
}

TEST_CASE("PostgreSQL 15: a task that is killed again and again loses nothing",
          "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  check_under_load(source, target);
}

TEST_CASE("PostgreSQL 18: a task that is killed again and again loses nothing",
          "[server][pgsource][bootstrap]") {
  TempPostgres source({.release = TempPostgres::Release::v18});
  TempPostgres target({.release = TempPostgres::Release::v17});
  check_under_load(source, target);
}

TEST_CASE("PostgreSQL: rows are passed on as they come, or made anew where a type changes",
          "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target({.settings = {"log_statement=all"}});
  const std::string made =
      "(id int PRIMARY KEY, t text, yes boolean, b bytea, at timestamptz, n numeric)";
  const std::string rows =
      " SELECT n, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN E'a\\tb\\\\N\\n' || n ELSE '' END, "
      "n % 2 = 0, decode(lpad(to_hex(n), 4, '0'), 'hex'), timestamptz '2026-01-02 03:04:05.5+05' + "
      "n * interval '1 hour', n / 7.0 FROM generate_series(1, 950) AS n";
  source.sql("ALTER ROLE weir SUPERUSER; CREATE SCHEMA shop; CREATE TABLE shop.same " + made +
             "; CREATE TABLE shop.other " + made + "; INSERT INTO shop.same" + rows +
             "; CREATE TABLE shop.exact " + made + "; CREATE TABLE shop.wider " + made +
             "; INSERT INTO shop.other" + rows + "; INSERT INTO shop.exact" + rows +
             "; INSERT INTO shop.wider" + rows);
  // Its integers are read as text, or they would be half of another number.
  target.sql(
      "CREATE SCHEMA shop AUTHORIZATION weir; CREATE TABLE shop.wider (id bigint PRIMARY KEY, t "
      "text, yes boolean, b bytea, at timestamptz, n numeric); ALTER TABLE shop.wider OWNER TO "
      "weir");
  TaskRun task(source, target, {.rest = R"toml(
[[table]]
match = "shop.exact"
[[table]]
match = "shop.wider"
[[table]]
match = "shop.same"
columns = { drop = ["n"] }
add_columns = { _from = "{table}" }
[[table]]
match = "shop.other"
columns = { type = { yes = "smallint", at = "timestamp", t = "varchar(20)" } }
[full]
chunk_rows = 100
)toml"});
  const TaskRun::Result started = task.start("full");
  INFO(started.text());
  REQUIRE(started.code == 0);
  const std::string same = "SELECT id, t, yes, b, at FROM shop.same ORDER BY 1";
  CHECK(target.query(same) == source.query(same));
  CHECK(target.value("SELECT count(*) FROM shop.same WHERE _from = 'same'") == "950");
  CHECK(target.query("SELECT id, t, yes, b, at, n FROM shop.other ORDER BY 1") ==
        source.query(
            "SELECT id, t, yes::int, b, at AT TIME ZONE 'UTC', n FROM shop.other ORDER BY 1"));
  for (const std::string table : {"exact", "wider"}) {
    const std::string all = "SELECT * FROM shop." + table + " ORDER BY 1";
    CHECK(target.query(all) == source.query(all));
  }
  CHECK(task.stop().code == 0);
  const std::string log = read_file(target.log_file());
  CHECK_THAT(log, Catch::Contains("COPY \"shop\".\"exact\" (\"id\", \"t\", \"yes\", \"b\", \"at\", "
                                  "\"n\") FROM STDIN (FORMAT binary)"));
  CHECK_THAT(log, Catch::Contains("COPY \"shop\".\"wider\""));
  for (const char* table : {"wider", "same", "other"}) {
    const std::regex binary(std::string("COPY \"shop\"\\.\"") + table + "\"[^\n]*binary");
    CHECK_FALSE(std::regex_search(log, binary));
  }
}

TEST_CASE("PostgreSQL: a row that is passed on and refused is named by its key",
          "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  source.sql(
      "ALTER ROLE weir SUPERUSER; CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, n "
      "int); INSERT INTO shop.t SELECT n, n FROM generate_series(1, 950) AS n");
  target.sql(
      "CREATE SCHEMA shop AUTHORIZATION weir; CREATE TABLE shop.t (id int PRIMARY KEY, n int "
      "CHECK (n <> 437)); ALTER TABLE shop.t OWNER TO weir");
  TaskRun task(source, target,
               {.rest = std::string(kShopRule) + "[full]\nchunk_rows = 100\nconnections = 1\n"});
  const TaskRun::Result started = task.start("full");
  CHECK(started.code == 4);
  CHECK_THAT(started.text(), Catch::Contains("with key id = 437"));
  // What the chunks before it brought is there.
  CHECK(target.value("SELECT count(*) FROM shop.t") == "400");
}

TEST_CASE("PostgreSQL: what a server lacks for a task is named", "[server][pgsource]") {
  SECTION("logical decoding, a slot") {
    Small at({.settings = {"wal_level=replica", "max_replication_slots=0"}});
    TaskRun task(at.source, at.target, {.rest = kShopRule});
    CHECK(findings(task) == Ids{"postgres.wal-level", "postgres.no-free-slot"});
    const TaskRun::Result refused = task.start();
    CHECK(refused.code == 4);
    CHECK_THAT(refused.err, Catch::Contains("wal_level"));
  }
  SECTION("a sender") {
    Small at({.settings = {"max_wal_senders=0"}});
    TaskRun task(at.source, at.target, {.rest = kShopRule});
    CHECK(findings(task) == Ids{"postgres.no-free-sender"});
  }
  SECTION("privileges") {
    Small at;
    at.source.sql("ALTER ROLE weir NOREPLICATION; CREATE TABLE shop.other (id int PRIMARY KEY)");
    at.source.sql("ALTER DATABASE dw OWNER TO postgres");
    TaskRun task(at.source, at.target, {.rest = kShopRule});
    CHECK(findings(task) == Ids{"postgres.replication-denied", "postgres.publication-denied",
                                "postgres.publication-owner shop.other",
                                "postgres.select-denied shop.other"});
    CHECK_THAT(fix_of(task, "postgres.publication-denied"),
               Catch::Contains("GRANT CREATE ON DATABASE \"dw\" TO \"weir\"") &&
                   Catch::Contains("CREATE PUBLICATION \"weir_shop\" FOR TABLE ONLY"));
  }
  SECTION("rows that a policy hides") {
    Small at;
    at.source.sql(
        "ALTER TABLE shop.item OWNER TO postgres; GRANT SELECT ON shop.item TO weir; ALTER TABLE "
        "shop.item ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON shop.item USING (id = 1); "
        "CREATE PUBLICATION pub FOR TABLE shop.item WITH (publish_via_partition_root = true)");
    TaskRun task(at.source, at.target,
                 {.rest = kShopRule, .source_rest = "publication = \"pub\"\n"});
    CHECK(findings(task) == Ids{"postgres.row-security shop.item"});
  }
  SECTION("transactions that are prepared") {
    Small at({.settings = {"max_prepared_transactions=5"}});
    at.source.sql("BEGIN; INSERT INTO shop.item VALUES (3, 'c'); PREPARE TRANSACTION 'waiting'");
    TaskRun task(at.source, at.target, {.rest = kShopRule});
    CHECK(findings(task) == Ids{"postgres.prepared-transactions"});
    at.source.sql("COMMIT PREPARED 'waiting'");
    CHECK(findings(task).empty());
  }
  SECTION("a database") {
    Small at;
    TaskRun task(at.source, at.target, {.rest = kShopRule});
    std::string text = read_file(task.file());
    const std::size_t line = text.find("database = ");
    text.erase(line, text.find('\n', line) - line + 1);
    const TempDir dir;
    const TaskRun::Result result = task.run({"preflight", dir.write("t.toml", text)});
    CHECK(result.code == 3);
    CHECK_THAT(result.err, Catch::Contains("[source] has no key \"database\""));
  }
}

TEST_CASE("PostgreSQL: tables that cannot be followed are named, with the statement that helps",
          "[server][pgsource]") {
  Small at;
  PgSession owner = at.source.session();
  owner.sql(
      "CREATE TABLE shop.unique_only (id int NOT NULL UNIQUE, v text);"
      "CREATE TABLE shop.nothing (id int PRIMARY KEY); ALTER TABLE shop.nothing REPLICA IDENTITY "
      "NOTHING;"
      "CREATE TABLE shop.by_index (id int PRIMARY KEY, code text NOT NULL UNIQUE); ALTER TABLE "
      "shop.by_index REPLICA IDENTITY USING INDEX by_index_code_key;"
      "CREATE TABLE shop.whole (id int PRIMARY KEY); ALTER TABLE shop.whole REPLICA IDENTITY FULL;"
      "CREATE TABLE shop.parts (id int NOT NULL UNIQUE, v int) PARTITION BY LIST (id);"
      "CREATE TABLE shop.part_1 PARTITION OF shop.parts DEFAULT; ALTER TABLE shop.part_1 REPLICA "
      "IDENTITY FULL; ALTER TABLE shop.parts REPLICA IDENTITY FULL;"
      "CREATE TABLE shop.parts_bad (id int PRIMARY KEY, v int) PARTITION BY LIST (id);"
      "CREATE TABLE shop.part_2 PARTITION OF shop.parts_bad DEFAULT; ALTER TABLE shop.part_2 "
      "REPLICA IDENTITY NOTHING;"
      "CREATE UNLOGGED TABLE shop.unlogged (id int PRIMARY KEY);"
      "CREATE TABLE shop.computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) "
      "STORED);"
      "CREATE TABLE shop.keyed (id int PRIMARY KEY, other int NOT NULL)");
  TaskRun task(at.source, at.target, {.rest = R"(
[[table]]
match = "shop.keyed"
key = ["other"]
[[table]]
match = "shop.*"
)"});
  CHECK(findings(task) ==
        Ids{"postgres.replica-identity shop.unique_only", "postgres.replica-identity shop.nothing",
            "postgres.replica-identity shop.parts_bad", "postgres.unlogged shop.unlogged",
            "postgres.key-outside-identity shop.keyed"});
  CHECK(findings(task, "warning") == Ids{"postgres.generated shop.computed"});
  owner.sql("DROP TABLE shop.nothing; DROP TABLE shop.parts_bad");
  CHECK(fix_of(task, "postgres.replica-identity") ==
        "ALTER TABLE \"shop\".\"unique_only\" REPLICA IDENTITY USING INDEX "
        "\"unique_only_id_key\"");
  owner.sql(
      "ALTER TABLE shop.unique_only REPLICA IDENTITY USING INDEX unique_only_id_key; ALTER TABLE "
      "shop.unlogged SET LOGGED; ALTER TABLE shop.keyed REPLICA IDENTITY FULL");
  CHECK(findings(task).empty());
  owner.sql(
      "INSERT INTO shop.by_index VALUES (1, 'x'), (2, 'y'); INSERT INTO shop.computed VALUES "
      "(4); INSERT INTO shop.keyed VALUES (1, 10)");

  REQUIRE(task.start().code == 0);
  owner.sql(
      "UPDATE shop.by_index SET code = 'z' WHERE id = 1; DELETE FROM shop.by_index WHERE id = 2;"
      "UPDATE shop.keyed SET other = 11; INSERT INTO shop.parts VALUES (5, 1); UPDATE shop.parts "
      "SET v = 2; INSERT INTO shop.unique_only VALUES (9, 'n'); UPDATE shop.unique_only SET id = "
      "8; INSERT INTO shop.item VALUES (77, 'last')");
  REQUIRE(task.await(
      [&] { return at.target.value("SELECT count(*) FROM shop.item WHERE id = 77") == "1"; }));
  const std::string computed = pg_differences(at.source, at.target);
  CHECK_THAT(computed, Catch::Contains("shop.\"computed\"") && !Catch::Contains("by_index") &&
                           !Catch::Contains("keyed") && !Catch::Contains("parts") &&
                           !Catch::Contains("unique_only"));
  CHECK(at.target.value("SELECT string_agg(t::text, ' ') FROM shop.computed t") == "(4)");
}

TEST_CASE("PostgreSQL 18: stored generated columns are copied and followed",
          "[server][pgsource][bootstrap]") {
  Small at({.release = TempPostgres::Release::v18});
  PgSession owner = at.source.session();
  owner.sql(
      "CREATE TABLE shop.computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) "
      "STORED, thrice int GENERATED ALWAYS AS (id * 3) VIRTUAL); INSERT INTO shop.computed VALUES "
      "(4)");
  TaskRun task(at.source, at.target, {.rest = kShopRule});
  CHECK(findings(task, "warning") == Ids{"postgres.generated shop.computed"});
  REQUIRE(task.start().code == 0);
  owner.sql("INSERT INTO shop.computed VALUES (5); UPDATE shop.computed SET id = 6 WHERE id = 4");
  CHECK(task.await([&] {
    return at.target.value("SELECT string_agg(t::text, ' ' ORDER BY id) FROM shop.computed t") ==
           "(5,10) (6,12)";
  }));
  // What the task made is what it says: a slot that a standby can take over.
  CHECK(at.source.value("SELECT failover FROM pg_replication_slots") == "t");
}

TEST_CASE("PostgreSQL: a publication that the task file names is checked and never changed",
          "[server][pgsource]") {
  Small at;
  PgSession owner = at.source.session();
  owner.sql(
      "CREATE TABLE shop.other (id int PRIMARY KEY, v int);"
      "CREATE TABLE shop.parts (id int PRIMARY KEY) PARTITION BY LIST (id);"
      "CREATE TABLE shop.part_1 PARTITION OF shop.parts DEFAULT");
  TaskRun task(at.source, at.target,
               {.rest = kShopRule, .source_rest = "publication = \"pub\"\nslot = \"own_slot\"\n"});
  CHECK(findings(task) == Ids{"postgres.publication-missing"});
  CHECK_THAT(fix_of(task, "postgres.publication-missing"),
             Catch::Contains("CREATE PUBLICATION \"pub\" FOR TABLE"));

  owner.sql(
      "CREATE PUBLICATION pub FOR TABLE shop.item WHERE (id > 1), shop.parts, shop.other (id) "
      "WITH (publish = 'insert, update')");
  CHECK(findings(task) == Ids{"postgres.publication-kinds", "postgres.publication-rows shop.item",
                              "postgres.publication-rows shop.other",
                              "postgres.publication-table shop.parts"});
  owner.sql(
      "DROP PUBLICATION pub; CREATE PUBLICATION pub FOR TABLE shop.item, shop.parts WITH "
      "(publish_via_partition_root = true)");
  CHECK(findings(task) == Ids{"postgres.publication-table shop.other"});
  const std::string fix = fix_of(task, "postgres.publication-table");
  CHECK(fix == "ALTER PUBLICATION \"pub\" ADD TABLE ONLY \"shop\".\"other\"");
  owner.sql(fix);
  CHECK(findings(task).empty());
  REQUIRE(task.start().code == 0);
  CHECK(at.source.value("SELECT slot_name FROM pg_replication_slots") == "own_slot");
  CHECK(at.source.value("SELECT count(*) FROM pg_publication") == "1");

  // Taken out of the publication, a table is silent for ever: the task must not go on without it.
  REQUIRE(task.stop().code == 0);
  owner.sql("ALTER PUBLICATION pub DROP TABLE shop.other");
  CHECK(findings(task) == Ids{"postgres.publication-table shop.other"});
  CHECK(task.start().code == 4);
}

TEST_CASE("PostgreSQL: a slot that a task cannot go on with is named", "[server][pgsource]") {
  Small at({.settings = {"max_slot_wal_keep_size=4MB", "min_wal_size=32MB", "max_wal_size=32MB"}});
  TaskRun task(at.source, at.target, {.rest = kShopRule});

  SECTION("another one of that name, another reader") {
    at.source.sql("SELECT pg_create_physical_replication_slot('weir_shop')");
    CHECK(findings(task) == Ids{"postgres.slot-other"});
    at.source.sql("SELECT pg_drop_replication_slot('weir_shop')");
    at.source.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
    CHECK(findings(task).empty());
    CHECK(findings(task, "warning") == Ids{"postgres.slot-exists"});
    REQUIRE(task.start().code == 0);
    at.source.session().sql("INSERT INTO shop.item VALUES (3, 'c')");
    CHECK(task.await([&] { return at.target.value("SELECT count(*) FROM shop.item") == "3"; }));
  }
  SECTION("gone, ahead, lost") {
    REQUIRE(task.start().code == 0);
    // With less than a segment to spare the server may let go at any checkpoint.
    CHECK(task.stop().code == 4);
    REQUIRE(task.run({"sync", "stop", "shop", "--accept-risk", "retention"}).code == 0);
    PgSession owner = at.source.session();
    owner.sql("INSERT INTO shop.item VALUES (3, 'c')");
    at.source.sql("SELECT pg_replication_slot_advance('weir_shop', pg_current_wal_flush_lsn())");
    CHECK(findings(task) == Ids{"postgres.slot-ahead"});
    const TaskRun::Result ahead = task.start();
    CHECK(ahead.code == 4);
    // Each way out is a command.
    CHECK_THAT(ahead.err, Catch::Contains("postgres.slot-ahead") && Catch::Contains("DELETE FROM"));

    at.source.sql("SELECT pg_drop_replication_slot('weir_shop')");
    CHECK(findings(task) == Ids{"postgres.slot-missing"});

    at.source.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
    for (int i = 0; i < 6; ++i) {
      at.source.sql("SELECT pg_switch_wal(); CREATE TABLE IF NOT EXISTS filler (t text)");
      at.source.sql("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 8000)");
    }
    at.source.sql("CHECKPOINT");
    REQUIRE(at.source.value("SELECT wal_status FROM pg_replication_slots") == "lost");
    CHECK(findings(task) == Ids{"postgres.slot-lost"});
  }
  SECTION("in use") {
    REQUIRE(task.start().code == 0);
    // Our own reader is no news.
    CHECK(findings(task).empty());
    TaskRun other(at.source, at.target,
                  {.name = "other",
                   .rest = "[[table]]\nmatch = \"shop.*\"\ntarget = \"other.{table}\"\n",
                   .source_rest = "slot = \"weir_shop\"\n"});
    CHECK(findings(other) == Ids{"postgres.slot-active"});
    CHECK(other.start().code == 4);
  }
}

TEST_CASE("PostgreSQL: another server, or one that went back, is not the source",
          "[server][pgsource]") {
  Small at;
  TaskRun task(at.source, at.target, {.rest = kShopRule});
  REQUIRE(task.start().code == 0);
  REQUIRE(task.stop().code == 0);
  const std::string saved = at.target.value("SELECT log_offset FROM weir.weir_task");
  at.target.sql("UPDATE weir.weir_task SET log_offset = '7F/0'");
  CHECK(findings(task) == Ids{"postgres.source-behind"});
  at.target.sql("UPDATE weir.weir_task SET log_offset = '" + saved + "'");
  CHECK(findings(task).empty());
  at.target.sql(
      "UPDATE weir.weir_task SET source_identity = regexp_replace(source_identity, 'timeline 1', "
      "'timeline 2')");
  CHECK(findings(task) == Ids{"source.identity-changed"});
  at.target.sql("UPDATE weir.weir_task SET source_identity = 'postgres 1 timeline 1 database dw'");
  CHECK(findings(task) == Ids{"source.identity-changed"});
}

TEST_CASE("PostgreSQL 18: a task goes on at a standby that was promoted",
          "[server][pgsource][bootstrap]") {
  TempPostgres primary({.release = TempPostgres::Release::v18});
  TempPostgres target;
  primary.sql("ALTER ROLE weir REPLICATION");
  primary.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text); INSERT INTO "
      "shop.item VALUES (1, 'a')");
  TempPostgres standby({.release = TempPostgres::Release::v18, .standby_of = &primary});
  PgSession owner = primary.session();
  // The changes of a commit are sent on only once the standby has it.
  primary.sql("ALTER SYSTEM SET synchronized_standby_slots = 'standby'");
  primary.sql("SELECT pg_reload_conf()");

  TaskRun task(primary, target, {.rest = kShopRule});
  REQUIRE(task.start().code == 0);
  const auto copied = [&](const char* rows) {
    return task.await([&] { return target.value("SELECT count(*) FROM shop.item") == rows; });
  };
  owner.sql("INSERT INTO shop.item VALUES (2, 'b')");
  REQUIRE(copied("2"));
  REQUIRE(eventually([&] {
    return standby.value(
               "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'weir_shop' "
               "AND synced AND NOT temporary") == "1";
  }));
  REQUIRE(task.stop().code == 0);
  // It comes to the standby, and to the task only after the promotion.
  owner.sql("INSERT INTO shop.item VALUES (3, 'c')");
  const std::string end = owner.value("SELECT pg_current_wal_flush_lsn()");
  REQUIRE(eventually(
      [&] { return standby.value("SELECT pg_last_wal_replay_lsn() >= '" + end + "'") == "t"; }));
  const std::string at_primary = read_file(task.file());
  const auto point_at = [&](const TempPostgres& server) {
    std::string text = at_primary;
    const std::string old_port = "port = " + std::to_string(primary.port());
    const std::string new_port = "port = " + std::to_string(server.port());
    text.replace(text.find(old_port), old_port.size(), new_port);
    std::ofstream(task.file()) << text;
  };
  point_at(standby);
  CHECK(findings(task) == Ids{"postgres.standby"});

  SECTION("that has all that the task has applied") {
    primary.kill9();
    standby.sql("SELECT pg_promote()");
    PgSession writer = standby.session();
    REQUIRE(eventually([&] { return standby.value("SELECT pg_is_in_recovery()") == "f"; }));
    writer.sql("INSERT INTO shop.item VALUES (4, 'd')");
    CHECK(findings(task).empty());
    CHECK(findings(task, "info").contains("source.promoted"));
    REQUIRE(task.start("").code == 0);
    REQUIRE(copied("4"));
    CHECK(pg_differences(standby, target) == "");
    // And later, when the task is beyond the end of the old timeline.
    REQUIRE(task.await([&] {
      return standby.value("SELECT confirmed_flush_lsn > '" + end +
                           "' FROM pg_replication_slots WHERE slot_name = 'weir_shop'") == "t";
    }));
    REQUIRE(task.stop().code == 0);
    writer.sql("INSERT INTO shop.item VALUES (5, 'e')");
    CHECK(findings(task).empty());
    REQUIRE(task.start("").code == 0);
    REQUIRE(copied("5"));
  }
  SECTION("that lacks what the task has applied") {
    standby.stop();
    primary.sql("ALTER SYSTEM RESET synchronized_standby_slots");
    primary.sql("SELECT pg_reload_conf()");
    point_at(primary);
    REQUIRE(task.start("").code == 0);
    owner.sql("INSERT INTO shop.item VALUES (6, 'gone')");
    REQUIRE(copied("4"));
    REQUIRE(task.stop().code == 0);
    primary.kill9();
    standby.start();
    standby.sql("SELECT pg_promote()");
    REQUIRE(eventually([&] { return standby.value("SELECT pg_is_in_recovery()") == "f"; }));
    point_at(standby);
    CHECK(findings(task) == Ids{"source.promoted"});
    CHECK(task.start().code == 4);
  }
  SECTION("that lacks the slot") {
    primary.kill9();
    standby.sql("SELECT pg_promote()");
    REQUIRE(eventually([&] { return standby.value("SELECT pg_is_in_recovery()") == "f"; }));
    standby.sql("SELECT pg_drop_replication_slot('weir_shop')");
    CHECK(findings(task) == Ids{"source.promoted"});
  }
}

TEST_CASE("PostgreSQL: a text that is no UTF-8 is told with its table, column and row",
          "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  source.sql("ALTER ROLE weir REPLICATION");
  PgSession(source.conninfo("postgres", "postgres"))
      .sql(
          "CREATE DATABASE ascii OWNER weir ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE "
          "'C' LC_CTYPE 'C'");
  PgSession owner = source.session("weir", "ascii");
  owner.sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text); INSERT INTO "
      "shop.item VALUES (1, 'plain'), (42, E'caf\\xe9')");
  TaskRun task(source, target, {.rest = kShopRule});
  std::string text = read_file(task.file());
  text.replace(text.find("database = \"dw\""), 15, "database = \"ascii\"");
  const TempDir dir;
  const std::string file = dir.write("shop.toml", text);
  const auto result = task.run({"preflight", file, "--json"}).json();
  REQUIRE(std::any_of(result["findings"].begin(), result["findings"].end(), [](const auto& f) {
    return f["id"] == "postgres.encoding-unknown" && f["severity"] == "warning";
  }));
  const TaskRun::Result started = task.run({"sync", "start", file, "--wait", "caught-up"});
  INFO(started.text());
  CHECK(started.code == 4);
  CHECK_THAT(started.err,
             Catch::Contains("shop.item") && Catch::Contains("name") && Catch::Contains("id = 42"));
}

namespace {

/// A table with large values that the log leaves out, while it is copied.
struct BigCopy {
  explicit BigCopy(int rows, const TempPostgres::Options& options = {}) : source(options) {
    source.sql(fmt::format(
        "ALTER ROLE weir REPLICATION; GRANT CREATE ON DATABASE dw TO weir; CREATE SCHEMA shop "
        "AUTHORIZATION weir; SET ROLE weir; CREATE TABLE shop.big (id int PRIMARY KEY, n int, body "
        "text NOT NULL, note text); ALTER TABLE shop.big ALTER body SET STORAGE EXTERNAL; INSERT "
        "INTO shop.big SELECT i, 0, repeat(md5(i::text), 100), 'kept' FROM generate_series(1, {}) "
        "AS i",
        rows));
    source.sql("RESET ROLE");
  }

  /// Returns once some rows are copied. From then on the copy cannot be declared to be done.
  void start() {
    const TaskRun::Result started = task.start("");
    INFO(started.text());
    REQUIRE(started.code == 0);
    REQUIRE(task.await([&] {
      try {
        return target.value("SELECT coalesce(sum(row_count), 0) > 0 FROM weir.weir_range") == "t";
      } catch (const std::runtime_error&) {
        return false;  // not made yet
      }
    }));
    holder.sql("BEGIN");
    holder.query("SELECT 1 FROM weir.weir_task FOR NO KEY UPDATE");
  }

  /// Returns once all rows are copied, and it is known where the log was then.
  void await_copy() {
    REQUIRE(task.await([&] {
      return target.value(
                 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query "
                 "LIKE '%full_end_offset%'") == "1";
    }));
  }

  void go_on() { holder.sql("COMMIT"); }

  void check_same() {
    source.sql("UPDATE shop.big SET note = 'end' WHERE id = 299");
    REQUIRE(task.await(
        [&] { return target.value("SELECT note FROM shop.big WHERE id = 299") == "end"; }));
    CHECK(pg_differences(source, target, "shop") == "");
  }

  TempPostgres source;
  TempPostgres target;
  PgSession holder = target.session("postgres");
  TaskRun task{source,
               target,
               {.rest = "[[table]]\nmatch = \"shop.*\"\n[full]\nchunk_rows = 20\nrate_limit = "
                        "\"80 rows/s\"\n[failover]\nlimit = 1000\n"}};
};

void check_reread(const TempPostgres::Options& options) {
  BigCopy at(400, options);
  const auto move = [&](int from, int to) {
    at.source.sql(fmt::format("UPDATE shop.big SET id = {}, n = n + 1 WHERE id = {}", to, from));
  };
  at.start();
  move(1, 1001);
  move(2, 1002);  // newer by the time it is read
  at.source.sql("UPDATE shop.big SET body = repeat('new', 1500) WHERE id = 1002");
  move(3, 1003);  // gone
  at.source.sql("DELETE FROM shop.big WHERE id = 1003");
  move(4, 1004);
  move(1004, 1005);
  move(5, 1006);  // another row has its key
  move(1006, 1007);
  move(6, 1006);
  at.source.sql(
      "BEGIN; UPDATE shop.big SET id = -1 WHERE id = 7; UPDATE shop.big SET id = 7 WHERE id = 8; "
      "UPDATE shop.big SET id = 8 WHERE id = -1; COMMIT");
  move(9, 1009);
  at.source.sql("DELETE FROM shop.big WHERE id = 1009");
  at.source.sql("INSERT INTO shop.big VALUES (1009, 9, 'another', NULL), (9, 9, 'one more', NULL)");
  at.source.sql("DELETE FROM shop.big WHERE id IN (10, 11)");
  move(398, 10);  // what is yet to be copied comes where the copy has been
  move(397, 11);
  for (int i = 12; i < 20; ++i) move(i, 1000 + i);
  CHECK(at.target.value("SELECT sum(row_count) < 390 FROM weir.weir_range") == "t");
  at.await_copy();
  // Beyond the place where the copy ended, rows go on that are read again before it.
  move(1012, 2012);
  move(2012, 2013);
  move(1014, 2014);
  at.source.sql("DELETE FROM shop.big WHERE id = 2014");
  move(1015, 2015);
  move(1016, 1015);
  move(1017, 1014);
  move(20, 1017);
  const std::string end = at.source.value("SELECT pg_current_wal_insert_lsn()");
  CHECK(at.target.value("SELECT count(*) FROM shop.big WHERE id > 2000") == "0");
  at.go_on();
  // Wherever it is by now, the next one knows what is not to be trusted.
  at.task.kill_worker();
  at.check_same();
  CHECK(at.source.value("SELECT count(*) FROM shop.big WHERE id > 1000") ==
        at.target.value("SELECT count(*) FROM shop.big WHERE id > 1000"));
  // The target knows that it was not consistent before.
  CHECK(at.target.value("SELECT full_end_offset::pg_lsn >= '" + end + "' FROM weir.weir_task") ==
        "t");
  const auto store = weir::open_state(at.task.state_dir(), true);
  CHECK(at.task.await(
      [&] { return store->count_events(at.task.name(), "stage.consistent", weir::Time{}) == 1; }));
  CHECK(at.task.stop().code == 0);
}

}  // namespace

TEST_CASE("PostgreSQL 15: a row that gets another key during the copy is read again",
          "[server][pgsource][reread]") {
  check_reread({});
}

TEST_CASE("PostgreSQL 18: a row that gets another key during the copy is read again",
          "[bootstrap][pgsource][reread]") {
  check_reread({.release = TempPostgres::Release::v18});
}

TEST_CASE("PostgreSQL: a row that cannot be read again stops the task",
          "[server][pgsource][reread]") {
  BigCopy at(400);
  at.start();
  at.source.sql("UPDATE shop.big SET id = 1001 WHERE id = 1");
  at.await_copy();
  at.source.sql("ALTER TABLE shop.big DROP COLUMN note");
  at.go_on();
  REQUIRE(eventually([&] { return at.task.status().at("state") == "refused"; },
                     std::chrono::minutes(2)));
  const nlohmann::json error = at.task.status().at("error");
  CHECK(error.at("id") == "source.partial-key-change");
  CHECK_THAT(at.task.log(), Catch::Contains("note"));
  CHECK_THAT(error.at("fix").get<std::string>(), Catch::Contains("REPLICA IDENTITY FULL"));
}

TEST_CASE("PostgreSQL: a row is read again once its change is visible",
          "[server][pgsource][reread]") {
  BigCopy at(400);
  at.start();
  // Committed in the log, and seen by nobody until a standby answers.
  at.source.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  at.source.sql("SELECT pg_reload_conf()");
  PgSession writer = at.source.session();
  REQUIRE(
      at.task.await([&] { return writer.value("SHOW synchronous_standby_names") == "nobody"; }));
  std::thread writing([&] { writer.sql("UPDATE shop.big SET id = 1001, n = 1 WHERE id = 1"); });
  const auto asked = [&](const char* condition) {
    return at.source.value(
               fmt::format("SELECT count(*) FROM pg_stat_activity WHERE {}", condition)) != "0";
  };
  CHECK(at.task.await([&] { return asked("wait_event = 'SyncRep'"); }));
  at.await_copy();
  at.go_on();
  CHECK(at.task.await(
      [&] { return asked("application_name = 'weir' AND query LIKE '%l.transactionid%'"); }));
  CHECK(asked("wait_event = 'SyncRep'"));
  at.source.sql("ALTER SYSTEM RESET synchronous_standby_names");
  at.source.sql("SELECT pg_reload_conf()");
  writing.join();
  at.check_same();
  CHECK(at.target.value("SELECT n FROM shop.big WHERE id = 1001") == "1");
  CHECK(at.task.stop().code == 0);
}

TEST_CASE("PostgreSQL: a start that was cut short is taken up again", "[server][pgsource]") {
  Small at;
  PgSession owner = at.source.session();
  // What a first start left behind: a publication without one table, and a slot.
  owner.sql(
      "CREATE PUBLICATION weir_shop FOR TABLE shop.item WITH (publish_via_partition_root = "
      "true)");
  at.source.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
  owner.sql("CREATE TABLE shop.later (id int PRIMARY KEY)");
  // Its rows are from before the table is published, and its commit from after.
  PgSession writer = at.source.session();
  writer.sql("BEGIN");
  writer.sql("INSERT INTO shop.later VALUES (1)");
  TaskRun task(at.source, at.target, {.rest = kShopRule});
  REQUIRE(task.start("").code == 0);
  REQUIRE(task.await([&] {
    return at.source.value(
               "SELECT count(*) FROM pg_publication_tables WHERE pubname = "
               "'weir_shop'") == "2";
  }));
  writer.sql("INSERT INTO shop.later VALUES (2)");
  writer.sql("COMMIT");
  CHECK(task.await([&] {
    return at.target.value("SELECT to_regclass('shop.later')") != "NULL" &&
           at.target.value("SELECT count(*) FROM shop.later") == "2";
  }));
}

TEST_CASE("PostgreSQL: a table without a key is copied from one exact snapshot, and followed",
          "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  source.sql("ALTER ROLE weir REPLICATION");
  PgSession owner = source.session();
  owner.sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.entry (a int, b text, c json, d real, e bytea, f "
      "boolean, g timestamptz); ALTER TABLE shop.entry REPLICA IDENTITY FULL; INSERT INTO "
      "shop.entry SELECT i % 100, 'b' || i % 50, '{\"x\":  1}', i % 3 / 10.0, '\\x00ff', i % 2 = "
      "0, timestamptz '2026-01-01' + i % 10 * interval '1 s' FROM generate_series(1, 20000) AS i;"
      "CREATE TABLE shop.mark (id int PRIMARY KEY, n bigint); INSERT INTO shop.mark VALUES (1, 0)");
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "shop.*"
key = "all-columns"
[failover]
limit = 1000
)"});
  // Writers of all kinds of change, on rows of which there are many alike.
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  std::vector<std::string> errors(8);
  for (std::size_t w = 0; w < errors.size(); ++w) {
    writers.emplace_back([&, w] {
      try {
        PgSession session = source.session();
        const std::string one = "(SELECT ctid FROM shop.entry WHERE a = " + std::to_string(w) +
                                " LIMIT 1 FOR UPDATE SKIP LOCKED)";
        while (!stop) {
          session.sql("INSERT INTO shop.entry VALUES (" + std::to_string(w) +
                      ", 'new', '[]', 0.1, NULL, NULL, NULL), (" + std::to_string(w) +
                      ", 'new', '[]', 0.1, NULL, NULL, NULL)");
          session.sql("UPDATE shop.entry SET a = a + 1, d = 'NaN' WHERE ctid IN " + one);
          session.sql("DELETE FROM shop.entry WHERE ctid IN " + one);
        }
      } catch (const std::exception& e) {
        errors[w] = e.what();
      }
    });
  }
  const TaskRun::Result started = task.start("");
  INFO(started.text());
  REQUIRE(started.code == 0);
  pid_t last = -1;
  for (int i = 0; i < 4; ++i) {
    pid_t worker = -1;
    REQUIRE(task.await([&] {
      worker = task.worker();
      return worker > 0 && worker != last;
    }));
    const auto moment = std::chrono::steady_clock::now() + milliseconds(100 + 300 * i);
    task.await([&] { return std::chrono::steady_clock::now() >= moment; });
    last = task.kill_worker();
  }
  REQUIRE(task.await([&] { return task.status()["stage"] == "incremental"; }));
  const std::string early = set_pg_mark(source);
  REQUIRE(task.await([&] { return get_pg_mark(target) == early; }));
  stop = true;
  for (std::thread& writer : writers) writer.join();
  for (const std::string& error : errors) CHECK(error == "");
  const std::string mark = set_pg_mark(source);
  REQUIRE(task.await([&] { return get_pg_mark(target) == mark; }));
  CHECK(pg_differences(source, target) == "");
  // The slot of the snapshot went with the copy.
  CHECK(source.value("SELECT string_agg(slot_name, ' ') FROM pg_replication_slots") == "weir_shop");
  CHECK(target.value("SELECT since_offset <> '' FROM weir.weir_table WHERE source_table = "
                     "'entry'") == "t");
}

TEST_CASE("PostgreSQL: keys of every type are read in chunks, in the server's own order",
          "[server][pgsource]") {
  TempPostgres source;
  TempPostgres target;
  source.sql("ALTER ROLE weir SUPERUSER");
  PgSession owner = source.session();
  const std::vector<std::pair<const char*, const char*>> keys = {
      {"bigint", "i * 7 - 50000"},
      {"text COLLATE \"C\"", "md5(i::text) || E'\\t\\\\'"},
      {"text COLLATE folded", "CASE WHEN i % 2 = 0 THEN 'X' ELSE 'x' END || i"},
      {"uuid", "md5(i::text)::uuid"},
      {"numeric", "CASE WHEN i = 3 THEN 'NaN' ELSE i / 7.0 END"},
      {"double precision", "CASE WHEN i = 3 THEN 'NaN' ELSE sqrt(i) END"},
      {"timestamptz", "timestamptz '2026-01-01 BC' + i * interval '1 day 0.25 s'"},
      {"date", "CASE WHEN i = 3 THEN '-infinity' ELSE date '2026-01-01' + i END"},
      {"interval", "i * interval '1 mon -1 s'"},
      {"bytea", "decode(md5(i::text), 'hex')"},
      {"boolean", "i % 2 = 0"},
      {"inet", "inet '10.0.0.0' + i"},
      {"bit(16)", "i::bit(16)"},
      {"int[]", "ARRAY[i % 50, i]"},
      {"int4range", "int4range(i, i + 2)"},
      {"types.color", "(ARRAY['red', 'green', 'blue']::types.color[])[i % 3 + 1]"},
      {"types.code", "'c' || i"},
      {"citext", "'c' || i"},
      {"jsonb", "jsonb_build_object('a', i)"},
      {"char(12)", "i || ' '"},
      {"\"char\"", "chr(65 + i % 26)"},
      {"money", "i::money"},
  };
  owner.sql(
      "CREATE EXTENSION citext; CREATE SCHEMA types; CREATE TYPE types.color AS ENUM ('red', "
      "'green', 'blue'); CREATE DOMAIN types.code AS varchar(20); CREATE COLLATION folded "
      "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
  constexpr int kRows = 3000;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string table = "types.t" + std::to_string(i);
    owner.sql("CREATE TABLE " + table + " (k " + keys[i].first +
              ", n int, v text, PRIMARY KEY (k, n))");
    owner.sql("INSERT INTO " + table + " SELECT " + keys[i].second +
              ", i, 'v' || i FROM generate_series(1, " + std::to_string(kRows) + ") AS i");
    owner.sql("ANALYZE " + table);
  }
  // Small chunks, and several ranges for each table.
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"types.*\"\n[full]\nchunk_rows = 130\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  CHECK(pg_differences(source, target, "types") == "");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    INFO(keys[i].first);
    const std::string where =
        " FROM weir.weir_range WHERE source_table = 't" + std::to_string(i) + '\'';
    CHECK(target.value("SELECT sum(row_count)" + where) == std::to_string(kRows));
    const bool foreign = std::string(keys[i].first) == "citext";
    CHECK(target.value("SELECT bool_or(whole)" + where) == (foreign ? "t" : "f"));
  }
  CHECK(std::stoi(target.value("SELECT count(*) FROM weir.weir_range WHERE source_table = 't3'")) >
        2);
}
