// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "support/mysql_server.h"

namespace weir::test {

/// A throwaway MariaDB; see MySqlServer.
class TempMariaDb final : public MySqlServer {
 public:
  enum class Release {
    installed,
    v11_8
  };  ///< 11.8 comes from servers.sh: tag such tests [bootstrap]

  struct Options {
    Release release = Release::installed;
    bool durable = false;  ///< a sync for every commit, as in production
    std::vector<std::string> args = {};
  };

  TempMariaDb() : TempMariaDb(Options{}) {}
  explicit TempMariaDb(const Options& options);
};

}  // namespace weir::test
