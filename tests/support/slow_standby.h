// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "support/temp_postgres.h"

namespace weir::test {

/// The synchronous standby of a server, as far as the server can tell: it takes the WAL and says
/// so, but only after a while. Every commit waits for that, in the log already and not yet visible.
class SlowStandby {
 public:
  SlowStandby(TempPostgres& server, std::chrono::milliseconds delay);
  ~SlowStandby();
  SlowStandby(const SlowStandby&) = delete;
  SlowStandby& operator=(const SlowStandby&) = delete;

 private:
  void run(std::chrono::milliseconds delay);

  TempPostgres& server_;
  std::string conninfo_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> streaming_{false};
  std::thread thread_;
};

}  // namespace weir::test
