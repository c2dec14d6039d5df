// SPDX-License-Identifier: Apache-2.0
#include "stage/runner.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "model/definition.h"
#include "stage/full.h"
#include "stage/heartbeat.h"
#include "stage/incremental.h"
#include "stage/schema.h"
#include "target/plan.h"

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

/// The plans were made before an offset was taken. A definition that is still the same afterwards
/// is the one at that offset, too.
void check_definitions(const StageContext& context, std::span<const TablePlan> plans) {
  std::vector<TableName> names;
  for (const TablePlan& plan : plans) names.push_back(plan.source.name);
  const std::vector<Table> tables = context.source.describe(names);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (encode_definition(tables[i]) == encode_definition(plans[i].source)) continue;
    throw Error(ExitCode::failed, "source.definition-moved",
                fmt::format("{} changed while the task was being started", names[i].text()),
                "its definition must be known at the place where the change log is read from",
                "nothing was done yet; start the task again");
  }
}

/// Tables that joined the task since it was started: their changes count from where the source is
/// now, which the copy that follows is sure to show.
void place_new_tables(const StageContext& context, std::span<TablePlan> plans,
                      const Recovered& recovered) {
  std::vector<TablePlan*> added;
  for (TablePlan& plan : plans) {
    const bool known =
        std::any_of(recovered.tables.begin(), recovered.tables.end(),
                    [&](const TableProgress& t) { return t.source == plan.source.name; });
    if (!known) added.push_back(&plan);
  }
  if (added.empty()) return;
  const Offset since = context.source.start_offset();
  std::vector<TablePlan> copies;
  for (TablePlan* plan : added) {
    plan->since = since;
    copies.push_back(*plan);
  }
  check_definitions(context, copies);
}

/// What the target remembers, or a new beginning if neither it nor the state file knows the task.
Recovered recover_or_start(const StageContext& context, std::span<TablePlan> plans) {
  const std::string& task = context.task.name;
  std::optional<Recovered> recovered = context.target.recover(task);
  const auto local = context.store.offset(task);
  const bool is_new = !recovered;
  if (is_new) {
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
    check_definitions(context, plans);
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
      add_copies(context.target, task, named);
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
  if (!is_new) place_new_tables(context, plans, *recovered);
  context.store.put_offset(task, recovered->offset, recovered->source);
  context.store.add_offset(
      task, {now(), OffsetRow::Reason::start, recovered->offset, recovered->source, ""});
  return std::move(*recovered);
}

/// Tables without a key were copied from a snapshot each, whose place is known only now.
void set_since(std::span<TablePlan> plans, const Recovered& recovered) {
  for (TablePlan& plan : plans) {
    const auto progress =
        std::find_if(recovered.tables.begin(), recovered.tables.end(),
                     [&](const TableProgress& table) { return table.source == plan.source.name; });
    if (progress != recovered.tables.end()) plan.since = progress->since;
  }
}

/// The plans for the definitions that the target remembers by now, in the same order.
std::vector<TablePlan> plan_anew(const StageContext& context, std::span<const TablePlan> plans) {
  const Recovered recovered = *context.target.recover(context.task.name);
  std::vector<Table> definitions;
  std::vector<Offset> since;
  for (const TablePlan& plan : plans) {
    const auto known =
        std::find_if(recovered.tables.begin(), recovered.tables.end(),
                     [&](const TableProgress& t) { return t.source == plan.source.name; });
    if (known == recovered.tables.end()) throw bug("the target forgot a table of a running task");
    definitions.push_back(*known->definition);
    since.push_back(known->since);
  }
  MappingResult result = plan_tables(context.task, definitions, context.target);
  if (refuses(result.findings)) throw refusal(result.findings);
  for (std::size_t i = 0; i < since.size(); ++i) result.plans[i].since = since[i];
  return std::move(result.plans);
}

}  // namespace

void run_task(const StageContext& context, std::vector<TablePlan> plans) {
  const std::string& task = context.task.name;
  register_tables(context, plans);
  recall_beat(context);
  const Sampler sampler(context);

  std::unique_ptr<Applier> applier = context.target.open_applier(task, plans);
  const Recovered recovered = recover_or_start(context, plans);
  context.store.set_stage(task, Stage::schema,
                          "");  // first, so that nobody takes the last run's stage for this one
  context.store.set_state(task, TaskState::running, "");
  const HeartbeatWriter heartbeat(context, !recovered.tables.empty());

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

  set_since(plans, *context.target.recover(task));
  while (run_incremental_stage(context, plans, *context.target.recover(task), log_end, *applier) ==
         IncrementalEnd::plans_changed) {
    applier.reset();  // it works by the plans that are about to go
    plans = plan_anew(context, plans);
    applier = context.target.open_applier(task, plans);
  }
}

}  // namespace weir
