// SPDX-License-Identifier: Apache-2.0
// weir offset on real servers: what is lost or repeated is told, and comes to pass.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/time.h"
#include "store/state_store.h"
#include "support/child_process.h"
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

constexpr int kUsage = 2;
constexpr int kRefused = 4;
constexpr int kConflict = 7;
constexpr int kNotFound = 8;
constexpr int kUnsupported = 9;

const TaskRun::Options kShop{.rest =
                                 "[[table]]\nmatch = \"shop.bag\"\nkey = \"all-columns\"\n"
                                 "[[table]]\nmatch = \"shop.*\"\n"};

void make_shop(MySqlServer& server) {
  server.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, v VARCHAR(40)); "
      "CREATE TABLE shop.bag (v VARCHAR(40))");
  server.sql("INSERT INTO shop.item VALUES (1, 'a'); INSERT INTO shop.bag VALUES ('x'), ('x')");
}

void make_shop(TempPostgres& server) {
  server.sql("ALTER ROLE weir REPLICATION");
  server.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, v text); CREATE TABLE "
      "shop.bag (v text); ALTER TABLE shop.bag REPLICA IDENTITY FULL; "
      "INSERT INTO shop.item VALUES (1, 'a'); INSERT INTO shop.bag VALUES ('x'), ('x')");
}

std::string postgres_section(const TempPostgres& server) {
  return fmt::format(
      "[source]\nkind = \"postgres\"\nsocket = \"{}\"\nport = {}\nuser = \"weir\"\ndatabase = "
      "\"dw\"\n",
      server.socket_dir(), server.port());
}

void start(const TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
}

/// The log that these tests purge, or whose slot they limit, would not be there for long.
void stop(const TaskRun& task) {
  const TaskRun::Result stopped =
      task.run({"sync", "stop", task.name(), "--accept-risk", "retention"});
  INFO(stopped.text());
  REQUIRE(stopped.code == 0);
}

/// Goes through the checklist that a reset demands, once an hour: everything is as it should be.
void agree(const TaskRun& task) {
  const TempDir folder;
  std::string text = "[answers]\n";
  for (const char* const id : {"downstream", "ddl", "failovers", "last-error", "alert-status",
                               "alert-full-load", "alert-latency", "alert-failover", "alert-ddl"}) {
    text += std::string(id) + " = true\n";
  }
  task.run(
      {"checklist", "reset-offset", task.name(), "--answers", folder.write("answers.toml", text)});
}

TaskRun::Result reset(const TaskRun& task, const std::string& to,
                      const std::vector<std::string>& words = {"--yes"}) {
  if (std::ranges::find(words, "--yes") != words.end()) agree(task);
  std::vector<std::string> all = {"offset", "reset", task.name(), "--to", to};
  all.insert(all.end(), words.begin(), words.end());
  return task.run(all);
}

json document(const TaskRun& task, const std::string& to, std::vector<std::string> words) {
  words.emplace_back("--json");
  const TaskRun::Result result = reset(task, to, words);
  INFO(result.text());
  REQUIRE(result.code == 0);
  return result.json();
}

void check_refused(const TaskRun& task, const std::string& to, int code, const std::string& id,
                   const std::vector<std::string>& words = {"--yes"}) {
  const TaskRun::Result result = reset(task, to, words);
  INFO(to << '\n' << result.text());
  CHECK(result.code == code);
  CHECK_THAT(result.err, Catch::Contains("error[" + id + "]"));
  CHECK_THAT(result.err, Catch::Contains("\n  fix: "));
}

json show(const TaskRun& task) {
  return task.run({"offset", "show", task.name(), "--json"}).json();
}

std::string offset_of(const TaskRun& task) { return show(task).at("offset"); }

json history(const TaskRun& task) {
  return task.run({"offset", "history", task.name(), "--limit", "1000", "--json"})
      .json()
      .at("offsets");
}

std::string rows(const SqliteFile& target, const std::string& table) {
  std::string out;
  const bool item = table == "item";
  for (const auto& row : target.session().query(
           fmt::format("SELECT {}v FROM {} ORDER BY 1", item ? "id || " : "", table))) {
    out += (out.empty() ? "" : " ") + row[0];
  }
  return out;
}

std::vector<std::string> log_files(MySqlServer& server) {
  std::vector<std::string> out;
  for (const auto& row : server.query("SHOW BINARY LOGS")) out.push_back(row[0]);
  return out;
}

void purge(MySqlServer& server) {
  server.sql("FLUSH BINARY LOGS");
  REQUIRE(eventually([&] {
    server.sql("PURGE BINARY LOGS TO '" + log_files(server).back() + "'");
    return log_files(server).size() == 1;
  }));
}

/// A time that lies between what was committed before the call and what is committed after it, by
/// clocks of whole seconds.
std::string second_between(MySqlServer& server) {
  const std::string second = "SELECT UNIX_TIMESTAMP()";
  const std::int64_t before = std::stoll(server.value(second));
  REQUIRE(eventually([&] { return std::stoll(server.value(second)) > before; }));
  return "time:" + weir::to_rfc3339(weir::Time(std::chrono::seconds(before + 1)));
}

/// The SQL of the way out that copies single tables anew, as preflight prints it, for one of them.
std::string way_to_copy_one(const TaskRun& task, const std::string& schema,
                            const std::string& table) {
  const json checked = task.run({"preflight", task.file(), "--json"}).json();
  const std::string lead = "# SQL on the target, for each: ";
  for (const json& finding : checked.at("findings")) {
    for (const json& way : finding.at("ways")) {
      const std::string command = way.at("command");
      const std::size_t at = command.find(lead);
      if (at == std::string::npos) continue;
      std::string sql = command.substr(at + lead.size());
      sql.resize(sql.find('\n'));
      for (const auto& [from, to] : {std::pair("SCHEMA", schema), std::pair("TABLE", table)}) {
        for (std::size_t i = sql.find(from); i != std::string::npos; i = sql.find(from)) {
          sql.replace(i, std::string(from).size(), to);
        }
      }
      return sql;
    }
  }
  FAIL("no way copies single tables anew: " << checked.dump(2));
  return {};
}

/// The log is purged behind the task's back: the way out loses what is gone, and says so.
void check_purged(MySqlServer& server) {
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);
  stop(task);
  const std::string old = offset_of(task);
  server.sql("INSERT INTO shop.item VALUES (2, 'lost')");
  purge(server);
  server.sql("INSERT INTO shop.item VALUES (3, 'kept')");
  const TaskRun::Result gone = task.start();
  INFO(gone.text());
  REQUIRE(gone.code == kRefused);
  CHECK_THAT(gone.err, Catch::Contains("weir offset reset shop --to "));
  const std::string forget = way_to_copy_one(task, "shop", "item");

  const std::string oldest = log_files(server).front() + ":4";
  const json planned = document(task, oldest, {"--dry-run"});
  INFO(planned.dump(2));
  CHECK(planned.at("direction") == "forward");
  CHECK(planned.at("from") == old);
  CHECK(planned.at("loses_changes") == true);
  CHECK(planned.at("done") == false);
  CHECK(planned.at("lost_or_repeated").at("counted") == false);
  CHECK(planned.at("lost_or_repeated").at("bytes_at_least") == true);
  check_refused(task, oldest, kRefused, "offset.data-loss");
  check_refused(task, oldest, kRefused, "confirm.no-terminal", {"--accept-data-loss"});
  CHECK(offset_of(task) == old);

  const json done =
      document(task, oldest, {"--yes", "--accept-data-loss", "--reason", "the disk was full"});
  CHECK(done.at("done") == true);
  CHECK(offset_of(task) == done.at("to"));
  const json last = history(task).back();
  CHECK(last.at("reason") == "reset");
  CHECK(last.at("offset") == done.at("to"));
  CHECK_THAT(last.at("note").get<std::string>(),
             Catch::Contains("from " + old) && Catch::EndsWith(": the disk was full"));
  const auto events = weir::open_state(task.state_dir(), true)->events("shop", 2);
  CHECK(events.at(0).id == "offset.resetting");
  CHECK(events.at(1).id == "offset.reset");
  start(task);
  CHECK(rows(target, "item") == "1a 3kept");
  // It runs now.
  check_refused(task, oldest, kConflict, "offset.running");
  stop(task);

  // The way that copies one table anew brings the lost row, and the other tables do not notice.
  target.session().sql("DELETE FROM item; " + forget);
  server.sql("INSERT INTO shop.item VALUES (4, 'new')");
  server.sql("INSERT INTO shop.bag VALUES ('y')");
  start(task);
  CHECK(rows(target, "item") == "1a 2lost 3kept 4new");
  CHECK(rows(target, "bag") == "x x y");
  stop(task);
}

/// Back and forth in a log that is there. `bag` has no key.
void check_both_ways(MySqlServer& server) {
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);
  stop(task);
  const std::string early = offset_of(task);
  CHECK(show(task).at("state") == "stopped");
  CHECK(history(task).back().at("offset") == early);
  server.sql("INSERT INTO shop.item VALUES (2, 'b'); INSERT INTO shop.bag VALUES ('x')");
  server.sql("UPDATE shop.item SET v = 'A' WHERE id = 1; INSERT INTO shop.bag VALUES ('z')");
  start(task);
  // While a task runs, its history says where it was.
  CHECK(eventually([&] { return history(task).back().at("reason") == "sample"; }));
  stop(task);
  const std::string late = offset_of(task);
  CHECK(rows(target, "item") == "1A 2b");
  CHECK(rows(target, "bag") == "x x x z");

  // Backward, and the same twice: what has a key is repeated, what has none is left alone.
  for (int i = 0; i < 2; ++i) {
    target.session().sql("UPDATE item SET v = 'spoilt'");
    const json back = document(task, early, {"--yes"});
    INFO(back.dump(2));
    CHECK(back.at("direction") == "backward");
    CHECK(back.at("loses_changes") == false);
    CHECK(back.at("lost_or_repeated").at("changes") == 2);
    CHECK(back.at("lost_or_repeated").at("transactions") == 2);
    CHECK(back.at("lost_or_repeated").at("counted") == true);
    CHECK(back.at("lost_or_repeated").at("bytes") > 0);
    CHECK(back.at("left_out") == (i == 0 ? json{"shop.bag"} : json::array()));
    CHECK(offset_of(task) == early);
    start(task);
    CHECK(rows(target, "item") == "1A 2b");
    CHECK(rows(target, "bag") == "x x x z");
    stop(task);
  }
  const json nothing = document(task, offset_of(task), {"--yes"});
  CHECK(nothing.at("direction") == "none");
  CHECK(nothing.at("done") == false);

  // Forward past a poisoned statement, by its place in the log, its time and its end.
  const std::string time = second_between(server);
  server.sql("INSERT INTO shop.item VALUES (3, 'c'), (4, 'd'); INSERT INTO shop.bag VALUES ('y')");
  const json to_time = document(task, time, {"--dry-run"});
  INFO(to_time.dump(2));
  CHECK(to_time.at("loses_changes") == false);
  const std::string other_time = second_between(server);
  server.sql("INSERT INTO shop.item VALUES (5, 'e')");
  const json lost = document(task, other_time, {"--dry-run"});
  INFO(lost.dump(2));
  CHECK(lost.at("direction") == "forward");
  CHECK(lost.at("loses_changes") == true);
  CHECK(lost.at("lost_or_repeated").at("changes") == 3);
  CHECK(lost.at("lost_or_repeated").at("transactions") == 2);
  CHECK(lost.at("lost_or_repeated").at("tables") ==
        json{{{"table", "shop.bag"}, {"changes", 1}}, {{"table", "shop.item"}, {"changes", 2}}});
  const TaskRun::Result text = reset(task, other_time, {"--yes", "--accept-data-loss"});
  INFO(text.text());
  CHECK(text.code == 0);
  CHECK_THAT(text.out, Catch::Contains("direction  forward: what is between is lost"));
  CHECK_THAT(text.out, Catch::Contains("3 changes in 2 transactions: shop.bag 1, shop.item 2"));
  CHECK_THAT(text.err, Catch::Contains("warning[offset.keyless-loss]"));
  start(task);
  CHECK(rows(target, "item") == "1A 2b 5e");
  stop(task);

  // An end that passes over nothing needs no waiver.
  server.sql("CREATE DATABASE elsewhere");
  const json end = document(task, "now", {"--yes"});
  CHECK(end.at("direction") == "forward");
  CHECK(end.at("loses_changes") == false);
  CHECK(end.at("done") == true);
  server.sql("INSERT INTO shop.item VALUES (6, 'f')");
  start(task);
  CHECK(rows(target, "item") == "1A 2b 5e 6f");
  stop(task);
  const json lines = history(task);
  CHECK(std::ranges::count(lines, "reset", [](const json& l) { return l.at("reason"); }) == 4);
  CHECK(std::ranges::count(lines, "stop", [](const json& l) { return l.at("reason"); }) == 6);
  CHECK(late != early);
}

/// Places that are none.
void check_bad_places(MySqlServer& server, const std::string& known_gtid,
                      const std::string& foreign_gtid, const std::string& future_gtid) {
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  CHECK(reset(task, "now").code == kNotFound);
  start(task);
  check_refused(task, "now", kConflict, "offset.running");
  stop(task);
  const std::string old = offset_of(task);
  server.sql(
      "BEGIN; INSERT INTO shop.item VALUES (2, 'b'); INSERT INTO shop.item VALUES (3, 'c'); "
      "COMMIT");
  const std::string file = log_files(server).back();
  std::string inside;
  for (const auto& row : server.query("SHOW BINLOG EVENTS IN '" + file + "'")) {
    if (row[2].starts_with("Write_rows")) inside = file + ":" + row[1];
  }
  check_refused(task, inside, kRefused, "offset.inside");
  check_refused(task, file + ":5", kRefused, "offset.inside");
  check_refused(task, file + ":999999999", kRefused, "offset.not-in-log");
  check_refused(task, file.substr(0, file.rfind('.')) + ".999999:4", kRefused, "offset.not-in-log");
  check_refused(task, "otherbase.000001:4", kRefused, "offset.other-server");
  check_refused(task, "lsn:16/B374D848", kUnsupported, "offset.kind");
  check_refused(task, "time:2999-01-01T00:00:00Z", kRefused, "offset.not-in-log");
  check_refused(task, "time:2001-01-01T00:00:00Z", kRefused, "offset.not-in-log");
  check_refused(task, "gtid:" + foreign_gtid, kRefused, "offset.other-server");
  check_refused(task, "gtid:" + future_gtid, kRefused, "offset.not-in-log");
  check_refused(task, "gtid:nonsense", kUsage, "offset.format");
  const std::string elsewhere = old.substr(0, old.find(" gtid ")) + " gtid " + foreign_gtid;
  check_refused(task, elsewhere, kRefused, "offset.other-server");
  CHECK(offset_of(task) == old);
  // By the whole set of the log's end: the place is the end.
  const json found = document(task, "gtid:" + known_gtid, {"--dry-run"});
  INFO(found.dump(2));
  CHECK(found.at("direction") == "forward");
  CHECK(found.at("lost_or_repeated").at("changes") == 2);
  const json back = document(task, old, {"--dry-run"});
  CHECK(back.at("direction") == "none");
}

/// Forward by place and time, and not back.
void check_slot(TempPostgres& server) {
  make_shop(server);
  SqliteFile target;
  TaskRun task(postgres_section(server), target.section(), kShop);
  start(task);
  stop(task);
  const std::string early = offset_of(task);
  PgSession writer = server.session();
  const auto end = [&] { return server.value("SELECT pg_current_wal_flush_lsn()"); };
  const std::string confirmed =
      "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'weir_shop'";

  writer.sql("INSERT INTO shop.item VALUES (2, 'b'), (3, 'c')");
  const std::string between = end();
  // A run of check-retention sees where the log ends, and when.
  CHECK(task.run({"check-retention", "shop"}).code == 0);
  const weir::Time seen = weir::now();
  writer.sql("INSERT INTO shop.item VALUES (4, 'd')");
  const std::string time =
      "time:" + weir::to_rfc3339(std::chrono::ceil<std::chrono::seconds>(seen));
  REQUIRE(eventually([&] { return weir::now() > seen + std::chrono::seconds(1); }));

  const json by_time = document(task, time, {"--dry-run"});
  INFO(by_time.dump(2));
  CHECK(by_time.at("direction") == "forward");
  CHECK(by_time.at("lost_or_repeated").at("counted") == true);
  CHECK(by_time.at("lost_or_repeated").at("changes") == 2);
  CHECK_THAT(by_time.at("note").get<std::string>(), Catch::Contains("the place was seen at"));

  check_refused(task, "lsn:FFFFFF/0", kRefused, "offset.not-in-log");
  check_refused(task, "gtid:0-1-42", kUnsupported, "offset.kind");
  check_refused(task, "bin.000001:4", kUnsupported, "offset.kind");
  check_refused(task, "time:2001-01-01T00:00:00Z", kRefused, "offset.not-in-log");
  check_refused(task, "time:2999-01-01T00:00:00Z", kRefused, "offset.not-in-log");
  check_refused(task, "lsn:0/1", kRefused, "offset.slot-passed");
  check_refused(task, between, kRefused, "offset.data-loss");

  const json done = document(task, "lsn:" + between, {"--yes", "--accept-data-loss"});
  INFO(done.dump(2));
  CHECK(done.at("lost_or_repeated").at("changes") == 2);
  CHECK(done.at("lost_or_repeated").at("bytes") > 0);
  CHECK(done.at("notes").empty());
  CHECK(server.value(confirmed) == between);
  check_refused(task, early, kRefused, "offset.slot-passed");
  start(task);
  CHECK(rows(target, "item") == "1a 4d");
  stop(task);
}

}  // namespace

TEST_CASE("offset reset: MariaDB after a purge", "[offset][server]") {
  TempMariaDb server;
  check_purged(server);
}

TEST_CASE("offset reset: MySQL 9 after a purge", "[offset][bootstrap]") {
  TempMySql server;
  check_purged(server);
}

TEST_CASE("offset reset: MariaDB back and forth", "[offset][server]") {
  TempMariaDb server;
  check_both_ways(server);
}

TEST_CASE("offset reset: MySQL 9 back and forth", "[offset][bootstrap]") {
  TempMySql server;
  check_both_ways(server);
}

TEST_CASE("offset reset: MySQL 9 without GTIDs back and forth", "[offset][bootstrap]") {
  TempMySql server({.gtid = false});
  check_both_ways(server);
}

TEST_CASE("offset reset: a place that is none is named, MariaDB", "[offset][server]") {
  TempMariaDb server;
  server.sql("CREATE DATABASE first");
  // What the test writes is in the domain and by the server of what is there.
  const std::string gtid = server.value("SELECT @@gtid_binlog_pos");
  const std::string writer = gtid.substr(0, gtid.rfind('-'));
  const std::string base = writer.substr(0, writer.find('-'));
  const auto sequence = std::stoll(gtid.substr(gtid.rfind('-') + 1));
  // make_shop() is 5 transactions, then one.
  check_bad_places(server, fmt::format("{}-{}", writer, sequence + 6), base + "-4711-3",
                   writer + "-999999");
}

TEST_CASE("offset reset: a place that is none is named, MySQL 9", "[offset][bootstrap]") {
  TempMySql server;
  server.sql("CREATE DATABASE first");
  const std::string uuid = server.value("SELECT @@server_uuid");
  const std::string executed = server.value("SELECT @@gtid_executed");
  const auto last = std::stoll(executed.substr(executed.find_last_of("-:") + 1));
  check_bad_places(server, fmt::format("{}:1-{}", uuid, last + 6),
                   "11111111-2222-3333-4444-555555555555:1-3", uuid + ":1-999999");
}

TEST_CASE("offset reset: a definition belongs to its place", "[offset][server]") {
  TempMariaDb server;
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);
  stop(task);
  const std::string early = offset_of(task);
  server.sql("ALTER TABLE shop.item ADD COLUMN n INT");
  server.sql("INSERT INTO shop.item VALUES (2, 'b', 2)");
  // The target has not taken it; nothing says so but the log, and later not even that.
  check_refused(task, "now", kRefused, "offset.definition-changed", {"--dry-run"});
  start(task);
  stop(task);
  check_refused(task, early, kRefused, "offset.definition-changed");
  server.sql("ALTER TABLE shop.item ADD COLUMN m INT");
  purge(server);
  server.sql("INSERT INTO shop.item VALUES (3, 'c', 3, 3)");
  check_refused(task, "now", kRefused, "offset.definition-changed");
  // Without it the same place is fine.
  server.sql("ALTER TABLE shop.item DROP COLUMN m");
  CHECK(document(task, "now", {"--yes", "--accept-data-loss"}).at("done") == true);
  server.sql("INSERT INTO shop.item VALUES (4, 'd', 4)");
  start(task);
  CHECK(rows(target, "item") == "1a 2b 4d");
}

TEST_CASE("offset reset: a kill between the target and the state leaves the target's word",
          "[offset][server]") {
  TempMariaDb source;
  TempPostgres target;
  make_shop(source);
  TaskRun task(source, target, {.rest = "[[table]]\nmatch = \"shop.item\"\n"});
  start(task);
  stop(task);
  const std::string old = offset_of(task);
  source.sql("INSERT INTO shop.item VALUES (2, 'b')");
  const std::string to = document(task, "now", {"--dry-run"}).at("to");

  // Its row on the target is locked first, then the state file: it is stopped in between.
  PgSession row = target.session();
  row.sql("BEGIN");
  row.sql("SELECT 1 FROM weir.weir_task FOR UPDATE");
  const TempDir scratch;
  agree(task);
  ChildProcess child({.argv = {WEIR_BIN_DIR "/weir", "offset", "reset", "shop", "--to", "now",
                               "--yes", "--accept-data-loss", "--state-dir", task.state_dir()},
                      .output = scratch / "out",
                      .input = {}});
  REQUIRE(eventually([&] {
    return target.value(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
               "query LIKE 'SELECT log_offset%'") == "1";
  }));
  // Who starts the task meanwhile has to wait; it looks like one that does not run.
  CHECK(show(task).at("running") == false);
  SqliteSession state(task.state_dir() + "/weir.db");
  state.sql("BEGIN IMMEDIATE");
  row.sql("ROLLBACK");
  REQUIRE(eventually([&] { return target.value("SELECT log_offset FROM weir.weir_task") == to; }));
  kill(child.pid(), SIGKILL);
  child.wait(std::chrono::seconds(10));
  state.sql("ROLLBACK");

  CHECK(offset_of(task) == old);
  const auto events = weir::open_state(task.state_dir(), true)->events("shop", 1);
  CHECK(events.at(0).id == "offset.resetting");
  source.sql("INSERT INTO shop.item VALUES (3, 'c')");
  start(task);
  CHECK(target.value("SELECT string_agg(v, '' ORDER BY id) FROM shop.item") == "ac");
  const auto later = weir::open_state(task.state_dir(), true)->events("shop", 100);
  CHECK(std::ranges::count(later, "offset.target-wins", &weir::EventRow::id) == 1);
  CHECK(std::ranges::count(later, "offset.reset", &weir::EventRow::id) == 0);
}

TEST_CASE("offset reset: PostgreSQL goes forward, and a slot does not go back",
          "[offset][server]") {
  TempPostgres server;
  check_slot(server);
}

TEST_CASE("offset reset: PostgreSQL 18 goes forward, and a slot does not go back",
          "[offset][bootstrap]") {
  TempPostgres server({.release = TempPostgres::Release::v18});
  check_slot(server);
}

TEST_CASE("offset reset: PostgreSQL after its slot was lost", "[offset][server]") {
  TempPostgres server({.settings = {"max_slot_wal_keep_size=32MB"}});
  make_shop(server);
  SqliteFile target;
  TaskRun task(postgres_section(server), target.section(), kShop);
  start(task);
  stop(task);
  PgSession writer = server.session();
  writer.sql("INSERT INTO shop.item VALUES (2, 'lost')");
  const std::string status =
      "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'weir_shop'";
  REQUIRE(eventually([&] {
    server.sql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 30000000))");
    server.sql("SELECT pg_switch_wal()");
    server.sql("CHECKPOINT");
    return server.value(status) == "lost";
  }));
  const TaskRun::Result gone = task.start();
  INFO(gone.text());
  REQUIRE(gone.code == kRefused);
  CHECK_THAT(gone.err, Catch::Contains("weir offset reset shop --to now"));
  check_refused(task, server.value("SELECT pg_current_wal_flush_lsn()"), kRefused,
                "postgres.slot-lost");
  check_refused(task, "now", kRefused, "offset.data-loss");
  CHECK(server.value(status) == "lost");
  const json done = document(task, "now", {"--yes", "--accept-data-loss"});
  INFO(done.dump(2));
  CHECK(done.at("direction") == "forward");
  CHECK(server.value(status) != "lost");
  CHECK(offset_of(task) == done.at("to"));
  writer.sql("INSERT INTO shop.item VALUES (3, 'kept')");
  start(task);
  CHECK(rows(target, "item") == "1a 3kept");
  stop(task);
  // One that somebody dropped is made anew as well.
  server.sql("SELECT pg_drop_replication_slot('weir_shop')");
  REQUIRE(task.start().code == kRefused);
  CHECK(document(task, "now", {"--yes", "--accept-data-loss"}).at("done") == true);
  writer.sql("INSERT INTO shop.item VALUES (4, 'd')");
  start(task);
  CHECK(rows(target, "item") == "1a 3kept 4d");
}

TEST_CASE("offset reset: another server is not the task's", "[offset][server]") {
  TempMariaDb server;
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);
  stop(task);
  const std::string id = server.value("SELECT @@server_id");
  server.args().push_back("--server-id=4712");
  server.restart();
  check_refused(task, "now", kRefused, "source.identity-changed", {"--yes", "--accept-data-loss"});
  server.args().back() = "--server-id=" + id;
  server.restart();
  CHECK(document(task, "now", {"--yes"}).at("loses_changes") == false);

  // A log that was begun anew does not know what the target has.
  server.sql("RESET MASTER");
  server.sql("INSERT INTO shop.item VALUES (9, 'z')");
  check_refused(task, "now", kRefused, "offset.beyond-log", {"--yes", "--accept-data-loss"});
}

TEST_CASE("offset reset: what a target may refuse on the way back is told", "[offset][server]") {
  TempMariaDb server;
  server.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.mail (id INT PRIMARY KEY, v VARCHAR(20) UNIQUE)");
  server.sql("INSERT INTO shop.mail VALUES (1, 'x')");
  SqliteFile target;
  TaskRun task(server, target.section(), {.rest = "[[table]]\nmatch = \"shop.*\"\n"});
  start(task);
  stop(task);
  const std::string early = offset_of(task);
  server.sql("UPDATE shop.mail SET v = 'y'; INSERT INTO shop.mail VALUES (2, 'x')");
  start(task);
  stop(task);
  const TaskRun::Result back = reset(task, early);
  INFO(back.text());
  CHECK(back.code == 0);
  CHECK_THAT(back.err, Catch::Contains("warning[offset.unique-index]") &&
                           Catch::Contains("repeated changes of shop.mail"));
  start(task);
  CHECK(rows(target, "mail") == "x y");
}
