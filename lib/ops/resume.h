// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "model/finding.h"
#include "source/source.h"
#include "target/target.h"

namespace weir::ops {

/// Why a task that the target remembers as `recovered` cannot go on from there, with every way out
/// that there is; merely told if it can and there is something to know. Nothing for a new task.
std::optional<Finding> resume_gap(const Task& task, Source& source, const Target& target,
                                  const std::optional<Recovered>& recovered);

}  // namespace weir::ops
