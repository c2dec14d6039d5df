// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"
#include "client/pq.h"
#include "model/table_plan.h"

namespace weir::postgres {

/// Makes the table `kept` hold the rows of the copy that `plan` describes, as part of the caller's
/// transaction. Others may read it meanwhile, and nobody may write. Throws Error(refused,
/// "reload.merge").
void merge_rows(PgConnection& connection, const TablePlan& plan, const TableName& kept, Time now);

}  // namespace weir::postgres
