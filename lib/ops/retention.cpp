// SPDX-License-Identifier: Apache-2.0
#include "ops/retention.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/lane.h"
#include "ops/lanes.h"
#include "ops/sync.h"
#include "store/lane_task.h"

namespace weir::ops {
namespace {

constexpr Seconds kDay{std::chrono::hours(24)};
constexpr Seconds kWeek{std::chrono::hours(7 * 24)};
/// Rates over less say little.
constexpr Seconds kShortestRuns{60};
constexpr Seconds kShortestAccount{5};
constexpr Seconds kShortestWork{30};
/// Samples further apart have a stop between them.
constexpr Seconds kSampleGap{150};
/// A task that was at work all the time was catching up: what it has left over is not known.
constexpr double kAlwaysBusy = 0.95;
constexpr double kTrendFactor = 1.25;
constexpr Seconds kClockSkew{30};
constexpr std::size_t kRuns = 20'000;
constexpr std::string_view kLost = "lost";
constexpr std::size_t kSamples = 20'000;

std::string per_hour(double bytes_per_second) {
  return fmt::format("{}/h", format_bytes(static_cast<std::uint64_t>(bytes_per_second * 3600)));
}

/// The rate over all runs in (from, to] that could be compared with the one before.
std::optional<double> rate_between(const std::vector<RetentionRow>& runs, Time from, Time to,
                                   const std::optional<LogGrowth>& newest) {
  double bytes = 0;
  Seconds span{0};
  const auto add = [&](const LogGrowth& part) {
    bytes += static_cast<double>(part.bytes);
    span += part.span;
  };
  for (const RetentionRow& run : runs) {
    if (run.written && run.at > from && run.at <= to) add(*run.written);
  }
  if (newest) add(*newest);
  if (span < kShortestRuns) return {};
  return bytes / span.count();
}

std::optional<LogGrowth> since_last_run(const RetentionFacts& facts, const TaskFacts& task) {
  if (task.earlier.empty()) return {};
  const RetentionRow& last = task.earlier.back();
  const Seconds span = task.now - last.at;
  const auto written = written_since(facts, last.end);
  if (!written || span.count() <= 0) return {};
  return LogGrowth{*written, span};
}

void measure_growth(RetentionReport& out, const RetentionFacts& facts, const TaskFacts& task) {
  const auto ago = [&task](Seconds span) {
    return task.now - std::chrono::duration_cast<std::chrono::microseconds>(span);
  };
  out.growth_recent = rate_between(task.earlier, ago(kDay), task.now, since_last_run(facts, task));
  out.growth_before = rate_between(task.earlier, ago(kDay + kWeek), ago(kDay), std::nullopt);
  if (facts.growth && facts.growth->span >= kShortestAccount) {
    out.growth_server = static_cast<double>(facts.growth->bytes) / facts.growth->span.count();
  }
  if (out.growth_recent || out.growth_server) {
    out.growth = std::max(out.growth_recent.value_or(0), out.growth_server.value_or(0));
  } else if (const Seconds span = facts.server_now - task.offset.source_time;
             facts.behind && task.offset.source_time != Time{} && span >= kShortestRuns) {
    out.growth = static_cast<double>(*facts.behind) / span.count();
  }
  if (out.growth_recent && out.growth_before) {
    out.trend = *out.growth_recent > *out.growth_before * kTrendFactor   ? "rising"
                : *out.growth_recent * kTrendFactor < *out.growth_before ? "falling"
                                                                         : "steady";
  }
}

/// One limit, as far as it could be told when it strikes.
struct Reach {
  std::string name;
  std::optional<Seconds> left;  ///< empty: it strikes, but nobody knows when
  std::string reason;
  std::string fix;
};

/// Empty if the limit never strikes.
std::optional<Reach> reach_of(const RetentionLimit& limit, const RetentionReport& report,
                              const RetentionFacts& facts) {
  Reach out;
  out.name = limit.name;
  const std::string setting =
      limit.value.empty() ? limit.name : fmt::format("{} = {}", limit.name, limit.value);
  out.fix = fmt::format("start the task in time, or raise {} on the source", limit.name);
  if (limit.kind == RetentionLimit::Kind::age) {
    // The server's clock is compared with itself; only how well it was read is taken off.
    const Time from = limit.since == Time{} ? facts.server_now : limit.since;
    out.left =
        std::max(Seconds(from - facts.server_now) + limit.age - facts.clock_error, Seconds::zero());
    const std::string age = format_duration(limit.age);
    if (limit.value.empty()) {
      out.reason = fmt::format(
          "the log goes back {} only, less than the source's settings allow: something else purges "
          "it",
          age);
      out.fix =
          "find out who purges (PURGE BINARY LOGS, a backup job, a full disk), and start the "
          "task in time";
    } else if (limit.since == Time{}) {
      out.reason =
          fmt::format("{}: from the moment the task stops, the source keeps {}", setting, age);
    } else {
      out.reason = fmt::format("{}: what follows the offset may go {} after {}", setting, age,
                               to_rfc3339(limit.since));
    }
    return out;
  }
  out.reason = fmt::format("{}: {} may still be written", setting, format_bytes(limit.bytes));
  if (limit.bytes == 0) {
    out.left = Seconds::zero();
    return out;
  }
  if (!report.growth) return out;
  if (*report.growth <= 0) return {};
  out.left = Seconds(static_cast<double>(limit.bytes) / *report.growth);
  out.reason += fmt::format(", at {}", per_hour(*report.growth));
  return out;
}

void catch_up(RetentionReport& out, const TaskFacts& task) {
  if (!out.planned_stop) return;
  const Seconds lag = task.running
                          ? Seconds(task.samples.empty() ? 0 : task.samples.back().apply_lag_s)
                          : std::max(Seconds(task.now - task.offset_stored), Seconds::zero());
  const Seconds away = *out.planned_stop + lag;
  const std::optional<double> busy = busy_share(task.samples);
  out.catch_up_is_measured = busy && *busy < kAlwaysBusy;
  // Of each second it needs `busy` for what is new, and has the rest for what is left.
  out.catch_up = out.catch_up_is_measured ? away * (*busy / (1 - *busy)) : away;
}

Finding finding(const char* id, Verdict verdict, std::string what, std::string why,
                std::string fix) {
  Finding out;
  out.id = id;
  out.severity = verdict == Verdict::critical  ? Severity::critical
                 : verdict == Verdict::unknown ? Severity::unknown
                                               : Severity::warning;
  out.what = std::move(what);
  out.why = std::move(why);
  out.fix = std::move(fix);
  return out;
}

void worsen(RetentionReport& out, Verdict verdict) { out.verdict = std::max(out.verdict, verdict); }

/// Nothing takes the log away: what may run out is the disk under it.
void judge_unlimited(RetentionReport& out) {
  out.unlimited = true;
  out.limited_by = "disk";
  out.reason =
      "the source keeps its log from the offset on without a limit, until its disk is full";
  if (out.growth && *out.growth > 0)
    out.reason += fmt::format("; {} are written", per_hour(*out.growth));
  worsen(out, Verdict::warning);
  out.findings.push_back(finding("retention.unlimited", Verdict::warning,
                                 "nobody knows when the source's disk is full", out.reason,
                                 "give the space that the log may take: weir check-retention " +
                                     out.task + " --disk-budget 50GB"));
}

void judge_reach(RetentionReport& out, const RetentionRequest& request, const Reach& first) {
  out.may_stay_down = first.left;
  out.limited_by = first.name;
  out.reason = first.reason;
  const Seconds needed =
      out.planned_stop.value_or(Seconds::zero()) + out.catch_up.value_or(Seconds::zero());
  const bool planned = out.planned_stop.has_value();
  const Seconds critical = planned ? needed : request.critical;
  const Seconds warning = planned ? 2 * needed : request.warning;
  const Seconds left = *first.left;
  if (left >= warning) return;
  const Verdict verdict =
      left < critical || left.count() <= 0 ? Verdict::critical : Verdict::warning;
  worsen(out, verdict);
  std::string what = left.count() <= 0
                         ? std::string("the source may let go of the offset at any moment")
                         : fmt::format("the offset may be gone in {}", format_duration(left));
  if (planned) {
    what += fmt::format("; the stop and catching up take {}", format_duration(needed));
  }
  out.findings.push_back(
      finding("retention.short", verdict, std::move(what), first.reason, first.fix));
}

}  // namespace

std::string to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::unknown:
      return "unknown";
    case Verdict::critical:
      return "critical";
    case Verdict::lost:
      return "lost";
  }
  return "";
}

std::optional<std::uint64_t> written_since(const RetentionFacts& facts, const LogHead& then) {
  if (facts.files.empty()) {
    if (then.file != facts.end.file || facts.end.position < then.position) return {};
    return facts.end.position - then.position;
  }
  const auto own = std::ranges::find(facts.files, then.file, &LogFile::name);
  if (own == facts.files.end() || own->bytes < then.position) return {};
  std::uint64_t written = own->bytes - then.position;
  for (auto file = own + 1; file != facts.files.end(); ++file) written += file->bytes;
  return written;
}

std::optional<double> busy_share(const std::vector<Sample>& samples) {
  Seconds all{0};
  Seconds busy{0};
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const Sample& a = samples[i - 1];
    const Sample& b = samples[i];
    const Seconds span = b.at - a.at;
    if (samples.back().at - a.at > kDay) continue;
    const bool same_worker = b.bytes_read >= a.bytes_read && b.reader_wait_s >= a.reader_wait_s;
    if (a.stage != Stage::incremental || b.stage != Stage::incremental || !same_worker ||
        span.count() <= 0 || span > kSampleGap) {
      continue;
    }
    all += span;
    busy += std::max(span - Seconds(b.reader_wait_s - a.reader_wait_s), Seconds::zero());
  }
  if (all < kShortestWork) return {};
  return busy / all;
}

RetentionReport judge_retention(const RetentionRequest& request, const RetentionFacts& facts,
                                const TaskFacts& task) {
  RetentionReport out;
  out.task = task.name;
  out.verdict = Verdict::ok;
  out.running = task.running;
  out.offset = task.offset;
  out.facts = facts;
  out.planned_stop = request.planned_stop;
  if (facts.oldest_time != Time{}) {
    out.window = std::max(Seconds(facts.server_now - facts.oldest_time), Seconds::zero());
    if (task.offset.source_time != Time{}) {
      out.margin = std::max(Seconds(task.offset.source_time - facts.oldest_time), Seconds::zero());
    }
  }
  measure_growth(out, facts, task);
  catch_up(out, task);
  if (std::chrono::abs(facts.clock_ahead) > kClockSkew + facts.clock_error) {
    Finding skew;
    skew.id = "retention.clock-skew";
    skew.severity = Severity::info;
    skew.what = fmt::format("the source's clock is {} {} this machine's",
                            format_duration(std::chrono::abs(facts.clock_ahead)),
                            facts.clock_ahead.count() > 0 ? "ahead of" : "behind");
    skew.why = "times of the source's log are by its own clock; this is allowed for here";
    skew.fix = "keep both clocks by NTP";
    out.findings.push_back(std::move(skew));
  }

  if (facts.gap) {
    out.findings.push_back(*facts.gap);
    if (facts.gap->severity == Severity::critical) {
      out.verdict = Verdict::lost;
      out.may_stay_down = Seconds::zero();
      out.limited_by = facts.gap->id;
      out.reason = facts.gap->what;
      return out;
    }
    if (facts.gap->severity == Severity::unknown) worsen(out, Verdict::unknown);
    if (facts.gap->severity == Severity::warning) worsen(out, Verdict::warning);
  }
  for (const Finding& hidden : facts.hidden) {
    worsen(out, Verdict::unknown);
    if (!facts.gap || facts.gap->id != hidden.id) out.findings.push_back(hidden);
  }

  std::vector<RetentionLimit> limits = facts.limits;
  if (request.disk_budget && facts.grows && facts.kept_bytes) {
    RetentionLimit disk;
    disk.kind = RetentionLimit::Kind::size;
    disk.name = "disk-budget";
    disk.value = format_bytes(*request.disk_budget);
    disk.bytes =
        *request.disk_budget > *facts.kept_bytes ? *request.disk_budget - *facts.kept_bytes : 0;
    limits.push_back(std::move(disk));
  }
  std::optional<Reach> first;
  std::optional<Reach> unclear;
  for (const RetentionLimit& limit : limits) {
    std::optional<Reach> reach = reach_of(limit, out, facts);
    if (!reach) continue;
    if (limit.kind == RetentionLimit::Kind::size) {
      out.headroom_bytes = std::min(out.headroom_bytes.value_or(limit.bytes), limit.bytes);
    } else if (out.growth) {
      const auto bytes = static_cast<std::uint64_t>(reach->left->count() * *out.growth);
      out.headroom_bytes = std::min(out.headroom_bytes.value_or(bytes), bytes);
    }
    if (!reach->left) {
      unclear = std::move(reach);
    } else if (!first || *reach->left < *first->left) {
      first = std::move(reach);
    }
  }
  if (first) judge_reach(out, request, *first);
  if (unclear) {
    worsen(out, Verdict::unknown);
    if (!first || out.verdict == Verdict::unknown) {
      // The other limit would be an answer that may be too long.
      out.may_stay_down.reset();
      out.limited_by = unclear->name;
      out.reason = unclear->reason + "; how fast the log grows is not known yet";
    }
    out.findings.push_back(
        finding("retention.growth-unknown", Verdict::unknown,
                "how fast the source's log grows is not known", unclear->reason,
                "run this again in a minute or later: it compares with earlier runs"));
  }
  const bool no_limit = !first && !unclear;
  if (no_limit && facts.hidden.empty()) {
    if (limits.empty()) {
      judge_unlimited(out);
    } else {
      out.unlimited = true;
      out.limited_by = limits.front().name;
      out.reason = fmt::format("{}: nothing is written to the source's log", out.limited_by);
    }
  } else if (no_limit) {
    out.limited_by = facts.hidden.front().id;
    out.reason = facts.hidden.front().what;
  }
  if (out.may_stay_down) {
    out.purged_at = task.now + std::chrono::duration_cast<std::chrono::microseconds>(std::min(
                                   *out.may_stay_down, Seconds(std::chrono::hours(24 * 36500))));
  }
  return out;
}

RetentionRow retention_row(const RetentionReport& report, const TaskFacts& task) {
  RetentionRow row;
  row.at = task.now;
  row.verdict = to_string(report.verdict);
  if (report.may_stay_down) row.may_stay_down_s = report.may_stay_down->count();
  row.limited_by = report.limited_by;
  // What another server says belongs to no series of ours.
  if (report.verdict == Verdict::lost) return row;
  row.oldest = report.facts->oldest;
  row.oldest_time = report.facts->oldest_time;
  row.end = report.facts->end;
  row.kept_bytes = report.facts->kept_bytes;
  row.margin_bytes = report.facts->margin;
  row.written = since_last_run(*report.facts, task);
  return row;
}

RetentionReport unasked(const std::string& task, const Error& error) {
  RetentionReport out;
  out.task = task;
  out.limited_by = error.id();
  out.reason = error.summary();
  Finding why;
  why.id = error.id();
  why.severity = Severity::unknown;
  why.what = error.summary();
  why.why = error.why();
  why.fix = error.fix();
  out.findings.push_back(std::move(why));
  return out;
}

namespace {

/// What weir knows by itself of `task`, and of the lane of it that has the offset.
TaskFacts own_facts(const std::string& task, const StateStore::StoredOffset& offset,
                    const std::string& lane, bool running, StateStore& store) {
  TaskFacts out;
  out.name = task;
  out.running = running;
  out.offset = offset.offset;
  out.offset_stored = offset.stored;
  out.earlier = store.retention(task, kRuns);
  std::erase_if(out.earlier, [](const RetentionRow& run) { return run.verdict == kLost; });
  out.samples = store.samples(lane, kSamples);
  return out;
}

/// Asks the source that `part` reads as.
RetentionReport ask_source(const Task& part, const StateStore::StoredOffset& offset, TaskFacts& own,
                           const RetentionRequest& request, const OpenRetention& open) {
  std::optional<RetentionFacts> facts;
  try {
    Task bounded = part;
    bounded.source.patience = kRetentionPatience;
    // An offset of the full stage has no transaction: it was taken when it was stored, at the
    // latest.
    Offset asked = offset.offset;
    if (asked.source_time == Time{}) asked.source_time = offset.stored;
    facts = open(bounded)->retention(asked, offset.identity);
  } catch (const Error& error) {
    // What is wrong with the task file is nothing that the source would have said.
    if (error.code() == ExitCode::bug || error.code() == ExitCode::configuration) throw;
    RetentionReport out = unasked(own.name, error);
    out.running = own.running;
    out.offset = own.offset;
    return out;
  }
  if (!facts) {
    throw Error(
        ExitCode::unsupported, "retention.kind",
        fmt::format("a source of kind {} does not say how long it keeps its log", part.source.kind),
        "weir knows no way to ask it", "see weir kinds");
  }
  own.now = now();
  return judge_retention(request, *facts, own);
}

}  // namespace

RetentionReport check_retention(const Task& task, const RetentionRequest& request,
                                const OpenRetention& open, StateStore& store, Engine& engine) {
  const bool running = status(task.name, store, engine).engine.running;
  const auto offset = store.offset(task.name);
  if (!offset) {
    return unasked(task.name, Error(ExitCode::state_conflict, "retention.no-offset",
                                    fmt::format("task {} has no offset yet", task.name),
                                    "it has not come as far as taking a place in the source's log",
                                    fmt::format("weir sync status {}", task.name)));
  }
  TaskFacts own = own_facts(task.name, *offset, task.name, running, store);
  RetentionReport out = ask_source(task, *offset, own, request, open);
  if (out.facts) store.add_retention(task.name, retention_row(out, own));
  return out;
}

std::vector<RetentionReport> check_lanes(const Task& task, const RetentionRequest& request,
                                         const OpenRetention& open, StateStore& store,
                                         Engine& engine) {
  std::vector<RetentionReport> out;
  const bool running = engine.status(task.name).running;
  for (const LaneRow& lane : store.lanes(task.name)) {
    // What leaves is still with the others, and what was removed is missed by nobody.
    const bool reads = lane.state == LaneRow::State::planned ||
                       lane.state == LaneRow::State::running ||
                       lane.state == LaneRow::State::suspended;
    const std::string name = lane_name(task.name, lane.number);
    const auto offset = store.offset(name);
    if (!reads || !offset) continue;
    const bool moves = running && lane.state != LaneRow::State::suspended;
    TaskFacts own = own_facts(task.name, *offset, name, moves, store);
    RetentionReport& report =
        out.emplace_back(ask_source(side_lane(task, lane), *offset, own, request, open));
    report.task = name;
    report.tables = lane.tables;
    if (report.verdict <= Verdict::warning) continue;
    const std::string tables = names_text(lane.tables);
    Finding apart;
    apart.id = "retention.lane";
    apart.severity = report.verdict == Verdict::unknown ? Severity::unknown : Severity::critical;
    apart.what = fmt::format("{} {} at an offset of their own, which is {}", tables,
                             lane.state == LaneRow::State::suspended ? "wait" : "are",
                             report.verdict == Verdict::lost      ? "gone from the source's log"
                             : report.verdict == Verdict::unknown ? "not known to be kept"
                                                                  : "about to go");
    apart.why = "they catch up from there, and cannot without the log in between";
    apart.fix = report.verdict == Verdict::lost || lane.error_fix.empty()
                    ? fmt::format("weir reload-table {} {} --mode swap copies them anew", task.name,
                                  lane.tables.front().text())
                    : lane.error_fix;
    report.findings.push_back(std::move(apart));
  }
  return out;
}

}  // namespace weir::ops
