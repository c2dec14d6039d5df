// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "client/mysql.h"
#include "model/finding.h"
#include "model/offset.h"
#include "model/task.h"

namespace weir::mysql {

/// The files of a log from `first` up to the one before `oldest`: "bin.000002 to bin.000004 (3
/// files)"; "" if they are not of one log, or none lies between.
std::string files_before(const std::string& first, const std::string& oldest);

/// Why the server, which is `now`, cannot serve its log from `offset` on, which came from `before`;
/// nothing if it can. Critical with the gap and the ways out, or unknown if the account may not see
/// it. A MariaDB that differs from the old one in nothing but what it has logged is told by that.
std::optional<Finding> resume_gap(MysqlConnection& connection, const Task& task,
                                  const Offset& offset, const Identity& now,
                                  const Identity& before);

}  // namespace weir::mysql
