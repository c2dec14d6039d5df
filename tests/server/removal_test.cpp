// SPDX-License-Identifier: Apache-2.0
// Tables leave a task and come back from where they left: because somebody says so, while the task
// runs or is stopped, or because the rules do not take them any more; under writers.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/lane_ground.h"
#include "support/temp_dir.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using State = weir::LaneRow::State;

namespace {

constexpr int kRefused = 4;
const std::string kRest =
    "[full]\nchunk_rows = 100\n[failover]\nlimit = 1000\n[[table]]\nmatch = \"shop.mark\"\n";
const std::string kItem = "[[table]]\nmatch = \"shop.item\"\n";

TaskRun::Result run(Ground& ground, std::vector<std::string> words, int code = 0) {
  TaskRun::Result result = ground.task().run(std::move(words));
  INFO(result.text());
  REQUIRE(result.code == code);
  return result;
}

/// What remove-table demands: whatever only a person knows is so.
void answer_checklist(const TaskRun& task) {
  const TempDir dir;
  std::string text = "[answers]\n";
  for (const char* const id : {"downstream", "left-behind", "load", "way-back", "alert-status",
                               "alert-full-load", "alert-latency", "alert-failover", "alert-ddl"}) {
    text += fmt::format("{} = {{ answer = true, evidence = \"a test\" }}\n", id);
  }
  const TaskRun::Result result = task.run(
      {"checklist", "remove-table", task.name(), "--answers", dir.write("all.toml", text)});
  INFO(result.text());
  REQUIRE(result.code == 0);
}

void stop(Ground& ground) { run(ground, {"sync", "stop", "shop", "--accept-risk", "retention"}); }

std::string copied(Ground& ground, const std::string& table) {
  return ground.there()->value("SELECT sum(n) FROM " + ground.there(table));
}

/// Removed while the task runs, brought back; then the same while it is stopped.
void check_undo(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Ground ground(std::move(source), std::move(target));
  answer_checklist(ground.task());
  run(ground, {"remove-table", "shop", "shop.item", "--yes"});
  ground.await_state(State::removed);
  const std::string left = copied(ground, "item");
  ground.await_mark();
  CHECK(copied(ground, "item") == left);
  ground.kill();
  ground.await_mark();
  CHECK(copied(ground, "item") == left);
  run(ground, {"remove-table", "shop", "shop.item", "--undo"});
  ground.await_lanes(0);

  stop(ground);
  run(ground, {"remove-table", "shop", "shop.item", "--yes"});
  REQUIRE(ground.lanes().size() == 1);
  CHECK(ground.lanes()[0].state == State::removed);
  run(ground, {"remove-table", "shop", "shop.item", "--yes"});
  CHECK(ground.task().start("caught-up").code == 0);
  ground.await_mark();
  run(ground, {"remove-table", "shop", "shop.item", "--undo"});
  ground.await_lanes(0);
  ground.check_same();
  CHECK(ground.task().stop().code == 0);
}

/// A table that the rules take no more leaves, and comes back with the rule.
void check_selection(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Ground ground(std::move(source), std::move(target));
  stop(ground);
  ground.task().rewrite(kRest);
  CHECK(ground.task().start("caught-up").code == 0);
  REQUIRE(ground.lanes().size() == 1);
  CHECK(ground.lanes()[0].state == State::removed);
  ground.await_mark();
  const std::string left = copied(ground, "item");
  ground.kill();
  ground.await_mark();
  CHECK(copied(ground, "item") == left);
  CHECK_THAT(run(ground, {"remove-table", "shop", "shop.item", "--undo"}, kRefused).err,
             Catch::Contains("table.no-rule"));

  stop(ground);
  ground.task().rewrite(kRest + kItem);
  CHECK(ground.task().start("caught-up").code == 0);
  ground.await_lanes(0);
  ground.check_same();
  CHECK_THAT(ground.task().log(), Catch::Contains("table.not-selected"));
  CHECK_THAT(ground.task().log(), Catch::Contains("table.selected-again"));
  CHECK(ground.task().stop().code == 0);
}

}  // namespace

TEST_CASE("removed tables come back from where they left, MariaDB to PostgreSQL",
          "[removal][server]") {
  check_undo(mariadb_end(), postgres_end());
}
TEST_CASE("removed tables come back from where they left, PostgreSQL to PostgreSQL",
          "[removal][server]") {
  check_undo(postgres_end(), postgres_end());
}
TEST_CASE("removed tables come back from where they left, PostgreSQL to MariaDB",
          "[removal][server]") {
  check_undo(postgres_end(), mariadb_end());
}

TEST_CASE("a table whose rule goes comes back with it, MariaDB to PostgreSQL",
          "[removal][server]") {
  check_selection(mariadb_end(), postgres_end());
}
TEST_CASE("a table whose rule goes comes back with it, PostgreSQL to SQLite", "[removal][server]") {
  check_selection(postgres_end(), sqlite_end());
}

TEST_CASE("a removed table whose log is gone is refused, and its way out named",
          "[removal][server]") {
  Ground ground(mariadb_end(), postgres_end());
  answer_checklist(ground.task());
  run(ground, {"remove-table", "shop", "shop.item", "--yes"});
  ground.await_state(State::removed);
  CHECK(ground.load().stop() == "");
  ground.here().sql("INSERT INTO shop.item VALUES (7000, 1, 'missed')");
  REQUIRE(ground.task().await([&] {
    ground.here().sql("FLUSH BINARY LOGS");
    ground.here().sql("UPDATE shop.mark SET n = n + 1 WHERE id = 1");
    const Rows rows = ground.here().query("SHOW BINARY LOGS");
    ground.here().sql("PURGE BINARY LOGS TO '" + rows.back().at(0) + "'");
    return ground.here().query("SHOW BINARY LOGS").size() == 1;
  }));
  const TaskRun::Result refused =
      run(ground, {"remove-table", "shop", "shop.item", "--undo"}, kRefused);
  CHECK_THAT(refused.err, Catch::Contains("weir reload-table shop shop.item"));
  CHECK(ground.lanes().size() == 1);
  ground.check_same({"item"});
}

TEST_CASE("tables of a stopped task are removed with their target, and the source is free of them",
          "[removal][server]") {
  Ground ground(postgres_end(), mariadb_end());
  answer_checklist(ground.task());
  stop(ground);
  run(ground, {"remove-table", "shop", "shop.item", "--drop-target", "--yes"});
  CHECK(ground.there()->value("SELECT count(*) FROM information_schema.tables WHERE table_schema = "
                              "'shop' AND table_name = 'item'") == "0");
  CHECK(ground.here().value("SELECT count(*) FROM pg_replication_slots") == "1");
  CHECK_THAT(run(ground, {"remove-table", "shop", "shop.item", "--undo"}, kRefused).err,
             Catch::Contains("table.dropped"));
  CHECK(ground.task().start("caught-up").code == 0);
  run(ground, {"reload-table", "shop", "shop.item", "--mode", "truncate", "--yes", "--wait"});
  ground.check_same();
}

TEST_CASE("the slot of a lane fails over like the task's own, and a swap keeps the owner",
          "[removal][server][bootstrap]") {
  TempPostgres source({.release = TempPostgres::Release::v17});
  TempPostgres target;
  source.sql("ALTER ROLE weir REPLICATION");
  source.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, w text); CREATE TABLE "
      "shop.mark (id int PRIMARY KEY); INSERT INTO shop.item VALUES (1, 'a')");
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.*\"\n"});
  const auto run = [&](std::vector<std::string> words) {
    const TaskRun::Result result = task.run(std::move(words));
    INFO(result.text());
    REQUIRE(result.code == 0);
  };
  const auto lanes = [&] { return weir::open_state(task.state_dir(), true)->lanes("shop"); };
  run({"sync", "start", task.file(), "--wait", "caught-up"});
  answer_checklist(task);
  run({"remove-table", "shop", "shop.item", "--yes"});
  REQUIRE(task.await([&] { return lanes().size() == 1 && lanes()[0].state == State::removed; }));
  CHECK(source.session().value("SELECT count(*) || ' ' || count(*) FILTER (WHERE failover) FROM "
                               "pg_replication_slots") == "2 2");
  run({"remove-table", "shop", "shop.item", "--undo"});
  REQUIRE(task.await([&] { return lanes().empty(); }));

  target.sql(
      "CREATE ROLE keeper; GRANT keeper TO weir; GRANT USAGE, CREATE ON SCHEMA shop TO keeper; "
      "ALTER TABLE shop.item OWNER TO keeper");
  run({"reload-table", "shop", "shop.item", "--mode", "swap", "--yes", "--wait"});
  CHECK(target.session().value("SELECT tableowner FROM pg_tables WHERE tablename = 'item'") ==
        "keeper");
  CHECK(target.session().value("SELECT w FROM shop.item WHERE id = 1") == "a");
}
