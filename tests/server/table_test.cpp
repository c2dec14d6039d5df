// SPDX-License-Identifier: Apache-2.0
// weir add-table, remove-table and reload-table on a task that is stopped: what they tell, refuse
// and ask for.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "store/state_store.h"
#include "support/sqlite_file.h"
#include "support/task_run.h"
#include "support/temp_dir.h"
#include "support/temp_mariadb.h"

using namespace weir::test;
using nlohmann::json;

namespace {

constexpr int kRefused = 4;
constexpr int kConflict = 7;
constexpr int kNotFound = 8;

const TaskRun::Options kItems{.rest =
                                  "[[table]]\nmatch = \"shop.item*\"\nexclude = [\"shop.item_old\"]"
                                  "\ntarget = \"main.{table}\"\n"};

TaskRun::Result change(const TaskRun& task, std::vector<std::string> words, int code) {
  words.insert(words.begin() + 1, task.name());
  const TaskRun::Result result = task.run(words);
  INFO(result.text());
  CHECK(result.code == code);
  return result;
}

void check_refused(const TaskRun& task, const std::vector<std::string>& words, int code,
                   const std::string& id) {
  const TaskRun::Result result = change(task, words, code);
  CHECK_THAT(result.err, Catch::Contains("error[" + id + "]"));
  CHECK_THAT(result.err, Catch::Contains("\n  fix: "));
}

json asked(const TaskRun& task, std::vector<std::string> words) {
  words.emplace_back("--json");
  return change(task, std::move(words), 0).json();
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

json state_of(const json& document, const std::string& table) {
  for (const json& one : document.at("tables")) {
    if (one.at("source") == table) return one.at("state");
  }
  return nullptr;
}

std::vector<weir::LaneRow> lanes(const TaskRun& task) {
  return weir::open_state(task.state_dir(), true)->lanes(task.name());
}

}  // namespace

TEST_CASE("tables of a stopped task are added, removed and reloaded on request", "[tables]") {
  TempMariaDb source;
  const TempDir folder;
  source.sql(
      "CREATE DATABASE shop; CREATE TABLE shop.item (id INT PRIMARY KEY, v VARCHAR(40)); CREATE "
      "TABLE shop.item_more LIKE shop.item; INSERT INTO shop.item VALUES (1, 'a')");
  const std::string target =
      fmt::format("[target]\nkind = \"sqlite\"\npath = \"{}\"\n", folder / "target.db");
  const TaskRun task(source, target, kItems);
  const TaskRun::Result started = task.start();
  INFO(started.text());
  REQUIRE(started.code == 0);
  REQUIRE(task.run({"sync", "stop", task.name(), "--accept-risk", "retention"}).code == 0);
  source.sql(
      "CREATE TABLE shop.item_new LIKE shop.item; CREATE TABLE shop.item_old LIKE shop.item; "
      "CREATE TABLE shop.coupon LIKE shop.item; CREATE TABLE shop.bag (v INT)");
  const std::string before = text_of(task.file());
  std::filesystem::permissions(task.file(), std::filesystem::perms(0640));

  // What matches, what is there, what is ignored and why; and nothing is changed.
  const json plan = asked(task, {"add-table", "shop.item*", "shop.coupon", "--dry-run"});
  CHECK(state_of(plan, "shop.item") == "there");
  CHECK(state_of(plan, "shop.item_new") == "added");
  CHECK(state_of(plan, "shop.item_old") == "ignored");
  CHECK(state_of(plan, "shop.coupon") == "added");
  CHECK_THAT(plan.dump(), Catch::Contains("excluded by rule 1 at line"));
  CHECK_THAT(plan.at("rules").get<std::string>(), Catch::Contains("match = \"shop.coupon\""));
  CHECK(text_of(task.file()) == before);
  CHECK(lanes(task).empty());

  check_refused(task, {"add-table", "shop.nothing*"}, kNotFound, "table.no-match");
  check_refused(task, {"add-table", "shop.item_old"}, kRefused, "table.excluded");
  check_refused(task, {"add-table", "shop.bag"}, kRefused, "mapping.no-key");
  CHECK(text_of(task.file()) == before);
  CHECK(lanes(task).empty());

  const json added = asked(task, {"add-table", "shop.item_new", "shop.coupon", "--no-history"});
  REQUIRE(added.at("lanes").size() == 1);
  CHECK(added.at("lanes")[0].at("state") == "planned");
  CHECK(text_of(task.file()) == before + "\n[[table]]\nmatch = \"shop.coupon\"\n");
  CHECK((std::filesystem::status(task.file()).permissions() & std::filesystem::perms::mask) ==
        std::filesystem::perms(0640));
  REQUIRE(lanes(task).size() == 1);
  CHECK_FALSE(lanes(task)[0].history);
  CHECK(task.status().at("lanes")[0].at("tables")[0].at("step") == "planned");

  // Again: it is on its way. A wait says that the task has to run.
  const json again = asked(task, {"add-table", "shop.item_new", "shop.coupon"});
  CHECK(state_of(again, "shop.coupon") == "on-its-way");
  CHECK(lanes(task).size() == 1);
  check_refused(task, {"add-table", "shop.coupon", "--wait"}, kConflict, "lane.not-running");
  check_refused(task, {"remove-table", "shop.coupon"}, kConflict, "lane.open");
  check_refused(task, {"add-table", "shop.coupon", "--cancel"}, kConflict, "lane.partial");
  asked(task, {"add-table", "shop.item_new", "shop.coupon", "--cancel"});
  CHECK(lanes(task).empty());

  // A table with rows on the target is nobody's to overwrite.
  SqliteSession(folder / "target.db").sql("CREATE TABLE item_new (id INTEGER PRIMARY KEY, v TEXT)");
  SqliteSession(folder / "target.db").sql("INSERT INTO item_new VALUES (7, 'mine')");
  check_refused(task, {"add-table", "shop.item_new"}, kRefused, "sqlite.table-not-empty");

  check_refused(task, {"remove-table", "shop.itm"}, kNotFound, "table.unknown");
  check_refused(task, {"remove-table", "shop.item"}, kRefused, "checklist.missing");
  check_refused(task, {"remove-table", "shop.item", "shop.item_more"}, kRefused, "table.last");
  const json drop = asked(task, {"remove-table", "shop.item", "--drop-target", "--dry-run"});
  CHECK(drop.at("drop_statements")[0] == "DROP TABLE IF EXISTS \"item\"");
  CHECK(drop.at("dropped") == false);

  check_refused(task, {"reload-table", "shop.item", "--mode", "merge"}, kRefused,
                "confirm.no-terminal");
  asked(task, {"reload-table", "shop.item", "--mode", "merge", "--yes"});
  REQUIRE(lanes(task).size() == 1);
  CHECK(lanes(task)[0].reload_mode == "merge");
  CHECK(lanes(task)[0].state == weir::LaneRow::State::leaving);
  asked(task, {"reload-table", "shop.item", "--mode", "merge", "--yes"});
  CHECK(lanes(task).size() == 1);
  check_refused(task, {"reload-table", "shop.item", "--mode", "swap", "--yes"}, kConflict,
                "lane.open");
}
