// SPDX-License-Identifier: Apache-2.0
// weir reload-table --mode merge: the target table ends as the source has it, without ever having
// been empty, and rows that were right are not written again; under writers, and with a crash.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "server/lane_ground.h"

using namespace weir::test;
using State = weir::LaneRow::State;

namespace {

constexpr int kRefused = 4;

const std::vector<std::string> kMerge = {"reload-table", "shop",  "shop.item", "--mode",
                                         "merge",        "--yes", "--wait"};

/// Rows that are wrong, missing, or one too many, and one that only looks the same.
void damage(Ground& ground) {
  const std::string item = ground.there("item");
  const auto there = ground.there();
  there->sql("UPDATE " + item + " SET w = 'wrong' WHERE id % 7 = 0");
  there->sql("DELETE FROM " + item + " WHERE id % 11 = 0");
  there->sql("INSERT INTO " + item + " VALUES (100001, 1, 'more'), (100002, 2, 'more')");
  there->sql("UPDATE " + item + " SET w = 'W' WHERE id % 13 = 0");
}

TaskRun::Result merge(Ground& ground) {
  const TaskRun::Result result = ground.task().run(kMerge);
  INFO(result.text());
  CHECK(result.code == 0);
  return result;
}

/// Merged under writers while a worker is killed in the middle of each part of it.
void check_merge(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Ground ground(std::move(source), std::move(target));
  const auto in_lane = [&](weir::Stage stage) {
    for (const weir::LaneRow& row : ground.lanes()) {
      const auto task = weir::open_state(ground.task().state_dir(), true)
                            ->task(weir::lane_name(ground.task().name(), row.number));
      if (task && task->state == weir::TaskState::running && task->stage == stage) return true;
    }
    return ground.lanes().empty();
  };
  damage(ground);
  const TaskRun::Result asked =
      ground.task().run({"reload-table", "shop", "shop.item", "--mode", "merge", "--yes"});
  INFO(asked.text());
  REQUIRE(asked.code == 0);
  for (const weir::Stage stage : {weir::Stage::full, weir::Stage::incremental}) {
    REQUIRE(ground.task().await([&] { return in_lane(stage); }));
    // Who reads the table finds rows all the while.
    CHECK(ground.there()->value("SELECT count(*) > 0 FROM " + ground.there("item")) != "0");
    ground.kill();
  }
  ground.await_lanes(0);
  ground.check_same();
  CHECK(ground.task().stop().code == 0);
}

}  // namespace

TEST_CASE("merge: a table is put right under writers, MariaDB to PostgreSQL", "[merge][server]") {
  check_merge(mariadb_end(), postgres_end());
}
TEST_CASE("merge: a table is put right under writers, PostgreSQL to MariaDB", "[merge][server]") {
  check_merge(postgres_end(), mariadb_end());
}
TEST_CASE("merge: a table is put right under writers, MySQL 9 to SQLite",
          "[merge][server][bootstrap]") {
  check_merge(mysql9_end(), sqlite_end());
}
TEST_CASE("merge: a table is put right under writers, PostgreSQL to MySQL 9",
          "[merge][server][bootstrap]") {
  check_merge(postgres_end(), mysql9_end());
}

TEST_CASE("merge: what was right, and what belongs to others, stays as it is", "[merge][server]") {
  Ground ground(mariadb_end(), postgres_end());
  REQUIRE(ground.load().stop() == "");
  ground.await_mark();
  const auto there = ground.there();
  there->sql(
      "ALTER TABLE shop.item ADD COLUMN remark text DEFAULT 'none';"
      "UPDATE shop.item SET remark = 'kept' WHERE id IN (7, 8);"
      "CREATE TABLE shop.part (item int REFERENCES shop.item ON DELETE CASCADE);"
      "INSERT INTO shop.part SELECT min(id) FROM shop.item WHERE id % 11 <> 0; CREATE VIEW "
      "shop.look AS SELECT * FROM shop.item;"
      "ALTER TABLE shop.item ADD CONSTRAINT apart UNIQUE (w, id)");
  damage(ground);
  const Rows right = there->query(
      "SELECT id, xmin FROM shop.item WHERE id % 7 <> 0 AND id % 11 <> 0 AND id % 13 <> 0 AND id < "
      "100000 ORDER BY id");
  merge(ground);
  ground.check_same();
  CHECK(there->query("SELECT id, xmin FROM shop.item WHERE id % 7 <> 0 AND id % 11 <> 0 AND id % "
                     "13 <> 0 ORDER BY id") == right);
  CHECK(there->value("SELECT count(*) FROM shop.item WHERE remark = 'kept'") ==
        ground.here().value("SELECT count(*) FROM shop.item WHERE id IN (7, 8)"));
  CHECK(there->value("SELECT count(*) FROM shop.part") == "1");
  CHECK(there->value("SELECT count(*) FROM shop.look") ==
        there->value("SELECT count(*) FROM shop.item"));
  CHECK(there->value("SELECT count(*) FROM pg_class WHERE relname LIKE 'swap%'") == "0");
}

TEST_CASE("merge: a value that passes from one row to another meets no unique index",
          "[merge][server]") {
  Ground ground(mariadb_end(), postgres_end());
  REQUIRE(ground.load().stop() == "");
  ground.here().sql("DELETE FROM shop.item WHERE id > 3; UPDATE shop.item SET w = id, n = 1");
  ground.await_mark();
  const auto there = ground.there();
  there->sql(
      "UPDATE shop.item SET w = CASE id WHEN 1 THEN '2' WHEN 2 THEN '1' ELSE w END;"
      "CREATE UNIQUE INDEX ON shop.item (w)");
  merge(ground);
  ground.check_same();
}

TEST_CASE("merge: a table without a key is refused, and what it takes instead is named",
          "[merge][server]") {
  Ground ground(mariadb_end(), sqlite_end(),
                "[[table]]\nmatch = \"shop.bag\"\nkey = \"all-columns\"\n",
                "CREATE TABLE shop.bag (v INT); INSERT INTO shop.bag VALUES (1), (1)");
  const TaskRun::Result refused =
      ground.task().run({"reload-table", "shop", "shop.bag", "--mode", "merge", "--yes"});
  INFO(refused.text());
  CHECK(refused.code == kRefused);
  CHECK_THAT(refused.err, Catch::Contains("reload.merge-key") && Catch::Contains("--mode swap"));
  CHECK(ground.lanes().empty());
  CHECK(ground.task()
            .run({"reload-table", "shop", "shop.bag", "--mode", "swap", "--yes", "--wait"})
            .code == 0);
  CHECK(ground.there()->value("SELECT count(*) FROM " + ground.there("bag")) == "2");
}
