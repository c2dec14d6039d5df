// SPDX-License-Identifier: Apache-2.0
#include "ops/preflight.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "mapping/ddl.h"
#include "mapping/rules.h"
#include "model/facts.h"
#include "ops/resume.h"
#include "target/plan.h"

namespace weir::ops {
namespace {

/// Longer than a catalogue of ten thousand tables needs.
constexpr std::chrono::seconds kAnswerPatience{60};

/// Kinds of DDL that a task file may ask to have applied, and which weir cannot apply.
void check_ddl(const Task& task, std::vector<Finding>& findings) {
  std::set<std::string_view> asked;
  for (const DdlSettings* settings : all_ddl_settings(task)) {
    for (const DdlKind& kind : ddl_kinds()) {
      if (settings->*kind.setting == DdlAction::apply && !kind.can_apply) asked.insert(kind.key);
    }
  }
  for (const std::string_view key : asked) {
    Finding finding;
    finding.id = "task.ddl-unsupported";
    finding.severity = Severity::critical;
    finding.what = fmt::format("ddl.{} = \"apply\" is not supported", key);
    finding.why = "what it changes, no row and no target shows";
    finding.fix = fmt::format("say ddl.{} = \"stop-table\", \"alert\" or \"ignore\"", key);
    findings.push_back(std::move(finding));
  }
  if (task.dirty.policy == DirtyPolicy::quarantine) {
    Finding finding;
    finding.id = "task.dirty-unsupported";
    finding.severity = Severity::critical;
    finding.what = "dirty.policy = \"quarantine\" is not supported";
    finding.why = "this version suspends the table of a row that the target refuses";
    finding.fix = "say dirty.policy = \"stop-table\"";
    findings.push_back(std::move(finding));
  }
}

/// The tables whose definition at the task's offset the target remembers.
std::map<TableName, const Table*> known_definitions(const std::optional<Recovered>& recovered) {
  std::map<TableName, const Table*> out;
  if (!recovered) return out;
  for (const TableProgress& table : recovered->tables) {
    if (table.definition) out.emplace(table.source, &*table.definition);
  }
  return out;
}

/// Facts of another task say nothing about this one.
void check_origin(const Task& task, const PreflightFacts& facts) {
  const bool same_kinds =
      facts.source_kind == task.source.kind && facts.target_kind == task.target.kind;
  if (facts.task == task.name && same_kinds) return;
  throw Error(ExitCode::configuration, "facts.other-task", "these facts are of another task",
              fmt::format("they were gathered for {} ({} to {}), and this is {} ({} to {})",
                          facts.task, facts.source_kind, facts.target_kind, task.name,
                          task.source.kind, task.target.kind),
              fmt::format("weir preflight {} --facts-out FILE gathers its own", task.name));
}

template <class T>
void append(std::vector<T>& to, std::vector<T> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

}  // namespace

SourceTables read_tables(const Task& task, Source& source,
                         const std::optional<Recovered>& recovered) {
  SourceTables out;
  out.history = recovered;
  const std::map<TableName, const Table*> known = known_definitions(recovered);
  // A running task works by the definitions that fit its offset, not by those of today; a table
  // may be gone meanwhile.
  const std::vector<TableName> visible = source.tables();
  std::set<TableName> names(visible.begin(), visible.end());
  for (const auto& [name, table] : known) names.insert(name);
  out.visible.assign(names.begin(), names.end());
  std::vector<TableName> unknown;
  for (const SelectedTable& selected : select_tables(task, out.visible)) {
    if (!known.contains(selected.name)) unknown.push_back(selected.name);
  }
  out.definitions = source.describe(unknown);
  return out;
}

Mapping map_tables(const Task& task, const SourceTables& tables, const Target& target) {
  std::map<TableName, const Table*> known;
  for (const Table& table : tables.definitions) known.emplace(table.name, &table);
  for (const auto& [name, table] : known_definitions(tables.history)) known[name] = table;
  std::vector<TableName> wanted;
  std::vector<Table> definitions;
  std::vector<Finding> lacking;
  for (const SelectedTable& selected : select_tables(task, tables.visible)) {
    wanted.push_back(selected.name);
    const auto at = known.find(selected.name);
    if (at == known.end()) {
      lacking.push_back(facts_lack(selected.name));
    } else {
      definitions.push_back(*at->second);
    }
  }
  MappingResult result = plan_tables(task, definitions, target);
  if (tables.history) {
    for (TablePlan& plan : result.plans) {
      const auto at =
          std::ranges::find(tables.history->tables, plan.source.name, &TableProgress::source);
      if (at != tables.history->tables.end() && at->definition) plan.since = at->since;
    }
  }
  Mapping out;
  out.plans = std::move(result.plans);
  out.findings = std::move(result.findings);
  append(out.findings, std::move(lacking));
  std::set_difference(tables.visible.begin(), tables.visible.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(out.unmatched));
  return out;
}

Mapping map_task(const Task& task, Source& source, const Target& target,
                 const std::optional<Recovered>& recovered) {
  return map_tables(task, read_tables(task, source, recovered), target);
}

Task with_patience(Task task) {
  task.source.patience = kAnswerPatience;
  task.target.patience = kAnswerPatience;
  return task;
}

PreflightFacts gather_facts(const Task& task, Source& source, Target& target,
                            const std::string& state_folder, StartFrom from) {
  PreflightFacts out;
  out.task = task.name;
  out.taken = now();
  out.source_kind = task.source.kind;
  out.target_kind = task.target.kind;
  out.source_version = source.version();
  out.target_version = target.version();
  out.surroundings = gather_surroundings(source, target, state_folder);
  const std::optional<Recovered> recovered =
      from == StartFrom::memory ? target.recover(task.name) : std::nullopt;
  out.tables = read_tables(task, source, recovered);
  const Mapping mapping = map_tables(task, out.tables, target);
  out.source = source.gather(task, mapping.plans, !recovered);
  // Target names that collide or do not exist would be judged twice.
  const std::span<const TablePlan> judged =
      refuses(mapping.findings) ? std::span<const TablePlan>() : mapping.plans;
  out.target = target.gather(task, judged, recovered);
  out.resume = resume_gap(task, source, target, recovered);
  return out;
}

Preflight judge_facts(const Task& task, const PreflightFacts& facts, const Source& source,
                      Target& target) {
  check_origin(task, facts);
  target.assume(facts.target);
  Preflight out;
  out.source_version = facts.source_version;
  out.target_version = facts.target_version;
  out.recovered = facts.tables.history;
  out.mapping = map_tables(task, facts.tables, target);
  out.findings = out.mapping.findings;
  check_ddl(task, out.findings);
  for (const Finding& finding : out.findings) out.binding.push_back(finding.id);
  append(out.findings, judge_surroundings(task, facts.surroundings));
  append(out.findings, source.judge(out.mapping.plans, facts.source));
  const std::span<const TablePlan> judged =
      refuses(out.mapping.findings) ? std::span<const TablePlan>() : out.mapping.plans;
  append(out.findings, target.judge(judged, facts.target));
  if (facts.resume) {
    out.findings.push_back(*facts.resume);
    out.binding.push_back(facts.resume->id);
  }
  return out;
}

std::vector<std::string> waive(Preflight& checked, std::span<const std::string> ids) {
  std::vector<std::string> unused;
  for (const std::string& id : ids) {
    if (std::ranges::find(checked.binding, id) != checked.binding.end()) {
      throw Error(ExitCode::refused, "preflight.not-waivable",
                  fmt::format("{} cannot be waived", id),
                  "the task would not run all the same, or lose changes in silence",
                  fmt::format("weir explain {} tells how to mend it", id));
    }
    bool is_found = false;
    for (Finding& finding : checked.findings) {
      if (finding.id != id) continue;
      finding.waived = true;
      is_found = true;
    }
    if (!is_found) unused.push_back(id);
  }
  return unused;
}

Preflight preflight(const Task& task, Source& source, Target& target,
                    const std::string& state_folder, StartFrom from) {
  return judge_facts(task, gather_facts(task, source, target, state_folder, from), source, target);
}

}  // namespace weir::ops
