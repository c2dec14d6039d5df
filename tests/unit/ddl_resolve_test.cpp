// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "ops/ddl.h"
#include "store/state_store.h"
#include "support/temp_dir.h"

// What is said about a table that waits, and what the worker then finds in the state file.

using namespace weir;
using ops::Resolution;
using weir::test::TempDir;
using Outcome = DdlRow::Outcome;

namespace {

struct Ground {
  TempDir dir;
  std::unique_ptr<StateStore> store = open_state(dir.path(), false);

  Ground() {
    store->put_task("shop", "/etc/weir/shop.toml");
    TableRow row;
    row.source = {"shop", "item"};
    row.target = row.source;
    store->put_tables("shop", {&row, 1});
  }

  std::uint32_t statement(Outcome outcome, const std::string& kind = "add_column",
                          const std::string& id = "ddl.add-column") {
    DdlRow row;
    row.at = now();
    row.table = {"shop", "item"};
    row.kind = kind;
    row.offset.text = "bin.000001:400";
    row.source_sql = "ALTER TABLE item ADD a INT";
    row.policy = "stop-table";
    row.outcome = outcome;
    row.error_id = id;
    row.error = "shop.item changed";
    row.error_fix = "say ddl.add_column = \"apply\"";
    return store->add_ddl("shop", row);
  }

  std::uint32_t lane(const std::string& stopped_at, const std::string& id = "ddl.add-column") {
    LaneRow lane;
    lane.task = "shop";
    lane.purpose = LaneRow::Purpose::suspend;
    lane.state = LaneRow::State::suspended;
    lane.tables = {{"shop", "item"}};
    lane.error_id = id;
    lane.error = "shop.item changed";
    lane.error_fix = "weir ddl resolve";
    lane.stopped_at.text = stopped_at;
    return store->add_lane(lane);
  }

  LaneRow the_lane() { return store->lanes("shop").at(0); }

  void resolve(const ops::ResolveRequest& request, const std::string& by = "ana") {
    ops::carry_out("shop", ops::plan_resolve("shop", request, *store), by, *store);
  }

  /// The id and the code of what planning throws.
  std::pair<std::string, ExitCode> refusal(const ops::ResolveRequest& request) {
    try {
      ops::plan_resolve("shop", request, *store);
    } catch (const Error& error) {
      return {error.id(), error.code()};
    }
    return {"", ExitCode::ok};
  }
};

ops::ResolveRequest of(std::uint32_t number, Resolution how, const std::string& mode = "") {
  return {number, "", how, mode};
}

ops::ResolveRequest of(const std::string& table, Resolution how, const std::string& mode = "") {
  return {std::nullopt, table, how, mode};
}

using Refused = std::pair<std::string, ExitCode>;

}  // namespace

TEST_CASE("a verdict reaches the lane that waits at the statement", "[ddl][resolve]") {
  Ground ground;
  const std::uint32_t number = ground.statement(Outcome::stopped_table);
  const std::uint32_t lane = ground.lane("bin.000001:400");
  const auto check = [&](Resolution how, const std::string& verdict, const std::string& text) {
    ground.resolve(of(number, how));
    const LaneRow after = ground.the_lane();
    CHECK(after.number == lane);
    CHECK(after.state == LaneRow::State::planned);
    CHECK(after.purpose == LaneRow::Purpose::suspend);
    CHECK(after.verdict == verdict);
    CHECK(after.stopped_at.text == "bin.000001:400");
    CHECK(after.error_id.empty());
    const DdlRow row = ground.store->ddl_row("shop", number).value();
    CHECK(row.outcome == Outcome::resolved);
    CHECK(row.resolved_by == "ana");
    CHECK(row.resolved_at != Time{});
    CHECK(row.resolution == text);
    CHECK(ground.store->count_events("shop", "ddl.resolved", Time{}) == 1);
    // Once more is a word, anything else a conflict.
    CHECK_FALSE(ops::plan_resolve("shop", of(number, how), *ground.store).already.empty());
    const Resolution other = how == Resolution::skip ? Resolution::apply : Resolution::skip;
    CHECK(ground.refusal(of(number, other)) == Refused{"ddl.conflict", ExitCode::state_conflict});
    CHECK(ops::advice("shop", row, *ground.store).find("wait until") == 0);
  };
  SECTION("applied by weir") { check(Resolution::apply, "apply", "apply"); }
  SECTION("applied by hand") { check(Resolution::applied, "apply", "applied"); }
  SECTION("skipped") { check(Resolution::skip, "skip", "skip"); }
  SECTION("copied anew") {
    ground.resolve(of(number, Resolution::reload, "merge"));
    const LaneRow after = ground.the_lane();
    CHECK(after.state == LaneRow::State::planned);
    CHECK(after.purpose == LaneRow::Purpose::reload);
    CHECK(after.reload_mode == "merge");
    CHECK(after.verdict.empty());
    CHECK(ground.store->ddl_row("shop", number)->resolution == "reload: merge");
  }
}

TEST_CASE("what is lost has to be agreed to, and nothing else", "[ddl][resolve]") {
  Ground ground;
  const std::string kind = GENERATE("add_column", "drop_column", "comment");
  const std::uint32_t number = ground.statement(Outcome::stopped_table, kind);
  ground.lane("bin.000001:400");
  const auto loss = [&](Resolution how) {
    return ops::plan_resolve("shop", of(number, how, "swap"), *ground.store).loss;
  };
  CHECK(loss(Resolution::apply).empty() == (kind != "drop_column"));
  CHECK_FALSE(loss(Resolution::skip).empty());
  CHECK_FALSE(loss(Resolution::reload).empty());
  // Planning has changed nothing.
  CHECK(ground.the_lane().state == LaneRow::State::suspended);
  CHECK(ground.store->ddl_row("shop", number)->outcome == Outcome::stopped_table);
}

TEST_CASE("a statement that nothing waits at is not resolved", "[ddl][resolve]") {
  Ground ground;
  CHECK(ground.refusal(of(7, Resolution::apply)) == Refused{"ddl.unknown", ExitCode::not_found});
  SECTION("it was applied") {
    const std::uint32_t number = ground.statement(Outcome::applied);
    CHECK(ground.refusal(of(number, Resolution::apply)) ==
          Refused{"ddl.not-stopped", ExitCode::refused});
    CHECK(ops::advice("shop", *ground.store->ddl_row("shop", number), *ground.store) == "nothing");
  }
  SECTION("it stopped the task") {
    const std::uint32_t number = ground.statement(Outcome::stopped_task);
    CHECK(ground.refusal(of(number, Resolution::apply)) ==
          Refused{"ddl.task-stopped", ExitCode::refused});
    CHECK(ops::advice("shop", *ground.store->ddl_row("shop", number), *ground.store) ==
          "say ddl.add_column = \"apply\"");
  }
  SECTION("its table is not put aside yet") {
    const std::uint32_t number = ground.statement(Outcome::stopped_table);
    CHECK(ground.refusal(of(number, Resolution::apply)) ==
          Refused{"ddl.conflict", ExitCode::state_conflict});
  }
  SECTION("its table waits elsewhere") {
    const std::uint32_t number = ground.statement(Outcome::stopped_table);
    ground.lane("bin.000001:900", "apply.refused");
    CHECK(ground.refusal(of(number, Resolution::apply)) ==
          Refused{"ddl.not-stopped", ExitCode::refused});
  }
  SECTION("its table is being changed") {
    const std::uint32_t number = ground.statement(Outcome::stopped_table);
    ground.lane("bin.000001:400");
    LaneRow lane = ground.the_lane();
    lane.state = LaneRow::State::running;
    ground.store->put_lane(lane);
    CHECK(ground.refusal(of(number, Resolution::apply)) ==
          Refused{"ddl.conflict", ExitCode::state_conflict});
  }
}

TEST_CASE("a way that cannot help is refused", "[ddl][resolve]") {
  Ground ground;
  struct Case {
    std::string kind;
    std::string id;
    std::vector<Resolution> refused;
  };
  const Case tried =
      GENERATE(Case{"create_table",
                    "ddl.table-replaced",
                    {Resolution::apply, Resolution::applied, Resolution::skip}},
               Case{"drop_rows", "ddl.drop-rows", {Resolution::apply, Resolution::applied}},
               Case{"rename_column", "ddl.rename-ignored", {Resolution::skip}},
               Case{"change_key", "ddl.key-ignored", {Resolution::skip}},
               Case{"rename_table", "ddl.rename-table", {Resolution::apply, Resolution::applied}},
               Case{"add_column", "ddl.add-column", {}});
  const std::uint32_t number = ground.statement(Outcome::failed, tried.kind, tried.id);
  ground.lane("", tried.id);
  const std::string advice =
      ops::advice("shop", *ground.store->ddl_row("shop", number), *ground.store);
  for (const Resolution how :
       {Resolution::apply, Resolution::applied, Resolution::skip, Resolution::reload}) {
    INFO(ops::to_string(how));
    const bool useless =
        std::find(tried.refused.begin(), tried.refused.end(), how) != tried.refused.end();
    const Refused found = ground.refusal(of(number, how, "swap"));
    CHECK(found == (useless ? Refused{"ddl.no-way", ExitCode::refused} : Refused{}));
    CHECK((advice.find("--" + std::string(ops::to_string(how)) + " (") == std::string::npos) ==
          useless);
  }
}

TEST_CASE("a table that no statement stopped is tried again, or copied anew", "[ddl][resolve]") {
  Ground ground;
  CHECK(ground.refusal(of("shop.none", Resolution::retry)) ==
        Refused{"ddl.table-unknown", ExitCode::not_found});
  CHECK(ground.refusal(of("shop.item", Resolution::retry)) ==
        Refused{"ddl.not-stopped", ExitCode::refused});
  ground.lane("", "apply.refused");
  SECTION("again") {
    ground.resolve(of("shop.item", Resolution::retry));
    CHECK(ground.the_lane().state == LaneRow::State::planned);
    CHECK(ground.the_lane().purpose == LaneRow::Purpose::suspend);
    CHECK(ground.the_lane().error_id.empty());
    CHECK(ground.refusal(of("shop.item", Resolution::retry)) ==
          Refused{"ddl.conflict", ExitCode::state_conflict});
  }
  SECTION("anew") {
    ground.resolve(of("shop.item", Resolution::reload, "swap"));
    CHECK(ground.the_lane().purpose == LaneRow::Purpose::reload);
    CHECK(ground.the_lane().reload_mode == "swap");
  }
}

TEST_CASE("the first of two decisions counts", "[ddl][resolve]") {
  Ground ground;
  const std::uint32_t number = ground.statement(Outcome::stopped_table);
  ground.lane("bin.000001:400");
  const auto ana = ops::plan_resolve("shop", of(number, Resolution::skip), *ground.store);
  const auto ben = ops::plan_resolve("shop", of(number, Resolution::apply), *ground.store);
  ops::carry_out("shop", ana, "ana", *ground.store);
  try {
    ops::carry_out("shop", ben, "ben", *ground.store);
    FAIL("both were carried out");
  } catch (const Error& error) {
    CHECK(error.id() == "ddl.conflict");
    CHECK(error.code() == ExitCode::state_conflict);
  }
  CHECK(ground.the_lane().verdict == "skip");
  CHECK(ground.store->ddl_row("shop", number)->resolved_by == "ana");
}

TEST_CASE("a lane is followed until it has joined, or waits again", "[ddl][resolve]") {
  Ground ground;
  const std::uint32_t number = ground.lane("", "apply.refused");
  ground.resolve(of("shop.item", Resolution::retry));
  REQUIRE(ops::look_at("shop", number, *ground.store));
  LaneRow lane = ground.the_lane();
  const auto thrown = [&] {
    try {
      ops::look_at("shop", number, *ground.store);
    } catch (const Error& error) {
      return Refused{error.id(), error.code()};
    }
    return Refused{};
  };
  SECTION("joined") {
    lane.note = "joined";
    ground.store->end_lane(lane, true);
    CHECK_FALSE(ops::look_at("shop", number, *ground.store));
  }
  SECTION("given up") {
    lane.note = "cancelled";
    ground.store->end_lane(lane, false);
    CHECK(thrown() == Refused{"ddl.given-up", ExitCode::failed});
  }
  SECTION("suspended") {
    lane.state = LaneRow::State::suspended;
    lane.error_id = "apply.refused";
    ground.store->put_lane(lane);
    CHECK(thrown() == Refused{"apply.refused", ExitCode::refused});
  }
}
