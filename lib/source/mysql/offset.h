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

/// The text of an offset from which the log is to be read again, though everything up to `applied`
/// is in the target: `bin.000007:1234 gtid 0-1-42 applied bin.000007:9999 gtid 0-1-50`. That is so
/// while an XA transaction is prepared and not decided yet.
std::string offset_text(const LogPosition& from, const LogPosition& applied);
/// Up to where such an offset is applied; the place itself for every other. LogPosition::parse()
/// gives the place to read from.
LogPosition applied_position(std::string_view text);

/// Whether `a` is at or after `b`; both of one server.
bool reached(const LogPosition& a, const LogPosition& b);

}  // namespace weir::mysql
