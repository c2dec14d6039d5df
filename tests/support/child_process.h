// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weir::test {

/// A user and group to run as.
struct Account {
  uid_t uid;
  gid_t gid;
};

/// The account that server programs which refuse root run as; empty if this is not root.
std::optional<Account> unprivileged_account();

/// One child, killed (by its own pid) and reaped with this object.
///
/// The kernel also kills it when the thread that started it ends: a test that crashes leaves no
/// server behind. Start long-lived children from threads that live as long.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> argv;
    std::string output;  ///< file that takes stdout and stderr, appended; "" = /dev/null
    std::string input;   ///< file that becomes stdin; "" = /dev/null
    std::optional<Account> account = {};
    int death_signal = 9;
  };

  explicit ChildProcess(const Options& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  /// Nothing happens if it has ended: the pid may be somebody else's by then.
  void signal(int number);
  /// As waitpid gives it; empty if the child still runs after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// Runs a command to its end. Throws std::runtime_error, with the end of its output, if it fails.
void run_to_end(ChildProcess::Options options,
                std::chrono::milliseconds limit = std::chrono::minutes(2));

}  // namespace weir::test
