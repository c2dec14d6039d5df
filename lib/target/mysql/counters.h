// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "client/mysql.h"
#include "model/counter.h"

namespace weir::mysqltarget {

// Target::counters() and the like: AUTO_INCREMENT, and MariaDB's sequences.

std::vector<FoundCounter> find_counters(MysqlConnection& connection,
                                        std::span<const CounterPlace> places);
std::vector<std::string> counter_sql(const CounterPlace& place, const FoundCounter& found,
                                     CounterNumber next);
void run_counter_sql(MysqlConnection& connection, std::span<const std::string> statements);

}  // namespace weir::mysqltarget
