// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/process.h"

namespace weir {

/// Talks to the service manager that started this process: sd_notify(3), without its library.
///
/// Without one (NOTIFY_SOCKET is not set) all calls do nothing. They never block and never fail: a
/// service manager that does not listen is no reason to stop a task.
class ServiceManager {
 public:
  /// The variables that a worker must not inherit, because it would speak for its supervisor.
  static constexpr const char* kVariables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

  /// As the environment says.
  ServiceManager();

  /// How often it wants to hear watchdog(); half of what it allows, so that one may be late.
  std::optional<std::chrono::microseconds> watchdog_interval() const { return watchdog_; }

  /// True once it was told.
  bool ready() { return send("READY=1"); }
  void started(int pid);
  /// Only what differs from the last text is sent.
  void status(const std::string& text);
  void watchdog() { send("WATCHDOG=1"); }
  void stopping() { send("STOPPING=1"); }

 private:
  bool send(std::string_view message);

  UniqueFd socket_;
  std::string address_;  ///< sun_path, without its end
  std::string status_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace weir
