// SPDX-License-Identifier: Apache-2.0
// What is made of one counter, without a server: the arithmetic at every edge, and the statements.
#include "ops/cutover.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "mapping/rules.h"
#include "model/counter.h"
#include "model/task.h"
#include "registry/registry.h"
#include "store/state_store.h"
#include "support/temp_dir.h"

using namespace weir;
using ops::CounterStep;
using Action = CounterStep::Action;

namespace {

constexpr CounterNumber kBigint = 9'223'372'036'854'775'807;

/// A target of a kind, which no call here connects.
std::unique_ptr<Target> target_of(const std::string& kind) {
  Task task;
  task.name = "shop";
  task.source.kind = "postgres";
  task.target.kind = kind;
  task.target.socket = "/nowhere";
  task.target.database = "dw";
  task.target.path = "/nowhere/shop.db";
  return open_target(task);
}

CounterState state(CounterNumber next, CounterNumber largest = kBigint) {
  CounterState out;
  out.next = next;
  out.largest = largest;
  return out;
}

Counter counter(const CounterState& state) {
  return {{"shop", "item"}, "id", {"shop", "item_id_seq"}, state};
}

CounterPlace place(const CounterState& like) { return {{"shop", "item"}, "id", like}; }

FoundCounter found(CounterNumber next, CounterNumber largest = kBigint) {
  FoundCounter out;
  out.kind = FoundCounter::Kind::counts;
  out.name = "shop.item_id_seq";
  out.state = state(next, largest);
  out.wanted = out.state;
  return out;
}

CounterStep plan(const CounterState& source, FoundCounter there, std::uint64_t margin = 1000) {
  ops::CutoverRequest request;
  request.margin = margin;
  return ops::plan_counter(counter(source), place(source), std::move(there), request,
                           *target_of("postgres"));
}

std::string refusal(const CounterState& source, FoundCounter there, std::uint64_t margin) {
  try {
    plan(source, std::move(there), margin);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::refused);
    return error.id() + ": " + error.why() + "; " + error.fix();
  }
  return "";
}

}  // namespace

TEST_CASE("numbers of counters are read and written at every width", "[cutover]") {
  for (const char* text : {"0", "7", "-1", "9223372036854775807", "-9223372036854775808",
                           "18446744073709551615", "99999999999999999999999"}) {
    CHECK(to_string(parse_counter_number(text)) == text);
  }
  for (const char* text : {"", "-", "1.5", "x", " 1", "1234567890123456789012345678901"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_counter_number(text), Error);
  }
}

TEST_CASE("a counter goes on behind the source, or behind the last key", "[cutover]") {
  const CounterStep behind = plan(state(51), found(1));
  CHECK(behind.action == Action::set);
  CHECK(to_string(behind.next) == "1051");
  REQUIRE(behind.statements.size() == 1);
  CHECK(behind.statements[0] == "SELECT setval('shop.item_id_seq', 1051, false)");

  FoundCounter keys = found(1);
  keys.last_key = 900;
  CHECK(to_string(plan(state(51), keys).next) == "1901");
  CHECK(to_string(plan(state(51), keys, 0).next) == "901");
}

TEST_CASE("a counter is never put back", "[cutover]") {
  CHECK(plan(state(51), found(1050)).action == Action::set);
  CHECK(plan(state(51), found(1051)).action == Action::kept);
  const CounterStep kept = plan(state(51), found(999999));
  CHECK(kept.action == Action::kept);
  CHECK(kept.statements.empty());
}

TEST_CASE("a margin beyond the last number is refused and says what fits", "[cutover]") {
  const std::string text = refusal(state(32700, 32767), found(1, 32767), 1000);
  CHECK_THAT(text, Catch::StartsWith("cutover.margin: "));
  CHECK_THAT(text, Catch::Contains("the next number is 32700, and 32767 is the last"));
  CHECK_THAT(text, Catch::Contains("--margin 67 "));
  CHECK(refusal(state(32700, 32767), found(1, 32767), 68) != "");
  CHECK(to_string(plan(state(32700, 32767), found(1, 32767), 67).next) == "32767");
  CHECK(refusal(state(32700, 32767), found(32700, 32767), 68) != "");
  // It has got a margin of its own before.
  CHECK(plan(state(32700, 32767), found(32701, 32767), 1000).action == Action::kept);
  // The column decides, even if the source's is wider.
  CHECK(refusal(state(32700), found(1, 32767), 68) != "");
}

TEST_CASE("a counter that is used up is carried over as such", "[cutover]") {
  const CounterStep step = plan(state(32768, 32767), found(1, 32767));
  CHECK(step.action == Action::set);
  CHECK(step.used_up);
  CHECK(step.statements.at(0) == "SELECT setval('shop.item_id_seq', 32767, true)");
  CHECK(plan(state(32768, 32767), found(32768, 32767)).action == Action::kept);
}

TEST_CASE("a counter that goes down goes on going down", "[cutover]") {
  CounterState down = state(-50);
  down.increment = -10;
  down.smallest = -1000;
  down.largest = -1;
  FoundCounter there = found(-1);
  there.state = down;
  there.state.next = -1;
  there.wanted = down;
  CHECK(to_string(plan(down, there, 20).next) == "-250");
  there.last_key = -300;
  CHECK(to_string(plan(down, there, 20).next) == "-510");
  CHECK_THAT(refusal(down, there, 100), Catch::Contains("--margin 69 "));
  CHECK(to_string(plan(down, there, 69).next) == "-1000");
  there.state.next = -600;
  CHECK(plan(down, there, 20).action == Action::kept);

  // One that still goes up has to be turned round, wherever it stands.
  FoundCounter up = found(5000);
  up.wanted = down;
  up.reshape = true;
  const CounterStep turned = plan(down, up, 20);
  CHECK(turned.action == Action::set);
  CHECK(turned.statements.at(0) ==
        "ALTER SEQUENCE shop.item_id_seq INCREMENT BY -10 MINVALUE -1000 MAXVALUE -1 START WITH "
        "-250 RESTART WITH -250 NO CYCLE");
}

TEST_CASE("a counter that begins anew takes its margin with it", "[cutover]") {
  CounterState round = state(95, 100);
  round.cycles = true;
  FoundCounter there = found(1, 100);
  there.wanted.cycles = true;
  there.state.cycles = true;
  there.last_key = 100;  // keys of the last round
  CHECK(to_string(plan(round, there, 5).next) == "100");
  CHECK(plan(round, there, 6).action == Action::kept);  // at 1, where it stands
  CHECK(to_string(plan(round, there, 7).next) == "2");
  CHECK(to_string(plan(round, there, 10).next) == "5");
  CHECK(to_string(plan(round, there, 110).next) == "5");
}

TEST_CASE("a counter whose shape changes keeps what it has reached", "[cutover]") {
  CounterState tens = state(50);
  tens.increment = 10;
  FoundCounter there = found(70000);
  there.wanted.increment = 10;
  there.reshape = true;
  const CounterStep step = plan(tens, there, 3);
  CHECK(step.action == Action::set);
  CHECK(to_string(step.next) == "70000");
}

TEST_CASE("a plain column is made to count only on request, a sequence always", "[cutover]") {
  FoundCounter plain;
  plain.wanted = state(1);
  plain.can_make = true;
  plain.last_key = 10;
  ops::CutoverRequest request;
  const CounterState source = state(51);
  const auto target = target_of("postgres");
  const CounterStep asked =
      ops::plan_counter(counter(source), place(source), plain, request, *target);
  CHECK(asked.action == Action::missing);
  CHECK(asked.statements.at(0) ==
        "ALTER TABLE \"shop\".\"item\" ALTER COLUMN \"id\" ADD GENERATED BY DEFAULT AS IDENTITY "
        "(START WITH 1051)");
  request.make_identity = true;
  const CounterStep made =
      ops::plan_counter(counter(source), place(source), plain, request, *target);
  CHECK(made.action == Action::set);
  CHECK(made.statements == asked.statements);

  // A numeric column is too wide for an identity.
  plain.name = "\"shop\".\"item_id_seq\"";
  const CounterStep wide =
      ops::plan_counter(counter(source), place(source), plain, request, *target);
  CHECK(wide.statements == std::vector<std::string>{
                               "CREATE SEQUENCE \"shop\".\"item_id_seq\" START WITH 1051 OWNED BY "
                               "\"shop\".\"item\".\"id\"",
                               "ALTER TABLE \"shop\".\"item\" ALTER COLUMN \"id\" SET DEFAULT "
                               "nextval('\"shop\".\"item_id_seq\"')"});

  request.make_identity = false;
  request.margin = 5;
  Counter alone;
  alone.name = {"shop", "o'clock"};
  alone.state = state(7, 100);
  alone.state.own_bounds = true;
  FoundCounter nothing;
  nothing.name = "\"shop\".\"o'clock\"";
  nothing.wanted = alone.state;
  nothing.can_make = true;
  const CounterStep sequence =
      ops::plan_counter(alone, {alone.name, "", alone.state}, nothing, request, *target);
  CHECK(sequence.action == Action::set);
  CHECK(
      sequence.statements ==
      std::vector<std::string>{"CREATE SEQUENCE \"shop\".\"o'clock\" START WITH 12 MAXVALUE 100"});
}

TEST_CASE("each kind of target says what it would run", "[cutover]") {
  const CounterState source = state(51);
  FoundCounter there = found(1);
  there.name = "`shop`.`item`";
  ops::CutoverRequest request;
  const CounterStep mysql =
      ops::plan_counter(counter(source), place(source), there, request, *target_of("mysql"));
  CHECK(mysql.statements ==
        std::vector<std::string>{"ALTER TABLE `shop`.`item` AUTO_INCREMENT = 1051"});

  CounterPlace alone = place(source);
  alone.column.clear();
  const CounterStep sequence =
      ops::plan_counter(counter(source), alone, there, request, *target_of("mysql"));
  CHECK(sequence.statements == std::vector<std::string>{"SELECT SETVAL(`shop`.`item`, 1051, 0)"});

  there.name = "it's";
  const CounterStep file =
      ops::plan_counter(counter(source), place(source), there, request, *target_of("sqlite"));
  CHECK(file.statements ==
        std::vector<std::string>{"DELETE FROM sqlite_sequence WHERE name = 'it''s'",
                                 "INSERT INTO sqlite_sequence (name, seq) VALUES ('it''s', 1050)"});

  there.kind = FoundCounter::Kind::automatic;
  CHECK(ops::plan_counter(counter(source), place(source), there, request, *target_of("sqlite"))
            .action == Action::automatic);
}

TEST_CASE("a name that is no table's goes where the rules would put a table", "[cutover]") {
  Task task;
  task.name = "shop";
  TableRule first;
  first.match.text = "shop.order*";
  first.exclude.push_back({false, "shop.orders_old", {}});
  first.target = "dw.{schema}_{table}";
  TableRule second;
  second.match.text = "crm.*";
  task.tables = {first, second};
  const std::vector<TableName> names{
      {"shop", "order_no"}, {"shop", "orders_old"}, {"crm", "ticket"}, {"other", "x"}};
  using Names = std::vector<std::optional<TableName>>;
  CHECK(target_names(task, names, "") == Names{TableName{"dw", "shop_order_no"}, std::nullopt,
                                               TableName{"crm", "ticket"}, std::nullopt});
  CHECK(target_names(task, names, "main")[0] == TableName{"main", "shop_order_no"});
}

namespace {

/// A source of a kind that hands out no numbers; it is asked nothing else.
class Numberless final : public Source {
 public:
  std::string version() override { throw bug("not asked"); }
  Identity identity() override { throw bug("not asked"); }
  std::vector<TableName> tables() override { throw bug("not asked"); }
  std::vector<Table> describe(std::span<const TableName>) override { throw bug("not asked"); }
  std::string gather(const Task&, std::span<const TablePlan>, bool) override {
    throw bug("not asked");
  }
  std::vector<Finding> judge(std::span<const TablePlan>, const std::string&) const override {
    throw bug("not asked");
  }
  void prepare(std::span<const TablePlan>) override { throw bug("not asked"); }
  Offset start_offset() override { throw bug("not asked"); }
  std::optional<Finding> can_resume(const Offset&, const Identity&) override {
    throw bug("not asked");
  }
  bool reached(const Offset&, const Offset&) const override { throw bug("not asked"); }
  std::unique_ptr<RowReader> open_rows() override { throw bug("not asked"); }
  std::unique_ptr<ChangeReader> open_changes(const Offset&, std::span<const TablePlan>) override {
    throw bug("not asked");
  }
};

}  // namespace

TEST_CASE("a kind without counters refuses a cutover with 9", "[cutover]") {
  const test::TempDir folder;
  const std::unique_ptr<StateStore> store = open_state(folder.path(), false);
  const std::unique_ptr<Engine> engine = open_engine(folder.path());
  store->put_task("shop", "/nowhere/shop.toml");
  Task task;
  task.name = "shop";
  task.source.kind = "queue";
  Numberless source;
  const std::unique_ptr<Target> target = target_of("sqlite");
  const auto outcome = [&](const Task& which) -> std::string {
    try {
      ops::plan_cutover(which, {}, source, *target, *store, *engine);
    } catch (const Error& error) {
      return fmt::format("{} {}", static_cast<int>(error.code()), error.id());
    }
    return "";
  };
  CHECK(outcome(task) == "9 cutover.source-kind");
  task.name = "other";
  CHECK(outcome(task) == "8 task.unknown");
}
