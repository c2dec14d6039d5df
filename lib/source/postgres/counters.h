// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "client/pq.h"
#include "model/counter.h"
#include "model/table_plan.h"

namespace weir::pgsource {

/// Source::counters(). A column counts if it is an identity, or if its default draws from a
/// sequence and it is a number. A sequence is by itself if no column owns it; one that such a
/// column draws from is listed for both. Throws Error(refused, "postgres.sequence-hidden").
std::vector<Counter> read_counters(PgConnection& connection, std::span<const TablePlan> plans);

}  // namespace weir::pgsource
