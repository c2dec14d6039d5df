// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "support/eventually.h"
#include "support/task_run.h"
#include "support/temp_mariadb.h"
#include "support/temp_postgres.h"

// A table that a statement stops waits apart from the others, and comes back as somebody says.

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr const char* kTables =
    "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY AUTO_INCREMENT, name "
    "VARCHAR(20), n INT NULL DEFAULT 7); CREATE TABLE shop.mark (id INT PRIMARY KEY, n BIGINT NOT "
    "NULL); INSERT INTO shop.mark VALUES (1, 0); INSERT INTO shop.item (name) VALUES ('a'), ('b')";
constexpr const char* kRules =
    "\n[[table]]\nmatch = \"shop.*\"\n[ddl]\nadd_column = \"stop-table\"\n"
    "drop_column = \"stop-table\"\n";

/// Waits until a change of another table, made now, has come through: the others go on.
bool others_go_on(TaskRun& task, MySqlServer& source, TempPostgres& target) {
  source.sql("UPDATE shop.mark SET n = n + 1");
  const std::string mark = source.value("SELECT n FROM shop.mark");
  return task.await([&] { return target.value("SELECT n FROM shop.mark") == mark; });
}

json listed(const TaskRun& task) {
  return task.run({"ddl", "list", task.name(), "--json"}).json().at("ddl");
}

/// Waits until item waits for somebody, and returns the number of the statement.
std::string stopped_at(TaskRun& task) {
  REQUIRE(task.await([&] {
    const json rows = listed(task);
    if (rows.empty() || rows.back().at("outcome") != "stopped-table") return false;
    return task.run({"ddl", "resolve", task.name(), rows.back().at("number").dump(), "--reload",
                     "--dry-run"})
               .code == 0;
  }));
  return listed(task).back().at("number").dump();
}

void resolve(const TaskRun& task, const std::string& number, std::vector<std::string> how) {
  std::vector<std::string> words = {"ddl", "resolve", task.name(), number, "--yes"};
  words.insert(words.end(), how.begin(), how.end());
  const TaskRun::Result result = task.run(words);
  INFO(result.text());
  REQUIRE(result.code == 0);
}

std::string items(MySqlServer& source, const std::string& columns) {
  return source.value(fmt::format(
      "SELECT GROUP_CONCAT(CONCAT_WS(',', {}) ORDER BY id SEPARATOR ';') FROM shop.item", columns));
}

std::string items(TempPostgres& target, const std::string& columns) {
  return target.value(fmt::format(
      "SELECT string_agg(concat_ws(',', {}), ';' ORDER BY id) FROM shop.item", columns));
}

}  // namespace

TEST_CASE("a table that a statement stopped comes back as somebody says", "[server][ddl][lanes]") {
  TempMariaDb source;
  TempPostgres target;
  source.sql(kTables);
  TaskRun task(source, target, {.rest = kRules});
  REQUIRE(task.start().code == 0);
  const auto stop_at = [&](const std::string& statement) {
    source.sql("INSERT INTO shop.item (name) VALUES ('before')");
    source.sql(statement);
    source.sql("INSERT INTO shop.item (name) VALUES ('after')");
    std::string number = stopped_at(task);
    REQUIRE(others_go_on(task, source, target));
    CHECK(target.value("SELECT name FROM shop.item ORDER BY id DESC LIMIT 1") == "before");
    return number;
  };
  const auto check_back = [&](const std::string& columns, const std::string& outcome,
                              const std::string& resolution) {
    // It goes with the others again.
    source.sql("INSERT INTO shop.item (name) VALUES ('later')");
    REQUIRE(others_go_on(task, source, target));
    CHECK(items(target, columns) == items(source, columns));
    const json row = listed(task).back();
    INFO(row.dump(1));
    CHECK(row.at("outcome") == outcome);
    CHECK(row.at("resolution") == resolution);
    CHECK(row.at("resolved_by").is_string());
    CHECK(listed(task).size() == 1);
  };
  const auto has_column = [&](const std::string& column) {
    return target.value(
               "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'shop' AND "
               "table_name = 'item' AND column_name = '" +
               column + "'") == "1";
  };

  SECTION("carried out by weir") {
    const std::string number = stop_at("ALTER TABLE shop.item DROP COLUMN n");
    resolve(task, number, {"--apply", "--wait"});
    CHECK_FALSE(has_column("n"));
    check_back("id, name", "applied", "apply");
  }
  SECTION("carried out by hand") {
    const std::string number = stop_at("ALTER TABLE shop.item ADD COLUMN extra INT");
    target.sql("ALTER TABLE shop.item ADD COLUMN extra integer");
    resolve(task, number, {"--applied", "--wait"});
    source.sql("UPDATE shop.item SET extra = id");
    check_back("id, name, n, extra", "applied", "applied");
  }
  SECTION("skipped") {
    const std::string number = stop_at("ALTER TABLE shop.item ADD COLUMN extra INT");
    resolve(task, number, {"--skip", "--wait"});
    CHECK_FALSE(has_column("extra"));
    check_back("id, name, n", "ignored", "skip");
  }
  SECTION("skipped while the task is stopped") {
    const std::string number = stop_at("ALTER TABLE shop.item DROP COLUMN n");
    REQUIRE(task.stop().code == 0);
    CHECK(task.run({"ddl", "resolve", "shop", number, "--skip", "--yes", "--wait"}).code == 4);
    resolve(task, number, {"--skip"});
    REQUIRE(task.start().code == 0);
    REQUIRE(task.await([&] { return listed(task).back().at("outcome") == "ignored"; }));
    CHECK(has_column("n"));
    REQUIRE(task.await([&] { return items(target, "id, name") == items(source, "id, name"); }));
    check_back("id, name", "ignored", "skip");
  }
  SECTION("copied anew") {
    const std::string number = stop_at("ALTER TABLE shop.item DROP COLUMN n");
    target.sql("ALTER TABLE shop.item DROP COLUMN n");
    resolve(task, number, {"--reload", "--mode", "truncate", "--wait"});
    check_back("id, name", "resolved", "reload: truncate");
  }
}
