// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/time.h"
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

  // The row on the source is at least as new as what the target is said to have.
  const auto beat = newest_beat(task);
  CHECK(weir::parse_rfc3339(source.value(
            "SELECT written_at FROM weir.weir_heartbeat WHERE task = 'shop'")) >= *beat);
  CHECK(source.value("SELECT count(*) FROM weir.weir_heartbeat") == "1");

  json status = task.status();
  CHECK(status.at("heartbeat_age_s").get<double>() < 60);
  CHECK(status.at("heartbeat_delay_s").get<double>() < 60);
  CHECK(status.at("commit_s").get<double>() > 0);
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

}  // namespace

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
