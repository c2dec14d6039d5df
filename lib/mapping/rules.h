// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/finding.h"
#include "model/table.h"
#include "model/table_plan.h"
#include "model/task.h"

namespace weir {

/// What a target says about names. An empty function refuses nothing and folds nothing.
struct NameRules {
  std::size_t max_bytes = 0;  ///< longest name of a schema, table or column; 0 = no limit
  /// Why a name is not allowed, "" if it is.
  std::function<std::string(std::string_view)> refuse;
  /// Two names with the same fold are one name to the target.
  std::function<std::string(std::string_view)> fold;
  /// The one schema that the target has, which then takes the place of any other; "" if it has
  /// several. weir's own tables are in it too.
  std::string schema;
};

/// A table that a rule takes.
struct SelectedTable {
  TableName name;
  std::uint32_t rule = 0;  ///< place in Task::tables

  bool operator==(const SelectedTable&) const = default;
};

/// The tables that any rule takes, in the order given. The first rule that matches a table and does
/// not exclude it takes it. Cheap: no definition is needed, so only these need to be described.
std::vector<SelectedTable> select_tables(const Task& task, std::span<const TableName> tables);

/// What the rules make of names that are no tables: the target name by the first rule that takes
/// it, in the order given; empty where none does. `schema` as NameRules::schema.
std::vector<std::optional<TableName>> target_names(const Task& task,
                                                   std::span<const TableName> names,
                                                   const std::string& schema);

/// What the rules make of the tables. The plans can be worked with only if refuses(findings) is
/// false: until then a key may be missing and names may collide.
struct MappingResult {
  std::vector<TablePlan> plans;      ///< one for each table taken, in the order given
  std::vector<Finding> findings;     ///< each with an id `mapping.*`; only what is wrong
  std::vector<TableName> unmatched;  ///< tables that no rule takes
};

/// Applies the rules: target names, columns, keys. Pure.
///
/// A rule may take many tables, so what it says about single columns holds for those of its tables
/// that have them; a column that none of them has is a finding. A table that lacks a column of the
/// rule's `key` keeps its own key. One without a key is refused, unless the rule's key is
/// "all-columns": then its plan has an empty key.
MappingResult map_tables(const Task& task, std::span<const Table> tables, const NameRules& target);

/// The place of the one dot of a target template that divides schema from table; npos if there is
/// none, or more than one. Dots that come in through {table} do not count.
std::size_t target_divider(std::string_view pattern);

}  // namespace weir
