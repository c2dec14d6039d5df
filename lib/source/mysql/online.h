// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/change.h"
#include "model/table.h"
#include "source/mysql/alter.h"

namespace weir::mysql {

/// What gh-ost and pt-online-schema-change call the tables that they make beside one that they
/// change. `shadow` gets the new definition and a copy of the rows, then takes the table's name.
enum class OnlineRole : std::uint8_t { shadow, helper };

struct OnlineName {
  OnlineRole role = OnlineRole::helper;
  /// The tables that it may be made for, the most likely one first: "_item_new" is for "item".
  std::vector<TableName> bases;
};

/// Empty for an ordinary name. A name of 64 bytes, the most that there are, is told by
/// online_table() alone: the tools cut longer ones.
std::optional<OnlineName> online_name(const TableName& name);

/// Which of `tables`, in order, a tool made the table `name` for, and as what.
struct OnlineTable {
  OnlineRole role = OnlineRole::helper;
  TableName base;
};
std::optional<OnlineTable> online_table(const TableName& name, std::span<const TableName> tables);

/// Takes out those that are made for another one of them.
void drop_online_tables(std::vector<TableName>& names);

/// The shadow of `base` that a CREATE TABLE makes. Its problem says what could not be read.
Shadow create_shadow(const TableName& name, const Table& base, std::string_view sql,
                     const AlterContext& context);
/// What an ALTER TABLE or an index statement makes of it.
void alter_shadow(Shadow& shadow, std::string_view sql, const AlterContext& context);

/// The change of `base` that it comes to when `shadow` takes its name: columns are the same where
/// their names are. `sql` and `table` are filled in; what cannot be told is unreadable.
SchemaChange cut_over(const Table& base, const Shadow& shadow, std::string_view sql);

}  // namespace weir::mysql
