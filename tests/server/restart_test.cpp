// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/pg_load.h"
#include "support/shop_load.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

constexpr std::uint64_t kMemoryBudget = std::uint64_t{256} << 20;

std::size_t events(const TaskRun& task, const std::string& id) {
  return weir::open_state(task.state_dir(), true)->count_events(task.name(), id, weir::Time{});
}

/// Everything that is on the source now comes to the target, though nobody does anything about it.
void check_goes_on(TaskRun& task, const TempMariaDb& source, const TempPostgres& target) {
  std::string mark;
  // The server may be up only for a moment yet.
  REQUIRE(eventually([&] {
    try {
      MySqlSession session = source.session();
      mark = set_mark(session);
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
  REQUIRE(task.await([&] { return get_mark(target) == mark; }));
}

void check_equal(const TempMariaDb& source, const TempPostgres& target) {
  MySqlSession here = source.session();
  PgSession there = target.session("postgres");
  CHECK(differences(here, there) == "");
  CHECK(there.value("SELECT (SELECT sum(n) FROM shop.plus) + (SELECT sum(n) FROM shop.minus)") ==
        "0");
}

/// Transactions of 300,000 rows each. `write` carries out one on the source, and says what
/// shop.mark is behind it.
void check_large_transactions(TaskRun& task, const TempPostgres& target,
                              const std::function<std::string(const std::string&)>& write) {
  constexpr std::uint64_t kRows = 300000;
  const std::string rows = std::to_string(kRows);
  REQUIRE(task.start().code == 0);

  // Rows, and the sum of their n, before and after each statement.
  struct Step {
    std::string sql;
    std::vector<std::string> after;
  };
  const std::vector<Step> steps = {
      {"INSERT INTO shop.big SELECT seq, 1, REPEAT('word ', 30) FROM shop.numbers", {rows, rows}},
      {"UPDATE shop.big SET n = 2, words = CONCAT('again ', words)",
       {rows, std::to_string(2 * kRows)}},
      {"UPDATE shop.big SET id = id + 1000000", {rows, std::to_string(2 * kRows)}},
      {"DELETE FROM shop.big", {"0", "NULL"}},
  };
  PgSession reader = target.session();
  std::vector<std::string> before = {"0", "NULL"};
  for (const Step& step : steps) {
    INFO(step.sql);
    const std::string mark = write(step.sql);
    std::size_t half = 0;
    std::size_t looks_before = 0;
    REQUIRE(task.await([&] {
      const auto row = reader
                           .query(
                               "SELECT count(*), sum(n), (SELECT n FROM shop.mark) FROM "
                               "shop.big")
                           .at(0);
      const std::vector<std::string> now = {row.at(0), row.at(1)};
      looks_before += now == before ? 1 : 0;
      half += now != before && now != step.after ? 1 : 0;
      // The mark came later, so it is never there without the rows.
      if (row.at(2) == mark && now != step.after) ++half;
      return row.at(2) == mark;
    }));
    CHECK(half == 0);
    if (before != step.after) CHECK(looks_before > 0);
    before = step.after;
  }

  // The figure is a peak, so it also covers what was over before it was sampled.
  std::uint64_t peak = 0;
  REQUIRE(task.await([&] {
    const nlohmann::json status = task.status();
    if (!status.at("memory_bytes").is_number() || !status.at("caught_up").get<bool>()) return false;
    peak = status.at("memory_bytes").get<std::uint64_t>();
    return true;
  }));
  WARN("peak memory " << (peak >> 20) << " MiB");
  CHECK(peak > 0);
  CHECK(peak < kMemoryBudget);
  CHECK(events(task, "failover") == 0);
}

}  // namespace

TEST_CASE("caught up is told of a source that never rests", "[server]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql("CREATE DATABASE shop; CREATE TABLE shop.busy (id INT PRIMARY KEY, n INT)");
  source.sql("INSERT INTO shop.busy VALUES (1, 0)");
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.*\"\n"});
  std::jthread writer([&](const std::stop_token& stop) {
    MySqlSession session = source.session();
    while (!stop.stop_requested()) session.sql("UPDATE shop.busy SET n = n + 1 WHERE id = 1");
  });
  for (const char* state : {"a start", "a task that runs"}) {
    INFO(state);
    const int before = std::stoi(source.value("SELECT n FROM shop.busy"));
    const TaskRun::Result started = task.start("caught-up");
    const int after = std::stoi(target.session().value("SELECT n FROM shop.busy"));
    INFO(started.text());
    CHECK(started.code == 0);
    CHECK(after >= before);
  }
  writer.request_stop();
  writer.join();
  CHECK(task.stop().code == 0);
}

TEST_CASE("a task outlives restarts and crashes of both servers under load", "[server]") {
  TempMariaDb source;
  TempPostgres target;
  ShopLoad load(source, {.seed = 7, .items = 4000});
  // An outage is not a fault of the worker: none may be counted.
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "shop.*"
[full]
chunk_rows = 500
[failover]
limit = 0
)"});
  load.start();
  const TaskRun::Result started = task.start("incremental");
  INFO(started.text());
  REQUIRE(started.code == 0);
  const pid_t supervisor = task.supervisor();
  REQUIRE(supervisor > 0);
  check_goes_on(task, source, target);
  pid_t worker = task.worker();
  const auto check_new_worker = [&] {
    check_goes_on(task, source, target);
    // Else it has not noticed anything, and neither has the test.
    CHECK(task.worker() != worker);
    worker = task.worker();
  };

  SECTION("the source is restarted, then crashes") {
    source.restart();
    check_new_worker();
    source.kill9();
    source.start();
    check_new_worker();
  }
  SECTION("the target is restarted, then crashes") {
    target.restart();
    check_new_worker();
    target.kill9();
    target.start();
    check_new_worker();
  }
  SECTION("both are away for a while") {
    target.kill9();
    source.kill9();
    REQUIRE(task.await([&] { return events(task, "worker.ended") >= 3; }));
    source.start();
    REQUIRE(task.await([&] { return events(task, "worker.ended") >= 4; }));
    target.start();
    check_new_worker();
  }

  // The same supervisor did it.
  CHECK(task.supervisor() == supervisor);
  CHECK(task.status().at("state") == "running");
  load.stop();
  check_goes_on(task, source, target);
  check_equal(source, target);
  CHECK(load.commits() > 200);
}

TEST_CASE("a crash of either server while rows are copied loses none of them", "[server]") {
  TempMariaDb source;
  TempPostgres target;
  ShopLoad load(source, {.seed = 9, .items = 12000});
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "shop.*"
[full]
chunk_rows = 300
rate_limit = "2000 rows/s"
)"});
  load.start();
  REQUIRE(task.start("").code == 0);
  const auto copied = [&] {
    try {
      return std::stoll(target.session("postgres")
                            .value("SELECT coalesce(sum(row_count), 0) FROM weir.weir_range"));
    } catch (const std::runtime_error&) {
      return 0LL;  // not up, or no such table yet
    }
  };
  REQUIRE(task.await([&] { return copied() > 2000; }));
  target.kill9();
  target.start();
  const auto left = copied();
  REQUIRE(task.await([&] { return copied() > left + 1000; }));
  source.kill9();
  source.start();
  REQUIRE(task.await([&] { return copied() > left + 3000; }));
  CHECK(events(task, "stage.full.done") == 0);

  REQUIRE(task.await([&] { return events(task, "stage.consistent") > 0; }));
  load.stop();
  check_goes_on(task, source, target);
  check_equal(source, target);
}

TEST_CASE("a lost state file is made anew from what the target remembers", "[server]") {
  TempMariaDb source;
  TempPostgres target;
  ShopLoad load(source, {.seed = 8, .items = 2000});
  TaskRun task(source, target);
  load.start();
  REQUIRE(task.start("incremental").code == 0);
  check_goes_on(task, source, target);
  REQUIRE(task.stop().code == 0);

  const std::string kept = target.value("SELECT log_offset FROM weir.weir_task");
  const std::string begun = target.value("SELECT start_offset FROM weir.weir_task");
  const std::uint64_t commits = load.commits();
  REQUIRE(eventually([&] { return load.commits() > commits + 50; }));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(task.state_dir())) {
    if (entry.path().filename().string().starts_with("weir.db")) files.push_back(entry.path());
  }
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) std::filesystem::remove(file);

  const TaskRun::Result started = task.start("incremental");
  INFO(started.text());
  REQUIRE(started.code == 0);
  CHECK(events(task, "state.rebuilt") == 1);
  // It went on and did not begin again.
  CHECK_THAT(task.log(), Catch::Contains(kept));
  CHECK(events(task, "task.started") == 0);
  CHECK(events(task, "table.full.done") == 0);
  CHECK(target.value("SELECT start_offset FROM weir.weir_task") == begun);
  load.stop();
  check_goes_on(task, source, target);
  check_equal(source, target);
}

TEST_CASE("a large transaction keeps within memory and appears at once", "[server]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE shop; USE shop; CREATE TABLE big (id INT PRIMARY KEY, n INT NOT NULL, "
      "words VARCHAR(200) NOT NULL); CREATE TABLE mark (id INT PRIMARY KEY, n BIGINT NOT NULL); "
      "INSERT INTO mark VALUES (1, 0); CREATE VIEW numbers AS SELECT seq FROM seq_1_to_300000");
  TaskRun task(source, target);
  MySqlSession writer = source.session();
  check_large_transactions(task, target, [&](const std::string& sql) {
    // This server compares keys row by row.
    writer.sql(sql.find("SET id") == std::string::npos ? sql : sql + " ORDER BY id DESC");
    return set_mark(writer);
  });
}

TEST_CASE("a large transaction of PostgreSQL keeps within memory and appears at once",
          "[server][pgsource]") {
  // It is streamed, and not kept on the server until its end.
  TempPostgres source({.settings = {"logical_decoding_work_mem=1MB"}});
  TempPostgres target;
  source.sql("ALTER ROLE weir REPLICATION");
  PgSession writer = source.session();
  writer.sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.big (id int PRIMARY KEY, n int NOT NULL, words "
      "varchar(200) NOT NULL); CREATE TABLE shop.mark (id int PRIMARY KEY, n bigint NOT NULL); "
      "INSERT INTO shop.mark VALUES (1, 0); CREATE VIEW shop.numbers AS SELECT generate_series(1, "
      "300000) AS seq");
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.*\"\n"});
  check_large_transactions(task, target, [&](const std::string& sql) {
    writer.sql(sql);
    return set_pg_mark(source);
  });
  CHECK(source.value("SELECT sum(stream_txns) > 0 FROM pg_stat_replication_slots") == "t");
}
