// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "model/task.h"
#include "source/log_view.h"

namespace weir::pgsource {

/// Reads what the task's slot has not been told to let go of, without moving it. A slot serves one
/// reader at a time, so this is for while the task does not run.
///
/// LogRequest::from is an offset. Throws Error(refused) with "postgres.slot-missing" or
/// "postgres.slot-busy", Error(unsupported, "postgres.log-follow"), Error(failed, "offset.format").
std::unique_ptr<LogReader> open_slot_log(const Task& task, const LogRequest& request);

}  // namespace weir::pgsource
