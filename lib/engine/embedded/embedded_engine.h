// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/embedded/lock.h"
#include "engine/embedded/supervisor.h"
#include "engine/engine.h"

namespace weir {

struct EmbeddedTiming {
  SupervisorTiming supervisor;
  /// How long a start waits for the worker that a killed supervisor left behind.
  std::chrono::milliseconds orphan_patience{std::chrono::seconds(30)};
  /// How long submit() waits for the supervisor to take its task.
  std::chrono::milliseconds submit_patience{std::chrono::seconds(60)};
};

/// Runs each task as two processes on this machine, a supervisor and its worker, with one lock file
/// per task in `folder`.
class EmbeddedEngine final : public Engine {
 public:
  explicit EmbeddedEngine(std::string folder, const EmbeddedTiming& timing = {});

  int run(const Submission& submission, const Observer& observer) override;
  bool submit(const std::string& task, const std::vector<std::string>& supervisor,
              const std::string& log_file) override;
  bool stop(const std::string& task, std::chrono::milliseconds limit) override;
  std::unique_ptr<Hold> hold(const std::string& task) override;
  Status status(const std::string& task) override;

 private:
  std::string lock_path(const std::string& task) const;
  TaskLock take_lock(const std::string& task) const;

  std::string folder_;
  EmbeddedTiming timing_;
};

}  // namespace weir
