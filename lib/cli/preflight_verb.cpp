// SPDX-License-Identifier: Apache-2.0
#include "cli/preflight_verb.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/time.h"
#include "base/user.h"
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/replace_file.h"
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
std::string verdict(const Task& task, const ops::Preflight& checked, bool refused,
                    bool mapping_only) {
  std::string counts;
  const auto tell = [&counts](auto count, std::string_view what) {
    if (count == 0) return;
    counts += fmt::format("{}{} {}", counts.empty() ? "; " : ", ", count, what);
  };
  for (const Severity severity :
       {Severity::critical, Severity::unknown, Severity::warning, Severity::info}) {
    tell(std::ranges::count_if(checked.findings,
                               [severity](const Finding& finding) {
                                 return finding.severity == severity && !finding.waived;
                               }),
         to_string(severity));
  }
  tell(std::ranges::count_if(checked.findings, &Finding::waived), "waived");
  const std::size_t tables = checked.mapping.plans.size();
  const char* const what = refused             ? "it would be refused"
                           : mapping_only      ? "the mapping is sound"
                           : checked.recovered ? "it can resume"
                                               : "it can start";
  return fmt::format("task {}, {} {}: {}{}\n", task.name, tables, tables == 1 ? "table" : "tables",
                     what, counts);
}

/// A choice of checks: ids, and groups of them.
class Choice {
 public:
  Choice(const Session& session, std::string_view option, KindCatalogue kinds) {
    for (const std::string& word : session.texts(option)) add(session, option, word, kinds);
  }

  bool empty() const { return ids_.empty() && groups_.empty(); }
  bool has(const Finding& finding) const {
    return ids_.contains(finding.id) || groups_.contains(finding.group);
  }
  std::vector<std::string> ids() const { return {ids_.begin(), ids_.end()}; }

 private:
  void add(const Session& session, std::string_view option, const std::string& word,
           KindCatalogue kinds) {
    if (const auto group = parse_group(word); group && option != "waive") {
      groups_.insert(*group);
      return;
    }
    const std::vector<CatalogueSection> catalogue = whole_catalogue(kinds);
    const CatalogueRow* const row = find_row(catalogue, word);
    if (row != nullptr && row->kind == IdKind::check) {
      ids_.insert(word);
      return;
    }
    std::vector<std::string_view> groups;
    for (const CheckGroup group : check_groups()) groups.push_back(to_string(group));
    std::vector<std::string_view> near = near_ids(catalogue, word);
    const std::string_view group = option == "waive" ? "" : suggest(word, groups);
    if (!group.empty()) near.insert(near.begin(), group);
    throw usage_error(
        session.verb().name, "usage.unknown-check",
        fmt::format("--{}: there is no check '{}'", option, word),
        option == "waive"
            ? "it takes the id of one check, as a finding shows it in brackets"
            : fmt::format("it takes the id of a check, or a group: {}", fmt::join(groups, ", ")),
        near.empty() ? std::string("weir preflight --list shows every check")
                     : fmt::format("did you mean {}", fmt::join(near, ", ")));
  }

  std::set<std::string> ids_;
  std::set<CheckGroup> groups_;
};

/// Findings by group, the gravest of each first.
void arrange(std::vector<Finding>& findings, KindCatalogue kinds) {
  const std::vector<CatalogueSection> catalogue = whole_catalogue(kinds);
  for (Finding& finding : findings) {
    if (const CatalogueRow* const row = find_row(catalogue, finding.id)) finding.group = row->group;
  }
  std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) {
    return a.group != b.group ? a.group < b.group : a.severity > b.severity;
  });
}

void print_by_group(Session& session, std::span<const Finding> findings) {
  for (std::size_t i = 0; i < findings.size();) {
    std::size_t end = i;
    while (end < findings.size() && findings[end].group == findings[i].group) ++end;
    if (!session.json()) {
      const std::string title =
          fmt::format("{}{}", i == 0 ? "" : "\n", to_string(findings[i].group));
      session.print(session.terminal().paint(Stream::out, Style::bold, title) + "\n");
    }
    session.report(findings.subspan(i, end - i), Stream::out);
    i = end;
  }
  if (!session.json() && !findings.empty()) session.print("\n");
}

std::string read_file(const std::string& path) {
  errno = 0;
  std::ostringstream text;
  if (const std::ifstream file(path, std::ios::binary); file && text << file.rdbuf()) {
    return std::move(text).str();
  }
  throw Error(ExitCode::configuration, "facts.unreadable", fmt::format("cannot read {}", path),
              std::generic_category().message(errno),
              "check the path: weir preflight TASK --facts-out FILE writes such a file");
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

/// In the history of the task, for whoever looks for a cause later.
void record_waivers(const Session& session, const ops::Preflight& checked) {
  std::set<std::string> ids;
  for (const Finding& finding : checked.findings) {
    if (finding.waived) ids.insert(finding.id);
  }
  if (ids.empty()) return;
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), false);
  for (const std::string& id : ids) {
    store->add_event(session.task(),
                     {now(), "warning", "task.waived", "",
                      fmt::format("{} waived {} for a preflight", user_name(), id)});
  }
}

Error bad_combination(const Session& session, std::string what, std::string why) {
  return usage_error(session.verb().name, "usage.bad-combination", std::move(what), std::move(why));
}

/// Options that mean nothing beside one another.
void refuse_combinations(const Session& session) {
  if (session.flag("list")) {
    const std::string why = "--list shows every check there is, for no task in particular";
    if (!session.argument().empty()) {
      throw usage_error(session.verb().name, "usage.extra-argument",
                        fmt::format("'{}' is one argument too many", session.argument()), why);
    }
    for (const char* const flag : {"mapping-only", "strict"}) {
      if (session.flag(flag)) {
        throw bad_combination(session, fmt::format("--{} does not go with --list", flag), why);
      }
    }
    for (const char* const option : {"only", "skip", "waive", "facts", "facts-out"}) {
      if (!session.texts(option).empty()) {
        throw bad_combination(session, fmt::format("--{} does not go with --list", option), why);
      }
    }
  }
  const bool reads = session.text("facts").has_value();
  const bool writes = session.text("facts-out").has_value();
  if (reads && writes) {
    throw bad_combination(session, "--facts-out does not go with --facts",
                          "the facts are in a file already, and no server is asked");
  }
  if (session.flag("mapping-only") && (reads || writes)) {
    throw bad_combination(
        session, fmt::format("--mapping-only does not go with --facts{}", writes ? "-out" : ""),
        "with it the target is not asked, and such a file holds both sides");
  }
}

}  // namespace

ExitCode preflight(Session& session, const Backends& backends, KindCatalogue kinds) {
  refuse_combinations(session);
  if (session.flag("list")) return list_checks(session, kinds);
  if (session.argument().empty()) {
    throw usage_error(
        session.verb().name, "usage.missing-argument", "TASK is missing",
        fmt::format("weir preflight needs {}, or --list", session.verb().argument.meaning));
  }
  const Choice only(session, "only", kinds);
  const Choice skip(session, "skip", kinds);
  const Choice waived(session, "waive", kinds);
  const std::unique_ptr<StateStore> store = open_state(session.state_folder(), true);
  const Task task = ops::with_patience(ops::find_task(session.argument(), *store));
  session.set_task(task.name);
  // Both connect when they are asked something; names and types a target knows by itself.
  const std::unique_ptr<Source> source = backends.open_source(task);
  const std::unique_ptr<Target> target = backends.open_target(task);
  const bool mapping_only = session.flag("mapping-only");

  ops::Preflight checked;
  std::optional<Time> taken;
  if (mapping_only) {
    checked.source_version = source->version();
    checked.mapping = ops::map_task(task, *source, *target, std::nullopt);
    checked.findings = checked.mapping.findings;
  } else {
    const auto file = session.text("facts");
    const ops::PreflightFacts facts =
        file ? ops::decode_facts(read_file(*file))
             : ops::gather_facts(task, *source, *target, session.state_folder());
    if (file) taken = facts.taken;
    if (const auto out = session.text("facts-out")) {
      replace_file(*out, ops::encode_facts(facts), 0600);
    }
    checked = ops::judge_facts(task, facts, *source, *target);
    for (const std::string& id : ops::waive(checked, waived.ids())) {
      session.say(fmt::format("--waive {}: nothing of that name was found", id));
    }
    if (store->task(task.name)) record_waivers(session, checked);
  }
  arrange(checked.findings, kinds);
  std::erase_if(checked.findings, [&](const Finding& finding) {
    return (!only.empty() && !only.has(finding)) || skip.has(finding);
  });
  const bool refused =
      refuses(checked.findings) ||
      (session.flag("strict") && std::ranges::any_of(checked.findings, [](const Finding& finding) {
         return finding.severity >= Severity::warning && !finding.waived;
       }));

  if (!session.json() && mapping_only) {
    const std::string mapping = mapping_text(task, checked.mapping);
    session.print(mapping);
    if (!mapping.empty()) session.print("\n");
  }
  if (taken)
    session.say(fmt::format("judged by facts of {}; no server was asked", to_rfc3339(*taken)));
  print_by_group(session, checked.findings);
  if (!session.json()) session.print(verdict(task, checked, refused, mapping_only));

  Json unmatched = Json::array();
  for (const TableName& name : checked.mapping.unmatched) unmatched.push_back(name.text());
  return session.answer(refused ? ExitCode::refused : ExitCode::ok,
                        {{"mapping_only", mapping_only},
                         {"strict", session.flag("strict")},
                         {"facts_taken", taken ? Json(to_rfc3339(*taken)) : Json()},
                         {"source_version", checked.source_version},
                         {"target_version", mapping_only ? Json() : Json(checked.target_version)},
                         {"resumes", mapping_only ? Json() : Json(checked.recovered.has_value())},
                         {"mapping", mapping_json(task, checked.mapping)},
                         {"unmatched", std::move(unmatched)}});
}

}  // namespace weir::cli
