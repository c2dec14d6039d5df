// SPDX-License-Identifier: Apache-2.0
#include "stage/runner.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "mapping/rules.h"
#include "model/definition.h"
#include "model/lane.h"
#include "model/swap_name.h"
#include "stage/full.h"
#include "stage/heartbeat.h"
#include "stage/incremental.h"
#include "stage/schema.h"
#include "target/merge.h"
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

/// What the target remembers, or a new beginning if neither it nor the state file knows the task.
Recovered recover_or_start(const StageContext& context, std::span<TablePlan> plans) {
  const std::string& task = context.task.name;
  std::optional<Recovered> recovered = context.target.recover(task);
  const auto local = context.store.offset(task);
  const bool is_new = !recovered;
  const bool is_main = root_name(task) == task;
  if (is_new) {
    // A lane is forgotten to be copied anew.
    if (local && is_main) {
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
  context.store.put_offset(task, recovered->offset, recovered->source);
  context.store.add_offset(
      task, {now(), OffsetRow::Reason::start, recovered->offset, recovered->source, ""});
  return std::move(*recovered);
}

/// Tables without a key were copied from a snapshot each, whose place is known only now.
void set_since(std::span<TablePlan> plans, const Recovered& recovered) {
  for (TablePlan& plan : plans) {
    const auto progress =
        std::ranges::find(recovered.tables, plan.source.name, &TableProgress::source);
    if (progress != recovered.tables.end()) plan.since = progress->since;
  }
}

/// The plans for these definitions, by the rules of the lane.
std::vector<TablePlan> plan_lane(const StageContext& context, std::span<const Table> definitions) {
  MappingResult result = context.map(definitions);
  if (refuses(result.findings)) throw refusal(result.findings);
  return std::move(result.plans);
}

/// The plans for the tables that the target remembers by now, with the definitions that fit its
/// offset.
std::vector<TablePlan> plan_anew(const StageContext& context) {
  const Recovered recovered = *context.target.recover(context.task.name);
  std::vector<TableName> names;
  for (const TableProgress& table : recovered.tables) names.push_back(table.source);
  std::vector<Table> definitions;
  for (const SelectedTable& selected : select_tables(context.task, names)) {
    definitions.push_back(
        *std::ranges::find(recovered.tables, selected.name, &TableProgress::source)->definition);
  }
  std::vector<TablePlan> plans = plan_lane(context, definitions);
  set_since(plans, recovered);
  return plans;
}

/// The tables of a lane, as its offset has them or, where there is none yet, as they are now.
std::vector<Table> lane_definitions(const StageContext& context) {
  const std::optional<Recovered> recovered = context.target.recover(context.task.name);
  std::vector<TableName> unknown;
  std::vector<Table> out;
  for (const TableName& name : *context.task.only) {
    const TableProgress* known = nullptr;
    if (recovered) {
      const auto at = std::ranges::find(recovered->tables, name, &TableProgress::source);
      if (at != recovered->tables.end()) known = &*at;
    }
    if (known == nullptr) {
      unknown.push_back(name);
    } else {
      out.push_back(*known->definition);
    }
  }
  for (Table& table : context.source.describe(unknown)) out.push_back(std::move(table));
  return out;
}

/// Removes plans, and numbers the others anew; returns the names of those removed.
template <class Removes>
std::vector<TableName> take_out(std::vector<TablePlan>& plans, Removes&& removes) {
  std::vector<TableName> out;
  std::erase_if(plans, [&](const TablePlan& plan) {
    if (!removes(plan)) return false;
    out.push_back(plan.source.name);
    return true;
  });
  for (std::size_t i = 0; i < plans.size(); ++i) plans[i].id = static_cast<std::uint32_t>(i);
  return out;
}

/// Likewise what the target does not know.
std::vector<TableName> take_out_unknown(std::vector<TablePlan>& plans, const Recovered& recovered) {
  return take_out(plans, [&](const TablePlan& plan) {
    return std::ranges::find(recovered.tables, plan.source.name, &TableProgress::source) ==
           recovered.tables.end();
  });
}

/// First, so that nobody takes the last run's stage for this one.
void begin_stages(const StageContext& context) {
  context.store.set_stage(context.task.name, Stage::schema, "");
  context.store.set_state(context.task.name, TaskState::running, "");
}

/// Runs schema and full stage. The place where the source's log ended thereafter; empty if a stop
/// was requested.
Offset copy_tables(const StageContext& context, std::vector<TablePlan>& plans) {
  const std::string& task = context.task.name;
  run_schema_stage(context, plans);
  if (context.stop.requested()) return {};
  const Recovered recovered = *context.target.recover(task);
  take_out_unknown(plans, recovered);  // what was left out
  const bool copied = run_full_stage(context, plans, recovered);
  if (context.stop.requested()) return {};
  Offset log_end = context.source.log_end();
  if (copied || recovered.full_end.empty()) {
    context.target.full_loaded(task, log_end);
    context.event("info", "stage.full.done", "",
                  fmt::format("all rows are copied; the source is at {}", log_end.text));
  }
  return log_end;
}

/// Follows the log until somebody asks for an end. `meet` is called where the lane stands still,
/// with the applier closed, because its halt was asked for or a table was left out; true if the
/// lane is to go on.
template <class Meet>
IncrementalEnd follow_log(const StageContext& context, const Offset& log_end, Meet&& meet) {
  const std::string& task = context.task.name;
  while (true) {
    const std::vector<TablePlan> plans = plan_anew(context);
    std::unique_ptr<Applier> applier = context.target.open_applier(task, plans);
    IncrementalEnd end = IncrementalEnd::plans_changed;
    Offset failed_at;
    try {
      end = run_incremental_stage(context, plans, *context.target.recover(task), log_end, *applier,
                                  failed_at);
    } catch (const Error& error) {
      if (context.failed_at != nullptr) *context.failed_at = failed_at;
      if (!context.failures.can_leave_out(context.task, error)) throw;
      applier.reset();  // takes back what it has not committed
      context.failures.leave_out(context.task, error, failed_at);
      meet(IncrementalEnd::plans_changed);
      continue;
    }
    if (end == IncrementalEnd::stopped) return end;
    applier.reset();
    if (end == IncrementalEnd::halted && !meet(end)) return end;
  }
}

/// Whether the tables of a lane, which were copied beside others, are part of these by now.
bool is_merged(const StageContext& context) {
  const std::optional<Recovered> recovered = context.target.recover(context.task.name);
  return recovered && !recovered->tables.empty() &&
         std::ranges::none_of(recovered->tables, [](const TableProgress& table) {
           return swapped_name(table.target).has_value();
         });
}

/// What a crash behind a merge has left.
void drop_copies(const StageContext& context) {
  std::vector<TableName> targets;
  const Recovered recovered = *context.target.recover(context.task.name);
  for (const TableProgress& table : recovered.tables) targets.push_back(table.target);
  context.target.drop_beside(targets);
}

/// Merges the copies of a lane, which stands still. What one of them is in the way of, the others
/// need not wait for.
void merge_copies(const StageContext& context) {
  while (!is_merged(context)) {
    const std::vector<TablePlan> plans = plan_anew(context);
    // The lock of the lane's applier: what a worker that was killed has begun must have ended.
    const std::unique_ptr<Applier> applier = context.target.open_applier(context.task.name, plans);
    try {
      if (!is_merged(context)) applier->merge(plans);
    } catch (const Error& error) {
      if (!context.failures.can_leave_out(context.task, error)) throw;
      context.failures.leave_out(context.task, error, {});
    }
  }
  *context.merged = true;
  for (const TableName& table : *context.task.only) {
    context.event("info", "table.merged", table.text(),
                  "the new copy is part of the target table: rows that differed were written");
  }
}

}  // namespace

void run_task(const TaskContext& task, const LaneServers& servers, std::vector<TablePlan> plans) {
  Halt halt;
  Lanes lanes(task, halt, servers);
  Task rules = task.task;  // those of the main lane; others come as tables join it
  const StageContext context{rules,     task.source, task.target, task.store, task.meter,
                             task.stop, task.live,   halt,        lanes};
  const StageContext whole{task.task, task.source, task.target, task.store, task.meter,
                           task.stop, task.live,   halt,        lanes};
  register_tables(context, plans);
  recall_beat(whole);
  const Sampler sampler(whole);

  std::unique_ptr<Applier> fence = task.target.open_applier(task.task.name, plans);
  const Recovered recovered = recover_or_start(context, plans);
  lanes.recover(recovered);
  lanes.reselect(recovered);
  rules = lanes.rules();
  // A lane may have been asked for since the plans were made.
  take_out(plans, [&](const TablePlan& plan) { return rules.without.contains(plan.source.name); });
  if (!recovered.full_end.empty()) {
    const std::vector<TableName> added = take_out_unknown(plans, recovered);
    if (!added.empty()) lanes.add(added);
    register_tables(context, plans);
  }
  begin_stages(context);
  const HeartbeatWriter heartbeat(whole, !recovered.tables.empty());
  const Offset log_end = copy_tables(context, plans);
  if (log_end.empty()) return;
  fence.reset();

  rules = lanes.rules();
  lanes.run();
  follow_log(context, log_end, [&](IncrementalEnd end) {
    if (end == IncrementalEnd::halted) lanes.meet(task.target.recover(task.task.name)->offset);
    rules = lanes.rules();
    return true;
  });
}

bool run_side_lane(const StageContext& context) {
  std::unique_ptr<Applier> fence = context.target.open_applier(context.task.name, {});
  if (context.merged != nullptr && is_merged(context)) {
    *context.merged = true;
    drop_copies(context);
  }
  std::vector<TablePlan> plans = plan_lane(context, lane_definitions(context));
  for (const TablePlan& plan : plans) {
    if (context.merged == nullptr || !plan.key.empty()) continue;
    throw merge_refused(plan, "it has no key to find its rows by");
  }
  register_tables(context, plans);
  const Sampler sampler(context);
  recover_or_start(context, plans);
  begin_stages(context);
  const Offset log_end = copy_tables(context, plans);
  if (log_end.empty()) return false;
  fence.reset();
  const IncrementalEnd end = follow_log(context, log_end, [&](IncrementalEnd at) {
    if (at != IncrementalEnd::halted || context.merged == nullptr || *context.merged) return false;
    merge_copies(context);
    context.halt.take_back();
    return true;
  });
  return end == IncrementalEnd::halted;
}

}  // namespace weir
