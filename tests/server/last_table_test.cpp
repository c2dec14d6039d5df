// SPDX-License-Identifier: Apache-2.0
// A task of which one table after the other fails, until none is left that goes on.
#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"

using namespace weir::test;

TEST_CASE("lanes: the last table that fails takes the task with it, and each comes back",
          "[lanes][server]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); "
      "CREATE TABLE shop.b (id INT PRIMARY KEY)");
  // Each has a rule of its own, with nothing to do while its table waits.
  TaskRun task(source, target,
               {.rest = "[[table]]\nmatch = \"shop.a\"\n[[table]]\nmatch = \"shop.b\"\n"
                        "target = \"shop.b\"\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  const auto waiting = [&] { return task.status().at("suspended_tables").get<int>(); };
  const auto there = [&](const std::string& table) {
    return target.value("SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM shop." +
                        table);
  };
  const auto resolve = [&](const std::string& table) {
    target.sql("ALTER TABLE shop." + table + " DROP CONSTRAINT above");
    const TaskRun::Result result =
        task.run({"ddl", "resolve", "shop", "--table", "shop." + table, "--retry"});
    INFO(result.text());
    CHECK(result.code == 0);
  };
  target.sql("ALTER TABLE shop.a ADD CONSTRAINT above CHECK (id >= 0)");
  target.sql("ALTER TABLE shop.b ADD CONSTRAINT above CHECK (id >= 0)");

  source.sql("INSERT INTO shop.a VALUES (-1)");
  REQUIRE(task.await([&] { return waiting() == 1; }));
  source.sql("INSERT INTO shop.b VALUES (2)");
  REQUIRE(task.await([&] { return there("b") == "2"; }));
  source.sql("INSERT INTO shop.b VALUES (-2)");
  REQUIRE(eventually([&] { return task.supervisor() < 0; }));
  const nlohmann::json ended = task.status();
  INFO(ended.dump(2));
  CHECK(ended.at("state") == "refused");
  CHECK_THAT(ended.at("error").at("what").get<std::string>(), Catch::Contains("shop.b"));
  CHECK(ended.at("suspended_tables") == 1);

  // As long as something goes on, what fails is left behind.
  resolve("a");
  CHECK(task.start("").code == 0);
  REQUIRE(task.await([&] { return there("a") == "-1"; }));
  REQUIRE(task.await([&] {
    const nlohmann::json status = task.status();
    return status.at("lanes").size() == 1 && status.at("suspended_tables") == 1;
  }));
  source.sql("INSERT INTO shop.a VALUES (3)");
  REQUIRE(task.await([&] { return there("a") == "-1,3"; }));

  resolve("b");
  REQUIRE(task.await([&] { return task.status().at("lanes").empty(); }));
  source.sql("INSERT INTO shop.b VALUES (4)");
  REQUIRE(task.await([&] { return there("b") == "-2,2,4"; }));
  CHECK(task.stop().code == 0);
}

TEST_CASE("lanes: one of the tables that are added fails, and the others join", "[lanes][server]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); "
      "CREATE TABLE shop.b (id INT PRIMARY KEY, w VARCHAR(9)); INSERT INTO shop.b VALUES (1, 'w'); "
      "CREATE TABLE shop.c (id INT PRIMARY KEY, w VARCHAR(9)); "
      "INSERT INTO shop.c VALUES (2, CONCAT('w', CHAR(0)))");
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.a\"\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  const TaskRun::Result added =
      task.run({"add-table", "shop", "shop.b", "shop.c", "--yes", "--wait"});
  INFO(added.text());
  CHECK(added.code == 4);
  CHECK_THAT(added.err, Catch::Contains("postgres.nul") &&
                            Catch::Contains("weir ddl resolve shop --table shop.c --retry"));
  source.sql("INSERT INTO shop.b VALUES (3, 'x')");
  REQUIRE(task.await([&] { return target.value("SELECT count(*) FROM shop.b") == "2"; }));
  REQUIRE(task.await([&] { return task.status().at("lanes").size() == 1; }));

  source.sql("UPDATE shop.c SET w = 'w'");
  const TaskRun::Result again =
      task.run({"ddl", "resolve", "shop", "--table", "shop.c", "--retry", "--wait"});
  INFO(again.text());
  CHECK(again.code == 0);
  REQUIRE(task.await([&] { return task.status().at("lanes").empty(); }));
  source.sql("INSERT INTO shop.c VALUES (4, 'y')");
  REQUIRE(task.await([&] { return target.value("SELECT count(*) FROM shop.c") == "2"; }));
  CHECK(task.stop().code == 0);
}

TEST_CASE("lanes: a table that fails stops no others where the source has no slot left for it",
          "[lanes][server]") {
  TempPostgres source({.settings = {"max_replication_slots=1"}});
  TempPostgres target;
  source.sql("ALTER ROLE weir REPLICATION");
  source.session().sql(
      "CREATE SCHEMA shop AUTHORIZATION weir; SET ROLE weir; "
      "CREATE TABLE shop.a (id int PRIMARY KEY); CREATE TABLE shop.b (id int PRIMARY KEY); "
      "RESET ROLE");
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.*\"\n"});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  target.sql("ALTER TABLE shop.a ADD CONSTRAINT above CHECK (id >= 0)");
  source.sql("INSERT INTO shop.a VALUES (-1)");
  REQUIRE(task.await([&] { return task.status().at("suspended_tables") == 1; }));
  CHECK_THAT(task.log(), Catch::Contains("table.log-not-kept"));
  const nlohmann::json lane = task.status().at("lanes").at(0);
  CHECK_THAT(
      lane.at("error").at("fix").get<std::string>(),
      Catch::EndsWith("weir reload-table shop shop.a --mode merge, for its log is not kept"));
  source.sql("INSERT INTO shop.b VALUES (1)");
  REQUIRE(task.await([&] { return target.value("SELECT count(*) FROM shop.b") == "1"; }));

  // Nor does it stop them after a start.
  CHECK(task.stop().code == 0);
  CHECK(task.start("").code == 0);
  source.sql("INSERT INTO shop.b VALUES (2)");
  REQUIRE(task.await([&] { return target.value("SELECT count(*) FROM shop.b") == "2"; }));
  CHECK(task.status().at("suspended_tables") == 1);
  CHECK(task.stop().code == 0);
}
