// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>

#include "client/pq.h"
#include "model/table_plan.h"
#include "target/target.h"

namespace weir::postgres {

/// weir's own tables on the target, in the schema that target.control_schema names (weir by
/// default): weir_task, weir_table and weir_range. What is in them wins over the local state file.
class Control {
 public:
  explicit Control(std::string schema) : schema_(std::move(schema)) {}

  const std::string& schema() const { return schema_; }
  std::string task_table() const { return pg_identifier(schema_) + ".weir_task"; }
  std::string table_table() const { return pg_identifier(schema_) + ".weir_table"; }
  std::string range_table() const { return pg_identifier(schema_) + ".weir_range"; }

  /// Creates schema and tables where they are missing.
  void create(PgConnection& connection) const;
  std::optional<Recovered> recover(PgConnection& connection, const std::string& task) const;

  /// What target.h says of these. Parts of the caller's transaction; each waits for the last commit
  /// of who applies the tasks.
  void split_tables(PgConnection& connection, const std::string& from, const std::string& to,
                    std::span<const TableName> tables) const;
  void join_tables(PgConnection& connection, const std::string& from, const std::string& to) const;
  void forget(PgConnection& connection, const std::string& task,
              std::span<const TableName> tables) const;

  /// From now on the task applies to `kept`, into which the copy of `plan` was merged.
  void keep_merged(PgConnection& connection, const std::string& task, const TablePlan& plan,
                   const TableName& kept) const;

  /// The statements behind create(), for weir-target-postgres(7).
  std::string definition() const;

 private:
  bool exists(PgConnection& connection) const;
  /// Tables that were copied beside others take their names.
  void swap_tables(PgConnection& connection, const std::string& task) const;
  LaneOffsets lock_tasks(PgConnection& connection, const std::string& from,
                         const std::string& to) const;

  std::string schema_;
};

/// The table `beside` takes the name `name`, and the place of the table that has it. Part of the
/// caller's transaction. Throws Error(refused, "reload.swap").
void swap_table(PgConnection& connection, const TableName& beside, const TableName& name);

/// Foreign keys were checked and triggers fired on the source: if the table has some of its own,
/// the session leaves them out from now on, for all tables, unless the role may not say so. True if
/// it has some.
bool leave_out_triggers(PgConnection& connection, const TableName& table);

/// What the two advisory locks of a task hang on: one held by its applier, one shared by its
/// loaders.
std::string applier_lock_key(const std::string& task);
std::string loader_lock_key(const std::string& task);

}  // namespace weir::postgres
