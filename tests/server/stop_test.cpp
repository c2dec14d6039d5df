// SPDX-License-Identifier: Apache-2.0
// sync stop asks the source how long the task may stay away; sync start proves that it has come
// back in time, and else names the gap and every way out.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kRefused = 4;
const std::string kWeek = "--binlog-expire-logs-seconds=604800";
const TaskRun::Options kShop{.rest = "[[table]]\nmatch = \"shop.*\"\n"};

void make_shop(MySqlServer& server) {
  server.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, v "
      "VARCHAR(200))");
  server.sql("INSERT INTO shop.item (v) VALUES ('a'), ('b')");
}

void make_shop(TempPostgres& server) {
  server.sql("ALTER ROLE weir REPLICATION");
  server.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, v text); INSERT INTO "
      "shop.item VALUES (1, 'a')");
}

std::string postgres_section(const TempPostgres& server) {
  return fmt::format(
      "[source]\nkind = \"postgres\"\nsocket = \"{}\"\nport = {}\nuser = \"weir\"\ndatabase = "
      "\"dw\"\n",
      server.socket_dir(), server.port());
}

TaskRun::Result run(const TaskRun& task, int code, std::vector<std::string> words) {
  TaskRun::Result result = task.run(std::move(words));
  INFO(result.text());
  REQUIRE(result.code == code);
  return result;
}

json stop(const TaskRun& task, int code, std::vector<std::string> words = {}) {
  words.insert(words.begin(), {"sync", "stop", task.name(), "--json"});
  return run(task, code, std::move(words)).json();
}

json listed(const TaskRun& task) {
  return run(task, 0, {"sync", "list", "--json"}).json().at("tasks").at(0);
}

void start(const TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
}

bool running(const TaskRun& task) { return task.status().at("running") == true; }

/// Points the task file at another server.
void swap_text(const TaskRun& task, const std::string& old, const std::string& other) {
  std::string changed = read_file(task.file());
  REQUIRE(changed.find(old) != std::string::npos);
  changed.replace(changed.find(old), old.size(), other);
  std::ofstream(task.file()) << changed;
}

void swap_port(const TaskRun& task, std::uint16_t from, std::uint16_t to) {
  swap_text(task, fmt::format("port = {}", from), fmt::format("port = {}", to));
}

/// Purges everything but the newest file, however long the server takes to be able to.
void purge(MySqlServer& server) {
  REQUIRE(eventually([&] {
    server.sql("FLUSH BINARY LOGS");
    server.sql("PURGE BINARY LOGS TO '" + server.query("SHOW BINARY LOGS").back()[0] + "'");
    return server.query("SHOW BINARY LOGS").size() == 1;
  }));
}

/// A finding as text, without what only preflight tells, and without how far the server's log is by
/// now: it writes into it by itself.
std::string what_stays(json finding) {
  finding.erase("group");
  std::string end;
  if (json& gap = finding.at("gap"); gap.is_object() && gap.at("to").is_string()) {
    end = gap.at("to");
    gap.erase("to_time");
    gap.erase("lost_s");
    const std::string missing = gap.at("missing");
    gap["missing"] = missing.substr(0, missing.find(" ("));
  }
  std::string out = finding.dump();
  for (std::size_t at = out.find(end); !end.empty() && at != out.npos; at = out.find(end)) {
    out.replace(at, end.size(), "END");
  }
  return out;
}

/// What check-retention says before the resume, and `sync start` and `preflight` at it: the gap
/// that both name, with all ways out. Nothing is changed by any of them.
json refused_start(const TaskRun& task, const std::string& id) {
  const json told = run(task, kRefused, {"check-retention", task.name(), "--json"}).json();
  CHECK(told.at("tasks").at(0).at("verdict") == "lost");
  CHECK(told.at("tasks").at(0).at("limited_by") == id);
  CHECK(listed(task).at("left_s") <= 0);
  CHECK(run(task, 0, {"sync", "list"}).out.find(" gone ") != std::string::npos);

  const TaskRun::Result text = run(task, kRefused, {"sync", "start", task.file()});
  INFO(text.text());
  CHECK_THAT(text.err, Catch::Contains("\n  way 1: ") && Catch::Contains("DELETE FROM") &&
                           Catch::Contains("weir sync start " + task.name()) &&
                           Catch::Contains("error[" + id + "]: "));
  const TaskRun::Result refused = run(task, kRefused, {"sync", "start", task.file(), "--json"});
  const json error = json::parse(refused.err);
  CHECK(error.at("error").at("id") == id);
  // Only that: nothing else is asked once the log is gone.
  REQUIRE(error.at("findings").size() == 1);
  json finding = error.at("findings").at(0);
  CHECK(finding.at("id") == id);
  REQUIRE_FALSE(finding.at("gap").is_null());
  const bool bounded = !finding.at("gap").at("to").is_null();
  CHECK(bounded == (text.err.find("\n  gap: from ") != std::string::npos));
  CHECK(bounded == (id.find("offset-lost") != id.npos || id.find("slot-") != id.npos));
  CHECK(finding.at("gap").at("from") == task.status().at("offset"));
  REQUIRE(finding.at("ways").size() >= 2);
  for (const json& way : finding.at("ways")) {
    CHECK_FALSE(way.at("consequence").get<std::string>().empty());
    const std::string command = way.at("command");
    CHECK_THAT(command, Catch::Contains("weir "));
    // What is printed to be pasted is not refused.
    if (!command.starts_with("weir offset reset")) continue;
    std::vector<std::string> words;
    std::istringstream line(command.substr(0, command.find('\n')));
    for (std::string word; line >> word;) words.push_back(word);
    words.erase(words.begin());
    words.emplace_back("--dry-run");
    run(task, 0, words);
  }
  const json all = run(task, kRefused, {"preflight", task.file(), "--json"}).json();
  bool found = false;
  for (const json& one : all.at("findings")) {
    found = found || (one.at("id") == id && what_stays(one) == what_stays(finding));
  }
  CHECK(found);
  CHECK_FALSE(running(task));
  return finding;
}

std::string command(const json& finding, const std::string& part) {
  for (const json& way : finding.at("ways")) {
    const std::string text = way.at("command");
    if (text.find(part) != std::string::npos) return text;
  }
  return "no way with " + part;
}

void check_stop(MySqlServer& server) {
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);
  server.sql("INSERT INTO shop.item (v) VALUES ('c')");
  REQUIRE(task.await([&] { return target.session().value("SELECT count(*) FROM item") == "3"; }));
  CHECK(task.status().at("restart_before").is_null());

  // More than the log is kept for: nothing is stopped.
  const json little = stop(task, kRefused, {"--for", "4d"});
  INFO(little.dump(2));
  CHECK(little.at("ok") == false);
  CHECK(little.at("verdict") == "critical");
  CHECK(little.at("planned_stop_s") == 4 * 86400);
  CHECK(little.at("may_stay_down_s") > 604000);
  CHECK(little.at("limited_by") == "binlog_expire_logs_seconds");
  const TaskRun::Result text = run(task, kRefused, {"sync", "stop", "shop", "--for", "4d"});
  INFO(text.text());
  CHECK(text.out.empty());
  CHECK_THAT(text.err, Catch::Contains("error[stop.retention]: task shop may stay stopped ") &&
                           Catch::Contains("the stop takes 4 d") &&
                           Catch::Contains("--accept-risk retention"));
  CHECK(running(task));

  const TaskRun::Result planned = run(task, 0, {"sync", "stop", "shop", "--for", "6h"});
  INFO(planned.text());
  CHECK_THAT(planned.out, Catch::StartsWith("offset   ") &&
                              Catch::Contains("\nrestart  before 20") &&
                              Catch::Contains("binlog_expire_logs_seconds = 604800"));
  const json stopped = task.status();
  INFO(stopped.dump(2));
  CHECK(stopped.at("running") == false);
  CHECK(stopped.at("left_s") > 604000);
  CHECK(stopped.at("left_s") <= 604800);
  CHECK_FALSE(stopped.at("restart_before").is_null());
  CHECK(listed(task).at("restart_before") == stopped.at("restart_before"));
  CHECK_THAT(run(task, 0, {"sync", "status", "shop"}).out,
             Catch::Contains("\nretention may stay stopped until 20") &&
                 Catch::Contains(" left, binlog_expire_logs_seconds)\n"));
  CHECK_THAT(run(task, 0, {"sync", "list"}).out,
             Catch::Contains("  LEFT  ") &&
                 (Catch::Contains("  6 d 23 h  ") || Catch::Contains("  7 d 00 h  ")));
  // There is no question about a task that is stopped, however long it will stay so.
  const json again = stop(task, 0, {"--for", "30d"});
  CHECK(again.at("already_stopped") == true);
  CHECK(again.at("verdict").is_null());
  // Status asks no server.
  server.freeze();
  CHECK(task.status().at("left_s") > 604000);
  server.thaw();

  start(task);
  CHECK(task.status().at("restart_before").is_null());
  const json waived = stop(task, 0, {"--for", "30d", "--accept-risk", "retention"});
  INFO(waived.dump(2));
  CHECK(waived.at("verdict") == "critical");
  CHECK_FALSE(waived.at("restart_before").is_null());
  const auto store = weir::open_state(task.state_dir(), true);
  bool recorded = false;
  for (const weir::EventRow& event : store->events("shop", 100)) {
    if (event.id != "stop.retention-waived") continue;
    recorded = event.text.find("may stay stopped ") != std::string::npos &&
               event.text.find("the stop takes 30 d") != std::string::npos;
  }
  CHECK(recorded);

  // And once the log is gone.
  server.sql("INSERT INTO shop.item (v) VALUES ('d')");
  purge(server);
  const json gap = refused_start(task, "mysql.offset-lost");
  INFO(gap.dump(2));
  CHECK(gap.at("gap").at("to") == server.query("SHOW BINARY LOGS")[0][0] + ":4");
  CHECK_FALSE(gap.at("gap").at("from_time").is_null());
  CHECK_FALSE(gap.at("gap").at("to_time").is_null());
  CHECK_THAT(gap.at("gap").at("missing").get<std::string>(), Catch::Contains(".0000"));
  CHECK_THAT(command(gap, "offset reset"), Catch::Contains("weir offset reset shop --to ") &&
                                               Catch::Contains(" --accept-data-loss"));
  CHECK(target.session().value("SELECT count(*) FROM item") == "3");
}

}  // namespace

TEST_CASE("sync stop: MariaDB says how long the task may stay away", "[stop][server]") {
  TempMariaDb server({.args = {kWeek}});
  check_stop(server);
}

TEST_CASE("sync stop: MySQL 9 says how long the task may stay away", "[stop][bootstrap]") {
  TempMySql server({.args = {kWeek}});
  check_stop(server);
}

TEST_CASE("sync stop: MySQL 9 without GTIDs says how long the task may stay away",
          "[stop][bootstrap]") {
  TempMySql server({.gtid = false, .args = {kWeek}});
  check_stop(server);
}

TEST_CASE("sync stop: what nobody knows holds up a planned stop only", "[stop][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);
  server.freeze();
  const json planned = stop(task, kRefused, {"--for", "1h"});
  INFO(planned.dump(2));
  CHECK(planned.at("verdict") == "unknown");
  CHECK(planned.at("may_stay_down_s").is_null());
  CHECK(running(task));
  server.thaw();
  // The list of files is hidden from the account: the grant is named.
  server.sql(
      "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'weir'@'%'; GRANT SELECT, REPLICATION SLAVE ON *.* "
      "TO 'weir'@'%'");
  CHECK_THAT(run(task, kRefused, {"sync", "stop", "shop", "--for", "1h"}).err,
             Catch::Contains("error[stop.retention]: it cannot be proved") &&
                 Catch::Contains("fix: GRANT BINLOG MONITOR"));
  CHECK(running(task));
  const TaskRun::Result plain = run(task, 0, {"sync", "stop", "shop"});
  INFO(plain.text());
  CHECK_THAT(plain.err, Catch::Contains("unknown[mysql.log-list-hidden]"));
  CHECK_THAT(plain.out, Catch::Contains("\nrestart  nobody knows until when: "));
  CHECK(run(task, 0, {"sync", "list"}).out.find("  unknown  ") != std::string::npos);
  server.sql("GRANT ALL PRIVILEGES ON *.* TO 'weir'@'%'");

  // A task whose file is gone can be stopped, too.
  start(task);
  std::filesystem::rename(task.file(), task.file() + ".away");
  CHECK_FALSE(stop(task, kRefused, {"--for", "1h"}).at("findings").empty());
  const json blind = stop(task, 0);
  CHECK(blind.at("verdict") == "unknown");
  CHECK(blind.at("already_stopped") == false);
}

TEST_CASE("sync start: a MariaDB with the same numbers and other transactions is refused",
          "[stop][server]") {
  TempMariaDb old({.args = {kWeek}});
  make_shop(old);
  SqliteFile target;
  TaskRun task(old, target.section(), kShop);
  start(task);
  stop(task, 0);
  TempMariaDb twin({.args = {kWeek}});
  swap_port(task, old.port(), twin.port());
  const json behind = refused_start(task, "mysql.source-behind");
  // Nobody can say what lies between, so no reset is offered that would be refused.
  CHECK(command(behind, "offset reset").starts_with("no way"));
  twin.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, v VARCHAR(200))");
  for (int i = 0; i < 50; ++i) twin.sql(fmt::format("INSERT INTO shop.item VALUES ({}, 'x')", i));
  const json other = refused_start(task, "source.identity-changed");
  INFO(other.dump(2));
  CHECK(command(other, "offset reset").starts_with("no way"));
  CHECK(target.session().value("SELECT count(*) FROM item") == "2");
  swap_port(task, twin.port(), old.port());
  old.sql("INSERT INTO shop.item (v) VALUES ('c')");
  start(task);
  CHECK(target.session().value("SELECT count(*) FROM item") == "3");
}

TEST_CASE("sync start: MySQL 9 swapped, put back or begun anew is refused", "[stop][bootstrap]") {
  const bool gtid = GENERATE(true, false);
  TempMySql old({.gtid = gtid, .args = {kWeek}});
  make_shop(old);
  SqliteFile target;
  TaskRun task(old, target.section(), kShop);
  start(task);
  stop(task, 0);
  {
    TempMySql other({.gtid = gtid, .args = {kWeek}});
    make_shop(other);
    swap_port(task, old.port(), other.port());
    refused_start(task, "source.identity-changed");
    swap_port(task, other.port(), old.port());
  }
  // The same server and names of files, and another log in them.
  old.sql("RESET BINARY LOGS AND GTIDS");
  const json anew = refused_start(task, "mysql.source-behind");
  CHECK(anew.at("ways").size() == 2);
  CHECK(command(anew, "offset reset").starts_with("no way"));
}

TEST_CASE("sync start: a PostgreSQL slot that was lost, moved, dropped or made again is refused",
          "[stop][server]") {
  TempPostgres server(
      {.settings = {"max_slot_wal_keep_size=64MB", "min_wal_size=32MB", "max_wal_size=32MB"}});
  make_shop(server);
  SqliteFile target;
  TaskRun task(postgres_section(server), target.section(), kShop);
  start(task);
  stop(task, 0, {"--accept-risk", "retention"});
  const std::string offset = task.status().at("offset");

  PgSession owner = server.session();
  owner.sql("INSERT INTO shop.item VALUES (2, 'b')");
  server.sql("SELECT pg_replication_slot_advance('weir_shop', pg_current_wal_flush_lsn())");
  const json ahead = refused_start(task, "postgres.slot-ahead");
  INFO(ahead.dump(2));
  const std::string confirmed =
      server.value("SELECT confirmed_flush_lsn FROM pg_replication_slots");
  CHECK(ahead.at("gap").at("to") == confirmed);
  CHECK_THAT(ahead.at("gap").at("missing").get<std::string>(),
             Catch::Contains(offset + " to " + confirmed));
  CHECK(command(ahead, "offset reset") ==
        "weir offset reset shop --to lsn:" + confirmed + " --accept-data-loss");

  server.sql("SELECT pg_drop_replication_slot('weir_shop')");
  const json missing = refused_start(task, "postgres.slot-missing");
  CHECK(command(missing, "offset reset") == "weir offset reset shop --to now --accept-data-loss");
  server.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
  refused_start(task, "postgres.slot-ahead");

  REQUIRE(eventually([&] {
    server.sql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 30000000))");
    server.sql("SELECT pg_switch_wal()");
    server.sql("CHECKPOINT");
    return server.value("SELECT wal_status FROM pg_replication_slots") == "lost";
  }));
  const json lost = refused_start(task, "postgres.slot-lost");
  INFO(lost.dump(2));
  CHECK_THAT(
      command(lost, "sqlite3"),
      Catch::StartsWith("# SQL on the source: SELECT pg_drop_replication_slot('weir_shop')"));
  CHECK(target.session().value("SELECT count(*) FROM item") == "1");
}

TEST_CASE("sync start: another PostgreSQL in place of the old one is refused", "[stop][server]") {
  TempPostgres old;
  TempPostgres other({.own_identity = true});
  make_shop(old);
  make_shop(other);
  SqliteFile target;
  TaskRun task(postgres_section(old), target.section(), kShop);
  start(task);
  const json stopped = stop(task, 0);
  INFO(stopped.dump(2));
  CHECK(stopped.at("verdict") == "warning");
  CHECK(stopped.at("limited_by") == "disk");
  CHECK(task.status().at("limited_by") == "disk");
  CHECK_THAT(run(task, 0, {"sync", "list"}).out, Catch::Contains("  unlimited  "));
  other.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
  swap_text(task, postgres_section(old), postgres_section(other));
  refused_start(task, "source.identity-changed");
}

TEST_CASE("sync start: a promoted PostgreSQL 18 without the slot is refused", "[stop][bootstrap]") {
  TempPostgres primary({.release = TempPostgres::Release::v18});
  make_shop(primary);
  TempPostgres standby({.release = TempPostgres::Release::v18, .standby_of = &primary});
  SqliteFile target;
  TaskRun task(postgres_section(primary), target.section(), kShop);
  start(task);
  stop(task, 0);
  primary.kill9();
  standby.sql("SELECT pg_promote()");
  REQUIRE(eventually([&] { return standby.value("SELECT pg_is_in_recovery()") == "f"; }));
  standby.sql(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = "
      "'weir_shop'");
  swap_text(task, postgres_section(primary), postgres_section(standby));
  const json promoted = refused_start(task, "source.promoted");
  CHECK_THAT(promoted.at("evidence").get<std::string>(), Catch::Contains("timeline 1 ended at "));
}

TEST_CASE("a PostgreSQL task that is busy is never taken for one whose slot was moved",
          "[stop][server]") {
  TempPostgres server;
  make_shop(server);
  SqliteFile target;
  TaskRun task(postgres_section(server), target.section(), kShop);
  start(task);
  std::atomic<bool> done{false};
  auto writer = std::async(std::launch::async, [&] {
    PgSession owner = server.session();
    for (int i = 10; !done; ++i) {
      owner.sql(fmt::format("INSERT INTO shop.item VALUES ({}, 'x')", i));
    }
  });
  const struct Ending {
    std::atomic<bool>& done;
    ~Ending() { done = true; }
  } ending{done};
  std::vector<std::string> verdicts;
  for (int i = 0; i < 30; ++i) {
    const TaskRun::Result asked = task.run({"check-retention", "shop", "--json"});
    verdicts.push_back(asked.json().at("tasks").at(0).at("verdict"));
  }
  // Nor is one that was killed in the middle of it.
  for (int i = 0; i < 5; ++i) {
    task.kill_worker();
    task.kill_supervisor();
    REQUIRE(eventually([&] { return !running(task); }));
    const TaskRun::Result asked = task.run({"check-retention", "shop", "--json"});
    verdicts.push_back(asked.json().at("tasks").at(0).at("verdict"));
    const TaskRun::Result started = task.start("incremental");
    INFO(started.text());
    REQUIRE(started.code == 0);
  }
  const TaskRun::Result stopped = task.run({"sync", "stop", "shop"});
  done = true;
  writer.get();
  CHECK(verdicts == std::vector<std::string>(35, "warning"));
  INFO(stopped.text());
  CHECK(stopped.code == 0);
}
