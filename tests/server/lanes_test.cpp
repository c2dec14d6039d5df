// SPDX-License-Identifier: Apache-2.0
// Lanes: tables join a running task, fail by themselves, and come back, under writers, from every
// source to every relational target. The other tables never stop, and both sides are equal by SQL.
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/lane_ground.h"

using namespace weir::test;
using State = weir::LaneRow::State;

namespace {

/// Ten tables are added at once, and the worker is killed in every state of their lane.
void check_add(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Ground ground(std::move(source), std::move(target));
  weir::LaneRow lane;
  for (int i = 0; i < 10; ++i) {
    const std::string table = fmt::format("more{}", i);
    ground.make(table);
    ground.load().add(table);
    lane.tables.push_back({"shop", table});
  }
  const std::uint32_t number = ground.plan(lane);
  const std::string name = weir::lane_name(ground.task().name(), number);
  const auto stage_is = [&](weir::Stage stage) {
    const auto row = weir::open_state(ground.task().state_dir(), true)->task(name);
    return row && row->state == weir::TaskState::running && row->stage == stage;
  };
  ground.kill();
  // Each state is met, or passed while nobody looked.
  for (const weir::Stage stage :
       {weir::Stage::schema, weir::Stage::full, weir::Stage::incremental}) {
    REQUIRE(ground.task().await([&] { return stage_is(stage) || ground.lanes().empty(); }));
    ground.kill();
  }
  ground.await_lanes(0);
  ground.kill();
  ground.check_same();
  CHECK(ground.task().stop().code == 0);
}

/// What an operator types: a table is added, then copied anew in each way, and the rest goes on.
void check_verbs(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Ground ground(std::move(source), std::move(target));
  const auto run = [&](std::vector<std::string> words) {
    const TaskRun::Result result = ground.task().run(std::move(words));
    INFO(result.text());
    CHECK(result.code == 0);
  };
  ground.make("extra");
  ground.load().add("extra");
  run({"add-table", "shop", "shop.extra", "--yes", "--wait"});
  run({"add-table", "shop", "shop.extra", "--yes", "--wait"});
  for (const char* mode : {"truncate", "swap", "merge"}) {
    INFO(mode);
    ground.there()->sql("UPDATE " + ground.there("item") + " SET w = 'wrong'");
    run({"reload-table", "shop", "shop.item", "--mode", mode, "--yes", "--wait"});
  }
  CHECK(ground.lanes().empty());
  for (const nlohmann::json& table : ground.task().status().at("tables")) {
    CHECK(table.at("source") == table.at("target"));
  }
  ground.check_same();
  CHECK(ground.task().stop().code == 0);
}

/// A table that the target refuses rows of is suspended; the others go on, and it comes back.
void check_refused(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target,
                   const std::string& refuse, const std::string& admit) {
  Ground ground(std::move(source), std::move(target));
  ground.there()->sql(refuse);
  ground.here().sql("INSERT INTO shop.item VALUES (-1, -5, 'x')");
  weir::LaneRow lane = ground.await_state(State::suspended);
  CHECK(lane.tables == std::vector<weir::TableName>{{"shop", "item"}});
  CHECK(lane.error_id != "");
  ground.await_mark();
  ground.kill();
  ground.await_mark();
  CHECK(ground.lanes().size() == 1);

  ground.there()->sql(admit);
  lane.state = State::planned;
  ground.put(lane);
  ground.await_lanes(0);
  ground.check_same();
  CHECK(ground.task().stop().code == 0);
}

}  // namespace

TEST_CASE("lanes: ten tables join a task, MariaDB to PostgreSQL", "[lanes][server]") {
  check_add(mariadb_end(), postgres_end());
}
TEST_CASE("lanes: ten tables join a task, MariaDB to MariaDB", "[lanes][server]") {
  check_add(mariadb_end(), mariadb_end());
}
TEST_CASE("lanes: ten tables join a task, MySQL 9 to SQLite", "[lanes][server][bootstrap]") {
  check_add(mysql9_end(), sqlite_end());
}
TEST_CASE("lanes: ten tables join a task, PostgreSQL to PostgreSQL", "[lanes][server]") {
  check_add(postgres_end(), postgres_end());
}
TEST_CASE("lanes: ten tables join a task, PostgreSQL to MariaDB", "[lanes][server]") {
  check_add(postgres_end(), mariadb_end());
}
TEST_CASE("lanes: ten tables join a task, PostgreSQL to SQLite", "[lanes][server]") {
  check_add(postgres_end(), sqlite_end());
}

TEST_CASE("lanes: a refused row suspends its table, MariaDB to PostgreSQL", "[lanes][server]") {
  check_refused(mariadb_end(), postgres_end(),
                "ALTER TABLE shop.item ADD CONSTRAINT positive CHECK (n >= 0)",
                "ALTER TABLE shop.item DROP CONSTRAINT positive");
}
TEST_CASE("lanes: a refused row suspends its table, PostgreSQL to MariaDB", "[lanes][server]") {
  check_refused(postgres_end(), mariadb_end(),
                "ALTER TABLE shop.item ADD CONSTRAINT positive CHECK (n >= 0)",
                "ALTER TABLE shop.item DROP CONSTRAINT positive");
}
TEST_CASE("lanes: a refused row suspends its table, PostgreSQL to PostgreSQL", "[lanes][server]") {
  check_refused(postgres_end(), postgres_end(),
                "ALTER TABLE shop.item ADD CONSTRAINT positive CHECK (n >= 0)",
                "ALTER TABLE shop.item DROP CONSTRAINT positive");
}

TEST_CASE("lanes: tables are added and copied anew, MariaDB to PostgreSQL", "[lanes][server]") {
  check_verbs(mariadb_end(), postgres_end());
}
TEST_CASE("lanes: tables are added and copied anew, PostgreSQL to MariaDB", "[lanes][server]") {
  check_verbs(postgres_end(), mariadb_end());
}
TEST_CASE("lanes: tables are added and copied anew, MariaDB to SQLite", "[lanes][server]") {
  check_verbs(mariadb_end(), sqlite_end());
}
