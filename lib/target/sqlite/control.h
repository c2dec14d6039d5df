// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "base/process.h"
#include "client/sqlite.h"
#include "model/table_plan.h"
#include "target/target.h"

namespace weir::sqlite {

/// weir's own tables, in the file that it fills: weir_task, weir_table and weir_range. What is in
/// them wins over the local state file. Everything here is part of the caller's transaction.
void create_control(SqliteDatabase& database);
std::optional<Recovered> recover(SqliteDatabase& database, const std::string& task);

void store_full_end(SqliteDatabase& database, const std::string& task, const Offset& full_end);

/// Throws Error(state_conflict, "sqlite.task-gone") if the file no longer knows the task.
void store_offset(SqliteDatabase& database, const std::string& task, const Offset& offset);
/// Target::move_offset().
void move_offset(SqliteDatabase& database, const std::string& task, const OffsetMove& move);
/// Target::split_tables(), join_tables() and forget(). Nothing is known to a file that has none of
/// weir's tables.
void split_tables(SqliteDatabase& database, const std::string& from, const std::string& to,
                  std::span<const TableName> tables);
void join_tables(SqliteDatabase& database, const std::string& from, const std::string& to);
void forget(SqliteDatabase& database, const std::string& task, std::span<const TableName> tables);
/// From now on the task applies to `kept`, into which the copy of `plan` was merged.
void keep_merged(SqliteDatabase& database, const std::string& task, const TablePlan& plan,
                 const TableName& kept);
/// The table `beside` takes the name `name`, and the place of the table that has it.
void rename_table(SqliteDatabase& database, const TableName& beside, const TableName& name);
void store_mark(SqliteDatabase& database, const std::string& task, const TablePlan& plan,
                const RangeProgress& mark);
/// Whether weir created the table, and with that its key and its indexes.
bool created_here(SqliteDatabase& database, const std::string& task, const TablePlan& plan);

/// Keeps every other worker of the task away from the file, for as long as it lives: a lock on
/// FILE.TASK.lock, which the kernel takes back when the process ends, however it ends. The file
/// stays.
class TaskLock {
 public:
  /// Waits for a worker that is about to end. Throws Error(state_conflict, "sqlite.task-held").
  TaskLock(const std::string& path, const std::string& task,
           std::chrono::milliseconds limit = std::chrono::seconds(30));

 private:
  UniqueFd file_;
};

}  // namespace weir::sqlite
