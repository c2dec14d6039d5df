// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/pq.h"
#include "model/offset.h"
#include "model/retention.h"
#include "model/task.h"
#include "source/postgres/offset.h"

namespace weir::pgsource {

/// What a server says of a slot and of the WAL behind it.
struct SlotRetention {
  std::string status;  ///< wal_status
  std::optional<std::int64_t> safe_bytes;
  std::optional<Lsn> restart;
  bool active = false;
  Time inactive_since{};             ///< PostgreSQL 17
  std::string keep_size = "-1";      ///< max_slot_wal_keep_size, as the server shows it
  std::string idle_timeout = "0";    ///< idle_replication_slot_timeout, PostgreSQL 18
  std::chrono::seconds idle_age{0};  ///< the same; 0 = none
  std::uint64_t segment_bytes = 0;
};

/// What takes the slot's WAL away, by the settings and by how far they are used up.
std::vector<RetentionLimit> slot_limits(const SlotRetention& slot);

/// What the server says of its log, except for RetentionFacts::gap.
RetentionFacts read_retention(PgConnection& connection, const Task& task, const Offset& offset);

}  // namespace weir::pgsource
