// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <utility>

namespace weir::cli {
namespace {

constexpr std::chrono::seconds kPause{30};

}  // namespace

void Progress::show(const std::string& stage, std::vector<std::string> lines,
                    const std::string& summary, Clock::time_point now) {
  if (session_.quiet() || session_.json()) return;
  if (session_.terminal().overprints()) {
    session_.terminal().progress(std::move(lines));
    return;
  }
  const bool first = told_ == Clock::time_point{};
  if (!first && stage == stage_ && now - told_ < kPause) return;
  stage_ = stage;
  told_ = now;
  session_.say(summary);
}

}  // namespace weir::cli
