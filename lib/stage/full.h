// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/table_plan.h"
#include "stage/context.h"
#include "target/target.h"

namespace weir {

/// Copies the rows of every table that is not copied yet, in key-ordered chunks, over
/// full.connections pairs of a source and a target session; one more target session builds the
/// indexes of the tables that are through. A chunk and its mark commit together, so after a crash
/// each range goes on behind its last chunk. Returns early if a stop is requested.
/// A table that fails by itself is left out (StageContext::failures) once the others are through.
/// False if there was nothing left to copy.
bool run_full_stage(const StageContext& context, std::span<const TablePlan> plans,
                    const Recovered& recovered);

}  // namespace weir
