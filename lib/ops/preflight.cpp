// SPDX-License-Identifier: Apache-2.0
#include "ops/preflight.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "mapping/rules.h"

namespace weir::ops {
namespace {

/// Kinds of DDL that a task file may ask to have applied, and which weir cannot apply yet.
void check_ddl(const Task& task, std::vector<Finding>& findings) {
  const std::pair<const char*, DdlAction> actions[] = {
      {"create_table", task.ddl.create_table},
      {"drop_table", task.ddl.drop_table},
      {"rename_table", task.ddl.rename_table},
      {"add_column", task.ddl.add_column},
      {"drop_column", task.ddl.drop_column},
      {"alter_column", task.ddl.alter_column},
      {"other", task.ddl.other},
  };
  for (const auto& [name, action] : actions) {
    if (action != DdlAction::apply && action != DdlAction::stop_table) continue;
    const char* word = action == DdlAction::apply ? "apply" : "stop-table";
    Finding finding;
    finding.id = "task.ddl-unsupported";
    finding.severity = Severity::critical;
    finding.what = fmt::format("ddl.{} = \"{}\" is not supported", name, word);
    finding.why = "this version applies TRUNCATE only, and stops a task as a whole";
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

Mapping map_task(const Task& task, Source& source, const Target& target) {
  const std::vector<TableName> names = source.tables();
  std::vector<TableName> wanted;
  for (const SelectedTable& selected : select_tables(task, names)) wanted.push_back(selected.name);
  NameRules rules;
  rules.max_bytes = target.max_name_bytes();
  rules.refuse = [&target](std::string_view name) { return target.refuse_name(name); };
  MappingResult result = map_tables(task, source.describe(wanted), rules);
  for (TablePlan& plan : result.plans) target.plan_types(task, plan);
  Mapping out;
  out.plans = std::move(result.plans);
  out.findings = std::move(result.findings);
  std::set_difference(names.begin(), names.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(out.unmatched));
  return out;
}

Preflight preflight(const Task& task, Source& source, Target& target) {
  Preflight out;
  out.source_version = source.version();
  out.target_version = target.version();
  out.mapping = map_task(task, source, target);
  out.findings = out.mapping.findings;
  check_ddl(task, out.findings);
  out.recovered = target.recover(task.name);
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

Error refusal(const std::vector<Finding>& findings) {
  const auto is_critical = [](const Finding& f) { return f.severity == Severity::critical; };
  const auto first = std::find_if(findings.begin(), findings.end(), is_critical);
  const auto count = std::count_if(findings.begin(), findings.end(), is_critical);
  const std::string table = first->table.empty() ? "" : first->table + ": ";
  const std::string more =
      count > 1 ? fmt::format(" (and {} more; see `weir preflight`)", count - 1) : "";
  return Error(
      ExitCode::refused, first->id, table + first->what + more,
      first->evidence.empty() ? first->why : fmt::format("{} ({})", first->why, first->evidence),
      first->fix);
}

}  // namespace weir::ops
