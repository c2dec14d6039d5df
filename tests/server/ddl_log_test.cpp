// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/pair_end.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

// What is kept of each statement on the source that changes a table, and what is said about those
// that wait.

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr const char* kTables =
    "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, name "
    "VARCHAR(20), n INT NOT NULL DEFAULT 7); CREATE TABLE shop.mark (id INT PRIMARY KEY, n BIGINT "
    "NOT NULL); CREATE TABLE shop.place (id INT PRIMARY KEY); CREATE TABLE shop.gone (id INT "
    "PRIMARY KEY); INSERT INTO shop.mark VALUES (1, 0); INSERT INTO shop.item (name) VALUES ('a'), "
    "('b')";

std::string with(const std::string& policies) {
  return fmt::format("\n[[table]]\nmatch = \"shop.*\"\n[ddl]\n{}\n[failover]\nlimit = 100\n",
                     policies);
}

/// Waits until a change that is made now has come through.
bool comes_through(TaskRun& task, MySqlServer& source, TempPostgres& target) {
  source.sql("UPDATE shop.mark SET n = n + 1");
  const std::string mark = source.value("SELECT n FROM shop.mark");
  return task.await([&] { return target.value("SELECT n FROM shop.mark") == mark; });
}

json listed(const TaskRun& task, const std::vector<std::string>& options = {}) {
  std::vector<std::string> words = {"ddl", "list", task.name(), "--json", "--limit", "1000"};
  words.insert(words.end(), options.begin(), options.end());
  const TaskRun::Result result = task.run(words);
  INFO(result.text());
  REQUIRE(result.code == 0);
  return result.json().at("ddl");
}

void check_started(const TaskRun& task) {
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
}

bool has_ended(const TaskRun& task) {
  return eventually([&] {
    const std::string state = task.status().at("state").get<std::string>();
    return state == "refused" || state == "failed";
  });
}

/// Puts a row back to what a worker leaves that is killed right after the target's commit.
void forget_outcome(const TaskRun& task, std::uint32_t number) {
  const auto store = weir::open_state(task.state_dir(), false);
  weir::DdlRow row = store->ddl_row(task.name(), number).value();
  row.outcome = weir::DdlRow::Outcome::begun;
  row.target_sql.clear();
  row.duration_s.reset();
  store->put_ddl(task.name(), row);
}

}  // namespace

TEST_CASE("each statement is kept with both texts and its outcome", "[server][ddl][ddllog]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTables);
  TaskRun task(source, target,
               {.rest = with("drop_column = \"apply\"\nchange_type = \"apply\"\n"
                             "drop_table = \"alert\"\nrename_table = \"ignore\"\n"
                             "create_table = \"alert\"")});
  check_started(task);
  CHECK(listed(task).empty());

  struct Statement {
    std::string sql;
    std::string table;
    std::string kind;
    std::string policy;
    std::string outcome;
    std::string target;  ///< part of the target's SQL, without case; "" if there is none
  };
  const std::vector<Statement> statements = {
      {"ALTER TABLE shop.item ADD COLUMN extra INT", "item", "add_column", "apply", "applied",
       "extra"},
      {"ALTER TABLE shop.item MODIFY n BIGINT NOT NULL DEFAULT 7", "item", "change_type", "apply",
       "applied", "bigint"},
      {"ALTER TABLE shop.item DROP COLUMN extra", "item", "drop_column", "apply", "applied",
       "extra"},
      {"TRUNCATE TABLE shop.item", "item", "truncate_table", "apply", "applied", "truncate"},
      {"CREATE INDEX by_name ON shop.item (name)", "item", "index", "ignore", "ignored", ""},
      {"CREATE TABLE shop.late (id INT PRIMARY KEY)", "late", "create_table", "alert", "alerted",
       ""},
      {"RENAME TABLE shop.place TO shop.old_place", "place", "rename_table", "ignore", "ignored",
       ""},
      {"DROP TABLE shop.gone", "gone", "drop_table", "alert", "alerted", ""},
  };
  for (const Statement& statement : statements) {
    INFO(statement.sql);
    source.sql(statement.sql);
    REQUIRE(comes_through(task, source, target));
  }
  const json rows = listed(task);
  INFO(rows.dump(1));
  REQUIRE(rows.size() == statements.size());
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const Statement& expected = statements[i];
    const json& row = rows[i];
    INFO(row.dump(1));
    CHECK(row.at("number") == i + 1);
    CHECK(row.at("table") == "shop." + expected.table);
    CHECK(row.at("kind") == expected.kind);
    CHECK(row.at("policy") == expected.policy);
    CHECK(row.at("outcome") == expected.outcome);
    CHECK_FALSE(row.at("open").get<bool>());
    CHECK(row.at("lane").is_null());
    CHECK(row.at("error").is_null());
    CHECK_FALSE(row.at("offset").get<std::string>().empty());
    CHECK(row.at("source_time").is_string());
    // The server writes a DROP anew.
    if (expected.table != "gone") CHECK(row.at("source_sql") == expected.sql);
    if (expected.target.empty()) {
      CHECK(row.at("target_sql").is_null());
      CHECK(row.at("duration_s").is_null());
    } else {
      CHECK_THAT(row.at("target_sql").get<std::string>(),
                 Catch::Contains(expected.target, Catch::CaseSensitive::No));
      CHECK(row.at("duration_s").get<double>() > 0);
    }
  }
  CHECK(listed(task, {"--open"}).empty());
  CHECK(listed(task, {"--since", "1h"}).size() == statements.size());
  CHECK(listed(task, {"--since", "1ms"}).empty());
  const TaskRun::Result shown = task.run({"ddl", "show", "shop", "1"});
  CHECK(shown.code == 0);
  CHECK_THAT(shown.out, Catch::Contains("source SQL  ALTER TABLE shop.item ADD COLUMN extra INT"));
  CHECK_THAT(shown.out, Catch::Contains("what to do  nothing"));
  CHECK(task.run({"ddl", "resolve", "shop", "1", "--skip", "--yes"}).code == 4);
  CHECK(task.run({"ddl", "show", "shop", "99"}).code == 8);
}

TEST_CASE("a statement that stopped the task keeps its row until it is applied",
          "[server][ddl][ddllog]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTables);
  TaskRun task(source, target, {.rest = with("drop_column = \"stop-task\"")});
  check_started(task);
  source.sql("ALTER TABLE shop.item DROP COLUMN n");
  REQUIRE(has_ended(task));
  const json stopped = listed(task, {"--open"});
  REQUIRE(stopped.size() == 1);
  CHECK(stopped[0].at("outcome") == "stopped-task");
  CHECK(stopped[0].at("policy") == "stop-task");
  CHECK(stopped[0].at("error").at("id") == "ddl.drop-column");
  CHECK_FALSE(stopped[0].at("error").at("fix").get<std::string>().empty());

  // What is to be done is for the task file to say.
  const TaskRun::Result resolved = task.run({"ddl", "resolve", "shop", "1", "--apply", "--yes"});
  INFO(resolved.text());
  CHECK(resolved.code == 4);
  CHECK_THAT(resolved.err, Catch::Contains("ddl.task-stopped"));
  CHECK_THAT(resolved.err, Catch::Contains("ddl.drop_column = "));
  CHECK(task.start().code == 4);
  CHECK(listed(task).size() == 1);

  task.rewrite(with("drop_column = \"apply\""));
  check_started(task);
  REQUIRE(comes_through(task, source, target));
  const json applied = listed(task);
  REQUIRE(applied.size() == 1);
  CHECK(applied[0].at("number") == 1);
  CHECK(applied[0].at("outcome") == "applied");
  CHECK(applied[0].at("error").is_null());
  CHECK(applied[0].at("target_sql").is_string());
}

TEST_CASE("kills leave one row for each statement", "[server][ddl][ddllog]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTables);
  TaskRun task(source, target, {.rest = with("drop_column = \"apply\"")});
  REQUIRE(task.start("incremental").code == 0);
  std::vector<std::string> issued;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 8; ++i) {
      const std::string column = fmt::format("c{}_{}", round, i);
      issued.push_back(fmt::format("ALTER TABLE shop.item ADD COLUMN {} INT", column));
      source.sql(issued.back());
      source.sql(fmt::format("INSERT INTO shop.item (name, {}) VALUES ('x', {})", column, i));
      issued.push_back(fmt::format("ALTER TABLE shop.item DROP COLUMN {}", column));
      source.sql(issued.back());
    }
    // In the middle of them: some are applied by now, and not all.
    const std::size_t enough = issued.size() - 10;
    REQUIRE(task.await([&] {
      return weir::open_state(task.state_dir(), true)->ddl("shop", 1000, false).size() >= enough;
    }));
    task.kill_worker();
  }
  REQUIRE(comes_through(task, source, target));
  json rows = listed(task);
  INFO(rows.dump(1));
  REQUIRE(rows.size() == issued.size());
  for (std::size_t i = 0; i < issued.size(); ++i) {
    CHECK(rows[i].at("number") == i + 1);
    CHECK(rows[i].at("source_sql") == issued[i]);
    CHECK(rows[i].at("outcome") == "applied");
  }

  // Killed between the target's commit and the record of it.
  REQUIRE(task.stop().code == 0);
  forget_outcome(task, 3);
  CHECK(listed(task)[2].at("outcome") == "begun");
  check_started(task);
  rows = listed(task);
  CHECK(rows.size() == issued.size());
  CHECK(rows[2].at("outcome") == "applied");
  CHECK(rows[2].at("target_sql").is_null());
  const TaskRun::Result shown = task.run({"ddl", "show", "shop", "3"});
  CHECK_THAT(shown.out, Catch::Contains("not known: the worker ended right after it"));
}

TEST_CASE("PostgreSQL: a TRUNCATE among rows, and changes of columns, are kept once",
          "[server][ddl][ddllog]") {
  const std::unique_ptr<PairSource> source = postgres_end();
  const std::unique_ptr<PairEnd> target = postgres_end();
  const std::unique_ptr<AnySession> here = source->session();
  here->sql(
      "CREATE SCHEMA shop; CREATE TABLE shop.mark (id int PRIMARY KEY, n int); CREATE TABLE "
      "shop.item (id int PRIMARY KEY, n int); INSERT INTO shop.mark VALUES (1, 0); INSERT INTO "
      "shop.item VALUES (1, 1)");
  TaskRun task(source->section("source"), target->section("target"),
               {.rest = "[[table]]\nmatch = \"shop.*\"\n" + source->settings()});
  check_started(task);
  const std::unique_ptr<AnySession> there = target->session();
  const auto arrives = [&] {
    here->sql("UPDATE shop.mark SET n = n + 1");
    return task.await([&] {
      return there->value("SELECT n FROM " + target->table("mark")) ==
             here->value("SELECT n FROM shop.mark");
    });
  };
  here->sql("BEGIN");
  here->sql("INSERT INTO shop.item VALUES (2, 2)");
  here->sql("TRUNCATE shop.item");
  here->sql("INSERT INTO shop.item VALUES (3, 3)");
  here->sql("COMMIT");
  REQUIRE(arrives());
  here->sql("ALTER TABLE shop.item ADD COLUMN extra text");
  here->sql("INSERT INTO shop.item VALUES (4, 4, 'x')");
  REQUIRE(arrives());
  here->sql("TRUNCATE shop.item");
  REQUIRE(arrives());

  json rows = listed(task);
  INFO(rows.dump(1));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("kind") == "truncate_table");
  CHECK_THAT(rows[0].at("target_sql").get<std::string>(),
             Catch::Contains("together with the rest of its transaction"));
  CHECK(rows[1].at("kind") == "add_column");
  CHECK_THAT(rows[1].at("target_sql").get<std::string>(), Catch::Contains("extra"));
  CHECK(rows[2].at("kind") == "truncate_table");
  for (const json& row : rows) CHECK(row.at("outcome") == "applied");

  REQUIRE(task.stop().code == 0);
  for (std::uint32_t number = 1; number <= 3; ++number) forget_outcome(task, number);
  check_started(task);
  REQUIRE(arrives());
  rows = listed(task);
  REQUIRE(rows.size() == 3);
  for (const json& row : rows) CHECK(row.at("outcome") == "applied");
}
