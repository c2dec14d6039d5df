// SPDX-License-Identifier: Apache-2.0
// MySQL and MariaDB as the target, compared by SQL of both servers that weir did not write.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/type_samples.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/onlooker.h"
#include "support/seed.h"
#include "support/shop_load.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

constexpr int kRefused = 4;

/// Neither in UTC, nor a whole number of hours away from it.
const std::vector<std::string> kArgs = {"--default-time-zone=+05:45", "--max-allowed-packet=128M",
                                        "--local-infile=ON"};
const std::string kShop = "[[table]]\nmatch = \"shop.*\"\n[failover]\nlimit = 0\n";
const std::string kStopTask = "[dirty]\npolicy = \"stop-task\"\n";

bool is_mariadb(MySqlSession& session) {
  return session.value("SELECT version()").find("MariaDB") != std::string::npos;
}

MySqlSession in_utc(const MySqlServer& server) {
  MySqlSession session = server.session();
  session.sql("SET NAMES utf8mb4; SET time_zone = '+00:00'");
  return session;
}

/// The rows of shop.mark arrive behind all that was committed before.
void wait_for_mark(TaskRun& task, MySqlSession& source, const MySqlServer& target) {
  const std::string mark = set_mark(source);
  REQUIRE(task.await([&] { return get_mark(target) == mark; }));
}

void make_mark(MySqlServer& source) {
  source.sql(
      "CREATE DATABASE IF NOT EXISTS shop; CREATE TABLE shop.mark (id INT PRIMARY KEY, n BIGINT "
      "NOT NULL); INSERT INTO shop.mark VALUES (1, 0)");
}

/// Two servers, the source with a mark, and a session on each.
struct TwoMariaDbs {
  explicit TwoMariaDbs(std::vector<std::string> source_args = {},
                       std::vector<std::string> target_args = {})
      : source({.args = std::move(source_args)}), target({.args = std::move(target_args)}) {
    make_mark(source);
  }

  TempMariaDb source;
  TempMariaDb target;
  MySqlSession writer = source.session();
  MySqlSession reader = target.session();
};

void start(TaskRun& task, std::string_view goal = "caught-up") {
  const TaskRun::Result started = task.start(goal);
  INFO(started.text());
  REQUIRE(started.code == 0);
}

std::string cut(const std::string& text) {
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

std::vector<std::string> type_differences(MySqlSession& source, MySqlSession& target,
                                          const SampleTable& table) {
  const auto query = [&table](bool mariadb) {
    std::string sql = "SELECT id";
    for (const SampleColumn& column : table.columns) {
      std::string text = on_source(column, mariadb);
      // A JSON document travels as text, in which MySQL's DECIMAL is a number like any other.
      if (table.name == "documents" && !mariadb) {
        const std::string name = "CONVERT(`" + column.name + "` USING utf8mb4)";
        for (std::size_t at = text.find(name); at != std::string::npos;) {
          const std::string again = "CONVERT(CAST(" + name + " AS JSON) USING utf8mb4)";
          text.replace(at, name.size(), again);
          at = text.find(name, at + again.size());
        }
      }
      sql += ", " + text;
    }
    return sql + fmt::format(" FROM shop.{} ORDER BY id", table.name);
  };
  const Rows expected = source.query(query(is_mariadb(source)));
  const Rows found = target.query(query(is_mariadb(target)));
  std::vector<std::string> out;
  if (expected.size() != found.size()) {
    out.push_back(fmt::format("{}: {} rows, not {}", table.name, found.size(), expected.size()));
  }
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    // An expression that always gives NULL would find everything equal.
    if (std::none_of(expected.begin(), expected.end(),
                     [i](const auto& row) { return row[i + 1] != "NULL"; })) {
      out.push_back(fmt::format("{}.{}: no values", table.name, table.columns[i].name));
    }
  }
  for (std::size_t row = 0; row < std::min(expected.size(), found.size()); ++row) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const Form form = table.columns[i].form;
      const std::string want = canonical(form, expected[row][i + 1]);
      const std::string have = canonical(form, found[row][i + 1]);
      if (want == have) continue;
      out.push_back(fmt::format("{}.{} id {}: target {}, source {}", table.name,
                                table.columns[i].name, found[row][0], cut(have), cut(want)));
    }
  }
  return out;
}

void check_none(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) UNSCOPED_INFO(line);
  CHECK(lines.empty());
}

/// Names, types, character sets and all else that a catalogue says of the columns of shop.
Rows definitions(MySqlSession& session) {
  return session.query(
      "SELECT table_name, column_name, ordinal_position, column_type, character_set_name, "
      "collation_name, is_nullable, column_default, extra, column_comment FROM "
      "information_schema.columns WHERE table_schema = 'shop' AND table_name NOT IN ('computed', "
      "'old_moments') ORDER BY 1, 3");
}

/// Every type at its extremes through both stages; `without` are tables that the target's server
/// has no room for.
void check_types(MySqlServer& source, MySqlServer& target, const std::set<std::string>& without,
                 const std::vector<std::string>& expected) {
  MySqlSession writer = in_utc(source);
  MySqlSession reader = in_utc(target);
  make_mark(source);
  std::vector<SampleTable> tables = type_samples(source);
  std::erase_if(tables, [&](const SampleTable& table) { return without.contains(table.name); });
  for (const std::string& name : expected) {
    INFO(name);
    CHECK(std::any_of(tables.begin(), tables.end(),
                      [&](const SampleTable& table) { return table.name == name; }));
  }
  for (const SampleTable& table : tables) {
    if (table.old_temporal) writer.sql("SET GLOBAL mysql56_temporal_format = OFF");
    writer.sql(create_statement("shop", table));
    if (table.old_temporal) writer.sql("SET GLOBAL mysql56_temporal_format = ON");
    writer.sql(insert_statements("shop", table, 1000));
    writer.sql(insert_statements("shop", table, 3000, 1));
  }
  TaskRun task(source, target, {.rest = kShop});
  start(task);
  for (const SampleTable& table : tables) {
    INFO(table.name);
    check_none(type_differences(writer, reader, table));
  }
  for (const SampleTable& table : tables) {
    writer.sql(insert_statements("shop", table, 2000));
    writer.sql(update_statements("shop", table, 3000));
  }
  wait_for_mark(task, writer, target);
  for (const SampleTable& table : tables) {
    INFO(table.name);
    CHECK(reader.value("SELECT COUNT(*) FROM shop." + table.name) ==
          std::to_string(3 * table.rows()));
    check_none(type_differences(writer, reader, table));
  }
  if (is_mariadb(writer) == is_mariadb(reader)) {
    CHECK(definitions(writer) == definitions(reader));
  }
  CHECK(task.stop().code == 0);

  // A comparison that sees nothing would pass all of the above.
  reader.sql("UPDATE shop.integers SET big = big + 1 WHERE id = 2000");
  const auto integers = std::find_if(tables.begin(), tables.end(),
                                     [](const SampleTable& t) { return t.name == "integers"; });
  REQUIRE(integers != tables.end());
  CHECK(type_differences(writer, reader, *integers).size() == 1);
}

void check_keys(MySqlServer& source, MySqlServer& target, const std::set<std::string>& without) {
  MySqlSession writer = in_utc(source);
  MySqlSession reader = in_utc(target);
  make_mark(source);
  std::vector<SampleTable> tables = key_samples(source);
  std::erase_if(tables, [&](const SampleTable& table) { return without.contains(table.name); });
  const auto insert = [&](const SampleTable& table, std::size_t row) {
    writer.sql(fmt::format("INSERT INTO shop.{} VALUES ({}, {}, {})", table.name, row,
                           table.columns[0].values[row], row));
  };
  for (const SampleTable& table : tables) {
    // The second unique index is what makes the applier delete before it inserts.
    const std::string unique = table.name.size() % 2 == 0 ? ", UNIQUE (id)" : "";
    writer.sql(fmt::format("CREATE TABLE shop.{} (id INT NOT NULL, k {} PRIMARY KEY, v INT{})",
                           table.name, table.columns[0].definition, unique));
    for (std::size_t row = 0; row < 3; ++row) insert(table, row);
  }
  TaskRun task(source, target, {.rest = kShop + "[full]\nchunk_rows = 2\n"});
  start(task);
  for (const SampleTable& table : tables) check_none(type_differences(writer, reader, table));
  for (const SampleTable& table : tables) {
    const std::string name = "shop." + table.name;
    const std::vector<std::string>& keys = table.columns[0].values;
    for (std::size_t row = 3; row + 1 < keys.size(); ++row) insert(table, row);
    writer.sql(fmt::format("UPDATE {} SET v = v + 100 WHERE id <> 1", name));
    writer.sql(fmt::format("DELETE FROM {} WHERE id = 1", name));
    writer.sql(fmt::format("UPDATE {} SET k = {} WHERE id = 2", name, keys.back()));
  }
  wait_for_mark(task, writer, target);
  for (const SampleTable& table : tables) {
    CHECK(reader.value("SELECT COUNT(*) FROM shop." + table.name) ==
          std::to_string(table.columns[0].values.size() - 2));
    check_none(type_differences(writer, reader, table));
  }
  CHECK(task.stop().code == 0);
}

/// What an onlooker sees in one snapshot.
Sight both_sums(MySqlSession& session) {
  session.sql("START TRANSACTION WITH CONSISTENT SNAPSHOT");
  Sight sight = two_sums(session, "shop.plus", "shop.minus");
  session.sql("COMMIT");
  return sight;
}

/// Kills the worker at random moments of both stages, under writers.
void check_kills(MySqlServer& source, MySqlServer& target, int kills) {
  const std::uint64_t seed = choose_seed();
  WARN("WEIR_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  ShopLoad load(source, {.seed = seed, .items = 6000});
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "shop.*"
[full]
chunk_rows = 200
rate_limit = "2500 rows/s"
[failover]
limit = 1000
)"});
  load.start();
  start(task, "");
  pid_t last = -1;
  int in_full = 0;
  int in_incremental = 0;
  const auto stage_is = [&task](weir::Stage stage) {
    const auto row = weir::open_state(task.state_dir(), true)->task(task.name());
    return row && row->state == weir::TaskState::running && row->stage == stage;
  };
  std::optional<Onlooker> onlooker;
  const auto repeatable = [&target] {
    MySqlSession session = target.session();
    session.sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    return session;
  };
  for (int i = 0; i < kills; ++i) {
    pid_t worker = -1;
    REQUIRE(task.await([&] {
      worker = task.worker();
      return worker > 0 && worker != last;
    }));
    last = worker;
    // Each stage gets its share.
    if (in_full > kills / 3) {
      REQUIRE(task.await([&] { return stage_is(weir::Stage::incremental); }));
    }
    const auto moment = std::chrono::steady_clock::now() +
                        std::chrono::milliseconds(static_cast<std::int64_t>(random() % 1500));
    task.await([&] { return std::chrono::steady_clock::now() >= moment; });
    const bool applies = stage_is(weir::Stage::incremental);
    if (stage_is(weir::Stage::full)) ++in_full;
    if (applies) ++in_incremental;
    CHECK(task.kill_worker() == worker);
    // The wait before the next worker doubles with each kill, until there is a new supervisor.
    if (i % 3 == 2) {
      const pid_t supervisor = task.kill_supervisor();
      REQUIRE(eventually([&] { return task.supervisor() != supervisor; }));
      start(task, "");
    }
    if (!onlooker && applies &&
        target.value("SELECT MIN(unique_done) FROM weir.weir_table") == "1") {
      onlooker.emplace(repeatable, both_sums);
    }
  }
  REQUIRE(task.await([&] {
    return target.value("SELECT COALESCE(MIN(unique_done), 0) FROM weir.weir_table") == "1";
  }));
  // On a slow machine the kills may have left it no time.
  if (!onlooker) onlooker.emplace(repeatable, both_sums);
  std::set<std::string> states;
  REQUIRE(task.await([&] {
    states.insert(target.value("SELECT SUM(n) FROM shop.plus"));
    return states.size() > 15;
  }));
  load.stop();
  MySqlSession writer = source.session();
  wait_for_mark(task, writer, target);
  if (onlooker) CHECK(onlooker->stop() == "");
  WARN("kills: " << in_full << " in full, " << in_incremental << " in incremental; "
                 << load.commits() << " commits; " << (onlooker ? onlooker->states() : 0)
                 << " states seen");
  MySqlSession reader = target.session();
  CHECK(differences(writer, reader) == "");
  CHECK(reader.value("SELECT SUM(n) FROM shop.plus") == std::to_string(load.commits()));
  CHECK(in_full > 2);
  CHECK(in_incremental > 2);
  CHECK(onlooker);
  CHECK((!onlooker || onlooker->states() > 10));
  CHECK(load.commits() > 500);
  CHECK(task.stop().code == 0);
}

}  // namespace

TEST_CASE("every type of MariaDB comes to a MariaDB as it is", "[mysqltarget][server]") {
  TempMariaDb source({.args = kArgs});
  TempMariaDb target({.args = kArgs});
  check_types(source, target, {}, {"addresses", "compressed", "strings"});
}

TEST_CASE("every type of MySQL 9 comes to a MySQL 9 as it is", "[mysqltarget][server][bootstrap]") {
  TempMySql source({.args = kArgs});
  TempMySql target({.args = kArgs});
  check_types(source, target, {}, {"documents", "vectors", "strings"});
}

TEST_CASE("the types of MariaDB find their place in MySQL 9", "[mysqltarget][server][bootstrap]") {
  TempMariaDb source({.args = kArgs});
  TempMySql target({.args = kArgs});
  // MySQL writes JSON its own way, and its TIME ends a second earlier.
  check_types(source, target, {"documents", "moments", "old_moments"}, {"addresses", "strings"});
}

TEST_CASE("keys of every type find their rows on a MariaDB", "[mysqltarget][server]") {
  TempMariaDb source({.args = kArgs});
  TempMariaDb target({.args = kArgs});
  check_keys(source, target, {});
}

TEST_CASE("keys of every type find their rows on a MySQL 9", "[mysqltarget][server][bootstrap]") {
  TempMySql source({.args = kArgs});
  TempMySql target({.args = kArgs});
  check_keys(source, target, {});
}

TEST_CASE("a worker that writes to MariaDB may be killed at any moment", "[mysqltarget][server]") {
  TempMariaDb source;
  TempMariaDb target({.args = kArgs});
  check_kills(source, target, 20);
}

TEST_CASE("a worker that writes to MySQL 9 may be killed at any moment",
          "[mysqltarget][server][bootstrap]") {
  TempMySql source;
  TempMySql target({.args = kArgs});
  check_kills(source, target, 16);
}

TEST_CASE("dates of no calendar are kept where the task says so", "[mysqltarget][server]") {
  TempMariaDb source({.args = kArgs});
  TempMariaDb target({.args = kArgs});
  make_mark(source);
  MySqlSession writer = in_utc(source);
  MySqlSession reader = in_utc(target);
  const SampleTable table = zero_date_samples();
  writer.sql(create_statement("shop", table));
  writer.sql(insert_statements("shop", table, 1000));
  TaskRun task(source, target, {.rest = kShop + "[types]\nzero_dates = \"keep\"\n"});
  start(task);
  writer.sql(insert_statements("shop", table, 2000));
  wait_for_mark(task, writer, target);
  CHECK(reader.value("SELECT COUNT(*) FROM shop.zero_dates") == std::to_string(2 * table.rows()));
  check_none(type_differences(writer, reader, table));
  CHECK(task.stop().code == 0);
}

TEST_CASE("unique values change hands within a batch on MariaDB", "[mysqltarget][server]") {
  auto [source, target, writer, reader] = TwoMariaDbs();
  writer.sql(
      "CREATE TABLE shop.seat (id INT PRIMARY KEY, a INT NOT NULL UNIQUE, b VARCHAR(20) UNIQUE, n "
      "INT NOT NULL DEFAULT 0); INSERT INTO shop.seat (id, a, b) VALUES (1, 10, 'x'), (2, 20, "
      "'y'), (3, 30, NULL), (4, 40, 'z')");
  TaskRun task(source, target, {.rest = kShop});
  start(task);
  REQUIRE(reader.value("SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics WHERE "
                       "table_schema = 'shop' AND table_name = 'seat' AND non_unique = 0") == "3");
  const auto all = [](MySqlSession& session) {
    return session.query("SELECT * FROM shop.seat ORDER BY id");
  };
  const auto check_same = [&] {
    wait_for_mark(task, writer, target);
    CHECK(all(reader) == all(writer));
  };
  // One transaction.
  writer.sql(
      "BEGIN; UPDATE shop.seat SET a = -1, b = NULL WHERE id = 1; UPDATE shop.seat SET a = 10, b = "
      "'x' WHERE id = 2; UPDATE shop.seat SET a = 20, b = 'y' WHERE id = 1; COMMIT");
  check_same();
  // Values that leave with one row and come with another, and keys that swap.
  writer.sql(
      "BEGIN; DELETE FROM shop.seat WHERE id = 4; INSERT INTO shop.seat (id, a, b) VALUES (5, 40, "
      "'z'); UPDATE shop.seat SET id = -1 WHERE id = 1; UPDATE shop.seat SET id = 1 WHERE id = 2; "
      "UPDATE shop.seat SET id = 2 WHERE id = -1; COMMIT");
  check_same();
  // Many transactions that come in one batch.
  REQUIRE(task.stop().code == 0);
  for (int i = 0; i < 50; ++i) {
    writer.sql(
        "BEGIN; SELECT a INTO @a FROM shop.seat WHERE id = 1; SELECT a INTO @b FROM shop.seat "
        "WHERE "
        "id = 3; UPDATE shop.seat SET a = -5 WHERE id = 1; UPDATE shop.seat SET a = @a, n = n + 1 "
        "WHERE id = 3; UPDATE shop.seat SET a = @b, n = n + 1 WHERE id = 1; COMMIT");
    writer.sql(fmt::format("INSERT INTO shop.seat (id, a) VALUES ({0}, {0})", 100 + i));
    if (i > 0) writer.sql(fmt::format("UPDATE shop.seat SET a = a + 1000 WHERE id = {}", 99 + i));
    if (i % 3 == 2) writer.sql(fmt::format("DELETE FROM shop.seat WHERE id = {}", 98 + i));
  }
  start(task);
  check_same();
  CHECK(task.stop().code == 0);
}

TEST_CASE("rows come by INSERT where LOAD DATA LOCAL is off", "[mysqltarget][server]") {
  auto [source, target, writer, reader] =
      TwoMariaDbs({"--max-allowed-packet=64M"}, {"--local-infile=OFF", "--max-allowed-packet=8M"});
  writer.sql(
      "CREATE TABLE shop.big (id INT PRIMARY KEY, t LONGTEXT, b LONGBLOB, d DOUBLE, f FLOAT, at "
      "DATETIME(6)); INSERT INTO shop.big SELECT seq, REPEAT('it''s \\\\ \\n \xc3\xa9', seq * 10), "
      "REPEAT(X'00275C0AFF', seq * 20), seq / 3, seq / 7, NOW(6) FROM shop.seq_1_to_3000; INSERT "
      "INTO shop.big VALUES (5000, REPEAT('a', 3000000), NULL, -0e0, 3.402823466e38, NULL), (5001, "
      "'', X'', 1e308, 1e-45, '2026-01-01')");
  TaskRun task(source, target, {.rest = kShop + kStopTask});
  const TaskRun::Result checked = task.run({"preflight", task.file()});
  CHECK_THAT(checked.out + checked.err, Catch::Contains("mysql-target.local-infile"));
  start(task);
  const auto digest = [](MySqlSession& session) {
    session.sql("SET SESSION group_concat_max_len = 10000000");
    return session.value(
        "SELECT MD5(GROUP_CONCAT(CONCAT_WS('|', id, MD5(t), MD5(b), d * 1e0, f * 1e0, at) ORDER BY "
        "id)) FROM shop.big");
  };
  CHECK(digest(reader) == digest(writer));

  // A row that no message has room for.
  writer.sql("INSERT INTO shop.big (id, t) VALUES (6000, REPEAT('x', 9000000))");
  REQUIRE(eventually([&] { return task.supervisor() < 0; }));
  const nlohmann::json status = task.status();
  CHECK(status["error"]["id"] == "mysql-target.row-too-large");
  CHECK_THAT(status["error"]["what"].get<std::string>(), Catch::Contains("id = 6000"));
  target.sql("SET GLOBAL max_allowed_packet = 67108864");
  start(task);
  wait_for_mark(task, writer, target);
  CHECK(digest(reader) == digest(writer));
}

TEST_CASE("a row that MySQL does not take is named in either stage", "[mysqltarget][server]") {
  const std::string local = GENERATE("ON", "OFF");
  auto [source, target, writer, reader] = TwoMariaDbs({}, {"--local-infile=" + local});
  writer.sql(
      "CREATE TABLE shop.item (id INT PRIMARY KEY, n INT, word VARCHAR(50)); INSERT INTO shop.item "
      "SELECT seq, seq, 'w' FROM shop.seq_1_to_1000");
  struct Case {
    const char* change;
    const char* back;
    const char* key;
    const char* column;
  };
  const Case cases[] = {
      {"UPDATE shop.item SET n = 70000 WHERE id = 777", "UPDATE shop.item SET n = 7 WHERE id = 777",
       "id = 777", "'n'"},
      {"UPDATE shop.item SET word = REPEAT('x', 11) WHERE id = 42",
       "UPDATE shop.item SET word = 'w' WHERE id = 42", "id = 42", "'word'"},
  };
  const std::string narrow =
      "[[table]]\nmatch = \"shop.item\"\ncolumns = { type = { n = \"smallint\", word = "
      "\"varchar(10)\" } }\n" +
      kShop + kStopTask;
  for (const Case& each : cases) {
    INFO(each.change);
    writer.sql(each.change);
    TaskRun task(source, target, {.name = "full", .rest = narrow});
    const TaskRun::Result refused = task.start();
    INFO(refused.text());
    CHECK(refused.code == kRefused);
    CHECK_THAT(refused.err, Catch::Contains("mysql-target.row-refused") &&
                                Catch::Contains("shop.item") && Catch::Contains(each.key) &&
                                Catch::Contains(each.column));
    CHECK(reader.value("SELECT COUNT(*) FROM shop.item") == "0");
    writer.sql(each.back);
    target.sql("DROP DATABASE shop; DROP DATABASE weir");
  }
  TaskRun task(source, target, {.name = "incremental", .rest = narrow});
  start(task);
  for (const Case& each : cases) {
    INFO(each.change);
    writer.sql("BEGIN");
    writer.sql("UPDATE shop.item SET n = -1 WHERE id < 10");
    writer.sql(each.change);
    writer.sql("COMMIT");
    REQUIRE(eventually([&] { return task.supervisor() < 0; }));
    const nlohmann::json error = task.status()["error"];
    INFO(error.dump(2));
    CHECK(error["id"] == "mysql-target.row-refused");
    CHECK_THAT(error["what"].get<std::string>(), Catch::Contains("shop.item") &&
                                                     Catch::Contains(each.key) &&
                                                     Catch::Contains(each.column));
    // Nothing of the transaction is there.
    CHECK(reader.value("SELECT COUNT(*) FROM shop.item WHERE n = -1") == "0");
    reader.sql("ALTER TABLE shop.item MODIFY n INT, MODIFY word VARCHAR(50)");
    start(task);
    wait_for_mark(task, writer, target);
    CHECK(reader.value("SELECT COUNT(*) FROM shop.item WHERE n = -1") == "9");
    REQUIRE(task.stop().code == 0);
    writer.sql(each.back);
    writer.sql("UPDATE shop.item SET n = 0 WHERE id < 10");
    start(task);
    wait_for_mark(task, writer, target);
    reader.sql("ALTER TABLE shop.item MODIFY n SMALLINT, MODIFY word VARCHAR(10)");
  }
}

TEST_CASE("what stands in the way on the target is found beforehand", "[mysqltarget][server]") {
  TempMariaDb source;
  TempMariaDb target({.args = {"--local-infile=ON"}});
  make_mark(source);
  source.sql(
      "CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100), note TEXT); INSERT INTO "
      "shop.item VALUES (1, 'a', 'b'); CREATE TABLE shop.loose (note TEXT NOT NULL, n INT)");
  std::string rest = "[[table]]\nmatch = \"shop.item\"\n";
  struct Case {
    const char* sql;
    const char* id;
  };
  const auto [sql, id] = GENERATE(values<Case>({
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100), note "
       "TEXT); INSERT INTO shop.item VALUES (5, '', '')",
       "mysql-target.table-not-empty"},
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(99), note "
       "TEXT)",
       "mysql-target.type-narrow"},
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word INT, note TEXT)",
       "mysql-target.type-other"},
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100))",
       "mysql-target.column-missing"},
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT, word VARCHAR(100), note TEXT)",
       "mysql-target.key-missing"},
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100), note "
       "TEXT, other INT NOT NULL)",
       "mysql-target.column-unfilled"},
      {"CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100), note "
       "TEXT) ENGINE = MyISAM",
       "mysql-target.engine"},
      {"CREATE DATABASE shop; CREATE VIEW shop.item AS SELECT 1 AS id, 'a' AS word, 'b' AS note",
       "mysql-target.not-a-table"},
      {"SET GLOBAL read_only = ON", "mysql-target.read-only"},
      {"REVOKE ALL PRIVILEGES, GRANT OPTION FROM weir@'%'; GRANT ALL ON weir.* TO weir@'%'",
       "mysql-target.create-denied"},
      {"REVOKE ALL PRIVILEGES, GRANT OPTION FROM weir@'%'; GRANT ALL ON shop.* TO weir@'%'",
       "mysql-target.control-schema"},
      {"SET @nothing = 1", "mysql-target.key-without-length"},
  }));
  INFO(id);
  if (std::string(id) == "mysql-target.key-without-length") {
    rest = "[[table]]\nmatch = \"shop.loose\"\nkey = [\"note\"]\n";
  }
  target.sql(sql);
  TaskRun task(source, target, {.rest = rest});
  const TaskRun::Result refused = task.start();
  INFO(refused.text());
  CHECK(refused.code == kRefused);
  CHECK_THAT(refused.err, Catch::Contains(id));
  CHECK(target.value("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = "
                     "'weir'") == "0");
}

TEST_CASE("existing tables are appended to, emptied or replaced", "[mysqltarget][server]") {
  TempMariaDb source;
  TempMariaDb target;
  make_mark(source);
  source.sql(
      "CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100)); INSERT INTO shop.item "
      "VALUES (1, 'a'), (2, 'b')");
  target.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100), extra "
      "INT); INSERT INTO shop.item VALUES (7, 'old', 7)");
  const std::string policy = GENERATE("append", "truncate", "replace");
  INFO(policy);
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.*\"\nexisting = \"" + policy + "\"\n"});
  start(task);
  MySqlSession reader = target.session();
  const std::string rows = reader.value("SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.item");
  const std::string columns = reader.value(
      "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'shop' AND table_name "
      "= 'item'");
  CHECK(rows == (policy == "append" ? "1,2,7" : "1,2"));
  CHECK(columns == (policy == "replace" ? "2" : "3"));
  CHECK(task.stop().code == 0);
}

TEST_CASE("a row that is there already stops an append by name", "[mysqltarget][server]") {
  TempMariaDb source;
  TempMariaDb target({.args = {"--local-infile=ON"}});
  make_mark(source);
  source.sql(
      "CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100)); INSERT INTO shop.item "
      "VALUES (1, 'a'), (7, 'b')");
  target.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, word VARCHAR(100)); "
      "INSERT INTO shop.item VALUES (7, 'old')");
  TaskRun task(
      source, target,
      {.rest = "[[table]]\nmatch = \"shop.*\"\nexisting = \"append\"\n[failover]\nlimit = 0\n"});
  const TaskRun::Result refused = task.start();
  INFO(refused.text());
  CHECK(refused.code == kRefused);
  CHECK_THAT(refused.err, Catch::Contains("mysql-target.row-refused"));
  CHECK(target.value("SELECT GROUP_CONCAT(CONCAT(id, word)) FROM shop.item") == "7old");
}

TEST_CASE("TRUNCATE, soft deletes and added columns reach a MariaDB", "[mysqltarget][server]") {
  auto [source, target, writer, reader] = TwoMariaDbs();
  writer.sql(
      "CREATE TABLE shop.log (id INT AUTO_INCREMENT PRIMARY KEY, x INT); INSERT INTO shop.log (x) "
      "VALUES (1), (2); CREATE TABLE shop.item (a INT, b VARCHAR(10), v INT, PRIMARY KEY (a, b)); "
      "INSERT INTO shop.item VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 3)");
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "shop.item"
deletes = "soft:gone"
add_columns = { _from = "{database}.{table}", _at = "{execute_time}" }
[[table]]
match = "shop.*"
)"});
  start(task);
  CHECK(reader.value("SELECT COUNT(*) FROM shop.item WHERE _from = 'shop.item' AND _at > "
                     "'2020-01-01' AND gone IS NULL") == "3");
  CHECK(reader.value("SELECT extra FROM information_schema.columns WHERE table_schema = 'shop' AND "
                     "table_name = 'log' AND column_name = 'id'") == "auto_increment");
  writer.sql(
      "DELETE FROM shop.item WHERE a = 1 AND b = 'y'; UPDATE shop.item SET v = 9 WHERE a = 2");
  wait_for_mark(task, writer, target);
  CHECK(reader.value("SELECT GROUP_CONCAT(a, b) FROM shop.item WHERE gone IS NOT NULL") == "1y");
  CHECK(reader.value("SELECT v FROM shop.item WHERE a = 2") == "9");
  writer.sql("TRUNCATE TABLE shop.log; INSERT INTO shop.log (x) VALUES (3)");
  wait_for_mark(task, writer, target);
  CHECK(reader.query("SELECT * FROM shop.log") == writer.query("SELECT * FROM shop.log"));
  CHECK(task.stop().code == 0);
}

TEST_CASE("tables without a key come to a MariaDB as often as their rows are there",
          "[mysqltarget][server]") {
  auto [source, target, writer, reader] = TwoMariaDbs({}, {"--local-infile=ON"});
  writer.sql(
      "CREATE TABLE shop.bag (a INT, b VARCHAR(20) COLLATE utf8mb4_general_ci, f FLOAT, x "
      "VARBINARY(20), j JSON, t TIMESTAMP(3) NULL, KEY (a)); INSERT INTO shop.bag SELECT seq MOD "
      "7, ELT(1 + seq MOD 3, 'a', 'A', NULL), seq MOD 4 / 7, X'00FF27', '{\"k\": [1]}', "
      "'2026-01-02 03:04:05.678' FROM shop.seq_1_to_300");
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.bag\"\nkey = \"all-columns\"\n" + kShop});
  start(task);
  const auto all = [](MySqlSession& session) {
    return session.query(
        "SELECT a, HEX(b), f * 1e0, HEX(x), j, t, COUNT(*) FROM shop.bag GROUP BY 1, 2, 3, 4, 5, 6 "
        "ORDER BY 1, 2, 3, 4, 5, 6");
  };
  CHECK(all(reader) == all(writer));
  writer.sql(
      "DELETE FROM shop.bag WHERE b = BINARY 'a' LIMIT 7; UPDATE shop.bag SET b = 'A ' WHERE a = 3 "
      "LIMIT 5; UPDATE shop.bag SET f = f * 3, x = NULL WHERE a = 5 LIMIT 9; INSERT INTO shop.bag "
      "SELECT * FROM shop.bag WHERE a = 1; DELETE FROM shop.bag WHERE b IS NULL LIMIT 11");
  wait_for_mark(task, writer, target);
  CHECK(all(reader) == all(writer));
  CHECK(all(reader).size() > 20);
  CHECK(task.stop().code == 0);
}

TEST_CASE("columns that come and go on the source do so on a MariaDB", "[mysqltarget][server]") {
  auto [source, target, writer, reader] = TwoMariaDbs();
  writer.sql(
      "CREATE TABLE shop.item (id INT PRIMARY KEY, a INT, old VARCHAR(20)); INSERT INTO shop.item "
      "VALUES (1, 1, 'x'), (2, 2, 'y')");
  TaskRun task(source, target,
               {.rest = kShop + "[ddl]\nadd_column = \"apply\"\ndrop_column = \"apply\"\n"
                                "alter_column = \"apply\"\n"});
  start(task);
  writer.sql(
      "ALTER TABLE shop.item ADD COLUMN n INT NOT NULL DEFAULT 7 AFTER id, ADD COLUMN word "
      "VARCHAR(10) CHARACTER SET latin1; INSERT INTO shop.item (id, a, word) VALUES (3, 3, "
      "'\xc3\xa9'); ALTER TABLE shop.item DROP COLUMN old; UPDATE shop.item SET n = 8 WHERE id = "
      "1; "
      "ALTER TABLE shop.item MODIFY a BIGINT NOT NULL; INSERT INTO shop.item VALUES (4, 4, "
      "5000000000, 'w')");
  wait_for_mark(task, writer, target);
  const std::string rows = "SELECT id, n, a, HEX(word) FROM shop.item ORDER BY id";
  CHECK(reader.query(rows) == writer.query(rows));
  const std::string columns =
      "SELECT column_name, column_type, is_nullable, COALESCE(column_default, '-'), "
      "character_set_name FROM information_schema.columns WHERE table_schema = 'shop' AND "
      "table_name = 'item' ORDER BY 1";
  CHECK(reader.query(columns) == writer.query(columns));
  CHECK(task.stop().code == 0);
}

TEST_CASE("a PostgreSQL comes to a MariaDB, and what has no place there is named",
          "[mysqltarget][server]") {
  TempPostgres source;
  TempMariaDb target({.args = {"--local-infile=ON"}});
  source.sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.mark (id int PRIMARY KEY, n bigint NOT NULL); INSERT "
      "INTO shop.mark VALUES (1, 0); CREATE TABLE shop.item (id bigint GENERATED BY DEFAULT AS "
      "IDENTITY PRIMARY KEY, name varchar(50) UNIQUE, note text, n numeric, price numeric(10,2), d "
      "date, at timestamp, tz timestamptz, ok boolean, u uuid, b bytea, j jsonb, list int[], f "
      "float8, r real, t time); INSERT INTO shop.item VALUES (1, 'a', repeat('tab\tquote', 1000), "
      "1.50, -2.25, '2024-02-29', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05+05:45', true, "
      "'123e4567-e89b-12d3-a456-426655440000', decode('00ff275c', 'hex'), '{\"k\": [1, null]}', "
      "'{1,NULL}', "
      "1e-300, 0.1, '12:34:56.5'), (2, 'A', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
      "NULL, NULL, NULL, NULL, NULL); CREATE TABLE shop.loose (note text PRIMARY KEY); GRANT ALL "
      "ON "
      "SCHEMA shop TO weir; GRANT ALL ON ALL TABLES IN SCHEMA shop TO weir; ALTER ROLE weir "
      "REPLICATION; ALTER SCHEMA shop OWNER TO weir; ALTER TABLE shop.item OWNER TO weir; ALTER "
      "TABLE shop.mark OWNER TO weir; ALTER TABLE shop.loose OWNER TO weir");
  TaskRun task(source, target, {.rest = kShop + kStopTask});
  const TaskRun::Result refused = task.start();
  INFO(refused.text());
  CHECK(refused.code == kRefused);
  CHECK_THAT(refused.err,
             Catch::Contains("mysql-target.key-without-length") && Catch::Contains("note"));
  task.rewrite(
      "[[table]]\nmatch = \"shop.loose\"\ncolumns = { type = { note = \"varchar(200)\" } "
      "}\n" +
      kShop + kStopTask);
  start(task);
  MySqlSession reader = target.session();
  const std::string row =
      "SELECT MD5(note), n, price, d, at, tz, ok, u, HEX(b), j, list, f, r * 1e0, t FROM shop.item "
      "WHERE id = 1";
  const Rows first = reader.query(row);
  CHECK(first == Rows{{source.value("SELECT md5(note) FROM shop.item WHERE id = 1"),
                       "1.500000000000000000000000000000", "-2.25", "2024-02-29",
                       "2026-01-02 03:04:05.678901", "2026-01-01 21:19:05.000000", "1",
                       "123e4567-e89b-12d3-a456-426655440000", "00FF275C", "{\"k\": [1, null]}",
                       "{1,NULL}", "1e-300", first[0][12], "12:34:56.500000"}});
  CHECK(std::stof(first[0][12]) == 0.1F);
  // Two names that only their case tells apart are two here as well, and so are two with a space.
  source.sql(
      "INSERT INTO shop.item (id, name) VALUES (3, 'a '); INSERT INTO shop.loose VALUES ('x'), "
      "('X'), ('x '); DELETE FROM shop.loose WHERE note = 'X'; UPDATE shop.item SET price = 1 "
      "WHERE "
      "id = 1; UPDATE shop.mark SET n = 1");
  REQUIRE(task.await([&] { return get_mark(target) == "1"; }));
  CHECK(reader.value("SELECT COUNT(*) FROM shop.item") == "3");
  CHECK(reader.value("SELECT GROUP_CONCAT(HEX(note) ORDER BY HEX(note)) FROM shop.loose") ==
        "78,7820");
  // The large value did not come with the change, and stayed.
  CHECK(reader.value("SELECT CONCAT(price, MD5(note)) FROM shop.item WHERE id = 1") ==
        "1.00" + first[0][0]);

  source.sql("UPDATE shop.item SET n = 'NaN' WHERE id = 2");
  REQUIRE(eventually([&] { return task.supervisor() < 0; }));
  const nlohmann::json error = task.status()["error"];
  INFO(error.dump(2));
  CHECK(error["id"] == "mysql-target.not-a-number");
  CHECK_THAT(error["what"].get<std::string>(),
             Catch::Contains("shop.item column n") && Catch::Contains("id = 2"));
}
