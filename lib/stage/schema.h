// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/table_plan.h"
#include "stage/context.h"

namespace weir {

/// Creates the target tables that are missing, in the order of the plans. Each table is one
/// transaction on the target, so a crash leaves whole tables and the next run goes on. A table that
/// is refused is left out (StageContext::failures), and the others go on.
void run_schema_stage(const StageContext& context, std::span<const TablePlan> plans);

}  // namespace weir
