// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "base/text.h"
#include "mapping/rules.h"
#include "mapping/task_file.h"

using namespace weir;
using Catch::Contains;

namespace {

/// A task with these [[table]] rules; the first line of `rules` is line 12 of the file.
Task task_of(const std::string& rules) {
  return parse_task(
      "name = \"t\"\n[source]\nkind = \"mysql\"\nhost = \"a\"\nuser = \"u\"\n"
      "[target]\nkind = \"postgres\"\nhost = \"b\"\nuser = \"u\"\ndatabase = \"d\"\n\n" +
          rules,
      "t.toml");
}

Column column(const std::string& name, TypeKind kind = TypeKind::int64, bool nullable = false) {
  Column out;
  out.name = name;
  out.type.kind = kind;
  out.nullable = nullable;
  return out;
}

/// A table with these columns, the first of which is its primary key; "x?" is a nullable x.
Table table(const std::string& schema, const std::string& name,
            const std::vector<std::string>& columns) {
  Table out;
  out.name = {schema, name};
  for (std::string text : columns) {
    const bool nullable = text.ends_with('?');
    if (nullable) text.pop_back();
    out.columns.push_back(column(text, TypeKind::int64, nullable));
  }
  out.key = {0};
  out.key_is_primary = true;
  out.key_name = "PRIMARY";
  return out;
}

Table without_key(Table out) {
  out.key.clear();
  out.key_is_primary = false;
  out.key_name.clear();
  return out;
}

std::string rule(const std::string& match, const std::string& more = "") {
  return "[[table]]\nmatch = \"" + match + "\"\n" + more;
}

NameRules like_postgres() {
  NameRules rules;
  rules.max_bytes = 63;
  rules.refuse = [](std::string_view name) {
    return name.starts_with("pg_") ? std::string("names that begin with pg_ are the server's own")
                                   : std::string();
  };
  return rules;
}

MappingResult map(const std::string& rules, const std::vector<Table>& tables,
                  const NameRules& names = like_postgres()) {
  return map_tables(task_of(rules), tables, names);
}

/// The plan of a mapping without findings.
TablePlan plan_of(const std::string& rules, const Table& source) {
  const MappingResult result = map(rules, {source});
  for (const Finding& finding : result.findings) UNSCOPED_INFO(finding.id << ": " << finding.what);
  CHECK(result.findings.empty());
  REQUIRE(result.plans.size() == 1);
  return result.plans[0];
}

/// The one finding there is, checked for what every one must be.
Finding finding_of(const std::string& rules, const std::vector<Table>& tables,
                   const NameRules& names = like_postgres()) {
  const MappingResult result = map(rules, tables, names);
  for (const Finding& finding : result.findings) UNSCOPED_INFO(finding.id << ": " << finding.what);
  REQUIRE(result.findings.size() == 1);
  const Finding finding = result.findings[0];
  CHECK(finding.severity == Severity::critical);
  CHECK(refuses(result.findings));
  for (const std::string& text : {finding.what, finding.why, finding.fix, finding.evidence}) {
    CHECK_FALSE(text.empty());
    CHECK_FALSE(text.ends_with('.'));
  }
  return finding;
}

std::vector<std::string> names(const TablePlan& plan) {
  std::vector<std::string> out;
  for (const PlannedColumn& planned : plan.columns) out.push_back(planned.name);
  return out;
}

std::vector<std::string> key_names(const TablePlan& plan) {
  std::vector<std::string> out;
  for (const std::uint32_t place : plan.key) out.push_back(plan.columns[place].name);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("the example of the manual maps as it says", "[mapping]") {
  const std::string rules = R"toml(
[[table]]
match = "shop.*"
exclude = ["shop.tmp_*"]
target = "shop.{table}"

[[table]]
match = "crm.customer"
target = "shop.crm_customer"
key = ["id"]
columns = { drop = ["notes"], rename = { mail = "email" }, type = { balance = "numeric(20,4)" } }
add_columns = { _source = "{database}.{table}", _synced_at = "{execute_time}" }
deletes = "apply"
existing = "refuse"
)toml";
  Table customer = without_key(table("crm", "customer", {"id", "mail?", "notes?", "balance?"}));
  customer.columns[3].type.kind = TypeKind::decimal;
  const MappingResult result =
      map(rules, {customer, table("crm", "lead", {"id"}), table("shop", "item", {"id", "name?"}),
                  table("shop", "tmp_1", {"id"})});

  CHECK(result.findings.empty());
  CHECK(result.unmatched == std::vector<TableName>{{"crm", "lead"}, {"shop", "tmp_1"}});
  REQUIRE(result.plans.size() == 2);

  const TablePlan& first = result.plans[0];
  CHECK(first.id == 0);
  CHECK(first.rule == 1);
  CHECK(first.source.name == TableName{"crm", "customer"});
  CHECK(first.target == TableName{"shop", "crm_customer"});
  CHECK(names(first) == Names{"id", "email", "balance", "_source", "_synced_at"});
  CHECK(first.columns[1].source == 1);
  CHECK(first.columns[2].source == 3);
  CHECK(first.columns[2].type.kind == TypeKind::decimal);
  CHECK(first.columns[2].target_type == "numeric(20,4)");
  CHECK(first.columns[0].target_type.empty());
  CHECK_FALSE(first.columns[0].nullable);
  CHECK(first.columns[1].nullable);
  CHECK(first.columns[3].added());
  CHECK(first.columns[3].type.kind == TypeKind::text);
  CHECK(first.columns[3].constant == "{database}.{table}");
  CHECK(first.columns[4].type.kind == TypeKind::timestamp);
  CHECK(first.columns[4].type.precision == 6);
  CHECK(first.columns[4].constant == "{execute_time}");
  CHECK(key_names(first) == Names{"id"});
  CHECK_FALSE(first.key_is_primary);

  const TablePlan& second = result.plans[1];
  CHECK(second.id == 1);
  CHECK(second.rule == 0);
  CHECK(second.target == TableName{"shop", "item"});
  CHECK(names(second) == Names{"id", "name"});
  CHECK(key_names(second) == Names{"id"});
  CHECK(second.key_is_primary);
}

TEST_CASE("tables are selected by name alone, first match wins", "[mapping]") {
  const Task task = task_of(rule("shop.a*", "exclude = [\"shop.a_tmp\"]\n") + rule("shop.*") +
                            rule("crm.customer"));
  const std::vector<TableName> tables{{"crm", "customer"}, {"crm", "lead"}, {"shop", "a_tmp"},
                                      {"shop", "abc"},     {"shop", "b"},   {"stock", "a"}};
  // What a rule excludes is left to the rules after it.
  CHECK(select_tables(task, tables) == std::vector<SelectedTable>{{{"crm", "customer"}, 2},
                                                                  {{"shop", "a_tmp"}, 1},
                                                                  {{"shop", "abc"}, 0},
                                                                  {{"shop", "b"}, 1}});
  CHECK(select_tables(task, {}).empty());
}

TEST_CASE("no rule takes the table of heartbeats", "[mapping]") {
  Task task = task_of(rule("*.*"));
  const std::vector<TableName> tables{{"shop", "a"}, {"shop", "beat"}, {"weir", "weir_heartbeat"}};
  CHECK(select_tables(task, tables) ==
        std::vector<SelectedTable>{{{"shop", "a"}, 0}, {{"shop", "beat"}, 0}});
  task.source.heartbeat_table = {"shop", "beat"};
  CHECK(select_tables(task, tables) ==
        std::vector<SelectedTable>{{{"shop", "a"}, 0}, {{"weir", "weir_heartbeat"}, 0}});

  const std::vector<Table> described{table("shop", "a", {"id"}), table("shop", "beat", {"id"})};
  const MappingResult result = map_tables(task, described, like_postgres());
  REQUIRE(result.plans.size() == 1);
  CHECK(result.plans[0].source.name == TableName{"shop", "a"});
  CHECK(result.unmatched == std::vector<TableName>{{"shop", "beat"}});
}

TEST_CASE("a target comes from its template", "[mapping]") {
  const Table item = table("shop_7", "item.old", {"id"});
  const auto target = [&item](const std::string& text) { return plan_of(text, item).target; };
  CHECK(target(rule("*")) == TableName{"shop_7", "item.old"});
  CHECK(target(rule("*", "target = \"{source}_{database}.{schema}_{table}\"\n")) ==
        TableName{"t_shop_7", "shop_7_item.old"});
  CHECK(target(rule("*", "target = \"{{x}}.y\"\n")) == TableName{"{x}", "y"});
  CHECK(target("[[table]]\nmatch = { regex = '(\\w+)_(\\d+)\\.(.*)' }\n"
               "target = \"{1}.{3}_{2}\"\n") == TableName{"shop", "item.old_7"});
}

TEST_CASE("the divider of a target is its only plain dot", "[mapping]") {
  CHECK(target_divider("a.b") == 1);
  CHECK(target_divider("{schema}.{table}") == 8);
  CHECK(target_divider("{a.b}.c") == 5);
  CHECK(target_divider("{{a.b}}") == 3);
  CHECK(target_divider("a") == std::string_view::npos);
  CHECK(target_divider("a.b.c") == std::string_view::npos);
  CHECK(target_divider("{a.b") == std::string_view::npos);
  CHECK(target_divider("") == std::string_view::npos);
}

TEST_CASE("a soft delete adds its column at the end", "[mapping]") {
  const TablePlan plan =
      plan_of(rule("*",
                   "deletes = \"soft:gone\"\nadd_columns = { a = \"x\" }\n"
                   "columns = { type = { gone = \"timestamptz\", a = \"varchar(9)\" } }\n"
                   "existing = \"truncate\"\n"),
              table("s", "a", {"id"}));
  CHECK(names(plan) == Names{"id", "a", "gone"});
  const PlannedColumn& gone = plan.columns[2];
  CHECK(gone.added());
  CHECK(gone.nullable);
  CHECK(gone.constant == "{deleted}");
  CHECK(gone.type.kind == TypeKind::timestamp);
  CHECK(gone.type.precision == 6);
  CHECK(gone.target_type == "timestamptz");
  CHECK(plan.columns[1].target_type == "varchar(9)");
  CHECK(plan.deletes.kind == DeletePolicy::Kind::soft);
  CHECK(plan.existing == ExistingPolicy::truncate);
}

TEST_CASE("only exactly {execute_time} is a time", "[mapping]") {
  const TablePlan plan =
      plan_of(rule("*", "add_columns = { a = \"{execute_time}\", b = \"at {execute_time}\" }\n"),
              table("s", "a", {"id"}));
  CHECK(plan.columns[1].type.kind == TypeKind::timestamp);
  CHECK(plan.columns[2].type.kind == TypeKind::text);
}

TEST_CASE("a key is the rule's, else the table's", "[mapping]") {
  Table wide = table("s", "a", {"id", "x", "y", "z?"});
  wide.key = {1, 0};
  CHECK(key_names(plan_of(rule("*"), wide)) == Names{"x", "id"});
  CHECK(plan_of(rule("*"), wide).key_is_primary);

  // The same columns are the same key, in the order of its index.
  const TablePlan same = plan_of(rule("*", "key = [\"id\", \"x\"]\n"), wide);
  CHECK(key_names(same) == Names{"x", "id"});
  CHECK(same.key_is_primary);

  const TablePlan other = plan_of(rule("*", "key = [\"y\", \"x\"]\n"), wide);
  CHECK(key_names(other) == Names{"y", "x"});
  CHECK_FALSE(other.key_is_primary);

  wide.indexes.push_back({"u", Index::Kind::unique, {{1, 0}, {2, 0}}});
  CHECK(plan_of(rule("*", "key = [\"y\", \"x\"]\n"), wide).key_is_primary);
  wide.indexes[0].parts[1].prefix = 10;
  CHECK_FALSE(plan_of(rule("*", "key = [\"y\", \"x\"]\n"), wide).key_is_primary);
  wide.indexes[0] = {"o", Index::Kind::ordinary, {{1, 0}, {2, 0}}};
  CHECK_FALSE(plan_of(rule("*", "key = [\"y\", \"x\"]\n"), wide).key_is_primary);
}

TEST_CASE("key places count planned columns", "[mapping]") {
  Table source = table("s", "a", {"a?", "b?", "c", "d"});
  source.key = {3, 2};
  const TablePlan plan =
      plan_of(rule("*", "columns = { drop = [\"b\"], rename = { d = \"dd\" } }\n"), source);
  CHECK(names(plan) == Names{"a", "c", "dd"});
  CHECK(plan.key == std::vector<std::uint32_t>{2, 1});
}

TEST_CASE("a key that fits some tables of a rule leaves the others their own", "[mapping]") {
  const MappingResult result = map(rule("s.*", "key = [\"code\"]\n"),
                                   {table("s", "a", {"id", "code"}), table("s", "b", {"id", "x"}),
                                    without_key(table("s", "c", {"id"}))});
  REQUIRE(result.plans.size() == 3);
  CHECK(key_names(result.plans[0]) == Names{"code"});
  CHECK(key_names(result.plans[1]) == Names{"id"});
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].id == "mapping.no-key");
  CHECK(result.findings[0].table == "s.c");
  CHECK_THAT(result.findings[0].evidence, Contains("lacks a column of the rule's `key`"));
}

TEST_CASE("mapping.collision names both tables and both rules", "[mapping]") {
  const std::string rules = rule("shop.*") + rule("crm.*", "target = \"shop.{table}\"\n");
  const Finding finding =
      finding_of(rules, {table("crm", "item", {"id"}), table("shop", "item", {"id"})});
  CHECK(finding.id == "mapping.collision");
  CHECK_THAT(finding.what,
             Contains("crm.item") && Contains("shop.item") && Contains("one table, shop.item"));
  CHECK_THAT(finding.evidence, Contains("rule 2 (match \"crm.*\", line 14) takes crm.item") &&
                                   Contains("rule 1 (match \"shop.*\", line 12) takes shop.item"));
}

TEST_CASE("mapping.collision counts what it does not name", "[mapping]") {
  std::vector<Table> shards;
  for (char c = 'a'; c <= 'e'; ++c) shards.push_back(table(std::string(1, c), "item", {"id"}));
  CHECK_THAT(finding_of(rule("*", "target = \"all.item\"\n"), shards).what,
             Contains("a.item and b.item and 3 more"));
}

TEST_CASE("mapping.collision asks the target which names are one", "[mapping]") {
  const std::vector<Table> tables{table("s", "Item", {"id"}), table("s", "item", {"id"})};
  CHECK(map(rule("*"), tables).findings.empty());
  NameRules folding;
  folding.fold = [](std::string_view name) { return to_lower(name); };
  CHECK(finding_of(rule("*"), tables, folding).id == "mapping.collision");
}

TEST_CASE("mapping.column-collision names both columns", "[mapping]") {
  const Table source = table("s", "a", {"id", "mail", "email"});
  const auto finding = [&source](const std::string& more) {
    const Finding found = finding_of(rule("s.*", more), {source});
    CHECK(found.id == "mapping.column-collision");
    CHECK(found.table == "s.a");
    return found.evidence;
  };
  CHECK_THAT(finding("columns = { rename = { mail = \"email\" } }\n"),
             Contains("\"mail\", renamed to \"email\"") && Contains("the source's \"email\""));
  CHECK_THAT(finding("add_columns = { mail = \"x\" }\n"),
             Contains("the source's \"mail\"") && Contains("the added \"mail\""));
  CHECK_THAT(finding("deletes = \"soft:mail\"\n"), Contains("takes the time of a delete"));
  CHECK_THAT(finding("deletes = \"soft:x\"\nadd_columns = { x = \"1\" }\n"),
             Contains("the added \"x\"") && Contains("takes the time of a delete"));
  CHECK(map(rule("*", "columns = { rename = { mail = \"email\", email = \"mail\" } }\n"), {source})
            .findings.empty());
}

TEST_CASE("mapping.column-collision asks the target which names are one", "[mapping]") {
  NameRules folding;
  folding.fold = [](std::string_view name) { return to_lower(name); };
  CHECK(finding_of(rule("*", "add_columns = { ID = \"x\" }\n"), {table("s", "a", {"id"})}, folding)
            .id == "mapping.column-collision");
}

TEST_CASE("mapping.name-too-long counts bytes and says the limit", "[mapping]") {
  const std::string fits(63, 'x');
  const std::string umlauts = [] {
    std::string text;
    for (int i = 0; i < 32; ++i) text += "\xC3\xA4";  // 32 characters, 64 bytes
    return text;
  }();
  CHECK(map(rule("*"), {table("s", fits, {fits})}).findings.empty());

  const auto finding = [](const Table& source) {
    const Finding found = finding_of(rule("*"), {source});
    CHECK(found.id == "mapping.name-too-long");
    CHECK(found.why == "it has 64 bytes, and the target takes 63 at most");
    return found.what;
  };
  CHECK_THAT(finding(table("s", umlauts, {"id"})), Contains("table name"));
  CHECK_THAT(finding(table("s", "a", {umlauts})), Contains("column name"));
  CHECK_THAT(finding(table(umlauts, "a", {"id"})), Contains("schema name"));

  NameRules unlimited;
  CHECK(map(rule("*"), {table("s", umlauts, {umlauts})}, unlimited).findings.empty());
}

TEST_CASE("mapping.name-invalid tells the target's reason", "[mapping]") {
  const auto finding = [](const std::string& more, const Table& source) {
    const Finding found = finding_of(more, {source});
    CHECK(found.id == "mapping.name-invalid");
    return found;
  };
  const Finding found = finding(rule("*"), table("s", "pg_x", {"id"}));
  CHECK_THAT(found.what, Contains("\"pg_x\""));
  CHECK_THAT(found.why, Contains("the server's own"));
  CHECK(finding(rule("*"), table("s", "a", {"pg_c"})).table == "s.a");
  CHECK(finding(rule("*", "add_columns = { pg_a = \"x\" }\n"), table("s", "a", {"id"})).table ==
        "s.a");
  CHECK_THAT(finding(rule("*"), table("pg_s", "a", {"id"})).what, Contains("schema name"));
  // A group that matched nothing leaves an empty name.
  CHECK_THAT(finding("[[table]]\nmatch = { regex = '\\w+\\.a(x?)' }\ntarget = \"s.{1}\"\n",
                     table("s", "a", {"id"}))
                 .what,
             Contains("is empty"));
}

TEST_CASE("a schema that is wrong is told once", "[mapping]") {
  CHECK(finding_of(rule("*"), {table("pg_s", "a", {"id"}), table("pg_s", "b", {"id"})}).id ==
        "mapping.name-invalid");
}

TEST_CASE("mapping.control-schema keeps the task's own tables apart", "[mapping]") {
  const Finding finding =
      finding_of(rule("*"), {table("weir", "item", {"id"}), table("weir", "weir_task", {"id"})});
  CHECK(finding.id == "mapping.control-schema");
  CHECK(finding.table == "weir.weir_task");
}

TEST_CASE("mapping.rule-unused names the rule", "[mapping]") {
  const Finding finding =
      finding_of(rule("shop.*") + rule("crm.custmer"), {table("shop", "item", {"id"})});
  CHECK(finding.id == "mapping.rule-unused");
  CHECK_THAT(finding.what, Contains("rule 2 (match \"crm.custmer\", line 14) takes no table"));
}

TEST_CASE("in a part of a task a rule may have nothing to do", "[mapping]") {
  const std::string rules = rule("shop.item") + rule("shop.*", "columns.drop = [\"secret\"]\n");
  const Table item = table("shop", "item", {"id"});
  const Table account = table("shop", "account", {"id"});
  Task lane = task_of(rules);
  lane.only = {account.name};
  const MappingResult beside = map_tables(lane, std::vector{account}, like_postgres());
  CHECK(beside.findings.empty());
  CHECK(beside.plans.size() == 1);
  Task main = task_of(rules);
  main.without = {account.name};
  CHECK(map_tables(main, std::vector{item}, like_postgres()).findings.empty());
  CHECK(map(rules, {item, account}).findings.size() == 1);
}

TEST_CASE("a rule whose tables are in another lane is no unused one", "[mapping]") {
  const std::vector<Table> tables{table("shop", "item", {"id"}), table("crm", "customer", {"id"})};
  Task task = task_of(rule("shop.*") + rule("crm.customer"));
  const auto planned = [&] {
    const MappingResult result = map_tables(task, tables, like_postgres());
    CHECK(result.findings.empty());
    return result.plans.size();
  };
  CHECK(planned() == 2);
  task.without = {TableName{"crm", "customer"}};
  CHECK(planned() == 1);
  task.without = {TableName{"crm", "customer"}, TableName{"shop", "item"}};
  CHECK(planned() == 0);
  task.without.clear();
  task.only.emplace({TableName{"crm", "customer"}});
  CHECK(planned() == 1);
}

TEST_CASE("mapping.rule-shadowed names the rules that came first", "[mapping]") {
  const Finding finding = finding_of(rule("shop.item") + rule("shop.*") + rule("shop.i*"),
                                     {table("shop", "item", {"id"}), table("shop", "it", {"id"})});
  CHECK(finding.id == "mapping.rule-shadowed");
  CHECK_THAT(finding.what, Contains("rule 3 (match \"shop.i*\", line 16)") &&
                               Contains("rule 1 (match \"shop.item\", line 12) and rule 2"));
  CHECK_THAT(finding.evidence, Contains("shop.item"));
}

TEST_CASE("mapping.unknown-column names the column, its use and a likely one", "[mapping]") {
  const Table source = table("s", "a", {"id", "mail", "notes"});
  const auto finding = [&source](const std::string& more) {
    const Finding found = finding_of(rule("s.*", more), {source});
    CHECK(found.id == "mapping.unknown-column");
    CHECK(found.table == "s.a");
    return found.what + " / " + found.fix;
  };
  CHECK_THAT(
      finding("columns = { drop = [\"note\"] }\n"),
      Contains("\"note\" in columns.drop, which s.a lacks") && Contains("did you mean \"notes\"?"));
  CHECK_THAT(finding("columns = { rename = { Mail = \"email\" } }\n"),
             Contains("columns.rename") && Contains("did you mean \"mail\"?"));
  CHECK_THAT(finding("columns = { type = { balance = \"int\" } }\n"),
             Contains("columns.type") && !Contains("did you mean"));
  // The rule's key is wrong, not the table: one finding.
  CHECK_THAT(finding("key = [\"uid\"]\n"), Contains("in key") && Contains("did you mean \"id\"?"));
}

TEST_CASE("mapping.unknown-column replaces mapping.no-key where the key is misspelt", "[mapping]") {
  CHECK(
      finding_of(rule("s.*", "key = [\"codee\"]\n"), {without_key(table("s", "a", {"id", "code"}))})
          .id == "mapping.unknown-column");
}

TEST_CASE("a column need only be in one of a rule's tables", "[mapping]") {
  const std::vector<Table> tables{table("s", "a", {"id", "x"}), table("s", "b", {"id", "y"})};
  const std::string known =
      "columns = { drop = [\"x\"], rename = { y = \"z\" }, type = { y = \"int\" } }\n";
  const MappingResult result = map(rule("s.*", known), tables);
  CHECK(result.findings.empty());
  REQUIRE(result.plans.size() == 2);
  CHECK(names(result.plans[0]) == Names{"id"});
  CHECK(names(result.plans[1]) == Names{"id", "z"});

  const Finding finding = finding_of(rule("s.*", "columns = { drop = [\"q\"] }\n"), tables);
  CHECK_THAT(finding.what, Contains("none of the tables it takes has"));
  CHECK(finding.table.empty());

  // A table of another rule does not count.
  const MappingResult apart =
      map(rule("s.a", "columns = { drop = [\"y\"] }\n") + rule("s.b"), tables);
  REQUIRE(apart.findings.size() == 1);
  CHECK(apart.findings[0].id == "mapping.unknown-column");
}

TEST_CASE("mapping.no-key says how to go on", "[mapping]") {
  const Finding finding = finding_of(rule("s.*"), {without_key(table("s", "log", {"at"}))});
  CHECK(finding.id == "mapping.no-key");
  CHECK(finding.table == "s.log");
  CHECK_THAT(finding.fix, Contains("key = [") && Contains("exclude = [\"s.log\"]") &&
                              Contains("key = \"all-columns\""));
}

TEST_CASE("all columns tell rows apart only where a table has no key", "[mapping][nokey]") {
  const std::string all = "key = \"all-columns\"\n";
  const MappingResult result = map(
      rule("s.*", all), {table("s", "a", {"id", "x"}), without_key(table("s", "b", {"x", "y"}))});
  CHECK(result.findings.empty());
  REQUIRE(result.plans.size() == 2);
  CHECK(key_names(result.plans[0]) == Names{"id"});
  CHECK(result.plans[1].key.empty());
  CHECK_FALSE(result.plans[1].key_is_primary);

  const std::string less = all + "columns = { drop = [\"x\"] }\n";
  CHECK(map(rule("s.*", less), {without_key(table("s", "b", {"x", "y"}))}).findings.empty());
  const Finding finding = finding_of(rule("s.*", less + "add_columns = { z = \"1\" }\n"),
                                     {without_key(table("s", "b", {"x"}))});
  CHECK(finding.id == "mapping.no-columns");
}

TEST_CASE("mapping.key-dropped is told for own and given keys", "[mapping]") {
  const Finding own =
      finding_of(rule("s.*", "columns = { drop = [\"id\"] }\n"), {table("s", "a", {"id", "x"})});
  CHECK(own.id == "mapping.key-dropped");
  CHECK_THAT(own.what, Contains("\"id\" of s.a"));
  CHECK(finding_of(rule("s.*", "key = [\"x\"]\ncolumns = { drop = [\"x\"] }\n"),
                   {table("s", "a", {"id", "x"})})
            .id == "mapping.key-dropped");
  // With another key the table's own may go.
  CHECK(map(rule("s.*", "key = [\"x\"]\ncolumns = { drop = [\"id\"] }\n"),
            {table("s", "a", {"id", "x"})})
            .findings.empty());
}

TEST_CASE("mapping.key-nullable is told for a given key", "[mapping]") {
  const Finding finding =
      finding_of(rule("s.*", "key = [\"x\", \"y\"]\n"), {table("s", "a", {"id", "x", "y?"})});
  CHECK(finding.id == "mapping.key-nullable");
  CHECK_THAT(finding.what, Contains("\"y\" of s.a"));
}

TEST_CASE("mapping.nothing is one finding", "[mapping]") {
  const std::string rules = rule("shop.*") + rule("crm.*");
  const Finding finding = finding_of(rules, {table("stock", "item", {"id"})});
  CHECK(finding.id == "mapping.nothing");
  CHECK_THAT(finding.evidence, Contains("rule 1 (match \"shop.*\", line 12)"));
  CHECK(finding_of(rules, {}).id == "mapping.nothing");
}

TEST_CASE("ten thousand tables are mapped in one go", "[mapping]") {
  std::vector<Table> tables;
  for (int i = 0; i < 10'000; ++i) {
    tables.push_back(table("s" + std::to_string(i % 10), "t" + std::to_string(i), {"id", "x"}));
  }
  const MappingResult result =
      map(rule("s0.*", "target = \"a.{schema}_{table}\"\n") + rule("*"), tables);
  CHECK(result.findings.empty());
  REQUIRE(result.plans.size() == 10'000);
  for (std::uint32_t i = 0; i < 10'000; i += 997) {
    CHECK(result.plans[i].id == i);
    CHECK(result.plans[i].source.name == tables[i].name);
  }
}
