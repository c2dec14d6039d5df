// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/output.h"
#include "ops/sync.h"

namespace weir::cli {

/// The task's part of the JSON document of `sync status`.
Json status_json(const ops::Status& status);

/// The same for people: a paragraph about the task, and a table of its tables if asked for.
std::string status_text(const ops::Status& status, const Terminal& terminal, bool with_tables,
                        bool with_header);

/// A lane as part of a document.
Json lane_json(const ops::Lane& lane);

/// How long a stopped task may still stay so: "5 h 12 m", overdue, gone, unknown or unlimited.
std::string left_text(const ops::Countdown& countdown, Time now);

/// The same as restart_before, left_s and limited_by; null for a task that runs or was not asked.
void add_countdown(Json& out, const std::optional<ops::Countdown>& countdown, Time now);

/// The three stages, a line each, for a progress display.
std::vector<std::string> progress_lines(const ops::Status& status);

}  // namespace weir::cli
