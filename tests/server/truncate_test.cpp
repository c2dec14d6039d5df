// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/pair_end.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/onlooker.h"
#include "support/task_run.h"

using namespace weir::test;

namespace {

constexpr int kRows = 200;

/// Fills tables anew again and again, each time in one transaction that empties them first. Every
/// state that it commits has `run` and `bag` full of the number in `mark`.
class Refiller {
 public:
  explicit Refiller(const PairEnd& source) : session_(source.session()) {
    thread_ = std::thread([this] {
      try {
        while (!stop_) refill();
      } catch (const std::exception& e) {
        error_ = e.what();
      }
    });
  }
  ~Refiller() { stop(); }
  Refiller(const Refiller&) = delete;
  Refiller& operator=(const Refiller&) = delete;

  /// What went wrong; "" if nothing did.
  std::string stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return error_;
  }
  int rounds() const { return round_; }

 private:
  void refill() {
    const int n = round_ + 1;
    session_->sql("BEGIN");
    session_->sql(fmt::format("UPDATE shop.mark SET n = {}", n));
    session_->sql("INSERT INTO shop.run SELECT i, -1, NULL FROM generate_series(10001, 10010) i");
    // Both at once in every other round, which the log tells in one message.
    session_->sql(n % 2 == 0 ? "TRUNCATE shop.run, shop.bag" : "TRUNCATE shop.run");
    if (n % 2 != 0) session_->sql("TRUNCATE shop.bag");
    const std::string series = fmt::format("generate_series(1, {}) i", kRows);
    session_->sql(fmt::format("INSERT INTO shop.run SELECT i, {}, 'x' FROM {}", n, series));
    session_->sql(fmt::format("INSERT INTO shop.bag SELECT {} FROM {}", n, series));
    session_->sql(fmt::format("UPDATE shop.run SET note = repeat('y', 20) WHERE id < 10"));
    session_->sql("COMMIT");
    ++round_;
  }

  std::unique_ptr<AnySession> session_;
  std::atomic<bool> stop_{false};
  std::atomic<int> round_{0};
  std::string error_;
  std::thread thread_;
};

/// Looks in one snapshot whether both tables are full of the number in `mark`.
Sight look(AnySession& session, const PairEnd& target) {
  const auto all = [&](const char* table) {
    return fmt::format(
        "(SELECT COUNT(*) FROM {0}), (SELECT MIN(n) FROM {0}), (SELECT MAX(n) FROM {0})",
        target.table(table));
  };
  const auto row = session
                       .query(fmt::format("SELECT (SELECT n FROM {}), {}, {}", target.table("mark"),
                                          all("run"), all("bag")))
                       .at(0);
  const std::string& n = row.at(0);
  for (const std::size_t table : {1, 4}) {
    if (row.at(table) == std::to_string(kRows) && row.at(table + 1) == n &&
        row.at(table + 2) == n) {
      continue;
    }
    return {n, fmt::format("half a transaction: mark {}, {} rows of {} to {}", n, row.at(table),
                           row.at(table + 1), row.at(table + 2))};
  }
  return {n, ""};
}

void check(std::unique_ptr<PairEnd> target) {
  const std::unique_ptr<PairSource> source = postgres_end();
  const std::unique_ptr<AnySession> here = source->session();
  here->sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.mark (id int PRIMARY KEY, n int); "
      "CREATE TABLE shop.run (id int PRIMARY KEY, n int, note text); "
      "CREATE TABLE shop.bag (n int); ALTER TABLE shop.bag REPLICA IDENTITY FULL; "
      "CREATE TABLE shop.alone (id int PRIMARY KEY, n int); "
      "INSERT INTO shop.mark VALUES (1, 0); INSERT INTO shop.alone VALUES (1, 1)");
  here->sql(fmt::format("INSERT INTO shop.run SELECT i, 0 FROM generate_series(1, {}) i", kRows));
  here->sql(fmt::format("INSERT INTO shop.bag SELECT 0 FROM generate_series(1, {}) i", kRows));
  TaskRun task(source->section("source"), target->section("target"),
               {.rest = "[[table]]\nmatch = \"shop.bag\"\nkey = \"all-columns\"\n"
                        "[[table]]\nmatch = \"shop.*\"\n[failover]\nlimit = 1000\n" +
                        source->settings()});
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);

  const std::unique_ptr<AnySession> there = target->session();
  Onlooker onlooker(
      [&] { return target->session(); },
      [&](const std::unique_ptr<AnySession>& session) { return look(*session, *target); });
  Refiller refiller(*source);
  const auto caught_up = [&] {
    return there->value("SELECT n FROM " + target->table("mark")) ==
           here->value("SELECT n FROM shop.mark");
  };
  REQUIRE(task.await([&] { return refiller.rounds() >= 30; }));
  // A transaction that was in hand comes again.
  task.kill_worker();
  REQUIRE(task.await([&] { return refiller.rounds() >= 60; }));
  CHECK(refiller.stop() == "");
  REQUIRE(task.await(caught_up));
  CHECK(onlooker.stop() == "");
  CHECK(onlooker.states() > 1);

  // One that is its whole transaction.
  here->sql("TRUNCATE shop.alone");
  CHECK(task.await(
      [&] { return there->value("SELECT COUNT(*) FROM " + target->table("alone")) == "0"; }));
  const auto store = weir::open_state(task.state_dir(), true);
  CHECK(store->count_events(task.name(), "ddl.applied", weir::Time{}) > 0);
  CHECK(task.stop().code == 0);
}

}  // namespace

TEST_CASE("TRUNCATE comes with its transaction to PostgreSQL", "[server][truncate]") {
  check(postgres_end());
}

TEST_CASE("TRUNCATE comes with its transaction to MariaDB", "[server][truncate]") {
  check(mariadb_end());
}

TEST_CASE("TRUNCATE comes with its transaction to SQLite", "[server][truncate]") {
  check(sqlite_end());
}
