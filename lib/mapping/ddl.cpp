// SPDX-License-Identifier: Apache-2.0
#include "mapping/ddl.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/error.h"
#include "mapping/rules.h"

namespace weir {
namespace {

using Kind = SchemaChange::Kind;

constexpr auto kKinds = std::to_array<DdlKind>({
    {Kind::create_table, "create_table", &DdlSettings::create_table, true},
    {Kind::drop_table, "drop_table", &DdlSettings::drop_table, true},
    {Kind::truncate_table, "truncate_table", &DdlSettings::truncate_table, true},
    {Kind::rename_table, "rename_table", &DdlSettings::rename_table, true},
    {Kind::add_column, "add_column", &DdlSettings::add_column, true},
    {Kind::drop_column, "drop_column", &DdlSettings::drop_column, true},
    {Kind::rename_column, "rename_column", &DdlSettings::rename_column, true},
    {Kind::change_type, "change_type", &DdlSettings::change_type, true},
    {Kind::change_key, "change_key", &DdlSettings::change_key, true},
    {Kind::default_value, "default", &DdlSettings::default_value, true},
    {Kind::comment, "comment", &DdlSettings::comment, true},
    {Kind::index, "index", &DdlSettings::index, true},
    {Kind::other, "other", &DdlSettings::other, false},
});

/// What a definition holds is the same whatever place a column has in it.
struct NamedIndex {
  std::string name;
  Index::Kind kind;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> parts;

  auto operator<=>(const NamedIndex&) const = default;
};

/// `place` gives columns one number before and after.
template <class Place>
std::set<NamedIndex> indexes_of(const Table& table, Place place) {
  std::set<NamedIndex> out;
  for (const Index& index : table.indexes) {
    NamedIndex named{index.name, index.kind, {}};
    for (const IndexPart& part : index.parts) {
      named.parts.emplace_back(place(part.column), part.prefix);
    }
    out.insert(std::move(named));
  }
  return out;
}

}  // namespace

std::span<const DdlKind> ddl_kinds() { return kKinds; }

const DdlSettings& ddl_settings(const Task& task, const TableName& table) {
  const std::vector<SelectedTable> taken = select_tables(task, {&table, 1});
  if (taken.empty() || !task.tables[taken[0].rule].ddl) return task.ddl;
  return *task.tables[taken[0].rule].ddl;
}

std::vector<const DdlSettings*> all_ddl_settings(const Task& task) {
  std::vector<const DdlSettings*> out = {&task.ddl};
  for (const TableRule& rule : task.tables) {
    if (rule.ddl) out.push_back(&*rule.ddl);
  }
  return out;
}

DdlAction action_for(const DdlSettings& settings, Kind kind) {
  const auto row = std::find_if(kKinds.begin(), kKinds.end(),
                                [kind](const DdlKind& each) { return each.kind == kind; });
  return row == kKinds.end() ? DdlAction::stop_table : settings.*row->setting;
}

std::vector<Kind> kinds_between(const TablePlan& plan, const Table& after,
                                std::span<const ColumnOrigin> origins) {
  const Table& before = plan.source;
  std::set<Kind> found;
  std::set<std::uint32_t> on_target;
  for (const PlannedColumn& column : plan.columns) {
    if (!column.added()) on_target.insert(column.source);
  }
  std::set<std::uint32_t> kept;
  for (std::uint32_t i = 0; i < after.columns.size(); ++i) {
    const Column& now = after.columns[i];
    const std::uint32_t place = origins[i].before;
    if (place == ColumnOrigin::kNew) {
      found.insert(Kind::add_column);
      continue;
    }
    kept.insert(place);
    const Column& was = before.columns[place];
    if (was.name != now.name) found.insert(Kind::rename_column);
    if (!on_target.contains(place)) continue;
    if (was.type != now.type || was.charset != now.charset || was.collation != now.collation ||
        was.nullable != now.nullable || was.generated != now.generated ||
        was.auto_increment != now.auto_increment) {
      found.insert(Kind::change_type);
    }
    if (was.default_value != now.default_value) found.insert(Kind::default_value);
    if (was.comment != now.comment) found.insert(Kind::comment);
  }
  for (const std::uint32_t place : on_target) {
    if (!kept.contains(place)) found.insert(Kind::drop_column);
  }
  if (before.comment != after.comment) found.insert(Kind::comment);
  // A new column has a number that no earlier one has.
  const auto origin = [&](std::uint32_t place) {
    return origins[place].before == ColumnOrigin::kNew
               ? static_cast<std::uint32_t>(before.columns.size()) + place
               : origins[place].before;
  };
  std::vector<std::uint32_t> key;
  for (const std::uint32_t part : after.key) key.push_back(origin(part));
  if (key != before.key) found.insert(Kind::change_key);
  if (indexes_of(before, [](std::uint32_t place) { return place; }) != indexes_of(after, origin)) {
    found.insert(Kind::index);
  }
  if (found.empty()) return {Kind::other};
  constexpr auto kByWeight =
      std::to_array({Kind::change_key, Kind::change_type, Kind::rename_column, Kind::drop_column,
                     Kind::add_column, Kind::default_value, Kind::index, Kind::comment});
  std::vector<Kind> out;
  for (const Kind kind : kByWeight) {
    if (found.contains(kind)) out.push_back(kind);
  }
  return out;
}

Kind kind_of(ColumnAlter::Kind step) {
  switch (step) {
    case ColumnAlter::Kind::rename:
      return Kind::rename_column;
    case ColumnAlter::Kind::drop:
      return Kind::drop_column;
    case ColumnAlter::Kind::add:
      return Kind::add_column;
    case ColumnAlter::Kind::retype:
    case ColumnAlter::Kind::drop_not_null:
    case ColumnAlter::Kind::set_not_null:
      return Kind::change_type;
    case ColumnAlter::Kind::set_default:
      return Kind::default_value;
    case ColumnAlter::Kind::set_comment:
      return Kind::comment;
  }
  throw bug("a step of no kind");
}

}  // namespace weir
