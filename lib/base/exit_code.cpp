// SPDX-License-Identifier: Apache-2.0
#include "base/exit_code.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

constexpr auto kExitCodes = std::to_array<ExitCodeRow>({
    {ExitCode::ok, "ok", "done, or healthy", false},
    {ExitCode::failed, "failed", "the work failed; the error says why", true},
    {ExitCode::usage, "usage", "the command line is wrong", false},
    {ExitCode::configuration, "configuration", "the task file or a setting is wrong", false},
    {ExitCode::refused, "refused", "a check said no; nothing was changed", false},
    {ExitCode::source_unreachable, "source_unreachable",
     "the source cannot be reached or denied access", true},
    {ExitCode::target_unreachable, "target_unreachable",
     "the target cannot be reached or denied access", true},
    {ExitCode::state_conflict, "state_conflict",
     "another process holds the task, or the state moved meanwhile", true},
    {ExitCode::not_found, "not_found", "no such task or table", false},
    {ExitCode::unsupported, "unsupported", "this source or target cannot do it", false},
    {ExitCode::differences, "differences", "differences were found", false},
    {ExitCode::timed_out, "timed_out", "the time given with --timeout ran out", true},
    {ExitCode::bug, "bug", "a bug in weir; please report it", true},
    {ExitCode::interrupted, "interrupted", "interrupted by SIGINT", false},
    {ExitCode::terminated, "terminated", "ended by SIGTERM", false},
});

}  // namespace

std::span<const ExitCodeRow> exit_codes() { return kExitCodes; }

const ExitCodeRow& describe(ExitCode code) {
  return *std::find_if(kExitCodes.begin(), kExitCodes.end(),
                       [code](const ExitCodeRow& row) { return row.code == code; });
}

}  // namespace weir
