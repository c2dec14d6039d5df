// SPDX-License-Identifier: Apache-2.0
// What preflight keeps of the servers and judges later, what it leaves out, and what it waives.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "store/state_store.h"
#include "support/child_process.h"
#include "support/task_run.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kRefused = 4;

std::vector<std::string> ids(const json& document) {
  std::vector<std::string> out;
  for (const json& finding : document.at("findings")) out.push_back(finding.at("id"));
  return out;
}

bool has(const json& document, const std::string& id) {
  const std::vector<std::string> all = ids(document);
  return std::find(all.begin(), all.end(), id) != all.end();
}

json checked(const TaskRun& task, int code, std::vector<std::string> words = {}) {
  words.insert(words.begin(), {"preflight", task.file(), "--json"});
  const TaskRun::Result result = task.run(words);
  INFO(result.text());
  REQUIRE(result.code == code);
  return result.json();
}

/// What a judgement says, without what belongs to the moment.
json said(json document) {
  document.erase("facts_taken");
  return document;
}

std::string text_of(const json& document) { return document.dump(); }

}  // namespace

TEST_CASE("facts of a preflight are judged without servers", "[server][preflight]") {
  const TempDir folder;
  const std::string facts = folder / "shop.facts";
  json live;
  std::unique_ptr<TaskRun> kept;
  {
    TempMariaDb source;
    TempPostgres target;
    source.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name VARCHAR(40)); "
        "CREATE TABLE shop.note (id INT PRIMARY KEY, customer INT, text TEXT, FOREIGN KEY "
        "(customer) REFERENCES shop.customer (id) ON DELETE CASCADE); "
        "CREATE TABLE shop.log (at DATETIME, line TEXT) ENGINE = MyISAM");
    kept = std::make_unique<TaskRun>(
        source, target,
        TaskRun::Options{.rest = "[[table]]\nmatch = \"shop.*\"\nexclude = [\"shop.log\"]\n"});
    const TaskRun& task = *kept;
    live = checked(task, 0, {"--facts-out", facts});
    CHECK(has(live, "mysql.cascade"));
    CHECK(live.at("facts_taken").is_null());

    // Nobody else reads them, and no password is in them.
    struct stat file {};
    REQUIRE(stat(facts.c_str(), &file) == 0);
    CHECK((file.st_mode & 0777) == 0600);
    for (const std::string& secret :
         {read_file(task.source_password_file()), read_file(task.target_password_file())}) {
      const std::string bare = secret.substr(0, secret.find_first_of("\r\n"));
      REQUIRE(bare.size() > 4);
      CHECK(read_file(facts).find(bare) == std::string::npos);
    }
  }
  // Both servers are gone by now.
  const TaskRun& task = *kept;
  CHECK(task.run({"preflight", task.file()}).code == 5);
  const json replayed = checked(task, 0, {"--facts", facts});
  CHECK(replayed.at("facts_taken").is_string());
  CHECK(text_of(said(replayed)) == text_of(said(live)));

  // The rules are those of today, and what the facts do not say is not guessed.
  kept->rewrite("[[table]]\nmatch = \"shop.*\"\n");
  const json wider = checked(task, kRefused, {"--facts", facts, "--strict"});
  CHECK(has(wider, "facts.no-table"));
  kept->rewrite("[[table]]\nmatch = \"shop.customer\"\ntarget = \"other.{table}\"\n");
  CHECK(has(checked(task, 0, {"--facts", facts}), "facts.no-table"));
  kept->rewrite("[[table]]\nmatch = \"shop.customer\"\n");
  CHECK_FALSE(has(checked(task, 0, {"--facts", facts}), "facts.no-table"));

  // Facts of another task say nothing about this one.
  std::string text = read_file(facts);
  const std::size_t at = text.find("\"task\": \"shop\"");
  REQUIRE(at != std::string::npos);
  text.replace(at, 14, "\"task\": \"crm\"");
  std::ofstream(facts) << text;
  const TaskRun::Result other = task.run({"preflight", task.file(), "--facts", facts});
  CHECK(other.code == 3);
  CHECK(other.err.find("facts.other-task") != std::string::npos);
}

TEST_CASE("preflight leaves out, waives and is strict, and says so", "[server][preflight]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY) ENGINE = MyISAM");
  target.sql(
      "SET ROLE weir; CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY); INSERT INTO "
      "shop.item VALUES (1); RESET ROLE");
  TaskRun task(source, target);

  // By group, the gravest of each first.
  const json all = checked(task, kRefused);
  REQUIRE(has(all, "mysql.engine"));
  REQUIRE(has(all, "postgres.table-not-empty"));
  const TaskRun::Result shown = task.run({"preflight", task.file()});
  const std::size_t tables = shown.out.find("tables\nwarning[mysql.engine]");
  const std::size_t rows = shown.out.find("\ntarget\ncritical[postgres.table-not-empty]");
  CHECK(tables != std::string::npos);
  CHECK(rows != std::string::npos);
  CHECK(tables < rows);

  CHECK(ids(checked(task, 0, {"--only", "tables"})) == std::vector<std::string>{"mysql.engine"});
  CHECK(ids(checked(task, kRefused, {"--only", "postgres.table-not-empty"})).size() == 1);
  CHECK_FALSE(has(checked(task, 0, {"--skip", "target"}), "postgres.table-not-empty"));
  checked(task, kRefused, {"--only", "tables", "--strict"});
  checked(task, 0, {"--only", "tables", "--strict", "--waive", "mysql.engine"});

  // Waived for a preflight of a task that nobody knows: there is no history to keep it in.
  const json waived = checked(task, 0, {"--waive", "postgres.table-not-empty"});
  bool is_marked = false;
  for (const json& finding : waived.at("findings")) {
    if (finding.at("id") == "postgres.table-not-empty") is_marked = finding.value("waived", false);
  }
  CHECK(is_marked);
  CHECK(task.run({"preflight", task.file(), "--waive", "postgres.table-not-empty"})
            .out.find("waived[postgres.table-not-empty]") != std::string::npos);
  CHECK(task.run({"preflight", task.file(), "--waive", "mysql.binlog-off", "--skip", "target"})
            .err.find("nothing of that name was found") != std::string::npos);

  // A mapping that is not sound is never waived, nor what belongs to it.
  task.rewrite("[[table]]\nmatch = \"nobody.*\"\n");
  const TaskRun::Result bound = task.run({"preflight", task.file(), "--waive", "mapping.nothing"});
  INFO(bound.text());
  CHECK(bound.code == kRefused);
  CHECK(bound.err.find("preflight.not-waivable") != std::string::npos);
}

TEST_CASE("a waived check does not keep a task from running, and stays in its history",
          "[server][preflight]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql("CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY)");
  target.sql(
      "SET ROLE weir; CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, more text "
      "NOT "
      "NULL); RESET ROLE");
  TaskRun task(source, target);
  CHECK(task.run({"sync", "start", task.file()}).code == kRefused);
  const TaskRun::Result started = task.run(
      {"sync", "start", task.file(), "--waive", "postgres.column-unfilled", "--wait", "caught-up"});
  INFO(started.text());
  REQUIRE(started.code == 0);
  REQUIRE(task.stop().code == 0);
  // A start without it refuses again.
  CHECK(task.run({"sync", "start", task.file()}).code == kRefused);
  const TaskRun::Result waived = task.run(
      {"preflight", task.file(), "--waive", "postgres.column-unfilled", "--only", "target"});
  CHECK(waived.code == 0);
  // The history has the start and the preflight.
  std::string told;
  for (const weir::EventRow& event :
       weir::open_state(task.state_dir(), true)->events("shop", 1000)) {
    if (event.id == "task.waived") told += event.text + '\n';
  }
  CHECK(told.find("waived postgres.column-unfilled for this start") != std::string::npos);
  CHECK(told.find("waived postgres.column-unfilled for a preflight") != std::string::npos);
}
