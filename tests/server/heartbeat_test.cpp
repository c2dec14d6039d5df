// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/time.h"
#include "client/pq.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using Catch::Contains;
using nlohmann::json;

namespace {

constexpr const char* kAll = "[[table]]\nmatch = \"*.*\"\n";
constexpr const char* kBeats = "heartbeat = \"200ms\"\n";

void fill(MySqlServer& source) {
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id int PRIMARY KEY, name varchar(20));"
      "INSERT INTO shop.item VALUES (1, 'one'), (2, 'two')");
}

std::size_t events(const TaskRun& task, const std::string& id) {
  return weir::open_state(task.state_dir(), true)->count_events(task.name(), id, weir::Time{});
}

/// When the newest beat that the target has was written, as the last sample tells it.
std::optional<weir::Time> newest_beat(const TaskRun& task) {
  const auto samples = weir::open_state(task.state_dir(), true)->samples(task.name(), 1);
  if (samples.empty() || !samples.back().heartbeat_age_s) return std::nullopt;
  return samples.back().at - std::chrono::duration_cast<std::chrono::microseconds>(
                                 std::chrono::duration<double>(*samples.back().heartbeat_age_s));
}

/// Waits until the target has a beat that was written after `then`.
void await_beat(TaskRun& task, weir::Time then) {
  REQUIRE(task.await([&] {
    const auto beat = newest_beat(task);
    return beat && *beat > then;
  }));
}

std::vector<std::string> warnings(const json& document) {
  std::vector<std::string> ids;
  for (const json& finding : document.at("findings")) {
    if (finding.at("id").get<std::string>().find("heartbeat") == std::string::npos) continue;
    CHECK(finding.at("severity") == "warning");
    ids.push_back(finding.at("id"));
  }
  return ids;
}

std::string fix_of(const json& document, const std::string& id) {
  for (const json& finding : document.at("findings")) {
    if (finding.at("id") == id) return finding.at("fix");
  }
  return "";
}

/// Beats travel, are shown, and stay out of the target.
void check_travels(MySqlServer& source) {
  fill(source);
  TempPostgres target;
  TaskRun task(source, target, {.rest = kAll, .source_rest = kBeats});
  const TaskRun::Result started = task.start();
  INFO(started.text() << task.log());
  REQUIRE(started.code == 0);
  await_beat(task, weir::now());

  // The row on the source is at least as new as what the target is said to have; the log of a MySQL
  // may tell of a commit a moment before other sessions see it.
  const auto beat = newest_beat(task);
  CHECK(task.await([&] {
    return weir::parse_rfc3339(source.value(
               "SELECT written_at FROM weir.weir_heartbeat WHERE task = 'shop'")) >= *beat;
  }));
  CHECK(source.value("SELECT count(*) FROM weir.weir_heartbeat") == "1");

  json status;
  // A sample may be taken in the middle of what is counted together.
  CHECK(task.await([&] {
    status = task.status();
    return status.at("commit_s").get<double>() > 0;
  }));
  CHECK(status.at("heartbeat_age_s").get<double>() < 60);
  CHECK(status.at("heartbeat_delay_s").get<double>() < 60);
  CHECK(status.at("apply_s").get<double>() >= status.at("commit_s").get<double>());
  // A source on which only weir writes is idle.
  CHECK(task.await([&] { return task.status().at("idle") == true; }));
  CHECK_THAT(task.run({"sync", "status", task.name()}).out, Contains("heartbeat "));

  // Neither copied nor spoken of, though the rule takes everything and the table was made under it.
  CHECK(target.value("SELECT count(*) FROM pg_tables WHERE tablename = 'weir_heartbeat'") == "0");
  CHECK(events(task, "ddl.create-table") == 0);
  CHECK(events(task, "heartbeat.failed") == 0);
  CHECK(status.at("tables").size() == 1);

  // Rows and beats come through side by side, also if one transaction holds both.
  source.sql(
      "START TRANSACTION; INSERT INTO shop.item VALUES (3, 'three');"
      "INSERT INTO weir.weir_heartbeat VALUES ('other', '2020-01-01T00:00:00Z'), ('odd', '?');"
      "COMMIT");
  CHECK(task.await([&] { return target.value("SELECT count(*) FROM shop.item") == "3"; }));
  await_beat(task, weir::now());
  CHECK(task.stop().code == 0);

  // The next start finds the table there, and a new task file has no rule for it.
  CHECK(warnings(task.run({"preflight", task.file(), "--json"}).json()).empty());
  const TaskRun::Result init =
      task.run({"init", "--host", source.host(), "--port", std::to_string(source.port()), "--user",
                source.user(), "--password-file", task.source_password_file()});
  INFO(init.text());
  CHECK(init.code == 0);
  CHECK_THAT(init.out, Contains("match = \"shop.*\"") && !Contains("match = \"weir.*\""));
}

/// The age of a beat counts on in the next worker, while no other beat can be written.
void check_survives(MySqlServer& source) {
  fill(source);
  TempPostgres target;
  TaskRun task(source, target, {.rest = kAll, .source_rest = kBeats});
  REQUIRE(task.start().code == 0);
  await_beat(task, weir::Time{});

  MySqlSession blocker = source.session();
  blocker.sql("START TRANSACTION; UPDATE weir.weir_heartbeat SET written_at = 'held'");
  REQUIRE(task.await([&] { return events(task, "heartbeat.failed") == 1; }));
  const auto last = newest_beat(task);
  REQUIRE(last);
  // Rows do not wait for the beat that does.
  source.sql("INSERT INTO shop.item VALUES (3, 'three')");
  CHECK(task.await([&] { return target.value("SELECT count(*) FROM shop.item") == "3"; }));

  const pid_t killed = task.kill_worker();
  const weir::Time then = weir::now();
  REQUIRE(task.await([&] {
    const auto samples = weir::open_state(task.state_dir(), true)->samples(task.name(), 1);
    return task.worker() != killed && task.status().at("caught_up") == true &&
           samples.back().at > then;
  }));
  const auto after = newest_beat(task);
  REQUIRE(after);
  CHECK(std::chrono::abs(*after - *last) < std::chrono::milliseconds(1));

  blocker.sql("ROLLBACK");
  await_beat(task, then);
  CHECK(task.stop().code == 0);
}

/// An account that may read everything and write nothing, until it is allowed to.
void check_denied(MySqlServer& source) {
  fill(source);
  source.sql(
      "CREATE USER reader@'%' IDENTIFIED BY 'weir-pw';"
      "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader@'%'");
  TempPostgres target;
  TaskRun task(source, target, {.rest = kAll, .source_rest = kBeats});
  std::string file = read_file(task.file());
  file.replace(file.find("user = \"weir\""), 13, "user = \"reader\"");  // the first is the source's
  std::ofstream(task.file()) << file;

  const TaskRun::Result checked = task.run({"preflight", task.file(), "--json"});
  INFO(checked.text());
  CHECK(warnings(checked.json()) == std::vector<std::string>{"mysql.heartbeat-denied"});
  const std::string fix = fix_of(checked.json(), "mysql.heartbeat-denied");
  CHECK_THAT(fix, Contains("CREATE TABLE") && Contains("GRANT SELECT, INSERT, UPDATE"));

  const TaskRun::Result started = task.start();
  INFO(started.text() << task.log());
  REQUIRE(started.code == 0);
  REQUIRE(task.await([&] { return events(task, "heartbeat.failed") == 1; }));
  source.sql("INSERT INTO shop.item VALUES (3, 'three')");
  CHECK(task.await([&] { return target.value("SELECT count(*) FROM shop.item") == "3"; }));
  CHECK(task.status().at("heartbeat_age_s").is_null());
  CHECK(task.status().at("state") == "running");

  // The fix is ready to be pasted, and nobody has to restart anything.
  source.sql(fix);
  await_beat(task, weir::Time{});
  CHECK(events(task, "heartbeat.failed") == 1);  // many tries, told once
  CHECK(events(task, "heartbeat.beats") == 1);

  // Half of the privileges: the table is seen, so only what is missing is asked for.
  source.sql("REVOKE UPDATE ON weir.weir_heartbeat FROM reader@'%'");
  const json half = task.run({"preflight", task.file(), "--json"}).json();
  CHECK(warnings(half) == std::vector<std::string>{"mysql.heartbeat-denied"});
  CHECK_THAT(fix_of(half, "mysql.heartbeat-denied"), !Contains("CREATE") && Contains("GRANT"));
  CHECK(task.stop().code == 0);
}

/// A PostgreSQL with a table, of the role that the task is to use.
struct PgPair {
  explicit PgPair(const TempPostgres::Options& options) : source(options) {
    source.sql("ALTER ROLE weir REPLICATION");
    source.session().sql(
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text);"
        "INSERT INTO shop.item VALUES (1, 'one'), (2, 'two')");
  }
  TempPostgres source;
  TempPostgres target;
};

TempPostgres::Options release(TempPostgres::Release which) {
  TempPostgres::Options options;
  options.release = which;
  options.settings = {"min_wal_size=32MB", "max_wal_size=64MB"};
  return options;
}

/// Beats travel as messages, and with them the slot, while only another database is written to.
void check_pg_travels(TempPostgres::Release which) {
  PgPair at(release(which));
  TaskRun task(at.source, at.target, {.rest = kAll, .source_rest = kBeats});
  const TaskRun::Result started = task.start();
  INFO(started.text() << task.log());
  REQUIRE(started.code == 0);
  await_beat(task, weir::now());
  CHECK(task.status().at("heartbeat_age_s").get<double>() < 60);
  CHECK(task.status().at("heartbeat_delay_s").get<double>() < 60);
  CHECK_THAT(task.run({"sync", "status", task.name()}).out, Contains("heartbeat "));
  CHECK(at.source.value("SELECT count(*) FROM pg_tables WHERE tablename = 'weir_heartbeat'") ==
        "0");

  // Beats of others, and what is none, do no harm.
  at.source.sql(
      "SELECT pg_logical_emit_message(true, 'weir.heartbeat', 'weir_shop'), "
      "pg_logical_emit_message(true, 'weir.heartbeat', 'weir_shop yesterday'), "
      "pg_logical_emit_message(true, 'weir.heartbeat', 'weir_other 2020-01-01T00:00:00Z'), "
      "pg_logical_emit_message(false, 'weir.heartbeat', 'weir_shop 2020-01-01T00:00:00Z'), "
      "pg_logical_emit_message(true, 'outbox', repeat('x', 1000000))");
  at.source.sql("INSERT INTO shop.item VALUES (3, 'three')");
  CHECK(task.await([&] { return at.target.value("SELECT count(*) FROM shop.item") == "3"; }));
  CHECK(*newest_beat(task) > weir::parse_rfc3339("2026-01-01T00:00:00Z"));

  at.source.sql("CREATE DATABASE busy");
  PgSession busy = at.source.session("postgres", "busy");
  busy.sql("CREATE TABLE load (n int, filler text)");
  for (int i = 0; i < 10; ++i) {
    busy.sql("INSERT INTO load SELECT i, repeat('x', 200) FROM generate_series(1, 50000) AS i");
    busy.sql("TRUNCATE load");
  }
  const std::string end = busy.value("SELECT pg_current_wal_insert_lsn()");
  CHECK(task.await([&] {
    at.source.sql("CHECKPOINT");
    return at.source.value("SELECT confirmed_flush_lsn > '" + end + "' AND restart_lsn > '" + end +
                           "' FROM pg_replication_slots WHERE slot_name = 'weir_shop'") == "t";
  }));
  // A slot that stood still would have kept all of it.
  CHECK(at.source.value("SELECT '" + end + "'::pg_lsn - '0/0' > 120000000") == "t");
  CHECK(task.await([&] {
    at.source.sql("CHECKPOINT");
    return at.source.value("SELECT sum(size) < 120000000 FROM pg_ls_waldir()") == "t";
  }));
  await_beat(task, weir::now());
  CHECK(task.await([&] { return task.status().at("idle") == true; }));

  // Commits wait for a standby that does not come; beats do not.
  at.source.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  at.source.sql("SELECT pg_reload_conf()");
  REQUIRE(task.await([&] { return busy.value("SHOW synchronous_standby_names") == "nobody"; }));
  await_beat(task, weir::now());
  CHECK(events(task, "heartbeat.failed") == 0);
  at.source.sql("ALTER SYSTEM RESET synchronous_standby_names");
  at.source.sql("SELECT pg_reload_conf()");
  CHECK(task.stop().code == 0);
}

}  // namespace

TEST_CASE("heartbeats travel through PostgreSQL 15, and no log piles up",
          "[server][heartbeat][pgheartbeat]") {
  check_pg_travels(TempPostgres::Release::installed);
}

TEST_CASE("heartbeats travel through PostgreSQL 17, and no log piles up",
          "[bootstrap][heartbeat][pgheartbeat]") {
  check_pg_travels(TempPostgres::Release::v17);
}

TEST_CASE("heartbeats travel through PostgreSQL 18, and no log piles up",
          "[bootstrap][heartbeat][pgheartbeat]") {
  check_pg_travels(TempPostgres::Release::v18);
}

TEST_CASE("a task on PostgreSQL goes on without the right to beat",
          "[server][heartbeat][pgheartbeat]") {
  PgPair at(release(TempPostgres::Release::installed));
  at.source.sql(
      "REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC");
  TaskRun task(at.source, at.target, {.rest = kAll, .source_rest = kBeats});
  const TaskRun::Result checked = task.run({"preflight", task.file(), "--json"});
  INFO(checked.text());
  CHECK(warnings(checked.json()) == std::vector<std::string>{"postgres.heartbeat-denied"});

  const TaskRun::Result started = task.start();
  INFO(started.text() << task.log());
  REQUIRE(started.code == 0);
  REQUIRE(task.await([&] { return events(task, "heartbeat.failed") == 1; }));
  at.source.sql("INSERT INTO shop.item VALUES (3, 'three')");
  CHECK(task.await([&] { return at.target.value("SELECT count(*) FROM shop.item") == "3"; }));
  CHECK(task.status().at("heartbeat_age_s").is_null());

  at.source.sql(fix_of(checked.json(), "postgres.heartbeat-denied"));
  await_beat(task, weir::Time{});
  CHECK(events(task, "heartbeat.failed") == 1);
  CHECK(events(task, "heartbeat.beats") == 1);
  CHECK(warnings(task.run({"preflight", task.file(), "--json"}).json()).empty());
  CHECK(task.stop().code == 0);
}

TEST_CASE("a PostgreSQL that does not answer is waited for no longer than asked",
          "[server][pgheartbeat]") {
  TempPostgres server;
  weir::Endpoint endpoint;
  endpoint.socket = server.socket_dir();
  endpoint.port = server.port();
  endpoint.user = "weir";
  endpoint.database = server.database();
  weir::PgConnection connection(endpoint, weir::PgConnection::Role::source);
  connection.execute_within("SELECT pg_sleep(0.1); SELECT 1", std::chrono::seconds(60));
  const auto id_of = [&](const char* sql, std::chrono::milliseconds limit) -> std::string {
    try {
      connection.execute_within(sql, limit);
    } catch (const weir::Error& error) {
      return error.id();
    }
    return "";
  };
  CHECK(id_of("SELECT 1/0", std::chrono::seconds(60)) == "postgres.row-refused");
  const auto begin = std::chrono::steady_clock::now();
  CHECK(id_of("SELECT pg_sleep(600)", std::chrono::milliseconds(100)) == "postgres.lost");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

TEST_CASE("heartbeats travel from MariaDB to the target and are shown", "[server][heartbeat]") {
  TempMariaDb source;
  check_travels(source);
}

TEST_CASE("heartbeats travel from MySQL to the target and are shown", "[bootstrap][heartbeat]") {
  TempMySql source;
  check_travels(source);
}

TEST_CASE("a task on MariaDB goes on without the right to beat", "[server][heartbeat]") {
  TempMariaDb source;
  check_denied(source);
}

TEST_CASE("a task on MySQL goes on without the right to beat", "[bootstrap][heartbeat]") {
  TempMySql source;
  check_denied(source);
}

TEST_CASE("the age of a heartbeat outlives a worker on MariaDB", "[server][heartbeat]") {
  TempMariaDb source;
  check_survives(source);
}

TEST_CASE("the age of a heartbeat outlives a worker on MySQL", "[bootstrap][heartbeat]") {
  TempMySql source;
  check_survives(source);
}
