// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/finding.h"
#include "model/table_plan.h"

namespace weir {

/// Error(configuration, "facts.format"): facts that cannot be read, and why.
Error facts_format(std::string_view why);

/// The finding for a table that the facts say nothing about.
Finding facts_lack(const TableName& table);

/// Points the facts of each table, which name it in `source` (and `target`, on a target), at its
/// plan, and leaves out those of tables without one. What comes back are the plans that the facts
/// say nothing about: rules may have changed since the facts were gathered.
template <class TableFacts>
std::vector<Finding> link_tables(std::vector<TableFacts>& tables,
                                 std::span<const TablePlan> plans) {
  std::map<TableName, TableFacts*> known;
  for (TableFacts& table : tables) known.emplace(table.source, &table);
  std::vector<TableFacts> linked;
  std::vector<Finding> out;
  for (const TablePlan& plan : plans) {
    const auto at = known.find(plan.source.name);
    bool says_nothing = at == known.end();
    if constexpr (requires(TableFacts table) { table.target; }) {
      says_nothing = says_nothing || at->second->target != plan.target;
    }
    if (says_nothing) {
      out.push_back(facts_lack(plan.source.name));
    } else {
      linked.push_back(std::move(*at->second));
      linked.back().plan = &plan;
    }
  }
  tables = std::move(linked);
  return out;
}

}  // namespace weir
