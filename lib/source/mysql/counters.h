// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "client/mysql.h"
#include "model/counter.h"
#include "model/table_plan.h"

namespace weir::mysql {

/// Source::counters(): AUTO_INCREMENT columns, and MariaDB's sequences with the columns whose
/// default draws from one.
std::vector<Counter> read_counters(MysqlConnection& connection, std::span<const TablePlan> plans);

}  // namespace weir::mysql
