// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "client/mysql.h"
#include "model/table.h"
#include "model/task.h"
#include "source/mysql/offset.h"

namespace weir::mysql {

/// A position P such that every transaction at or before P is visible to reads that begin later.
///
/// A server logs a transaction before others can see its rows, so a plain current position loses
/// rows. MariaDB: the position that belongs to a consistent snapshot, once it is certain that the
/// server had not just put it behind transactions that are logged and not visible yet; takes
/// half a second on a server that writes nothing. MySQL with GTIDs: the executed set, which grows
/// only after the commit is visible. MySQL without: performance_schema.log_status, which stops
/// commits while it reads (BACKUP_ADMIN), else a global read lock that gives up after two seconds
/// (RELOAD). Throws Error(failed, "mysql.start-method") if none can be had.
LogPosition take_start_position(MysqlConnection& connection);

/// A position at or after every transaction that a read up to now can have seen.
LogPosition take_log_end(MysqlConnection& connection);

/// Begins a transaction on `connection` that sees `table` as of one moment, and returns that
/// moment's place in the log: the transactions at or before it are what the snapshot shows of the
/// table, no more and no less. The transaction is left open; the caller ends it.
///
/// MariaDB tells the place with the snapshot. On MySQL another session of `endpoint` locks the
/// table while the snapshot is begun: READ first, which waits for writers and holds none up; where
/// writers never leave a gap WRITE, which makes those that come later wait, for a second at most.
/// Throws Error(failed, "mysql.snapshot-lock") if neither is had.
LogPosition begin_exact_snapshot(MysqlConnection& connection, const Endpoint& endpoint,
                                 const TableName& table);

/// Why begin_exact_snapshot() would be denied for want of a privilege; "" if it would not. Changes
/// nothing.
std::string table_lock_missing(MysqlConnection& connection, const TableName& table);

/// Why take_start_position() would fail for want of a privilege; "" if it would not. Changes
/// nothing.
std::string start_method_missing(MysqlConnection& connection);

/// Whether take_start_position() has nothing better than a global read lock.
bool needs_read_lock(MysqlConnection& connection);

/// Opens the log as a replica would, reads one event and leaves. What came in the way, if anything.
std::optional<Error> probe_log(const Task& task);

/// The replica id that weir shows to the server: the task file's, else one made from the task's
/// name. A lane has one of its own, made from its name.
std::uint32_t replica_id(const Task& task);
/// That of a lane, other than the server's own.
std::uint32_t lane_replica_id(const Task& task, std::uint32_t server);

}  // namespace weir::mysql
