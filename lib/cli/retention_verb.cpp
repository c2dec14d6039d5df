// SPDX-License-Identifier: Apache-2.0
#include "cli/retention_verb.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/replace_file.h"
#include "mapping/task_file.h"
#include "ops/lanes.h"
#include "ops/sync.h"
#include "store/state_store.h"

namespace weir::cli {
namespace {

using ops::RetentionReport;
using ops::Seconds;
using ops::Verdict;

struct Wish {
  ops::RetentionRequest request;
  std::string format;
  std::string output;
  bool all = false;
};

Wish read_wish(const Session& session) {
  const auto refuse = [&session](const char* id, std::string what, std::string why,
                                 std::string fix) {
    return usage_error(session.verb().name, id, std::move(what), std::move(why), std::move(fix));
  };
  Wish out;
  out.all = session.flag("all");
  out.format = session.text("format").value_or("text");
  if (session.flag("json")) out.format = "json";
  out.output = session.text("output").value_or("");
  if (out.all && !session.argument().empty()) {
    throw refuse("usage.bad-combination", "a task and --all are given",
                 "--all means every registered task", "leave out one of them");
  }
  if (!out.all && session.argument().empty()) {
    throw refuse("usage.missing-argument", "TASK is missing",
                 "it says which task to look at, and --all means every one",
                 "give the name of a task, or --all");
  }
  if (!out.output.empty() && out.format != "prometheus") {
    throw refuse("usage.bad-combination", fmt::format("--output does not go with {}", out.format),
                 "only the metrics of --format prometheus are written to a file",
                 "add --format prometheus, or redirect standard output");
  }
  if (session.text("output") && out.output.empty()) {
    throw refuse("usage.bad-value", "--output is empty", "it names a file", "");
  }
  if (const auto stop = session.duration("planned-stop")) out.request.planned_stop = *stop;
  if (const auto limit = session.duration("warning")) out.request.warning = *limit;
  if (const auto limit = session.duration("critical")) out.request.critical = *limit;
  if (out.request.critical > out.request.warning) {
    throw refuse("usage.bad-value", "--critical is longer than --warning",
                 "what is critical would never be a warning before",
                 "give --warning the longer one of the two");
  }
  if (const auto text = session.text("disk-budget")) {
    std::uint64_t bytes = 0;
    if (!parse_size(*text, bytes) || bytes == 0) {
      throw refuse("usage.bad-value", fmt::format("--disk-budget cannot be '{}'", *text),
                   "it takes a size such as 500MB, 50GB or 200GiB", "");
    }
    out.request.disk_budget = bytes;
  }
  return out;
}

/// Held for as long as this run lasts; the kernel gives it up with the process.
UniqueFd take_lock(const std::string& folder, const std::string& task) {
  const std::string path =
      fmt::format("{}/check-retention{}{}.lock", folder, task.empty() ? "" : ".", task);
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) {
    throw Error(ExitCode::failed, "state.io", "cannot open " + path, std::strerror(errno),
                "run as the owner of the state folder, or give --state-dir");
  }
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  throw Error(
      ExitCode::state_conflict, "retention.running",
      task.empty() ? std::string("another check-retention --all runs already")
                   : fmt::format("another check-retention of task {} runs already", task),
      "it may be waiting for a server that does not answer",
      "let it end: each server has a limit of time; run it less often if this happens again");
}

Json seconds_or_null(const std::optional<Seconds>& span) {
  return span ? Json(std::floor(span->count())) : Json();
}
template <class Number>
Json or_null(const std::optional<Number>& value) {
  return value ? Json(*value) : Json();
}
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json time_or_null(Time time) { return time == Time{} ? Json() : Json(to_rfc3339(time)); }
Json rate_or_null(const std::optional<double>& rate) {
  return rate ? Json(std::llround(*rate * 3600)) : Json();
}

Json report_json(const RetentionReport& report) {
  Json tables = Json::array();
  for (const TableName& table : report.tables) tables.push_back(table.text());
  Json out{{"task", report.task},
           {"tables", report.tables.empty() ? Json() : std::move(tables)},
           {"verdict", to_string(report.verdict)},
           {"running", report.running},
           {"may_stay_down_s", seconds_or_null(report.may_stay_down)},
           {"unlimited", report.unlimited},
           {"purged_at", report.purged_at ? Json(to_rfc3339(*report.purged_at)) : Json()},
           {"limited_by", text_or_null(report.limited_by)},
           {"reason", text_or_null(report.reason)},
           {"headroom_bytes", or_null(report.headroom_bytes)},
           {"margin_bytes", report.facts ? or_null(report.facts->margin) : Json()},
           {"margin_s", seconds_or_null(report.margin)},
           {"window_s", seconds_or_null(report.window)},
           {"growth_bytes_per_h", rate_or_null(report.growth)},
           {"growth_recent_bytes_per_h", rate_or_null(report.growth_recent)},
           {"growth_server_bytes_per_h", rate_or_null(report.growth_server)},
           {"growth_before_bytes_per_h", rate_or_null(report.growth_before)},
           {"trend", text_or_null(report.trend)},
           {"planned_stop_s", seconds_or_null(report.planned_stop)},
           {"catch_up_s", seconds_or_null(report.catch_up)},
           {"catch_up_measured", report.catch_up ? Json(report.catch_up_is_measured) : Json()},
           {"offset", text_or_null(report.offset.text)},
           {"offset_time", time_or_null(report.offset.source_time)}};
  Json policy = Json::array();
  if (report.facts) {
    const RetentionFacts& facts = *report.facts;
    for (const RetentionSetting& one : facts.policy) {
      policy.push_back({{"name", one.name}, {"value", one.value}});
    }
    out["behind_bytes"] = or_null(facts.behind);
    out["kept_bytes"] = or_null(facts.kept_bytes);
    out["files"] = or_null(facts.file_count);
    out["oldest"] = text_or_null(facts.oldest);
    out["oldest_time"] = time_or_null(facts.oldest_time);
    out["source_time"] = time_or_null(facts.server_now);
    out["clock_ahead_s"] = std::round(facts.clock_ahead.count() * 1000) / 1000;
    out["clock_error_s"] = std::round(facts.clock_error.count() * 1000) / 1000;
  }
  out["policy"] = std::move(policy);
  Json findings = Json::array();
  for (const Finding& finding : report.findings) findings.push_back(to_json(finding));
  out["findings"] = std::move(findings);
  return out;
}

std::string bytes_text(const std::optional<std::uint64_t>& bytes) {
  return bytes ? format_bytes(*bytes) : "unknown";
}

std::string rate_text(double bytes_per_second) {
  return fmt::format("{}/h", format_bytes(static_cast<std::uint64_t>(bytes_per_second * 3600)));
}

/// "may stay stopped 6 d 23 h, until 2026-...".
std::string answer_text(const RetentionReport& report) {
  if (report.verdict == Verdict::lost) return "its offset is gone";
  if (report.unlimited) return "may stay stopped without a limit that is known";
  if (!report.may_stay_down) return "nobody knows how long it may stay stopped";
  std::string out = fmt::format("may stay stopped {}", format_duration(*report.may_stay_down));
  if (report.purged_at) out += ", until " + to_rfc3339(*report.purged_at);
  return out;
}

/// Of the task, and of each lane that has an offset of its own.
void check(const std::string& file, const Wish& wish, const Backends& backends, StateStore& store,
           Engine& engine, std::vector<RetentionReport>& out) {
  const Task task = read_task(file);
  out.push_back(ops::check_retention(task, wish.request, backends.open_source, store, engine));
  for (RetentionReport& lane :
       ops::check_lanes(task, wish.request, backends.open_source, store, engine)) {
    out.push_back(std::move(lane));
  }
}

/// Plain in a label of Nagios and of Prometheus: a task's name has letters, digits, - and _ only,
/// and a lane's a slash.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
    if (c == '|') c = '/';
  }
  return text;
}

}  // namespace

std::string retention_text(const RetentionReport& report, const Terminal& terminal) {
  const Style style = report.verdict == Verdict::ok        ? Style::green
                      : report.verdict == Verdict::warning ? Style::yellow
                      : report.verdict == Verdict::unknown ? Style::magenta
                                                           : Style::red;
  std::string out = fmt::format("{}: {}, {}\n", report.task,
                                terminal.paint(Stream::out, style, to_string(report.verdict)),
                                answer_text(report));
  const auto line = [&out](const char* label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<13} {}\n", label, text);
  };
  if (!report.tables.empty()) line("tables", ops::names_text(report.tables));
  if (report.limited_by.empty() || report.reason.starts_with(report.limited_by)) {
    line("because", report.reason);
  } else {
    line("because", fmt::format("{}: {}", report.limited_by, report.reason));
  }
  if (report.planned_stop) {
    line("planned stop",
         fmt::format("{}, and {} to catch up ({})", format_duration(*report.planned_stop),
                     format_duration(report.catch_up.value_or(Seconds::zero())),
                     report.catch_up_is_measured ? "by the task's own rates"
                                                 : "taken to be as long: no rates were measured"));
  }
  if (report.facts) {
    const RetentionFacts& facts = *report.facts;
    std::string policy;
    for (const RetentionSetting& one : facts.policy) {
      policy += fmt::format("{}{} = {}", policy.empty() ? "" : ", ", one.name, one.value);
    }
    line("policy", policy);
    std::string log = fmt::format("{} kept", bytes_text(facts.kept_bytes));
    if (facts.file_count) log += fmt::format(" in {} files", *facts.file_count);
    if (!facts.oldest.empty()) log += ", from " + facts.oldest;
    if (report.window) log += fmt::format(", {} back", format_duration(*report.window));
    line("log", log);
    std::string offset = report.offset.text;
    offset += fmt::format("; {} behind the end, {} after where the log begins",
                          bytes_text(facts.behind), bytes_text(facts.margin));
    line("offset", offset);
    if (report.growth) {
      std::string growth = rate_text(*report.growth);
      if (report.growth_recent)
        growth += fmt::format(", last day {}", rate_text(*report.growth_recent));
      if (!report.trend.empty()) {
        growth +=
            fmt::format(", week before {}: {}", rate_text(*report.growth_before), report.trend);
      }
      line("growth", growth);
    }
    if (std::abs(facts.clock_ahead.count()) >= 1) {
      line("clock", fmt::format("the source's is {} {}",
                                format_duration(std::chrono::abs(facts.clock_ahead)),
                                facts.clock_ahead.count() > 0 ? "ahead" : "behind"));
    }
  }
  for (const Finding& finding : report.findings) {
    out += finding_text(terminal, Stream::out, finding);
  }
  return out;
}

int nagios_code(std::span<const RetentionReport> reports) {
  int code = 0;
  for (const RetentionReport& report : reports) {
    const int one = report.verdict == Verdict::ok        ? 0
                    : report.verdict == Verdict::warning ? 1
                    : report.verdict == Verdict::unknown ? 3
                                                         : 2;
    // Critical is what somebody has to be woken for, whatever is unknown beside it.
    if (code != 2 && (one == 2 || one > code)) code = one;
  }
  return code;
}

std::string retention_nagios(std::span<const RetentionReport> reports,
                             const ops::RetentionRequest& request) {
  constexpr const char* kNames[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  std::vector<const RetentionReport*> worst;
  for (const RetentionReport& report : reports) worst.push_back(&report);
  std::ranges::stable_sort(worst, std::ranges::greater{}, &RetentionReport::verdict);
  std::string head;
  std::string details;
  for (const RetentionReport* const report : worst) {
    const std::string line = one_line(fmt::format("{}: {}", report->task, answer_text(*report)));
    if (head.empty()) head = line;
    details +=
        fmt::format("{} {}: {}\n", to_string(report->verdict), line, one_line(report->reason));
  }
  if (reports.empty()) head = "no tasks are registered";
  if (reports.size() > 1) head += fmt::format(" ({} tasks)", reports.size());
  std::string data;
  for (const RetentionReport& report : reports) {
    if (report.may_stay_down) {
      data += fmt::format(" '{}_may_stay_down'={:.0f}s;{:.0f}:;{:.0f}:;0;", report.task,
                          report.may_stay_down->count(), request.warning.count(),
                          request.critical.count());
    }
    if (report.facts && report.facts->margin) {
      data += fmt::format(" '{}_margin'={}B;;;0;", report.task, *report.facts->margin);
    }
    if (report.facts && report.facts->behind) {
      data += fmt::format(" '{}_behind'={}B;;;0;", report.task, *report.facts->behind);
    }
  }
  return fmt::format("RETENTION {} - {}{}{}\n{}", kNames[nagios_code(reports)], head,
                     data.empty() ? "" : " |", data, details);
}

std::string retention_prometheus(std::span<const RetentionReport> reports, Time at) {
  std::string out;
  const auto gauge = [&](const char* name, const char* help, auto&& value_of) {
    std::string lines;
    for (const RetentionReport& report : reports) {
      const std::optional<double> value = value_of(report);
      if (!value) continue;
      lines += std::isinf(*value)
                   ? fmt::format("{}{{task=\"{}\"}} +Inf\n", name, report.task)
                   : fmt::format("{}{{task=\"{}\"}} {:.15g}\n", name, report.task, *value);
    }
    if (!lines.empty())
      out += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n{2}", name, help, lines);
  };
  using Number = std::optional<double>;
  const auto bytes = [](const std::optional<std::uint64_t>& value) {
    return value ? Number(static_cast<double>(*value)) : Number();
  };
  const auto span = [](const std::optional<Seconds>& value) {
    return value ? Number(value->count()) : Number();
  };
  if (!reports.empty()) {
    constexpr const char* kName = "weir_retention_verdict";
    out += fmt::format(
        "# HELP {0} 1 for the verdict that holds, 0 for the others.\n# TYPE {0} gauge\n", kName);
    for (const RetentionReport& report : reports) {
      for (const Verdict verdict :
           {Verdict::ok, Verdict::warning, Verdict::unknown, Verdict::critical, Verdict::lost}) {
        out += fmt::format("{}{{task=\"{}\",verdict=\"{}\"}} {}\n", kName, report.task,
                           to_string(verdict), report.verdict == verdict ? 1 : 0);
      }
    }
  }
  gauge("weir_retention_may_stay_down_seconds",
        "How long the task may stay stopped from now on; absent if unknown.",
        [&](const RetentionReport& report) {
          return report.unlimited ? Number(HUGE_VAL) : span(report.may_stay_down);
        });
  gauge("weir_retention_headroom_bytes", "What may still be written before the offset goes.",
        [&](const RetentionReport& report) { return bytes(report.headroom_bytes); });
  gauge("weir_retention_margin_bytes", "Log between its oldest place and the offset.",
        [&](const RetentionReport& report) {
          return report.facts ? bytes(report.facts->margin) : Number();
        });
  gauge("weir_retention_margin_seconds", "Time between the oldest place of the log and the offset.",
        [&](const RetentionReport& report) { return span(report.margin); });
  gauge("weir_retention_behind_bytes", "Log between the offset and its end.",
        [&](const RetentionReport& report) {
          return report.facts ? bytes(report.facts->behind) : Number();
        });
  gauge("weir_retention_kept_bytes", "Log that the source keeps.",
        [&](const RetentionReport& report) {
          return report.facts ? bytes(report.facts->kept_bytes) : Number();
        });
  gauge("weir_retention_growth_bytes_per_second", "How fast the log grows.",
        [](const RetentionReport& report) { return report.growth; });
  gauge("weir_retention_clock_ahead_seconds", "The source's clock, compared with weir's.",
        [](const RetentionReport& report) {
          return report.facts ? Number(report.facts->clock_ahead.count()) : Number();
        });
  constexpr const char* kLast = "weir_check_retention_last_success_timestamp_seconds";
  out +=
      fmt::format("# HELP {0} When check-retention ran last.\n# TYPE {0} gauge\n{0} {1}\n", kLast,
                  std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count());
  return out;
}

ExitCode check_retention(Session& session, const Backends& backends) {
  const Wish wish = read_wish(session);
  const std::string folder = session.state_folder();
  // Before a state folder is made for a task that nobody knows.
  std::vector<std::pair<std::string, std::string>> tasks;  // name and file
  {
    const std::unique_ptr<StateStore> known = open_state(folder, true);
    if (wish.all) {
      for (const TaskRow& row : known->tasks()) tasks.emplace_back(row.name, row.file);
    } else {
      const Task task = ops::find_task(session.argument(), *known);
      session.set_task(task.name);
      ops::status(task.name, *known, *backends.open_engine(folder));
      tasks.emplace_back(task.name, task.file);
    }
  }
  std::vector<RetentionReport> reports;
  if (!tasks.empty()) {
    const UniqueFd lock = take_lock(folder, wish.all ? "" : tasks.front().first);
    const std::unique_ptr<StateStore> store = open_state(folder, false);
    const std::unique_ptr<Engine> engine = backends.open_engine(folder);
    for (const auto& [name, file] : tasks) {
      try {
        check(file, wish, backends, *store, *engine, reports);
      } catch (const Error& error) {
        // One broken task file must not hide what there is to say of the others.
        if (!wish.all || error.code() == ExitCode::bug) throw;
        reports.push_back(ops::unasked(name, error));
      }
    }
  }

  const bool healthy = std::ranges::all_of(
      reports, [](const RetentionReport& report) { return report.verdict <= Verdict::warning; });
  const ExitCode code = healthy ? ExitCode::ok : ExitCode::refused;
  if (wish.format == "nagios") {
    session.print(retention_nagios(reports, wish.request));
    return static_cast<ExitCode>(nagios_code(reports));
  }
  if (wish.format == "prometheus") {
    const std::string metrics = retention_prometheus(reports, now());
    if (wish.output.empty()) {
      session.print(metrics);
    } else {
      replace_file(wish.output, metrics, 0644);  // a collector of another user reads it
    }
    return code;
  }
  if (wish.format == "text") {
    for (const RetentionReport& report : reports) {
      session.print(retention_text(report, session.terminal()));
    }
    if (reports.empty()) session.say("no tasks are registered");
    return code;
  }
  Json list = Json::array();
  for (const RetentionReport& report : reports) list.push_back(report_json(report));
  return session.answer(code, {{"tasks", std::move(list)}});
}

}  // namespace weir::cli
