// SPDX-License-Identifier: Apache-2.0
// The checklist, judged from facts that no server had to be asked for, and asked at a terminal.
#include "ops/checklist.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <pty.h>
#include <unistd.h>

#include "base/user.h"
#include "cli/arguments.h"
#include "cli/checklist_verb.h"
#include "cli/session.h"
#include "support/asked_engine.h"
#include "support/temp_dir.h"

using namespace weir;
using namespace std::chrono_literals;
using Catch::Contains;
using ops::ChecklistFacts;
using ops::ChecklistItem;
using ops::ItemVerdict;
using ops::Operation;
using enum ops::Operation;
using enum ops::ItemVerdict;

namespace {

const Time kNow = parse_rfc3339("2026-03-01T12:00:00Z");

TablePlan plan(const char* table, ExistingPolicy existing = ExistingPolicy::refuse) {
  TablePlan out;
  out.source.name = {"shop", table};
  out.source.estimated_rows = 1000;
  out.target = {"dw", table};
  out.existing = existing;
  return out;
}

TableRow row(const char* table, StageState full = StageState::done) {
  TableRow out;
  out.source = {"shop", table};
  out.target = {"dw", table};
  out.full = full;
  out.estimated_rows = 1000;
  out.copied_rows = 1000;
  return out;
}

Finding critical(const char* id, const char* table) {
  return {id, Severity::critical, "what", "why", "fix", "", table};
}

/// A task with two tables, at work and well.
ChecklistFacts healthy(Operation operation) {
  ChecklistFacts out;
  out.operation = operation;
  out.task.name = "shop";
  out.task.file = "/etc/weir/shop.toml";
  out.now = kNow;
  out.status.task.name = "shop";
  out.status.task.state = TaskState::running;
  out.status.engine.running = true;
  out.status.caught_up = true;
  out.status.tables = {row("item"), row("orders")};
  out.status.offset = {{"0-1-5", kNow}, {"uuid"}, kNow - 2s};
  out.retention.verdict = ops::Verdict::ok;
  out.retention.may_stay_down = 240h;
  out.retention.limited_by = "binlog_expire_logs_seconds";
  out.retention.reason = "binlog_expire_logs_seconds = 864000: as it says";
  ops::Preflight checked;
  checked.mapping.plans = {plan("item"), plan("orders")};
  checked.recovered.emplace();
  for (const TablePlan& one : checked.mapping.plans) {
    TableProgress table;
    table.source = one.source.name;
    table.target = one.target;
    checked.recovered->tables.push_back(table);
  }
  out.checked = std::move(checked);
  return out;
}

ChecklistItem item(const ChecklistFacts& facts, std::string_view id) {
  const std::vector<ChecklistItem> items = ops::judge_checklist(facts);
  const auto found = std::ranges::find(items, id, &ChecklistItem::id);
  INFO(id);
  REQUIRE(found != items.end());
  return *found;
}

/// The id of the Error that `call` throws, "" if it throws none.
std::string id_of(const std::function<void()>& call, std::string* why = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (why != nullptr) *why = error.why();
    return error.id();
  }
  return {};
}

std::vector<ops::ChecklistAnswer> parse(std::string_view text) {
  return ops::parse_answers(text, "answers.toml");
}

/// Both ends of a pseudo-terminal, with what a person types there put in beforehand.
struct Typed {
  explicit Typed(const std::string& text) {
    REQUIRE(::openpty(&outside, &inside, nullptr, nullptr, nullptr) == 0);
    REQUIRE(::write(outside, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  ~Typed() {
    ::close(inside);
    ::close(outside);
  }
  Typed(const Typed&) = delete;
  Typed& operator=(const Typed&) = delete;

  int outside = -1;
  int inside = -1;
};

}  // namespace

TEST_CASE("every operation asks for what the others do, and for its own", "[checklist]") {
  std::set<std::string_view> ids;
  for (const ops::ItemSpec& spec : ops::checklist_items()) {
    INFO(spec.id);
    CHECK(ids.insert(spec.id).second);
    CHECK(spec.question.ends_with('?'));
    CHECK_FALSE(spec.how.empty());
    CHECK_FALSE(spec.action.empty());
    CHECK((spec.judge != nullptr || spec.asks != 0));
  }
  const auto has = [](Operation operation, std::string_view id) {
    const auto items = ops::checklist_items();
    const auto spec = std::ranges::find(items, id, &ops::ItemSpec::id);
    return spec != items.end() && ops::applies(*spec, operation);
  };
  for (const std::string_view name : ops::kOperations) {
    const Operation operation = ops::operation_named(name);
    INFO(name);
    CHECK(ops::to_string(operation) == name);
    for (const char* const id : {"retention", "ddl", "failovers", "alert-status", "alert-latency",
                                 "alert-full-load", "alert-failover", "alert-ddl"}) {
      CHECK(has(operation, id));
    }
    CHECK(has(operation, "new-tables") == (operation == add_tables));
    CHECK(has(operation, "left-behind") == (operation == remove_table));
  }
  CHECK(has(rerun_full, "target-data"));
  CHECK(has(rerun_full, "downstream"));
  CHECK_FALSE(has(restart, "downstream"));
  CHECK(id_of([] { ops::operation_named("reboot"); }) == "weir.bug");
}

TEST_CASE("what is measured of a healthy task passes, and what is asked does not", "[checklist]") {
  for (const std::string_view name : ops::kOperations) {
    const Operation operation = ops::operation_named(name);
    ChecklistFacts facts = healthy(operation);
    if (operation == add_tables) facts.checked->mapping.plans.push_back(plan("added"));
    if (operation == rerun_full) facts.checked->recovered.reset();
    std::vector<ChecklistItem> items = ops::judge_checklist(facts);
    CHECK_FALSE(ops::passed(items));
    for (const ChecklistItem& one : items) {
      INFO(name << ": " << one.id << ": " << one.measured);
      CHECK((one.verdict == (one.asks ? unknown : pass)));
      CHECK(one.action.empty() == !one.asks);
      CHECK(one.how.find("TASK") == std::string::npos);
      CHECK(one.action.find("TASK") == std::string::npos);
    }
    const std::vector<std::string> open = ops::unanswered(items);
    CHECK(open.size() >= 5);
    for (ChecklistItem& one : items) ops::take_answer(one, true, "said so");
    CHECK(ops::passed(items));
    CHECK(ops::unanswered(items).empty());
    // One no is enough.
    ops::take_answer(items.back(), false, "");
    CHECK_FALSE(ops::passed(items));
    CHECK_FALSE(ops::checklist_row(operation, items, kNow, "anna").passed);
  }
}

TEST_CASE("an answer cannot mend what was measured", "[checklist]") {
  ChecklistFacts facts = healthy(restart);
  facts.retention.verdict = ops::Verdict::critical;
  ChecklistItem retention = item(facts, "retention");
  CHECK(retention.verdict == fail);
  ops::take_answer(retention, true, "never mind");
  CHECK(retention.verdict == fail);
  CHECK_FALSE(retention.answer);
  CHECK(retention.evidence.empty());
}

TEST_CASE("retention: the verdict of check-retention decides", "[checklist]") {
  ChecklistFacts facts = healthy(restart);
  const auto verdict = [&](ops::Verdict found) {
    facts.retention.verdict = found;
    return item(facts, "retention").verdict;
  };
  CHECK(verdict(ops::Verdict::ok) == pass);
  CHECK(verdict(ops::Verdict::warning) == pass);
  CHECK(verdict(ops::Verdict::unknown) == unknown);
  CHECK(verdict(ops::Verdict::critical) == fail);
  CHECK(verdict(ops::Verdict::lost) == fail);
  facts.retention.findings = {{"retention.short", Severity::critical, "", "", "do this", "", ""}};
  CHECK(item(facts, "retention").action == "do this");
}

TEST_CASE("retention: an offset that is gone does not stand in the way of a new one",
          "[checklist]") {
  ChecklistFacts facts = healthy(reset_offset);
  facts.retention.verdict = ops::Verdict::lost;
  facts.retention.reason = "bin.000007 was purged";
  CHECK(item(facts, "retention").verdict == not_applicable);
  CHECK_THAT(item(facts, "retention").measured, Contains("bin.000007 was purged"));

  facts.operation = rerun_full;
  CHECK(item(facts, "retention").verdict == not_applicable);
  facts.retention.window = 23h;
  CHECK(item(facts, "retention").verdict == fail);
  facts.retention.window = 25h;
  CHECK(item(facts, "retention").verdict == pass);
  facts.full_load = 13h;
  CHECK(item(facts, "retention").verdict == fail);
  facts.full_load = 12h;
  CHECK(item(facts, "retention").verdict == pass);
}

TEST_CASE("the rate of a copy is that of the task's own full stage", "[checklist]") {
  const auto sample = [](std::chrono::seconds after, Stage stage, std::uint64_t rows) {
    Sample out;
    out.at = kNow + after;
    out.stage = stage;
    out.rows_read = rows;
    return out;
  };
  CHECK_FALSE(ops::copy_rate({}));
  // Nine seconds say too little.
  CHECK_FALSE(ops::copy_rate({sample(0s, Stage::full, 0), sample(9s, Stage::full, 900)}));
  CHECK(ops::copy_rate({sample(0s, Stage::full, 0), sample(10s, Stage::full, 1000)}) == 100);
  // A worker that began anew, a stop, and the incremental stage do not count.
  CHECK(ops::copy_rate({sample(0s, Stage::full, 0), sample(10s, Stage::full, 1000),
                        sample(11s, Stage::full, 5), sample(21s, Stage::full, 1005),
                        sample(400s, Stage::full, 90000), sample(401s, Stage::incremental, 1)}) ==
        100);
  CHECK_FALSE(ops::copy_rate({sample(0s, Stage::full, 7), sample(60s, Stage::full, 7)}));
}

TEST_CASE("target-data: rows in the way need a rule", "[checklist]") {
  ChecklistFacts facts = healthy(rerun_full);
  facts.checked->recovered.reset();
  facts.checked->findings = {critical("postgres.table-not-empty", "dw.item"),
                             critical("postgres.role", "")};
  const ChecklistItem refused = item(facts, "target-data");
  CHECK(refused.verdict == fail);
  CHECK_THAT(refused.measured, Contains("1 target table holds") && Contains("dw.item"));
  CHECK_THAT(refused.action, Contains("existing = \"truncate\""));
  // The other finding is preflight's, and this one is not.
  CHECK(item(facts, "preflight").measured == "[postgres.role]");

  facts.checked->findings.clear();
  facts.checked->mapping.plans = {plan("item", ExistingPolicy::truncate),
                                  plan("orders", ExistingPolicy::append)};
  const ChecklistItem doubled = item(facts, "target-data");
  CHECK(doubled.verdict == fail);
  CHECK_THAT(doubled.measured, Contains("append") && Contains("dw.orders"));
  facts.status.tables[1].copied_rows = 0;
  CHECK(item(facts, "target-data").verdict == pass);
  facts.status.tables[1].applied_changes = 1;
  CHECK(item(facts, "target-data").verdict == fail);
}

TEST_CASE("preflight: what the last start waived refuses no more, and is told", "[checklist]") {
  ChecklistFacts facts = healthy(restart);
  facts.checked->findings = {critical("mysql.grants", ""), critical("mysql.charset", "shop.item")};
  CHECK(item(facts, "preflight").verdict == fail);
  CHECK(item(facts, "preflight").measured == "[mysql.grants], shop.item [mysql.charset]");
  facts.checked->findings[0].waived = true;
  CHECK(item(facts, "preflight").measured ==
        "shop.item [mysql.charset]; waived at the last start: [mysql.grants]");
  facts.checked->findings[1].waived = true;
  CHECK(item(facts, "preflight").verdict == pass);
  CHECK_THAT(item(facts, "preflight").measured, Contains("waived at the last start: "));
}

TEST_CASE("new-tables: each needs its history and can have it", "[checklist]") {
  ChecklistFacts facts = healthy(add_tables);
  const ChecklistItem none = item(facts, "new-tables");
  CHECK(none.verdict == unknown);
  CHECK_THAT(none.action, Contains("/etc/weir/shop.toml"));

  facts.checked->mapping.plans.push_back(plan("a"));
  facts.checked->mapping.plans.push_back(plan("b"));
  const ChecklistItem both = item(facts, "new-tables");
  CHECK(both.verdict == pass);
  CHECK_THAT(both.measured, Contains("2 new tables, some 2,000 rows") && Contains("shop.a"));

  facts.checked->findings = {critical("mapping.no-key", "shop.b")};
  const ChecklistItem keyless = item(facts, "new-tables");
  CHECK(keyless.verdict == fail);
  CHECK(keyless.measured == "1 of 2 new tables cannot be copied: shop.b [mapping.no-key]");

  // A target that knows nothing: the state tells which tables the task has.
  facts.checked->findings.clear();
  facts.checked->recovered.reset();
  CHECK(item(facts, "new-tables").measured == both.measured);
}

TEST_CASE("a server that cannot be asked makes unknown, with its own fix", "[checklist]") {
  ChecklistFacts facts = healthy(add_tables);
  facts.checked.reset();
  facts.unchecked =
      Error(ExitCode::source_unreachable, "mysql.unreachable", "no answer", "refused", "start it");
  for (const char* const id : {"preflight", "new-tables"}) {
    const ChecklistItem one = item(facts, id);
    CHECK(one.verdict == unknown);
    CHECK(one.measured == "no answer: refused");
    CHECK(one.action == "start it");
    CHECK_FALSE(one.asks);
  }
}

TEST_CASE("ddl: what is open is asked for, until somebody says that it is dealt with",
          "[checklist]") {
  ChecklistFacts facts = healthy(restart);
  facts.events = {{kNow - 3h, "info", "ddl.applied", "shop.item", "ADD a"},
                  {kNow - 2h, "warning", "ddl.not-applied", "shop.item", "drop_column: DROP b"},
                  {kNow - 1h, "warning", "ddl.create-table", "shop.new", "a new table"}};
  ChecklistItem open = item(facts, "ddl");
  CHECK(open.verdict == fail);
  CHECK(open.asks);
  CHECK_THAT(open.measured, Contains("1 open: 2026-03-01T10:00:00Z [ddl.not-applied]"));
  ops::take_answer(open, true, "dropped by hand");
  CHECK(open.verdict == pass);

  facts.ddl_confirmed = kNow - 90min;
  CHECK(item(facts, "ddl").verdict == pass);
  CHECK_THAT(item(facts, "ddl").measured, Contains("none is open, 1 applied"));
  // A restart takes the new table in; other operations do not.
  facts.operation = tune;
  CHECK_THAT(item(facts, "ddl").measured, Contains("[ddl.create-table]"));
  facts.status.tables.push_back(row("new"));
  CHECK(item(facts, "ddl").verdict == pass);

  facts.status.task.error_id = "ddl.drop-table";
  facts.status.task.error = "shop.item changed on the source: DROP TABLE item";
  facts.status.task.error_fix = "say ddl.drop_table = \"alert\"";
  const ChecklistItem stopped = item(facts, "ddl");
  CHECK(stopped.verdict == fail);
  CHECK(stopped.action == facts.status.task.error_fix);
  CHECK(item(facts, "last-error").verdict == not_applicable);

  facts.status.task.error_id.clear();
  facts.task.ddl.drop_column = DdlAction::ignore;
  CHECK_THAT(item(facts, "ddl").measured, Contains("[ddl] ignores drop_column"));
}

TEST_CASE("failovers: often in a short while is no question", "[checklist]") {
  ChecklistFacts facts = healthy(tune);
  facts.failovers = 1;
  facts.failovers_day = 6;
  CHECK(item(facts, "failovers").verdict == pass);
  facts.failovers_day = 7;
  CHECK(item(facts, "failovers").verdict == fail);
  CHECK(item(facts, "failovers").asks);
  facts.failovers = 2;
  CHECK(item(facts, "failovers").verdict == fail);
  CHECK_FALSE(item(facts, "failovers").asks);
}

TEST_CASE("the task's own state is read: lag, copies, offset, error", "[checklist]") {
  ChecklistFacts facts = healthy(remap);
  facts.status.caught_up = false;
  Sample sample;
  sample.stage = Stage::incremental;
  sample.apply_lag_s = 60;
  facts.status.sample = sample;
  CHECK(item(facts, "lag").verdict == pass);
  facts.status.sample->apply_lag_s = 61;
  CHECK(item(facts, "lag").verdict == fail);
  CHECK(item(facts, "lag").asks);
  facts.status.engine.running = false;
  CHECK(item(facts, "lag").verdict == not_applicable);

  facts.status.tables[1].full = StageState::running;
  CHECK(item(facts, "full-load").measured == "1 of 2 tables not copied yet: shop.orders");
  CHECK(item(facts, "full-load").asks);
  facts.operation = reset_offset;
  CHECK(item(facts, "full-load").verdict == fail);
  CHECK_FALSE(item(facts, "full-load").asks);
  facts.status.tables.clear();
  CHECK(item(facts, "full-load").verdict == unknown);

  facts.status.offset.reset();
  CHECK(item(facts, "offset").verdict == fail);

  facts.status.task.error_id = "mysql.lost";
  facts.status.task.error_fix = "start the server";
  CHECK(item(facts, "last-error").verdict == fail);
  CHECK(item(facts, "last-error").asks);
  CHECK(item(facts, "last-error").action == "start the server");
}

TEST_CASE("left-behind: names the tables that the rules leave out", "[checklist]") {
  ChecklistFacts facts = healthy(remove_table);
  CHECK(item(facts, "left-behind").measured == "the rules still select every table of the task");
  facts.checked->mapping.plans.pop_back();
  ChecklistItem left = item(facts, "left-behind");
  CHECK_THAT(left.measured, Contains("would keep: dw.orders"));
  CHECK(left.verdict == unknown);
  CHECK(left.asks);
  ops::take_answer(left, true, "dropped on Monday by the data team");
  CHECK(left.verdict == pass);
}

TEST_CASE("answers come as a plain word or with evidence", "[checklist]") {
  const auto answers = parse(
      "[answers]\n"
      "downstream = { answer = true, evidence = \"ticket 7\" }\n"
      "alert-ddl = false\n"
      "load = { answer = false }\n");
  REQUIRE(answers.size() == 3);
  for (const ops::ChecklistAnswer& one : answers) {
    CHECK(one.yes == (one.id == "downstream"));
    CHECK(one.evidence == (one.id == "downstream" ? "ticket 7" : ""));
  }
  CHECK(parse("[answers]\n").empty());
}

TEST_CASE("a file of answers that could be misread is refused, with every problem", "[checklist]") {
  std::string why;
  const auto refused = [&why](std::string_view text) {
    why.clear();
    return id_of([&] { parse(text); }, &why) == "checklist.answers";
  };
  CHECK(refused("[answers]\ndownstrem = true\nalert-x = { answer = \"yes\" }\n"));
  CHECK_THAT(why,
             Contains("answers.toml:2:1: there is no item downstrem; did you mean downstream?"));
  CHECK_THAT(why, Contains("answers.toml:3:1: there is no item alert-x"));
  CHECK(refused("[answers]\nload = \"yes\"\n"));
  CHECK_THAT(why, Contains("load takes true, false or"));
  CHECK(refused("[answers]\nload = 1\n"));
  CHECK(refused("[answers]\nload = { evidence = \"x\" }\n"));
  CHECK_THAT(why, Contains("load has no answer"));
  CHECK(refused("[answers]\nload = { answer = 1 }\n"));
  CHECK_THAT(why, Contains("answer takes true or false") && !Contains("no answer"));
  CHECK(refused("[answers]\nload = { answer = true, evidence = 7 }\n"));
  CHECK_THAT(why, Contains("evidence takes a text in quotes"));
  CHECK(refused("[answers]\nload = { answer = true, evidense = \"x\" }\n"));
  CHECK_THAT(why, Contains("did you mean evidence?"));
  CHECK(refused("load = true\n"));
  CHECK_THAT(why, Contains("load is not [answers]") && Contains("there is no [answers]"));
  CHECK(refused("[answers]\nload = tru\n"));
  CHECK(refused("[answers]\nload = true\nload = false\n"));
  CHECK(refused(""));
  CHECK(refused("answers = true\n"));
}

TEST_CASE("the example of answers can be used", "[checklist]") {
  const auto answers = ops::read_answers(WEIR_SOURCE_DIR "/examples/checklist/answers.toml");
  CHECK(answers.size() == 6);
  for (const ops::ChecklistAnswer& one : answers) {
    CHECK(one.yes);
    CHECK_FALSE(one.evidence.empty());
  }
}

TEST_CASE("the template of answers is read back, with every question that may be asked",
          "[checklist]") {
  for (const std::string_view name : ops::kOperations) {
    const Operation operation = ops::operation_named(name);
    std::string text = ops::answers_template(operation, "shop");
    CHECK(parse(text).empty());
    CHECK_THAT(text, Contains(fmt::format("weir checklist {} shop --answers FILE", name)));
    // With the mark taken away from the lines of answers, all of them are there.
    std::istringstream lines(text);
    std::string filled;
    for (std::string line; std::getline(lines, line);) {
      filled += (line.find(" = { answer") == std::string::npos ? line : line.substr(2)) + "\n";
    }
    std::vector<std::string> ids;
    for (const auto& answer : parse(filled)) ids.push_back(answer.id);
    std::vector<std::string> expected;
    for (const ops::ItemSpec& spec : ops::checklist_items()) {
      const bool asked = (spec.asks >> static_cast<unsigned>(operation) & 1U) != 0;
      if (ops::applies(spec, operation) && asked) expected.emplace_back(spec.id);
    }
    std::ranges::sort(ids);
    std::ranges::sort(expected);
    CHECK(ids == expected);
  }
}

TEST_CASE("a checklist counts while it is fresh, and the newest one decides", "[checklist]") {
  const test::TempDir dir;
  const auto store = open_state(dir.path(), false);
  store->put_task("shop", "/shop.toml");
  const auto gap = [&](Operation operation, std::chrono::milliseconds age = 1h) {
    return id_of([&] { ops::require_checklist(operation, "shop", *store, age); });
  };
  CHECK(gap(restart) == "checklist.missing");

  ChecklistFacts facts = healthy(restart);
  std::vector<ChecklistItem> items = ops::judge_checklist(facts);
  for (ChecklistItem& one : items) ops::take_answer(one, true, "the team");
  store->add_checklist("shop", ops::checklist_row(restart, items, now() - 59min, "anna"));
  CHECK(gap(restart).empty());
  CHECK(gap(restart, 58min) == "checklist.stale");
  CHECK(gap(tune) == "checklist.missing");

  const ChecklistRow kept = store->checklists("shop", "restart", 1).at(0);
  const std::vector<ChecklistItem> again = ops::items_of(kept, "shop");
  REQUIRE(again.size() == items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    CHECK(again[i].id == items[i].id);
    CHECK(again[i].question == items[i].question);
    CHECK(again[i].verdict == items[i].verdict);
    CHECK(again[i].measured == items[i].measured);
    CHECK(again[i].answer == items[i].answer);
    CHECK(again[i].evidence == items[i].evidence);
    CHECK(again[i].action == items[i].action);
  }

  ops::take_answer(items.back(), false, "");
  store->add_checklist("shop", ops::checklist_row(restart, items, now(), "anna"));
  const auto error = ops::checklist_gap(restart, "shop", *store);
  REQUIRE(error);
  CHECK(error->id() == "checklist.failed");
  CHECK(error->code() == ExitCode::refused);
  CHECK_THAT(error->why(), Contains("alert-ddl, by anna at "));
  CHECK_THAT(error->fix(), Contains("weir checklist restart shop --show"));
}

TEST_CASE("questions are asked until the answer is yes or no, and the input's end stops them",
          "[checklist]") {
  ChecklistFacts facts = healthy(restart);
  std::vector<ChecklistItem> items = ops::judge_checklist(facts);
  const std::vector<std::string> open = ops::unanswered(items);
  REQUIRE(open.size() == 5);
  const Typed typed("maybe\nYES\n the pager \nn\n\n\x04");
  cli::Terminal terminal(cli::Color::never, {typed.inside, typed.inside, typed.inside});
  cli::ask_items(terminal, items);
  const auto by_id = [&](const std::string& id) {
    return *std::ranges::find(items, id, &ChecklistItem::id);
  };
  CHECK(by_id(open[0]).answer == true);
  CHECK(by_id(open[0]).evidence == "the pager");
  CHECK(by_id(open[1]).answer == false);
  CHECK(by_id(open[1]).verdict == fail);
  CHECK(ops::unanswered(items) == std::vector<std::string>(open.begin() + 2, open.end()));
}

TEST_CASE("the list fits into 80 columns, and colour does not move its words", "[checklist]") {
  ChecklistFacts facts = healthy(rerun_full);
  facts.retention.verdict = ops::Verdict::critical;
  facts.failovers = 5;
  std::vector<ChecklistItem> items = ops::judge_checklist(facts);
  ops::take_answer(items.back(), false, std::string(200, 'x') + " and more words of evidence");
  cli::Terminal plain(cli::Color::never);
  const std::string text = cli::checklist_text(items, plain, cli::Stream::out);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    if (line.find("xxx") == std::string::npos) CHECK(cli::columns(line) <= 80);
    CHECK((line.empty() || line.back() != ' '));
  }
  CHECK_THAT(text, Contains("fail     retention: ") && Contains("         first: ") &&
                       Contains("unknown  downstream: ") && Contains("         answer: none yet"));
  std::string painted =
      cli::checklist_text(items, cli::Terminal(cli::Color::always), cli::Stream::out);
  CHECK_THAT(painted, Contains("\x1b[31mfail\x1b[0m     retention: "));
}

TEST_CASE("a verb with a risk goes on with a fresh checklist only, where nobody can be asked",
          "[checklist]") {
  const test::TempDir dir;
  const auto store = open_state(dir.path(), false);
  store->put_task("shop", "/shop.toml");
  const cli::VerbSpec* const verb = cli::find_verb("checklist");
  REQUIRE(verb != nullptr);
  const std::vector<std::string> words{"restart", "shop", "--checklist-age", "10m"};
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  cli::Terminal piped(cli::Color::never, {nothing, nothing, nothing});
  cli::Session session(cli::Arguments(*verb, words), piped);
  CHECK(session.argument() == "restart");
  CHECK(session.second() == "shop");
  test::AskedEngine engine(false);
  const cli::Backends nobody{nullptr, nullptr, nullptr};
  Task task;
  task.name = "shop";
  const auto demand = [&] {
    return id_of([&] { cli::demand_checklist(session, nobody, restart, task, *store, engine); });
  };
  CHECK(demand() == "checklist.missing");
  store->add_checklist("shop", {"restart", now() - 9min, "anna", true, {}});
  CHECK(demand().empty());
  store->add_checklist("shop", {"restart", now() - 11min, "anna", true, {}});
  CHECK(demand() == "checklist.stale");
  ::close(nothing);
}

TEST_CASE("a verb with a risk goes through the checklist with whoever is at the terminal",
          "[checklist]") {
  const test::TempDir dir;
  const auto store = open_state(dir.path(), false);
  store->put_task("shop", "/shop.toml");
  const std::vector<std::string> words{"restart", "shop"};
  const cli::Backends down{[](const Task&) -> std::unique_ptr<Source> {
                             throw Error(ExitCode::source_unreachable, "mysql.unreachable", "no");
                           },
                           nullptr, nullptr};
  test::AskedEngine engine(false);
  Task task;
  task.name = "shop";
  const auto demand = [&](const std::string& typed) {
    const Typed person(typed);
    cli::Terminal terminal(cli::Color::never, {person.inside, person.inside, person.inside});
    cli::Session session(cli::Arguments(*cli::find_verb("checklist"), words), terminal);
    return id_of([&] { cli::demand_checklist(session, down, restart, task, *store, engine); });
  };
  // Whoever leaves in the middle has confirmed nothing.
  CHECK(demand("y\n\n\x04") == "checklist.unanswered");
  CHECK(store->checklists("shop", "", 9).empty());
  // All that was asked is so, and what was to be measured is unknown.
  CHECK(demand("y\n\ny\n\ny\n\ny\n\ny\n\n") == "checklist.failed");
  REQUIRE(store->checklists("shop", "restart", 9).size() == 1);
  for (const ChecklistItem& one :
       ops::items_of(store->checklists("shop", "restart", 1).at(0), "shop")) {
    INFO(one.id);
    if (one.id.starts_with("alert-")) CHECK(one.verdict == pass);
    if (one.id == "preflight" || one.id == "retention") CHECK(one.verdict == unknown);
  }
}

TEST_CASE("who runs weir is told with who is behind sudo", "[checklist]") {
  ::unsetenv("SUDO_USER");
  const std::string plain = user_name();
  CHECK_FALSE(plain.empty());
  ::setenv("SUDO_USER", "anna", 1);
  CHECK(user_name() == plain + " (sudo by anna)");
  ::unsetenv("SUDO_USER");
}
