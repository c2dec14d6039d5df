// SPDX-License-Identifier: Apache-2.0
#include "model/definition.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;

namespace {

Table sample() {
  Table table;
  table.name = {"shop", "ord\"er"};
  Column id;
  id.name = "id";
  id.type.kind = TypeKind::uint64;
  id.type.native = "bigint unsigned";
  id.nullable = false;
  id.auto_increment = true;
  Column state;
  state.name = "zustand ß";
  state.type.kind = TypeKind::enumeration;
  state.type.members = {"neu", "", "a'b"};
  state.charset = "utf8mb4";
  state.collation = "utf8mb4_bin";
  state.default_value = "";
  state.comment = "as the shop shows it";
  Column price;
  price.name = "price";
  price.type.kind = TypeKind::decimal;
  price.type.precision = 65;
  price.type.scale = 30;
  price.generated = true;
  price.invisible = true;
  price.left_out = true;
  table.columns = {id, state, price};
  table.key = {0};
  table.key_is_primary = true;
  table.key_name = "PRIMARY";
  table.indexes = {{"by_state", Index::Kind::unique, {{1, 10}, {0, 0}}},
                   {"words", Index::Kind::fulltext, {{1, 0}}}};
  table.engine = "InnoDB";
  table.charset = "utf8mb4";
  table.collation = "utf8mb4_general_ci";
  table.comment = "orders";
  return table;
}

}  // namespace

TEST_CASE("a definition survives being written down") {
  const Table table = sample();
  const Table read = decode_definition(encode_definition(table));
  CHECK(read.name == table.name);
  CHECK(read.columns == table.columns);
  CHECK(read.key == table.key);
  CHECK(read.key_is_primary);
  CHECK(read.key_name == table.key_name);
  CHECK(read.indexes == table.indexes);
  CHECK(read.engine == table.engine);
  CHECK(read.charset == table.charset);
  CHECK(read.collation == table.collation);
  CHECK(read.comment == table.comment);
}

TEST_CASE("every kind of type has a name that reads back") {
  for (const TypeKindRow& row : type_kinds()) {
    Table table = sample();
    table.columns[1].type.kind = row.kind;
    CHECK(decode_definition(encode_definition(table)).columns[1].type.kind == row.kind);
  }
}

TEST_CASE("a damaged definition is a named error") {
  const auto refuses = [](const std::string& text) {
    try {
      decode_definition(text);
    } catch (const Error& error) {
      return error.id() == "definition.format";
    }
    return false;
  };
  const std::string good = encode_definition(sample());
  CHECK(refuses(""));
  CHECK(refuses("{}"));
  CHECK(refuses(good.substr(0, good.size() / 2)));
  std::string unknown = good;
  unknown.replace(unknown.find("uint64"), 6, "uint99");
  CHECK(refuses(unknown));
  std::string beyond = good;
  beyond.replace(beyond.find("\"key\":[0]"), 9, "\"key\":[7]");
  CHECK(refuses(beyond));
}
