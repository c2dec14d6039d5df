// SPDX-License-Identifier: Apache-2.0
#include "stage/runner.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "stage/full.h"
#include "stage/incremental.h"
#include "stage/schema.h"

namespace weir {
namespace {

/// Writes a sample a second for as long as it lives.
class Sampler {
 public:
  explicit Sampler(const StageContext& context) : context_(context), thread_([this] { run(); }) {}
  ~Sampler() {
    done_.request();
    thread_.join();
  }
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

 private:
  void run() {
    bool ended = false;
    bool was_idle = false;
    Clock::time_point next = Clock::now();
    while (!ended) {
      ended = done_.wait_for(std::chrono::milliseconds(50));
      // Whoever waits for a task to catch up should not wait for the next second as well.
      const bool idle = context_.meter.sample(now()).idle;
      if (!ended && Clock::now() < next && (!idle || was_idle)) continue;
      was_idle = idle;
      next = Clock::now() + std::chrono::seconds(1);
      try {
        context_.store.add_sample(context_.task.name, context_.meter.sample(now()));
      } catch (const Error&) {
        // A sample that could not be kept is not worth a task; writes that matter report it.
      }
    }
  }

  const StageContext& context_;
  StopRequest done_;
  std::thread thread_;
};

void register_tables(const StageContext& context, std::span<const TablePlan> plans) {
  const std::string& task = context.task.name;
  std::vector<TableName> names;
  std::vector<TableRow> rows = context.store.tables(task);
  for (const TablePlan& plan : plans) {
    names.push_back(plan.source.name);
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const TableRow& r) { return r.source == plan.source.name; });
    if (row == rows.end()) row = rows.insert(rows.end(), TableRow{});
    row->source = plan.source.name;
    row->target = plan.target;
    row->estimated_rows = plan.source.estimated_rows;
    for (StageState* state : {&row->schema, &row->full, &row->incremental}) {
      if (*state != StageState::done) *state = StageState::waiting;
    }
    row->incremental = StageState::waiting;
  }
  context.store.put_tables(task, rows);
  context.store.retain_tables(task, names);
}

Error refusal(const Finding& finding) {
  return Error(ExitCode::refused, finding.id, finding.what,
               finding.evidence.empty() ? finding.why : finding.why + " (" + finding.evidence + ")",
               finding.fix);
}

/// What the target remembers, or a new beginning if neither it nor the state file knows the task.
Recovered recover_or_start(const StageContext& context, std::span<const TablePlan> plans) {
  const std::string& task = context.task.name;
  std::optional<Recovered> recovered = context.target.recover(task);
  const auto local = context.store.offset(task);
  if (!recovered) {
    if (local) {
      throw Error(
          ExitCode::refused, "target.state-lost",
          fmt::format("the target no longer knows task {}", task),
          fmt::format(
              "the state file has it at offset {}, but the target's control tables are gone",
              local->offset.text),
          "restore the target with its control tables; to begin anew with empty target tables, "
          "give the "
          "task another name");
    }
    context.source.prepare(plans);
    const Identity identity = context.source.identity();
    const Offset start = context.source.start_offset();
    context.target.start(task, identity, start);
    context.event("info", "task.started", "",
                  fmt::format("the incremental stage will begin at {}", start.text));
    recovered = context.target.recover(task);
    if (!recovered) throw bug("the target forgot the task that it was just told of");
  } else if (!local) {
    context.event(
        "warning", "state.rebuilt", "",
        fmt::format("the local state file did not know this task; the target's offset {} wins",
                    recovered->offset.text));
  } else if (!(local->offset == recovered->offset)) {
    context.event("info", "offset.target-wins", "",
                  fmt::format("going on at the target's offset {}", recovered->offset.text));
  }
  if (const auto gap = context.source.can_resume(recovered->offset, recovered->source)) {
    if (gap->severity == Severity::critical) {
      Finding named = *gap;
      named.fix += "; " + begin_anew(context.target, task);
      throw refusal(named);
    }
    context.event("warning", gap->id, "", gap->what);
  }
  for (const TableProgress& table : recovered->tables) {
    const bool selected = std::any_of(plans.begin(), plans.end(), [&](const TablePlan& plan) {
      return plan.source.name == table.source;
    });
    if (selected) continue;
    context.event("warning", "table.not-selected", table.source.text(),
                  fmt::format("the task no longer selects this table; {} stays as it is",
                              table.target.text()));
  }
  context.store.put_offset(task, recovered->offset, recovered->source);
  return std::move(*recovered);
}

}  // namespace

void run_task(const StageContext& context, std::span<const TablePlan> plans) {
  const std::string& task = context.task.name;
  register_tables(context, plans);
  const Sampler sampler(context);

  const std::unique_ptr<Applier> applier = context.target.open_applier(task, plans);
  const Recovered recovered = recover_or_start(context, plans);
  context.store.set_stage(task, Stage::schema,
                          "");  // first, so that nobody takes the last run's stage for this one
  context.store.set_state(task, TaskState::running, "");

  run_schema_stage(context, plans);
  if (context.stop.requested()) return;

  const bool copied = run_full_stage(context, plans, *context.target.recover(task));
  if (context.stop.requested()) return;
  const Offset log_end = context.source.log_end();
  if (copied || recovered.full_end.empty()) {
    context.target.full_loaded(task, log_end);
    context.event("info", "stage.full.done", "",
                  fmt::format("all rows are copied; the source is at {}", log_end.text));
  }

  run_incremental_stage(context, plans, *context.target.recover(task), log_end, *applier);
}

}  // namespace weir
