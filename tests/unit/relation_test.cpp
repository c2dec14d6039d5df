// SPDX-License-Identifier: Apache-2.0
#include "source/postgres/relation.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "base/text.h"

using namespace weir;
using namespace weir::pgsource;

namespace {

constexpr std::uint32_t kInteger = 23;
constexpr std::uint32_t kBigint = 20;
constexpr std::uint32_t kText = 25;

TypeMap types() {
  TypeMap out;
  const auto add = [&](std::uint32_t id, TypeKind kind, const char* native) {
    ColumnType& type = out[{id, -1}];
    type.kind = kind;
    type.native = native;
  };
  add(kInteger, TypeKind::int32, "integer");
  add(kBigint, TypeKind::int64, "bigint");
  add(kText, TypeKind::text, "text");
  return out;
}

/// "id* a b:bigint": columns, text unless it says otherwise, and the key.
struct Shape {
  std::vector<RelationColumn> columns;

  explicit Shape(std::string_view text) {
    for (std::string part : split(text, ' ')) {
      RelationColumn& column = columns.emplace_back();
      column.type = kText;
      if (part.ends_with(":bigint")) {
        column.type = kBigint;
        part.resize(part.size() - 7);
      }
      if (part.ends_with("*")) {
        column.identity = true;
        column.type = kInteger;
        part.pop_back();
      }
      column.name = part;
    }
  }
};

RelationMessage relation(std::string_view text, char identity = 'd') {
  RelationMessage out;
  out.id = 7;
  out.schema = "public";
  out.table = "t";
  out.identity = identity;
  out.columns = Shape(text).columns;
  return out;
}

Table table(std::string_view text) {
  Table out;
  out.name = {"public", "t"};
  const TypeMap known = types();
  for (const RelationColumn& from : Shape(text).columns) {
    Column& column = out.columns.emplace_back();
    column.name = from.name;
    column.type = known.at({from.type, -1});
    column.nullable = !from.identity;
    if (from.identity) out.key.push_back(static_cast<std::uint32_t>(out.columns.size() - 1));
  }
  out.key_is_primary = true;
  Index index;
  index.name = "by_last";
  index.parts = {{static_cast<std::uint32_t>(out.columns.size() - 1), 0}};
  out.indexes.push_back(index);
  return out;
}

/// "1 id, 2 !, 3 c": numbers with names, '!' for a column that was dropped.
std::vector<CatalogueColumn> catalogue(std::string_view text) {
  std::vector<CatalogueColumn> out;
  for (const std::string& part : split(text, ',')) {
    const std::vector<std::string> words = split(trim(part), ' ');
    CatalogueColumn& column = out.emplace_back();
    column.number = std::stoi(words.at(0));
    column.name = words.at(1);
    column.dropped = column.name == "!";
  }
  return out;
}

std::string text_of(const std::vector<SchemaChange>& changes) {
  std::string out;
  for (const SchemaChange& change : changes) {
    if (!out.empty()) out += "; ";
    if (!change.unreadable.empty()) {
      out += "unreadable";
      CHECK(change.definition == nullptr);
      continue;
    }
    REQUIRE(change.definition != nullptr);
    REQUIRE(change.origins.size() == change.definition->columns.size());
    CHECK(change.sql.starts_with("ALTER TABLE public.t "));
    out += to_string(change.kind) + ":";
    for (std::size_t i = 0; i < change.origins.size(); ++i) {
      const std::uint32_t before = change.origins[i].before;
      out += " " + change.definition->columns[i].name + "=" +
             (before == ColumnOrigin::kNew ? "new" : std::to_string(before));
    }
  }
  return out;
}

std::string compared(std::string_view known, std::string_view now, std::string_view columns) {
  return text_of(compare_relation(table(known), relation(now), types(), catalogue(columns)));
}

}  // namespace

TEST_CASE("rows that fit change nothing", "[pgout][relation]") {
  CHECK(compared("id* a b", "id* a b", "1 id, 2 a, 3 b").empty());
  // Who wants all old values, or none, says nothing about the key.
  for (const char identity : {'f', 'n'}) {
    RelationMessage now = relation("id* a* b*", identity);
    now.columns[1].type = now.columns[2].type = kText;
    CHECK(compare_relation(table("id* a b"), now, types(), {}).empty());
  }
  // A type that was dropped since cannot be compared, and is taken for the one that is known.
  TypeMap fewer = types();
  fewer.erase({kText, -1});
  CHECK(compare_relation(table("id* a"), relation("id* a"), fewer, {}).empty());
}

TEST_CASE("columns come and go", "[pgout][relation]") {
  CHECK(compared("id* a", "id* a b c", "1 id, 2 a, 3 b, 4 c") ==
        "add_column: id=0 a=1 b=new c=new");
  CHECK(compared("id* a b", "id* b", "1 id, 2 !, 3 b") == "drop_column: id=0 b=2");
  CHECK(compared("id* a b", "id* a", "1 id, 2 a, 3 !") == "drop_column: id=0 a=1");
  CHECK(compared("id* a b", "id* b c", "1 id, 2 !, 3 b, 4 c") ==
        "drop_column: id=0 b=2; add_column: id=0 b=1 c=new");
  CHECK(compared("id* a:bigint", "id* b", "1 id, 2 !, 3 b") ==
        "drop_column: id=0; add_column: id=0 b=new");
  CHECK(compared("id* a", "id* a:bigint", "1 id, 2 a") == "change_type: id=0 a=1");
}

TEST_CASE("a rename is told from a new column by the catalogue's numbers", "[pgout][relation]") {
  CHECK(compared("id* a b", "id* c b", "1 id, 2 c, 3 b") == "rename_column: id=0 c=1 b=2");
  CHECK(compared("id* a b", "id* a c", "1 id, 2 a, 3 c") == "rename_column: id=0 a=1 c=2");
  CHECK(compared("id* a b", "id* c d", "1 id, 2 c, 3 d") == "rename_column: id=0 c=1 d=2");
  CHECK(compared("id* a", "key* a", "1 key, 2 a") == "rename_column: key=0 a=1");
  // With others before it that are gone for long.
  CHECK(compared("id* a b", "id* c b", "1 id, 2 !, 3 c, 4 b") == "rename_column: id=0 c=1 b=2");
  CHECK(compared("id* a b", "id* a c d", "1 id, 2 a, 3 c, 4 d") ==
        "rename_column: id=0 a=1 c=2; add_column: id=0 a=1 c=2 d=new");
}

TEST_CASE("what cannot be told is not guessed", "[pgout][relation]") {
  // The last one may have been dropped, or one before it was, long ago.
  CHECK(compared("id* a b", "id* a c", "1 id, 2 a, 3 !, 4 c") == "unreadable");
  CHECK(compared("id* a b c", "id* d c", "1 id, 2 !, 3 d, 4 c") == "unreadable");
  // The catalogue is further on than the log.
  CHECK(compared("id* a b", "id* a c", "1 id, 2 a, 3 e") == "unreadable");
  CHECK(text_of(compare_relation(table("id* a b"), relation("id* a c"), types(), {})) ==
        "unreadable");
  // Another table.
  CHECK(compared("id* a b", "id* b a", "1 id, 2 b, 3 a") == "unreadable");
  CHECK(compared("id* a b", "id* c a b", "1 id, 2 c, 3 a, 4 b") == "unreadable");
}

TEST_CASE("key and indexes follow their columns", "[pgout][relation]") {
  const auto changes =
      compare_relation(table("x id* b"), relation("id* b"), types(), catalogue("1 !, 2 id, 3 b"));
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].definition->key == std::vector<std::uint32_t>{0});
  REQUIRE(changes[0].definition->indexes.size() == 1);
  CHECK(changes[0].definition->indexes[0].parts[0].column == 1);

  const auto gone =
      compare_relation(table("id* b"), relation("id*"), types(), catalogue("1 id, 2 !"));
  REQUIRE(gone.size() == 1);
  CHECK(gone[0].definition->indexes.empty());

  // Another primary key, with a column that is there and with one that is new.
  const auto other = compare_relation(table("id* b*"), relation("id b*"), types(), {});
  REQUIRE(other.size() == 1);
  CHECK(other[0].kind == SchemaChange::Kind::change_key);
  CHECK(other[0].definition->key == std::vector<std::uint32_t>{1});
  const auto added =
      compare_relation(table("id*"), relation("id* c*"), types(), catalogue("1 id, 2 c"));
  REQUIRE(added.size() == 1);
  CHECK(added[0].definition->key == std::vector<std::uint32_t>{0, 1});
}

TEST_CASE("the columns of earlier rows are followed to the later ones", "[pgout][relation]") {
  const auto match = [](std::string_view before, std::string_view after, std::string_view columns) {
    return match_columns(relation(before), relation(after), types(), catalogue(columns));
  };
  using Places = std::vector<std::uint32_t>;
  constexpr std::uint32_t kGone = ColumnMatch::kDropped;
  CHECK(match("id* a b", "id* b c", "1 id, 2 !, 3 b, 4 c").became == Places{0, kGone, 1});
  CHECK(match("id* a b", "id* x b", "1 id, 2 x, 3 b").became == Places{0, 1, 2});
  CHECK_FALSE(match("id* a", "id* b", "1 id, 2 !, 3 b").ambiguous.empty());
}
