// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "support/mysql_server.h"

namespace weir::test {

/// A throwaway Oracle MySQL 9; see MySqlServer. It comes from servers.sh: tag tests [bootstrap].
class TempMySql final : public MySqlServer {
 public:
  struct Options {
    bool gtid = true;
    bool durable = false;  ///< a sync for every commit, as in production
    std::vector<std::string> args = {};
  };

  TempMySql() : TempMySql(Options{}) {}
  explicit TempMySql(const Options& options);
};

}  // namespace weir::test
