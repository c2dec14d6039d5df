// SPDX-License-Identifier: Apache-2.0
// A task runs by a revision of its file: edits take effect when somebody applies them, and not by a
// failover; what can change without a stop does.
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kRefused = 4;
constexpr int kConflict = 7;
const std::string kRule = "[[table]]\nmatch = \"shop.*\"\n";

void make_shop(MySqlServer& server, int rows) {
  server.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, v VARCHAR(40));"
      "CREATE TABLE shop.spare (id INT PRIMARY KEY)");
  server.sql("USE shop; INSERT INTO shop.item SELECT seq, CONCAT('row ', seq) FROM seq_1_to_" +
             std::to_string(rows));
}

/// Inserts rows from `from` on until it goes.
class Writer {
 public:
  Writer(MySqlServer& server, int from)
      : thread_([this, &server, from] {
          MySqlSession session = server.session();
          // A pause that ends with the writer: as fast as it can, it would starve the task.
          for (int id = from; !stopped(); ++id) {
            session.sql("INSERT INTO shop.item VALUES (" + std::to_string(id) + ", 'new')");
            if (id % 3 == 0) {
              session.sql("UPDATE shop.item SET v = 'changed' WHERE id = " +
                          std::to_string(id - from + 1));
            }
          }
        }) {}
  ~Writer() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

 private:
  bool stopped() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(2), [this] { return stop_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the others
};

TaskRun::Result run(const TaskRun& task, int code, const std::vector<std::string>& words) {
  TaskRun::Result result = task.run(words);
  INFO(result.text());
  REQUIRE(result.code == code);
  return result;
}

std::string sum(const Rows& rows) { return rows.at(0).at(0) + " " + rows.at(0).at(1); }

/// Both sides have the same rows, within the usual patience.
bool equal(MySqlServer& source, const SqliteFile& target, TaskRun& task) {
  MySqlSession there = source.session();
  return task.await([&] {
    const std::string wanted =
        sum(there.query("SELECT count(*), sum(id * length(v)) FROM shop.item"));
    return sum(target.session().query("SELECT count(*), sum(id * length(v)) FROM item")) == wanted;
  });
}

std::string rows_copied(const SqliteFile& target) {
  try {
    return target.session().value("SELECT count(*) FROM item");
  } catch (const std::runtime_error&) {
    return "0";  // there is no table yet
  }
}

}  // namespace

TEST_CASE("a file that is edited while its task runs does not take effect by a failover",
          "[server][revision]") {
  TempMariaDb source;
  SqliteFile target;
  make_shop(source, 100);
  TaskRun task(source, target.section(), {.rest = kRule});
  run(task, 0, {"sync", "start", task.file(), "--wait", "caught-up"});
  CHECK(task.status().at("revision") == 1);
  CHECK(task.status().at("file_differs") == false);

  task.rewrite(kRule + "target = \"shop.other_{table}\"\n");
  CHECK(task.status().at("file_differs") == true);
  const pid_t killed = task.kill_worker();
  {
    Writer writer(source, 1000);
    REQUIRE(task.await([&] { return task.worker() > 0 && task.worker() != killed; }));
    REQUIRE(task.await([&] {
      return std::stoi(target.session().value("SELECT count(*) FROM item WHERE id > 1000")) > 100;
    }));
  }
  CHECK(equal(source, target, task));
  CHECK(target.session().value("SELECT count(*) FROM sqlite_schema WHERE name = 'other_item'") ==
        "0");
  // Nor does a file that is broken.
  std::ofstream(task.file()) << "oops";
  const pid_t again = task.kill_worker();
  REQUIRE(task.await([&] { return task.worker() > 0 && task.worker() != again; }));
  source.sql("INSERT INTO shop.item VALUES (1, 'x') ON DUPLICATE KEY UPDATE v = 'last'");
  CHECK(equal(source, target, task));
  CHECK(task.status().at("revision") == 1);

  // A start without the edits, and one with them.
  run(task, 0, {"sync", "stop", task.name()});
  CHECK(run(task, 3, {"sync", "start", task.name()}).err.find("task-file.invalid") !=
        std::string::npos);
  std::filesystem::remove(task.file());
  run(task, 0, {"sync", "start", task.name(), "--keep-config", "--wait", "caught-up"});
  CHECK(task.status().at("revision") == 1);
  run(task, 0, {"sync", "stop", task.name()});
  task.rewrite(kRule + "[full]\nchunk_rows = 77\n");
  run(task, 0, {"sync", "start", task.name(), "--wait", "caught-up"});
  CHECK(task.status().at("revision") == 2);
}

TEST_CASE("a rate limit that is applied counts for the copy that is under way",
          "[server][revision]") {
  TempMariaDb source;
  SqliteFile target;
  make_shop(source, 20'000);
  // By this limit the copy takes longer than anybody waits here.
  TaskRun task(source, target.section(),
               {.rest = kRule + "[full]\nrate_limit = \"50 rows/s\"\nchunk_rows = 256\n"});
  run(task, 0, {"sync", "start", task.file(), "--wait", "schema"});
  REQUIRE(task.await([&] { return rows_copied(target) != "0"; }));
  const pid_t worker = task.worker();
  Writer writer(source, 100'000);
  CHECK(std::stoi(rows_copied(target)) < 20'000);

  task.rewrite(kRule +
               "[full]\nrate_limit = \"0\"\nchunk_rows = 5000\n[incremental]\nflush_interval = "
               "\"50ms\"\n");
  const json applied = run(task, 0, {"apply", task.name(), "--yes", "--json"}).json();
  CHECK(applied.at("need") == "live");
  CHECK(applied.at("restarted") == false);
  CHECK(applied.at("new_revision") == 2);
  REQUIRE(task.await([&] { return task.status().at("stage") == "incremental"; }));
  CHECK(task.worker() == worker);
  CHECK(task.status().at("failovers") == 0);
}

TEST_CASE("connections and chunk size that are applied count for the copy under way",
          "[server][revision]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source, 3000);
  for (const char* table : {"a", "b", "c"}) {
    source.sql(std::string("CREATE TABLE shop.") + table + " AS SELECT * FROM shop.item");
    source.sql(std::string("ALTER TABLE shop.") + table + " ADD PRIMARY KEY (id)");
  }
  const auto settings = [](int connections, int rows) {
    return kRule +
           "[full]\nrate_limit = \"20 rows/s\"\nconnections = " + std::to_string(connections) +
           "\nchunk_rows = " + std::to_string(rows) + "\n";
  };
  TaskRun task(source, target, {.rest = settings(1, 10)});
  run(task, 0, {"sync", "start", task.file(), "--wait", "schema"});
  MySqlSession look = source.session();
  const auto sessions = [&] {
    return std::stoi(
        look.value("SELECT count(*) FROM information_schema.processlist WHERE user = '" +
                   source.user() + "'"));
  };
  const auto ranges = [&](const std::string& which) {
    return target.value("SELECT count(*) FROM weir.weir_range WHERE " + which);
  };
  REQUIRE(task.await([&] { return ranges("row_count > 0") != "0"; }));
  const int before = sessions();
  const auto apply = [&](int connections, int rows) {
    task.rewrite(settings(connections, rows));
    const json applied = run(task, 0, {"apply", task.name(), "--yes", "--json"}).json();
    CHECK(applied.at("need") == "live");
    CHECK(applied.at("restarted") == false);
  };
  apply(4, 7);
  REQUIRE(task.await([&] { return sessions() == before + 3; }));
  REQUIRE(task.await([&] { return ranges("row_count % 10 <> 0") != "0"; }));
  apply(2, 7);
  REQUIRE(task.await([&] { return sessions() == before + 1; }));
  CHECK(task.status().at("failovers") == 0);
}

TEST_CASE("a change of the rules is planned, applied to a running task, and rolled back",
          "[server][revision]") {
  TempMariaDb source;
  SqliteFile target;
  make_shop(source, 500);
  TaskRun task(source, target.section(), {.rest = kRule});
  run(task, 0, {"sync", "start", task.file(), "--wait", "caught-up"});
  const std::string plan = target.folder() + "/shop.plan";
  const std::string before = read_file(task.file());
  {
    Writer writer(source, 10'000);
    task.rewrite(kRule + "deletes = \"ignore\"\n");
    const json planned =
        run(task, 10, {"plan", task.name(), "--out", plan, "--exit-code", "--json"}).json();
    CHECK(planned.at("need") == "live");
    CHECK(planned.at("revision") == 1);
    CHECK(planned.at("tables") == json({"shop.item", "shop.spare"}));
    CHECK_FALSE(planned.at("offset").get<std::string>().empty());

    const pid_t worker = task.worker();

    // The target moves, so that the plan may be wrong.
    target.session().sql("ALTER TABLE item ADD COLUMN note TEXT");
    CHECK(run(task, kRefused, {"apply", plan, "--yes"}).err.find("plan.moved") !=
          std::string::npos);
    target.session().sql("ALTER TABLE item DROP COLUMN note");

    CHECK(run(task, 0, {"apply", plan, "--yes", "--json"}).json().at("restarted") == false);
    CHECK(task.worker() == worker);
    CHECK(task.status().at("revision") == 2);
    source.sql("DELETE FROM shop.item WHERE id = 7");
  }
  source.sql("INSERT INTO shop.item VALUES (5000, 'mark')");
  REQUIRE(task.await(
      [&] { return target.session().value("SELECT count(*) FROM item WHERE id = 5000") == "1"; }));
  CHECK(target.session().value("SELECT count(*) FROM item WHERE id = 7") == "1");
  source.sql("INSERT INTO shop.item VALUES (7, 'again')");

  {
    Writer writer(source, 1'000'000);
    run(task, 0, {"rollback", task.name(), "--yes"});
    source.sql("DELETE FROM shop.item WHERE id = 8");
  }
  CHECK(read_file(task.file()) == before);
  CHECK(task.status().at("revision") == 3);
  CHECK(task.status().at("file_differs") == false);
  CHECK(equal(source, target, task));
  CHECK(target.session().value("SELECT count(*) FROM item WHERE id = 8") == "0");

  // What counts from a start on takes one, and nothing is stopped without being asked to.
  task.rewrite(kRule + "[failover]\nlimit = 5\n");
  const pid_t worker = task.worker();
  CHECK(run(task, kRefused, {"apply", task.name(), "--yes"}).err.find("plan.restart") !=
        std::string::npos);
  CHECK(task.worker() == worker);
  CHECK(task.status().at("revision") == 3);
  CHECK(
      run(task, 0, {"apply", task.name(), "--yes", "--restart", "--json"}).json().at("restarted") ==
      true);
  CHECK(task.worker() != worker);
  CHECK(task.status().at("revision") == 4);
}

TEST_CASE("a revision that does not start is put back, and the task goes on by the one before",
          "[server][revision]") {
  TempMariaDb source;
  SqliteFile target;
  make_shop(source, 100);
  TaskRun task(source, target.section(), {.rest = kRule});
  run(task, 0, {"sync", "start", task.file(), "--wait", "caught-up"});

  // The checks before the restart get the password, and the worker does not.
  std::string text = read_file(task.file());
  const std::string plain = "{ file = \"" + task.source_password_file() + "\" }";
  const std::size_t at = text.find(plain);
  REQUIRE(at != std::string::npos);
  text.replace(at, plain.size(),
               "{ command = 'grep -q weir-apply /proc/$PPID/comm && cat " +
                   task.source_password_file() + "' }");
  // A table is to go elsewhere, too.
  text.replace(text.find(kRule), 0, "[[table]]\nmatch = \"shop.spare\"\ntarget = \"shop.other\"\n");
  std::ofstream(task.file()) << text;

  const TaskRun::Result failed = task.run({"apply", task.name(), "--yes", "--restart"});
  INFO(failed.text());
  CHECK(failed.code != 0);
  CHECK(failed.err.find("error[apply.failed]") != std::string::npos);
  CHECK(failed.err.find("as revision 3") != std::string::npos);
  REQUIRE(task.await([&] { return task.status().at("state") == "running"; }));
  CHECK(task.status().at("revision") == 3);
  CHECK(task.status().at("file_differs") == true);
  CHECK(run(task, 0, {"config", "diff", task.name(), "1", "running"}).out.empty());
  CHECK(task.status().at("lanes").empty());
  source.sql("INSERT INTO shop.spare VALUES (1)");
  CHECK(task.await([&] { return target.session().value("SELECT count(*) FROM spare") == "1"; }));
  source.sql("INSERT INTO shop.item VALUES (5000, 'after')");
  CHECK(equal(source, target, task));
}

TEST_CASE("a plan notices what moved since, and two changes at once", "[server][revision]") {
  TempMariaDb source;
  make_shop(source, 10);
  const auto check = [](TaskRun& task, const std::function<void(const std::string&)>& target) {
    run(task, 0, {"sync", "start", task.file(), "--wait", "caught-up"});
    run(task, 0, {"sync", "stop", task.name()});
    task.rewrite(kRule + "deletes = \"ignore\"\n");
    const std::string plan = task.state_dir() + "/shop.plan";
    run(task, 0, {"plan", task.name(), "--out", plan});
    target("ALTER TABLE shop.item ADD COLUMN note INT");
    CHECK(run(task, kRefused, {"apply", plan, "--yes"}).err.find("plan.moved") !=
          std::string::npos);
    target("ALTER TABLE shop.item DROP COLUMN note");

    // The same plan, as it would be had it been made further on in the log.
    json later = json::parse(read_file(plan));
    const std::string offset = later.at("offset");
    later["offset"] = offset.substr(0, offset.rfind('-') + 1) + "999999";
    const std::string moved = task.state_dir() + "/later.plan";
    std::ofstream(moved) << later.dump();
    CHECK(run(task, kRefused, {"apply", moved, "--yes"}).err.find("was put back") !=
          std::string::npos);
    // The file says something else by now.
    task.rewrite(kRule + "deletes = \"ignore\"\n[full]\nchunk_rows = 5000\n");
    CHECK(run(task, kRefused, {"apply", plan, "--yes"}).err.find("was edited") !=
          std::string::npos);
    task.rewrite(kRule + "deletes = \"ignore\"\n");
    // Somebody else is at it: the second one is told, and changes nothing.
    {
      const int file = open((task.state_dir() + "/shop.change").c_str(), O_RDWR | O_CREAT, 0600);
      REQUIRE(flock(file, LOCK_EX | LOCK_NB) == 0);
      for (const std::vector<std::string>& words :
           {std::vector<std::string>{"apply", plan, "--yes"},
            {"rollback", task.name(), "--yes"},
            {"add-table", task.name(), "shop.spare", "--yes"}}) {
        CHECK(run(task, kConflict, words).err.find("change.busy") != std::string::npos);
      }
      close(file);
    }
    CHECK(run(task, 0, {"apply", plan, "--yes", "--json"}).json().at("new_revision") == 2);
    CHECK(run(task, kRefused, {"apply", plan, "--yes"}).err.find("the task runs by 2") !=
          std::string::npos);
  };
  SECTION("PostgreSQL") {
    TempPostgres target;
    TaskRun task(source, target, {.rest = kRule});
    check(task, [&](const std::string& sql) { target.sql(sql); });
  }
  SECTION("MariaDB") {
    TempMariaDb target;
    TaskRun task(source, target, {.rest = kRule});
    check(task, [&](const std::string& sql) { target.sql(sql); });
  }
}
