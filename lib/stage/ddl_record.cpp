// SPDX-License-Identifier: Apache-2.0
#include "stage/ddl_record.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/error.h"
#include "base/exit_code.h"
#include "base/text.h"
#include "model/lane.h"

namespace weir {
namespace {

/// So much of a statement is kept.
constexpr std::size_t kKeptSql = std::size_t{64} << 10;

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

DdlRow::Outcome outcome_of(DdlAction action) {
  switch (action) {
    case DdlAction::apply:
      return DdlRow::Outcome::applied;
    case DdlAction::ignore:
      return DdlRow::Outcome::ignored;
    case DdlAction::alert:
      return DdlRow::Outcome::alerted;
    case DdlAction::stop_table:
      return DdlRow::Outcome::stopped_table;
    case DdlAction::stop_task:
      return DdlRow::Outcome::stopped_task;
  }
  return DdlRow::Outcome::applied;
}

bool stops(DdlRow::Outcome outcome) {
  return outcome == DdlRow::Outcome::stopped_table || outcome == DdlRow::Outcome::stopped_task;
}

/// What weighs most of what is done about the parts of a statement.
DdlAction heaviest(const std::map<SchemaChange::Kind, DdlAction>& actions) {
  for (const DdlAction action :
       {DdlAction::stop_task, DdlAction::stop_table, DdlAction::apply, DdlAction::alert}) {
    if (std::ranges::any_of(actions, [&](const auto& part) { return part.second == action; })) {
      return action;
    }
  }
  return DdlAction::ignore;
}

/// Whether the statement is what stands in the way, and not a server that went or another worker.
bool is_about_statement(const Error& error) {
  return error.code() == ExitCode::refused || error.code() == ExitCode::configuration ||
         error.code() == ExitCode::unsupported || error.code() == ExitCode::failed;
}

}  // namespace

DdlRecord::DdlRecord(const StageContext& context)
    : context_(context),
      root_(root_name(context.task.name)),
      lane_(root_ == context.task.name ? std::string() : context.task.name) {}

void DdlRecord::recover(std::span<const TablePlan> plans, const Offset& offset) {
  for (DdlRow& row : context_.store.unsettled_ddl(root_)) {
    const auto plan =
        std::ranges::find(plans, row.table, [](const TablePlan& p) { return p.source.name; });
    if (plan == plans.end()) continue;
    const bool copied = !plan->since.empty() && context_.source.reached(plan->since, row.offset);
    // A source may tell a statement at the place where its transaction begins.
    const bool passed = context_.source.reached(offset, row.offset) &&
                        (row.outcome == DdlRow::Outcome::begun || !(offset == row.offset));
    if (!copied && !passed) continue;
    if (row.outcome == DdlRow::Outcome::begun && !copied) {
      row.outcome = row.policy == "ignore"  ? DdlRow::Outcome::ignored
                    : row.policy == "alert" ? DdlRow::Outcome::alerted
                                            : DdlRow::Outcome::applied;
    } else {
      row.outcome = DdlRow::Outcome::resolved;
      row.resolved_at = now();
      row.resolution = copied ? "it came with a copy of the table" : "the offset is past it";
    }
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
      row_.outcome = is_judged_ && !stops(judgement_) ? DdlRow::Outcome::failed
                     : is_judged_                     ? judgement_
                     : error.table().empty()          ? DdlRow::Outcome::stopped_task
                                                      : DdlRow::Outcome::stopped_table;
      row_.error_id = error.id();
      row_.error = error.what();
      row_.error_fix = error.fix();
      context_.store.add_ddl(root_, row_);
    }
    throw;
  }
  if (!is_judged_) return;
  row_.outcome = judgement_;
  if (row_.outcome == DdlRow::Outcome::applied) {
    row_.duration_s = std::chrono::duration<double>(Clock::now() - judged_at_).count();
  }
  context_.store.add_ddl(root_, row_);
}

void DdlRecord::judged(DdlAction action) { judged(outcome_of(action), policy_text(action)); }

void DdlRecord::judged(const std::map<SchemaChange::Kind, DdlAction>& actions) {
  if (actions.empty()) return;
  const DdlAction heaviest_one = heaviest(actions);
  const bool alike =
      std::ranges::all_of(actions, [&](const auto& part) { return part.second == heaviest_one; });
  std::string policy = alike ? policy_text(heaviest_one) : std::string();
  for (const auto& [kind, action] : actions) {
    if (alike) break;
    if (!policy.empty()) policy += ", ";
    policy += fmt::format("{}: {}", to_string(kind), policy_text(action));
  }
  judged(outcome_of(heaviest_one), policy);
}

void DdlRecord::judged(DdlRow::Outcome outcome, const std::string& policy) {
  row_.policy = policy;
  judgement_ = outcome;
  is_judged_ = true;
  judged_at_ = Clock::now();
  // One that is to stop something is thrown at once.
  if (!stops(outcome)) context_.store.add_ddl(root_, row_);
}

void DdlRecord::done(const AlterResult& result) {
  row_.target_sql = result.target_sql;
  if (result.left_out.empty()) return;
  row_.error_id = "ddl.left-out";
  row_.error = join(result.left_out, "; ");
  if (result.target_sql.empty()) judgement_ = DdlRow::Outcome::ignored;
}

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
