// SPDX-License-Identifier: Apache-2.0
#include "mapping/rules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "mapping/pattern.h"
#include "model/lane.h"

namespace weir {
namespace {

/// What the names of the task's own tables in target.control_schema begin with.
constexpr std::string_view kOwnPrefix = "weir_";

constexpr std::uint16_t kAddedTimePrecision = 6;

/// The patterns of one rule, ready to match.
class Matcher {
 public:
  explicit Matcher(const TableRule& rule) : match_(rule.match) {
    for (const Pattern& pattern : rule.exclude) exclude_.emplace_back(pattern);
  }

  bool takes(const TableName& name, std::vector<std::string>& groups) const {
    return match_.matches(name, groups) &&
           std::none_of(exclude_.begin(), exclude_.end(),
                        [&name](const TablePattern& pattern) { return pattern.matches(name); });
  }

 private:
  TablePattern match_;
  std::vector<TablePattern> exclude_;
};

std::vector<Matcher> matchers_of(const Task& task) {
  std::vector<Matcher> matchers;
  matchers.reserve(task.tables.size());
  for (const TableRule& rule : task.tables) matchers.emplace_back(rule);
  return matchers;
}

/// The first rule that takes the table; `groups` are its regex groups. None takes the table of
/// heartbeats, which is weir's own.
std::optional<std::uint32_t> first_rule(const Task& task, const std::vector<Matcher>& matchers,
                                        const TableName& name, std::vector<std::string>& groups) {
  if (name == task.source.heartbeat_table) return std::nullopt;
  if ((task.only && !task.only->contains(name)) || task.without.contains(name)) return std::nullopt;
  for (std::size_t i = 0; i < matchers.size(); ++i) {
    if (matchers[i].takes(name, groups)) return static_cast<std::uint32_t>(i);
  }
  return std::nullopt;
}

/// One half of a target template.
std::string expand_part(const Task& task, std::string_view part, const TableName& table,
                        const std::vector<std::string>& groups) {
  std::string out;
  const std::string unknown = expand(part, out, [&](std::string_view name, std::string& into) {
    if (name == "source") {
      into += root_name(task.name);
    } else if (name == "database" || name == "schema") {
      into += table.schema;
    } else if (name == "table") {
      into += table.table;
    } else if (name.size() == 1 && name[0] >= '1' &&
               static_cast<std::size_t>(name[0] - '0') <= groups.size()) {
      into += groups[static_cast<std::size_t>(name[0] - '1')];
    } else {
      return false;
    }
    return true;
  });
  if (!unknown.empty()) throw bug(fmt::format("target template \"{}\" was not checked", part));
  return out;
}

/// The name that a rule gives; `schema` takes the place of the rule's own if it is not empty.
TableName target_name(const Task& task, const TableRule& rule, const std::string& schema,
                      const TableName& table, const std::vector<std::string>& groups) {
  const std::size_t divider = target_divider(rule.target);
  if (divider == std::string_view::npos) {
    throw bug(fmt::format("target template \"{}\" was not checked", rule.target));
  }
  const std::string_view text = rule.target;
  return {schema.empty() ? expand_part(task, text.substr(0, divider), table, groups) : schema,
          expand_part(task, text.substr(divider + 1), table, groups)};
}

/// Columns by name.
using ColumnIndex = std::unordered_map<std::string_view, std::uint32_t>;

ColumnIndex index_columns(const Table& table) {
  ColumnIndex index;
  for (std::uint32_t i = 0; i < table.columns.size(); ++i) index.emplace(table.columns[i].name, i);
  return index;
}

/// What one rule took.
struct Taken {
  std::vector<const Table*> tables;
  std::set<std::string_view> columns;  ///< of all of them
  bool key_is_known = true;            ///< each column of its `key` is in one of them
};

bool has_unique_index(const Table& table, const std::set<std::uint32_t>& columns) {
  if (columns.empty()) return false;
  return std::any_of(table.indexes.begin(), table.indexes.end(), [&columns](const Index& index) {
    return index.kind == Index::Kind::unique && index.parts.size() == columns.size() &&
           std::all_of(index.parts.begin(), index.parts.end(), [&columns](const IndexPart& part) {
             return part.prefix == 0 && columns.contains(part.column);
           });
  });
}

class Mapping {
 public:
  Mapping(const Task& task, std::span<const Table> tables, const NameRules& target)
      : task_(task), tables_(tables), target_(target), matchers_(matchers_of(task)) {}

  MappingResult run() {
    taken_.resize(task_.tables.size());
    std::vector<std::vector<std::string>> groups(tables_.size());
    std::vector<std::optional<std::uint32_t>> rules(tables_.size());
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      rules[i] = first_rule(task_, matchers_, tables_[i].name, groups[i]);
      if (rules[i]) {
        taken_[*rules[i]].tables.push_back(&tables_[i]);
      } else {
        result_.unmatched.push_back(tables_[i].name);
      }
    }
    if (result_.unmatched.size() == tables_.size()) {
      const bool is_part = task_.only || !task_.without.empty();
      if (is_part) return std::move(result_);
      add("mapping.nothing", "", "no table is selected",
          "none of the tables that the account sees matches a rule, so there is nothing to sync",
          "check the patterns, and that the account may read the tables: a table without any "
          "privilege is invisible",
          fmt::format("{} rules, the first is {}", task_.tables.size(),
                      task_.tables.empty() ? std::string("missing") : rule_text(0)));
      return std::move(result_);
    }
    for (std::uint32_t rule = 0; rule < task_.tables.size(); ++rule) check_rule(rule);
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (rules[i]) plan_table(tables_[i], *rules[i], groups[i]);
    }
    check_schemas();
    check_targets();
    return std::move(result_);
  }

 private:
  void add(std::string id, std::string table, std::string what, std::string why, std::string fix,
           std::string evidence) {
    result_.findings.push_back({std::move(id), Severity::critical, std::move(what), std::move(why),
                                std::move(fix), std::move(evidence), std::move(table)});
  }

  /// `rule 2 (match "crm.*", line 14)`: rules have no name of their own.
  std::string rule_text(std::uint32_t rule) const {
    const TableRule& row = task_.tables[rule];
    const std::string line =
        row.place.line == 0 ? std::string() : fmt::format(", line {}", row.place.line);
    return fmt::format("rule {} (match {}\"{}\"{})", rule + 1, row.match.regex ? "regex " : "",
                       row.match.text, line);
  }

  std::string fold(std::string_view name) const {
    return target_.fold ? target_.fold(name) : std::string(name);
  }

  /// A rule must have taken something, and know the columns it speaks of.
  void check_rule(std::uint32_t number) {
    Taken& taken = taken_[number];
    const bool has_all = has_all_tables(number);
    if (taken.tables.empty() && has_all) return check_unused(number);
    for (const Table* table : taken.tables) {
      for (const Column& column : table->columns) taken.columns.insert(column.name);
    }
    if (!has_all) return;
    const TableRule& rule = task_.tables[number];
    for (const std::string& column : rule.drop) check_column(number, "columns.drop", column);
    for (const auto& [column, name] : rule.rename) check_column(number, "columns.rename", column);
    for (const auto& [column, type] : rule.retype) {
      const bool is_added =
          std::any_of(rule.add_columns.begin(), rule.add_columns.end(),
                      [&](const auto& added) { return added.first == column; }) ||
          (rule.deletes.kind == DeletePolicy::Kind::soft && rule.deletes.column == column);
      if (!is_added) check_column(number, "columns.type", column);
    }
    for (const std::string& column : rule.key) {
      if (!check_column(number, "key", column)) taken.key_is_known = false;
    }
  }

  /// Not if tables that the rule takes are in other lanes of the task: it may speak of these.
  bool has_all_tables(std::uint32_t number) const {
    if (task_.only) return false;
    std::vector<std::string> groups;
    return std::ranges::none_of(task_.without, [&](const TableName& name) {
      return matchers_[number].takes(name, groups);
    });
  }

  void check_unused(std::uint32_t number) {
    std::vector<std::string> groups;
    std::set<std::uint32_t> earlier;
    std::string example;
    for (const Table& table : tables_) {
      if (!matchers_[number].takes(table.name, groups)) continue;
      if (example.empty()) example = table.name.text();
      if (const auto rule = first_rule(task_, matchers_, table.name, groups)) earlier.insert(*rule);
    }
    const std::string text = rule_text(number);
    if (earlier.empty()) {
      return add("mapping.rule-unused", "", text + " takes no table",
                 "a rule that takes nothing is most often a misspelt name or a missing privilege",
                 "correct its pattern, grant the account SELECT on the tables, or remove the rule",
                 "no table that the account sees matches it, or it excludes them all");
    }
    std::vector<std::string> names;
    for (const std::uint32_t rule : earlier) names.push_back(rule_text(rule));
    add("mapping.rule-shadowed", "",
        fmt::format("{} takes no table, for {} came first", text, join(names, " and ")),
        "the first rule that matches a table takes it, so nothing that this one says is done",
        fmt::format("put {} before {}, or exclude its tables there", text, names.front()),
        fmt::format("{} matches both", example));
  }

  bool check_column(std::uint32_t number, std::string_view key, const std::string& column) {
    const Taken& taken = taken_[number];
    if (taken.columns.contains(column)) return true;
    const std::vector<std::string_view> names(taken.columns.begin(), taken.columns.end());
    const std::string_view near = suggest(column, names);
    const bool single = taken.tables.size() == 1;
    add("mapping.unknown-column", single ? taken.tables[0]->name.text() : "",
        fmt::format(
            "{} names the column \"{}\" in {}, which {}", rule_text(number), column, key,
            single ? taken.tables[0]->name.text() + " lacks" : "none of the tables it takes has"),
        "what the rule asks for would silently not be done",
        near.empty() ? fmt::format("correct the name, or remove it from {}", key)
                     : fmt::format("did you mean \"{}\"? else remove it from {}", near, key),
        fmt::format("{} {} taken by the rule", taken.tables.size(), single ? "table" : "tables"));
    return false;
  }

  void plan_table(const Table& table, std::uint32_t number,
                  const std::vector<std::string>& groups) {
    const TableRule& rule = task_.tables[number];
    TablePlan plan;
    plan.id = static_cast<std::uint32_t>(result_.plans.size());
    plan.source = table;
    plan.target = target_name(task_, rule, target_.schema, table.name, groups);
    plan.deletes = rule.deletes;
    plan.existing = rule.existing;
    plan.rule = number;
    plan_columns(rule, plan);
    plan_key(rule, plan);
    check_name("table", plan.target.table, plan, "give it another `target`");
    result_.plans.push_back(std::move(plan));
  }

  void plan_columns(const TableRule& rule, TablePlan& plan) {
    const auto retype = [&rule](const std::string& column, PlannedColumn& planned) {
      const auto type = rule.retype.find(column);
      if (type != rule.retype.end()) planned.target_type = type->second;
    };
    for (std::uint32_t i = 0; i < plan.source.columns.size(); ++i) {
      const Column& column = plan.source.columns[i];
      if (column.left_out) continue;
      if (std::find(rule.drop.begin(), rule.drop.end(), column.name) != rule.drop.end()) continue;
      PlannedColumn planned;
      const auto renamed = rule.rename.find(column.name);
      planned.name = renamed == rule.rename.end() ? column.name : renamed->second;
      planned.source = i;
      planned.type = column.type;
      planned.nullable = column.nullable;
      retype(column.name, planned);
      plan.columns.push_back(std::move(planned));
    }
    const auto append = [&](const std::string& name, const std::string& constant, bool is_time) {
      PlannedColumn planned;
      planned.name = name;
      planned.constant = constant;
      if (is_time) {
        planned.type.kind = TypeKind::timestamp;
        planned.type.precision = kAddedTimePrecision;
      }
      retype(name, planned);
      plan.columns.push_back(std::move(planned));
    };
    for (const auto& [name, constant] : rule.add_columns) {
      append(name, constant, constant == "{execute_time}");
    }
    if (rule.deletes.kind == DeletePolicy::Kind::soft) {
      append(rule.deletes.column, "{deleted}", true);
    }
    check_columns(plan);
  }

  void check_columns(const TablePlan& plan) {
    const auto text = [&plan](const PlannedColumn& column) {
      if (column.constant == "{deleted}") {
        return fmt::format("\"{}\", which takes the time of a delete", column.name);
      }
      if (column.added()) return fmt::format("the added \"{}\"", column.name);
      const std::string& name = plan.source.columns[column.source].name;
      return name == column.name ? fmt::format("the source's \"{}\"", name)
                                 : fmt::format("\"{}\", renamed to \"{}\"", name, column.name);
    };
    std::unordered_map<std::string, const PlannedColumn*> seen;
    for (const PlannedColumn& column : plan.columns) {
      const auto [other, is_new] = seen.emplace(fold(column.name), &column);
      if (!is_new) {
        add("mapping.column-collision", plan.source.name.text(),
            fmt::format("two columns of {} would be \"{}\" on the target", plan.source.name.text(),
                        column.name),
            "a target table cannot hold two columns of one name",
            "give one of them another name, with columns.rename or in add_columns or deletes",
            fmt::format("{} makes {} and {}", rule_text(plan.rule), text(*other->second),
                        text(column)));
      }
      check_name("column", column.name, plan, "give it another name with columns.rename");
    }
  }

  void plan_key(const TableRule& rule, TablePlan& plan) {
    const ColumnIndex index = index_columns(plan.source);
    std::vector<std::uint32_t> key;
    for (const std::string& column : rule.key) {
      const auto found = index.find(column);
      if (found != index.end()) key.push_back(found->second);
    }
    const bool custom = !rule.key.empty() && key.size() == rule.key.size();
    if (!custom) key = plan.source.key;

    const std::set<std::uint32_t> columns(key.begin(), key.end());
    if (columns == std::set(plan.source.key.begin(), plan.source.key.end())) {
      // In the order of the index, which chunks are read by.
      key = plan.source.key;
      plan.key_is_primary = !key.empty();
    } else {
      plan.key_is_primary = has_unique_index(plan.source, columns);
    }

    const std::string name = plan.source.name.text();
    if (key.empty() && rule.key_all_columns) return check_whole_rows(plan);
    if (key.empty() && taken_[plan.rule].key_is_known) {
      add("mapping.no-key", name, fmt::format("{} has no usable key", name),
          "without a primary key, or a unique key without nullable or prefix parts, a change does "
          "not say which row it is about",
          fmt::format(
              "say key = [\"COLUMN\"] in {} if columns identify a row, key = \"all-columns\" if "
              "only "
              "whole rows can be told apart (see weir.toml(5) for what that costs), or exclude = "
              "[\"{}\"]",
              rule_text(plan.rule), name),
          rule.key.empty() ? "the rule gives no `key`"
                           : "the table lacks a column of the rule's `key`");
    }
    for (const std::uint32_t place : key) {
      const Column& column = plan.source.columns[place];
      const auto planned =
          std::find_if(plan.columns.begin(), plan.columns.end(),
                       [place](const PlannedColumn& c) { return c.source == place; });
      if (planned == plan.columns.end()) {
        add("mapping.key-dropped", name,
            fmt::format("the key column \"{}\" of {} is dropped", column.name, name),
            "without it the target cannot tell which row a change is about",
            fmt::format("take \"{}\" out of columns.drop, or say another `key`", column.name),
            rule_text(plan.rule));
        continue;
      }
      plan.key.push_back(static_cast<std::uint32_t>(planned - plan.columns.begin()));
      if (custom && column.nullable) {
        add("mapping.key-nullable", name,
            fmt::format("the key column \"{}\" of {} may be NULL", column.name, name),
            "NULL equals nothing, so a change of such a row would find no row or make a second one",
            "make the column NOT NULL on the source, or say another `key`", rule_text(plan.rule));
      }
    }
  }

  /// A table whose rows are told apart by all their columns must have one left.
  void check_whole_rows(const TablePlan& plan) {
    if (std::any_of(plan.columns.begin(), plan.columns.end(),
                    [](const PlannedColumn& column) { return !column.added(); })) {
      return;
    }
    const std::string name = plan.source.name.text();
    add("mapping.no-columns", name, fmt::format("every column of {} is dropped", name),
        "its rows are told apart by the columns that are copied, and there is none",
        "take a column out of columns.drop", rule_text(plan.rule));
  }

  void check_name(std::string_view what, const std::string& name, const TablePlan& plan,
                  std::string_view fix) {
    const std::string table = plan.source.name.text();
    const std::string subject =
        name.empty() ? fmt::format("the {} name for {} is empty", what, table)
                     : fmt::format("the {} name \"{}\" for {} is not allowed", what, name, table);
    if (name.empty()) {
      return add("mapping.name-invalid", table, subject, "a name has at least one character",
                 std::string(fix), rule_text(plan.rule));
    }
    if (target_.max_bytes != 0 && name.size() > target_.max_bytes) {
      return add("mapping.name-too-long", table,
                 fmt::format("the {} name \"{}\" for {} is too long", what, name, table),
                 fmt::format("it has {} bytes, and the target takes {} at most", name.size(),
                             target_.max_bytes),
                 std::string(fix), rule_text(plan.rule));
    }
    const std::string why = target_.refuse ? target_.refuse(name) : std::string();
    if (!why.empty()) {
      add("mapping.name-invalid", table, subject, why, std::string(fix), rule_text(plan.rule));
    }
  }

  /// Many tables share a schema: one finding tells it.
  void check_schemas() {
    std::set<std::string_view> seen;
    for (const TablePlan& plan : result_.plans) {
      if (!seen.insert(plan.target.schema).second) continue;
      check_name("schema", plan.target.schema, plan, "give its tables another `target`");
    }
    const std::string& own = target_.schema.empty() ? task_.target.control_schema : target_.schema;
    // A role may own one schema only, so that the task's own tables share it with those it fills.
    for (const TablePlan& plan : result_.plans) {
      if (fold(plan.target.schema) != fold(own) ||
          !fold(plan.target.table).starts_with(kOwnPrefix)) {
        continue;
      }
      add("mapping.control-schema", plan.source.name.text(),
          fmt::format("{} would go to the table {}", plan.source.name.text(), plan.target.text()),
          "names with weir_ in that schema are for the task's own tables: offset, progress, "
          "identity",
          target_.schema.empty() ? "give it another `target`, or set control_schema in [target]"
                                 : "give it another `target`",
          rule_text(plan.rule));
    }
  }

  void check_targets() {
    std::map<std::pair<std::string, std::string>, std::vector<const TablePlan*>> targets;
    for (const TablePlan& plan : result_.plans) {
      targets[{fold(plan.target.schema), fold(plan.target.table)}].push_back(&plan);
    }
    for (const auto& [name, plans] : targets) {
      if (plans.size() < 2) continue;
      const TablePlan& first = *plans[0];
      const TablePlan& second = *plans[1];
      const std::string others =
          plans.size() == 2 ? "" : fmt::format(" and {} more", plans.size() - 2);
      add("mapping.collision", second.source.name.text(),
          fmt::format("{} and {}{} would be written to one table, {}", first.source.name.text(),
                      second.source.name.text(), others, second.target.text()),
          "rows of one table would overwrite or delete rows of another",
          "give each a `target` of its own, or exclude all but one",
          fmt::format("{} takes {}, {} takes {}", rule_text(first.rule), first.source.name.text(),
                      rule_text(second.rule), second.source.name.text()));
    }
  }

  const Task& task_;
  std::span<const Table> tables_;
  const NameRules& target_;
  std::vector<Matcher> matchers_;
  std::vector<Taken> taken_;
  MappingResult result_;
};

}  // namespace

std::vector<std::optional<TableName>> target_names(const Task& task,
                                                   std::span<const TableName> names,
                                                   const std::string& schema) {
  const std::vector<Matcher> matchers = matchers_of(task);
  std::vector<std::optional<TableName>> out;
  for (const TableName& name : names) {
    std::vector<std::string> groups;
    const auto rule = first_rule(task, matchers, name, groups);
    out.push_back(rule ? std::optional(target_name(task, task.tables[*rule], schema, name, groups))
                       : std::nullopt);
  }
  return out;
}

std::vector<SelectedTable> select_tables(const Task& task, std::span<const TableName> tables) {
  const std::vector<Matcher> matchers = matchers_of(task);
  std::vector<SelectedTable> selected;
  std::vector<std::string> groups;
  for (const TableName& name : tables) {
    if (const auto rule = first_rule(task, matchers, name, groups))
      selected.push_back({name, *rule});
  }
  return selected;
}

MappingResult map_tables(const Task& task, std::span<const Table> tables, const NameRules& target) {
  return Mapping(task, tables, target).run();
}

std::size_t target_divider(std::string_view pattern) {
  std::size_t divider = std::string_view::npos;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if ((c == '{' || c == '}') && i + 1 < pattern.size() && pattern[i + 1] == c) {
      ++i;
    } else if (c == '{') {
      i = std::min(pattern.find('}', i), pattern.size() - 1);
    } else if (c == '.') {
      if (divider != std::string_view::npos) return std::string_view::npos;
      divider = i;
    }
  }
  return divider;
}

}  // namespace weir
