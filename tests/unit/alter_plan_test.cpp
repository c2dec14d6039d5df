// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "mapping/alter.h"

using namespace weir;
using Kind = ColumnAlter::Kind;

namespace {

struct Spec {
  std::string name;
  TypeKind kind = TypeKind::int32;
  std::uint64_t length = 0;
  bool nullable = true;
};

TablePlan plan_of(const std::vector<Spec>& columns, std::vector<std::uint32_t> key = {0}) {
  TablePlan plan;
  plan.source.name = {"shop", "item"};
  plan.target = plan.source.name;
  for (const Spec& spec : columns) {
    Column column;
    column.name = spec.name;
    column.type.kind = spec.kind;
    column.type.length = spec.length;
    column.type.native = std::string(to_string(spec.kind));
    column.nullable = spec.nullable;
    PlannedColumn planned;
    planned.name = spec.name;
    planned.source = static_cast<std::uint32_t>(plan.source.columns.size());
    planned.type = column.type;
    planned.target_type = column.type.native + std::to_string(spec.length);
    planned.nullable = spec.nullable;
    plan.source.columns.push_back(column);
    plan.columns.push_back(planned);
  }
  plan.key = std::move(key);
  return plan;
}

std::vector<ColumnOrigin> origins_of(const std::vector<int>& before) {
  std::vector<ColumnOrigin> out;
  for (const int place : before) {
    out.emplace_back();
    if (place >= 0) out.back().before = static_cast<std::uint32_t>(place);
  }
  return out;
}

/// "drop b; rename a>b; add c"
std::string shown(const TableAlter& alter) {
  std::string out;
  for (const ColumnAlter& step : alter.steps) {
    if (!out.empty()) out += "; ";
    switch (step.kind) {
      case Kind::rename:
        out += "rename " + step.name + ">" + step.rename_to;
        continue;
      case Kind::drop:
        out += "drop ";
        break;
      case Kind::add:
        out += "add ";
        break;
      case Kind::retype:
        out += step.problem.empty() ? "retype " : "cannot retype ";
        break;
      case Kind::drop_not_null:
        out += "nullable ";
        break;
      case Kind::set_not_null:
        out += "not null ";
        break;
      case Kind::set_default:
        out += "default ";
        break;
      case Kind::set_comment:
        out += "comment ";
        break;
    }
    out += step.name;
  }
  return out;
}

/// "drop by_a; rename by_b>by_c; add by_d"
std::string shown_indexes(const TableAlter& alter) {
  std::string out;
  for (const IndexAlter& index : alter.indexes) {
    if (!out.empty()) out += "; ";
    const auto name = [](const TablePlan& plan, std::uint32_t place) {
      return plan.source.indexes.at(place).name;
    };
    switch (index.kind) {
      case IndexAlter::Kind::drop:
        out += "drop " + name(alter.before, index.before);
        break;
      case IndexAlter::Kind::rename:
        out += "rename " + name(alter.before, index.before) + ">" + name(alter.after, index.after);
        break;
      case IndexAlter::Kind::add:
        out += "add " + name(alter.after, index.after);
        break;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a column that came is added, one that went is dropped, wherever they stand") {
  const TablePlan before = plan_of({{"id"}, {"a"}, {"b"}});
  const TablePlan after = plan_of({{"new"}, {"id"}, {"b"}}, {1});
  const TableAlter alter = plan_alter(before, after, origins_of({-1, 0, 2}));
  CHECK(shown(alter) == "drop a; add new");
  CHECK_FALSE(alter.key_changed);
}

TEST_CASE("a name is given only once it is free") {
  const TablePlan before = plan_of({{"id"}, {"a"}, {"b"}, {"c"}});
  SECTION("dropped and taken over") {
    const TablePlan after = plan_of({{"id"}, {"b"}});
    CHECK(shown(plan_alter(before, after, origins_of({0, 1}))) == "drop b; drop c; rename a>b");
  }
  SECTION("a chain") {
    const TablePlan after = plan_of({{"id"}, {"b"}, {"c"}, {"d"}});
    CHECK(shown(plan_alter(before, after, origins_of({0, 1, 2, 3}))) ==
          "rename c>d; rename b>c; rename a>b");
  }
  SECTION("a ring") {
    const TablePlan after = plan_of({{"id"}, {"b"}, {"a"}, {"c"}});
    CHECK(shown(plan_alter(before, after, origins_of({0, 1, 2, 3}))) ==
          "rename a>weir_rename_1; rename b>a; rename weir_rename_1>b");
  }
  SECTION("the same name for another column") {
    const TablePlan after = plan_of({{"id"}, {"a"}, {"b"}, {"c"}});
    CHECK(shown(plan_alter(before, after, origins_of({0, -1, 2, 3}))) == "drop a; add a");
  }
}

TEST_CASE("types and NULLs follow, the strict part last") {
  const TablePlan before = plan_of({{"id"}, {"a", TypeKind::text, 10}, {"b"}});
  const TablePlan after = plan_of({{"id"}, {"a", TypeKind::text, 20, false}, {"c"}});
  CHECK(shown(plan_alter(before, after, origins_of({0, 1, -1}))) ==
        "drop b; retype a; not null a; add c");
  CHECK(shown(plan_alter(after, before, origins_of({0, 1, -1}))) ==
        "drop c; retype a; nullable a; add b");
}

TEST_CASE("a conversion that servers do differently is named") {
  const TablePlan before = plan_of({{"id"}, {"a", TypeKind::datetime}});
  const TablePlan after = plan_of({{"id"}, {"a", TypeKind::timestamp}});
  CHECK(shown(plan_alter(before, after, origins_of({0, 1}))) == "cannot retype a");
}

TEST_CASE("a column that a rule left out has no values to bring back") {
  TablePlan before = plan_of({{"id"}, {"a"}});
  before.columns.pop_back();
  const TablePlan after = plan_of({{"id"}, {"a"}});
  const TableAlter alter = plan_alter(before, after, origins_of({0, 1}));
  REQUIRE(shown(alter) == "add a");
  CHECK_FALSE(alter.steps[0].problem.empty());
}

TEST_CASE("columns that the task adds itself are no change") {
  TablePlan before = plan_of({{"id"}, {"a"}});
  TablePlan after = plan_of({{"id"}, {"a"}, {"b"}});
  for (TablePlan* plan : {&before, &after}) {
    plan->columns.emplace_back();
    plan->columns.back().name = "_source";
  }
  CHECK(shown(plan_alter(before, after, origins_of({0, 1, -1}))) == "add b");
}

TEST_CASE("a key is the same by its columns, not by their names or places") {
  const TablePlan before = plan_of({{"id"}, {"a"}, {"b"}}, {0, 1});
  const auto changed = [&](const TablePlan& after, const std::vector<int>& origins) {
    return plan_alter(before, after, origins_of(origins)).key_changed;
  };
  CHECK_FALSE(changed(plan_of({{"b"}, {"nr"}, {"a"}}, {1, 2}), {2, 0, 1}));
  CHECK(changed(plan_of({{"id"}, {"a"}, {"b"}}, {1, 0}), {0, 1, 2}));
  CHECK(changed(plan_of({{"id"}, {"a"}, {"b"}}, {0}), {0, 1, 2}));
  CHECK(changed(plan_of({{"id"}, {"a"}, {"b"}}, {0, 2}), {0, 1, 2}));
  CHECK(changed(plan_of({{"id"}, {"a"}, {"b"}}, {0, 1}), {-1, 1, 2}));
}

TEST_CASE("what converts alike everywhere, and what does not") {
  const auto alike = [](ColumnType from, ColumnType to) { return converts_alike(from, to); };
  const auto type = [](TypeKind kind, std::uint64_t length = 0, std::uint16_t precision = 0) {
    ColumnType out;
    out.kind = kind;
    out.length = length;
    out.precision = precision;
    return out;
  };
  CHECK(alike(type(TypeKind::int8), type(TypeKind::uint64)));
  CHECK(alike(type(TypeKind::int64), type(TypeKind::int8)));  // out of range is refused by both
  CHECK(alike(type(TypeKind::int32), type(TypeKind::decimal)));
  CHECK(alike(type(TypeKind::decimal), type(TypeKind::text)));
  CHECK(alike(type(TypeKind::text, 10), type(TypeKind::text, 5)));
  CHECK(alike(type(TypeKind::float32), type(TypeKind::float64)));
  CHECK(alike(type(TypeKind::date), type(TypeKind::datetime)));
  CHECK(alike(type(TypeKind::datetime, 0, 0), type(TypeKind::datetime, 0, 6)));
  CHECK_FALSE(alike(type(TypeKind::datetime, 0, 6), type(TypeKind::datetime, 0, 0)));
  CHECK_FALSE(alike(type(TypeKind::float64), type(TypeKind::int32)));
  CHECK_FALSE(alike(type(TypeKind::float64), type(TypeKind::text)));
  CHECK_FALSE(alike(type(TypeKind::bits, 4), type(TypeKind::bits, 8)));
  CHECK_FALSE(alike(type(TypeKind::timestamp), type(TypeKind::datetime)));
  CHECK_FALSE(alike(type(TypeKind::text), type(TypeKind::int32)));
  CHECK_FALSE(alike(type(TypeKind::bytes), type(TypeKind::text)));
  ColumnType padded = type(TypeKind::bytes, 8);
  padded.native = "binary(8)";
  CHECK_FALSE(alike(type(TypeKind::bytes, 4), padded));
  ColumnType labels = type(TypeKind::enumeration);
  labels.members = {"a", "b"};
  ColumnType fewer = labels;
  fewer.members = {"b"};
  CHECK(alike(fewer, labels));
  CHECK_FALSE(alike(labels, fewer));
  CHECK(alike(labels, type(TypeKind::text)));
}

TEST_CASE("defaults and comments follow by themselves, or with the type") {
  const TablePlan before = plan_of({{"id"}, {"a"}, {"b"}});
  TablePlan after = before;
  after.source.columns[1].default_value = "5";
  after.source.columns[2].comment = "note";
  after.source.comment = "things";
  const TableAlter alter = plan_alter(before, after, origins_of({0, 1, 2}));
  CHECK(shown(alter) == "default a; comment b");
  CHECK(alter.comment_changed);
  CHECK(alter.alters());
  CHECK_FALSE(plan_alter(before, before, origins_of({0, 1, 2})).alters());
}

TEST_CASE("an index is told by its name, and one that got another by its columns") {
  using Is = Index::Kind;
  TablePlan before = plan_of({{"id"}, {"a"}, {"b"}});
  before.source.indexes = {{"by_a", Is::ordinary, {{1, 0}}}, {"by_b", Is::unique, {{2, 0}}}};
  TablePlan after = before;
  const auto shown_now = [&](std::vector<int> origins = {0, 1, 2}) {
    return shown_indexes(plan_alter(before, after, origins_of(origins)));
  };
  CHECK(shown_now() == "");
  SECTION("added and dropped") {
    after.source.indexes = {{"by_ab", Is::ordinary, {{1, 0}, {2, 0}}}, before.source.indexes[1]};
    CHECK(shown_now() == "drop by_a; add by_ab");
  }
  SECTION("renamed") {
    after.source.indexes[0].name = "other";
    CHECK(shown_now() == "rename by_a>other");
  }
  SECTION("made anew under its name, with other columns, another prefix or another kind") {
    after.source.indexes[0].parts[0].column = 2;
    CHECK(shown_now() == "drop by_a; add by_a");
    after.source.indexes[0].parts = {{1, 10}};
    CHECK(shown_now() == "drop by_a; add by_a");
    after.source.indexes[0] = {"by_a", Is::unique, {{1, 0}}};
    CHECK(shown_now() == "drop by_a; add by_a");
  }
  SECTION("names that change places are no renames") {
    std::swap(after.source.indexes[0].name, after.source.indexes[1].name);
    CHECK(shown_now() == "drop by_a; drop by_b; add by_b; add by_a");
  }
  SECTION("columns have other places, and other names") {
    after = plan_of({{"b"}, {"id"}, {"c"}}, {1});
    after.source.indexes = {{"by_a", Is::ordinary, {{2, 0}}}, {"by_b", Is::unique, {{0, 0}}}};
    CHECK(shown_now({2, 0, 1}) == "");
    CHECK(shown_now({2, 0, -1}) == "drop by_a; add by_a");
  }
  SECTION("the key's own is none of them") {
    before.key_is_primary = true;
    before.source.key_name = "by_b";
    after.key_is_primary = true;
    after.source.key_name = "by_b";
    after.source.indexes.pop_back();
    CHECK(shown_now() == "");
    // Another key leaves it as an index.
    after = before;
    after.source.key_name = "PRIMARY";
    CHECK(shown_now() == "add by_b");
  }
}
