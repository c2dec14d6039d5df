// SPDX-License-Identifier: Apache-2.0
// Table rules that change while a task runs: tables are copied to another place or in another
// shape, leave, and come back, under writers and kills, while the other tables go on; and the way
// back by weir rollback. Both sides are equal by SQL.
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/pair_end.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/task_run.h"

using namespace weir::test;
using nlohmann::json;
using State = weir::LaneRow::State;

namespace {

constexpr int kRefused = 4;
constexpr int kConflict = 7;
constexpr int kRows = 400;
const std::string kRules = "[[table]]\nmatch = \"shop.*\"\n";
const std::string kRest = "[full]\nchunk_rows = 100\n[failover]\nlimit = 1000\n";

/// Changes the tables item and mark, in one transaction each, until it goes.
class Writer {
 public:
  explicit Writer(const PairSource& source)
      : thread_([this, session = source.session()] {
          try {
            for (int i = 0; !over_; ++i) {
              const int id = i * 7 % kRows;
              session->sql("BEGIN");
              session->sql(fmt::format("UPDATE shop.mark SET n = n + 1 WHERE id = {}", id % 10));
              if (i % 3 == 0) {
                session->sql(fmt::format("DELETE FROM shop.item WHERE id = {}", id));
                session->sql(fmt::format("INSERT INTO shop.item VALUES ({}, {}, 'again')", id, i));
              } else {
                session->sql(fmt::format("UPDATE shop.item SET n = n + 1 WHERE id = {}", id));
              }
              session->sql("COMMIT");
            }
          } catch (const std::exception& error) {
            const std::lock_guard lock(mutex_);
            error_ = error.what();
          }
        }) {}
  ~Writer() { stop(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Says what went wrong; "" if nothing did.
  std::string stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::string error_;
  std::thread thread_;  // last: it uses the others
};

/// A task with the tables item and mark that has caught up.
class Shop {
 public:
  Shop(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target)
      : source_(std::move(source)),
        target_(std::move(target)),
        here_(source_->session()),
        task_(source_->section("source"), target_->section("target"), {.rest = kRules + kRest}) {
    here_->sql(source_->preparation());
    for (const char* table : {"item", "mark"}) {
      here_->sql(
          fmt::format("CREATE TABLE shop.{} (id INT PRIMARY KEY, n INT, w VARCHAR(20))", table));
      std::string sql = fmt::format("INSERT INTO shop.{} VALUES (0, 0, 'w')", table);
      for (int i = 1; i < kRows; ++i) sql += fmt::format(", ({}, 0, 'w')", i);
      here_->sql(sql);
    }
    const TaskRun::Result started = task_.start("caught-up");
    INFO(started.text());
    REQUIRE(started.code == 0);
    writer_ = std::make_unique<Writer>(*source_);
  }

  TaskRun& task() { return task_; }
  AnySession& here() { return *here_; }
  std::string there(const std::string& sql) const { return target_->session()->value(sql); }
  std::string there(const std::string& sql, const std::string& table) const {
    return there(fmt::format(fmt::runtime(sql), target_->table(table)));
  }
  void change_there(const std::string& sql) const { target_->session()->sql(sql); }
  std::string name_there(const std::string& table) const { return target_->table(table); }

  /// Edits the rules, and lets a verb make them count.
  TaskRun::Result run(const std::vector<std::string>& words, int code = 0) const {
    TaskRun::Result result = task_.run(words);
    INFO(result.text());
    REQUIRE(result.code == code);
    return result;
  }
  json apply(const std::string& rules, std::vector<std::string> more = {}) {
    task_.rewrite(rules + kRest);
    std::vector<std::string> words{"apply", task_.name(), "--yes", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words).json();
  }
  std::vector<weir::LaneRow> lanes() const {
    return weir::open_state(task_.state_dir(), true)->lanes(task_.name());
  }
  void kill() {
    const pid_t killed = task_.kill_worker();
    REQUIRE(task_.await([&] {
      const pid_t worker = task_.worker();
      return worker > 0 && worker != killed;
    }));
  }
  void await_no_lane() {
    const bool is_gone = task_.await([&] { return lanes().empty(); }, std::chrono::minutes(1));
    INFO(task_.status().dump(1) << task_.log());
    REQUIRE(is_gone);
  }
  /// Nobody writes any more, and all that there is, is on the target. `columns` as the target calls
  /// those of item there.
  void check_same(const std::string& item, const std::string& columns = "id, n, w") {
    CHECK(writer_->stop() == "");
    here_->sql("UPDATE shop.mark SET n = n + 1 WHERE id = 399");
    for (const auto& [table, to, names] :
         {std::tuple<std::string, std::string, std::string>{"mark", "mark", "id, n, w"},
          {"item", item, columns}}) {
      INFO(table);
      const auto wanted = here_->query("SELECT id, n, w FROM shop." + table + " ORDER BY id");
      const std::string sql =
          fmt::format("SELECT {} FROM {} ORDER BY id", names, target_->table(to));
      CHECK(task_.await([&] { return target_->session()->query(sql) == wanted; },
                        std::chrono::seconds(30)));
    }
  }
  void write_again() { writer_ = std::make_unique<Writer>(*source_); }

 private:
  std::unique_ptr<PairSource> source_;
  std::unique_ptr<PairEnd> target_;
  std::unique_ptr<AnySession> here_;
  TaskRun task_;
  std::unique_ptr<Writer> writer_;
};

/// A table gets another name and a column another one on the target, and all goes back.
void check_remap(std::unique_ptr<PairSource> source, std::unique_ptr<PairEnd> target) {
  Shop shop(std::move(source), std::move(target));
  const pid_t worker = shop.task().worker();
  const json applied = shop.apply(
      "[[table]]\nmatch = \"shop.item\"\ntarget = \"shop.thing\"\n"
      "columns = { rename = { w = \"word\" } }\n" +
      kRules);
  CHECK(applied.at("need") == "reload");
  CHECK(applied.at("restarted") == false);
  CHECK(applied.at("new_revision") == 2);
  REQUIRE(applied.at("moves").size() == 1);
  CHECK(applied.at("moves")[0].at("mode").is_null());
  CHECK(shop.task().worker() == worker);
  // Once with the lane on its way, and once after it.
  shop.kill();
  shop.await_no_lane();
  shop.kill();
  shop.check_same("thing", "id, n, word");
  const std::string old = shop.there("SELECT count(*) FROM {}", "item");
  CHECK(old == std::to_string(kRows));

  shop.write_again();
  const json back = shop.run({"rollback", shop.task().name(), "--yes", "--json"}).json();
  CHECK(back.at("moves")[0].at("mode") == "swap");
  shop.kill();
  shop.await_no_lane();
  shop.check_same("item");
  CHECK(shop.task().status().at("revision") == 3);
  CHECK(shop.task().stop().code == 0);
}

}  // namespace

TEST_CASE("replan: a table is remapped and rolled back, MariaDB to PostgreSQL",
          "[replan][server]") {
  check_remap(mariadb_end(), postgres_end());
}
TEST_CASE("replan: a table is remapped and rolled back, PostgreSQL to MariaDB",
          "[replan][server]") {
  check_remap(postgres_end(), mariadb_end());
}
TEST_CASE("replan: a table is remapped and rolled back, PostgreSQL to PostgreSQL",
          "[replan][server]") {
  check_remap(postgres_end(), postgres_end());
}
TEST_CASE("replan: a table is remapped and rolled back, MariaDB to SQLite", "[replan][server]") {
  check_remap(mariadb_end(), sqlite_end());
}

TEST_CASE("replan: all tables get another name at once, and the worker is killed meanwhile",
          "[replan][server]") {
  Shop shop(mariadb_end(), postgres_end());
  CHECK(
      shop.apply("[[table]]\nmatch = \"shop.*\"\ntarget = \"dw.t_{table}\"\n").at("moves").size() ==
      2);
  REQUIRE(shop.task().await([&] {
    for (const weir::LaneRow& lane : shop.lanes()) {
      if (lane.state != State::leaving) return true;
    }
    return shop.lanes().empty();
  }));
  shop.kill();
  shop.await_no_lane();
  REQUIRE(shop.task().await([&] {
    shop.here().sql("UPDATE shop.mark SET n = -7 WHERE id = 398");
    return shop.there("SELECT n FROM dw.t_mark WHERE id = 398") == "-7";
  }));
  // What stays behind is as it was then.
  CHECK(shop.there("SELECT n FROM shop.mark WHERE id = 398") == "0");
  CHECK(shop.task().stop().code == 0);
}

TEST_CASE("replan: a table is excluded, and is back after a rollback", "[replan][server]") {
  Shop shop(mariadb_end(), postgres_end());
  const json applied = shop.apply("[[table]]\nmatch = \"shop.*\"\nexclude = [\"shop.item\"]\n");
  CHECK(applied.at("need") == "remove-table");
  REQUIRE(shop.task().await([&] {
    const auto lanes = shop.lanes();
    return lanes.size() == 1 && lanes[0].state == State::removed;
  }));
  shop.here().sql("UPDATE shop.item SET w = 'gone' WHERE id = 1");
  shop.kill();
  // Nothing to do for the table that the task let go of.
  CHECK(shop.run({"plan", shop.task().name(), "--json"}).json().at("steps").empty());

  // By these rules nobody would follow it.
  CHECK(shop.run({"remove-table", "shop", "shop.item", "--undo", "--yes"}, kRefused)
            .err.find("table.no-rule") != std::string::npos);

  const json back = shop.run({"rollback", shop.task().name(), "--yes", "--json"}).json();
  CHECK(back.at("moves")[0].at("comes_back") == true);
  CHECK(back.at("need") == "add-table");
  shop.await_no_lane();
  shop.check_same("item");
  CHECK(shop.task().stop().code == 0);
}

TEST_CASE("replan: a target table with rows of somebody else is refused, and nothing is changed",
          "[replan][server]") {
  Shop shop(mariadb_end(), postgres_end());
  shop.change_there(
      "CREATE TABLE shop.thing (id int PRIMARY KEY, n int, w text); INSERT INTO shop.thing "
      "VALUES (1, 1, 'mine')");
  shop.task().rewrite("[[table]]\nmatch = \"shop.item\"\ntarget = \"shop.thing\"\n" + kRules +
                      kRest);
  CHECK(shop.run({"apply", "shop", "--yes"}, kRefused).err.find("postgres.table-not-empty") !=
        std::string::npos);
  CHECK(shop.task().status().at("revision") == 1);
  CHECK(shop.lanes().empty());
  CHECK(shop.run({"plan", "shop"}, kRefused).err.find("postgres.table-not-empty") !=
        std::string::npos);

  // Said aloud, its rows give way; while it is on its way, nothing else may be done to it.
  shop.run({"apply", "shop", "--yes", "--reload-mode", "swap"});
  shop.await_no_lane();
  shop.check_same("thing");
  CHECK(shop.task().stop().code == 0);

  // A stopped task takes such a change up with its start.
  shop.task().rewrite(kRules + kRest);
  CHECK(shop.run({"apply", "shop", "--yes", "--reload-mode", "swap"}).err.find("revision 3") !=
        std::string::npos);
  shop.task().rewrite("[[table]]\nmatch = \"shop.item\"\ntarget = \"shop.third\"\n" + kRules +
                      kRest);
  CHECK(shop.run({"apply", "shop", "--yes"}, kConflict).err.find("lane.open") != std::string::npos);
  shop.task().rewrite(kRules + kRest);
  REQUIRE(shop.task().start("").code == 0);
  shop.await_no_lane();
  shop.check_same("item");
  CHECK(shop.task().stop().code == 0);
}

TEST_CASE(
    "replan: a suspended table shows everywhere, and stands in the way of what needs all tables",
    "[replan][server]") {
  Shop shop(mariadb_end(), postgres_end());
  shop.change_there("ALTER TABLE shop.item ADD CONSTRAINT positive CHECK (n >= 0)");
  shop.here().sql("INSERT INTO shop.item VALUES (-1, -5, 'x')");
  REQUIRE(shop.task().await([&] {
    const auto lanes = shop.lanes();
    return lanes.size() == 1 && lanes[0].state == State::suspended &&
           weir::open_state(shop.task().state_dir(), true)->offset("shop/1");
  }));

  const json status = shop.run({"sync", "status", "shop", "--json"}, 1).json();
  CHECK(status.at("ok") == false);
  CHECK(status.at("lanes")[0].at("state") == "suspended");
  CHECK(status.at("lanes")[0].at("offset").is_string());
  const json list = shop.run({"sync", "list", "--json"}).json();
  CHECK(list.at("tasks")[0].at("suspended_tables") == 1);
  const json retention = shop.task().run({"check-retention", "shop", "--json"}).json();
  REQUIRE(retention.at("tasks").size() == 2);
  CHECK(retention.at("tasks")[0].at("tables").is_null());
  CHECK(retention.at("tasks")[1].at("task") == "shop/1");
  CHECK(retention.at("tasks")[1].at("tables") == json({"shop.item"}));
  CHECK_FALSE(retention.at("tasks")[1].at("offset").is_null());
  CHECK(shop.task().run({"check-retention", "shop", "--format", "nagios"}).out.find("shop/1") !=
        std::string::npos);
  shop.run({"preflight", "shop"});
  const TaskRun::Result cutover = shop.run({"cutover", "shop", "--dry-run"}, kRefused);
  INFO(cutover.text());
  CHECK(cutover.err.find("cutover.table-apart") != std::string::npos);

  // A change of rules that is not about it leaves it alone.
  CHECK(shop.apply(kRules + "deletes = \"ignore\"\n").at("moves").empty());
  CHECK(shop.lanes().at(0).state == State::suspended);

  CHECK(shop.task().stop().code == 0);
  CHECK(shop.run({"offset", "reset", "shop", "--to", "now", "--dry-run"}, kRefused)
            .err.find("offset.table-apart") != std::string::npos);
  REQUIRE(shop.task().start("").code == 0);

  // It gets another place, where nothing refuses its rows.
  const json moved = shop.apply("[[table]]\nmatch = \"shop.item\"\ntarget = \"shop.thing\"\n" +
                                kRules + "deletes = \"ignore\"\n");
  CHECK(moved.at("moves").size() == 1);
  shop.await_no_lane();
  shop.check_same("thing");
  shop.run({"sync", "status", "shop"});
  CHECK(shop.task().stop().code == 0);
}

TEST_CASE("replan: a start does not take on what has to be applied", "[replan][server]") {
  Shop shop(mariadb_end(), sqlite_end());
  CHECK(shop.task().stop().code == 0);
  shop.task().rewrite("[[table]]\nmatch = \"shop.*\"\ntarget = \"shop.other_{table}\"\n" + kRest);
  for (const char* verb : {"start", "run"}) {
    CHECK(shop.run({"sync", verb, "shop"}, kRefused).err.find("start.needs-apply") !=
          std::string::npos);
  }
  CHECK(shop.task().status().at("revision") == 1);
  shop.run({"sync", "start", "shop", "--keep-config"});
  shop.check_same("item");
  CHECK(shop.task().stop().code == 0);
}
