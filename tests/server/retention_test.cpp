// SPDX-License-Identifier: Apache-2.0
// weir check-retention asks real servers: logs that are there, that were purged, that hang, and
// that belong to another server.
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

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

constexpr int kOk = 0;
constexpr int kRefused = 4;
constexpr int kConflict = 7;
constexpr int kNagiosOk = 0;
constexpr int kNagiosCritical = 2;
constexpr int kNagiosUnknown = 3;
/// A task that asks for an answer may take as long as the verb allows a server, and a bit.
constexpr std::chrono::seconds kDeadline{30};

const std::string kWeek = "--binlog-expire-logs-seconds=604800";
const TaskRun::Options kShop{.rest = "[[table]]\nmatch = \"shop.*\"\n"};

std::string postgres_section(const TempPostgres& server) {
  return fmt::format(
      "[source]\nkind = \"postgres\"\nsocket = \"{}\"\nport = {}\nuser = \"weir\"\ndatabase = "
      "\"dw\"\n",
      server.socket_dir(), server.port());
}

/// The task's part of the one document, which has to come with this code.
json ask(const TaskRun& task, int code, std::vector<std::string> words = {}) {
  words.insert(words.begin(), {"check-retention", task.name(), "--json"});
  const auto begin = std::chrono::steady_clock::now();
  const TaskRun::Result result = task.run(words);
  INFO(result.text());
  CHECK(std::chrono::steady_clock::now() - begin < kDeadline);
  REQUIRE(result.code == code);
  const json document = result.json();
  CHECK(document.at("schema") == 1);
  REQUIRE(document.at("tasks").size() == 1);
  return document.at("tasks")[0];
}

bool names(const json& answer, const std::string& id) {
  for (const json& finding : answer.at("findings")) {
    if (finding.at("id") == id) return true;
  }
  return false;
}

void make_shop(MySqlServer& server) {
  server.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, v "
      "VARCHAR(200))");
  server.sql("INSERT INTO shop.item (v) VALUES ('a'), ('b')");
}

void write_more(MySqlServer& server, int rows = 20) {
  for (int i = 0; i < rows; ++i) server.sql("INSERT INTO shop.item (v) VALUES (REPEAT('x', 200))");
}

void start(TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
}

void stop(TaskRun& task) {
  const TaskRun::Result stopped = task.stop();
  INFO(stopped.text());
  REQUIRE(stopped.code == 0);
}

/// A task that has copied the shop and is stopped.
struct StoppedTask : TaskRun {
  template <class Source>
  StoppedTask(const Source& source, const SqliteFile& target)
      : TaskRun(source, target.section(), kShop) {
    ::start(*this);
    ::stop(*this);
  }
};

std::vector<std::string> log_files(MySqlServer& server) {
  std::vector<std::string> out;
  for (const auto& row : server.query("SHOW BINARY LOGS")) out.push_back(row[0]);
  return out;
}

/// Purges everything but the newest file, however long the server takes to be able to.
void purge(MySqlServer& server) {
  server.sql("FLUSH BINARY LOGS");
  REQUIRE(eventually([&] {
    server.sql("PURGE BINARY LOGS TO '" + log_files(server).back() + "'");
    return log_files(server).size() == 1;
  }));
}

void check_nagios(const TaskRun& task, int code, const std::string& text) {
  const TaskRun::Result result = task.run({"check-retention", task.name(), "--format", "nagios"});
  INFO(result.text());
  CHECK(result.code == code);
  CHECK(result.out.starts_with(text));
  CHECK(result.err.empty());
}

/// From a task that runs to one whose log was purged. `server` keeps its log for a week.
void check_binlogs(MySqlServer& server) {
  make_shop(server);
  SqliteFile target;
  TaskRun task(server, target.section(), kShop);
  start(task);

  const json fresh = ask(task, kOk);
  INFO(fresh.dump(2));
  CHECK(fresh.at("verdict") == "ok");
  CHECK(fresh.at("running") == true);
  CHECK(fresh.at("limited_by") == "binlog_expire_logs_seconds");
  CHECK(fresh.at("may_stay_down_s") >= 604790);
  CHECK(fresh.at("may_stay_down_s") <= 604800);
  CHECK(fresh.at("files") == log_files(server).size());
  CHECK(fresh.at("oldest") == log_files(server).front() + ":4");
  CHECK_FALSE(fresh.at("oldest_time").is_null());
  CHECK(fresh.at("margin_bytes") > 0);
  CHECK(std::abs(fresh.at("clock_ahead_s").get<double>()) < 1);
  stop(task);

  // What follows the offset: both counted exactly, in this file and over two.
  const std::uint64_t behind = ask(task, kOk).at("behind_bytes");
  write_more(server);
  const json later = ask(task, kOk);
  CHECK(later.at("behind_bytes") > behind + 20 * 200);
  const auto files_before = log_files(server);
  server.sql("FLUSH BINARY LOGS");
  write_more(server);
  const json rotated = ask(task, kOk, {"--planned-stop", "6h"});
  CHECK(rotated.at("running") == false);
  CHECK(rotated.at("files") == files_before.size() + 1);
  CHECK(rotated.at("behind_bytes") > later.at("behind_bytes").get<std::uint64_t>() + 20 * 200);
  CHECK(rotated.at("planned_stop_s") == 21600);
  CHECK(rotated.at("may_stay_down_s") > 604800 - 120);
  CHECK(log_files(server).size() == files_before.size() + 1);
  const TaskRun::Result text = task.run({"check-retention", "shop", "--planned-stop", "6h"});
  INFO(text.text());
  CHECK(text.out.starts_with("shop: ok, may stay stopped "));
  CHECK_THAT(text.out, Catch::Contains("\n  policy        binlog_expire_logs_"));
  CHECK_THAT(text.out, Catch::Contains("\n  planned stop  6 h 00 m, and "));
  // Not enough for a stop of a week: with no rates measured, catching up takes another one.
  CHECK(ask(task, kRefused, {"--planned-stop", "7d"}).at("verdict") == "critical");
  check_nagios(task, kNagiosOk, "RETENTION OK - shop: may stay stopped ");
  CHECK(weir::open_state(task.state_dir(), true)->retention("shop", 100).size() == 9);

  purge(server);
  const json lost = ask(task, kRefused);
  INFO(lost.dump(2));
  CHECK(lost.at("verdict") == "lost");
  CHECK(lost.at("may_stay_down_s") == 0);
  CHECK(names(lost, "mysql.offset-lost"));
  check_nagios(task, kNagiosCritical, "RETENTION CRITICAL - shop: its offset is gone");
  // And the start says the same.
  CHECK(task.start().code == kRefused);
}

/// A server that no longer answers, with the task stopped.
template <class Freeze, class Thaw>
void check_hung(TaskRun& task, Freeze&& freeze, Thaw&& thaw) {
  freeze();
  const json hung = ask(task, kRefused);
  INFO(hung.dump(2));
  CHECK(hung.at("verdict") == "unknown");
  CHECK(hung.at("may_stay_down_s").is_null());
  CHECK_FALSE(hung.at("findings").empty());
  check_nagios(task, kNagiosUnknown, "RETENTION UNKNOWN - shop: ");
  thaw();
}

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

void check_slot(TempPostgres& server) {
  server.sql("ALTER ROLE weir REPLICATION");
  PgSession here = server.session();
  here.sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, v text); INSERT INTO "
      "shop.item VALUES (1, 'a')");
  SqliteFile target;
  TaskRun task(postgres_section(server), target.section(), kShop);
  start(task);

  // Without a cap the slot keeps everything: the disk is the limit, and a budget tells it.
  const json open = ask(task, kOk);
  INFO(open.dump(2));
  CHECK(open.at("verdict") == "warning");
  CHECK(open.at("unlimited") == true);
  CHECK(open.at("limited_by") == "disk");
  CHECK(open.at("running") == true);
  stop(task);
  const std::string restart =
      "SELECT restart_lsn || ' ' || confirmed_flush_lsn FROM "
      "pg_replication_slots WHERE slot_name = 'weir_shop'";
  const std::string place = server.value(restart);
  json budget;
  // A server that has just begun to count does not know yet how fast its log grows.
  CHECK(eventually([&] {
    const TaskRun::Result result = task.run({"check-retention", "shop", "--json", "--disk-budget",
                                             "5000GB", "--warning", "2s", "--critical", "1s"});
    budget = result.json().at("tasks")[0];
    return !budget.at("growth_bytes_per_h").is_null();
  }));
  INFO(budget.dump(2));
  CHECK(budget.at("verdict") == "ok");
  CHECK(budget.at("limited_by") == "disk-budget");
  CHECK(budget.at("may_stay_down_s") > 0);
  CHECK(budget.at("growth_bytes_per_h") > 0);
  CHECK(ask(task, kRefused, {"--disk-budget", "1KB"}).at("verdict") == "critical");
  const std::uint64_t behind = budget.at("behind_bytes");
  here.sql("INSERT INTO shop.item SELECT i, repeat('x', 500) FROM generate_series(2, 2000) i");
  CHECK(ask(task, kOk).at("behind_bytes") > behind + 2000 * 500);
  CHECK(server.value(restart) == place);

  server.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'");
  server.sql("SELECT pg_reload_conf()");
  json capped;
  REQUIRE(eventually([&] {
    const TaskRun::Result result =
        task.run({"check-retention", "shop", "--json", "--warning", "2ms", "--critical", "1ms"});
    capped = result.json().at("tasks")[0];
    return capped.at("limited_by") == "max_slot_wal_keep_size";
  }));
  INFO(capped.dump(2));
  CHECK(capped.at("verdict") == "ok");
  CHECK(capped.at("headroom_bytes") > 0);
  CHECK(capped.at("headroom_bytes") <= 64 << 20);

  // More than that in one burst, and the next checkpoint lets go.
  REQUIRE(eventually([&] {
    server.sql("SELECT pg_logical_emit_message(false, 'x', repeat('x', 30000000))");
    server.sql("SELECT pg_switch_wal()");
    server.sql("CHECKPOINT");
    return server.value("SELECT wal_status FROM pg_replication_slots") == "lost";
  }));
  const json lost = ask(task, kRefused);
  INFO(lost.dump(2));
  CHECK(lost.at("verdict") == "lost");
  CHECK(names(lost, "postgres.slot-lost"));
  check_nagios(task, kNagiosCritical, "RETENTION CRITICAL - shop: its offset is gone");
  CHECK(task.start().code == kRefused);
}

}  // namespace

TEST_CASE("check-retention: MariaDB keeps its log, and purges it", "[retention][server]") {
  TempMariaDb server({.args = {kWeek}});
  check_binlogs(server);
}

TEST_CASE("check-retention: MySQL 9 keeps its log, and purges it", "[retention][bootstrap]") {
  TempMySql server({.args = {kWeek}});
  check_binlogs(server);
}

TEST_CASE("check-retention: MySQL 9 without GTIDs", "[retention][bootstrap]") {
  TempMySql server({.gtid = false, .args = {kWeek}});
  check_binlogs(server);
}

TEST_CASE("check-retention: PostgreSQL keeps a slot's log, and lets go", "[retention][server]") {
  TempPostgres server;
  check_slot(server);
}

TEST_CASE("check-retention: PostgreSQL 18 keeps a slot's log, and lets go",
          "[retention][bootstrap]") {
  TempPostgres server({.release = TempPostgres::Release::v18});
  check_slot(server);
}

TEST_CASE("check-retention: PostgreSQL 18 lets go of an idle slot", "[retention][bootstrap]") {
  TempPostgres server(
      {.release = TempPostgres::Release::v18, .settings = {"idle_replication_slot_timeout=2h"}});
  server.sql("ALTER ROLE weir REPLICATION");
  server.session().sql("CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY)");
  SqliteFile target;
  StoppedTask task(postgres_section(server), target);
  const json answer = ask(task, kOk);
  INFO(answer.dump(2));
  CHECK(answer.at("verdict") == "warning");
  CHECK(answer.at("limited_by") == "idle_replication_slot_timeout");
  CHECK(answer.at("may_stay_down_s") <= 7200);
  CHECK(answer.at("may_stay_down_s") > 7000);
}

TEST_CASE("check-retention: a server that hangs is unknown, and never lost",
          "[retention][server]") {
  {
    TempMariaDb server({.args = {kWeek}});
    make_shop(server);
    SqliteFile target;
    StoppedTask task(server, target);
    check_hung(
        task, [&] { server.freeze(); }, [&] { server.thaw(); });
    CHECK(ask(task, kOk).at("verdict") == "ok");
    server.stop();
    CHECK(ask(task, kRefused).at("verdict") == "unknown");
  }
  TempPostgres server;
  server.sql("ALTER ROLE weir REPLICATION");
  server.session().sql("CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY)");
  SqliteFile target;
  StoppedTask task(postgres_section(server), target);
  check_hung(
      task, [&] { kill(server.pid(), SIGSTOP); }, [&] { kill(server.pid(), SIGCONT); });
  // A session that was let in, and then gets no answer.
  PgSession holder = server.session("postgres");
  check_hung(
      task, [&] { holder.sql("BEGIN; LOCK TABLE pg_catalog.pg_proc"); },
      [&] { holder.sql("ROLLBACK"); });
  CHECK(ask(task, kOk).at("limited_by") == "disk");
}

TEST_CASE(
    "check-retention: the limit of an answer is a setting of the task file where no SQL tells",
    "[retention][server]") {
  TempMariaDb server;
  make_shop(server);
  SqliteFile target;
  StoppedTask task(server, target);
  // No expiry at all: only the disk is a limit.
  const json open = ask(task, kOk);
  INFO(open.dump(2));
  CHECK(open.at("limited_by") == "disk");
  CHECK(open.at("verdict") == "warning");
  task.rewrite("[retention]\nwindow = \"30h\"\n" + kShop.rest);
  const json configured = ask(task, kOk);
  CHECK(configured.at("verdict") == "ok");
  CHECK(configured.at("limited_by") == "configured-window");
  CHECK(configured.at("may_stay_down_s") <= 30 * 3600);

  // RDS says it in a table of its own; NULL is as soon as possible.
  task.rewrite(kShop.rest);
  server.sql(
      "CREATE TABLE mysql.rds_configuration (name varchar(100), value varchar(100)); INSERT INTO "
      "mysql.rds_configuration VALUES ('binlog retention hours', '48')");
  const json managed = ask(task, kOk);
  INFO(managed.dump(2));
  CHECK(managed.at("limited_by") == "binlog retention hours");
  CHECK(managed.at("may_stay_down_s") > 47 * 3600);
  server.sql("UPDATE mysql.rds_configuration SET value = NULL");
  CHECK(ask(task, kRefused).at("verdict") == "critical");
}

TEST_CASE("check-retention: an offset at the end of a purged file is still there by its GTIDs",
          "[retention][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  SqliteFile target;
  StoppedTask task(server, target);
  purge(server);
  // The log is younger than the settings allow: somebody purges.
  const json answer = ask(task, kRefused);
  INFO(answer.dump(2));
  CHECK(answer.at("verdict") == "critical");
  CHECK(answer.at("limited_by") == "measured-window");
  write_more(server);
  start(task);
  CHECK(target.session().value("SELECT count(*) FROM item") == "22");
}

TEST_CASE("check-retention: another server in place of the old one is named",
          "[retention][server]") {
  TempMariaDb old({.args = {kWeek}});
  make_shop(old);
  SqliteFile target;
  StoppedTask task(old, target);
  {
    TempMariaDb other({.args = {kWeek, "--server-id=77"}});
    make_shop(other);
    write_more(other);
    swap_port(task, old.port(), other.port());
    const json answer = ask(task, kRefused);
    INFO(answer.dump(2));
    CHECK(answer.at("verdict") == "lost");
    CHECK(names(answer, "source.identity-changed"));
    swap_port(task, other.port(), old.port());
  }
  // The same ids and the same names of files, and fewer transactions.
  TempMariaDb twin({.args = {kWeek}});
  swap_port(task, old.port(), twin.port());
  const json behind = ask(task, kRefused);
  INFO(behind.dump(2));
  CHECK(behind.at("verdict") == "lost");
  CHECK(names(behind, "mysql.source-behind"));
  // And then more of them, but others.
  twin.sql("CREATE DATABASE shop; CREATE TABLE shop.other (id INT PRIMARY KEY)");
  for (int i = 0; i < 50; ++i) twin.sql(fmt::format("INSERT INTO shop.other VALUES ({})", i));
  const json other = ask(task, kRefused);
  INFO(other.dump(2));
  CHECK(other.at("verdict") == "lost");
  CHECK(names(other, "source.identity-changed"));
  swap_port(task, twin.port(), old.port());
  CHECK(ask(task, kOk).at("verdict") == "ok");
}

TEST_CASE("check-retention: MariaDB 11.8 is not made to purge by being asked",
          "[retention][bootstrap]") {
  TempMariaDb server({.release = TempMariaDb::Release::v11_8,
                      .args = {"--max-binlog-total-size=20480", "--max-binlog-size=4096"}});
  make_shop(server);
  SqliteFile target;
  StoppedTask task(server, target);
  write_more(server, 300);
  const auto before = log_files(server);
  REQUIRE(before.size() > 10);
  const json answer = ask(task, kRefused);
  INFO(answer.dump(2));
  CHECK(log_files(server) == before);
  CHECK(answer.at("limited_by") == "max_binlog_total_size");
  CHECK(answer.at("verdict") == "critical");
  CHECK(answer.at("oldest_time").is_null());
}

TEST_CASE("check-retention: --all goes on past a broken task, and runs once at a time",
          "[retention][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  SqliteFile target;
  StoppedTask task(server, target);
  weir::open_state(task.state_dir(), false)->put_task("broken", "/nowhere/broken.toml");
  const std::string metrics = target.folder() + "/weir.prom";
  const TaskRun::Result all =
      task.run({"check-retention", "--all", "--format", "prometheus", "--output", metrics});
  INFO(all.text());
  CHECK(all.code == kRefused);
  const std::string text = read_file(metrics);
  CHECK_THAT(text, Catch::Contains("verdict{task=\"broken\",verdict=\"unknown\"} 1"));
  CHECK_THAT(text, Catch::Contains("verdict{task=\"shop\",verdict=\"ok\"} 1"));

  // While one run waits for a server, the next leaves at once.
  server.freeze();
  const std::string lock = task.state_dir() + "/check-retention.lock";
  REQUIRE(std::filesystem::remove(lock));
  ChildProcess first(
      {.argv = {WEIR_BIN_DIR "/weir", "check-retention", "--all", "--state-dir", task.state_dir()},
       .output = "",
       .input = ""});
  REQUIRE(eventually([&] { return std::filesystem::exists(lock); }));
  const TaskRun::Result second = task.run({"check-retention", "--all"});
  INFO(second.text());
  CHECK(second.code == kConflict);
  CHECK_THAT(second.err, Catch::Contains("retention.running"));
  CHECK(first.running());
  server.thaw();
  CHECK(first.wait(kDeadline).has_value());
}

TEST_CASE("check-retention: another MySQL 9 in place of the old one is named",
          "[retention][bootstrap]") {
  TempMySql old({.args = {kWeek}});
  make_shop(old);
  SqliteFile target;
  StoppedTask task(old, target);
  old.stop();
  TempMySql other({.args = {kWeek}});
  make_shop(other);
  write_more(other);
  swap_port(task, old.port(), other.port());
  const json answer = ask(task, kRefused);
  INFO(answer.dump(2));
  CHECK(answer.at("verdict") == "lost");
  CHECK(names(answer, "source.identity-changed"));
}

TEST_CASE("check-retention: another PostgreSQL in place of the old one is named",
          "[retention][server]") {
  TempPostgres old;
  TempPostgres other({.own_identity = true});
  for (TempPostgres* const server : {&old, &other}) {
    server->sql("ALTER ROLE weir REPLICATION");
    server->session().sql("CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY)");
  }
  SqliteFile target;
  StoppedTask task(postgres_section(old), target);
  // The same name for the slot does not make it the same server.
  other.sql("SELECT pg_create_logical_replication_slot('weir_shop', 'pgoutput')");
  swap_text(task, postgres_section(old), postgres_section(other));
  const json answer = ask(task, kRefused);
  INFO(answer.dump(2));
  CHECK(answer.at("verdict") == "lost");
  CHECK(names(answer, "source.identity-changed"));
  swap_text(task, postgres_section(other), postgres_section(old));

  // And a slot that is gone, on the right one.
  old.sql("SELECT pg_drop_replication_slot('weir_shop')");
  const json gone = ask(task, kRefused);
  CHECK(gone.at("verdict") == "lost");
  CHECK(names(gone, "postgres.slot-missing"));
}

TEST_CASE("check-retention: what an account may not see is unknown, with the missing grant",
          "[retention][server]") {
  TempMariaDb server({.args = {kWeek}});
  make_shop(server);
  SqliteFile target;
  StoppedTask task(server, target);
  server.sql(
      "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'weir'@'%'; GRANT SELECT, REPLICATION SLAVE ON *.* "
      "TO 'weir'@'%'");
  const json hidden = ask(task, kRefused);
  INFO(hidden.dump(2));
  CHECK(hidden.at("verdict") == "unknown");
  CHECK(hidden.at("may_stay_down_s").is_null());
  REQUIRE(names(hidden, "mysql.log-list-hidden"));
  CHECK(hidden.at("findings")[0].at("fix").get<std::string>().find("BINLOG MONITOR") !=
        std::string::npos);
  server.sql("ALTER USER 'weir'@'%' IDENTIFIED BY 'another one'");
  const json denied = ask(task, kRefused);
  CHECK(denied.at("verdict") == "unknown");
  CHECK(names(denied, "mysql.denied"));
}
