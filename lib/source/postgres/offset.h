// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/task.h"

namespace weir::pgsource {

/// A place in a PostgreSQL server's WAL. As an offset it is the end of a commit, or a place with no
/// commit behind it that could concern us: never inside a transaction.
struct Lsn {
  std::uint64_t value = 0;

  auto operator<=>(const Lsn&) const = default;
  std::string text() const;  ///< as the server prints it: "16/B374D848"
  /// Throws Error(failed, "offset.format").
  static Lsn parse(std::string_view text);
};

/// The replication slot and the publication of a task: as the task file says, else "weir_" and the
/// task's name with '_' for what a slot may not be called. A lane has a slot of its own, "lane3_"
/// and the slot of its root (shortened where that would be too long for a name), and the
/// publication of its root.
std::string slot_name(const Task& task);
/// The slot of the task that a lane is a part of, by which the beats of both go.
std::string root_slot(const Task& task);
std::string publication_name(const Task& task);

}  // namespace weir::pgsource
