// SPDX-License-Identifier: Apache-2.0
#include "stage/context.h"

#include "base/log.h"
#include "model/lane.h"
#include "model/swap_name.h"
#include "target/plan.h"

namespace weir {

MappingResult StageContext::map(std::span<const Table> definitions) const {
  MappingResult out = plan_tables(task, definitions, target);
  if (!copies_beside || (merged != nullptr && *merged)) return out;
  for (TablePlan& plan : out.plans) {
    plan.target = swap_name(plan.target, target.max_name_bytes());
    // What an earlier copy left there has no indexes, or is not complete.
    plan.existing = ExistingPolicy::replace;
  }
  return out;
}

void StageContext::event(const std::string& level, const std::string& id, const std::string& table,
                         const std::string& text) const {
  store.add_event(root_name(task.name), {now(), level, id, table, text});
  const std::string line = table.empty() ? text : table + ": " + text;
  if (level == "error") {
    log_error(id, line);
  } else if (level == "warning") {
    log_warn(id, line);
  } else {
    log_info(id, line);
  }
}

}  // namespace weir
