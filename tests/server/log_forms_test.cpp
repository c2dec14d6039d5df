// SPDX-License-Identifier: Apache-2.0
// Every form that a MySQL or MariaDB log can take arrives as the same rows.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

constexpr auto kRules = "[[table]]\nmatch = \"shop.*\"\n";

void make_shop(MySqlServer& source) {
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(100), n INT);"
      "INSERT INTO shop.item VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)");
}

std::string source_rows(MySqlServer& source) {
  return source.value(
      "SELECT GROUP_CONCAT(CONCAT_WS('|', id, IFNULL(name, '-'), IFNULL(n, '-')) ORDER BY id "
      "SEPARATOR ';') "
      "FROM shop.item");
}

std::string target_rows(TempPostgres& target) {
  return target.value(
      "SELECT string_agg(concat_ws('|', id, coalesce(name, '-'), coalesce(n::text, '-')), ';' "
      "ORDER BY id) "
      "FROM shop.item");
}

bool equal(MySqlServer& source, TempPostgres& target) {
  return source_rows(source) == target_rows(target);
}

/// Copies, follows what ordinary sessions do, stops, goes on where it was, and is equal each time.
void follow(MySqlServer& source, TempPostgres& target) {
  make_shop(source);
  TaskRun task(source, target, {.rest = kRules});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  CHECK(equal(source, target));

  source.sql("INSERT INTO shop.item VALUES (4, NULL, NULL), (5, REPEAT('x', 90), 5)");
  source.sql("UPDATE shop.item SET n = n + 100; DELETE FROM shop.item WHERE id = 1");
  source.sql(
      "BEGIN; UPDATE shop.item SET id = 10 WHERE id = 2; INSERT INTO shop.item VALUES (2, 'new', "
      "0); "
      "SAVEPOINT a; DELETE FROM shop.item; ROLLBACK TO a; COMMIT");
  source.sql("BEGIN; INSERT INTO shop.item VALUES (77, 'never', 0); ROLLBACK");
  CHECK(task.await([&] { return equal(source, target); }));

  REQUIRE(task.stop().code == 0);
  source.sql("FLUSH BINARY LOGS; INSERT INTO shop.item SELECT id + 1000, name, n FROM shop.item");
  REQUIRE(task.start().code == 0);
  CHECK(equal(source, target));
  source.sql("TRUNCATE shop.item; INSERT INTO shop.item VALUES (1, 'again', 1)");
  CHECK(task.await([&] { return equal(source, target); }));
  CHECK(target.value("SELECT count(*) FROM shop.item") == "1");
  REQUIRE(task.stop().code == 0);
}

/// Distributed transactions: rows wait for their decision, through a restart too.
void follow_xa(MySqlServer& source, TempPostgres& target) {
  make_shop(source);
  // Rows without a key show when a transaction is applied twice; a changed table, when rows from
  // before the change are read by what it is now.
  source.sql(
      "CREATE TABLE shop.tally (n INT); CREATE TABLE shop.wide (id INT PRIMARY KEY); INSERT INTO "
      "shop.wide VALUES (1)");
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.*\"\nkey = \"all-columns\"\n"});
  REQUIRE(task.start().code == 0);
  {
    MySqlSession first = source.session();
    first.sql(
        "XA START 'kept'; INSERT INTO shop.item VALUES (20, 'xa', 0); XA END 'kept'; XA PREPARE "
        "'kept'");
    MySqlSession second = source.session();
    second.sql(
        "XA START 'gone'; INSERT INTO shop.item VALUES (21, 'xa', 0); XA END 'gone'; XA PREPARE "
        "'gone'");
    MySqlSession third = source.session();
    third.sql(
        "XA START 'once'; INSERT INTO shop.item VALUES (22, 'xa', 0); XA END 'once'; "
        "XA COMMIT 'once' ONE PHASE");
  }
  source.sql(
      "INSERT INTO shop.tally VALUES (1), (1); INSERT INTO shop.wide VALUES (2); ALTER TABLE "
      "shop.wide ADD a INT DEFAULT 5 FIRST; INSERT INTO shop.wide VALUES (6, 3); TRUNCATE "
      "shop.tally; INSERT INTO shop.tally VALUES (2), (2); INSERT INTO shop.item VALUES (30, "
      "'after', 0)");
  CHECK(task.await(
      [&] { return target.value("SELECT count(*) FROM shop.item WHERE id IN (22, 30)") == "2"; }));
  CHECK(target.value("SELECT count(*) FROM shop.item WHERE id IN (20, 21)") == "0");
  task.kill_worker();
  source.sql("INSERT INTO shop.item VALUES (31, 'later', 0)");
  CHECK(task.await(
      [&] { return target.value("SELECT count(*) FROM shop.item WHERE id = 31") == "1"; }));
  CHECK(target.value("SELECT string_agg(n::text, ',') FROM shop.tally") == "2,2");
  CHECK(target.value("SELECT string_agg(id || ':' || a, ',' ORDER BY id) FROM shop.wide") ==
        "1:5,2:5,3:6");
  source.sql("XA COMMIT 'kept'");
  source.sql("XA ROLLBACK 'gone'");
  source.sql("INSERT INTO shop.item VALUES (32, 'last', 0)");
  CHECK(task.await([&] { return equal(source, target); }));
  CHECK(target.value("SELECT count(*) FROM shop.item WHERE id = 20") == "1");
  CHECK(target.value("SELECT count(*) FROM shop.tally") == "2");
  REQUIRE(task.stop().code == 0);
}

}  // namespace

TEST_CASE("a MariaDB log as it comes", "[mysql][server]") {
  TempMariaDb source;
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("a MariaDB log with compressed events and full metadata", "[mysql][server]") {
  TempMariaDb source({.args = {"--log-bin-compress=ON", "--log-bin-compress-min-len=10",
                               "--binlog-row-metadata=FULL", "--binlog-annotate-row-events=ON"}});
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("a MariaDB log without checksums", "[mysql][server]") {
  TempMariaDb source({.args = {"--binlog-checksum=NONE", "--binlog-row-metadata=MINIMAL"}});
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("a transaction whose last row fills the batch ends like any other", "[mysql][server]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.big (id INT PRIMARY KEY, b LONGBLOB);"
      "CREATE TABLE shop.small (id INT PRIMARY KEY)");
  TaskRun task(source, target, {.rest = kRules});
  REQUIRE(task.start().code == 0);
  const auto big = [&] { return target.value("SELECT count(*) FROM shop.big"); };
  source.sql(
      "BEGIN; INSERT INTO shop.small VALUES (1); "
      "INSERT INTO shop.big VALUES (1, REPEAT('x', 9000000)); COMMIT");
  CHECK(task.await([&] { return big() == "1"; }));
  // The end of the large transaction and the barrier come one right after the other.
  source.sql("INSERT INTO shop.big VALUES (2, REPEAT('y', 9000000)); TRUNCATE shop.small");
  CHECK(task.await([&] { return target.value("SELECT count(*) FROM shop.small") == "0"; }));
  CHECK(big() == "2");
  source.sql("INSERT INTO shop.big VALUES (3, REPEAT('z', 9000000))");
  REQUIRE(task.stop().code == 0);
  REQUIRE(task.start().code == 0);
  CHECK(big() == "3");
  CHECK(target.value("SELECT sum(length(b)) FROM shop.big") == "27000000");
}

TEST_CASE("XA transactions on MariaDB", "[mysql][server]") {
  TempMariaDb source;
  TempPostgres target;
  follow_xa(source, target);
}

TEST_CASE("a prepared XA transaction refuses a start", "[mysql][server]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  {
    MySqlSession session = source.session();
    session.sql(
        "XA START 'x'; INSERT INTO shop.item VALUES (20, 'xa', 0); XA END 'x'; XA PREPARE 'x'");
  }
  TaskRun task(source, target, {.rest = kRules});
  const TaskRun::Result refused = task.start();
  CHECK(refused.code == 4);
  CHECK_THAT(refused.err, Catch::Contains("mysql.xa-prepared"));
  source.sql("XA COMMIT 'x'");
  REQUIRE(task.start().code == 0);
  CHECK(equal(source, target));
}

TEST_CASE("MariaDB 11.8, whose events have no positions inside a transaction",
          "[mysql][bootstrap]") {
  TempMariaDb source({.release = TempMariaDb::Release::v11_8});
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("Oracle MySQL by GTID", "[mysql][bootstrap]") {
  TempMySql source;
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("Oracle MySQL by file and position", "[mysql][bootstrap]") {
  TempMySql source({.gtid = false});
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("Oracle MySQL with compressed transactions", "[mysql][bootstrap]") {
  TempMySql source({.args = {"--binlog-transaction-compression=ON", "--binlog-row-metadata=FULL"}});
  TempPostgres target;
  follow(source, target);
}

TEST_CASE("XA transactions on Oracle MySQL", "[mysql][bootstrap]") {
  TempMySql source;
  TempPostgres target;
  follow_xa(source, target);
}

TEST_CASE("tagged GTIDs are followed and resumed", "[mysql][bootstrap]") {
  TempMySql source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = kRules});
  REQUIRE(task.start().code == 0);
  MySqlSession session = source.session();
  session.sql(
      "SET gtid_next = 'AUTOMATIC:weirtag'; INSERT INTO shop.item VALUES (50, 'tagged', 0)");
  CHECK(task.await([&] { return equal(source, target); }));
  REQUIRE(task.stop().code == 0);
  session.sql("INSERT INTO shop.item VALUES (51, 'tagged', 1)");
  const TaskRun::Result resumed = task.start();
  INFO(resumed.text());
  REQUIRE(resumed.code == 0);
  CHECK(equal(source, target));
  CHECK_THAT(task.status().at("offset").get<std::string>(), Catch::Contains("weirtag"));
}

TEST_CASE("partial JSON is refused by name, before and during", "[mysql][bootstrap]") {
  TempMySql source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.doc (id INT PRIMARY KEY, j JSON); INSERT INTO "
      "shop.doc "
      "VALUES (1, '{\"a\": 1, \"b\": \"a long enough text to be worth a difference\"}')");
  TaskRun task(source, target, {.rest = kRules});
  REQUIRE(task.start().code == 0);
  MySqlSession session = source.session();
  session.sql(
      "SET SESSION binlog_row_value_options = 'PARTIAL_JSON'; "
      "UPDATE shop.doc SET j = JSON_SET(j, '$.a', 2)");
  CHECK_THROWS_WITH(task.await([] { return false; }), Catch::Contains("mysql.partial-json"));
  const TaskRun::Result again = task.start("");
  CHECK(again.code == 0);  // accepted: only the log tells that the difference is there
  source.sql("SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'");
  CHECK_THROWS_WITH(task.await([] { return false; }), Catch::Contains("mysql.partial-json"));
  const TaskRun::Result refused = task.start();
  CHECK(refused.code == 4);
  CHECK_THAT(refused.err, Catch::Contains("mysql.partial-json"));
}
