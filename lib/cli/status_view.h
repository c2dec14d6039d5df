// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "ops/sync.h"

namespace weir::cli {

/// The task's part of the JSON document of `sync status`.
Json status_json(const ops::Status& status);

/// The same for people: a paragraph about the task, and a table of its tables if asked for.
std::string status_text(const ops::Status& status, const Terminal& terminal, bool with_tables,
                        bool with_header);

/// The three stages, a line each, for a progress display.
std::vector<std::string> progress_lines(const ops::Status& status);

}  // namespace weir::cli
