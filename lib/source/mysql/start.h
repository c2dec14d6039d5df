// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "client/mysql.h"
#include "model/task.h"
#include "source/mysql/offset.h"

namespace weir::mysql {

/// A position P such that every transaction at or before P is visible to reads that begin later.
///
/// A server logs a transaction before others can see its rows, so a plain current position loses
/// rows. MariaDB: the position that belongs to a consistent snapshot, once it is
/// certain that the server was not just beginning a new file. MySQL with GTIDs: the
/// executed set, which grows only after the commit is visible. MySQL without:
/// performance_schema.log_status, which stops commits while it reads (BACKUP_ADMIN), else a global
/// read lock that gives up after two seconds (RELOAD). Throws Error(failed, "mysql.start-method")
/// if none can be had.
LogPosition take_start_position(MysqlConnection& connection);

/// Why take_start_position() would fail for want of a privilege; "" if it would not. Changes
/// nothing.
std::string start_method_missing(MysqlConnection& connection);

/// Opens the log as a replica would, reads one event and leaves. Why it is denied; "" if it is not.
std::string probe_log(const Task& task);

/// The replica id that weir shows to the server: the task file's, else one made from the task's
/// name.
std::uint32_t replica_id(const Task& task);

}  // namespace weir::mysql
