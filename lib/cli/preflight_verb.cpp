// SPDX-License-Identifier: Apache-2.0
#include "cli/preflight_verb.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/output.h"
#include "ops/preflight.h"
#include "ops/sync.h"

namespace weir::cli {
namespace {

std::vector<std::string> key_names(const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::uint32_t part : plan.key) names.push_back(plan.columns[part].name);
  return names;
}

std::string key_text(const Task& task, const TablePlan& plan) {
  if (plan.key.empty() && task.tables[plan.rule].key_all_columns) return "(all columns)";
  return join(key_names(plan), ", ");
}

/// What the rule does to the table beyond taking it: only what differs from a plain copy.
std::string notes(const Task& task, const TablePlan& plan) {
  const TableRule& rule = task.tables[plan.rule];
  std::vector<std::string> dropped;
  std::vector<std::string> renamed;
  std::vector<std::string> retyped;
  std::vector<std::string> added;
  for (const Column& column : plan.source.columns) {
    if (std::ranges::find(rule.drop, column.name) != rule.drop.end()) {
      dropped.push_back(column.name);
    }
  }
  for (const PlannedColumn& column : plan.columns) {
    if (column.added()) {
      added.push_back(column.name);
      continue;
    }
    const std::string& source = plan.source.columns[column.source].name;
    if (column.name != source) renamed.push_back(fmt::format("{} to {}", source, column.name));
    if (rule.retype.contains(source)) {
      retyped.push_back(fmt::format("{} to {}", source, column.target_type));
    }
  }
  std::vector<std::string> parts;
  const auto tell = [&parts](const char* verb, const std::vector<std::string>& names) {
    if (!names.empty()) parts.push_back(fmt::format("{} {}", verb, join(names, ", ")));
  };
  tell("dropped", dropped);
  tell("renamed", renamed);
  tell("retyped", retyped);
  tell("added", added);
  return join(parts, "; ");
}

std::string mapping_text(const Task& task, const ops::Mapping& mapping) {
  std::string out;
  if (!mapping.plans.empty()) {
    TextTable table(
        {{"RULE", TextTable::Align::right}, {"SOURCE"}, {"TARGET"}, {"KEY"}, {"COLUMNS"}});
    for (const TablePlan& plan : mapping.plans) {
      table.add({std::to_string(plan.rule + 1), plan.source.name.text(), plan.target.text(),
                 key_text(task, plan), notes(task, plan)});
    }
    out += table.text();
  }
  if (mapping.unmatched.empty()) return out;
  if (!out.empty()) out += '\n';
  out += "no rule takes:\n";
  for (const TableName& name : mapping.unmatched) out += fmt::format("  {}\n", name.text());
  return out;
}

Json mapping_json(const Task& task, const ops::Mapping& mapping) {
  Json out = Json::array();
  for (const TablePlan& plan : mapping.plans) {
    Json columns = Json::array();
    for (const PlannedColumn& column : plan.columns) {
      const Column* const source = column.added() ? nullptr : &plan.source.columns[column.source];
      columns.push_back({{"source", source == nullptr ? Json() : Json(source->name)},
                         {"target", column.name},
                         {"type", source == nullptr ? Json() : Json(source->type.native)},
                         {"target_type", column.target_type}});
    }
    out.push_back({{"source", plan.source.name.text()},
                   {"target", plan.target.text()},
                   {"rule", plan.rule + 1},
                   {"pattern", task.tables[plan.rule].match.text},
                   {"key", key_names(plan)},
                   {"key_all_columns", plan.key.empty() && task.tables[plan.rule].key_all_columns},
                   {"columns", std::move(columns)}});
  }
  return out;
}

/// "task shop, 12 tables: it would be refused; 2 critical, 1 warning".
std::string verdict(const Task& task, const ops::Preflight& checked, bool mapping_only) {
  std::string counts;
  for (const Severity severity :
       {Severity::critical, Severity::unknown, Severity::warning, Severity::info}) {
    const auto count = std::ranges::count(checked.findings, severity, &Finding::severity);
    if (count == 0) continue;
    counts += fmt::format("{}{} {}", counts.empty() ? "; " : ", ", count, to_string(severity));
  }
  const std::size_t tables = checked.mapping.plans.size();
  const char* const what = refuses(checked.findings) ? "it would be refused"
                           : mapping_only            ? "the mapping is sound"
                           : checked.recovered       ? "it can resume"
                                                     : "it can start";
  return fmt::format("task {}, {} {}: {}{}\n", task.name, tables, tables == 1 ? "table" : "tables",
                     what, counts);
}

/// Every check there is, for no task in particular.
ExitCode list_checks(Session& session, KindCatalogue kinds) {
  constexpr std::size_t kWidth = 79;
  constexpr std::size_t kIdColumn = 35;
  constexpr std::size_t kWhatColumn = kIdColumn + 10;
  Json checks = Json::array();
  std::string out;
  for (const CatalogueSection& section : whole_catalogue(kinds)) {
    std::string lines;
    for (const CatalogueRow& row : section.rows) {
      if (row.kind != IdKind::check) continue;
      checks.push_back(to_json(section, row));
      lines += wrap(fmt::format("  {:<{}}{:<{}}", row.id, kIdColumn - 2, to_string(row.severity),
                                kWhatColumn - kIdColumn),
                    row.what, kWhatColumn, kWidth);
    }
    if (lines.empty()) continue;
    out += fmt::format("{}{}\n{}", out.empty() ? "" : "\n",
                       session.terminal().paint(Stream::out, Style::bold, section.title), lines);
  }
  if (!session.json()) session.print(out);
  return session.answer(ExitCode::ok, {{"checks", std::move(checks)}});
}

void refuse_beside_list(const Session& session) {
  const std::string_view why = "--list shows every check there is, for no task in particular";
  if (!session.argument().empty()) {
    throw usage_error(session.verb().name, "usage.extra-argument",
                      fmt::format("'{}' is one argument too many", session.argument()),
                      std::string(why));
  }
  if (session.flag("mapping-only")) {
    throw usage_error(session.verb().name, "usage.bad-value",
                      "--mapping-only does not go with --list", std::string(why));
  }
}

}  // namespace

ExitCode preflight(Session& session, const Backends& backends, KindCatalogue kinds) {
  if (session.flag("list")) {
    refuse_beside_list(session);
    return list_checks(session, kinds);
  }
  if (session.argument().empty()) {
    throw usage_error(
        session.verb().name, "usage.missing-argument", "TASK is missing",
        fmt::format("weir preflight needs {}, or --list", session.verb().argument.meaning));
  }
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const Task task = ops::find_task(session.argument(), *store);
  session.set_task(task.name);
  const std::unique_ptr<Source> source = backends.open_source(task);
  // A target connects when it is asked something; names and types it knows by itself.
  const std::unique_ptr<Target> target = backends.open_target(task);
  const bool mapping_only = session.flag("mapping-only");

  ops::Preflight checked;
  if (mapping_only) {
    checked.source_version = source->version();
    checked.mapping = ops::map_task(task, *source, *target, std::nullopt);
    checked.findings = checked.mapping.findings;
  } else {
    checked = ops::preflight(task, *source, *target);
  }
  std::ranges::stable_sort(checked.findings, std::ranges::greater{}, &Finding::severity);

  if (!session.json() && mapping_only) {
    const std::string mapping = mapping_text(task, checked.mapping);
    session.print(mapping);
    if (!mapping.empty()) session.print("\n");
  }
  session.report(checked.findings, Stream::out);
  if (!session.json()) session.print(verdict(task, checked, mapping_only));

  Json unmatched = Json::array();
  for (const TableName& name : checked.mapping.unmatched) unmatched.push_back(name.text());
  return session.answer(refuses(checked.findings) ? ExitCode::refused : ExitCode::ok,
                        {{"mapping_only", mapping_only},
                         {"source_version", checked.source_version},
                         {"target_version", mapping_only ? Json() : Json(checked.target_version)},
                         {"resumes", mapping_only ? Json() : Json(checked.recovered.has_value())},
                         {"mapping", mapping_json(task, checked.mapping)},
                         {"unmatched", std::move(unmatched)}});
}

}  // namespace weir::cli
