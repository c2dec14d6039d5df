// SPDX-License-Identifier: Apache-2.0
#include "stage/ddl_record.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "base/exit_code.h"
#include "model/lane.h"

namespace weir {
namespace {

/// So much of a statement is kept.
constexpr std::size_t kKeptSql = std::size_t{64} << 10;
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

std::string policy_text(DdlAction action) {
  switch (action) {
    case DdlAction::apply:
      return "apply";
    case DdlAction::ignore:
      return "ignore";
    case DdlAction::alert:
      return "alert";
    case DdlAction::stop_table:
      return "stop-table";
    case DdlAction::stop_task:
      return "stop-task";
  }
  return "";
}

DdlRow::Outcome outcome_of(const std::string& policy) {
  if (policy == "ignore") return DdlRow::Outcome::ignored;
  if (policy == "alert") return DdlRow::Outcome::alerted;
  return DdlRow::Outcome::applied;
}

/// Whether the statement is what stands in the way, and not a server that went or another worker.
bool is_about_statement(const Error& error) {
  return error.code() == ExitCode::refused || error.code() == ExitCode::configuration ||
         error.code() == ExitCode::unsupported || error.code() == ExitCode::failed;
}

DdlRow::Outcome outcome_of(const std::string& policy, const Error& error) {
  if (policy == "apply" || policy == "ignore" || policy == "alert") return DdlRow::Outcome::failed;
  const bool table_alone = policy == "stop-table" || (policy.empty() && !error.table().empty());
  return table_alone ? DdlRow::Outcome::stopped_table : DdlRow::Outcome::stopped_task;
}

}  // namespace

DdlRecord::DdlRecord(const StageContext& context)
    : context_(context),
      root_(root_name(context.task.name)),
      lane_(root_ == context.task.name ? std::string() : context.task.name) {}

void DdlRecord::recover(std::span<const TablePlan> plans, const Offset& offset) {
  for (DdlRow& row : context_.store.ddl(root_, kAll, false)) {
    if (row.outcome != DdlRow::Outcome::begun || row.lane != lane_) continue;
    const bool ours = std::ranges::any_of(
        plans, [&](const TablePlan& plan) { return plan.source.name == row.table; });
    if (!ours || !context_.source.reached(offset, row.offset)) continue;
    row.outcome = outcome_of(row.policy);
    context_.store.put_ddl(root_, row);
  }
}

DdlRow DdlRecord::row_of(const std::string& kind, const TableName& table,
                         const Offset& offset) const {
  DdlRow row;
  row.at = now();
  row.table = table;
  row.lane = lane_;
  row.kind = kind;
  row.offset = offset;
  return row;
}

void DdlRecord::settle(const SchemaChange& change, const TableName& table, const Offset& offset,
                       const std::function<void()>& carry_out) {
  row_ = row_of(to_string(change.kind), table, offset);
  row_.source_time = change.time;
  row_.source_sql = change.sql.substr(0, kKeptSql);
  is_judged_ = false;
  try {
    carry_out();
  } catch (const Error& error) {
    if (is_about_statement(error)) {
      row_.outcome = outcome_of(row_.policy, error);
      row_.error_id = error.id();
      row_.error = error.what();
      row_.error_fix = error.fix();
      context_.store.add_ddl(root_, row_);
    }
    throw;
  }
  if (!is_judged_) return;
  row_.outcome = outcome_of(row_.policy);
  if (row_.outcome == DdlRow::Outcome::applied) {
    row_.duration_s = std::chrono::duration<double>(Clock::now() - judged_at_).count();
  }
  context_.store.add_ddl(root_, row_);
}

void DdlRecord::judged(DdlAction action) {
  row_.policy = policy_text(action);
  is_judged_ = true;
  judged_at_ = Clock::now();
  // One that is to stop something is thrown at once.
  if (action == DdlAction::stop_table || action == DdlAction::stop_task) return;
  context_.store.add_ddl(root_, row_);
}

void DdlRecord::done(const std::string& target_sql) { row_.target_sql = target_sql; }

void DdlRecord::truncates(const TablePlan& plan, Time time, const Offset& offset) {
  DdlRow row = row_of("truncate_table", plan.source.name, offset);
  row.source_time = time;
  row.source_sql = "TRUNCATE " + plan.source.name.text();
  row.target_sql =
      fmt::format("TRUNCATE {}, together with the rest of its transaction", plan.target.text());
  row.policy = policy_text(DdlAction::apply);
  context_.store.add_ddl(root_, row);
}

}  // namespace weir
