// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "model/table_plan.h"
#include "stage/context.h"
#include "target/target.h"

namespace weir {

/// Why the stage ended without an error.
enum class IncrementalEnd : std::uint8_t {
  stopped,        ///< somebody asked for it
  plans_changed,  ///< the target has other definitions now: plan anew and go on
  halted,         ///< StageContext::halt asked for it; everything read is applied
};

/// Follows the source's change log from `recovered.offset` on and applies it, until a stop is
/// requested: then what was read of whole transactions is applied, and the offset with it.
///
/// Two threads: the caller's reads and decodes, another applies. While the applier is busy, or
/// while more keeps coming and nothing has waited for incremental.flush_interval, whole
/// transactions gather in the next batch; when the source is quiet, what is there is handed over at
/// once.
///
/// `log_end` is where the source's log ended when the stage began: until it is reached, silence
/// means that the server searches, not that there is nothing to do.
///
/// An Error that is thrown leaves the target at the last offset that was applied; `failed_at` is
/// where the statement stands in the log that is the cause, if one is.
///
/// A change of a table's definition is a barrier: everything before it is applied, then it is
/// judged by the task's [ddl] policies, and what is done about it is done in the target with the
/// offset after it. The stage then ends, for the plans are no longer right.
IncrementalEnd run_incremental_stage(const StageContext& context, std::span<const TablePlan> plans,
                                     Recovered recovered, const Offset& log_end, Applier& applier,
                                     Offset& failed_at);

}  // namespace weir
