// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client/pq.h"
#include "model/finding.h"
#include "model/offset.h"
#include "source/postgres/offset.h"
#include "source/postgres/slot.h"

namespace weir::pgsource {

/// Which log an offset belongs to: a cluster keeps its number for ever, and begins a new timeline
/// with each promotion of a standby.
struct LogIdentity {
  std::string system;
  std::uint32_t timeline = 0;
  std::string database;

  std::string text() const;  ///< "postgres 7301... timeline 2 database shop"
  /// Empty if this is no text of ours.
  static std::optional<LogIdentity> parse(std::string_view text);
};

LogIdentity read_identity(PgConnection& connection);

/// Where the log left `timeline`, by the history file of a later one; empty if that did not come
/// from it.
std::optional<Lsn> end_of_timeline(std::string_view history, std::uint32_t timeline);

/// Whether a task may go on from `offset` though the source is `now` and not `before`: nothing if
/// they are equal; a finding that is merely told if a standby was promoted that has everything the
/// task has applied, and whose slot came along; else the refusal.
std::optional<Finding> identity_gap(const LogIdentity& now, const Identity& before,
                                    const Offset& offset, const std::optional<Slot>& slot,
                                    const Endpoint& endpoint);

}  // namespace weir::pgsource
