// SPDX-License-Identifier: Apache-2.0
// What store/state_store.h promises of every state store.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "store/state_store.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

using namespace weir;
using weir::test::eventually;
using weir::test::TempDir;

namespace {

/// Opens the one state of a section, as another process would.
using Open = std::function<std::unique_ptr<StateStore>()>;

/// The id of the error that `call` throws, "" if none.
std::string error_id(const std::function<void()>& call, ExitCode* code = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    return error.id();
  }
  return {};
}

Time at(std::int64_t seconds, std::int64_t micros = 0) {
  return Time{} + std::chrono::seconds(seconds) + std::chrono::microseconds(micros);
}

Sample sample_at(Time time) {
  Sample sample;
  sample.at = time;
  return sample;
}

constexpr std::int64_t kNoon = 1'767'268'800;  // 2026-01-01T12:00:00Z

void task_rows(const Open& open) {
  const auto store = open();
  const Time before = now();
  store->put_task("shop", "/etc/weir/shop.toml");

  TaskRow row = store->task("shop").value();
  CHECK(row.state == TaskState::stopped);
  CHECK(row.stage == Stage::schema);
  CHECK(row.started == Time{});
  CHECK(row.created >= before);

  store->set_state("shop", TaskState::starting, "asking the servers");
  row = store->task("shop").value();
  const Time started = row.started;
  CHECK(started >= row.created);
  CHECK(row.changed == started);
  CHECK(row.detail == "asking the servers");

  store->set_state("shop", TaskState::running, "copying");
  store->set_stage("shop", Stage::full, "3 of 12 tables");
  const Time changed = store->task("shop")->changed;
  REQUIRE(eventually([&] { return now() > changed; }));
  store->set_state("shop", TaskState::running, "still copying");
  row = store->task("shop").value();
  CHECK(row.stage == Stage::full);
  CHECK(row.detail == "still copying");
  CHECK(row.changed == changed);  // the state did not change
  CHECK(row.started == started);

  store->set_error("shop", 4, "mysql.retention", "the offset is gone", "reload the tables");
  row = store->task("shop").value();
  CHECK(row.exit_code == 4);
  CHECK(row.error_id == "mysql.retention");
  CHECK(row.error == "the offset is gone");
  CHECK(row.error_fix == "reload the tables");
  store->set_error("shop", 0, "", "", "");
  row = store->task("shop").value();
  CHECK(row.exit_code == 0);
  CHECK(row.error.empty());
  CHECK(row.error_fix.empty());

  store->put_task("shop", "/srv/shop.toml");
  store->put_task("crm", "/srv/crm.toml");
  const auto tasks = store->tasks();
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].name == "crm");
  CHECK(tasks[1].file == "/srv/shop.toml");
  CHECK(tasks[1].stage == Stage::full);
}

void states(const Open& open) {
  const auto store = open();
  store->put_task("t", "/t");
  for (const TaskState state : {TaskState::stopped, TaskState::starting, TaskState::running,
                                TaskState::stopping, TaskState::failed, TaskState::refused}) {
    store->set_state("t", state, "");
    CHECK(store->task("t")->state == state);
  }
  for (const Stage stage : {Stage::schema, Stage::full, Stage::incremental}) {
    store->set_stage("t", stage, "");
    CHECK(store->task("t")->stage == stage);
  }
  for (const StageState state :
       {StageState::waiting, StageState::running, StageState::done, StageState::failed}) {
    TableRow table;
    table.source = {"a", "b"};
    table.full = state;
    store->put_tables("t", {&table, 1});
    CHECK(store->tables("t").at(0).full == state);
  }
}

void tables(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/shop.toml");

  TableRow item;
  item.source = {"shop", "item"};
  item.target = {"dw", "item"};
  item.schema = StageState::done;
  item.full = StageState::failed;
  item.full_error = "value too long";
  item.estimated_rows = 1'000'000'000'000;
  item.copied_rows = 5;
  item.copied_bytes = 600;
  item.applied_changes = 7;
  item.last_change = at(kNoon, 123456);
  TableRow sale;
  sale.source = {"shop", "a.sale"};
  sale.target = {"dw", "sale"};
  const std::vector<TableRow> rows{item, sale};
  store->put_tables("shop", rows);

  auto tables = store->tables("shop");
  REQUIRE(tables.size() == 2);
  CHECK(tables[0].source == sale.source);
  CHECK(tables[0].last_change == Time{});
  CHECK(tables[1].target == item.target);
  CHECK(tables[1].schema == StageState::done);
  CHECK(tables[1].full == StageState::failed);
  CHECK(tables[1].incremental == StageState::waiting);
  CHECK(tables[1].full_error == "value too long");
  CHECK(tables[1].estimated_rows == item.estimated_rows);
  CHECK(tables[1].copied_rows == 5);
  CHECK(tables[1].copied_bytes == 600);
  CHECK(tables[1].applied_changes == 7);
  CHECK(tables[1].last_change == item.last_change);

  RangeProgress range;
  range.range.number = 2;
  range.range.after = {"7", ""};
  range.range.upto = {"9", "a,b=\xff"};
  range.reached = {"8", "x"};
  range.rows = 10;
  range.bytes = 20;
  store->put_range("shop", item.source, range);
  store->put_range("shop", sale.source, range);
  item.full = StageState::running;
  store->put_tables("shop", {&item, 1});
  auto ranges = store->ranges("shop", item.source);
  REQUIRE(ranges.size() == 1);
  CHECK(ranges[0].range.number == 2);
  CHECK(ranges[0].range.after == range.range.after);
  CHECK(ranges[0].range.upto == range.range.upto);
  CHECK(ranges[0].reached == range.reached);
  CHECK_FALSE(ranges[0].range.whole);
  CHECK_FALSE(ranges[0].done);
  range.done = true;
  range.range.whole = true;
  range.rows = 11;
  store->put_range("shop", item.source, range);
  ranges = store->ranges("shop", item.source);
  REQUIRE(ranges.size() == 1);
  CHECK(ranges[0].done);
  CHECK(ranges[0].range.whole);
  CHECK(ranges[0].rows == 11);

  store->retain_tables("shop", std::vector{item.source});
  tables = store->tables("shop");
  REQUIRE(tables.size() == 1);
  CHECK(tables[0].source == item.source);
  CHECK(tables[0].full == StageState::running);
  CHECK(store->ranges("shop", sale.source).empty());
  CHECK(store->ranges("shop", item.source).size() == 1);
}

void offsets(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/shop.toml");
  CHECK_FALSE(store->offset("shop"));
  store->put_offset("shop", {"0-1-5", at(kNoon)}, {"uuid-1"});
  store->put_offset("shop", {"0-1-6", Time{}}, {"uuid-2"});
  const auto stored = store->offset("shop").value();
  CHECK(stored.offset.text == "0-1-6");
  CHECK(stored.offset.source_time == Time{});
  CHECK(stored.identity.text == "uuid-2");
  CHECK(stored.stored > at(kNoon));
}

void events(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/shop.toml");
  store->put_task("crm", "/crm.toml");
  for (int i = 0; i < 5; ++i) {
    store->add_event("shop", {at(kNoon + i), "warning", "failover", "", std::to_string(i)});
  }
  store->add_event("shop", {at(kNoon + 5), "info", "stage.full.done", "shop.item", "done"});
  store->add_event("crm", {at(kNoon), "info", "failover", "", "other"});

  const auto newest = store->events("shop", 2);
  REQUIRE(newest.size() == 2);
  CHECK(newest[0].text == "4");
  CHECK(newest[1].id == "stage.full.done");
  CHECK(newest[1].level == "info");
  CHECK(newest[1].table == "shop.item");
  CHECK(newest[1].at == at(kNoon + 5));
  CHECK(store->events("shop", SIZE_MAX).size() == 6);
  CHECK(store->count_events("shop", "failover", at(kNoon)) == 5);
  CHECK(store->count_events("shop", "failover", at(kNoon + 2)) == 3);
  CHECK(store->count_events("shop", "failover", at(kNoon + 2, 1)) == 2);
}

void samples(const Open& open) {
  const auto store = open();
  store->put_task("t", "/t");
  const Sample in{at(kNoon, 7),
                  Stage::incremental,
                  1,
                  2,
                  3,
                  4,
                  5,
                  6,
                  7.5,
                  8.5,
                  9.5,
                  10.5,
                  11.5,
                  12.5,
                  13.5,
                  14,
                  15,
                  16,
                  true,
                  17.5,
                  18.5};
  store->add_sample("t", in);
  const auto samples = store->samples("t", 10);
  REQUIRE(samples.size() == 1);
  const Sample& out = samples[0];
  CHECK(out.at == in.at);
  CHECK(out.stage == in.stage);
  CHECK(std::tie(out.rows_read, out.bytes_read, out.rows_written, out.bytes_written,
                 out.transactions, out.batches, out.last_batch_rows, out.queue_bytes,
                 out.memory_bytes) == std::make_tuple(1U, 2U, 3U, 4U, 5U, 6U, 14U, 15U, 16U));
  CHECK(std::tie(out.reader_wait_s, out.writer_wait_s, out.apply_s, out.commit_s, out.read_lag_s,
                 out.apply_lag_s,
                 out.heard_age_s) == std::make_tuple(7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5));
  CHECK(out.idle);
  CHECK(out.heartbeat_age_s == 17.5);
  CHECK(out.heartbeat_delay_s == 18.5);
  store->add_sample("t", sample_at(at(kNoon + 60)));
  CHECK_FALSE(store->samples("t", 1)[0].heartbeat_age_s);
  CHECK_FALSE(store->samples("t", 1)[0].heartbeat_delay_s);
}

void waivers(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/etc/weir/shop.toml");
  CHECK(store->waivers("shop").empty());
  store->put_waivers("shop", std::vector<WaiverRow>{{at(kNoon), "mysql.engine", "ana"},
                                                    {at(kNoon), "mysql.cascade", "ben"},
                                                    {at(kNoon + 1), "mysql.cascade", "ana"}});
  const auto rows = store->waivers("shop");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].id == "mysql.cascade");
  CHECK(rows[0].who == "ana");
  CHECK(rows[0].at == at(kNoon + 1));
  CHECK(rows[1].id == "mysql.engine");
  CHECK(store->waivers("other").empty());
  store->put_waivers("shop", {});
  CHECK(store->waivers("shop").empty());
}

void retention(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/etc/weir/shop.toml");
  RetentionRow bare;
  bare.at = at(kNoon);
  bare.verdict = "unknown";
  store->add_retention("shop", bare);
  RetentionRow full;
  full.at = at(kNoon + 60);
  full.verdict = "ok";
  full.may_stay_down_s = 3600.5;
  full.limited_by = "binlog_expire_logs_seconds";
  full.oldest = "bin.000001:4";
  full.oldest_time = at(kNoon - 60);
  full.end = {"bin.000002", 7};
  full.kept_bytes = 8;
  full.margin_bytes = 0;
  full.written = LogGrowth{9, std::chrono::duration<double>(60.5)};
  store->add_retention("shop", full);
  const auto rows = store->retention("shop", 10);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at == at(kNoon));
  CHECK(rows[0].oldest_time == Time{});
  CHECK_FALSE(rows[0].may_stay_down_s);
  CHECK_FALSE(rows[0].kept_bytes);
  CHECK_FALSE(rows[0].margin_bytes);
  CHECK_FALSE(rows[0].written);
  CHECK(rows[1].verdict == "ok");
  CHECK(rows[1].may_stay_down_s == 3600.5);
  CHECK(rows[1].limited_by == full.limited_by);
  CHECK(rows[1].oldest == full.oldest);
  CHECK(rows[1].oldest_time == full.oldest_time);
  CHECK(rows[1].end == full.end);
  CHECK(rows[1].kept_bytes == 8);
  CHECK(rows[1].margin_bytes == 0);
  REQUIRE(rows[1].written);
  CHECK(rows[1].written->bytes == 9);
  CHECK(rows[1].written->span.count() == 60.5);
  CHECK(store->retention("shop", 1).at(0).at == full.at);
  CHECK(store->retention("other", 1).empty());

  full.at = at(kNoon + 31 * 86400);
  store->add_retention("shop", full);
  CHECK(store->retention("shop", 10).size() == 1);
}

void checklists(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/etc/weir/shop.toml");
  store->put_task("other", "/etc/weir/other.toml");
  ChecklistRow row;
  row.operation = "restart";
  row.at = at(kNoon);
  row.who = "root (sudo by anna)";
  row.passed = true;
  row.items = {{"retention", "pass", "6 d are left", {}, ""},
               {"downstream", "pass", "", true, "the team's channel"},
               {"failovers", "fail", "7 of them", false, ""}};
  store->add_checklist("shop", row);
  const std::vector<ChecklistItemRow> items = row.items;
  row.at = at(kNoon + 60);
  row.passed = false;
  row.items.clear();
  store->add_checklist("shop", row);
  row.operation = "tune";
  row.at = at(kNoon - 60);
  store->add_checklist("shop", row);

  const auto restarts = store->checklists("shop", "restart", 10);
  REQUIRE(restarts.size() == 2);
  CHECK(restarts[0].operation == "restart");
  CHECK(restarts[0].at == at(kNoon));
  CHECK(restarts[0].who == "root (sudo by anna)");
  CHECK(restarts[0].passed);
  CHECK(restarts[0].items == items);
  CHECK(restarts[1].at == at(kNoon + 60));
  CHECK_FALSE(restarts[1].passed);
  CHECK(restarts[1].items.empty());
  // The newest is the one that came last, whatever a clock says.
  REQUIRE(store->checklists("shop", "", 1).size() == 1);
  CHECK(store->checklists("shop", "", 1)[0].operation == "tune");
  CHECK(store->checklists("shop", "", 10).size() == 3);
  CHECK(store->checklists("shop", "remap", 10).empty());
  CHECK(store->checklists("other", "", 10).empty());
}

void old_samples(const Open& open) {
  const auto in_hour = [](const std::vector<Sample>& samples, Time from, Time to) {
    return std::count_if(samples.begin(), samples.end(),
                         [&](const Sample& s) { return s.at >= from && s.at < to; });
  };
  {
    const auto store = open();
    store->put_task("t", "/t");
    store->put_task("other", "/t");
    store->add_sample("other", sample_at(at(kNoon)));
    store->add_sample("other", sample_at(at(kNoon + 1)));
    for (int s = 0; s < 2 * 3600; s += 10) store->add_sample("t", sample_at(at(kNoon + s)));
    const auto samples = store->samples("t", SIZE_MAX);
    // The first hour is thinned up to the minute before the last sample's age of one hour.
    CHECK(in_hour(samples, at(kNoon), at(kNoon + 3540)) == 59);
    CHECK(in_hour(samples, at(kNoon + 3600), at(kNoon + 7200)) == 360);
    CHECK(samples.front().at == at(kNoon + 50));  // the last one of its minute
    CHECK(store->samples("other", 10).size() == 2);
  }
  // Another process goes on days later, and takes care of what this one left.
  const auto store = open();
  const Time later = at(kNoon + 13 * 86400);
  store->add_sample("t", sample_at(later));
  CHECK(store->samples("t", SIZE_MAX).size() == 121);
  store->add_sample("t", sample_at(at(kNoon + 14 * 86400 + 3600)));
  const auto samples = store->samples("t", SIZE_MAX);
  CHECK(samples.front().at >= at(kNoon + 3600));
  CHECK(samples.size() == 62);
}

OffsetRow offset_row(Time time, OffsetRow::Reason reason, const std::string& text) {
  return {time, reason, {text, {}}, {"a server"}, ""};
}

void offset_history(const Open& open) {
  using Reason = OffsetRow::Reason;
  const auto store = open();
  store->put_task("shop", "/etc/weir/shop.toml");
  store->put_task("crm", "/etc/weir/crm.toml");
  OffsetRow full = offset_row(at(kNoon, 5), Reason::reset, "bin.000001:4 gtid 0-1-2");
  full.offset.source_time = at(kNoon - 60, 7);
  full.note = "from bin.000009:4, by root: 'INC-1'";
  store->add_offset("shop", offset_row(at(kNoon), Reason::start, "bin.000009:4"));
  store->add_offset("shop", full);
  store->add_offset("crm", offset_row(at(kNoon), Reason::stop, "16/B374D848"));
  const auto rows = open()->offsets("shop", 10, Time{});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].reason == Reason::start);
  CHECK(rows[0].offset.source_time == Time{});
  CHECK(rows[0].note.empty());
  CHECK(rows[1].at == full.at);
  CHECK(rows[1].reason == Reason::reset);
  CHECK(rows[1].offset.text == full.offset.text);
  CHECK(rows[1].offset.source_time == full.offset.source_time);
  CHECK(rows[1].identity.text == "a server");
  CHECK(rows[1].note == full.note);
  CHECK(store->offsets("shop", 1, Time{}).at(0).at == full.at);
  CHECK(store->offsets("shop", 10, at(kNoon, 1)).size() == 1);
  CHECK(store->offsets("crm", 10, Time{}).at(0).reason == Reason::stop);

  // A sample each minute for more than a day: the day in full, before that one in ten minutes.
  constexpr int kMinutes = 25 * 60;
  for (int i = 1; i <= kMinutes; ++i) {
    store->add_offset("shop", offset_row(at(kNoon + i * 60), Reason::sample, std::to_string(i)));
  }
  std::size_t early = 0;
  std::size_t late = 0;
  for (const OffsetRow& row : store->offsets("shop", 10'000, Time{})) {
    if (row.reason != Reason::sample) continue;
    ++(row.at < at(kNoon + 3600) ? early : late);
    // The newest of its ten minutes.
    if (row.at < at(kNoon + 3600))
      CHECK((row.at - at(kNoon)) % std::chrono::minutes(10) == std::chrono::minutes(9));
  }
  CHECK(early == 6);
  CHECK(late == 24 * 60 + 1);
  // Two weeks later only what somebody did is left, of this task.
  store->add_offset("shop", offset_row(at(kNoon + 16 * 86400), Reason::stop, "end"));
  const auto left = store->offsets("shop", 10'000, Time{});
  REQUIRE(left.size() == 2);
  CHECK(left[0].reason == Reason::reset);
  CHECK(left[1].offset.text == "end");
  CHECK(store->offsets("crm", 10, Time{}).size() == 1);
}

void revisions(const Open& open) {
  const auto store = open();
  store->put_task("shop", "/shop.toml");
  store->put_task("crm", "/crm.toml");
  CHECK(store->newest_revision("shop") == 0);
  CHECK_FALSE(store->revision("shop", 1));

  RevisionRow row;
  row.task = "shop";
  row.at = at(kNoon, 5);
  row.who = "ana";
  row.reason = "start";
  row.file = "/shop.toml";
  row.text = "name = \"shop\"\n# \xc3\xa9\n";
  row.digest = "d1";
  CHECK(store->add_revision(row) == 1);
  row.number = 2;
  row.reason = "apply";
  row.text = "two";
  CHECK(store->add_revision(row) == 2);
  // Who planned for another one comes too late, and changes nothing.
  for (const std::uint32_t wrong : {1U, 2U, 4U}) {
    row.number = wrong;
    ExitCode code = ExitCode::ok;
    CHECK(error_id([&] { store->add_revision(row); }, &code) == "revision.moved");
    CHECK(code == ExitCode::state_conflict);
  }
  row.number = 0;
  row.task = "crm";
  CHECK(store->add_revision(row) == 1);
  // Its lanes come with it, or nothing does.
  std::vector<LaneChange> lanes(2);
  for (LaneChange& lane : lanes) lane.row.task = "crm";
  lanes[0].row.tables = {{"crm", "a"}};
  lanes[1].row.tables = {{"crm", "b"}};
  CHECK(store->add_revision(row, lanes) == 2);
  CHECK(lanes[0].row.number == 1);
  CHECK(lanes[1].row.number == 2);
  lanes[0].from = LaneRow::State::planned;
  lanes[0].row.state = LaneRow::State::ended;
  lanes[1].from = LaneRow::State::suspended;
  CHECK(error_id([&] { store->add_revision(row, lanes); }) == "lane.moved-on");
  CHECK(store->newest_revision("crm") == 2);
  CHECK(store->lanes("crm").size() == 2);
  lanes[1].from = LaneRow::State::planned;
  lanes[1].row.state = LaneRow::State::leaving;
  CHECK(store->add_revision(row, lanes) == 3);
  REQUIRE(store->lanes("crm").size() == 1);
  CHECK(store->lanes("crm")[0].state == LaneRow::State::leaving);
  CHECK_FALSE(store->task("crm/1"));

  const auto other = open();
  CHECK(other->newest_revision("shop") == 2);
  const auto rows = other->revisions("shop", 10);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].task == "shop");
  CHECK(rows[0].number == 1);
  CHECK(rows[0].at == at(kNoon, 5));
  CHECK(rows[0].who == "ana");
  CHECK(rows[0].reason == "start");
  CHECK(rows[0].file == "/shop.toml");
  CHECK(rows[0].text == "name = \"shop\"\n# \xc3\xa9\n");
  CHECK(rows[0].digest == "d1");
  CHECK(other->revisions("shop", 1).at(0).number == 2);
  CHECK(other->revision("shop", 2)->text == "two");
  CHECK_FALSE(other->revision("shop", 3));
}

LaneRow lane_of(LaneRow::Purpose purpose, LaneRow::State state, std::vector<TableName> tables) {
  LaneRow row;
  row.task = "shop";
  row.purpose = purpose;
  row.state = state;
  row.tables = std::move(tables);
  return row;
}

void lanes(const Open& open) {
  using Purpose = LaneRow::Purpose;
  using State = LaneRow::State;
  const auto store = open();
  store->put_task("shop", "/shop.toml");
  store->put_task("crm", "/crm.toml");
  CHECK(store->lanes("shop").empty());
  const Time before = now();
  LaneRow add = lane_of(Purpose::add, State::planned, {{"shop", "b"}, {"shop", "a"}});
  add.history = false;
  add.who = "ana";
  CHECK(store->add_lane(add) == 1);
  LaneRow suspended = lane_of(Purpose::suspend, State::suspended, {{"shop", "c"}});
  suspended.reload_mode = "swap";
  suspended.error_id = "target.value";
  suspended.error = "a value does not fit";
  suspended.error_fix = "widen the column";
  suspended.stopped_at = {"bin.000002:7", at(kNoon, 5)};
  suspended.verdict = "skip";
  CHECK(store->add_lane(suspended) == 2);

  std::vector<LaneRow> rows = open()->lanes("shop");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].task == "shop");
  CHECK(rows[0].number == 1);
  CHECK(rows[0].purpose == Purpose::add);
  CHECK(rows[0].state == State::planned);
  CHECK(rows[0].tables == add.tables);
  CHECK_FALSE(rows[0].history);
  CHECK(rows[0].who == "ana");
  CHECK(rows[0].error_id.empty());
  CHECK(rows[0].stopped_at.empty());
  CHECK(rows[0].created >= before);
  CHECK(rows[0].changed == rows[0].created);
  CHECK(rows[1].reload_mode == "swap");
  CHECK(rows[1].history);
  CHECK(rows[1].error_id == "target.value");
  CHECK(rows[1].error == "a value does not fit");
  CHECK(rows[1].error_fix == "widen the column");
  CHECK(rows[1].stopped_at.text == "bin.000002:7");
  CHECK(rows[1].stopped_at.source_time == at(kNoon, 5));
  CHECK(rows[1].verdict == "skip");
  CHECK(store->lanes("crm").empty());

  // A lane is a task that nobody lists, with the file of its root.
  REQUIRE(store->tasks().size() == 2);
  CHECK(store->tasks()[1].name == "shop");
  CHECK(store->task("shop/1")->file == "/shop.toml");
  store->add_event("shop/1", {at(kNoon), "info", "x", "shop.a", "of a lane"});
  CHECK(store->events("shop", 5).at(0).text == "of a lane");

  // A table is in one lane at a time; nothing is left of the refused one.
  ExitCode code = ExitCode::ok;
  const LaneRow second = lane_of(Purpose::remove, State::leaving, {{"shop", "z"}, {"shop", "c"}});
  CHECK(error_id([&] { store->add_lane(second); }, &code) == "lane.open");
  CHECK(code == ExitCode::state_conflict);
  CHECK(store->lanes("shop").size() == 2);
  // But it may go from one to another, and is in one of them at any time.
  CHECK(error_id([&] { store->split_lane(second, 1); }, &code) == "lane.open");
  CHECK(store->lanes("shop").at(0).tables == add.tables);
  CHECK_FALSE(store->task("shop/3"));

  // A change of state is timed, and one that came too late is told.
  LaneRow running = rows[0];
  REQUIRE(eventually([&] { return now() > rows[0].changed; }));
  running.tables = {{"shop", "a"}};
  store->put_lane(running);
  CHECK(store->lanes("shop")[0].changed == rows[0].changed);
  running.state = State::running;
  CHECK(store->change_lane(running, State::planned));
  CHECK_FALSE(store->change_lane(rows[0], State::planned));
  rows = store->lanes("shop");
  CHECK(rows[0].state == State::running);
  CHECK(rows[0].tables == running.tables);
  CHECK(rows[0].created < rows[0].changed);
  for (const State state : {State::leaving, State::planned, State::running, State::suspended,
                            State::removed, State::cancelling}) {
    running.state = state;
    store->put_lane(running);
    CHECK(store->lanes("shop")[0].state == state);
  }
  for (const Purpose purpose : {Purpose::add, Purpose::reload, Purpose::suspend, Purpose::remove}) {
    running.purpose = purpose;
    store->put_lane(running);
    CHECK(store->lanes("shop")[0].purpose == purpose);
  }
}

void ended_lanes(const Open& open) {
  using Purpose = LaneRow::Purpose;
  using State = LaneRow::State;
  const auto store = open();
  store->put_task("shop", "/shop.toml");
  const auto copied = [&](const std::string& task, const std::string& table, std::uint64_t rows) {
    TableRow row;
    row.source = {"shop", table};
    row.copied_rows = rows;
    store->put_tables(task, {&row, 1});
    store->put_range(task, row.source, {{0, {}, {}, true}, {}, rows, 0, true, {}});
  };
  copied("shop", "a", 1);
  copied("shop", "kept", 1);
  LaneRow joined = lane_of(Purpose::reload, State::running, {{"shop", "a"}});
  joined.number = store->add_lane(joined);
  LaneRow dropped = lane_of(Purpose::add, State::running, {{"shop", "b"}});
  dropped.number = store->add_lane(dropped);
  copied("shop/1", "a", 2);
  copied("shop/2", "b", 3);
  store->put_offset("shop/1", {"0-1-5", {}}, {"uuid"});

  joined.note = "joined";
  store->end_lane(joined, true);
  const auto tables = store->tables("shop");
  REQUIRE(tables.size() == 2);
  CHECK(tables[0].copied_rows == 2);
  CHECK(tables[1].copied_rows == 1);
  CHECK(store->ranges("shop", {"shop", "a"}).at(0).rows == 2);
  CHECK_FALSE(store->task("shop/1"));
  CHECK(store->tables("shop/1").empty());
  CHECK_FALSE(store->offset("shop/1"));
  REQUIRE(store->lanes("shop").size() == 1);
  CHECK(store->lanes("shop")[0].number == 2);

  dropped.note = "cancelled";
  store->end_lane(dropped, false);
  store->end_lane(dropped, true);
  CHECK(store->tables("shop").size() == 2);
  CHECK(store->ranges("shop", {"shop", "b"}).empty());
  CHECK(store->lanes("shop").empty());
  const auto ended = open()->ended_lanes("shop", 10);
  REQUIRE(ended.size() == 2);
  CHECK(ended[0].note == "joined");
  CHECK(ended[0].state == State::ended);
  CHECK(ended[0].tables == joined.tables);
  CHECK(ended[1].note == "cancelled");
  REQUIRE(store->ended_lanes("shop", 1).size() == 1);
  CHECK(store->ended_lanes("shop", 1)[0].number == 2);

  // What has ended is in nobody's way, and its number is not used again.
  CHECK(store->add_lane(lane_of(Purpose::add, State::planned, {{"shop", "b"}, {"shop", "d"}})) ==
        3);
  CHECK(store->split_lane(lane_of(Purpose::suspend, State::suspended, {{"shop", "b"}}), 3) == 4);
  const auto parted = store->lanes("shop");
  REQUIRE(parted.size() == 2);
  CHECK(parted[0].tables == std::vector<TableName>{{"shop", "d"}});
  CHECK(parted[1].tables == std::vector<TableName>{{"shop", "b"}});
}

DdlRow ddl_row(const std::string& sql, const std::string& place, DdlRow::Outcome outcome) {
  DdlRow row;
  row.at = at(kNoon);
  row.table = {"shop", "item"};
  row.kind = "add_column";
  row.offset.text = place;
  row.source_sql = sql;
  row.outcome = outcome;
  return row;
}

void check_same(const DdlRow& a, const DdlRow& b) {
  CHECK(a.number == b.number);
  CHECK(a.at == b.at);
  CHECK(a.source_time == b.source_time);
  CHECK(a.table == b.table);
  CHECK(a.lane == b.lane);
  CHECK(a.kind == b.kind);
  CHECK(a.offset == b.offset);
  CHECK(a.source_sql == b.source_sql);
  CHECK(a.target_sql == b.target_sql);
  CHECK(a.policy == b.policy);
  CHECK(a.outcome == b.outcome);
  CHECK(a.error_id == b.error_id);
  CHECK(a.error == b.error);
  CHECK(a.error_fix == b.error_fix);
  CHECK(a.duration_s == b.duration_s);
  CHECK(a.resolved_by == b.resolved_by);
  CHECK(a.resolved_at == b.resolved_at);
  CHECK(a.resolution == b.resolution);
}

void ddl_rows(const Open& open) {
  using Outcome = DdlRow::Outcome;
  const auto store = open();
  store->put_task("shop", "/etc/weir/shop.toml");
  store->put_task("crm", "/etc/weir/crm.toml");
  DdlRow full = ddl_row("ALTER TABLE item ADD a INT", "bin.000001:4", Outcome::begun);
  full.policy = "apply";
  full.number = store->add_ddl("shop", full);
  CHECK(full.number == 1);
  CHECK(store->add_ddl("crm", full) == 1);

  // Met again, by another lane: the same row, with what became of it.
  full.at = at(kNoon + 5, 3);
  full.source_time = at(kNoon - 60, 7);
  full.lane = "shop/2";
  full.target_sql = "ALTER TABLE \"item\" ADD \"a\" integer";
  full.duration_s = 0.25;
  full.outcome = Outcome::applied;
  CHECK(store->add_ddl("shop", full) == 1);
  REQUIRE(store->ddl("shop", 10, false).size() == 1);
  check_same(store->ddl("shop", 10, false)[0], full);
  check_same(open()->ddl_row("shop", 1).value(), full);
  CHECK(store->ddl_row("crm", 1)->outcome == Outcome::begun);
  CHECK_FALSE(store->ddl_row("shop", 2));

  // The same place with another statement, table or kind is another row, and so is another place.
  DdlRow other = full;
  other.source_sql += ", ADD b INT";
  CHECK(store->add_ddl("shop", other) == 2);
  other = full;
  other.table.table = "place";
  CHECK(store->add_ddl("shop", other) == 3);
  other = full;
  other.kind = "other";
  CHECK(store->add_ddl("shop", other) == 4);
  other = full;
  other.offset.text = "bin.000001:5";
  CHECK(store->add_ddl("shop", other) == 5);
  CHECK(store->ddl("shop", 2, false).at(0).number == 4);
  CHECK(store->ddl("shop", 10, true).empty());

  // One that waits, is resolved, is taken up, and waits again.
  DdlRow waits = ddl_row("ALTER TABLE item DROP a", "bin.000002:4", Outcome::stopped_table);
  waits.policy = "stop-table";
  waits.error_id = "ddl.drop-column";
  waits.error = "it changed";
  waits.error_fix = "weir ddl resolve";
  waits.number = store->add_ddl("shop", waits);
  REQUIRE(store->ddl("shop", 10, true).size() == 1);
  check_same(store->ddl("shop", 10, true)[0], waits);
  DdlRow elsewhere = waits;
  elsewhere.offset.text = "bin.000002:5";
  CHECK(store->add_ddl("shop", elsewhere) == waits.number);
  CHECK(store->ddl_row("shop", waits.number)->offset == elsewhere.offset);
  CHECK(store->add_ddl("shop", waits) == waits.number);
  DdlRow resolved = waits;
  resolved.outcome = Outcome::resolved;
  resolved.resolved_by = "ana";
  resolved.resolved_at = at(kNoon + 60);
  resolved.resolution = "skip";
  store->put_ddl("shop", resolved);
  check_same(store->ddl_row("shop", waits.number).value(), resolved);
  CHECK(store->ddl("shop", 10, true).empty());
  DdlRow taken = ddl_row(waits.source_sql, waits.offset.text, Outcome::ignored);
  taken.policy = "ignore";
  CHECK(store->add_ddl("shop", taken) == waits.number);
  const DdlRow after = store->ddl_row("shop", waits.number).value();
  CHECK(after.outcome == Outcome::ignored);
  CHECK(after.policy == "stop-table");
  CHECK(after.resolved_by == "ana");
  CHECK(after.resolved_at == resolved.resolved_at);
  CHECK(after.resolution == "skip");
  CHECK(store->add_ddl("shop", waits) == waits.number);
  check_same(store->ddl_row("shop", waits.number).value(), waits);
  for (const Outcome outcome : {Outcome::begun, Outcome::alerted, Outcome::stopped_task,
                                Outcome::failed, Outcome::stopped_table}) {
    waits.outcome = outcome;
    store->put_ddl("shop", waits);
    CHECK(store->ddl_row("shop", waits.number)->outcome == outcome);
    CHECK(store->ddl("shop", 10, true).size() == (waits.is_open() ? 1 : 0));
    const bool unsettled = waits.is_open() || outcome == Outcome::begun;
    CHECK(store->unsettled_ddl("shop").size() == (unsettled ? 1 : 0));
  }

  // What is said of a row that waits, that was taken up meanwhile, and that waits again.
  store->put_ddl("shop", waits);
  store->resolve_ddl("shop", resolved);
  check_same(store->ddl_row("shop", waits.number).value(), resolved);
  DdlRow meanwhile = taken;
  meanwhile.number = waits.number;
  meanwhile.at = at(kNoon + 61);
  store->put_ddl("shop", meanwhile);
  store->resolve_ddl("shop", resolved);
  CHECK(store->ddl_row("shop", waits.number)->outcome == Outcome::ignored);
  CHECK(store->ddl_row("shop", waits.number)->resolution == "skip");
  DdlRow again = waits;
  again.at = at(kNoon + 62);
  store->put_ddl("shop", again);
  store->resolve_ddl("shop", resolved);
  check_same(store->ddl_row("shop", waits.number).value(), again);

  // Three months later what waits for nobody is gone, and no number comes twice.
  DdlRow late = ddl_row("ALTER TABLE item ADD z INT", "bin.000009:4", Outcome::applied);
  late.at = at(kNoon + 89 * 86400);
  CHECK(store->add_ddl("shop", late) == 7);
  CHECK(store->ddl("shop", 100, false).size() == 7);
  late.at = at(kNoon + 91 * 86400);
  late.offset.text = "bin.000010:4";
  CHECK(store->add_ddl("shop", late) == 8);
  const auto left = store->ddl("shop", 100, false);
  REQUIRE(left.size() == 3);
  CHECK(left[0].number == waits.number);
  CHECK(left[1].number == 7);
  CHECK(store->ddl("crm", 10, false).size() == 1);
}

void unknown_tasks(const Open& open) {
  const auto store = open();
  CHECK_FALSE(store->task("ghost"));
  CHECK(store->tables("ghost").empty());
  CHECK(store->ranges("ghost", {"a", "b"}).empty());
  CHECK_FALSE(store->offset("ghost"));
  CHECK(store->events("ghost", 5).empty());
  CHECK(store->offsets("ghost", 5, Time{}).empty());
  CHECK(store->samples("ghost", 5).empty());
  CHECK(store->checklists("ghost", "", 5).empty());
  CHECK(store->lanes("ghost").empty());
  CHECK(store->ended_lanes("ghost", 5).empty());
  CHECK(store->ddl("ghost", 5, false).empty());
  CHECK(store->unsettled_ddl("ghost").empty());
  CHECK_FALSE(store->ddl_row("ghost", 1));
  CHECK(store->count_events("ghost", "x", Time{}) == 0);

  const TableRow row;
  LaneRow lane;
  lane.task = "ghost";
  const std::vector<std::function<void()>> writes{
      [&] { store->set_state("ghost", TaskState::running, ""); },
      [&] { store->set_stage("ghost", Stage::full, ""); },
      [&] { store->set_error("ghost", 1, "x", "y", "z"); },
      [&] {
        store->put_tables("ghost", {&row, 1});
      },
      [&] { store->retain_tables("ghost", {}); },
      [&] {
        store->put_range("ghost", {"a", "b"}, {});
      },
      [&] {
        store->put_offset("ghost", {"x", {}}, {"y"});
      },
      [&] { store->add_offset("ghost", {}); },
      [&] { store->add_event("ghost", {}); },
      [&] { store->add_sample("ghost", {}); },
      [&] { store->add_retention("ghost", {}); },
      [&] { store->add_checklist("ghost", {}); },
      [&] { store->put_waivers("ghost", {}); },
      [&] { store->add_lane(lane); },
      [&] { store->put_lane(lane); },
      [&] { store->change_lane(lane, LaneRow::State::planned); },
      [&] { store->end_lane(lane, true); },
      [&] {
        RevisionRow revision;
        revision.task = "ghost";
        store->add_revision(revision);
      },
      [&] { store->add_ddl("ghost", {}); },
      [&] { store->put_ddl("ghost", {}); },
      [&] { store->resolve_ddl("ghost", {}); },
  };
  for (const auto& call : writes) {
    ExitCode code = ExitCode::ok;
    CHECK(error_id(call, &code) == "task.unknown");
    CHECK(code == ExitCode::not_found);
  }
}

void threads(const Open& open) {
  const auto store = open();
  store->put_task("t", "/t");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        store->add_event("t", {now(), "info", "x", "", ""});
        store->events("t", 3);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(store->count_events("t", "x", Time{}) == 200);
}

void others(const Open& open) {
  const auto one = open();
  const auto two = open();
  one->put_task("shop", "/shop.toml");
  two->put_offset("shop", {"0-1-5", at(kNoon)}, {"uuid"});
  one->put_offset("shop", {"0-1-6", at(kNoon)}, {"uuid"});
  CHECK(two->offset("shop")->offset.text == "0-1-6");
  CHECK(open()->offset("shop")->offset.text == "0-1-6");
  // Both write at once, and nothing of either is lost.
  constexpr int kEach = 50;
  const auto add = [](StateStore& store, const std::string& id) {
    for (int i = 0; i < kEach; ++i) store.add_event("shop", {at(kNoon + i), "info", id, "", ""});
  };
  std::thread other([&] { add(*two, "two"); });
  add(*one, "one");
  other.join();
  CHECK(one->count_events("shop", "two", at(kNoon)) == kEach);
  CHECK(two->count_events("shop", "one", at(kNoon)) == kEach);
}

/// Each promise is a section, on a state of its own.
void check_store(const Open& open) {
  SECTION("a task keeps its state, stage and error") { task_rows(open); }
  SECTION("every state and stage comes back") { states(open); }
  SECTION("tables are replaced, kept and forgotten one by one") { tables(open); }
  SECTION("an offset comes back with the identity of its server") { offsets(open); }
  SECTION("events are kept in order and counted by id and time") { events(open); }
  SECTION("a sample comes back whole") { samples(open); }
  SECTION("old samples become one a minute and then go") { old_samples(open); }
  SECTION("waivers are those of the last start") { waivers(open); }
  SECTION("a run of check-retention comes back whole, and goes after a month") { retention(open); }
  SECTION("a history of the offset comes back, is thinned, and keeps what somebody did") {
    offset_history(open);
  }
  SECTION("a checklist comes back with its items, in order of arrival") { checklists(open); }
  SECTION("revisions count up from 1 by task, and only who knows the newest adds one") {
    revisions(open);
  }
  SECTION("a lane is a part of a task, with a task of its own that nobody lists") { lanes(open); }
  SECTION("the tables of a lane that ends join the main lane, or are dropped") {
    ended_lanes(open);
  }
  SECTION("a statement keeps its number when it is met again, and stays while it waits") {
    ddl_rows(open);
  }
  SECTION("an unknown task reads as empty and refuses writes") { unknown_tasks(open); }
  SECTION("threads share one store") { threads(open); }
  SECTION("what one process wrote is there for the others") { others(open); }
}

}  // namespace

TEST_CASE("store contract: SQLite", "[contract][state]") {
  const TempDir dir;
  check_store([&dir] { return open_state(dir.path(), false); });
}
