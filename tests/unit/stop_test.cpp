// SPDX-License-Identifier: Apache-2.0
// Whether a task may be stopped, how long it may stay so, and what a gap in the log looks like.
#include "ops/stop.h"

#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/status_view.h"
#include "source/mysql/resume.h"
#include "support/asked_engine.h"
#include "support/temp_dir.h"

using namespace weir;
using namespace std::chrono_literals;
using ops::RetentionReport;
using ops::Verdict;

namespace {

const Time kNow = parse_rfc3339("2026-03-01T12:00:00Z");

RetentionReport report(Verdict verdict) {
  RetentionReport out;
  out.task = "shop";
  out.verdict = verdict;
  out.reason = "expire = 7200: what follows the offset may go";
  out.limited_by = "expire";
  return out;
}

std::unique_ptr<Source> unreachable(const Task&) {
  throw Error(ExitCode::source_unreachable, "mysql.connect", "cannot connect", "refused", "wait");
}

/// A state file with one task.
struct State {
  State() {
    store->put_task("shop", folder.write("shop.toml",
                                         "name = \"shop\"\n[source]\nkind = \"mysql\"\nsocket = "
                                         "\"/nowhere/s\"\nuser = \"weir\"\n[target]\nkind = "
                                         "\"sqlite\"\npath = \"/nowhere/shop.db\"\n[[table]]\n"
                                         "match = \"shop.*\"\n"));
    store->set_state("shop", TaskState::running, "");
  }
  test::TempDir folder;
  std::unique_ptr<StateStore> store = open_state(folder.path(), false);
};

RetentionRow row(Time at, const char* verdict, std::optional<double> left, const char* limit) {
  RetentionRow out;
  out.at = at;
  out.verdict = verdict;
  out.may_stay_down_s = left;
  out.limited_by = limit;
  return out;
}

}  // namespace

TEST_CASE("a stop is refused with the numbers, and what is merely unknown holds up a planned one",
          "[stop]") {
  CHECK_FALSE(ops::stop_refusal(report(Verdict::ok)));
  CHECK_FALSE(ops::stop_refusal(report(Verdict::warning)));
  CHECK_FALSE(ops::stop_refusal(report(Verdict::unknown)));

  RetentionReport little = report(Verdict::critical);
  little.may_stay_down = 2h;
  little.planned_stop = 6h;
  little.catch_up = 30min;
  Finding cause;
  cause.id = "retention.short";
  cause.fix = "raise expire on the source";
  little.findings.push_back(cause);
  const auto refused = ops::stop_refusal(little);
  REQUIRE(refused);
  CHECK(refused->id == "stop.retention");
  CHECK(refused->severity == Severity::critical);
  CHECK(refused->what ==
        "task shop may stay stopped 2 h 00 m only; the stop takes 6 h 00 m, and catching up "
        "30 m 00 s");
  CHECK(refused->why == little.reason);
  CHECK(refused->fix ==
        "raise expire on the source; plan a shorter stop; weir sync stop shop --accept-risk "
        "retention stops it all the same");
  little.may_stay_down = 0s;
  little.planned_stop.reset();
  CHECK(ops::stop_refusal(little)->what ==
        "task shop may not be stopped at all: its offset may go at any moment");

  RetentionReport hidden = report(Verdict::unknown);
  hidden.planned_stop = 6h;
  Finding why;
  why.id = "mysql.log-list-hidden";
  why.severity = Severity::unknown;
  why.fix = "GRANT BINLOG MONITOR";
  hidden.findings.push_back(why);
  const auto unsure = ops::stop_refusal(hidden);
  REQUIRE(unsure);
  CHECK(unsure->evidence == "mysql.log-list-hidden");
  CHECK_THAT(unsure->what, Catch::Contains("cannot be proved") && Catch::Contains("6 h 00 m"));
  CHECK_THAT(unsure->fix, Catch::StartsWith("GRANT BINLOG MONITOR; "));
  CHECK_THAT(ops::stop_refusal(report(Verdict::lost))->what, Catch::Contains("its offset is gone"));
}

TEST_CASE("nobody is asked about a task that does not run, stops already or has no offset",
          "[stop]") {
  State at;
  test::AskedEngine idle(false);
  test::AskedEngine busy(true);
  CHECK_FALSE(ops::ask_before_stop("shop", {}, unreachable, *at.store, busy));
  at.store->put_offset("shop", {"bin.000001:4", kNow}, {"mysql 1"});
  CHECK_FALSE(ops::ask_before_stop("shop", {}, unreachable, *at.store, idle));
  const auto asked = ops::ask_before_stop("shop", ops::Seconds(6h), unreachable, *at.store, busy);
  REQUIRE(asked);
  CHECK(asked->verdict == Verdict::unknown);
  CHECK(asked->planned_stop == ops::Seconds(6h));
  CHECK(asked->findings.at(0).id == "mysql.connect");
  CHECK(ops::stop_refusal(*asked));
  // What was not reached is not waited for again.
  CHECK(ops::ask_after_stop(
            *asked, [](const Task&) -> std::unique_ptr<Source> { throw bug("asked again"); },
            *at.store, idle)
            .verdict == Verdict::unknown);
  at.store->put_task("shop", "/nowhere/gone.toml");
  CHECK(ops::ask_before_stop("shop", {}, unreachable, *at.store, busy)->verdict ==
        Verdict::unknown);
  at.store->set_state("shop", TaskState::stopping, "");
  CHECK_FALSE(ops::ask_before_stop("shop", {}, unreachable, *at.store, busy));

  ops::record_waiver("shop", *ops::stop_refusal(*asked), *at.store);
  const auto events = at.store->events("shop", 1);
  REQUIRE(events.size() == 1);
  CHECK(events[0].id == "stop.retention-waived");
  CHECK(events[0].level == "warning");
  CHECK_THAT(events[0].text, Catch::Contains("6 h 00 m"));
}

TEST_CASE("a stopped task counts down what was said of its own offset", "[stop]") {
  State at;
  test::AskedEngine idle(false);
  test::AskedEngine busy(true);
  const auto countdown = [&](Engine& engine) {
    return ops::status("shop", *at.store, engine).countdown;
  };
  at.store->add_retention("shop", row(now() - 1h, "ok", 7200.0, "expire"));
  at.store->put_offset("shop", {"bin.000001:4", {}}, {"mysql 1"});
  CHECK_FALSE(countdown(idle));
  const Time checked = now();
  at.store->add_retention("shop", row(checked, "ok", 7200.0, "expire"));
  CHECK_FALSE(countdown(busy));
  REQUIRE(countdown(idle));
  CHECK(countdown(idle)->restart_before == checked + 2h);
  CHECK(countdown(idle)->limited_by == "expire");
  // Further than a time can be told.
  at.store->add_retention("shop", row(checked + 1s, "ok", 1e18, "expire"));
  CHECK(countdown(idle)->restart_before > checked + 24h * 36000);
  at.store->add_retention("shop", row(checked + 2s, "lost", 0.0, "mysql.offset-lost"));
  CHECK(countdown(idle)->lost);

  ops::Countdown left;
  left.restart_before = kNow + 5h + 12min;
  left.limited_by = "expire";
  CHECK(cli::left_text(left, kNow) == "5 h 12 m");
  CHECK(cli::left_text(left, kNow + 6h) == "overdue");
  cli::Json json;
  cli::add_countdown(json, left, kNow);
  CHECK(json.dump() ==
        R"({"restart_before":"2026-03-01T17:12:00Z","left_s":18720.0,"limited_by":"expire"})");
  cli::Json none;
  cli::add_countdown(none, std::nullopt, kNow);
  CHECK(none.dump() == R"({"restart_before":null,"left_s":null,"limited_by":null})");
  left.restart_before.reset();
  CHECK(cli::left_text(left, kNow) == "unlimited");
  left.unknown = true;
  CHECK(cli::left_text(left, kNow) == "unknown");
  left.lost = true;
  CHECK(cli::left_text(left, kNow) == "gone");
}

TEST_CASE("a gap is told from end to end, with each way out as a command", "[stop]") {
  Finding finding;
  finding.id = "mysql.offset-lost";
  finding.severity = Severity::critical;
  finding.what = "the log is gone";
  finding.fix = "restore it";
  LogGap& gap = finding.gap.emplace();
  gap.from = "bin.000002:120";
  CHECK(gap_text(gap).empty());
  gap.missing = "all files";
  CHECK(gap_text(gap) == "from bin.000002:120 on; gone: all files");
  gap.from_time = kNow;
  gap.to = "bin.000005:4";
  gap.to_time = kNow + 2h;
  gap.missing = mysql::files_before("bin.000002", "bin.000005");
  CHECK(gap_text(gap) ==
        "from bin.000002:120 (2026-03-01T12:00:00Z) to bin.000005:4 (2026-03-01T14:00:00Z), "
        "2 h 00 m; gone: bin.000002 to bin.000004 (3 files)");
  finding.ways = {
      {"nothing is lost: " + std::string(90, 'x') + " and then", "weir sync start shop"},
      {"all of it is lost", "# first\nsecond"}};
  CHECK(fix_text(finding) == "restore it\nnothing is lost: " + std::string(90, 'x') +
                                 " and then:\nweir sync start shop\nall of it is lost:\n# first\n"
                                 "second");
  CHECK(refusal(finding).fix() == fix_text(finding));
  const cli::Json json = cli::to_json(finding);
  CHECK(json["gap"]["lost_s"] == 7200);
  CHECK(json["gap"]["missing"] == "bin.000002 to bin.000004 (3 files)");
  CHECK(json["ways"].size() == 2);
  CHECK(json["ways"][0]["command"] == "weir sync start shop");
}

TEST_CASE("files that are gone are those of the same log before the oldest", "[stop]") {
  CHECK(mysql::files_before("bin.000002", "bin.000003") == "bin.000002");
  CHECK(mysql::files_before("bin.000003", "bin.000003").empty());
  CHECK(mysql::files_before("bin.000009", "bin.000003").empty());
  CHECK(mysql::files_before("old.000002", "bin.000003").empty());
  CHECK(mysql::files_before("bin.999999", "bin.1000002") == "bin.999999 to bin.1000001 (3 files)");
  CHECK(mysql::files_before("", "bin.000003").empty());
}
