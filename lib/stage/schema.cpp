// SPDX-License-Identifier: Apache-2.0
#include "stage/schema.h"

#include <fmt/format.h>

#include "base/error.h"

namespace weir {

void run_schema_stage(const StageContext& context, std::span<const TablePlan> plans) {
  const std::string& task = context.task.name;
  context.store.set_stage(task, Stage::schema, fmt::format("{} tables", plans.size()));
  context.meter.stage = Stage::schema;
  std::vector<TableRow> rows = context.store.tables(task);
  for (const TablePlan& plan : plans) {
    if (context.stop.requested()) return;
    for (TableRow& row : rows) {
      if (!(row.source == plan.source.name) || row.schema == StageState::done) continue;
      row.schema = StageState::running;
      context.store.put_tables(task, {&row, 1});
      try {
        context.target.ensure_table(task, plan);
      } catch (const Error& error) {
        row.schema = StageState::failed;
        row.schema_error = error.what();
        context.store.put_tables(task, {&row, 1});
        const Error named = error.of_table(plan.source.name.text());
        if (!context.failures.can_leave_out(context.task, named)) throw;
        context.failures.leave_out(context.task, named, {});
        continue;
      }
      row.schema = StageState::done;
      row.schema_error.clear();
      context.store.put_tables(task, {&row, 1});
    }
  }
  context.event("info", "stage.schema.done", "", fmt::format("{} tables are there", plans.size()));
}

}  // namespace weir
