// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/change.h"
#include "model/table_alter.h"
#include "model/table_plan.h"

namespace weir {

/// What must happen to a target table so that it fits `after` instead of `before`, which are the
/// plans for the source table's definitions before and after a statement. `origins` has one entry
/// for each column of `after.source`. Pure.
///
/// A step that weir cannot take the way the source did says so (ColumnAlter::problem).
TableAlter plan_alter(const TablePlan& before, const TablePlan& after,
                      std::span<const ColumnOrigin> origins);

/// Whether every server converts the values of a column alike when its type changes so. Roundings,
/// time zones and paddings that differ from server to server are not.
bool converts_alike(const ColumnType& from, const ColumnType& to);

}  // namespace weir
