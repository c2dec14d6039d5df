// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/log_view.h"

#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/log_verbs.h"
#include "model/change_batch.h"
#include "source/mysql/row_decoder.h"

using namespace weir;
using namespace weir::mysql;
using Text = LogColumn::Text;

namespace {

constexpr std::uint32_t kBinary = 63;
constexpr std::uint32_t kUtf8 = 45;
constexpr std::uint32_t kLatin1 = 8;

MapColumn column(std::uint8_t type, std::uint16_t meta, std::uint32_t collation = 0) {
  MapColumn out;
  out.type = type;
  out.meta = meta;
  out.collation = collation;
  return out;
}

/// The one cell of a row that holds `image`, decoded with nothing but the map.
std::string one(const MapColumn& logged, const std::string& image, bool has_signedness = false) {
  TableMap map;
  map.schema = "shop";
  map.table = "item";
  map.columns.push_back(logged);
  map.has_signedness = has_signedness;
  const std::vector<std::shared_ptr<const Charset>> charsets(1);
  TypeSettings settings;
  settings.zero_dates.kind = ZeroDatePolicy::Kind::keep;
  const RowDecoder decoder(map, table_from_map(map), {true}, charsets, settings);
  const std::string row = std::string(1, '\0') + image;
  Cell cell;
  Arena arena;
  const char* const end = row.data() + row.size();
  CHECK(decoder.decode(row.data(), end, nullptr, {&cell, 1}, arena) == end);
  return std::string(cell.text());
}

std::string shown(TypeKind kind, std::string_view text, Text what = Text::utf8) {
  return cli::log_value({"c", kind, what}, Cell(text)).dump();
}

}  // namespace

TEST_CASE("a table map alone is enough to read every type") {
  using namespace std::string_literals;
  CHECK(one(column(1, 0), "\xff") == "-1");
  CHECK(one(column(2, 0), "\xff\xff") == "-1");
  CHECK(one(column(9, 0), "\xff\xff\xff") == "-1");
  CHECK(one(column(3, 0), "\xff\xff\xff\xff") == "-1");
  CHECK(one(column(8, 0), std::string(8, '\xff')) == "-1");
  MapColumn big = column(8, 0);
  big.is_unsigned = true;
  CHECK(one(big, std::string(8, '\xff'), true) == "18446744073709551615");
  CHECK(one(big, std::string(8, '\xff'), false) == "-1");
  CHECK(one(column(4, 4), "\0\0\x80\x3f"s) == "1");
  CHECK(one(column(5, 8), "\0\0\0\0\0\0\xf0\x3f"s) == "1");
  CHECK(one(column(246, 5 << 8 | 2), "\x80\x7b\x2d") == "123.45");
  CHECK(one(column(16, 1 << 8 | 1), "\x01\x80") == "110000000");
  CHECK(one(column(13, 0), "\x7e") == "2026");
  CHECK(one(column(10, 0), "\0\0\0"s) == "0000-00-00");
  CHECK(one(column(18, 0), "\x80\0\0\0\0"s) == "0000-00-00 00:00:00");
  CHECK(one(column(17, 0), "\0\0\0\0"s) == "0000-00-00 00:00:00");
  CHECK(one(column(19, 0), "\x80\0\x01"s) == "00:00:01");
  CHECK(one(column(11, 0), "\x01\0\0"s) == "00:00:01");
  CHECK(one(column(254, 10, kBinary), "\x02"s + "ab") == "ab" + std::string(8, '\0'));
  CHECK(one(column(254, 40, kUtf8), "\x02"s + "ab") == "ab");
  CHECK(one(column(254, 40), "\x02"s + "ab") == "ab");
  CHECK(one(column(15, 300, kUtf8), "\x02\0"s + "ab") == "ab");
  CHECK(one(column(15, 30, kBinary), "\x02"s + "ab") == "ab");
  CHECK(one(column(141, 31, kBinary), "\x03\0"s + "ab") == "ab");
  for (const std::uint32_t collation : {0U, kUtf8, kBinary}) {
    CHECK(one(column(252, 1, collation), "\x02"s + "ab") == "ab");
    CHECK(one(column(252, 2, collation), "\x02\0"s + "ab") == "ab");
    CHECK(one(column(252, 3, collation), "\x02\0\0"s + "ab") == "ab");
    CHECK(one(column(252, 4, collation), "\x02\0\0\0"s + "ab") == "ab");
    CHECK(one(column(140, 2, collation), "\x03\0\0"s + "ab") == "ab");
  }
  CHECK(one(column(245, 4), "\x02\0\0\0\x04\x01"s) == "true");
  CHECK(one(column(242, 4), "\x04\0\0\0\0\0\x80\x3f"s) == "\0\0\x80\x3f"s);
  MapColumn labels = column(247, 1, kUtf8);
  CHECK(one(labels, "\x02") == "#2");
  CHECK(one(column(247, 2), "\x2c\x01") == "#300");
  labels.members = {"small", "tall"};
  CHECK(one(labels, "\x02") == "tall");
  MapColumn set = column(248, 1);
  CHECK(one(set, "\x05") == "#1,#3");
  CHECK(one(column(248, 8), "\0\0\0\0\0\0\0\x80"s) == "#64");
  set.members = {"a", "b", "c"};
  CHECK(one(set, "\x05") == "a,c");

  TableMap old;
  old.columns.push_back(column(0, 0));
  CHECK_THROWS_AS(table_from_map(old), Error);
}

TEST_CASE("columns without a name are called by their place") {
  TableMap map;
  map.columns = {column(3, 0), column(3, 0)};
  map.columns[1].name = "price";
  CHECK(table_from_map(map).columns[1].name == "@2");
  map.has_names = true;
  CHECK(table_from_map(map).columns[1].name == "price");
}

TEST_CASE("the collation in the log tells what a text is") {
  CHECK(text_in_log(column(15, 40)) == Text::unsure);
  CHECK(text_in_log(column(15, 40, kUtf8)) == Text::utf8);
  CHECK(text_in_log(column(15, 40, kLatin1)) == Text::foreign);
}

TEST_CASE("numbers are numbers where JSON holds them exactly") {
  CHECK(shown(TypeKind::int64, "9007199254740992") == "9007199254740992");
  CHECK(shown(TypeKind::int64, "9007199254740993") == "\"9007199254740993\"");
  CHECK(shown(TypeKind::int64, "-9007199254740992") == "-9007199254740992");
  CHECK(shown(TypeKind::int64, "-9007199254740993") == "\"-9007199254740993\"");
  CHECK(shown(TypeKind::uint64, "18446744073709551615") == "\"18446744073709551615\"");
  CHECK(shown(TypeKind::decimal, "12.50") == "\"12.50\"");
  CHECK(shown(TypeKind::float64, "0.1") == "0.1");
  CHECK(shown(TypeKind::float64, "1e+308") == "1e+308");
  CHECK(shown(TypeKind::boolean, "1") == "true");
  CHECK(shown(TypeKind::year, "0000") == "0");
  CHECK(shown(TypeKind::date, "0000-00-00") == "\"0000-00-00\"");
  CHECK(cli::log_value({"c", TypeKind::text, Text::utf8}, Cell::null()).is_null());
}

TEST_CASE("texts that cannot be shown as such are shown as bytes") {
  using namespace std::string_literals;
  CHECK(shown(TypeKind::bytes, "ab") == "\"0x6162\"");
  CHECK(shown(TypeKind::bytes, "") == "\"0x\"");
  for (const Text what : {Text::utf8, Text::unsure, Text::foreign}) {
    CHECK(shown(TypeKind::text, "ab\n", what) == "\"ab\\n\"");
    CHECK(shown(TypeKind::text, "caf\xe9", what) == "\"0x636166e9\"");
    CHECK(shown(TypeKind::text, "", what) == "\"\"");
    for (const char* bad : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\x80"}) {
      CHECK(shown(TypeKind::text, bad, what).starts_with("\"0x"));
    }
  }
  CHECK(shown(TypeKind::text, "\xc3\xa9\xF0\x9F\x90\x9F") == "\"\xc3\xa9\xF0\x9F\x90\x9F\"");
  CHECK(shown(TypeKind::text, "\xc3\xa9", Text::unsure) == "\"\xc3\xa9\"");
  CHECK(shown(TypeKind::text, "\xc3\xa9", Text::foreign) == "\"0xc3a9\"");
  // A NUL is a character of a text, and a sign of bytes where nothing is known.
  CHECK(shown(TypeKind::text, "a\0"s) == "\"a\\u0000\"");
  CHECK(shown(TypeKind::text, "a\0"s, Text::unsure) == "\"0x6100\"");
  CHECK(shown(TypeKind::text, "\0a"s, Text::foreign) == "\"0x0061\"");
}

TEST_CASE("a binlog is known by its first bytes") {
  CHECK(
      is_binlog("\xfe"
                "bin...."));
  CHECK(
      is_binlog("\xfd"
                "bin"));
  CHECK_FALSE(
      is_binlog("\xfe"
                "bi"));
  CHECK_FALSE(is_binlog(""));
  CHECK_FALSE(is_binlog("bin"));
}
