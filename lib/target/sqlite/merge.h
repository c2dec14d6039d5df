// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"
#include "client/sqlite.h"
#include "model/table_plan.h"

namespace weir::sqlite {

/// Makes the table `kept` hold the rows of the copy that `plan` describes, as part of the caller's
/// transaction. Throws Error(refused, "reload.merge").
void merge_rows(SqliteDatabase& database, const TablePlan& plan, const TableName& kept, Time now);

}  // namespace weir::sqlite
