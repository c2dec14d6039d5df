// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "client/mysql.h"
#include "model/offset_request.h"
#include "model/task.h"
#include "source/mysql/offset.h"

namespace weir::mysql {

/// Source::find_offset() for every kind of place but now. Reads at most one file of the log, over a
/// connection of its own, as a replica that nobody knows.
FoundOffset find_place(MysqlConnection& connection, const Task& task, const OffsetRequest& request);

/// Source::distance().
LogDistance log_between(MysqlConnection& connection, const Offset& from, const Offset& to);

}  // namespace weir::mysql
