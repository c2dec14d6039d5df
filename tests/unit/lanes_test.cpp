// SPDX-License-Identifier: Apache-2.0
#include "ops/lanes.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/status_view.h"
#include "cli/terminal.h"
#include "ops/add_table.h"
#include "ops/reload_table.h"
#include "ops/remove_table.h"
#include "ops/revision.h"
#include "ops/sync.h"
#include "store/state_store.h"
#include "support/asked_engine.h"
#include "support/temp_dir.h"

using namespace weir;
using Purpose = LaneRow::Purpose;
using State = LaneRow::State;

namespace {

/// The id of the error that `call` throws, "" if none.
std::string error_id(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    CHECK_FALSE(error.fix().empty());
    return error.id();
  }
  return {};
}

TableRow table_row(const std::string& table, StageState schema, StageState full) {
  TableRow row;
  row.source = {"shop", table};
  row.target = {"dw", table};
  row.schema = schema;
  row.full = full;
  return row;
}

/// A task "shop" with the tables a, b and c in its main lane.
struct Shop {
  Shop() : store(open_state(folder.path(), false)) {
    store->put_task("shop", "/nowhere/shop.toml");
    for (const char* const table : {"a", "b", "c"}) put("shop", table, StageState::done);
  }

  void put(const std::string& task, const std::string& table, StageState full) {
    const TableRow row = table_row(table, StageState::done, full);
    store->put_tables(task, {&row, 1});
  }
  LaneRow add(Purpose purpose, State state, std::vector<TableName> tables) {
    LaneRow row;
    row.task = "shop";
    row.purpose = purpose;
    row.state = state;
    row.tables = std::move(tables);
    row.number = store->add_lane(row);
    return ops::find_lane("shop", row.number, *store).value();
  }
  ops::Status status() {
    test::AskedEngine engine(false);
    return ops::status("shop", *store, engine);
  }

  test::TempDir folder;
  std::unique_ptr<StateStore> store;
};

const TableName kA{"shop", "a"};
const TableName kB{"shop", "b"};
const TableName kNew{"shop", "new"};

std::vector<std::string> words(std::initializer_list<const char*> all) {
  return {all.begin(), all.end()};
}

}  // namespace

TEST_CASE("a table of a lane is shown as far as it has come", "[lanes]") {
  Shop shop;
  LaneRow row = shop.add(Purpose::add, State::planned, {kNew});
  const auto step = [&] {
    return ops::step_text(
        ops::look_at_lane(*ops::find_lane("shop", 1, *shop.store), *shop.store).tables.at(0));
  };
  CHECK(step() == "planned");
  row.state = State::running;
  shop.store->put_lane(row);
  TableRow table = table_row("new", StageState::running, StageState::waiting);
  shop.store->put_tables("shop/1", {&table, 1});
  CHECK(step() == "schema");
  table.schema = StageState::done;
  table.full = StageState::running;
  shop.store->put_tables("shop/1", {&table, 1});
  CHECK(step() == "loading");
  for (std::uint32_t number = 0; number < 3; ++number) {
    RangeProgress range;
    range.range.number = number;
    range.done = number == 1;
    shop.store->put_range("shop/1", kNew, range);
  }
  CHECK(step() == "loading 1/3 chunks");
  table.full = StageState::done;
  shop.store->put_tables("shop/1", {&table, 1});
  CHECK(step() == "catching-up");
  row.state = State::suspended;
  shop.store->put_lane(row);
  CHECK(step() == "suspended");
  row.note = "joined";
  shop.store->end_lane(row, true);
  CHECK(step() == "streaming");
  CHECK(ops::look_at_lane(*ops::find_lane("shop", 1, *shop.store), *shop.store)
            .tables.at(0)
            .target.text() == "dw.new");
  CHECK_FALSE(ops::find_lane("shop", 2, *shop.store));
}

TEST_CASE("status tells of tables that are suspended, and is not healthy then", "[lanes]") {
  Shop shop;
  CHECK(ops::suspended_tables(shop.status()) == 0);
  CHECK(ops::oldest_suspended(shop.status()) == nullptr);
  for (const auto& [table, second] : {std::pair{kA, 20}, std::pair{kB, 10}}) {
    LaneRow row = shop.add(Purpose::suspend, State::suspended, {table});
    row.error_id = "target.value";
    row.error = "a value does not fit";
    row.error_fix = second == 10 ? "widen the column" : "";
    shop.store->put_lane(row);
    shop.store->put_offset("shop/" + std::to_string(row.number),
                           {"at " + table.table, Time{} + std::chrono::seconds(second)}, {"x"});
  }
  LaneRow bare = shop.add(Purpose::add, State::planned, {kNew});
  bare.history = false;
  shop.store->put_lane(bare);

  ops::Status status = shop.status();
  CHECK(ops::suspended_tables(status) == 2);
  REQUIRE(ops::oldest_suspended(status) != nullptr);
  CHECK(ops::oldest_suspended(status)->offset->text == "at b");
  const cli::Json json = cli::status_json(status);
  CHECK(json.at("suspended_tables") == 2);
  CHECK(json.at("suspended_from") == "at b");
  REQUIRE(json.at("lanes").size() == 3);
  CHECK(json.at("lanes")[0].at("lane") == "shop/1");
  CHECK(json.at("lanes")[0].at("error").at("id") == "target.value");
  CHECK(json.at("lanes")[0].at("tables")[0].at("step") == "suspended");
  CHECK(json.at("lanes")[1].at("error").at("fix") ==
        "widen the column; then weir ddl resolve shop --table shop.b --retry");
  CHECK(json.at("lanes")[2].at("history") == false);
  CHECK(json.at("lanes")[2].at("error").is_null());
  CHECK(json.at("without_history").empty());
  const cli::Terminal terminal(cli::Color::never);
  const std::string text = cli::status_text(status, terminal, true, true);
  CHECK_THAT(text, Catch::Contains("suspended 2 tables"));
  CHECK_THAT(text, Catch::Contains("log needed from at b"));
  CHECK_THAT(text, Catch::Contains("suspended shop.b: target.value: a value does not fit"));
  CHECK_THAT(text, Catch::Contains("  fix: widen the column"));
  CHECK_THAT(text, Catch::Contains("  fix: weir ddl resolve shop --table shop.a --retry"));
  CHECK_THAT(text, Catch::Contains("add, without history"));

  // What was added without its rows is told until somebody copies them.
  bare.note = "joined";
  shop.store->end_lane(bare, true);
  CHECK(shop.status().without_history == std::vector{kNew});
  CHECK_THAT(cli::status_text(shop.status(), terminal, true, true),
             Catch::Contains("shop.new: added without the rows that they had"));
  LaneRow reload = shop.add(Purpose::reload, State::running, {kNew});
  reload.note = "joined";
  shop.store->end_lane(reload, true);
  CHECK(shop.status().without_history.empty());
}

TEST_CASE("tables that leave are named by what the task has", "[lanes]") {
  Shop shop;
  CHECK(error_id([&] { ops::find_tables("shop", words({"shop.aa"}), *shop.store); }) ==
        "table.unknown");
  CHECK(error_id([&] { ops::find_tables("shop", words({"a"}), *shop.store); }) == "table.unknown");
  shop.add(Purpose::add, State::running, {kNew});
  CHECK(error_id([&] { ops::find_tables("shop", words({"shop.new"}), *shop.store); }) ==
        "lane.open");

  ops::RemovePlan plan =
      ops::plan_remove("shop", words({"shop.a", "shop.a", "shop.b"}), *shop.store);
  CHECK(plan.leaving == std::vector{kA, kB});
  CHECK(plan.tables.at(1).target.text() == "dw.b");
  CHECK(error_id([&] {
          ops::plan_remove("shop", words({"shop.a", "shop.b", "shop.c"}), *shop.store);
        }) == "table.last");
  CHECK(ops::begin_remove("shop", plan, *shop.store) == std::vector<std::uint32_t>{2});
  LaneRow lane = ops::find_lane("shop", 2, *shop.store).value();
  CHECK(lane.purpose == Purpose::remove);
  CHECK(lane.state == State::leaving);
  CHECK_FALSE(lane.who.empty());
  CHECK(shop.store->events("shop", 1).at(0).id == "lane.asked");
  CHECK_THAT(shop.store->events("shop", 1).at(0).text,
             Catch::Contains("remove shop.a, shop.b (shop/2)"));

  // Those that are about to leave do not count as left behind.
  CHECK(error_id([&] { ops::plan_remove("shop", words({"shop.c"}), *shop.store); }) ==
        "table.last");
  // What left together is one thing.
  CHECK(error_id([&] { ops::plan_remove("shop", words({"shop.a"}), *shop.store); }) ==
        "lane.partial");
  plan = ops::plan_remove("shop", words({"shop.b", "shop.a"}), *shop.store);
  CHECK(plan.nothing());
  CHECK(ops::begin_remove("shop", plan, *shop.store) == std::vector<std::uint32_t>{2});
  CHECK(shop.store->lanes("shop").size() == 2);
}

TEST_CASE("a suspended table can be removed, and one that moves on cannot", "[lanes]") {
  Shop shop;
  LaneRow lane = shop.add(Purpose::suspend, State::suspended, {kA});
  const ops::RemovePlan plan = ops::plan_remove("shop", words({"shop.a"}), *shop.store);
  REQUIRE(plan.suspended.size() == 1);
  // Somebody has resolved it while this one looked.
  lane.state = State::planned;
  shop.store->put_lane(lane);
  CHECK(error_id([&] { ops::begin_remove("shop", plan, *shop.store); }) == "lane.moved-on");
  CHECK(error_id([&] { ops::plan_remove("shop", words({"shop.a"}), *shop.store); }) == "lane.open");
  lane.state = State::suspended;
  shop.store->put_lane(lane);
  ops::begin_remove("shop", plan, *shop.store);
  lane = ops::find_lane("shop", 1, *shop.store).value();
  CHECK(lane.purpose == Purpose::remove);
  CHECK(lane.state == State::removed);

  Task task;
  task.name = "shop";
  test::AskedEngine engine(true);
  const ops::OpenSource no_source = [](const Task&) -> std::unique_ptr<Source> {
    throw bug("no server is to be asked");
  };
  const ops::OpenTarget no_target = [](const Task&) -> std::unique_ptr<Target> {
    throw bug("no server is to be asked");
  };
  const auto undo = [&](const char* word) {
    return error_id([&] {
      ops::undo_remove(task, words({word}), false, no_source, no_target, *shop.store, engine);
    });
  };
  CHECK(undo("shop.b") == "lane.not-removed");
  ops::record_drop(lane, words({"DROP TABLE dw.a"}), *shop.store);
  CHECK(undo("shop.a") == "table.dropped");
  shop.add(Purpose::remove, State::leaving, {kB});
  CHECK(undo("shop.b") == "lane.not-removed");
}

TEST_CASE("a table is reloaded from wherever it rests", "[lanes]") {
  Shop shop;
  LaneRow lane = shop.add(Purpose::suspend, State::suspended, {kA});
  lane.error_id = "ddl.drop-column";
  lane.error = "x";
  lane.stopped_at = {"bin.1:4", {}};
  shop.store->put_lane(lane);
  lane = ops::find_lane("shop", 1, *shop.store).value();
  ops::ReloadPlan plan;
  plan.mode = "merge";
  plan.leaving = {kB};
  plan.resting = {lane};
  CHECK(ops::begin_reload("shop", plan, *shop.store) == std::vector<std::uint32_t>{1, 2});
  for (const LaneRow& row : shop.store->lanes("shop")) {
    CHECK(row.purpose == Purpose::reload);
    CHECK(row.state == (row.number == 1 ? State::planned : State::leaving));
    CHECK(row.reload_mode == "merge");
    CHECK(row.error_id.empty());
    CHECK(row.stopped_at.empty());
  }
}

TEST_CASE("added tables are given up as they were asked for", "[lanes]") {
  Shop shop;
  test::AskedEngine engine(true);
  CHECK(error_id([&] { ops::plan_cancel("shop", words({"shop.n*"}), *shop.store); }) ==
        "table.no-match");
  const ops::CancelPlan there = ops::plan_cancel("shop", words({"shop.a"}), *shop.store);
  CHECK(there.lanes.empty());
  CHECK(there.absent == std::vector{kA});
  shop.add(Purpose::add, State::running, {kNew, {"shop", "other"}});
  CHECK(error_id([&] { ops::plan_cancel("shop", words({"shop.n*"}), *shop.store); }) ==
        "lane.partial");
  const ops::CancelPlan plan = ops::plan_cancel("shop", words({"shop.n*", "*.other"}), *shop.store);
  ops::cancel(plan, *shop.store, engine);
  CHECK(ops::find_lane("shop", 1, *shop.store)->state == State::cancelling);
  CHECK(shop.store->events("shop", 1).at(0).id == "lane.changed");
  // Again: it is on its way out.
  ops::cancel(ops::plan_cancel("shop", words({"shop.n*", "*.other"}), *shop.store), *shop.store,
              engine);
  CHECK(shop.store->events("shop", 9).size() == 1);
}

TEST_CASE("one command at a time changes the tables of a task", "[lanes]") {
  const test::TempDir folder;
  {
    const ops::ChangeLock lock(folder.path(), "shop");
    CHECK(error_id([&] { const ops::ChangeLock second(folder.path(), "shop"); }) == "change.busy");
    const ops::ChangeLock other(folder.path(), "crm");
  }
  const ops::ChangeLock again(folder.path(), "shop");
  CHECK(error_id([&] { const ops::ChangeLock none(folder.path() + "/none", "shop"); }) ==
        "state.io");
}

TEST_CASE("a pattern that cannot be one is told", "[lanes]") {
  CHECK(ops::refuse_pattern("shop.order_*").empty());
  CHECK_FALSE(ops::refuse_pattern("shop.[a").empty());
}
