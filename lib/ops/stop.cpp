// SPDX-License-Identifier: Apache-2.0
#include "ops/stop.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/time.h"
#include "mapping/task_file.h"

namespace weir::ops {
namespace {

RetentionReport ask(const std::string& task, const std::optional<Seconds>& planned,
                    const OpenSource& open, StateStore& store, Engine& engine) {
  RetentionRequest request;
  request.planned_stop = planned;
  RetentionReport out;
  try {
    const auto row = store.task(task);
    out = check_retention(read_task(row ? row->file : ""), request, open, store, engine);
  } catch (const Error& error) {
    // A task whose file is gone has to be stopped, too.
    if (error.code() == ExitCode::bug) throw;
    out = unasked(task, error);
  }
  out.planned_stop = planned;
  return out;
}

}  // namespace

std::optional<RetentionReport> ask_before_stop(const std::string& task,
                                               const std::optional<Seconds>& planned,
                                               const OpenSource& open, StateStore& store,
                                               Engine& engine) {
  const auto row = store.task(task);
  if (!row || row->state == TaskState::stopping || !store.offset(task)) return {};
  if (!engine.status(task).running) return {};
  return ask(task, planned, open, store, engine);
}

RetentionReport ask_after_stop(const RetentionReport& before, const OpenSource& open,
                               StateStore& store, Engine& engine) {
  // A server that gave no answer would be waited for once more.
  if (!before.facts) return before;
  RetentionReport out = ask(before.task, before.planned_stop, open, store, engine);
  return out.facts ? out : before;
}

std::optional<Finding> stop_refusal(const RetentionReport& report) {
  if (report.verdict <= Verdict::warning) return {};
  const bool unknown = report.verdict == Verdict::unknown;
  if (unknown && !report.planned_stop) return {};
  Finding out;
  out.id = "stop.retention";
  out.severity = Severity::critical;
  out.why = report.reason;
  const std::string waive =
      fmt::format("weir sync stop {} --accept-risk retention stops it all the same", report.task);
  if (report.verdict == Verdict::lost) {
    out.what = fmt::format(
        "task {} could not be started again: its offset is gone from the "
        "source's log",
        report.task);
    out.fix = "let it go on, if it does; " + waive;
    return out;
  }
  if (unknown) {
    out.what =
        fmt::format("it cannot be proved that task {} finds its offset again after a stop of {}",
                    report.task, format_duration(*report.planned_stop));
    const auto cause = std::ranges::find(report.findings, Severity::unknown, &Finding::severity);
    if (cause != report.findings.end()) {
      out.evidence = cause->id;
      out.fix = cause->fix + "; ";
    }
    out.fix += waive;
    return out;
  }
  const Seconds left = report.may_stay_down.value_or(Seconds::zero());
  out.what =
      left.count() <= 0
          ? fmt::format("task {} may not be stopped at all: its offset may go at any moment",
                        report.task)
          : fmt::format("task {} may stay stopped {} only", report.task, format_duration(left));
  if (report.planned_stop) {
    out.what += fmt::format("; the stop takes {}, and catching up {}",
                            format_duration(*report.planned_stop),
                            format_duration(report.catch_up.value_or(Seconds::zero())));
  }
  const auto cause = std::ranges::find(report.findings, "retention.short", &Finding::id);
  if (cause != report.findings.end()) out.fix = cause->fix + "; ";
  if (report.planned_stop) out.fix += "plan a shorter stop; ";
  out.fix += waive;
  return out;
}

void record_waiver(const std::string& task, const Finding& refused, StateStore& store) {
  store.add_event(task, {now(), "warning", "stop.retention-waived", "",
                         fmt::format("stopped with --accept-risk retention: {} ({})", refused.what,
                                     refused.why)});
}

}  // namespace weir::ops
