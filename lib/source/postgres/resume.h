// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "client/pq.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/task.h"

namespace weir::pgsource {

/// Who asks whether a task can go on.
enum class ResumeFor : std::uint8_t {
  start,  ///< whoever is about to read from the slot
  watch,  ///< whoever looks at a task that may be running: its own reader is no trouble
};

/// Why the task cannot go on from `offset`, which came from `before`: nothing if it can, or if the
/// server is a standby, which is a check of its own. Critical with the gap and the ways out; a
/// promoted standby that has everything is merely told.
std::optional<Finding> resume_gap(PgConnection& connection, const Task& task, const Offset& offset,
                                  const Identity& before, ResumeFor purpose);

}  // namespace weir::pgsource
