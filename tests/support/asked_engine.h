// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace weir::test {

/// Answers what a test says, and lets it do something each time that it is asked.
class AskedEngine final : public Engine {
 public:
  explicit AskedEngine(std::function<bool()> running) : running_(std::move(running)) {}
  /// Always the same.
  explicit AskedEngine(std::same_as<bool> auto running) : running_([running] { return running; }) {}

  int run(const Submission&, const Observer&) override { throw bug("not asked"); }
  bool submit(const std::string&, const std::vector<std::string>&, const std::string&) override {
    throw bug("not asked");
  }
  bool stop(const std::string&, std::chrono::milliseconds) override { throw bug("not asked"); }
  std::unique_ptr<Hold> hold(const std::string&) override { throw bug("not asked"); }
  Status status(const std::string&) override {
    Status out;
    out.running = running_();
    out.supervisor_pid = out.running ? 1 : 0;
    return out;
  }

 private:
  std::function<bool()> running_;
};

}  // namespace weir::test
