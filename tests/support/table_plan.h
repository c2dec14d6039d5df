// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/table_plan.h"

namespace weir::test {

struct NewColumn {
  const char* name;
  TypeKind kind;
  std::uint64_t length = 0;
  const char* native = nullptr;  ///< else it is called as the neutral kind is
};

/// A plan that takes each column as it is.
inline TablePlan table_plan(const TableName& source, const TableName& target,
                            const std::vector<NewColumn>& columns, std::vector<std::uint32_t> key) {
  TablePlan plan;
  plan.source.name = source;
  plan.target = target;
  for (const NewColumn& column : columns) {
    Column described;
    described.name = column.name;
    described.type.kind = column.kind;
    described.type.length = column.length;
    described.type.native =
        column.native != nullptr ? column.native : std::string(to_string(column.kind));
    PlannedColumn planned;
    planned.name = column.name;
    planned.source = static_cast<std::uint32_t>(plan.columns.size());
    planned.type = described.type;
    plan.source.columns.push_back(std::move(described));
    plan.columns.push_back(std::move(planned));
  }
  plan.source.key = plan.key = std::move(key);
  plan.key_is_primary = plan.source.key_is_primary = !plan.key.empty();
  plan.source.key_name = plan.key.empty() ? "" : "PRIMARY";
  return plan;
}

}  // namespace weir::test
