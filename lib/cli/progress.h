// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "cli/session.h"

namespace weir::cli {

/// Shows how far something has come, until it goes out of scope: over itself at a terminal, else as
/// one line on standard error at each new stage and every 30 s. Nothing with --quiet and in JSON.
class Progress {
 public:
  explicit Progress(Session& session) : session_(session) {}
  ~Progress() { session_.terminal().clear_progress(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `lines` are for a terminal, `summary` for the single line; a new `stage` is told at once.
  void show(const std::string& stage, std::vector<std::string> lines, const std::string& summary,
            Clock::time_point now = Clock::now());

 private:
  Session& session_;
  std::string stage_;
  Clock::time_point told_{};
};

}  // namespace weir::cli
