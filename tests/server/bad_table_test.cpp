// SPDX-License-Identifier: Apache-2.0
// What goes wrong with tables that are added to a task or copied anew: each is named, nothing is
// lost, and the other tables go on.
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/lane_ground.h"

using namespace weir::test;
using State = weir::LaneRow::State;

namespace {

constexpr int kRefused = 4;
constexpr int kConflict = 7;

TaskRun::Result run(Ground& ground, std::vector<std::string> words, int code = 0) {
  TaskRun::Result result = ground.task().run(std::move(words));
  INFO(result.text());
  REQUIRE(result.code == code);
  return result;
}

/// So many rows that their copy takes some seconds.
void make_large(Ground& ground, const std::string& table) {
  ground.make(table);
  for (int rows = kRows; rows < 5'000; rows *= 2) {
    ground.here().sql(
        fmt::format("INSERT INTO shop.{0} SELECT id + {1}, n, w FROM shop.{0}", table, rows));
  }
}

void await_loading(Ground& ground, const std::string& table) {
  const std::string rows = "SELECT count(*) FROM " + ground.there(table);
  REQUIRE(ground.task().await([&] {
    try {
      return ground.there()->value(rows) != "0";
    } catch (const std::runtime_error&) {
      return false;  // there is no table yet
    }
  }));
}

}  // namespace

TEST_CASE("a table that the source drops while it is copied stays behind, and the others join",
          "[bad-table][server]") {
  Ground ground(mariadb_end(), postgres_end());
  make_large(ground, "gone");
  ground.make("stays");
  ground.load().add("stays");
  run(ground, {"add-table", "shop", "shop.gone", "shop.stays", "--yes"});
  await_loading(ground, "gone");
  ground.here().sql("DROP TABLE shop.gone");
  const weir::LaneRow lane = ground.await_state(State::suspended);
  CHECK(lane.tables == std::vector<weir::TableName>{{"shop", "gone"}});
  CHECK(lane.error_id == "table.dropped-meanwhile");
  ground.await_lanes(1);
  ground.check_same({"gone"});
  CHECK(ground.task().run({"sync", "status", "shop"}).code == 1);
}

TEST_CASE("an added table is given up while it is copied, and may come again",
          "[bad-table][server]") {
  Ground ground(postgres_end(), mariadb_end());
  make_large(ground, "extra");
  run(ground, {"add-table", "shop", "shop.extra", "--yes"});
  await_loading(ground, "extra");
  CHECK_THAT(
      run(ground, {"reload-table", "shop", "shop.extra", "--mode", "swap", "--yes"}, kConflict).err,
      Catch::Contains("lane.open"));
  run(ground, {"add-table", "shop", "shop.extra", "--cancel"});
  ground.await_lanes(0);
  CHECK(ground.here().value("SELECT count(*) FROM pg_replication_slots") == "1");
  // What was copied is nobody's to overwrite.
  CHECK_THAT(run(ground, {"add-table", "shop", "shop.extra", "--yes"}, kRefused).err,
             Catch::Contains("mysql-target.table-not-empty"));
  ground.there()->sql("DROP TABLE " + ground.there("extra"));
  run(ground, {"add-table", "shop", "shop.extra", "--yes", "--wait"});
  ground.check_same();
}

TEST_CASE("a table that is added without its rows gets what changes from then on",
          "[bad-table][server]") {
  Ground ground(mariadb_end(), postgres_end());
  ground.make("late");
  run(ground, {"add-table", "shop", "shop.late", "--no-history", "--yes", "--wait"});
  ground.here().sql("INSERT INTO shop.late VALUES (90000, 1, 'new')");
  ground.await_mark();
  CHECK(ground.there()->value("SELECT count(*) FROM shop.late") == "1");
  CHECK_THAT(ground.task().status().dump(), Catch::Contains("shop.late"));
  run(ground, {"reload-table", "shop", "shop.late", "--mode", "merge", "--yes", "--wait"});
  ground.check_same();
}

TEST_CASE("names that are one to the target are refused before anything is done",
          "[bad-table][server]") {
  Ground ground(mariadb_end(), sqlite_end());
  ground.here().sql("CREATE TABLE shop.Item (id INT PRIMARY KEY)");
  const TaskRun::Result refused =
      run(ground, {"add-table", "shop", "shop.Item", "--yes"}, kRefused);
  CHECK_THAT(refused.err, Catch::Contains("mapping.collision"));
  CHECK(ground.lanes().empty());
  ground.check_same();
}

TEST_CASE("a log that is not kept for as long as the copy takes is told before it begins",
          "[bad-table][server]") {
  Ground ground(mariadb_end(), sqlite_end());
  ground.make("more");
  ground.here().sql("SET GLOBAL binlog_expire_logs_seconds = 1");
  const TaskRun::Result refused =
      run(ground, {"add-table", "shop", "shop.more", "--yes"}, kRefused);
  CHECK_THAT(refused.err, Catch::Contains("table.retention"));
  CHECK(ground.lanes().empty());
  ground.here().sql("SET GLOBAL binlog_expire_logs_seconds = 864000");
  run(ground, {"add-table", "shop", "shop.more", "--yes", "--wait"});
  ground.check_same();
}

TEST_CASE("a target table of another shape is refused, and what swap makes of it is right",
          "[bad-table][server]") {
  Ground ground(mariadb_end(), postgres_end());
  ground.make("odd");
  ground.there()->sql("CREATE TABLE shop.odd (id int PRIMARY KEY, n boolean, w varchar(20))");
  CHECK_THAT(run(ground, {"add-table", "shop", "shop.odd", "--yes"}, kRefused).err,
             Catch::Contains("postgres.type-other"));
  CHECK(ground.lanes().empty());

  // As somebody left it: with rights, comments, and a definition of its own.
  ground.there()->sql(
      "GRANT SELECT ON shop.item TO pg_monitor; GRANT UPDATE (w) ON shop.item TO pg_monitor;"
      "COMMENT ON TABLE shop.item IS 'what we sell'; COMMENT ON COLUMN shop.item.w IS 'a word';"
      "ALTER TABLE shop.item ALTER n TYPE text");
  run(ground, {"reload-table", "shop", "shop.item", "--mode", "swap", "--yes", "--wait"});
  const auto there = ground.there();
  CHECK(there->value("SELECT has_table_privilege('pg_monitor', 'shop.item', 'SELECT')::text || "
                     "has_column_privilege('pg_monitor', 'shop.item', 'w', 'UPDATE')::text || "
                     "has_column_privilege('pg_monitor', 'shop.item', 'n', 'UPDATE')::text") ==
        "truetruefalse");
  CHECK(there->value("SELECT obj_description('shop.item'::regclass) || ', ' || "
                     "col_description('shop.item'::regclass, 3)") == "what we sell, a word");
  CHECK(there->value("SELECT data_type FROM information_schema.columns WHERE table_name = 'item' "
                     "AND column_name = 'n'") == "integer");
  ground.check_same({"odd"});
}
