// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "mapping/ddl.h"

using namespace weir;
using Kind = SchemaChange::Kind;
using Kinds = std::vector<Kind>;

namespace {

Column column(const std::string& name, TypeKind kind = TypeKind::int32) {
  Column out;
  out.name = name;
  out.type.kind = kind;
  return out;
}

/// id (the key), a, b; all of them on the target.
TablePlan plan() {
  TablePlan out;
  out.source.name = {"shop", "item"};
  out.source.columns = {column("id"), column("a"), column("b", TypeKind::text)};
  out.source.key = {0};
  out.source.key_is_primary = true;
  out.source.indexes = {{"by_a", Index::Kind::ordinary, {{1, 0}}}};
  for (std::uint32_t i = 0; i < 3; ++i) {
    PlannedColumn planned;
    planned.name = out.source.columns[i].name;
    planned.source = i;
    out.columns.push_back(planned);
  }
  return out;
}

std::vector<ColumnOrigin> origins(std::vector<std::uint32_t> before) {
  std::vector<ColumnOrigin> out;
  for (const std::uint32_t place : before) out.push_back({place, {}, {}});
  return out;
}

constexpr std::uint32_t kNew = ColumnOrigin::kNew;

TableRule rule(const std::string& match) {
  TableRule out;
  out.match.text = match;
  return out;
}

}  // namespace

TEST_CASE("a definition tells what a statement did", "[ddl][policy]") {
  const TablePlan before = plan();
  Table after = before.source;
  const auto same = origins({0, 1, 2});
  const auto kinds = [&](const std::vector<ColumnOrigin>& from) {
    return kinds_between(before, after, from);
  };
  CHECK(kinds(same) == Kinds{Kind::other});
  SECTION("to columns") {
    after.columns[1].name = "c";
    CHECK(kinds(same) == Kinds{Kind::rename_column});
    after.columns[1].type.kind = TypeKind::int64;
    CHECK(kinds(same) == Kinds{Kind::change_type, Kind::rename_column});
    after.columns[2].default_value = "x";
    after.columns[2].comment = "y";
    CHECK(kinds(same) ==
          Kinds{Kind::change_type, Kind::rename_column, Kind::default_value, Kind::comment});
  }
  SECTION("to whether a column may be NULL, its text and its numbers") {
    after.columns[1].nullable = false;
    CHECK(kinds(same) == Kinds{Kind::change_type});
    after.columns[1].nullable = true;
    after.columns[2].collation = "other";
    CHECK(kinds(same) == Kinds{Kind::change_type});
    after.columns[2].collation = "";
    after.columns[0].auto_increment = true;
    CHECK(kinds(same) == Kinds{Kind::change_type});
  }
  SECTION("columns that come and go") {
    after.columns.push_back(column("c"));
    CHECK(kinds(origins({0, 1, 2, kNew})) == Kinds{Kind::add_column});
    after.columns.erase(after.columns.begin() + 2);
    CHECK(kinds(origins({0, 1, kNew})) == Kinds{Kind::drop_column, Kind::add_column});
  }
  SECTION("another place is nothing to anybody") {
    std::swap(after.columns[1], after.columns[2]);
    after.indexes[0].parts[0].column = 2;
    CHECK(kinds(origins({0, 2, 1})) == Kinds{Kind::other});
  }
  SECTION("to the key, and to indexes") {
    after.key = {0, 1};
    CHECK(kinds(same) == Kinds{Kind::change_key});
    after.key = {0};
    after.indexes[0].name = "other";
    CHECK(kinds(same) == Kinds{Kind::index});
    after.indexes.clear();
    CHECK(kinds(same) == Kinds{Kind::index});
    after = before.source;
    after.comment = "x";
    CHECK(kinds(same) == Kinds{Kind::comment});
  }
}

TEST_CASE("what becomes of a column that the target does not have stops nobody", "[ddl][policy]") {
  TablePlan before = plan();
  before.columns.pop_back();  // the rule drops b
  Table after = before.source;
  after.columns[2].type.kind = TypeKind::int64;
  CHECK(kinds_between(before, after, origins({0, 1, 2})) == Kinds{Kind::other});
  after.columns.pop_back();
  CHECK(kinds_between(before, after, origins({0, 1})) == Kinds{Kind::other});
  // By its new name the rule may take it.
  after = before.source;
  after.columns[2].name = "c";
  CHECK(kinds_between(before, after, origins({0, 1, 2})) == Kinds{Kind::rename_column});
}

TEST_CASE("a rule's policies win over those of the task", "[ddl][policy]") {
  Task task;
  task.tables = {rule("shop.item"), rule("*.*")};
  task.tables[0].ddl = DdlSettings();
  task.tables[0].ddl->drop_column = DdlAction::apply;
  task.ddl.drop_column = DdlAction::alert;
  const auto action = [&](const TableName& table, Kind kind) {
    return action_for(ddl_settings(task, table), kind);
  };
  CHECK(action({"shop", "item"}, Kind::drop_column) == DdlAction::apply);
  CHECK(action({"shop", "other"}, Kind::drop_column) == DdlAction::alert);
  CHECK(all_ddl_settings(task).size() == 2);
}

TEST_CASE("what adds is applied, and what takes away stops the table", "[ddl][policy]") {
  const DdlSettings safe;
  CHECK(action_for(safe, Kind::add_column) == DdlAction::apply);
  for (const Kind kind :
       {Kind::drop_table, Kind::rename_table, Kind::drop_column, Kind::rename_column,
        Kind::change_type, Kind::change_key, Kind::drop_rows}) {
    CHECK(action_for(safe, kind) == DdlAction::stop_table);
  }
  for (const Kind kind : {Kind::default_value, Kind::comment, Kind::index, Kind::other}) {
    CHECK(action_for(safe, kind) == DdlAction::ignore);
  }
  // Each key has a kind of its own.
  for (const DdlKind& row : ddl_kinds()) CHECK(to_string(row.kind) == row.key);
}
