// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/text_value.h"

#include <array>
#include <string>

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;
using namespace weir::mysql;

namespace {

Column column(TypeKind kind, const std::string& native, std::uint16_t precision = 0) {
  Column out;
  out.name = "price";
  out.type.kind = kind;
  out.type.native = native;
  out.type.precision = precision;
  return out;
}

/// What the full stage makes of `text` in such a column.
std::string fixed(const Column& column, std::string_view text, const TypeSettings& settings = {}) {
  static Arena arena;
  const TextFix fix = text_fix(column, settings);
  const Cell cell = fix == nullptr ? Cell(text) : fix(column, settings, text, arena);
  return cell.is_null() ? "NULL" : std::string(cell.text());
}

TypeSettings zero_dates(ZeroDatePolicy::Kind kind, const std::string& date = "") {
  TypeSettings settings;
  settings.zero_dates = {kind, date};
  return settings;
}

}  // namespace

TEST_CASE("floats are selected so that no digit is lost", "[mysql][text]") {
  CHECK(select_expression(column(TypeKind::float32, "float")) == "`price`*1e0");
  CHECK(select_expression(column(TypeKind::float64, "double(10,2)")) == "`price`*1e0");
  CHECK(select_expression(column(TypeKind::float64, "double")) == "`price`");
  Column quoted = column(TypeKind::int32, "int");
  quoted.name = "a`b";
  CHECK(select_expression(quoted) == "`a``b`");
}

TEST_CASE("numbers of the text protocol in neutral form", "[mysql][text]") {
  CHECK(fixed(column(TypeKind::float32, "float"), "0.10000000149011612") == "0.1");
  CHECK(fixed(column(TypeKind::float32, "float"), "-0") == "-0");
  CHECK(fixed(column(TypeKind::float64, "double"), "1e15") == "1e+15");
  CHECK(fixed(column(TypeKind::float64, "double"), "0.30000000000000004") == "0.30000000000000004");
  CHECK_THROWS_AS(fixed(column(TypeKind::float64, "double"), "x"), Error);
  CHECK(fixed(column(TypeKind::uint32, "int(5) unsigned zerofill"), "00042") == "42");
  CHECK(fixed(column(TypeKind::uint32, "int(5) unsigned zerofill"), "00000") == "0");
  CHECK(fixed(column(TypeKind::decimal, "decimal(8,2) unsigned zerofill"), "000000.50") == "0.50");
  CHECK(fixed(column(TypeKind::boolean, "tinyint(1)"), "-5") == "1");
  CHECK(fixed(column(TypeKind::boolean, "tinyint(1)"), "0") == "0");
  CHECK(fixed(column(TypeKind::year, "year(2)"), "70") == "1970");
  CHECK(fixed(column(TypeKind::year, "year(2)"), "69") == "2069");
  CHECK(text_fix(column(TypeKind::year, "year(4)"), {}) == nullptr);
  CHECK(text_fix(column(TypeKind::int32, "int(11)"), {}) == nullptr);
  CHECK(text_fix(column(TypeKind::text, "text"), {}) == nullptr);
}

TEST_CASE("real dates are told from the others", "[mysql][text]") {
  CHECK(is_real_date(2024, 2, 29));
  CHECK(is_real_date(2000, 2, 29));
  CHECK(is_real_date(1, 1, 1));
  CHECK(is_real_date(9999, 12, 31));
  CHECK_FALSE(is_real_date(2023, 2, 29));
  CHECK_FALSE(is_real_date(1900, 2, 29));
  CHECK_FALSE(is_real_date(0, 1, 1));
  CHECK_FALSE(is_real_date(2024, 0, 1));
  CHECK_FALSE(is_real_date(2024, 13, 1));
  CHECK_FALSE(is_real_date(2024, 4, 31));
  CHECK_FALSE(is_real_date(2024, 4, 0));
  CHECK_FALSE(is_real_date(10'000, 1, 1));
}

TEST_CASE("zero dates follow the policy in the full stage", "[mysql][text]") {
  using Kind = ZeroDatePolicy::Kind;
  const Column date = column(TypeKind::date, "date");
  const Column moment = column(TypeKind::datetime, "datetime(3)", 3);
  CHECK(fixed(date, "2024-02-29") == "2024-02-29");
  for (const char* bad : {"0000-00-00", "2026-00-15", "2026-02-00", "2026-02-31", "0000-01-01"}) {
    INFO(bad);
    CHECK(fixed(date, bad, zero_dates(Kind::null)) == "NULL");
    CHECK(fixed(date, bad, zero_dates(Kind::date, "1970-01-01")) == "1970-01-01");
    CHECK(fixed(moment, bad + std::string(" 12:00:00.123"), zero_dates(Kind::date, "1970-01-01")) ==
          "1970-01-01 00:00:00.000");
    try {
      fixed(date, bad);
      FAIL("a zero date was taken");
    } catch (const Error& error) {
      CHECK(error.id() == "mysql.zero-date");
      CHECK_THAT(error.summary(), Catch::Contains("price"));
    }
  }
}

TEST_CASE("geometry becomes EWKB", "[mysql][text]") {
  const auto point = [](std::string srid) {
    return srid + std::string("\x01\x01\x00\x00\x00", 5) + std::string(16, 'x');
  };
  const Column geometry = column(TypeKind::geometry, "point");
  const std::string plain = point(std::string(4, '\0'));
  CHECK(fixed(geometry, plain) == plain.substr(4));
  const std::string srid("\xe6\x10\x00\x00", 4);
  CHECK(fixed(geometry, point(srid)) ==
        std::string("\x01\x01\x00\x00\x20", 5) + srid + std::string(16, 'x'));
  CHECK_THROWS_AS(fixed(geometry, plain.substr(0, 8)), Error);
  CHECK_THROWS_AS(fixed(geometry, ""), Error);
}

TEST_CASE("bits are written highest first, exactly as many as declared", "[mysql][text]") {
  Arena arena;
  CHECK(to_bits("\x05", 3, arena).text() == "101");
  CHECK(to_bits("\x05", 1, arena).text() == "1");
  CHECK(to_bits(std::string_view("\x01\x00", 2), 9, arena).text() == "100000000");
  CHECK(to_bits("\xff\xff\xff\xff\xff\xff\xff\xff", 64, arena).text() == std::string(64, '1'));
}

TEST_CASE("binary decimals of every width", "[mysql][text]") {
  CHECK(decimal_size(10, 2) == 5);
  CHECK(decimal_size(65, 30) == 30);
  CHECK(decimal_size(9, 9) == 4);
  std::array<char, 80> out;
  const auto text = [&out](const std::string& binary, unsigned precision, unsigned scale) {
    REQUIRE(binary.size() == decimal_size(precision, scale));
    char* const end = decimal_to_text(binary.data(), precision, scale, out.data());
    return end == nullptr ? std::string("damaged") : std::string(out.data(), end);
  };
  CHECK(text(std::string("\x80\x00\x00\x01\x0d", 5), 10, 2) == "1.13");
  CHECK(text("\x7f\xff\xff\xfe\xf2", 10, 2) == "-1.13");
  CHECK(text(std::string("\x80\x01", 2), 2, 1) == "0.1");
  CHECK(text(std::string("\x80\x00\x00\x00", 4), 9, 0) == "0");
  // Two digits cannot hold 127.
  CHECK(text(std::string("\x80\x00\x00\x01\x7f", 5), 10, 2) == "damaged");
  CHECK(decimal_to_text("", 2, 3, out.data()) == nullptr);
  // As many digits as a damaged log can claim.
  std::array<char, kMostDecimalDigits + 3> widest;
  const std::string most(64, '\x80');
  char* const end = decimal_to_text(std::string(36, '\0').c_str(), 81, 9, widest.data());
  CHECK((end == nullptr || end <= widest.data() + widest.size()));
  CHECK(decimal_to_text(most.data(), 82, 30, widest.data()) == nullptr);
  CHECK(decimal_to_text(most.data(), 144, 0, widest.data()) == nullptr);
}

TEST_CASE("an empty text is a value even in a new arena", "[mysql][text]") {
  Arena arena;
  CHECK(to_cell("", arena).has_value());
}
