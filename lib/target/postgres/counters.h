// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/pq.h"
#include "model/counter.h"

namespace weir::postgres {

/// Whether a column of this type can be an identity.
bool can_be_identity(std::string_view type);

// Target::counters() and the like.

std::vector<FoundCounter> find_counters(PgConnection& connection,
                                        std::span<const CounterPlace> places);
std::vector<std::string> counter_sql(const CounterPlace& place, const FoundCounter& found,
                                     CounterNumber next);
void run_counter_sql(PgConnection& connection, std::span<const std::string> statements);

}  // namespace weir::postgres
