// SPDX-License-Identifier: Apache-2.0
#include "ops/plan.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "mapping/config_diff.h"
#include "support/table_plan.h"

using namespace weir;
using namespace weir::ops;

namespace {

TablePlan item() {
  return test::table_plan({"shop", "item"}, {"shop", "item"},
                          {{"id", TypeKind::int32}, {"name", TypeKind::text}}, {0});
}

/// "need what: before -> after" of each step.
std::vector<std::string> compare(const std::vector<TablePlan>& before,
                                 const std::vector<TablePlan>& after) {
  std::vector<std::string> out;
  for (const PlanStep& step : compare_plans(before, after)) {
    CHECK_FALSE(step.effect.empty());
    CHECK(step.table.schema == "shop");
    out.push_back(std::string(to_string(step.need)) + " " + step.what + ": " + step.before +
                  " -> " + step.after);
  }
  return out;
}

using Lines = std::vector<std::string>;

ChangePlan made() {
  ChangePlan plan;
  plan.task = "shop";
  plan.taken = Time{} + std::chrono::seconds(1'767'268'800);
  plan.revision = 3;
  plan.file = "/etc/weir/shop.toml";
  plan.file_digest = "abc";
  plan.offset = "0-1-5";
  plan.target_digest = "def";
  plan.tables = {{"shop", "item"}};
  plan.reload_mode = "merge";
  return plan;
}

std::string error_id(void (*call)(const ChangePlan&), const ChangePlan& plan) {
  try {
    call(plan);
  } catch (const Error& error) {
    CHECK_FALSE(error.fix().empty());
    return error.id();
  }
  return "";
}

}  // namespace

TEST_CASE("a plan tells per table what the rules make different", "[plan]") {
  CHECK(compare({item()}, {item()}) == Lines());

  TablePlan moved = item();
  moved.target = {"dw", "thing"};
  CHECK(compare({item()}, {moved}) == Lines{"reload target: shop.item -> dw.thing"});

  TablePlan renamed = item();
  renamed.columns[1].name = "title";
  CHECK(compare({item()}, {renamed}) == Lines{"reload column name: name -> title"});

  TablePlan retyped = item();
  retyped.columns[1].target_type = "varchar(40)";
  CHECK(compare({item()}, {retyped}) == Lines{"reload type of name:  -> varchar(40)"});

  TablePlan dropped = item();
  dropped.columns.pop_back();
  CHECK(compare({item()}, {dropped}) == Lines{"reload column name: name -> "});
  CHECK(compare({dropped}, {item()}) == Lines{"reload column name:  -> name"});

  TablePlan added = item();
  PlannedColumn origin;
  origin.name = "origin";
  origin.constant = "{schema}";
  added.columns.push_back(origin);
  CHECK(compare({item()}, {added}) == Lines{"reload column origin:  -> origin"});
  TablePlan other = added;
  other.columns.back().constant = "{table}";
  CHECK(compare({added}, {other}) == Lines{"live value of origin: {schema} -> {table}"});

  TablePlan keyed = item();
  keyed.key = {1};
  CHECK(compare({item()}, {keyed}) == Lines{"reload key: id -> name"});
  keyed.key = {};
  CHECK(compare({item()}, {keyed}) == Lines{"reload key: id -> all columns"});

  TablePlan kept = item();
  kept.deletes = {DeletePolicy::Kind::ignore, ""};
  CHECK(compare({item()}, {kept}) == Lines{"live deletes: apply -> ignore"});
  TablePlan existing = item();
  existing.existing = ExistingPolicy::append;
  CHECK(compare({item()}, {existing}) == Lines{"live existing: refuse -> append"});
}

TEST_CASE("tables that come and go are told", "[plan]") {
  TablePlan orders = item();
  orders.source.name = {"shop", "orders"};
  orders.target = {"shop", "orders"};
  CHECK(compare({item()}, {item(), orders}) == Lines{"add-table table:  -> shop.orders"});
  CHECK(compare({item(), orders}, {orders}) == Lines{"remove-table table: shop.item -> "});
}

TEST_CASE("each setting has what it needs", "[plan]") {
  const auto need = [](const char* section, const char* name) {
    ConfigChange change;
    change.section = section;
    change.name = name;
    const std::vector<PlanStep> steps = judge_settings({&change, 1});
    REQUIRE(steps.size() == 1);
    CHECK_FALSE(steps[0].effect.empty());
    return std::string(to_string(steps[0].need));
  };
  CHECK(need("", "name") == "refused");
  CHECK(need("source", "host") == "refused");
  CHECK(need("target", "control_schema") == "refused");
  CHECK(need("source", "password") == "pause");
  CHECK(need("target", "tls") == "pause");
  CHECK(need("full", "rate_limit") == "live");
  CHECK(need("full", "chunk_rows") == "live");
  CHECK(need("full", "connections") == "live");
  CHECK(need("incremental", "flush_interval") == "live");
  CHECK(need("retention", "window") == "live");
  CHECK(need("ddl", "add_column") == "live");
  CHECK(need("dirty", "policy") == "live");
  CHECK(need("failover", "limit") == "pause");
  CHECK(need("types", "zero_dates") == "pause");
  CHECK(need("table", "target") == "live");
  CHECK(need("table.columns", "drop") == "live");
}

TEST_CASE("the need of a plan is the greatest of its steps", "[plan]") {
  ChangePlan plan = made();
  CHECK(plan.need() == Need::live);
  CHECK_FALSE(plan.restarts());
  CHECK(error_id(refuse_unfit, plan).empty());
  const auto add = [&](Need need) {
    plan.steps.push_back({"x", {"shop", "item"}, "a", "b", need, "because"});
  };
  add(Need::live);
  add(Need::pause);
  CHECK(plan.need() == Need::pause);
  CHECK(error_id(refuse_unfit, plan).empty());
  CHECK(plan.restarts());
  add(Need::reload);
  add(Need::remove_table);
  CHECK(plan.need() == Need::remove_table);
  CHECK(plan.restarts());
  CHECK(error_id(refuse_unfit, plan).empty());
  add(Need::refused);
  add(Need::live);
  CHECK(plan.need() == Need::refused);
  CHECK(error_id(refuse_unfit, plan) == "plan.refused");
}

TEST_CASE("tables that go the same way share a lane", "[plan]") {
  ChangePlan plan = made();
  const auto move = [&](const char* table, Need need, const char* mode) {
    TableMove one;
    one.table = {"shop", table};
    one.need = need;
    one.mode = mode;
    plan.moves.push_back(one);
  };
  move("a", Need::reload, "swap");
  move("b", Need::add_table, "");
  move("c", Need::reload, "");
  move("d", Need::remove_table, "");
  move("e", Need::reload, "swap");
  TableMove back;
  back.table = {"shop", "f"};
  back.comes_back = true;
  back.lane.emplace();
  back.lane->number = 7;
  back.lane->purpose = LaneRow::Purpose::remove;
  back.lane->state = LaneRow::State::removed;
  back.lane->tables = {{"shop", "f"}, {"shop", "g"}};
  plan.moves.push_back(back);
  back.table = {"shop", "g"};
  plan.moves.push_back(back);
  TableMove stuck;
  stuck.table = {"shop", "h"};
  stuck.need = Need::reload;
  stuck.mode = "truncate";
  stuck.lane.emplace();
  stuck.lane->number = 8;
  stuck.lane->purpose = LaneRow::Purpose::suspend;
  stuck.lane->state = LaneRow::State::suspended;
  stuck.lane->tables = {{"shop", "h"}};
  stuck.lane->error_id = "x";
  plan.moves.push_back(stuck);

  std::vector<std::string> lines;
  for (const LaneChange& change : lane_changes(plan)) {
    std::string tables;
    for (const TableName& table : change.row.tables) tables += table.table;
    lines.push_back(std::to_string(change.row.number) + " " + to_string(change.row.purpose) + " " +
                    to_string(change.row.state) + " " + change.row.reload_mode + " " + tables +
                    " from " + to_string(change.from));
    CHECK(change.row.error_id.empty());
  }
  CHECK(lines == Lines{"7 remove planned  fg from removed",
                       "8 reload leaving truncate h from suspended", "0 add planned  b from ended",
                       "0 reload leaving  c from ended", "0 reload leaving swap ae from ended",
                       "0 remove leaving  d from ended"});
}

TEST_CASE("a plan comes back from its file, and is refused once anything moved", "[plan]") {
  const ChangePlan back = decode_plan(encode_plan(made()));
  CHECK(back.task == "shop");
  CHECK(back.revision == 3);
  CHECK(back.file == "/etc/weir/shop.toml");
  CHECK(back.offset == "0-1-5");
  CHECK(back.taken == made().taken);
  CHECK(back.reload_mode == "merge");
  const auto reached = [](const Offset& a, const Offset& b) { return a.text >= b.text; };
  refuse_moved(back, made(), reached);

  const auto why = [&](const ChangePlan& now) {
    try {
      refuse_moved(back, now, reached);
    } catch (const Error& error) {
      CHECK(error.id() == "plan.moved");
      CHECK(error.code() == ExitCode::refused);
      return error.why();
    }
    return std::string();
  };
  ChangePlan now = made();
  now.offset = "0-1-6";  // it moves all the time
  CHECK(why(now).empty());
  now.offset = "0-1-4";  // but not back
  CHECK(why(now).find("0-1-5") != std::string::npos);
  now.offset = "";
  CHECK(why(now).find("0-1-5") != std::string::npos);
  now = made();
  now.revision = 4;
  CHECK(why(now) == "it was made for revision 3, and the task runs by 4");
  now = made();
  now.file_digest = "abd";
  CHECK(why(now) == "/etc/weir/shop.toml was edited since");
  now = made();
  now.target_digest = "deg";
  CHECK(why(now) == "the target tables of shop.item changed since");

  for (const char* text :
       {"", "{", "[]", "{}", "{\"format\": 5}", "{\"format\": \"weir-plan-1\"}"}) {
    INFO(text);
    CHECK_THROWS_AS(decode_plan(text), Error);
  }
}
