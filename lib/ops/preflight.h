// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/finding.h"
#include "model/table_plan.h"
#include "model/task.h"
#include "source/source.h"
#include "target/target.h"

namespace weir::ops {

/// What the rules of a task make of a live source.
struct Mapping {
  std::vector<TablePlan> plans;
  std::vector<Finding> findings;
  std::vector<TableName> unmatched;  ///< tables that no rule takes
};

/// Reads the source's catalogue and applies the rules. A table that `recovered` knows keeps the
/// definition that fits its offset. Asks the target nothing.
Mapping map_task(const Task& task, Source& source, const Target& target,
                 const std::optional<Recovered>& recovered);

/// Everything that can be known before a task starts, or resumes. Changes nothing.
struct Preflight {
  Mapping mapping;
  std::vector<Finding> findings;  ///< of mapping, source, target and task, in this order
  std::string source_version;
  std::string target_version;
  std::optional<Recovered> recovered;  ///< empty for a task that is new to the target
};

Preflight preflight(const Task& task, Source& source, Target& target);

}  // namespace weir::ops
