// SPDX-License-Identifier: Apache-2.0
// weir checklist on real servers: what it measures, what it asks, and what it keeps.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kOk = 0;
constexpr int kRefused = 4;
const std::string kWeek = "--binlog-expire-logs-seconds=604800";
const std::string kShop = "[[table]]\nmatch = \"shop.*\"\n";

void make_shop(MySqlServer& server) {
  server.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, v "
      "VARCHAR(200), note INT)");
  server.sql("INSERT INTO shop.item (v) VALUES ('a'), ('b')");
}

void start(TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
}

/// A file that says yes to all that only a person knows, and `more` lines.
std::string answers(const TempDir& dir, const std::string& more = "") {
  std::string text = "[answers]\n";
  for (const char* const id : {"downstream", "left-behind", "load", "way-back", "alert-status",
                               "alert-full-load", "alert-latency", "alert-failover", "alert-ddl"}) {
    text += fmt::format("{} = {{ answer = true, evidence = \"on call\" }}\n", id);
  }
  return dir.write("answers.toml", text + more);
}

json ask(const TaskRun& task, const std::string& operation, int code,
         const std::string& answers_file) {
  const TaskRun::Result result =
      task.run({"checklist", operation, task.name(), "--json", "--answers", answers_file});
  INFO(result.text());
  REQUIRE(result.code == code);
  const json document = result.json();
  CHECK(document.at("operation") == operation);
  CHECK(document.at("passed") == (code == kOk));
  CHECK(document.at("ok") == (code == kOk));
  return document;
}

json item(const json& document, const std::string& id) {
  for (const json& one : document.at("items")) {
    if (one.at("id") == id) return one;
  }
  FAIL("no item " << id << " in " << document.dump(2));
  return {};
}

std::vector<std::string> open_items(const json& document) {
  std::vector<std::string> out;
  for (const json& one : document.at("items")) {
    if (one.at("verdict") == "fail" || one.at("verdict") == "unknown") out.push_back(one.at("id"));
  }
  return out;
}

using Ids = std::vector<std::string>;

std::size_t kept(const TaskRun& task) {
  return weir::open_state(task.state_dir(), true)->checklists(task.name(), "", 100).size();
}

/// From a healthy task over a stopped one to one whose log was purged.
void check_binlogs(MySqlServer& server) {
  make_shop(server);
  const TempDir dir;
  const std::string all = answers(dir);
  SqliteFile target;
  TaskRun task(server, target.section(), {.rest = kShop});
  start(task);

  const json fresh = ask(task, "restart", kOk, all);
  INFO(fresh.dump(2));
  CHECK_THAT(item(fresh, "retention").at("measured"), Catch::Contains("expire_logs_seconds"));
  CHECK(item(fresh, "alert-ddl").at("evidence") == "on call");
  CHECK(item(fresh, "alert-ddl").at("answer") == true);
  CHECK(item(fresh, "preflight").at("answer").is_null());
  CHECK(fresh.at("unanswered").empty());
  CHECK(kept(task) == 1);
  const TaskRun::Result shown = task.run({"checklist", "restart", "shop", "--show"});
  INFO(shown.text());
  CHECK(shown.code == kOk);
  CHECK_THAT(shown.out, Catch::Contains("pass     retention: ") &&
                            Catch::Contains("answer: yes; on call") &&
                            Catch::Contains("shop, restart: passed"));
  CHECK(task.run({"checklist", "restart", "shop", "--show", "--checklist-age", "1ms"}).code ==
        kRefused);
  for (const char* const operation : {"remove-table", "tune", "remap", "reset-offset"}) {
    ask(task, operation, kOk, all);
  }
  CHECK(kept(task) == 5);

  // Without answers nothing is kept, and what was confirmed before still counts.
  const TaskRun::Result silent = task.run({"checklist", "restart", "shop"});
  INFO(silent.text());
  CHECK(silent.code == kRefused);
  CHECK_THAT(silent.err, Catch::Contains("error[checklist.unanswered]") &&
                             Catch::Contains("alert-status, alert-full-load") &&
                             Catch::Contains("{ answer = true, evidence = "));
  CHECK_THAT(silent.out, Catch::Contains("unknown  alert-status: "));
  CHECK(kept(task) == 5);
  CHECK(task.run({"checklist", "restart", "shop", "--show", "--json"}).json().at("counts") == true);

  // The rules meet rows that the task itself brought, until one says what becomes of them.
  const json rows = ask(task, "rerun-full", kRefused, all);
  CHECK(open_items(rows) == Ids{"target-data"});
  CHECK_THAT(item(rows, "target-data").at("measured"), Catch::Contains("item"));
  CHECK_THAT(item(rows, "target-data").at("action"), Catch::Contains("existing = \"truncate\""));
  task.rewrite(kShop + "existing = \"truncate\"\n");
  ask(task, "rerun-full", kOk, all);

  // New tables: none yet, one without a key, one with.
  CHECK(open_items(ask(task, "add-tables", kRefused, all)) == Ids{"new-tables"});
  server.sql("CREATE DATABASE more; CREATE TABLE more.plain (v INT)");
  task.rewrite(kShop + "[[table]]\nmatch = \"more.*\"\n");
  const json keyless = ask(task, "add-tables", kRefused, all);
  CHECK(open_items(keyless) == Ids{"preflight", "new-tables"});
  CHECK_THAT(item(keyless, "new-tables").at("measured"),
             Catch::Contains("more.plain [mapping.no-key]"));
  server.sql("ALTER TABLE more.plain ADD PRIMARY KEY (v)");
  const json added = ask(task, "add-tables", kOk, all);
  CHECK_THAT(item(added, "new-tables").at("measured"), Catch::Contains("1 new table"));
  task.rewrite(kShop);

  // A log that was purged: no restart, but the way to a new offset is open.
  REQUIRE(task.stop().code == kOk);
  const auto files = [&] { return server.query("SHOW BINARY LOGS"); };
  server.sql("INSERT INTO shop.item (v) VALUES ('lost')");
  server.sql("FLUSH BINARY LOGS");
  REQUIRE(eventually([&] {
    server.sql("PURGE BINARY LOGS TO '" + files().back()[0] + "'");
    return files().size() == 1;
  }));
  const json lost = ask(task, "restart", kRefused, all);
  CHECK(open_items(lost) == Ids{"retention", "preflight"});
  CHECK(item(ask(task, "reset-offset", kOk, all), "retention").at("verdict") == "not-applicable");
}

/// `weir checklist` at a terminal of its own.
class AtTerminal {
 public:
  AtTerminal(const TaskRun& task, const std::string& operation) {
    const std::string program = std::string(WEIR_BIN_DIR) + "/weir-checklist";
    const std::string name = task.name();
    const std::string state = task.state_dir();
    pid_ = ::forkpty(&fd_, nullptr, nullptr, nullptr);
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::execl(program.c_str(), program.c_str(), operation.c_str(), name.c_str(), "--state-dir",
              state.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
  ~AtTerminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(fd_);
  }
  AtTerminal(const AtTerminal&) = delete;
  AtTerminal& operator=(const AtTerminal&) = delete;

  const std::string& seen() const { return seen_; }
  void type(const std::string& text) {
    REQUIRE(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  /// Reads until `text` stands there that was not there at the last call; false at the end.
  bool sees(const std::string& text) {
    return eventually([&] { return look() || seen_.find(text, from_) != std::string::npos; }) &&
           advance(text);
  }
  /// As waitpid gives it, once nothing more comes.
  int end() {
    REQUIRE(eventually([&] { return look(); }));
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return status;
  }

 private:
  /// Takes what is there; true at the end.
  bool look() {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, 0) == 0) return false;
    char buffer[4096];
    const ssize_t got = ::read(fd_, buffer, sizeof(buffer));
    if (got <= 0) return true;
    seen_.append(buffer, static_cast<std::size_t>(got));
    return false;
  }
  bool advance(const std::string& text) {
    const std::size_t at = seen_.find(text, from_);
    if (at == std::string::npos) return false;
    from_ = at + text.size();
    return true;
  }

  pid_t pid_ = -1;
  int fd_ = -1;
  std::string seen_;
  std::size_t from_ = 0;
};

}  // namespace

TEST_CASE("checklist: MariaDB, from healthy to purged", "[checklist][server]") {
  TempMariaDb server({.args = {kWeek}});
  check_binlogs(server);
}

TEST_CASE("checklist: MySQL 9, from healthy to purged", "[checklist][bootstrap]") {
  TempMySql server({.args = {kWeek}});
  check_binlogs(server);
}

TEST_CASE("checklist: PostgreSQL on both sides", "[checklist][server]") {
  TempPostgres source;
  source.sql("ALTER ROLE weir REPLICATION");
  source.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, v text); INSERT INTO "
      "shop.item VALUES (1, 'a')");
  TempPostgres target({.own_identity = true});
  const TempDir dir;
  const std::string all = answers(dir);
  TaskRun task(source, target, {.rest = kShop});
  start(task);
  const json restart = ask(task, "restart", kOk, all);
  // A slot without a cap keeps everything.
  CHECK_THAT(item(restart, "retention").at("measured"), Catch::Contains("no limit is known"));
  for (const char* const operation : {"remove-table", "tune", "remap", "reset-offset"}) {
    ask(task, operation, kOk, all);
  }
  // As if the task were not there; that its own reader has the slot is nothing to mend.
  CHECK(open_items(ask(task, "rerun-full", kRefused, all)) == Ids{"target-data"});
  REQUIRE(task.stop().code == kOk);
  CHECK(open_items(ask(task, "rerun-full", kRefused, all)) == Ids{"target-data"});
  task.rewrite(kShop + "existing = \"replace\"\n");
  ask(task, "rerun-full", kOk, all);
  task.rewrite(kShop + "existing = \"append\"\n");
  CHECK_THAT(item(ask(task, "rerun-full", kRefused, all), "target-data").at("measured"),
             Catch::Contains("append"));
}

TEST_CASE("checklist: the task's history is read, and what was confirmed is remembered",
          "[checklist][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  const TempDir dir;
  const std::string all = answers(dir);
  SqliteFile target;
  TaskRun task(server, target.section(),
               {.rest = kShop + "[ddl]\ndrop_column = \"alert\"\n[failover]\nwindow = \"1h\"\n"});
  start(task);
  ask(task, "tune", kOk, all);

  server.sql("ALTER TABLE shop.item DROP COLUMN note");
  const auto state = weir::open_state(task.state_dir(), true);
  REQUIRE(task.await(
      [&] { return state->count_events("shop", "ddl.not-applied", weir::Time{}) == 1; }));
  const TaskRun::Result open = task.run({"checklist", "tune", "shop", "--answers", all});
  INFO(open.text());
  CHECK(open.code == kRefused);
  CHECK_THAT(open.err, Catch::Contains("ddl"));
  CHECK(item(ask(task, "tune", kRefused, answers(dir, "ddl = false\n")), "ddl").at("answer") ==
        false);
  const json confirmed = ask(task, "tune", kOk, answers(dir, "ddl = true\n"));
  CHECK_THAT(item(confirmed, "ddl").at("measured"), Catch::Contains("[ddl.not-applied]"));
  const json later = ask(task, "restart", kOk, answers(dir));
  CHECK(item(later, "ddl").at("answer").is_null());

  for (std::size_t failovers = 1; failovers <= 2; ++failovers) {
    task.kill_worker();
    REQUIRE(task.await(
        [&] { return state->count_events("shop", "failover", weir::Time{}) == failovers; }));
  }
  REQUIRE(task.await([&] { return task.status().at("caught_up") == true; }));
  const json frequent = ask(task, "restart", kRefused, answers(dir, "failovers = true\n"));
  CHECK(open_items(frequent) == Ids{"failovers"});
  CHECK_THAT(item(frequent, "failovers").at("measured"), Catch::Contains("2 in the last 1 h"));
}

TEST_CASE("checklist: a copy that takes longer than the log is kept is told before it begins",
          "[checklist][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  SqliteFile target;
  const TempDir dir;
  TaskRun task(server, target.section(), {.rest = kShop + "existing = \"truncate\"\n"});
  start(task);
  REQUIRE(task.stop().code == kOk);
  // Two rows at a row in two hours: the copy takes four.
  {
    const auto state = weir::open_state(task.state_dir(), false);
    for (int minute = 0; minute <= 120; minute += 2) {
      weir::Sample sample;
      sample.at = weir::now() - std::chrono::hours(24) + std::chrono::minutes(minute);
      sample.stage = weir::Stage::full;
      sample.rows_read = minute == 120 ? 1 : 0;
      state->add_sample("shop", sample);
    }
  }
  const json week = ask(task, "rerun-full", kOk, answers(dir));
  CHECK_THAT(item(week, "retention").at("measured"),
             Catch::Contains("the copy may take 4 h 00 m (2 rows at 0.00014 a second"));
  server.sql("SET GLOBAL binlog_expire_logs_seconds = 14400");
  const json hours = ask(task, "rerun-full", kRefused, answers(dir));
  CHECK(open_items(hours) == Ids{"retention"});
  CHECK_THAT(item(hours, "retention").at("action"), Catch::Contains("binlog_expire_logs_seconds"));
  // What begins no copy does not need as long.
  ask(task, "tune", kOk, answers(dir));
}

TEST_CASE("checklist: a server that is down is unknown, and no pass", "[checklist][server]") {
  SqliteFile target;
  const TempDir dir;
  std::optional<TempMariaDb> server(std::in_place, TempMariaDb::Options{.args = {kWeek}});
  make_shop(*server);
  TaskRun task(*server, target.section(), {.rest = kShop});
  start(task);
  REQUIRE(task.stop().code == kOk);
  // One that hangs is no different from one that is gone, but for the wait.
  server->freeze();
  CHECK(open_items(ask(task, "add-tables", kRefused, answers(dir))) ==
        Ids{"retention", "preflight", "new-tables"});
  server->thaw();
  server.reset();
  const json down = ask(task, "add-tables", kRefused, answers(dir));
  INFO(down.dump(2));
  CHECK(open_items(down) == Ids{"retention", "preflight", "new-tables"});
  for (const std::string& id : open_items(down)) {
    CHECK(item(down, id).at("verdict") == "unknown");
    CHECK_FALSE(item(down, id).at("action").is_null());
  }
}

TEST_CASE("checklist: asked at a terminal, and left by Ctrl-C", "[checklist][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), {.rest = kShop});
  start(task);
  {
    AtTerminal person(task, "restart");
    REQUIRE(person.sees("yes or no? "));
    person.type("y\nthe pager\n");
    REQUIRE(person.sees("yes or no? "));
    person.type("\x03");
    const int status = person.end();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGINT);
    CHECK(kept(task) == 0);
  }
  AtTerminal person(task, "restart");
  for (int i = 0; i < 5; ++i) {
    INFO(person.seen());
    REQUIRE(person.sees("yes or no? "));
    person.type(i == 0 ? "what?\ny\n" : "y\n");
    if (i == 0) REQUIRE(person.sees("yes or no? "));
    REQUIRE(person.sees("evidence"));
    person.type(i == 0 ? "the pager\n" : "\n");
  }
  const int status = person.end();
  INFO(person.seen());
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == kOk);
  CHECK_THAT(person.seen(), Catch::Contains("shop, restart: passed"));
  REQUIRE(kept(task) == 1);
  const weir::ChecklistRow row =
      weir::open_state(task.state_dir(), true)->checklists("shop", "restart", 1).at(0);
  CHECK(row.passed);
  CHECK_FALSE(row.who.empty());
  const auto first = std::ranges::find(row.items, "alert-status", &weir::ChecklistItemRow::id);
  REQUIRE(first != row.items.end());
  CHECK(first->evidence == "the pager");
}
