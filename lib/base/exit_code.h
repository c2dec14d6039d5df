// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace weir {

/// How a verb ends. The numbers are API: scripts and service units rely on them.
enum class ExitCode : int {
  ok = 0,
  failed = 1,
  usage = 2,
  configuration = 3,
  refused = 4,
  source_unreachable = 5,
  target_unreachable = 6,
  state_conflict = 7,
  not_found = 8,
  unsupported = 9,
  differences = 10,
  timed_out = 11,
  bug = 70,
  interrupted = 130,
  terminated = 143,
};

/// One row of the table that weir-exit-codes(7) and `--help` are made from.
struct ExitCodeRow {
  ExitCode code;
  std::string_view name;     ///< as in JSON output, snake_case
  std::string_view meaning;  ///< one sentence, no full stop
  bool restart;              ///< whether a supervisor may mend it by starting again
};

/// Every exit code, in numeric order.
std::span<const ExitCodeRow> exit_codes();

/// The row of `code`; every enumerator has one.
const ExitCodeRow& describe(ExitCode code);

}  // namespace weir
