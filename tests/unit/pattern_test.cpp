// SPDX-License-Identifier: Apache-2.0
#include "mapping/pattern.h"

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;

namespace {

bool glob(const std::string& pattern, const std::string& schema, const std::string& table) {
  return TablePattern({false, pattern, {}}).matches({schema, table});
}

bool regex(const std::string& pattern, const std::string& schema, const std::string& table) {
  return TablePattern({true, pattern, {}}).matches({schema, table});
}

std::string problem(bool is_regex, const std::string& text) {
  try {
    TablePattern({is_regex, text, {}});
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::configuration);
    CHECK(error.id() == "task-file.pattern");
    return error.summary();
  }
  return "";
}

}  // namespace

TEST_CASE("a glob without wildcards is one table", "[pattern]") {
  CHECK(glob("crm.customer", "crm", "customer"));
  CHECK_FALSE(glob("crm.customer", "crm", "customers"));
  CHECK_FALSE(glob("crm.customer", "crm", "ustomer"));
  CHECK_FALSE(glob("crm.customer", "crm", "Customer"));
  CHECK_FALSE(glob("crm.customer", "CRM", "customer"));
}

TEST_CASE("schema.* is every table of the schema, dots in names included", "[pattern]") {
  CHECK(glob("shop.*", "shop", "item"));
  CHECK(glob("shop.*", "shop", "item.2026"));
  CHECK(glob("shop.*", "shop", "."));
  CHECK_FALSE(glob("shop.*", "shop2", "item"));
  CHECK_FALSE(glob("shop.*", "shop.old", "item"));
  CHECK_FALSE(glob("shop.*", "my.shop", "item"));
}

TEST_CASE("neither part of a glob reaches across the divider", "[pattern]") {
  CHECK(glob("shop_*.item", "shop_eu", "item"));
  CHECK(glob("shop_*.item", "shop_eu.1", "item"));
  CHECK_FALSE(glob("shop_*.item", "shop_eu", "x.item"));
  CHECK(glob("*.item", "shop", "item"));
  CHECK_FALSE(glob("*.item", "shop", "old.item"));
  CHECK(glob("*.*", "shop", "item"));
}

TEST_CASE("where a glob has several dots each may be the divider", "[pattern]") {
  CHECK(glob("a.b.c", "a", "b.c"));
  CHECK(glob("a.b.c", "a.b", "c"));
  CHECK_FALSE(glob("a.b.c", "a", "b"));
}

TEST_CASE("a glob without a dot is held against the whole name", "[pattern]") {
  CHECK(glob("*", "shop", "item"));
  CHECK(glob("shop*", "shop", "item"));
  CHECK(glob("shop*", "shop2", "item"));
  CHECK(glob("*item", "shop", "item"));
  CHECK_FALSE(glob("item*", "shop", "item"));
}

TEST_CASE("stars are tried again until they fit", "[pattern]") {
  CHECK(glob("s.*_log", "s", "a_log_log"));
  CHECK(glob("s.*a*b", "s", "xaxbab"));
  CHECK_FALSE(glob("s.*a*b", "s", "xaxbaba"));
  CHECK(glob("s.a**", "s", "a"));
  CHECK_FALSE(glob("s.a*a", "s", "a"));
  CHECK_FALSE(glob("s.aa*a", "s", "aa"));
  // Would take for ever if every star were tried again.
  CHECK_FALSE(glob(
      "s." +
          [] {
            std::string stars;
            for (int i = 0; i < 40; ++i) stars += "*a";
            return stars + "b";
          }(),
      "s", std::string(2000, 'a')));
}

TEST_CASE("a question mark is one character, not one byte", "[pattern]") {
  CHECK(glob("s.a?", "s", "ab"));
  CHECK(glob("s.a?", "s", "a\xC3\xA4"));
  CHECK(glob("s.a?", "s", "a\xF0\x9F\x90\x98"));
  CHECK_FALSE(glob("s.a?", "s", "a"));
  CHECK_FALSE(glob("s.a?", "s", "abc"));
  CHECK(glob("s.a??", "s", "a\xC3("));  // no UTF-8: byte by byte
}

TEST_CASE("sets hold characters and ranges", "[pattern]") {
  CHECK(glob("s.t[0-9]", "s", "t5"));
  CHECK_FALSE(glob("s.t[0-9]", "s", "tx"));
  CHECK_FALSE(glob("s.t[0-9]", "s", "t55"));
  CHECK(glob("s.t[!0-9]", "s", "tx"));
  CHECK(glob("s.t[^0-9]", "s", "tx"));
  CHECK_FALSE(glob("s.t[!0-9]", "s", "t5"));
  CHECK(glob("s.t[]x]", "s", "t]"));
  CHECK(glob("s.t[a-]", "s", "t-"));
  CHECK(glob("s.[*]", "s", "*"));
  CHECK_FALSE(glob("s.[*]", "s", "x"));
  CHECK(glob("s.t[\xC3\xA0-\xC3\xBC]", "s", "t\xC3\xA4"));
  CHECK(glob("s.a[.]b", "s", "a.b"));  // a dot in brackets divides nothing
  CHECK_FALSE(glob("s.a[.]b", "s.a", "b"));
}

TEST_CASE("a regex must match the whole name", "[pattern]") {
  CHECK(regex("shop\\.item_\\d+", "shop", "item_7"));
  CHECK_FALSE(regex("shop\\.item_\\d+", "shop", "item_7x"));
  CHECK_FALSE(regex("shop\\.item_\\d+", "myshop", "item_7"));
  CHECK_FALSE(regex("item", "shop", "item"));
  CHECK_FALSE(regex("SHOP\\..*", "shop", "item"));
}

TEST_CASE("a regex gives its groups, a glob has none", "[pattern]") {
  std::vector<std::string> groups{"left over"};
  const TablePattern pattern({true, "(shop|crm)_(\\d+)?\\.(.*)", {}});
  CHECK(pattern.group_count() == 3);
  CHECK(pattern.matches({"shop_7", "item"}, groups));
  CHECK(groups == std::vector<std::string>{"shop", "7", "item"});
  CHECK(pattern.matches({"crm_", "a.b"}, groups));
  CHECK(groups == std::vector<std::string>{"crm", "", "a.b"});
  CHECK_FALSE(pattern.matches({"x", "y"}, groups));
  CHECK(groups.empty());

  CHECK(TablePattern({true, "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", {}}).group_count() == 9);
  groups = {"left over"};
  const TablePattern plain({false, "*.*", {}});
  CHECK(plain.group_count() == 0);
  CHECK(plain.matches({"a", "b"}, groups));
  CHECK(groups.empty());
}

TEST_CASE("what is no pattern says what is wrong with it", "[pattern]") {
  CHECK_THAT(problem(false, ""), Catch::Contains("empty"));
  CHECK_THAT(problem(false, "shop"), Catch::Contains("neither a dot nor a *"));
  CHECK_THAT(problem(false, "s.t[a"), Catch::Contains("[ without its ]"));
  CHECK_THAT(problem(false, "s.t["), Catch::Contains("[ without its ]"));
  CHECK_THAT(problem(false, "s.t[]"), Catch::Contains("[ without its ]"));
  CHECK_THAT(problem(false, "s.t[z-a]"), Catch::Contains("backwards"));
  CHECK_THAT(problem(true, ""), Catch::Contains("empty"));
  CHECK_THAT(problem(true, "shop[\\."), Catch::Contains("[ without its ]"));
  CHECK_THAT(problem(true, "(shop"), Catch::Contains("( without its )"));
  CHECK_THAT(problem(true, "*"), Catch::Contains("repeat"));
  CHECK_THAT(problem(true, "a{2"), Catch::Contains("{}"));
  CHECK_THAT(problem(true, "\\1"), Catch::Contains("group that is not there"));
  CHECK_THAT(problem(true, "[b-a]"), Catch::Contains("backwards"));
  CHECK_THAT(problem(true, "[[:nope:]]"), Catch::Contains("character class"));
  CHECK(problem(false, "shop.*").empty());
}
