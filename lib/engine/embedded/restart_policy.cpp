// SPDX-License-Identifier: Apache-2.0
#include "engine/embedded/restart_policy.h"

#include <algorithm>

#include "base/exit_code.h"

namespace weir {
namespace {

bool is(const ProcessEnd& end, ExitCode code) {
  return end.signal == 0 && end.code == static_cast<int>(code);
}

/// A number that is not in the table means failure.
bool mended_by_restart(const ProcessEnd& end) {
  const auto rows = exit_codes();
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const ExitCodeRow& known) { return is(end, known.code); });
  return row == rows.end() || row->restart;
}

}  // namespace

std::optional<std::chrono::milliseconds> RestartPolicy::after(const ProcessEnd& end, bool connected,
                                                              Clock::time_point started,
                                                              Clock::time_point ended) {
  if (is(end, ExitCode::ok) || !mended_by_restart(end)) return std::nullopt;
  if (is(end, ExitCode::source_unreachable) || is(end, ExitCode::target_unreachable)) {
    if (!connected) return std::nullopt;
  } else {
    std::erase_if(failovers_, [&](Clock::time_point at) { return at + limits_.window <= ended; });
    if (failovers_.size() >= limits_.failovers) return std::nullopt;
    failovers_.push_back(ended);
  }
  if (ended - started >= limits_.good_life) delay_ = {};
  delay_ = delay_.count() == 0 ? limits_.first_delay : std::min(delay_ * 2, limits_.last_delay);
  return delay_;
}

}  // namespace weir
