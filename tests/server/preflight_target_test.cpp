// SPDX-License-Identifier: Apache-2.0
// Checks of MySQL, MariaDB and SQLite targets and of the task itself, each seen failing and passing
// for real, and mended by the statement that it prints.
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "mapping/task_file.h"
#include "ops/preflight.h"
#include "registry/registry.h"
#include "support/preflight_report.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"
#include "support/temp_postgres.h"

using namespace weir::test;

namespace {

constexpr const char* kItemRule = "[[table]]\nmatch = \"shop.item\"\n";

/// An account on the target that may do what is granted to it and no more, which the task has.
/// `session` is what the product asks for before weir may set up its session.
template <class Target>
void check_mysql_target(Target& target, const std::string& session) {
  TempMariaDb source;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20)); INSERT "
      "INTO shop.item VALUES (1, 'a')");
  TaskRun task(source, target, {.rest = kItemRule});
  CHECK(Report(task).trouble() == "");

  target.sql("CREATE DATABASE weir; CREATE DATABASE shop");
  target.sql(
      "CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(20) CHARACTER SET utf8mb4 NOT "
      "NULL)");
  check_mended(task, target, "mysql-target.column-not-null", "warning",
               "source NULL, target NOT NULL");
  CHECK(Report(task).trouble() == "");
  // What was tried has left nothing behind.
  CHECK(target.value(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'weir'") == "0");

  target.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'weir'@'%'");
  if (!session.empty()) {
    const TaskRun::Result refused = task.run({"preflight", task.file(), "--json"});
    CHECK(refused.code == 6);
    const std::string grant = "GRANT " + session + " ON *.* TO 'weir'@'%'";
    CHECK_THAT(refused.err, Catch::Contains("\"fix\":\"" + grant + "\""));
    target.sql(grant);
  }
  target.sql("GRANT ALL ON weir.* TO 'weir'@'%'");
  target.sql("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON shop.* TO 'weir'@'%'");
  check_mended(task, target, "mysql-target.ddl-denied", "warning", "ddl.add_column = apply");
  target.sql("REVOKE DROP ON shop.item FROM 'weir'@'%'");
  check_mended(task, target, "mysql-target.ddl-denied", "warning", "ddl.truncate_table = apply");
  target.sql("REVOKE DROP ON shop.item FROM 'weir'@'%'");
  for (const char* policy : {"truncate", "replace"}) {
    task.rewrite(std::string(kItemRule) + "existing = \"" + policy + "\"\n");
    check_mended(task, target, "mysql-target.existing-denied", "critical", "denied");
    target.sql("REVOKE DROP ON shop.item FROM 'weir'@'%'");
  }
  target.sql("GRANT ALL ON shop.* TO 'weir'@'%'");
  CHECK(Report(task).trouble() == "");
}

}  // namespace

TEST_CASE("MariaDB 10.11: preflight tries what a target must take", "[server][preflight]") {
  TempMariaDb target;
  check_mysql_target(target, "");
  // Somebody forbids what the privileges allow.
  TempPostgres source;
  source.sql("ALTER ROLE weir REPLICATION");
  source.session().sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, v float8, "
      "at date)");
  TaskRun task(source, target, {.rest = std::string(kItemRule) + "existing = \"replace\"\n"});
  CHECK(Report(task).trouble() == "");
  target.sql("SET GLOBAL enforce_storage_engine = Aria");
  const Report refused(task);
  CHECK(refused.severity("mysql-target.write-refused") == "critical");
  CHECK_THAT(refused.evidence("mysql-target.write-refused"),
             Catch::Contains("NO_ENGINE_SUBSTITUTION"));
  target.sql("SET GLOBAL enforce_storage_engine = NULL");
  CHECK(Report(task).trouble() == "");

  // Values that this product has not are looked for by a query that is printed.
  const Report report(task);
  CHECK(report.severity("postgres.special-values") == "info");
  const std::string query = report.fix("postgres.special-values");
  CHECK(source.value(query) == "0");
  source.sql(
      "INSERT INTO shop.item VALUES (1, 'NaN', '2026-01-01'), (2, 1, 'infinity'), (3, 1, "
      "'0044-03-15 BC'), (4, 1, '2026-01-01')");
  CHECK(source.value(query) == "3");

  target.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'weir'@'%'");
  target.sql("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP ON *.* TO 'weir'@'%'");
  check_mended(task, target, "mysql-target.control-schema", "critical", "GRANT ALL is missing");
}

TEST_CASE("MySQL 9: preflight tries what a target must take", "[server][preflight][bootstrap]") {
  TempMySql target;
  check_mysql_target(target, "SESSION_VARIABLES_ADMIN");
}

TEST_CASE("SQLite: a target column that takes no NULL", "[server][preflight]") {
  TempPostgres source;
  source.sql("ALTER ROLE weir REPLICATION");
  source.session().sql("CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, v text)");
  const SqliteFile file;
  const std::string from = "[source]\nkind = \"postgres\"\nsocket = \"" + source.socket_dir() +
                           "\"\nport = " + std::to_string(source.port()) +
                           "\nuser = \"weir\"\ndatabase = \"dw\"\n";
  TaskRun task(from, file.section(), {.rest = std::string(kItemRule) + "target = \"main.item\"\n"});
  CHECK(Report(task).trouble() == "");
  std::ofstream(file.path()).close();
  file.session().sql("CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT");
  CHECK(Report(task).severity("sqlite.column-not-null") == "warning");
  task.rewrite(std::string(kItemRule) + "target = \"main.item\"\nexisting = \"replace\"\n");
  CHECK(Report(task).trouble() == "");
}

TEST_CASE("preflight knows the clocks, the way and this machine", "[server][preflight]") {
  TempMariaDb mariadb;
  TempPostgres postgres;
  postgres.sql("ALTER ROLE weir REPLICATION");
  mariadb.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY)");
  postgres.session().sql("CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY)");
  TaskRun there(mariadb, postgres, {.rest = std::string(kItemRule) + "existing = \"replace\"\n"});
  TaskRun back(postgres, mariadb, {.rest = std::string(kItemRule) + "existing = \"replace\"\n"});
  for (const TaskRun* run : {&there, &back}) {
    const weir::Task task = weir::read_task(run->file());
    const auto source = weir::open_source(task);
    const auto target = weir::open_target(task);
    const weir::ops::PreflightFacts facts = weir::ops::decode_facts(
        weir::ops::encode_facts(weir::ops::gather_facts(task, *source, *target, run->state_dir())));
    for (const auto& clock : {facts.surroundings.source, facts.surroundings.target}) {
      REQUIRE(clock);
      CHECK(clock->round_trip.count() > 0);
      CHECK(clock->round_trip.count() < 1);
      CHECK(std::abs(clock->ahead.count()) < 1);
    }
    CHECK(facts.surroundings.state_free.value_or(0) > 0);
  }
  // Which tables join later is told of rules with a pattern only.
  CHECK(Report(there).severity("task.later-tables").empty());
  there.rewrite("[[table]]\nmatch = \"shop.*\"\nexisting = \"replace\"\n");
  CHECK(Report(there).severity("task.later-tables") == "info");
  CHECK(Report(there).evidence("task.later-tables") == "rule 1 (\"shop.*\"); no rule with a name");
}
