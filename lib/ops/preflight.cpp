// SPDX-License-Identifier: Apache-2.0
#include "ops/preflight.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "mapping/rules.h"
#include "target/plan.h"

namespace weir::ops {
namespace {

/// Kinds of DDL that a task file may ask to have applied, and which weir cannot apply.
void check_ddl(const Task& task, std::vector<Finding>& findings) {
  struct Row {
    const char* name;
    DdlAction action;
    bool applied;
  };
  const Row actions[] = {
      {"create_table", task.ddl.create_table, false},
      {"drop_table", task.ddl.drop_table, false},
      {"rename_table", task.ddl.rename_table, false},
      {"truncate_table", task.ddl.truncate_table, true},
      {"add_column", task.ddl.add_column, true},
      {"drop_column", task.ddl.drop_column, true},
      {"alter_column", task.ddl.alter_column, true},
      {"other", task.ddl.other, false},
  };
  for (const auto& [name, action, applied] : actions) {
    if (action != DdlAction::stop_table && (action != DdlAction::apply || applied)) continue;
    const char* word = action == DdlAction::apply ? "apply" : "stop-table";
    Finding finding;
    finding.id = "task.ddl-unsupported";
    finding.severity = Severity::critical;
    finding.what = fmt::format("ddl.{} = \"{}\" is not supported", name, word);
    finding.why = "weir applies TRUNCATE and changes of columns, and stops a task as a whole";
    finding.fix = fmt::format("say ddl.{} = \"stop-task\", \"alert\" or \"ignore\"", name);
    findings.push_back(std::move(finding));
  }
  if (task.dirty.policy == DirtyPolicy::quarantine) {
    Finding finding;
    finding.id = "task.dirty-unsupported";
    finding.severity = Severity::critical;
    finding.what = "dirty.policy = \"quarantine\" is not supported";
    finding.why = "this version stops at a row that the target refuses";
    finding.fix = "say dirty.policy = \"stop\"";
    findings.push_back(std::move(finding));
  }
}

template <class T>
void append(std::vector<T>& to, std::vector<T> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

}  // namespace

Mapping map_task(const Task& task, Source& source, const Target& target,
                 const std::optional<Recovered>& recovered) {
  // A running task works by the definitions that fit its offset, not by those of today; a table
  // may be gone meanwhile.
  std::map<TableName, const TableProgress*> known;
  if (recovered) {
    for (const TableProgress& table : recovered->tables) {
      if (table.definition) known.emplace(table.source, &table);
    }
  }
  const std::vector<TableName> visible = source.tables();
  std::set<TableName> names(visible.begin(), visible.end());
  for (const auto& [name, table] : known) names.insert(name);
  const std::vector<TableName> sorted(names.begin(), names.end());

  std::vector<TableName> wanted;
  std::vector<TableName> unknown;
  for (const SelectedTable& selected : select_tables(task, sorted)) {
    wanted.push_back(selected.name);
    if (!known.contains(selected.name)) unknown.push_back(selected.name);
  }
  std::vector<Table> described = source.describe(unknown);
  std::vector<Table> definitions;
  auto next = described.begin();
  for (const TableName& name : wanted) {
    const auto at = known.find(name);
    definitions.push_back(at == known.end() ? std::move(*next++) : *at->second->definition);
  }
  MappingResult result = plan_tables(task, definitions, target);
  for (TablePlan& plan : result.plans) {
    const auto at = known.find(plan.source.name);
    if (at != known.end()) plan.since = at->second->since;
  }
  Mapping out;
  out.plans = std::move(result.plans);
  out.findings = std::move(result.findings);
  std::set_difference(sorted.begin(), sorted.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(out.unmatched));
  return out;
}

Preflight preflight(const Task& task, Source& source, Target& target) {
  Preflight out;
  out.source_version = source.version();
  out.target_version = target.version();
  out.recovered = target.recover(task.name);
  out.mapping = map_task(task, source, target, out.recovered);
  out.findings = out.mapping.findings;
  check_ddl(task, out.findings);
  append(out.findings, source.preflight(task, out.mapping.plans, !out.recovered));
  // Target names that collide or do not exist would be judged twice.
  if (!refuses(out.mapping.findings)) {
    append(out.findings, target.preflight(task, out.mapping.plans, out.recovered));
  }
  if (out.recovered) {
    if (auto gap = source.can_resume(out.recovered->offset, out.recovered->source)) {
      if (gap->severity == Severity::critical) gap->fix += "; " + begin_anew(target, task.name);
      out.findings.push_back(std::move(*gap));
    }
  }
  return out;
}

}  // namespace weir::ops
