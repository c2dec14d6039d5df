// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include <catch2/catch.hpp>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/onlooker.h"
#include "support/seed.h"
#include "support/shop_load.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kKills = 50;
constexpr int kIncrementalKills = 15;
constexpr int kMostKills = 120;
constexpr int kSchemaKills = 4;
constexpr int kFullKills = 18;
constexpr int kCatchUpKills = 6;

bool gone(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  return stat.empty() || stat.find(") Z ") != std::string::npos;
}

/// Kills a task's processes and says when.
class Killer {
 public:
  Killer(TaskRun& task, std::uint64_t seed) : task_(task), random_(seed) {}

  int kills() const { return kills_; }
  int kills_in(const std::string& stage) { return in_stage_[stage]; }
  int supervisors() const { return supervisors_; }

  /// The stage that the worker is in now; "start" while it still looks around.
  std::string stage() const {
    const auto row = weir::open_state(task_.state_dir(), true)->task(task_.name());
    if (!row || row->state != weir::TaskState::running) return "start";
    return weir::to_string(row->stage);
  }

  /// Whether a supervisor may be killed alone, or always with its worker.
  enum class Alone : std::uint8_t { allowed, never };

  /// Lets a worker that is not the last one come, waits for a random time, and kills it; sometimes
  /// the supervisor too, or alone.
  void strike(milliseconds most, Alone alone = Alone::allowed) {
    pid_t worker = -1;
    REQUIRE(task_.await([&] {
      worker = task_.worker();
      return worker > 0 && worker != last_;
    }));
    last_ = worker;
    const Clock::time_point moment = Clock::now() + milliseconds(pick(most.count() + 1));
    task_.await([&] { return Clock::now() >= moment; });
    const std::string stage_then = stage();
    const auto kill = [&] {
      CHECK(task_.kill_worker() == worker);
      ++in_stage_[stage_then];
      ++kills_;
    };
    // The wait before the next worker doubles with each kill, until there is a new supervisor.
    if (++under_this_supervisor_ < 3) {
      kill();
      return;
    }
    under_this_supervisor_ = 0;
    ++supervisors_;
    // A worker left alone ends by itself, at its next transaction's end, and may be there still
    // when the next supervisor wants to start.
    if (alone == Alone::never || pick(2) == 0) kill();
    const pid_t supervisor = task_.kill_supervisor();
    // A signal takes its time too, and as long as it lives there is nothing to start.
    REQUIRE(eventually([&] { return gone(supervisor); }));
    const TaskRun::Result started = task_.start("");
    INFO(started.text());
    REQUIRE(started.code == 0);
    REQUIRE_THAT(started.err, Catch::Contains("is started"));
  }

 private:
  std::int64_t pick(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }

  TaskRun& task_;
  std::mt19937_64 random_;
  pid_t last_ = -1;
  int kills_ = 0;
  int supervisors_ = 0;
  int under_this_supervisor_ = 0;
  std::map<std::string, int> in_stage_;
};

/// Every unique index is built, which weir does once the target is consistent.
bool consistent(TempPostgres& target) {
  return target.value(
             "SELECT coalesce(bool_and(unique_done), false) FROM weir.weir_table WHERE task = "
             "'shop'") == "t";
}

}  // namespace

TEST_CASE("a worker killed fifty times under load loses nothing and repeats nothing", "[server]") {
  const std::uint64_t seed = choose_seed();
  WARN("WEIR_TEST_SEED=" << seed);
  TempMariaDb source;
  TempPostgres target;
  ShopLoad load(source, {.seed = seed});
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "shop.*"
[full]
chunk_rows = 200
rate_limit = "2500 rows/s"
[failover]
limit = 1000
)"});
  Killer killer(task, seed);
  load.start();

  // The last table cannot be created before this transaction ends.
  PgSession blocker = target.session();
  blocker.sql("CREATE SCHEMA shop");
  blocker.sql("BEGIN");
  blocker.sql("CREATE TABLE shop.word (blocked int)");
  const TaskRun::Result started = task.start("");
  INFO(started.text());
  REQUIRE(started.code == 0);
  // Nor can its worker end by itself before that.
  while (killer.kills() < kSchemaKills) killer.strike(milliseconds(1500), Killer::Alone::never);
  REQUIRE(task.await([&] { return killer.stage() == "schema"; }));
  blocker.sql("ROLLBACK");

  while (killer.kills() < kSchemaKills + kFullKills && killer.stage() != "incremental") {
    killer.strike(milliseconds(1200));
  }
  REQUIRE(task.await([&] { return killer.stage() == "incremental"; }));
  const int before = killer.kills();
  while (killer.kills() < before + kCatchUpKills) killer.strike(milliseconds(1500));
  REQUIRE(task.await([&] { return consistent(target); }));

  Onlooker onlooker(
      [&] { return target.session(); },
      [](PgSession& session) { return two_sums(session, "shop.plus", "shop.minus"); });
  // A slow machine has many workers die while they start.
  const auto enough = [&] {
    return killer.kills() >= kKills && killer.kills_in("incremental") >= kIncrementalKills;
  };
  while (!enough() && killer.kills() < kMostKills) killer.strike(milliseconds(1500));
  load.stop();
  MySqlSession writer = source.session();
  const std::string mark = set_mark(writer);
  REQUIRE(task.await([&] { return get_mark(target) == mark; }));
  CHECK(onlooker.stop() == "");

  WARN("kills: " << killer.kills_in("start") << " at the start, " << killer.kills_in("schema")
                 << " in schema, " << killer.kills_in("full") << " in full, "
                 << killer.kills_in("incremental") << " in incremental; " << killer.supervisors()
                 << " supervisors; " << load.commits() << " commits, " << load.rollbacks()
                 << " rollbacks; " << onlooker.states() << " states seen");
  PgSession reader = target.session("postgres");
  CHECK(differences(writer, reader) == "");
  CHECK(writer.value("SELECT sum(n) FROM shop.plus") == std::to_string(load.commits()));
  CHECK(reader.value("SELECT sum(n) FROM shop.plus") == std::to_string(load.commits()));
  CHECK(consistent(target));

  // Else this was an easier test than it says.
  CHECK(killer.kills() >= kKills);
  CHECK(killer.kills_in("schema") > 0);
  CHECK(killer.kills_in("full") > 5);
  CHECK(killer.kills_in("incremental") >= kIncrementalKills);
  CHECK(killer.supervisors() > 10);
  CHECK(load.commits() > 2000);
  CHECK(onlooker.states() > 30);
  const TaskRun::Result stopped = task.stop();
  INFO(stopped.text());
  CHECK(stopped.code == 0);
}
