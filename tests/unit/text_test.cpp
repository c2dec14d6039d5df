// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <array>
#include <limits>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "model/lane.h"

using namespace weir;

TEST_CASE("split keeps empty parts and join is its inverse", "[text]") {
  CHECK(split("a,b,,c", ',') == std::vector<std::string>{"a", "b", "", "c"});
  CHECK(split("", ',') == std::vector<std::string>{""});
  CHECK(split(",", ',') == std::vector<std::string>{"", ""});
  for (const std::string text : {"", "a", ",", "a,,b", "a,b,"}) {
    CHECK(join(split(text, ','), ",") == text);
  }
  CHECK(join(std::vector<std::string>{}, ", ").empty());
  CHECK(join(std::vector<std::string>{"a", "b"}, ", ") == "a, b");
}

TEST_CASE("trim cuts blanks at both ends only", "[text]") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim(" \n ").empty());
  CHECK(trim("a") == "a");
}

TEST_CASE("case is folded for ASCII only", "[text]") {
  CHECK(to_lower("AbZ[\xC3\x84") == "abz[\xC3\x84");
  CHECK(equals_ignoring_case("Utf8MB4", "utf8mb4"));
  CHECK_FALSE(equals_ignoring_case("utf8", "utf8mb4"));
  CHECK_FALSE(equals_ignoring_case("[", "{"));
}

TEST_CASE("hex writes two digits for each byte", "[text]") {
  CHECK(hex(std::string_view("\x00\x7f\xff\x0a", 4)) == "007fff0a");
  CHECK(hex("").empty());
}

TEST_CASE("suggest finds likely typos and nothing else", "[text]") {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"host", "port", "password", "connections", "chunk_rows", "rate_limit"});
  CHECK(suggest("hots", kNames) == "host");  // swapped neighbours
  CHECK(suggest("prot", kNames) == "port");
  CHECK(suggest("pasword", kNames) == "password");  // one missing
  CHECK(suggest("Host", kNames) == "host");         // case
  CHECK(suggest("conections", kNames) == "connections");
  CHECK(suggest("chunk-rows", kNames) == "chunk_rows");
  CHECK(suggest("ratelimits", kNames) == "rate_limit");
  CHECK(suggest("host", kNames) == "host");
  CHECK(suggest("flush", kNames).empty());
  CHECK(suggest("x", kNames).empty());
  CHECK(suggest("", kNames).empty());
  CHECK(suggest("host", {}).empty());

  // One letter is no evidence.
  constexpr auto kShort = std::to_array<std::string_view>({"a", "id"});
  CHECK(suggest("b", kShort).empty());
  CHECK(suggest("ib", kShort) == "id");
}

TEST_CASE("the nearest candidate wins, the first of equals", "[text]") {
  constexpr auto kNames = std::to_array<std::string_view>({"customers", "customer", "costumer"});
  CHECK(suggest("customer_", kNames) == "customers");
  CHECK(suggest("costumers", kNames) == "costumer");
}

TEST_CASE("bytes are shown with one decimal and never as 1024 of a unit", "[text]") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(512) == "512 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1024) == "1.0 KiB");
  CHECK(format_bytes(1434) == "1.4 KiB");
  CHECK(format_bytes((1 << 20) - 1) == "1.0 MiB");
  CHECK(format_bytes(3 << 20) == "3.0 MiB");
  CHECK(format_bytes(std::numeric_limits<std::uint64_t>::max()) == "16.0 EiB");
}

TEST_CASE("counts are grouped by thousands", "[text]") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(12345678) == "12,345,678");
  CHECK(format_count(std::numeric_limits<std::uint64_t>::max()) == "18,446,744,073,709,551,615");
}

TEST_CASE("sizes are read with decimal and binary units", "[text]") {
  const auto size = [](std::string_view text) {
    std::uint64_t out = 7;
    REQUIRE(parse_size(text, out));
    return out;
  };
  CHECK(size("10") == 10);
  CHECK(size("10B") == 10);
  CHECK(size("64KiB") == 65536);
  CHECK(size("5MB") == 5'000'000);
  CHECK(size("5 mb") == 5'000'000);
  CHECK(size("1GiB") == std::uint64_t{1} << 30);
  CHECK(size("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("what is no size is refused and leaves the value alone", "[text]") {
  for (const std::string_view text :
       {"", " 1", "-1", "+1", "1 ", "1  MB", "1.5MB", "MB", "1M", "1MBs", "0x10",
        "18446744073709551616", "18446744073709551615KB", "16777216TiB"}) {
    CAPTURE(text);
    std::uint64_t out = 7;
    CHECK_FALSE(parse_size(text, out));
    CHECK(out == 7);
  }
}

TEST_CASE("templates are expanded, doubled braces stand for themselves", "[text]") {
  const auto lookup = [](std::string_view name, std::string& out) {
    if (name != "table") return false;
    out += "item";
    return true;
  };
  std::string out;
  CHECK(expand("shop.{table}_{{x}}", out, lookup).empty());
  CHECK(out == "shop.item_{x}");

  out.clear();
  CHECK(expand("{tabel}", out, lookup) == "tabel");
  CHECK(expand("a{}", out, lookup) == "{}");
  CHECK(expand("a{table", out, lookup) == "{table");
}

TEST_CASE("an error keeps the table that it is about") {
  const weir::Error error(weir::ExitCode::refused, "a.b", "what", "why", "fix");
  CHECK(error.table() == "");
  CHECK(error.of_table("shop.item").table() == "shop.item");
  CHECK(error.of_table("shop.item").within("here").table() == "shop.item");
  CHECK(error.of_table("shop.item").within("here").summary() == "here: what");
}

TEST_CASE("a lane is a part of its root") {
  CHECK(weir::lane_name("shop", 3) == "shop/3");
  CHECK(weir::root_name("shop/3") == "shop");
  CHECK(weir::root_name("shop") == "shop");
}
