// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/offset.h"
#include "model/retention.h"
#include "model/table.h"

namespace weir {

/// Where the log was at some time: an offset, or its end as check-retention saw it.
struct OffsetSample {
  Time at{};
  Offset offset;  ///< empty if only `end` is known
  LogHead end;
};

/// A place in a change log as somebody asks for it.
struct OffsetRequest {
  enum class Kind : std::uint8_t {
    now,   ///< where the log ends
    gtid,  ///< after exactly these transactions
    file,  ///< a position in a file
    lsn,
    time,  ///< before the first transaction that was committed then or later
  };
  Kind kind = Kind::now;
  std::string text;  ///< as it was asked for, without what names the kind: "0-1-42", "bin.000007:4"
  Time time{};
  /// For a log that cannot be searched by time, oldest first.
  std::vector<OffsetSample> samples;
};

/// The place that was asked for.
struct FoundOffset {
  Offset offset;
  std::string note;  ///< what an operator should know of it; "" if nothing
  /// What the source keeps for the task is gone, and has to be made anew before it can be read from
  /// there. The place is a later one then.
  bool renews = false;
};

/// How much log lies between two places.
struct LogDistance {
  std::uint64_t bytes = 0;
  bool at_least = false;  ///< a part of it is gone, and not counted
};

/// What a target does to put a task's offset elsewhere.
struct OffsetMove {
  Offset from;
  Offset to;
  /// The target is not consistent before it: Recovered::full_end from now on. Empty: as it was.
  Offset consistent_at;
  /// Tables that take no part: all up to `from` counts as applied to them (TablePlan::since).
  std::vector<TableName> left_out;
};

}  // namespace weir
