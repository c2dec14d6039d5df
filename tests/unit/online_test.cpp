// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/online.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "model/definition.h"

using namespace weir;
using namespace weir::mysql;

namespace {

const std::vector<Collation>& collations() {
  static const std::vector<Collation> list = {{45, "utf8mb4_general_ci", "utf8mb4", true},
                                              {46, "utf8mb4_bin", "utf8mb4", false}};
  return list;
}

AlterContext context() {
  AlterContext out;
  out.is_mariadb = true;
  out.server_version = 101106;
  out.collations = collations();
  out.schema = "shop";
  out.client_collation = out.connection_collation = 45;
  return out;
}

constexpr const char* kCreate =
    "CREATE TABLE `shop`.`_item_new` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `name` "
    "varchar(20) DEFAULT NULL,\n  `n` int(11) NOT NULL DEFAULT 7,\n  PRIMARY KEY (`id`),\n  KEY "
    "`by_name` (`name`),\n  CONSTRAINT `positive` CHECK (`n` > 0)\n) ENGINE=InnoDB "
    "AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci";

/// shop.item as the statement above has it.
Table item() {
  Table out = create_shadow({"shop", "item"}, Table(), kCreate, context()).table;
  REQUIRE(out.columns.size() == 3);
  return out;
}

Shadow like_item() {
  return create_shadow({"shop", "_item_gho"}, item(),
                       "create /* gh-ost */ table `shop`.`_item_gho` like `shop`.`item`",
                       context());
}

/// Why the change that the statement makes of a shadow cannot be told; "" if it can.
std::string unreadable(const std::string& alter) {
  Shadow shadow = like_item();
  alter_shadow(shadow, "ALTER TABLE shop._item_gho " + alter, context());
  const SchemaChange change = cut_over(item(), shadow, "RENAME TABLE ...");
  CHECK((change.definition == nullptr) == !change.unreadable.empty());
  return change.unreadable;
}

}  // namespace

TEST_CASE("the tables of tools for online schema changes are told by their names",
          "[online][ddl]") {
  const auto bases = [](const std::string& name) {
    std::string out;
    const auto online = online_name({"shop", name});
    if (!online) return out;
    out = online->role == OnlineRole::shadow ? "shadow" : "helper";
    for (const TableName& base : online->bases) out += " " + base.table;
    return out;
  };
  CHECK(bases("_item_gho") == "shadow item");
  CHECK(bases("_item_new") == "shadow item");
  CHECK(bases("__item_new") == "shadow _item item");
  CHECK(bases("_item_ghc") == "helper item");
  CHECK(bases("_item_del") == "helper item");
  CHECK(bases("_item_old") == "helper item");
  CHECK(bases("_item_ghk") == "helper item");
  CHECK(bases("_item_20260131235959_del") == "helper item_20260131235959 item");
  CHECK(bases("_item_2026013123595x_del") == "helper item_2026013123595x");
  for (const char* name : {"item_new", "_item", "_new", "_gho", "__new", "item", "_item_news"}) {
    INFO(name);
    CHECK(bases(name).empty());
  }
  std::vector<TableName> names = {
      {"crm", "_item_new"}, {"shop", "_item_gho"}, {"shop", "_x_old"}, {"shop", "item"}};
  drop_online_tables(names);
  CHECK(names ==
        std::vector<TableName>{{"crm", "_item_new"}, {"shop", "_x_old"}, {"shop", "item"}});
}

TEST_CASE("between two steps of a cut-over the tool's tables are nobody else's", "[online][ddl]") {
  std::vector<TableName> names = {{"shop", "_item_ghc"},
                                  {"shop", "_item_gho"},
                                  {"shop", "_item_20260131235959_del"},
                                  {"shop", "_order_new"},
                                  {"shop", "_order_old"}};
  drop_online_tables(names);
  CHECK(names == std::vector<TableName>{{"shop", "_order_new"}, {"shop", "_order_old"}});
}

TEST_CASE("names that the tools have cut are told together with the tables", "[online][ddl]") {
  const std::string longest(64, 'a');
  const std::string other = std::string(58, 'a') + "b";
  const std::vector<TableName> tables = {
      {"shop", longest}, {"shop", other}, {"shop", std::string(62, 'c')}, {"shop", "item"}};
  const auto found = [&](const std::string& name) {
    INFO(name);
    REQUIRE(name.size() <= 64);
    const auto online = online_table({"shop", name}, tables);
    if (!online) return std::string();
    return (online->role == OnlineRole::shadow ? "shadow " : "helper ") + online->base.table;
  };
  CHECK(found("_item_gho") == "shadow item");
  CHECK(found("_order_gho") == "");
  // gh-ost cuts in the middle, ...
  CHECK(found("_" + longest.substr(0, 59) + "_gho") == "shadow " + longest);
  CHECK(found("_" + longest.substr(0, 59) + "_del") == "helper " + longest);
  CHECK(found("_" + longest.substr(0, 44) + "_20260131235959_del") == "");  // of which of the two?
  CHECK(found("_" + std::string(44, 'c') + "_20260131235959_del") ==
        "helper " + std::string(62, 'c'));
  CHECK(found("_" + other + "_gho") == "shadow " + other);
  // ... and pt-online-schema-change at the end.
  CHECK(found("_" + std::string(62, 'c') + "_") == "shadow " + std::string(62, 'c'));
  CHECK(found("__" + std::string(62, 'c')) == "shadow " + std::string(62, 'c'));
  CHECK(found("_" + longest.substr(0, 63)) == "shadow " + longest);
  CHECK(found("_" + std::string(63, 'd')) == "");
  CHECK_FALSE(online_table({"crm", "_" + longest.substr(0, 63)}, tables).has_value());
}

TEST_CASE("a shadow is what its statements say", "[online][ddl]") {
  const Table base = item();
  CHECK(base.columns[0].auto_increment);
  CHECK(base.columns[1].charset == "utf8mb4");
  CHECK(base.columns[2].default_value == "7");
  CHECK(base.key_is_primary);
  REQUIRE(base.indexes.size() == 1);
  CHECK(base.indexes[0].name == "by_name");
  CHECK(like_item().table.columns == base.columns);
  CHECK(create_shadow({"shop", "_item_gho"}, base, "CREATE TABLE _item_gho LIKE shop.other",
                      context())
            .problem == "it is like shop.other, another table");
  CHECK_FALSE(create_shadow({"shop", "_item_new"}, base,
                            "CREATE TABLE _item_new AS SELECT * FROM item", context())
                  .problem.empty());
  // A character set that no statement tells.
  CHECK_FALSE(create_shadow({"shop", "_item_new"}, base,
                            "CREATE TABLE _item_new (id INT PRIMARY KEY, name TEXT)", context())
                  .problem.empty());
}

TEST_CASE("a cut-over is the change that the shadow stands for", "[online][ddl]") {
  Shadow shadow = like_item();
  alter_shadow(shadow,
               "alter /* gh-ost */ table `shop`.`_item_gho` ADD extra INT NOT NULL DEFAULT 5 AFTER "
               "id, DROP name, MODIFY n BIGINT NOT NULL DEFAULT 7",
               context());
  const SchemaChange change = cut_over(item(), shadow, "RENAME TABLE ...");
  CHECK(change.table.text() == "shop.item");
  REQUIRE(change.definition);
  CHECK(change.definition->name.text() == "shop.item");
  REQUIRE(change.origins.size() == 3);
  CHECK(change.origins[0].before == 0);
  CHECK(change.origins[1].before == ColumnOrigin::kNew);
  CHECK(change.origins[1].fill == "5");
  CHECK(change.origins[2].before == 2);

  CHECK(unreadable("ENGINE = InnoDB").empty());
  CHECK(unreadable("MODIFY id BIGINT NOT NULL AUTO_INCREMENT").empty());
  CHECK(unreadable("ADD UNIQUE more (id, name)").empty());
  CHECK_THAT(unreadable("CHANGE name label VARCHAR(20)"), Catch::Contains("renamed column name"));
  CHECK_THAT(unreadable("ADD UNIQUE (name)"), Catch::Contains("unique index"));
  CHECK_THAT(unreadable("MODIFY id SMALLINT NOT NULL AUTO_INCREMENT"),
             Catch::Contains("the new type of id"));
  CHECK_FALSE(unreadable("FROBNICATE").empty());
}

TEST_CASE("a shadow is remembered with the definition that it is for", "[online][ddl]") {
  Table base = item();
  base.shadows.push_back(like_item());
  alter_shadow(base.shadows[0], "ALTER TABLE _item_gho ADD word VARBINARY(9)", context());
  base.shadows[0].origins[3].fill = std::string("\0\xff", 2);
  base.shadows.push_back({{}, {}, "nobody knows"});
  const Table again = decode_definition(encode_definition(base));
  REQUIRE(again.shadows.size() == 2);
  CHECK(again.shadows[0].table.name.text() == "shop._item_gho");
  CHECK(again.shadows[0].table.columns == base.shadows[0].table.columns);
  REQUIRE(again.shadows[0].origins.size() == 4);
  CHECK(again.shadows[0].origins[3].before == ColumnOrigin::kNew);
  CHECK(again.shadows[0].origins[3].fill == std::string("\0\xff", 2));
  CHECK(again.shadows[0].origins[2].before == 2);
  CHECK(again.shadows[1].problem == "nobody knows");
}
