// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "client/sqlite.h"
#include "model/counter.h"

namespace weir::sqlite {

// Target::counters() and the like. Only AUTOINCREMENT keeps a number, in sqlite_sequence; any other
// INTEGER PRIMARY KEY takes the largest that is there and adds 1.

std::vector<FoundCounter> find_counters(const SqliteDatabase& database,
                                        std::span<const CounterPlace> places);
std::vector<std::string> counter_sql(const FoundCounter& found, CounterNumber next);

}  // namespace weir::sqlite
