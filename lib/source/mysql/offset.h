// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/offset.h"
#include "source/mysql/gtid.h"

namespace weir::mysql {

/// A place in a MySQL or MariaDB binlog, between two transactions.
///
/// As text: `bin.000007:1234`, or `bin.000007:1234 gtid 0-1-42` where the server has GTIDs. With a
/// GTID set the set is what counts and the file position is for people; without one it is the
/// position itself.
struct LogPosition {
  std::string file;
  std::uint64_t position = 0;
  GtidSet gtids;

  bool by_gtid() const { return !gtids.empty(); }
  std::string text() const;
  /// Throws Error(failed, "offset.format").
  static LogPosition parse(std::string_view text);
};

/// Whether `a` is at or after `b`; both of one server.
bool reached(const LogPosition& a, const LogPosition& b);

}  // namespace weir::mysql
