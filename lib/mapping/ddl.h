// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/change.h"
#include "model/table_alter.h"
#include "model/table_plan.h"
#include "model/task.h"

namespace weir {

/// A kind of change that has a key in [ddl].
struct DdlKind {
  SchemaChange::Kind kind;
  std::string_view key;
  DdlAction DdlSettings::*setting;
  bool can_apply;  ///< weir can carry it out on a target
};

/// All of them, in the order of the manual.
std::span<const DdlKind> ddl_kinds();

/// The policies for a table: its rule's, else the task's.
const DdlSettings& ddl_settings(const Task& task, const TableName& table);
/// The task's and those of its rules.
std::vector<const DdlSettings*> all_ddl_settings(const Task& task);

/// What `settings` say of a kind; a kind without a key stops the table.
DdlAction action_for(const DdlSettings& settings, SchemaChange::Kind kind);

/// All that a statement did to the definition `before.source`, the heaviest first. What it did to
/// columns that the target does not have counts only where it may bring them there. Never empty.
std::vector<SchemaChange::Kind> kinds_between(const TablePlan& before, const Table& after,
                                              std::span<const ColumnOrigin> origins);

/// The kind of change that a step on the target is part of.
SchemaChange::Kind kind_of(ColumnAlter::Kind step);

}  // namespace weir
