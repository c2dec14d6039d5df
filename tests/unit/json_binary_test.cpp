// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/json_binary.h"

#include <string>

#include <catch2/catch.hpp>

#include "base/error.h"

using namespace weir;
using namespace weir::mysql;

namespace {

std::string bytes(std::string_view hex) {
  std::string out;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() == 2) {
      out += static_cast<char>(std::stoi(digits, nullptr, 16));
      digits.clear();
    }
  }
  REQUIRE(digits.empty());
  return out;
}

std::string text(std::string_view hex) {
  std::string out;
  json_to_text(bytes(hex), out);
  return out;
}

std::string text_of(double value) {
  std::string binary(1, '\x0b');
  binary.append(reinterpret_cast<const char*>(&value), sizeof value);
  std::string out;
  json_to_text(binary, out);
  return out;
}

std::string text_of_string(const std::string& value) {
  REQUIRE(value.size() < 0x80);
  std::string out;
  json_to_text("\x0c" + std::string(1, static_cast<char>(value.size())) + value, out);
  return out;
}

}  // namespace

TEST_CASE("json scalars", "[mysql][json]") {
  CHECK(text("0400") == "null");
  CHECK(text("0401") == "true");
  CHECK(text("0402") == "false");
  CHECK(text("05 0080") == "-32768");
  CHECK(text("06 ffff") == "65535");
  CHECK(text("07 00000080") == "-2147483648");
  CHECK(text("08 ffffffff") == "4294967295");
  CHECK(text("09 0000000000000080") == "-9223372036854775808");
  CHECK(text("0a ffffffffffffffff") == "18446744073709551615");
  CHECK(text("") == "null");
}

TEST_CASE("json doubles as the server prints them", "[mysql][json]") {
  CHECK(text_of(1) == "1.0");
  CHECK(text_of(-0.0) == "-0.0");
  CHECK(text_of(0.1) == "0.1");
  CHECK(text_of(1e14) == "100000000000000.0");
  CHECK(text_of(1e15) == "1e15");
  CHECK(text_of(-1.5e15) == "-1.5e15");
  CHECK(text_of(2216881882039994.5) == "2216881882039994.5");
  CHECK(text_of(7748610552871008.0) == "7.748610552871008e15");
  CHECK(text_of(1e-15) == "0.000000000000001");
  CHECK(text_of(1e-16) == "1e-16");
  CHECK(text_of(1.7976931348623157e308) == "1.7976931348623157e308");
  CHECK(text_of(5e-324) == "5e-324");
  CHECK(text_of(-654.901) == "-654.901");
}

TEST_CASE("json strings are escaped as the server does", "[mysql][json]") {
  CHECK(text_of_string("a\"b\\c/d") == R"("a\"b\\c/d")");
  CHECK(text_of_string("\b\f\n\r\t\x01\x1f\x7f") == "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
  CHECK(text_of_string("\xc3\xa9\xf0\x9f\x98\x80") == "\"\xc3\xa9\xf0\x9f\x98\x80\"");
  CHECK(text_of_string("").size() == 2);

  std::string binary = bytes("0c 8002");
  binary.append(256, 'x');
  std::string out;
  json_to_text(binary, out);
  CHECK(out == "\"" + std::string(256, 'x') + "\"");
}

TEST_CASE("json objects and arrays, small and large", "[mysql][json]") {
  // {"a": 1, "b": [true, null]}
  CHECK(text("00 0200 1e00 1200 0100 1300 0100 05 0100 02 1400 61 62"
             "0200 0a00 04 0100 04 0000") == R"({"a": 1, "b": [true, null]})");
  CHECK(text("00 0000 0400") == "{}");
  CHECK(text("02 0000 0400") == "[]");
  // [1, 70000, "x"], large: 32-bit numbers stand in their entries
  CHECK(text("03 03000000 19000000 05 01000000 07 70110100 0c 17000000 01 78") ==
        R"([1, 70000, "x"])");
}

TEST_CASE("json values of SQL types", "[mysql][json]") {
  CHECK(text("0f f6 07 0a02 800004d2 38") == "1234.56");
  CHECK(text("0f 0a 08 00000000004cb919") == "\"2026-03-06\"");
  CHECK(text("0f 0c 08 40e20183104cb919") == "\"2026-03-06 01:02:03.123456\"");
  CHECK(text("0f 07 08 40e20183104cb919") == "\"2026-03-06 01:02:03.123456\"");
  CHECK(text("0f 0b 08 0000000591cbffff") == "\"-838:59:59.000000\"");
  CHECK(text("0f 0b 08 ffffffffffffffff") == "\"-00:00:00.000001\"");
  CHECK(text("0f fc 03 00ff10") == "\"base64:type252:AP8Q\"");
  CHECK(text("0f 0f 02 00ff") == "\"base64:type15:AP8=\"");
  CHECK(text("0f 0f 01 00") == "\"base64:type15:AA==\"");

  std::string binary = bytes("0f 0f 3a");
  binary.append(58, '\xab');
  std::string out;
  json_to_text(binary, out);
  std::string line;
  for (int i = 0; i < 19; ++i) line += "q6ur";
  CHECK(out == "\"base64:type15:" + line + "\\nqw==\"");
}

TEST_CASE("damaged json is refused, wherever it is cut", "[mysql][json]") {
  const std::string whole = bytes(
      "00 0200 1e00 1200 0100 1300 0100 05 0100 02 1400 61 62"
      "0200 0a00 04 0100 04 0000");
  for (std::size_t size = 1; size < whole.size(); ++size) {
    INFO(size);
    std::string out;
    CHECK_THROWS_AS(json_to_text(std::string_view(whole).substr(0, size), out), Error);
  }
  for (const char* hex : {"10", "04 03", "0d", "0f f6 03 ff0280", "0f f6 03 0203 80",
                          "0b ffffffffffffff7f", "0c ffffffffff7f", "02 0100 0700 05"}) {
    INFO(hex);
    CHECK_THROWS_AS(text(hex), Error);
  }
}

TEST_CASE("json that holds itself does not exhaust the stack", "[mysql][json]") {
  // An array whose one entry points to the array.
  CHECK_THROWS_AS(text("02 0100 0700 02 0000"), Error);
}
