// SPDX-License-Identifier: Apache-2.0
#include "target/plan.h"

namespace weir {

MappingResult plan_tables(const Task& task, std::span<const Table> definitions,
                          const Target& target) {
  NameRules rules;
  rules.max_bytes = target.max_name_bytes();
  rules.refuse = [&target](std::string_view name) { return target.refuse_name(name); };
  MappingResult result = map_tables(task, definitions, rules);
  for (TablePlan& plan : result.plans) target.plan_types(task, plan);
  return result;
}

}  // namespace weir
