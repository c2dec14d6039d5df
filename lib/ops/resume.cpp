// SPDX-License-Identifier: Apache-2.0
#include "ops/resume.h"

namespace weir::ops {

std::optional<Finding> resume_gap(const Task& task, Source& source, const Target& target,
                                  const std::optional<Recovered>& recovered) {
  if (!recovered) return {};
  std::optional<Finding> gap = source.can_resume(recovered->offset, recovered->source);
  if (gap && gap->severity == Severity::critical) add_copies(target, task.name, *gap);
  return gap;
}

}  // namespace weir::ops
