// SPDX-License-Identifier: Apache-2.0
// How long a task may stay stopped, judged from facts that no server had to be asked for.
#include "ops/retention.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "cli/retention_verb.h"
#include "source/mysql/retention.h"
#include "source/postgres/retention.h"

using namespace weir;
using namespace std::chrono_literals;
using ops::RetentionReport;
using ops::RetentionRequest;
using ops::Seconds;
using ops::TaskFacts;
using ops::Verdict;

namespace {

const Time kNow = parse_rfc3339("2026-03-01T12:00:00Z");
constexpr std::uint64_t kMiB = 1 << 20;

RetentionLimit age(const char* name, std::chrono::seconds limit, Time since = {}) {
  RetentionLimit out;
  out.name = name;
  out.value = std::to_string(limit.count());
  out.age = limit;
  out.since = since;
  return out;
}

RetentionLimit size(const char* name, std::uint64_t bytes) {
  RetentionLimit out;
  out.kind = RetentionLimit::Kind::size;
  out.name = name;
  out.value = "cap";
  out.bytes = bytes;
  return out;
}

/// Three files of 100 MiB over ten days, the offset in the second.
RetentionFacts facts(std::vector<RetentionLimit> limits = {}) {
  RetentionFacts out;
  out.server_now = kNow;
  out.limits = std::move(limits);
  out.grows = out.limits.empty();
  out.oldest = "bin.000007:4";
  out.oldest_time = kNow - 240h;
  out.files = {{"bin.000007", 100 * kMiB}, {"bin.000008", 100 * kMiB}, {"bin.000009", 100 * kMiB}};
  out.file_count = 3;
  out.kept_bytes = 300 * kMiB;
  out.end = {"bin.000009", 100 * kMiB};
  out.behind = 150 * kMiB;
  out.margin = 150 * kMiB;
  out.growth = LogGrowth{300 * kMiB, 240h};
  return out;
}

TaskFacts stopped() {
  TaskFacts out;
  out.name = "shop";
  out.now = kNow;
  out.offset = {"bin.000008:52428800", kNow - 24h};
  out.offset_stored = kNow - 24h;
  return out;
}

TaskFacts running() {
  TaskFacts out = stopped();
  out.running = true;
  out.offset = {"bin.000009:104857600", kNow};
  out.offset_stored = kNow;
  return out;
}

Finding gap(Severity severity) {
  Finding out;
  out.id = "mysql.offset-lost";
  out.severity = severity;
  out.what = "the source no longer has its log";
  return out;
}

bool has(const RetentionReport& report, const std::string& id) {
  for (const Finding& finding : report.findings) {
    if (finding.id == id) return true;
  }
  return false;
}

double seconds(const std::optional<Seconds>& span) { return span ? span->count() : -1; }

/// A worker that had work for `busy` of each minute.
std::vector<Sample> samples(double busy, int minutes = 20) {
  std::vector<Sample> out;
  for (int i = 0; i < minutes; ++i) {
    Sample sample;
    sample.at = kNow - std::chrono::minutes(minutes - i);
    sample.stage = Stage::incremental;
    sample.bytes_read = static_cast<std::uint64_t>(i) * kMiB;
    sample.reader_wait_s = i * 60 * (1 - busy);
    out.push_back(sample);
  }
  return out;
}

}  // namespace

TEST_CASE("an age limit counts from the file after the offset's", "[retention]") {
  const auto judged = ops::judge_retention({}, facts({age("expire", 168h, kNow - 48h)}), stopped());
  CHECK(judged.verdict == Verdict::ok);
  CHECK(seconds(judged.may_stay_down) == 120 * 3600);
  CHECK(judged.limited_by == "expire");
  CHECK(judged.purged_at == kNow + 120h);
  CHECK(judged.margin == Seconds(216h));
  CHECK(judged.window == Seconds(240h));
  CHECK(judged.findings.empty());
  // 120 hours at 300 MiB in 240 hours.
  CHECK(judged.headroom_bytes == 150 * kMiB);
}

TEST_CASE("an age limit that has not begun counts from the stop", "[retention]") {
  const auto judged = ops::judge_retention({}, facts({age("expire", 168h)}), running());
  CHECK(judged.verdict == Verdict::ok);
  CHECK(seconds(judged.may_stay_down) == 168 * 3600);
  CHECK_THAT(judged.reason, Catch::Contains("from the moment the task stops"));
}

TEST_CASE("the thresholds decide what is a warning and what is critical", "[retention]") {
  struct Row {
    std::chrono::seconds left;
    Verdict verdict;
  };
  for (const Row& row : std::initializer_list<Row>{{24h, Verdict::ok},
                                                   {24h - 1s, Verdict::warning},
                                                   {1h, Verdict::warning},
                                                   {1h - 1s, Verdict::critical},
                                                   {1s, Verdict::critical},
                                                   {0s, Verdict::critical}}) {
    CAPTURE(row.left.count());
    const auto judged =
        ops::judge_retention({}, facts({age("expire", 48h, kNow - 48h + row.left)}), stopped());
    CHECK(judged.verdict == row.verdict);
    CHECK(has(judged, "retention.short") == (row.verdict != Verdict::ok));
    CHECK(seconds(judged.may_stay_down) == row.left.count());
  }
  // Overdue is not lost: the server purges when it begins a new file.
  const auto overdue = ops::judge_retention({}, facts({age("expire", 24h, kNow - 48h)}), stopped());
  CHECK(overdue.verdict == Verdict::critical);
  CHECK(seconds(overdue.may_stay_down) == 0);
  RetentionRequest strict;
  strict.warning = 300h;
  strict.critical = 200h;
  CHECK(ops::judge_retention(strict, facts({age("expire", 168h)}), running()).verdict ==
        Verdict::critical);
}

TEST_CASE("the nearest limit decides", "[retention]") {
  // 30 MiB at 1.25 MiB an hour.
  const auto by_size =
      ops::judge_retention({}, facts({age("expire", 168h), size("cap", 30 * kMiB)}), running());
  CHECK(by_size.limited_by == "cap");
  CHECK(seconds(by_size.may_stay_down) == Approx(24 * 3600));
  CHECK(by_size.headroom_bytes == 30 * kMiB);
  const auto by_age =
      ops::judge_retention({}, facts({age("expire", 12h), size("cap", 30 * kMiB)}), running());
  CHECK(by_age.limited_by == "expire");
  CHECK(by_age.verdict == Verdict::warning);
  CHECK(by_age.headroom_bytes == 15 * kMiB);
}

TEST_CASE("a size limit that is used up is critical, however slowly the log grows", "[retention]") {
  RetentionFacts given = facts({size("max_slot_wal_keep_size", 0)});
  given.growth.reset();
  const auto judged = ops::judge_retention({}, given, running());
  CHECK(judged.verdict == Verdict::critical);
  CHECK(seconds(judged.may_stay_down) == 0);
}

TEST_CASE("a size limit whose growth is not known is unknown and never ok", "[retention]") {
  RetentionFacts given = facts({age("expire", 168h), size("cap", kMiB)});
  given.growth.reset();
  TaskFacts task = running();
  const auto judged = ops::judge_retention({}, given, task);
  CHECK(judged.verdict == Verdict::unknown);
  CHECK_FALSE(judged.may_stay_down);
  CHECK(judged.limited_by == "cap");
  CHECK(has(judged, "retention.growth-unknown"));
  // What the task itself is behind, and since when, is a rate too.
  const auto behind = ops::judge_retention({}, given, stopped());
  CHECK(behind.verdict == Verdict::critical);
  CHECK(behind.growth == Approx(150.0 * kMiB / 86400));
  // Critical stays critical, whatever else is not known.
  given.limits[0] = age("expire", 10min);
  CHECK(ops::judge_retention({}, given, task).verdict == Verdict::critical);
}

TEST_CASE("a log to which nothing is written never reaches its cap", "[retention]") {
  RetentionFacts given = facts({size("cap", kMiB)});
  given.growth = LogGrowth{0, 240h};
  for (const bool grows : {false, true}) {  // a slot with a cap keeps what is written, up to it
    given.grows = grows;
    const auto judged = ops::judge_retention({}, given, running());
    CHECK(judged.verdict == Verdict::ok);
    CHECK(judged.unlimited);
    CHECK(judged.limited_by == "cap");
    CHECK_FALSE(judged.may_stay_down);
  }
}

TEST_CASE("without a limit the disk is one, and a budget says when it is full", "[retention]") {
  const auto open = ops::judge_retention({}, facts(), stopped());
  CHECK(open.verdict == Verdict::warning);
  CHECK(open.unlimited);
  CHECK(open.limited_by == "disk");
  REQUIRE(has(open, "retention.unlimited"));
  const auto unlimited =
      std::ranges::find(open.findings, std::string("retention.unlimited"), &Finding::id);
  CHECK_THAT(unlimited->fix, Catch::EndsWith("weir check-retention shop --disk-budget 50GB"));
  RetentionRequest request;
  request.disk_budget = 390 * kMiB;  // 90 MiB are left: 72 hours
  const auto planned = ops::judge_retention(request, facts(), stopped());
  CHECK(planned.verdict == Verdict::ok);
  CHECK(planned.limited_by == "disk-budget");
  CHECK(seconds(planned.may_stay_down) == Approx(72 * 3600));
  request.disk_budget = 300 * kMiB;
  CHECK(ops::judge_retention(request, facts(), stopped()).verdict == Verdict::critical);
  // Where the log is let go by age, the disk is no matter of the task's.
  request.disk_budget = kMiB;
  CHECK(ops::judge_retention(request, facts({age("expire", 168h)}), stopped()).limited_by ==
        "expire");
  // A slot that is let go by age keeps everything until then.
  RetentionFacts slot = facts({age("idle", 168h)});
  slot.grows = true;
  request.disk_budget = 390 * kMiB;
  CHECK(ops::judge_retention(request, slot, stopped()).limited_by == "disk-budget");
}

TEST_CASE("a gap is lost, a doubt is unknown", "[retention]") {
  RetentionFacts given = facts({age("expire", 168h)});
  given.gap = gap(Severity::critical);
  const auto lost = ops::judge_retention({}, given, stopped());
  CHECK(lost.verdict == Verdict::lost);
  CHECK(seconds(lost.may_stay_down) == 0);
  CHECK(lost.limited_by == "mysql.offset-lost");
  given.gap = gap(Severity::unknown);
  CHECK(ops::judge_retention({}, given, stopped()).verdict == Verdict::unknown);
  given.gap = gap(Severity::warning);
  CHECK(ops::judge_retention({}, given, stopped()).verdict == Verdict::warning);
  given.gap = gap(Severity::info);
  CHECK(ops::judge_retention({}, given, stopped()).verdict == Verdict::ok);
  given.gap.reset();
  given.hidden.push_back(gap(Severity::unknown));
  CHECK(ops::judge_retention({}, given, stopped()).verdict == Verdict::unknown);
  given.limits.clear();
  given.grows = false;
  const auto blind = ops::judge_retention({}, given, stopped());
  CHECK(blind.verdict == Verdict::unknown);
  CHECK_FALSE(blind.may_stay_down);
  CHECK_FALSE(blind.unlimited);
}

TEST_CASE("a planned stop includes what the task needs to catch up", "[retention]") {
  RetentionRequest request;
  request.planned_stop = 6h;
  TaskFacts task = running();
  task.samples = samples(0.25);
  // A quarter of its time for what is new: a third of the stop to catch up, 8 hours in all.
  const auto enough = ops::judge_retention(request, facts({age("expire", 16h)}), task);
  CHECK(enough.catch_up_is_measured);
  CHECK(seconds(enough.catch_up) == Approx(2 * 3600));
  CHECK(enough.verdict == Verdict::ok);
  CHECK(ops::judge_retention(request, facts({age("expire", 9h)}), task).verdict ==
        Verdict::warning);
  const auto short_of = ops::judge_retention(request, facts({age("expire", 7h)}), task);
  CHECK(short_of.verdict == Verdict::critical);
  CHECK_THAT(short_of.findings.at(0).what, Catch::Contains("8 h"));

  // How long it has been away already has to be caught up with too.
  TaskFacts away = stopped();
  away.samples = samples(0.5);
  CHECK(seconds(ops::judge_retention(request, facts({age("expire", 168h)}), away).catch_up) ==
        Approx(30 * 3600));

  // Without rates, or with a task that never waited, it is taken to be as long as the stop.
  for (const double busy : {1.0, -1.0}) {
    task.samples = busy < 0 ? std::vector<Sample>() : samples(busy);
    const auto assumed = ops::judge_retention(request, facts({age("expire", 13h)}), task);
    CHECK_FALSE(assumed.catch_up_is_measured);
    CHECK(seconds(assumed.catch_up) == 6 * 3600);
    CHECK(assumed.verdict == Verdict::warning);
  }
}

TEST_CASE("only samples of one worker in the incremental stage tell how busy it is",
          "[retention]") {
  CHECK(ops::busy_share(samples(0.25)) == Approx(0.25));
  CHECK_FALSE(ops::busy_share({}));
  CHECK_FALSE(ops::busy_share(samples(0.5, 1)));
  std::vector<Sample> mixed = samples(0.25);
  for (std::size_t i = 0; i < 10; ++i) mixed[i].stage = Stage::full;
  CHECK(ops::busy_share(mixed) == Approx(0.25));
  // A new worker counts from zero, and a stop lies between samples that are far apart.
  std::vector<Sample> anew = samples(0.25);
  for (std::size_t i = 10; i < 20; ++i) {
    anew[i].bytes_read -= 10 * kMiB;
    anew[i].reader_wait_s -= 450;
    anew[i].at += 1h;
  }
  CHECK(ops::busy_share(anew) == Approx(0.25));
  // What it did the day before yesterday is no rate of today.
  std::vector<Sample> old = samples(1.0);
  for (Sample& sample : old) {
    sample.at -= 48h;
    sample.bytes_read = 0;
    sample.reader_wait_s = 0;
  }
  const std::vector<Sample> recent = samples(0.25);
  old.insert(old.end(), recent.begin(), recent.end());
  CHECK(ops::busy_share(old) == Approx(0.25));
}

TEST_CASE("a server whose clock differs is compared with itself", "[retention]") {
  for (const auto ahead : {-3h, 0h, 3h}) {
    CAPTURE(ahead.count());
    RetentionFacts given = facts({age("expire", 168h, kNow + ahead - 48h)});
    given.server_now = kNow + ahead;
    given.oldest_time = kNow + ahead - 240h;
    given.clock_ahead = ahead;
    given.clock_error = 500ms;
    const auto judged = ops::judge_retention({}, given, stopped());
    CHECK(judged.verdict == Verdict::ok);
    CHECK(seconds(judged.may_stay_down) == Approx(120 * 3600 - 0.5));
    CHECK(seconds(judged.window) == 240 * 3600);
    CHECK(judged.purged_at == kNow + 120h - 500ms);
    CHECK(has(judged, "retention.clock-skew") == (ahead != 0h));
  }
}

TEST_CASE("what was written since an earlier run is counted over files", "[retention]") {
  const RetentionFacts given = facts();
  CHECK(ops::written_since(given, {"bin.000009", 90 * kMiB}) == 10 * kMiB);
  CHECK(ops::written_since(given, {"bin.000008", 90 * kMiB}) == 110 * kMiB);
  CHECK(ops::written_since(given, {"bin.000007", 0}) == 300 * kMiB);
  CHECK_FALSE(ops::written_since(given, {"bin.000006", 4}));
  // RESET MASTER, or another server.
  CHECK_FALSE(ops::written_since(given, {"bin.000009", 200 * kMiB}));
  RetentionFacts wal;
  wal.end = {"", 0x5000000};
  CHECK(ops::written_since(wal, {"", 0x4000000}) == 16 * kMiB);
  CHECK_FALSE(ops::written_since(wal, {"", 0x6000000}));
  CHECK_FALSE(ops::written_since(wal, {"bin.000001", 4}));
}

TEST_CASE("growth is the larger one of the server's account and of what runs saw", "[retention]") {
  TaskFacts task = running();
  RetentionRow last;
  last.at = kNow - 1h;
  last.end = {"bin.000009", 50 * kMiB};
  task.earlier = {last};
  auto judged = ops::judge_retention({}, facts({size("cap", 500 * kMiB)}), task);
  CHECK(judged.growth_recent == Approx(50.0 * kMiB / 3600));
  CHECK(judged.growth_server == Approx(300.0 * kMiB / 864000));
  CHECK(judged.growth == judged.growth_recent);
  CHECK(seconds(judged.may_stay_down) == Approx(10 * 3600));
  CHECK(judged.trend.empty());
  CHECK(ops::retention_row(judged, task).written->bytes == 50 * kMiB);

  // A run a second ago proves nothing.
  task.earlier[0].at = kNow - 1s;
  judged = ops::judge_retention({}, facts({size("cap", 500 * kMiB)}), task);
  CHECK_FALSE(judged.growth_recent);
  CHECK(judged.growth == judged.growth_server);
}

TEST_CASE("the trend compares the last day with the week before", "[retention]") {
  struct Row {
    std::uint64_t before;
    std::uint64_t recent;
    const char* trend;
  };
  for (const Row& row : std::initializer_list<Row>{{100, 100, "steady"},
                                                   {100, 120, "steady"},
                                                   {100, 200, "rising"},
                                                   {100, 50, "falling"},
                                                   {0, 10, "rising"},
                                                   {10, 0, "falling"},
                                                   {0, 0, "steady"}}) {
    CAPTURE(row.before, row.recent);
    TaskFacts task = running();
    for (int hours = 120; hours > 0; --hours) {
      RetentionRow run;
      run.at = kNow - std::chrono::hours(hours);
      run.written = LogGrowth{hours >= 24 ? row.before : row.recent, 1h};
      run.end = {"bin.000001", 4};  // purged since: this run compares with none
      task.earlier.push_back(run);
    }
    CHECK(ops::judge_retention({}, facts({age("expire", 168h)}), task).trend == row.trend);
  }
}

TEST_CASE("a MariaDB file's list of transactions is read", "[retention][mysql]") {
  using mysql::parse_gtid_list;
  CHECK(parse_gtid_list("[0-1-5,1-2-9]")->text() == "0-1-5,1-2-9");
  CHECK(parse_gtid_list("[]")->empty());
  // Two servers wrote to one domain: the last one counts.
  CHECK(parse_gtid_list("[0-1-5,0-2-7]")->text() == "0-2-7");
  CHECK_FALSE(parse_gtid_list("0-1-5"));
  CHECK_FALSE(parse_gtid_list("[0-1]"));
  CHECK_FALSE(parse_gtid_list(""));
}

TEST_CASE("binlog settings say what is let go and when", "[retention][mysql]") {
  using Settings = std::map<std::string, std::string>;
  const auto none = mysql::judge_policy(Settings{{"binlog_expire_logs_seconds", "0"},
                                                 {"expire_logs_days", "0.000000"},
                                                 {"max_binlog_size", "1073741824"}});
  CHECK_FALSE(none.expiry);
  CHECK_FALSE(none.cap);
  CHECK(none.file_bytes == 1024 * kMiB);
  const auto seconds_first = mysql::judge_policy(
      Settings{{"binlog_expire_logs_seconds", "3600"}, {"expire_logs_days", "10"}});
  CHECK(seconds_first.expiry == 3600s);
  CHECK(seconds_first.expiry_name == "binlog_expire_logs_seconds");
  const auto days = mysql::judge_policy(
      Settings{{"binlog_expire_logs_seconds", "0"}, {"expire_logs_days", "0.5"}});
  CHECK(days.expiry == 43200s);
  CHECK_FALSE(mysql::judge_policy(Settings{{"binlog_expire_logs_seconds", "3600"},
                                           {"binlog_expire_logs_auto_purge", "OFF"}})
                  .expiry);
  const auto capped = mysql::judge_policy(
      Settings{{"max_binlog_total_size", "5000"}, {"slave_connections_needed_for_purge", "1"}});
  CHECK(capped.cap == 5000);
  CHECK(capped.waits_for_readers);
  // With nothing to purge by, a reader lets nothing be purged.
  CHECK_FALSE(mysql::judge_policy(Settings{{"max_binlog_total_size", "0"},
                                           {"slave_connections_needed_for_purge", "1"}})
                  .waits_for_readers);
}

TEST_CASE("an offset has its place among the files", "[retention][mysql]") {
  const std::vector<LogFile> files{{"bin.000007", 100}, {"bin.000008", 200}, {"bin.000009", 50}};
  const auto at = [&](const char* text) {
    return mysql::place_in(files, mysql::LogPosition::parse(text));
  };
  CHECK(at("bin.000008:80").file == 1);
  CHECK(at("bin.000008:80").margin == 180);
  CHECK(at("bin.000008:80").behind == 170);
  CHECK(at("bin.000008:80").from_file == 250);
  CHECK(at("bin.000009:50").behind == 0);
  CHECK_FALSE(at("bin.000006:80").file);
  CHECK(at("bin.000006:80").behind == 350);
  CHECK(at("bin.000006:80").from_file == 350);
}

TEST_CASE("a slot's limits are its cap and its idle time", "[retention][postgres]") {
  pgsource::SlotRetention slot;
  slot.status = "reserved";
  slot.segment_bytes = 16 * kMiB;
  CHECK(pgsource::slot_limits(slot).empty());
  slot.safe_bytes = 40 * static_cast<std::int64_t>(kMiB);
  REQUIRE(pgsource::slot_limits(slot).size() == 1);
  CHECK(pgsource::slot_limits(slot)[0].bytes == 24 * kMiB);
  slot.safe_bytes = -5;
  CHECK(pgsource::slot_limits(slot)[0].bytes == 0);
  slot.safe_bytes = 40 * static_cast<std::int64_t>(kMiB);
  slot.status = "unreserved";
  CHECK(pgsource::slot_limits(slot)[0].bytes == 0);
  slot.idle_age = 2h;
  slot.inactive_since = kNow - 1h;
  REQUIRE(pgsource::slot_limits(slot).size() == 2);
  CHECK(pgsource::slot_limits(slot)[1].since == kNow - 1h);
  CHECK(pgsource::slot_limits(slot)[1].age == 2h);
}

namespace {

RetentionReport report(const char* task, Verdict verdict, std::optional<Seconds> left) {
  RetentionReport out;
  out.task = task;
  out.verdict = verdict;
  out.may_stay_down = left;
  out.reason = "a | b\nc";
  return out;
}

}  // namespace

TEST_CASE("Nagios gets one line, the worst task first, and codes from 0 to 3", "[retention][cli]") {
  const RetentionReport ok = report("shop", Verdict::ok, 48h);
  const RetentionReport warning = report("crm", Verdict::warning, 2h);
  const RetentionReport unknown = report("hr", Verdict::unknown, std::nullopt);
  const RetentionReport lost = report("erp", Verdict::lost, 0s);
  using Reports = std::vector<RetentionReport>;
  CHECK(cli::nagios_code(Reports{}) == 0);
  CHECK(cli::nagios_code(Reports{ok}) == 0);
  CHECK(cli::nagios_code(Reports{ok, warning}) == 1);
  CHECK(cli::nagios_code(Reports{warning, unknown}) == 3);
  CHECK(cli::nagios_code(Reports{unknown, lost}) == 2);
  CHECK(cli::nagios_code(Reports{lost, unknown, ok}) == 2);
  CHECK(cli::nagios_code(Reports{report("a", Verdict::critical, 1s)}) == 2);
  const std::string text = cli::retention_nagios(Reports{ok, warning}, {});
  CHECK(text.substr(0, text.find('\n')) ==
        "RETENTION WARNING - crm: may stay stopped 2 h 00 m (2 tasks) | "
        "'shop_may_stay_down'=172800s;86400:;3600:;0; 'crm_may_stay_down'=7200s;86400:;3600:;0;");
  CHECK_THAT(text, Catch::Contains("warning crm: may stay stopped 2 h 00 m: a / b c\n"));
}

TEST_CASE("Prometheus gets what is known and nothing else", "[retention][cli]") {
  RetentionReport open = report("crm", Verdict::warning, std::nullopt);
  open.unlimited = true;
  const std::vector<RetentionReport> reports{report("shop", Verdict::ok, 48h), open,
                                             report("hr", Verdict::unknown, std::nullopt)};
  const std::string text = cli::retention_prometheus(reports, kNow);
  CHECK_THAT(text, Catch::Contains("weir_retention_verdict{task=\"shop\",verdict=\"ok\"} 1\n"));
  CHECK_THAT(text, Catch::Contains("weir_retention_verdict{task=\"shop\",verdict=\"lost\"} 0\n"));
  CHECK_THAT(text, Catch::Contains("may_stay_down_seconds{task=\"shop\"} 172800\n"));
  CHECK_THAT(text, Catch::Contains("may_stay_down_seconds{task=\"crm\"} +Inf\n"));
  CHECK_THAT(text, !Catch::Contains("may_stay_down_seconds{task=\"hr\"}"));
  CHECK_THAT(text,
             Catch::EndsWith("weir_check_retention_last_success_timestamp_seconds 1772366400\n"));
  // No series without a value, each name described once.
  CHECK_THAT(text, !Catch::Contains("weir_retention_margin_bytes"));
}
