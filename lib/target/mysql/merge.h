// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"
#include "client/mysql.h"
#include "model/table_plan.h"
#include "target/mysql/types.h"

namespace weir::mysqltarget {

/// Makes the table `kept` hold the rows of the copy that `plan` describes, as part of the caller's
/// transaction. Throws Error(refused, "reload.merge").
void merge_rows(MysqlConnection& connection, const TablePlan& plan, const TableName& kept,
                const Dialect& server, Time now);

}  // namespace weir::mysqltarget
