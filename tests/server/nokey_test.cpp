// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kRefused = 4;
constexpr int kWriters = 6;

const std::string kRule = "[[table]]\nmatch = \"bag.*\"\nkey = \"all-columns\"\n";

/// Rows without any key, most of them several times; a unique key that holds NULLs; and one table
/// with a key of its own, which also tells how far the target is.
void make_bag(MySqlServer& source, int rows) {
  source.sql(
      "CREATE DATABASE bag;"
      "CREATE TABLE bag.thing (a INT, b VARCHAR(40), j JSON, f FLOAT, d DOUBLE, n DECIMAL(14,4), "
      "x BLOB, at DATETIME(3), KEY (a));"
      "CREATE TABLE bag.label (no INT, text VARCHAR(20), UNIQUE KEY (no));"
      "CREATE TABLE bag.mark (id INT PRIMARY KEY, n BIGINT NOT NULL);"
      "INSERT INTO bag.mark VALUES (1, 0)");
  source.sql("INSERT INTO bag.thing VALUES (0, 'zero', '{\"k\": 0}', 0.25, 0.0625, 1.5, '', NULL)");
  for (int have = 1; have < rows; have *= 2) {
    source.sql(
        "INSERT INTO bag.thing SELECT NULLIF((a + 1) % 17, 3), IF(a % 5 = 0, NULL, b), j, f + "
        "0.25, "
        "d, n + 0.1, x, at FROM bag.thing");
  }
}

/// One transaction's worth of change to the tables without a key.
std::string change(std::mt19937_64& random) {
  const auto pick = [&](int below) {
    return std::to_string(random() % static_cast<std::uint64_t>(below));
  };
  const std::string one = " WHERE a = " + pick(17) + " LIMIT 1";
  const std::string some = " WHERE a = " + pick(17) + " LIMIT 3";
  const std::string insert = "INSERT INTO bag.thing VALUES (" + pick(17) + ", NULL, '{\"k\": [" +
                             pick(3) + ", null]}', " + pick(4) + " / 4, " + pick(4) + " / 8, " +
                             pick(3) + ".5, X'00FF0" + pick(9) + "', '2026-01-02 03:04:05." +
                             pick(9) + "00')";
  switch (random() % 11) {
    case 0:
      return insert + ", (NULL, '', NULL, NULL, NULL, NULL, NULL, NULL)";
    case 1:
      return insert + "; " + insert;
    case 2:
      return "DELETE FROM bag.thing" + one;
    case 3:
      return "DELETE FROM bag.thing" + some;
    case 4:
      return "UPDATE bag.thing SET n = n + 1, b = NULL" + some;
    case 5:
      return "UPDATE bag.thing SET a = " + pick(17) + ", b = CONCAT('b\\\\\"', " + pick(5) + ")" +
             some;
    case 6:
      return "UPDATE bag.thing SET j = '{\"k\": " + pick(3) + "}', x = '', f = f * 2" + one;
    case 7:
      return insert + "; DELETE FROM bag.thing" + some + "; " + insert;
    case 8:
      return "INSERT IGNORE INTO bag.label VALUES (" + pick(40) + ", 'l'), (NULL, 'l')";
    case 9:
      return "UPDATE IGNORE bag.label SET no = " + pick(40) + " WHERE no = " + pick(40);
    default:
      return "DELETE FROM bag.label WHERE no = " + pick(40) +
             "; DELETE FROM bag.label WHERE no IS NULL LIMIT 1";
  }
}

/// Sessions that change the bag until they are stopped.
class BagLoad {
 public:
  explicit BagLoad(const MySqlServer& source) {
    for (int i = 0; i < kWriters; ++i) {
      threads_.emplace_back([this, &source, i] {
        try {
          std::mt19937_64 random(static_cast<std::uint64_t>(i));
          MySqlSession session = source.session();
          while (!stop_) write(session, random);
        } catch (const std::exception& e) {
          const std::lock_guard lock(mutex_);
          error_ = e.what();
        }
      });
    }
  }
  ~BagLoad() { stop(); }
  BagLoad(const BagLoad&) = delete;
  BagLoad& operator=(const BagLoad&) = delete;

  /// What went wrong; "" if nothing did.
  std::string stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return error_;
  }
  std::uint64_t commits() const { return commits_; }

 private:
  void write(MySqlSession& session, std::mt19937_64& random) {
    try {
      session.sql("BEGIN; " + change(random));
      session.sql(random() % 8 == 0 ? "ROLLBACK" : "COMMIT");
      ++commits_;
    } catch (const std::runtime_error& e) {
      const std::string text = e.what();
      if (text.find("1213") == std::string::npos && text.find("1205") == std::string::npos) throw;
      session.sql("ROLLBACK");
    }
    // Not so fast that the target is never up to date.
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> commits_{0};
  std::mutex mutex_;
  std::string error_;
  std::vector<std::thread> threads_;
};

/// Waits until the target has all that is committed now.
void catch_up(TaskRun& task, MySqlServer& source, TempPostgres& target) {
  source.sql("UPDATE bag.mark SET n = n + 1");
  const std::string mark = source.value("SELECT n FROM bag.mark");
  REQUIRE(task.await([&] {
    try {
      return target.value("SELECT n FROM bag.mark") == mark;
    } catch (const std::runtime_error&) {
      return false;  // the schema stage has not made it yet
    }
  }));
}

Rows sorted(Rows rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

/// The rows of both sides as the two servers write them, each as often as it is there.
void check_equal(MySqlServer& source, TempPostgres& target) {
  const Rows here = sorted(
      source.query("SELECT a, b, CAST(j AS CHAR), f, d + 0e0, n, HEX(x), at FROM bag.thing"));
  const Rows there = sorted(target.query(
      "SELECT a, b, j::text, f, d, n, upper(encode(x, 'hex')), to_char(at, 'YYYY-MM-DD "
      "HH24:MI:SS.MS') FROM bag.thing"));
  Rows lacking;
  Rows extra;
  std::set_difference(here.begin(), here.end(), there.begin(), there.end(),
                      std::back_inserter(lacking));
  std::set_difference(there.begin(), there.end(), here.begin(), here.end(),
                      std::back_inserter(extra));
  INFO(lacking.size() << " rows are lacking, " << extra.size() << " are extra");
  // A few tell it as well as thousands.
  lacking.resize(std::min<std::size_t>(lacking.size(), 3));
  extra.resize(std::min<std::size_t>(extra.size(), 3));
  CHECK(lacking == Rows{});
  CHECK(extra == Rows{});
  CHECK(here.size() > 500);
  CHECK(std::adjacent_find(here.begin(), here.end()) != here.end());
  CHECK(sorted(source.query("SELECT no, text FROM bag.label")) ==
        sorted(target.query("SELECT no, text FROM bag.label")));
}

/// The worker that runs now, or the next one, is killed.
void kill_worker(TaskRun& task) {
  const pid_t killed = task.kill_worker();
  REQUIRE(task.await([&] { return task.worker() > 0 && task.worker() != killed; }));
}

void check_whole_way(MySqlServer& source) {
  make_bag(source, 1500);
  TempPostgres target;
  TaskRun task(
      source, target,
      {.rest = kRule + "[full]\nrate_limit = \"1500 rows/s\"\n[failover]\nlimit = 1000\n"});
  BagLoad load(source);
  REQUIRE(task.start("").code == 0);

  const auto stage = [&] {
    const auto row = weir::open_state(task.state_dir(), true)->task(task.name());
    return row && row->state == weir::TaskState::running ? weir::to_string(row->stage) : "";
  };
  // Rows on their way, which the kill throws away.
  REQUIRE(task.await([&] { return stage() == "full"; }));
  kill_worker(task);
  REQUIRE(task.await([&] { return stage() == "incremental"; }));
  for (int kills = 0; kills < 3; ++kills) {
    const std::uint64_t before = load.commits();
    REQUIRE(eventually([&] { return load.commits() > before + 100; }));
    kill_worker(task);
  }
  const std::uint64_t before = load.commits();
  REQUIRE(eventually([&] { return load.commits() > before + 100; }));
  CHECK(load.stop() == "");
  catch_up(task, source, target);
  check_equal(source, target);

  CHECK(target.value("SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = "
                     "'bag.thing'::regclass") == "0");
  CHECK(target.value("SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = "
                     "'bag.mark'::regclass") == "1");
  CHECK(target.value("SELECT string_agg(source_table, ' ' ORDER BY 1) FROM weir.weir_table WHERE "
                     "since_offset <> ''") == "label thing");
  // TRUNCATE is a change like others.
  source.sql("TRUNCATE bag.label; INSERT INTO bag.label VALUES (1, 'new'), (NULL, 'new')");
  catch_up(task, source, target);
  check_equal(source, target);
  const TaskRun::Result stopped = task.stop();
  INFO(stopped.text());
  CHECK(stopped.code == 0);
}

json await_end(const TaskRun& task) {
  json status;
  const bool ended = eventually(
      [&] {
        if (task.supervisor() > 0) return false;
        status = task.status();
        return status.at("running") == false && !status.at("error").is_null();
      },
      std::chrono::minutes(1));
  INFO(task.log());
  REQUIRE(ended);
  return status;
}

}  // namespace

TEST_CASE("tables without a key stay equal as multisets through kills, from MariaDB",
          "[server][nokey]") {
  TempMariaDb source({.args = {"--max-binlog-size=64K"}});
  check_whole_way(source);
}

// Its log does not tell the positions of events inside a transaction.
TEST_CASE("tables without a key stay equal as multisets through kills, from MariaDB 11.8",
          "[server][bootstrap][nokey]") {
  TempMariaDb source({.release = TempMariaDb::Release::v11_8, .args = {"--max-binlog-size=64K"}});
  check_whole_way(source);
}

TEST_CASE("tables without a key stay equal as multisets through kills, from MySQL",
          "[server][bootstrap][nokey]") {
  TempMySql source;
  check_whole_way(source);
}

TEST_CASE("tables without a key stay equal as multisets through kills, from MySQL without GTIDs",
          "[server][bootstrap][nokey]") {
  TempMySql source({.gtid = false});
  check_whole_way(source);
}

TEST_CASE("a TRUNCATE that the copy shows is not done again", "[server][nokey]") {
  TempMariaDb source;
  TempPostgres target;
  make_bag(source, 8);
  // The largest table is copied first, and slowly, over the only connection.
  source.sql(
      "CREATE TABLE bag.slow (id INT PRIMARY KEY, pad CHAR(200)); INSERT INTO bag.slow SELECT seq, "
      "'x' FROM bag.seq_1_to_3000; ANALYZE TABLE bag.slow; INSERT INTO bag.label VALUES (1, "
      "'old')");
  TaskRun task(
      source, target,
      {.rest =
           kRule + "[full]\nconnections = 1\nchunk_rows = 500\nrate_limit = \"1000 rows/s\"\n"});
  REQUIRE(task.start("").code == 0);
  const auto slow_rows = [&] {
    try {
      return std::stoi(target.value("SELECT count(*) FROM bag.slow"));
    } catch (const std::runtime_error&) {
      return 0;  // the schema stage has not made it yet
    }
  };
  REQUIRE(task.await([&] { return slow_rows() > 0; }));
  source.sql("INSERT INTO bag.label VALUES (2, 'gone'); TRUNCATE bag.label");
  source.sql("INSERT INTO bag.label VALUES (3, 'kept')");
  // Else the copy came too early to show it.
  REQUIRE(target.value("SELECT full_done FROM weir.weir_table WHERE source_table = 'slow'") == "f");
  catch_up(task, source, target);
  CHECK(target.query("SELECT no, text FROM bag.label") == Rows{{"3", "kept"}});
  source.sql("TRUNCATE bag.label; INSERT INTO bag.label VALUES (4, 'new')");
  catch_up(task, source, target);
  CHECK(target.query("SELECT no, text FROM bag.label") == Rows{{"4", "new"}});
}

TEST_CASE("a prepared XA transaction does not have rows without a key applied twice",
          "[server][nokey]") {
  TempMariaDb source;
  TempPostgres target;
  make_bag(source, 8);
  TaskRun task(source, target, {.rest = kRule + "[failover]\nlimit = 1000\n"});
  REQUIRE(task.start().code == 0);
  const auto prepare = [&](const std::string& id) {
    std::string number;
    {
      MySqlSession session = source.session();
      session.sql("XA START '" + id + "'; INSERT INTO bag.label VALUES (NULL, '" + id +
                  "'); XA END '" + id + "'; XA PREPARE '" + id + "'");
      number = session.value("SELECT CONNECTION_ID()");
    }
    // Nobody else can decide it before the server has seen the session go.
    REQUIRE(eventually([&] {
      return source.value("SELECT COUNT(*) FROM information_schema.processlist WHERE id = " +
                          number) == "0";
    }));
  };
  prepare("first");
  prepare("second");
  source.sql("INSERT INTO bag.label VALUES (NULL, 'plain'), (1, 'one')");
  source.sql("XA COMMIT 'first'; UPDATE bag.label SET text = 'uno' WHERE no = 1");
  catch_up(task, source, target);
  kill_worker(task);
  // The log is read from before the second one, and holds the end of the first.
  source.sql("DELETE FROM bag.label WHERE no = 1");
  catch_up(task, source, target);
  kill_worker(task);
  CHECK(sorted(target.query("SELECT text FROM bag.label")) == Rows{{"first"}, {"plain"}});
  source.sql("XA COMMIT 'second'; INSERT INTO bag.label VALUES (NULL, 'last')");
  catch_up(task, source, target);
  CHECK(sorted(target.query("SELECT text FROM bag.label")) ==
        Rows{{"first"}, {"last"}, {"plain"}, {"second"}});
  source.sql("INSERT INTO bag.label VALUES (NULL, 'end')");
  REQUIRE(task.await([&] {
    return target.value("SELECT log_offset LIKE '% applied %' FROM weir.weir_task") == "f";
  }));
}

TEST_CASE("a row without a key that the target lost stops the task by name", "[server][nokey]") {
  TempMariaDb source;
  TempPostgres target;
  make_bag(source, 8);
  source.sql("INSERT INTO bag.label VALUES (1, 'one'), (2, 'two'), (2 + 1, NULL)");
  TaskRun task(source, target,
               {.rest = kRule + "[failover]\nlimit = 0\n[dirty]\npolicy = \"stop-task\"\n"});
  REQUIRE(task.start().code == 0);
  const std::string offset = target.value("SELECT log_offset FROM weir.weir_task");
  target.sql("DELETE FROM bag.label WHERE no = 3");
  source.sql("BEGIN; INSERT INTO bag.label VALUES (4, 'four'); DELETE FROM bag.label; COMMIT");
  const json status = await_end(task);
  INFO(status.dump(2));
  CHECK(status.at("state") == "refused");
  const json& error = status.at("error");
  CHECK(error.at("id") == "postgres.row-missing");
  CHECK(error.at("exit_code") == kRefused);
  CHECK_THAT(error.at("what").get<std::string>(), Catch::Contains("bag.label"));
  CHECK_FALSE(error.at("fix").get<std::string>().empty());
  // Nothing of the transaction is there.
  CHECK(target.query("SELECT no, text FROM bag.label ORDER BY 1") ==
        Rows{{"1", "one"}, {"2", "two"}});

  target.sql("INSERT INTO bag.label VALUES (3, NULL)");
  REQUIRE(task.start().code == 0);
  catch_up(task, source, target);
  CHECK(target.query("SELECT no, text FROM bag.label").empty());
}

TEST_CASE("deletes of rows without a key are marked or ignored as the rule says",
          "[server][nokey]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(
      "CREATE DATABASE bag; CREATE TABLE bag.mark (id INT PRIMARY KEY, n BIGINT NOT NULL); INSERT "
      "INTO bag.mark VALUES (1, 0); CREATE TABLE bag.soft (v INT, w INT); CREATE TABLE bag.keep (v "
      "INT, w INT);"
      "INSERT INTO bag.soft VALUES (1, 1), (1, 2), (1, 3), (2, 4), (NULL, 5); INSERT INTO bag.keep "
      "SELECT * FROM bag.soft");
  // w is not copied: what is left of the rows is what tells them apart.
  TaskRun task(source, target, {.rest = R"(
[[table]]
match = "bag.soft"
key = "all-columns"
columns = { drop = ["w"] }
deletes = "soft:gone"
add_columns = { _at = "{execute_time}" }
[[table]]
match = "bag.keep"
key = "all-columns"
columns = { drop = ["w"] }
deletes = "ignore"
[[table]]
match = "bag.mark"
)"});
  REQUIRE(task.start().code == 0);
  for (const char* table : {"bag.soft", "bag.keep"}) {
    const std::string name = table;
    source.sql("DELETE FROM " + name + " WHERE w = 1; DELETE FROM " + name + " WHERE v IS NULL");
    source.sql("UPDATE " + name + " SET v = 7 WHERE w = 2");
    source.sql("UPDATE " + name + " SET w = 8 WHERE w = 3");
    // What comes and goes within a transaction was never there.
    source.sql("BEGIN; INSERT INTO " + name + " VALUES (2, 6); DELETE FROM " + name +
               " WHERE v = 2; COMMIT");
  }
  catch_up(task, source, target);
  CHECK(target.query("SELECT v, gone IS NULL FROM bag.soft ORDER BY 1, 2") ==
        Rows{{"1", "f"}, {"1", "t"}, {"2", "f"}, {"7", "t"}, {"NULL", "f"}});
  CHECK(target.value("SELECT count(*) FROM bag.soft WHERE _at IS NULL") == "0");
  CHECK(target.query("SELECT v FROM bag.keep ORDER BY 1") ==
        Rows{{"1"}, {"1"}, {"2"}, {"2"}, {"7"}, {"NULL"}});
}

TEST_CASE("an account that may not lock a MySQL table without a key is told so",
          "[server][bootstrap][nokey]") {
  TempMySql source;
  TempPostgres target;
  make_bag(source, 8);
  source.sql(
      "CREATE USER plain IDENTIFIED BY 'weir-pw'; GRANT SELECT, REPLICATION SLAVE, REPLICATION "
      "CLIENT ON *.* TO plain; CREATE ROLE locker; GRANT LOCK TABLES ON `b_g`.* TO locker");
  TaskRun task(source, target, {.rest = kRule});
  std::string file = read_file(task.file());
  const std::string user = "user = \"weir\"";
  file.replace(file.find(user), user.size(), "user = \"plain\"");
  std::ofstream(task.file()) << file;
  const auto refused = [&] {
    const TaskRun::Result checked = task.run({"preflight", task.file(), "--json"});
    INFO(checked.text());
    std::vector<std::string> tables;
    const json document = checked.json();
    for (const json& finding : document.at("findings")) {
      if (finding.at("severity") != "critical") continue;
      CHECK(finding.at("id") == "mysql.lock-tables");
      CHECK_THAT(finding.at("fix").get<std::string>(), Catch::Contains("GRANT LOCK TABLES"));
      tables.push_back(finding.at("table"));
    }
    CHECK(checked.code == (tables.empty() ? 0 : kRefused));
    return tables;
  };
  // The table with a key needs no lock.
  CHECK(refused() == std::vector<std::string>{"bag.label", "bag.thing"});
  source.sql("GRANT locker TO plain; SET DEFAULT ROLE locker TO plain");
  CHECK(refused().empty());
  source.sql("REVOKE locker FROM plain; GRANT LOCK TABLES ON bag.* TO plain");
  CHECK(refused().empty());
  const TaskRun::Result started = task.start();
  INFO(started.text());
  CHECK(started.code == 0);
  CHECK(target.value("SELECT count(*) FROM bag.thing") == "8");
}

TEST_CASE("a table without a key and without snapshots is refused", "[server][nokey]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql("CREATE DATABASE bag; CREATE TABLE bag.t (a INT) ENGINE = Aria");
  TaskRun task(source, target, {.rest = kRule});
  const TaskRun::Result checked = task.run({"preflight", task.file()});
  INFO(checked.text());
  CHECK(checked.code == kRefused);
  CHECK_THAT(checked.out, Catch::Contains("mysql.snapshot-engine"));
}
