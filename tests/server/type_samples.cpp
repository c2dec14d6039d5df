// SPDX-License-Identifier: Apache-2.0
#include "server/type_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>

namespace weir::test {

namespace {

using Values = std::vector<std::string>;

std::string quote(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + '\'';
}

Values quoted(const Values& texts) {
  Values out;
  std::transform(texts.begin(), texts.end(), std::back_inserter(out), quote);
  return out;
}

bool is_mariadb(MySqlServer& server) {
  return server.value("SELECT version()").find("MariaDB") != std::string::npos;
}

SampleTable integers() {
  return {"integers",
          {
              {"tiny", "TINYINT", Form::integer, {"-128", "127", "0", "-1"}},
              {"utiny", "TINYINT UNSIGNED", Form::integer, {"255", "128", "0"}},
              {"flag", "TINYINT(1)", Form::integer, {"-128", "127", "1", "0"}},
              {"yes", "BOOL", Form::integer, {"TRUE", "FALSE"}},
              {"small", "SMALLINT", Form::integer, {"-32768", "32767", "0"}},
              {"usmall", "SMALLINT UNSIGNED", Form::integer, {"65535", "32768", "0"}},
              {"medium", "MEDIUMINT", Form::integer, {"-8388608", "8388607", "-1", "0"}},
              {"umedium", "MEDIUMINT UNSIGNED", Form::integer, {"16777215", "8388608", "0"}},
              {"normal", "INT", Form::integer, {"-2147483648", "2147483647", "-1", "0"}},
              {"unormal", "INT UNSIGNED", Form::integer, {"4294967295", "2147483648", "0"}},
              {"big",
               "BIGINT",
               Form::integer,
               {"-9223372036854775808", "9223372036854775807", "-1", "0"}},
              {"ubig",
               "BIGINT UNSIGNED",
               Form::integer,
               {"18446744073709551615", "9223372036854775808", "0"}},
              {"filled", "INT(10) ZEROFILL", Form::integer, {"42", "4294967295", "0"}},
              {"ufilled",
               "BIGINT(20) UNSIGNED ZEROFILL",
               Form::integer,
               {"7", "18446744073709551615", "0"}},
          }};
}

SampleTable decimals() {
  const std::string nines35(35, '9');
  const std::string nines30(30, '9');
  const std::string least30 = "0." + std::string(29, '0') + "1";
  const std::string most = nines35 + "." + nines30;
  return {"decimals",
          {
              {"widest", "DECIMAL(65,30)", Form::decimal, {most, "-" + most, least30, "0"}},
              {"whole",
               "DECIMAL(65,0)",
               Form::decimal,
               {nines35 + nines30, "-" + nines35 + nines30, "1", "0"}},
              {"fraction",
               "DECIMAL(30,30)",
               Form::decimal,
               {"0." + nines30, "-0." + nines30, "-" + least30, "0"}},
              {"normal", "DECIMAL", Form::decimal, {"9999999999", "-9999999999", "0"}},
              {"least", "DECIMAL(1,0)", Form::decimal, {"9", "-9", "0"}},
              {"nine", "DECIMAL(9,9)", Form::decimal, {"0.999999999", "-0.000000001", "0"}},
              {"eighteen",
               "DECIMAL(18,9)",
               Form::decimal,
               {"999999999.999999999", "-100000000.000000001", "10.01"}},
              {"odd", "DECIMAL(11,1)", Form::decimal, {"1000000000.5", "-9999999999.9", "-0.1"}},
              {"money", "DECIMAL(10,2) UNSIGNED", Form::decimal, {"99999999.99", "0.01", "0"}},
              {"filled", "DECIMAL(10,2) ZEROFILL", Form::decimal, {"1.50", "0", "99999999.99"}},
          }};
}

SampleTable numbers() {
  return {
      "numbers",
      {
          {"single",
           "FLOAT",
           Form::number,
           {"3.402823466e38", "-3.402823466e38", "1.175494351e-38", "1.401298464e-45",
            "-1.401298464e-45", "1.17549421e-38", "0.1", "16777217", "123456.789", "-0e0", "0"}},
          {"positive", "FLOAT UNSIGNED", Form::number, {"3.402823466e38", "0.3", "0"}},
          {"rounded", "FLOAT(7,3)", Form::number, {"9999.999", "-0.001", "1234.567"}},
          {"real_one",
           "DOUBLE",
           Form::number,
           {"1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308",
            "4.9406564584124654e-324", "-4.9406564584124654e-324", "2.2250738585072009e-308", "0.1",
            "1e0/3", "9007199254740993", "123456789012345678", "1e15", "1e16", "1e22", "-0e0",
            "0"}},
          {"upositive", "DOUBLE UNSIGNED", Form::number, {"1.7976931348623157e308", "0"}},
          {"urounded", "DOUBLE(20,5)", Form::number, {"123456789012345.12345", "-0.00001"}},
          {"filled", "DOUBLE ZEROFILL", Form::number, {"1.5", "0"}},
      }};
}

SampleTable bits() {
  const std::string ones(64, '1');
  const auto bit = [](const std::string& digits) { return "b'" + digits + "'"; };
  return {"bit_fields",
          {
              {"one", "BIT", Form::bits, {bit("1"), bit("0")}},
              {"eight", "BIT(8)", Form::bits, {bit("11111111"), bit("10000001"), bit("0")}},
              {"nine", "BIT(9)", Form::bits, {bit("100000000"), bit("1"), bit("0")}},
              {"odd", "BIT(33)", Form::bits, {bit(ones.substr(31)), bit("1"), bit("0")}},
              {"most",
               "BIT(64)",
               Form::bits,
               {bit(ones), bit("1" + std::string(63, '0')), bit("1"), bit("0")}},
          }};
}

SampleTable strings() {
  std::string controls;
  for (char c = 1; c < 0x20; ++c) controls += c;
  controls += '\x7f';
  const Values awkward =
      quoted({"", "x  ", "   ", "a\tb\nc\rd\\e'f\"g`h", "\\N", "\\.", "NULL", "{a,\"b\",NULL}",
              controls, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f"});
  const std::string emoji = "REPEAT('\xf0\x9f\x90\x9f', 255)";
  Values long_awkward = awkward;
  long_awkward.push_back("REPEAT('\\t\\\\', 2000)");
  return {
      "strings",
      {
          {"none", "CHAR(0)", Form::text, {"''"}},
          {"vnone", "VARCHAR(0)", Form::text, {"''"}},
          {"narrow", "CHAR(63) CHARACTER SET utf8mb4", Form::text, awkward},
          {"wide", "CHAR(255) CHARACTER SET utf8mb4", Form::text, {emoji, "''", "' a '"}},
          {"latin", "CHAR(255) CHARACTER SET latin1", Form::text, {"REPEAT('\xc3\xa9', 255)"}},
          {"bare", "CHAR(10) CHARACTER SET binary", Form::bytes, {"X'6100'", "X''"}},
          {"vnarrow", "VARCHAR(63) CHARACTER SET utf8mb4", Form::text, awkward},
          {"vwide", "VARCHAR(4100) CHARACTER SET utf8mb4", Form::text, long_awkward},
          {"tiny", "TINYTEXT CHARACTER SET latin1", Form::text, {"REPEAT('\xc3\xa9', 255)", "''"}},
          {"normal", "TEXT", Form::text, long_awkward},
          {"medium", "MEDIUMTEXT", Form::text, long_awkward},
          {"long_one", "LONGTEXT", Form::text, long_awkward},
      }};
}

SampleTable byte_strings() {
  std::string all = "X'";
  for (unsigned byte = 0; byte < 256; ++byte) all += fmt::format("{:02X}", byte);
  all += '\'';
  const Values values = {"X''",     "X'0000'", "X'2020'", "X'FF00'",
                         "X'5C4E'", "X'5C78'", all,       "REPEAT(X'00', 255)"};
  return {"byte_strings",
          {
              {"none", "BINARY(0)", Form::bytes, {"X''"}},
              {"vnone", "VARBINARY(0)", Form::bytes, {"X''"}},
              {"padded",
               "BINARY(4)",
               Form::bytes,
               {"X'61000000'", "X'00000000'", "X''", "X'6100'", "X'20202020'", "X'FFFFFFFF'"}},
              {"wide", "BINARY(255)", Form::bytes, {"REPEAT(X'FF', 255)", "X''", "X'00FF00'"}},
              {"narrow", "VARBINARY(255)", Form::bytes, {"X''", "X'0000'", "X'2020'"}},
              {"varying", "VARBINARY(300)", Form::bytes, values},
              {"tiny", "TINYBLOB", Form::bytes, {"X''", "REPEAT(X'FF', 255)", "X'00'"}},
              {"normal", "BLOB", Form::bytes, values},
              {"medium", "MEDIUMBLOB", Form::bytes, values},
              {"long_one", "LONGBLOB", Form::bytes, values},
          }};
}

SampleTable large() {
  return {"large",
          {
              {"plain", "TEXT CHARACTER SET latin1", Form::text, {"REPEAT('\xc3\xa9', 65535)"}},
              {"plain_bytes", "BLOB", Form::bytes, {"REPEAT(X'00', 65535)"}},
              {"medium",
               "MEDIUMTEXT CHARACTER SET latin1",
               Form::text,
               {"REPEAT('a\\t\\\\\xc3\xa9\\n', 3355443)"}},
              {"medium_bytes", "MEDIUMBLOB", Form::bytes, {"REPEAT(X'00FF5C', 5592405)"}},
              {"longest",
               "LONGTEXT CHARACTER SET utf8mb4",
               Form::text,
               {"REPEAT('\\\\\xf0\x9f\x90\x9f', 3600000)"}},
              {"longest_bytes", "LONGBLOB", Form::bytes, {"REPEAT(X'00010203FF5C0A', 2600000)"}},
          }};
}

SampleTable enumerations() {
  std::string many = "ENUM(";
  for (unsigned i = 1; i <= 300; ++i) many += fmt::format("{}'label {}'", i > 1 ? "," : "", i);
  std::string most = "SET(";
  for (unsigned i = 1; i <= 64; ++i) most += fmt::format("{}'m{}'", i > 1 ? "," : "", i);
  const std::string labels =
      "('a','it''s','x,y','\xc3\xa4\xc3\xb6','say \"it\"','back\\\\slash','tab\\there','(b)')";
  const auto from = [](unsigned last) {
    Values out;
    for (unsigned i = 0; i <= last; ++i) out.push_back(std::to_string(i));
    return out;
  };
  return {
      "enumerations",
      {
          {"one", "ENUM" + labels, Form::text, from(8)},
          {"empty_label", "ENUM('','x')", Form::text, from(2)},
          {"latin", "ENUM" + labels + " CHARACTER SET latin1", Form::text, from(8)},
          {"cyrillic", "ENUM('\xd0\xb4\xd0\xb0','\xd0\xbd\xd0\xb5\xd1\x82') CHARACTER SET koi8r",
           Form::text, from(2)},
          {"wide", "ENUM('\xc3\xa4','b') CHARACTER SET ucs2", Form::text, from(2)},
          {"many", many + ")", Form::text, {"1", "255", "256", "300", "0"}},
          {"some",
           "SET('a','it''s','\xc3\xa4\xc3\xb6','say \"it\"','back\\\\slash')",
           Form::text,
           {"0", "1", "2", "3", "16", "31"}},
          {"nine", "SET('1','2','3','4','5','6','7','8','9')", Form::text, {"256", "511", "0"}},
          {"most",
           most + ")",
           Form::text,
           {"18446744073709551615", "9223372036854775808", "9223372036854775809", "0"}},
          {"set_latin", "SET('\xc3\xa4','b') CHARACTER SET latin1", Form::text, {"1", "3"}},
      },
      true};
}

SampleTable moments(bool mariadb) {
  SampleTable table{"moments",
                    {{"year_one", "YEAR", Form::year, {"1901", "2155", "'0000'", "1970"}},
                     {"day",
                      "DATE",
                      Form::date,
                      {"'1000-01-01'", "'9999-12-31'", "'0001-01-01'", "'2024-02-29'",
                       "'1582-10-10'", "'1900-02-28'"}}}};
  for (unsigned digits = 0; digits <= 6; ++digits) {
    const std::string nines = digits == 0 ? "" : "." + std::string(digits, '9');
    const std::string least = digits == 0 ? "" : "." + std::string(digits - 1, '0') + "1";
    const std::string brackets = fmt::format("({})", digits);
    table.columns.push_back(
        {"span" + std::to_string(digits), "TIME" + brackets, Form::time,
         quoted({"-838:59:59", "838:59:59", "838:59:58" + nines, "-838:59:58" + nines,
                 "-00:00:00" + least, "00:00:00" + least, "-00:00:01", "00:00:00", "23:59:59",
                 "-12:34:56" + nines, "100:00:00", mariadb ? "838:59:59" + nines : "24:00:00"})});
    table.columns.push_back(
        {"wall" + std::to_string(digits), "DATETIME" + brackets, Form::datetime,
         quoted({"0001-01-01 00:00:00", "9999-12-31 23:59:59" + nines,
                 "1000-01-01 00:00:00" + least, "2024-02-29 12:00:00", "2026-03-29 02:30:00"})});
    table.columns.push_back({"instant" + std::to_string(digits), "TIMESTAMP" + brackets + " NULL",
                             Form::timestamp,
                             quoted({"1970-01-01 00:00:01", "2038-01-19 03:14:07" + nines,
                                     "1970-01-01 00:00:01" + least, "2024-02-29 12:00:00" + nines,
                                     "2026-10-25 01:30:00"})});
  }
  return table;
}

SampleTable old_moments() {
  SampleTable table = moments(true);
  table.name = "old_moments";
  table.old_temporal = true;
  table.columns.push_back(
      {"short_year", "YEAR(2)", Form::short_year, {"'70'", "'69'", "'00'", "'99'", "2026"}});
  return table;
}

Values json_documents(bool mariadb) {
  Values out =
      quoted({"{}",
              "[]",
              "\"\"",
              "null",
              "true",
              "false",
              "0",
              "-1",
              "32767",
              "-32768",
              "65535",
              "2147483647",
              "-2147483648",
              "4294967295",
              "9223372036854775807",
              "-9223372036854775808",
              "18446744073709551615",
              "1.5",
              "-0.1",
              "1e308",
              "5e-324",
              "1.0",
              "0.1",
              "1e-7",
              "1e15",
              "123456789012345678901234567890",
              "[1, [2, [3, [4, [5, {\"a\": [6]}]]]]]",
              "{\"b\": 1, \"a\": 2, \"aa\": 3, \"\": null, \"\xc3\xa9\": \"\xf0\x9f\x90\x9f\"}",
              "[\"\\u00e9\\u0001\\u001f\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\"\\\\\"]",
              "{\"nul\": \"a\\u0000b\", \"del\": \"\x7f\"}",
              "\"'single' `back`\""});
  out.push_back("CONCAT(REPEAT('[', 31), REPEAT(']', 31))");
  for (const unsigned size : {127, 128, 16383, 16384, 70000}) {
    out.push_back(fmt::format("CONCAT('[\"', REPEAT('x', {}), '\"]')", size));
  }
  out.push_back("CONCAT('[0', REPEAT(', 70000', 20000), ']')");
  out.push_back("CONCAT('{\"k\": [1', REPEAT(', \"ab\", -5, 1.25, null', 9000), ']}')");
  if (mariadb) {
    for (const std::string& text : quoted({"{ \"a\" :1 ,\n\t\"a\": 2 }", " [ 1e400 ] ", "1E+2"})) {
      out.push_back(text);
    }
    return out;
  }
  out.push_back("CONCAT(REPEAT('[', 99), REPEAT(']', 99))");
  for (const char* opaque : {"CAST(123.450 AS DECIMAL(10,3))",
                             "CAST(-99999999999999999999999999999999999."
                             "999999999999999999999999999999 AS DECIMAL(65,30))",
                             "DATE'2026-01-02'",
                             "TIME'-838:59:59'",
                             "TIME'12:34:56.000001'",
                             "TIMESTAMP'9999-12-31 23:59:59.999999'",
                             "CAST(X'00FF41' AS BINARY)",
                             "b'101'",
                             "CAST(18446744073709551615 AS UNSIGNED)",
                             "1e0",
                             "1e0/3",
                             "-0e0",
                             "1.7976931348623157e308",
                             "4.9406564584124654e-324",
                             "1e14",
                             "1e15",
                             "1e16",
                             "1e17",
                             "123456789012345680000e0",
                             "0.0001e0",
                             "0.00001e0",
                             "100e0",
                             "ST_GeomFromText('POINT(1 2)')",
                             "CAST(2026 AS YEAR)"}) {
    out.push_back(fmt::format("JSON_OBJECT('v', {0}, 'w', JSON_ARRAY({0}))", opaque));
  }
  return out;
}

SampleTable documents(bool mariadb) {
  return {"documents", {{"doc", "JSON", Form::text, json_documents(mariadb)}}};
}

/// The bytes from `first` to `last` that are characters in a set of single bytes, in hexadecimal.
std::string readable_bytes(MySqlServer& server, const std::string& charset, unsigned first,
                           unsigned last) {
  std::string query = "SELECT CONCAT(''";
  for (unsigned byte = first; byte <= last; ++byte) {
    if (byte == '?') continue;
    query += fmt::format(", IF(CONVERT(_{0} X'{1:02X}' USING utf8mb4) = '?', '', '{1:02X}')",
                         charset, byte);
  }
  return server.value(query + ")");
}

std::vector<SampleTable> charsets(MySqlServer& server) {
  struct Wide {
    const char* charset;
    const char* text;
  };
  // Characters whose second byte is a backslash or a quote among them.
  static constexpr auto kWide = std::to_array<Wide>({
      {"big5", "\xe8\xa8\xb1\xe5\x8a\x9f\xe8\x93\x8b\xe4\xb8\x80\xe9\xbe\x98 a~"},
      {"cp932",
       "\xe8\xa1\xa8\xe3\x82\xbd\xe2\x91\xa0\xe2\x85\xa3\xe3\x88\xb1\xe9\xab\x99\xef\xbd\xb6\xef"
       "\xbd\x9e\xef\xbc\x8d\\~"},
      {"sjis", "\xe8\xa1\xa8\xe3\x82\xbd\xe5\x8d\x81\xe8\x83\xbd\xef\xbd\xb6\xef\xbe\x9d a"},
      {"euckr", "\xea\xb0\x80\xed\x9e\xa3\xeb\x98\xa0 a~\\"},
      {"gb2312", "\xe4\xb8\xad\xe6\x96\x87 a~\\"},
      {"gbk", "\xe9\x95\x95\xe4\xb8\x82\xe4\xb8\xad\xe6\x96\x87 a~\\"},
      {"ujis", "\xe6\x97\xa5\xe6\x9c\xac\xef\xbd\xb6\xe4\xb8\x82\xe4\xb8\x84 a~\\"},
      {"eucjpms", "\xe6\x97\xa5\xe2\x91\xa0\xef\xbd\xb6\xe4\xb8\x82 a~\\"},
      {"gb18030", "\xe4\xb8\xad\xc9\x90\xf0\xa0\xae\xb7\xf0\x9f\x98\x80\xe2\x82\xac a~\\"},
      {"utf8mb3", "a\xc3\xa9\xe2\x82\xac\xef\xbf\xbd"},
      {"utf8mb4", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f\xf4\x8f\xbf\xbf"},
      {"ucs2", "a\xc3\xa9\xe2\x82\xac\xef\xbf\xbd"},
      {"utf16", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f\xf4\x8f\xbf\xbf"},
      {"utf16le", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f\xf4\x8f\xbf\xbf"},
      {"utf32", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f\xf4\x8f\xbf\xbf"},
  });
  SampleTable single{"charsets_single", {}};
  SampleTable wide{"charsets_wide", {}};
  for (const auto& row : server.query("SELECT character_set_name, maxlen FROM "
                                      "information_schema.character_sets ORDER BY 1")) {
    const std::string& name = row[0];
    if (name == "binary" || name == "filename") continue;
    const std::string type = fmt::format("({}) CHARACTER SET {}", row[1] == "1" ? 255 : 60, name);
    if (row[1] == "1") {
      const Values values = {
          fmt::format("_{} X'{}'", name, readable_bytes(server, name, 0x01, 0x7f)),
          fmt::format("_{} X'{}'", name, readable_bytes(server, name, 0x80, 0xff)), "''"};
      single.columns.push_back({"v_" + name, "VARCHAR" + type, Form::text, values});
      continue;
    }
    const auto known = std::find_if(kWide.begin(), kWide.end(),
                                    [&](const Wide& each) { return name == each.charset; });
    // A set that no sample is known for must not pass unseen.
    Values values = {known == kWide.end() ? "NULL, 'no samples for this set'" : quote(known->text)};
    values.emplace_back("''");
    values.emplace_back("'a  '");
    wide.columns.push_back({"v_" + name, "VARCHAR" + type, Form::text, values});
    wide.columns.push_back({"c_" + name, "CHAR" + type, Form::text, values});
    wide.columns.push_back({"t_" + name, "TEXT CHARACTER SET " + name, Form::text, values});
  }
  return {single, wide};
}

SampleTable geometries(bool mariadb) {
  const auto shape = [](const std::string& text, const std::string& srid = "0") {
    return fmt::format("ST_GeomFromText('{}', {})", text, srid);
  };
  const std::string square = "((0 0,10 0,10 10,0 10,0 0),(1 1,2 1,2 2,1 2,1 1))";
  const std::string many = "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1e300 -1e-300),POLYGON" +
                           square + ",GEOMETRYCOLLECTION(MULTIPOINT(3 4,5 6)))";
  const std::string empty = "GEOMETRYCOLLECTION EMPTY";
  SampleTable table{
      "geometries",
      {
          {"any",
           "GEOMETRY",
           Form::geometry,
           {shape("POINT(1 2)"), shape("POINT(1 2)", "4326"), shape(many), shape(empty),
            shape("LINESTRING(1 2,3 4)", "3857"), shape("POLYGON" + square, "4326")}},
          {"spot",
           "POINT",
           Form::geometry,
           {shape("POINT(-0 1.7976931348623157e308)"), shape("POINT(0.1 -0.3)", "4326")}},
          {"line", "LINESTRING", Form::geometry, {shape("LINESTRING(0 0,1 1,2 0)")}},
          {"area", "POLYGON", Form::geometry, {shape("POLYGON" + square, "3857")}},
          {"spots", "MULTIPOINT", Form::geometry, {shape("MULTIPOINT(1 1,2 2)", "4326")}},
          {"lines",
           "MULTILINESTRING",
           Form::geometry,
           {shape("MULTILINESTRING((0 0,1 1),(2 2,3 3))")}},
          {"areas", "MULTIPOLYGON", Form::geometry, {shape("MULTIPOLYGON(" + square + ")")}},
          {"mixed", "GEOMETRYCOLLECTION", Form::geometry, {shape(many), shape(empty)}},
      }};
  if (!mariadb) {
    table.columns.push_back({"fixed",
                             "POINT SRID 4326",
                             Form::geometry,
                             {shape("POINT(90 -180)", "4326"), shape("POINT(12.5 7)", "4326")}});
  }
  return table;
}

SampleTable addresses() {
  return {
      "addresses",
      {
          {"label", "UUID", Form::uuid,
           quoted({"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                   "123e4567-e89b-12d3-a456-426655440000", "f47ac10b-58cc-4372-a567-0e02b2c3d479",
                   "018f3a5e-7c1d-7abc-8def-0123456789ab", "1ec9414c-232a-6b00-b3c8-9e6bdeced846",
                   "6ccd780c-baba-1026-9564-5b8c656024db", "00000000-0000-1000-8000-000000000001",
                   "12345678-1234-1234-0234-123456789abc"})},
          {"four", "INET4", Form::inet, quoted({"0.0.0.0", "255.255.255.255", "192.0.2.1"})},
          {"six", "INET6", Form::inet,
           quoted({"::", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::ff00:42:8329",
                   "::ffff:192.0.2.128", "::192.0.2.128", "1:0:0:2:0:0:0:3", "1:0:2:3:4:5:6:7",
                   "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "fe80::1",
                   "0:0:0:0:0:1::", "::ffff:0:0"})},
      }};
}

SampleTable compressed() {
  return {
      "compressed",
      {
          {"words",
           "VARCHAR(5000) COMPRESSED",
           Form::text,
           {"''", "'short'", "REPEAT('\xc3\xa9 and more ', 300)"}},
          {"latin",
           "TEXT COMPRESSED CHARACTER SET latin1",
           Form::text,
           {"''", "REPEAT('\xc3\xa9', 9000)"}},
          {"raw", "LONGBLOB COMPRESSED", Form::bytes, {"X''", "REPEAT(X'00FF', 100000)", "X'00'"}},
          {"vraw", "VARBINARY(400) COMPRESSED", Form::bytes, {"X''", "REPEAT(X'00', 400)"}},
      }};
}

SampleTable vectors(bool mariadb) {
  const auto vector = [mariadb](const std::string& text) {
    return fmt::format("{}('{}')", mariadb ? "VEC_FromText" : "STRING_TO_VECTOR", text);
  };
  std::string longest = "[0";
  for (int i = 1; i < 300; ++i) longest += fmt::format(",{}.5", i);
  return {"vectors",
          {
              {"three",
               "VECTOR(3)",
               Form::vector,
               {vector("[1,2,3]"), vector("[-0.1,1e10,16777216]"),
                // Limits, and minus zero; MariaDB wants a finite norm.
                mariadb ? "X'0000803F0100000000000080'" : "X'FFFF7FFF0100000000000080'"}},
              {"one", "VECTOR(1)", Form::vector, {vector("[0.1]")}},
              {"wide", "VECTOR(300)", Form::vector, {vector(longest + "]")}},
          }};
}

SampleTable computed(bool mariadb) {
  const std::string invisible = mariadb ? "INT INVISIBLE" : "INT NULL INVISIBLE";
  return {"computed",
          {
              {"a", "INT", Form::integer, {"1", "-2147483648", "7"}},
              {"b", "VARCHAR(20)", Form::text, quoted({"x", "", "\xc3\xa9"})},
              {"doubled", "BIGINT GENERATED ALWAYS AS (a * 2) STORED", Form::integer, {}},
              {"shown", "VARCHAR(40) GENERATED ALWAYS AS (CONCAT(b, '!')) VIRTUAL", Form::text, {}},
              {"hidden", invisible, Form::integer, {"5", "6"}},
              {"after", "INT", Form::integer, {"8", "9", "10"}},
          }};
}

std::vector<std::string> row_values(const SampleTable& table, std::size_t row) {
  std::vector<std::string> out;
  for (const SampleColumn& column : table.columns) {
    if (column.values.empty()) continue;
    out.push_back(row < column.values.size() ? column.values[row] : "NULL");
  }
  return out;
}

std::vector<std::string> given_columns(const SampleTable& table) {
  std::vector<std::string> out;
  for (const SampleColumn& column : table.columns) {
    if (!column.values.empty()) out.push_back('`' + column.name + '`');
  }
  return out;
}

std::string mode(const SampleTable& table) {
  return fmt::format("SET sql_mode = '{}';\n",
                     table.lenient ? "ALLOW_INVALID_DATES" : "STRICT_ALL_TABLES");
}

}  // namespace

std::size_t SampleTable::rows() const {
  std::size_t most = 0;
  for (const SampleColumn& column : columns) most = std::max(most, column.values.size());
  return most + 1;
}

std::vector<SampleTable> type_samples(MySqlServer& server) {
  const bool mariadb = is_mariadb(server);
  std::vector<SampleTable> out = {
      integers(),          decimals(),       numbers(),      bits(),           strings(),
      byte_strings(),      large(),          enumerations(), moments(mariadb), documents(mariadb),
      geometries(mariadb), computed(mariadb)};
  for (SampleTable& table : charsets(server)) out.push_back(std::move(table));
  if (mariadb) {
    out.push_back(addresses());
    out.push_back(compressed());
    out.push_back(old_moments());
  }
  const std::string version = server.value("SELECT version()");
  if (!mariadb || version.starts_with("11.")) out.push_back(vectors(mariadb));
  return out;
}

SampleTable boolean_samples() {
  return {"booleans",
          {
              {"flag", "TINYINT(1)", Form::boolean, {"0", "1", "127", "-128"}},
              {"yes", "BOOL", Form::boolean, {"FALSE", "TRUE"}},
              {"plain", "TINYINT", Form::integer, {"0", "1"}},
          }};
}

SampleTable nul_samples() {
  return {"nuls", {{"word", "VARCHAR(20)", Form::text, {"'a\\0b'", "'\\0'"}}}};
}

SampleTable zero_date_samples() {
  const Values days = {"'0000-00-00'", "'2026-00-15'", "'2026-02-00'", "'2026-02-30'",
                       "'0000-05-01'"};
  const auto times = [&days](const std::string& fraction) {
    Values out = {"'0000-00-00 00:00:00'"};
    for (const std::string& day : days) {
      out.push_back(day.substr(0, day.size() - 1) + " 12:34:56" + fraction + "'");
    }
    return out;
  };
  return {"zero_dates",
          {
              {"day", "DATE", Form::date, days},
              {"wall", "DATETIME", Form::datetime, times("")},
              {"wall3", "DATETIME(3)", Form::datetime, times(".654")},
              {"wall6", "DATETIME(6)", Form::datetime, times(".654321")},
              {"instant", "TIMESTAMP NULL", Form::timestamp, {"'0000-00-00 00:00:00'"}},
              {"instant6", "TIMESTAMP(6) NULL", Form::timestamp, {"'0000-00-00 00:00:00'"}},
          },
          true};
}

std::vector<SampleTable> key_samples(MySqlServer& server) {
  std::vector<SampleColumn> keys = {
      {"tiny", "TINYINT", Form::integer, {"-128", "127", "0", "-1", "1", "5"}},
      {"medium", "MEDIUMINT UNSIGNED", Form::integer, {"16777215", "0", "8388608", "2", "1", "9"}},
      {"ubig",
       "BIGINT UNSIGNED",
       Form::integer,
       {"18446744073709551615", "0", "9223372036854775807", "9223372036854775808", "1", "2"}},
      {"filled",
       "INT(8) UNSIGNED ZEROFILL",
       Form::integer,
       {"4294967295", "0", "3", "4", "5", "6"}},
      {"exact",
       "DECIMAL(65,30)",
       Form::decimal,
       {"-99999999999999999999999999999999999.9", "0", "0.000000000000000000000000000001", "1", "2",
        "3.5"}},
      {"single", "FLOAT", Form::number, {"0.1", "-3.402823466e38", "16777216", "0", "1.5", "2.5"}},
      {"real_one", "DOUBLE", Form::number, {"0.1", "-1e308", "5e-324", "0", "1.5", "1e0/3"}},
      {"bit_one", "BIT(33)", Form::bits, {"0", "1", "8589934591", "2", "3", "4"}},
      {"words",
       "VARCHAR(20) CHARACTER SET utf8mb4",
       Form::text,
       {"''", "'a''b'", "'B\\\\'", "'\xc3\xa4 '", "'\xf0\x9f\x90\x9f'", "'c\nd'"}},
      {"binary_words",
       "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
       Form::text,
       {"''", "'a'", "'A'", "'\xc3\xa4'", "'\xf0\x9f\x90\x9f'", "'z'"}},
      {"latin",
       "CHAR(20) CHARACTER SET latin1",
       Form::text,
       {"''", "'a'", "'\xc3\xa9'", "'\xe2\x82\xac'", "'z'", "'\xc3\xbf'"}},
      {"japanese",
       "VARCHAR(20) CHARACTER SET sjis",
       Form::text,
       {"''", "'\xe8\xa1\xa8'", "'\xe3\x82\xbd'", "'a'", "'\xef\xbd\xb6'", "'\xe5\x8d\x81'"}},
      {"wide",
       "VARCHAR(20) CHARACTER SET utf16",
       Form::text,
       {"''", "'a'", "'\xc3\xa9'", "'\xf0\x9f\x90\x9f'", "'b'", "'c'"}},
      {"padded",
       "BINARY(4)",
       Form::bytes,
       {"X''", "X'61000000'", "X'62'", "X'5C'", "X'FFFFFFFF'", "X'00000001'"}},
      {"bytes",
       "VARBINARY(20)",
       Form::bytes,
       {"X''", "X'00'", "X'0000'", "X'27'", "X'FF5C'", "X'61'"}},
      {"label", "ENUM('b','a','it''s','d','e','f')", Form::text, {"1", "2", "3", "4", "5", "6"}},
      {"labels", "SET('b','a','c')", Form::text, {"0", "1", "2", "3", "4", "5"}},
      {"year_one", "YEAR", Form::year, {"'0000'", "1901", "2155", "1970", "2026", "2000"}},
      {"day", "DATE", Form::date,
       quoted(
           {"0001-01-01", "9999-12-31", "2024-02-29", "1970-01-01", "2026-01-01", "1999-01-01"})},
      {"span", "TIME(6)", Form::time,
       quoted({"-838:59:59", "838:59:59", "-00:00:00.000001", "00:00:00", "12:34:56", "1:00:00"})},
      {"wall", "DATETIME(6)", Form::datetime,
       quoted({"0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "2026-03-29 02:30:00.5",
               "2026-03-29 02:30:00.500001", "2026-01-01", "2027-01-01"})},
      {"instant", "TIMESTAMP(3)", Form::timestamp,
       quoted({"1970-01-01 00:00:01", "2038-01-19 03:14:07.999", "2026-03-29 02:30:00.5",
               "2026-03-29 02:30:00.501", "2026-01-01", "2027-01-01"})}};
  if (is_mariadb(server)) {
    keys.push_back(
        {"uuid_one", "UUID", Form::uuid,
         quoted({"123e4567-e89b-12d3-a456-426655440000", "00000000-0000-0000-0000-000000000000",
                 "ffffffff-ffff-ffff-ffff-ffffffffffff", "018f3a5e-7c1d-7abc-8def-0123456789ab",
                 "f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d470"})});
    keys.push_back(
        {"four", "INET4", Form::inet,
         quoted({"0.0.0.0", "255.255.255.255", "10.0.0.2", "10.0.0.10", "1.1.1.1", "2.2.2.2"})});
    keys.push_back({"six", "INET6", Form::inet,
                    quoted({"::", "::1", "ffff::", "::ffff:10.0.0.1", "2001:db8::1", "1::"})});
  }
  std::vector<SampleTable> out;
  for (SampleColumn& key : keys) {
    SampleTable table{"key_" + key.name, {}};
    key.name = "k";
    table.columns = {std::move(key), {"v", "INT", Form::integer, {"1", "2", "3", "4", "5"}}};
    out.push_back(std::move(table));
  }
  return out;
}

std::string create_statement(const std::string& schema, const SampleTable& table) {
  std::string out = fmt::format("CREATE TABLE {}.{} (id INT PRIMARY KEY", schema, table.name);
  for (const SampleColumn& column : table.columns) {
    out += fmt::format(",\n  `{}` {}", column.name, column.definition);
  }
  return out + ")";
}

std::string insert_statements(const std::string& schema, const SampleTable& table, unsigned base,
                              std::size_t shift) {
  std::string out = mode(table);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    out += fmt::format("INSERT INTO {}.{} (id, {}) VALUES ({}, {});\n", schema, table.name,
                       fmt::join(given_columns(table), ", "), base + row,
                       fmt::join(row_values(table, (row + shift) % table.rows()), ", "));
  }
  return out;
}

std::string update_statements(const std::string& schema, const SampleTable& table, unsigned base) {
  const std::vector<std::string> names = given_columns(table);
  std::string out = mode(table);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::vector<std::string> values = row_values(table, row);
    out += fmt::format("UPDATE {}.{} SET ", schema, table.name);
    for (std::size_t i = 0; i < names.size(); ++i) {
      out += fmt::format("{}{} = {}", i > 0 ? ", " : "", names[i], values[i]);
    }
    out += fmt::format(" WHERE id = {};\n", base + row);
  }
  return out;
}

std::string on_source(const SampleColumn& column, bool mariadb) {
  const std::string name = '`' + column.name + '`';
  const auto whole_or_hash = [](const std::string& bytes) {
    return fmt::format(
        "CONCAT(LENGTH({0}), ':', IF(LENGTH({0}) > 2000, SHA2({0}, 256), LOWER(HEX({0}))))", bytes);
  };
  switch (column.form) {
    case Form::integer:
    case Form::decimal:
      return fmt::format("CAST({} + 0 AS CHAR)", name);
    case Form::boolean:
      return fmt::format("ELT(1 + ({} <> 0), 'false', 'true')", name);
    case Form::number:
      return fmt::format("{} * 1e0", name);
    case Form::bits: {
      // The definition is BIT or BIT(n).
      const std::size_t open = column.definition.find('(');
      const std::string size =
          open == std::string::npos
              ? "1"
              : column.definition.substr(open + 1, column.definition.size() - open - 2);
      return fmt::format("LPAD(BIN({} + 0), {}, '0')", name, size);
    }
    case Form::text:
      return whole_or_hash(fmt::format("CONVERT({} USING utf8mb4)", name));
    case Form::bytes:
      return whole_or_hash(name);
    case Form::year:
      return fmt::format("LPAD({}, 4, '0')", name);
    case Form::short_year:
      return fmt::format("YEAR(STR_TO_DATE(CONCAT(LPAD({}, 2, '0'), '-01-01'), '%y-%m-%d'))", name);
    case Form::date:
      return fmt::format("DATE_FORMAT({}, '%Y-%m-%d')", name);
    case Form::time:
      return fmt::format(
          "IF(LOCATE('.', {0}) > 0, TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {0})), {0})",
          fmt::format("CAST({} AS CHAR)", name));
    case Form::datetime:
    case Form::timestamp:
      return fmt::format("DATE_FORMAT({}, '%Y-%m-%d %H:%i:%s.%f')", name);
    case Form::uuid:
      return fmt::format("CAST({} AS CHAR)", name);
    case Form::inet:
      return fmt::format("LOWER(HEX(INET6_ATON(CAST({} AS CHAR))))", name);
    case Form::geometry:
      // Without the option MySQL swaps the axes of geographic systems.
      return fmt::format("CONCAT(ST_SRID({0}), ':', LOWER(HEX(ST_AsBinary({0}{1}))))", name,
                         mariadb ? "" : ", 'axis-order=long-lat'");
    case Form::vector:
      return fmt::format("LOWER(HEX({}))", name);
  }
  return {};
}

std::string on_target(const SampleColumn& column) {
  const std::string name = '"' + column.name + '"';
  const auto whole_or_hash = [](const std::string& bytes) {
    return fmt::format(
        "octet_length({0}) || ':' || CASE WHEN octet_length({0}) > 2000 THEN encode(sha256({0}), "
        "'hex') ELSE "
        "encode({0}, 'hex') END",
        bytes);
  };
  switch (column.form) {
    case Form::boolean:
    case Form::integer:
    case Form::decimal:
    case Form::bits:
    case Form::uuid:
    case Form::time:
      return name + "::text";
    case Form::number:
      return name + "::float8::text";
    case Form::text:
      return whole_or_hash(fmt::format("convert_to({}::text, 'UTF8')", name));
    case Form::bytes:
      return whole_or_hash(name);
    case Form::year:
    case Form::short_year:
      return fmt::format("lpad({}::text, 4, '0')", name);
    case Form::date:
      return fmt::format("to_char({}, 'YYYY-MM-DD')", name);
    case Form::datetime:
      return fmt::format("to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')", name);
    case Form::timestamp:
      return fmt::format("to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')", name);
    case Form::inet:
      // Behind family, mask, kind and length.
      return fmt::format("encode(substring(inet_send({}) FROM 5), 'hex')", name);
    case Form::geometry:
      return fmt::format(
          "CASE WHEN get_byte({0}, 4) & 32 = 0 THEN '0:' || encode({0}, 'hex') ELSE "
          "(get_byte({0}, 5) + 256 * get_byte({0}, 6) + 65536 * get_byte({0}, 7) + 16777216 * "
          "get_byte({0}, 8)) || ':' || encode(set_byte(substring({0} FROM 1 FOR 5), 4, "
          "get_byte({0}, 4) & 223) || substring({0} FROM 10), 'hex') END",
          name);
    case Form::vector:
      return fmt::format(
          "(SELECT string_agg(encode(substring(f FROM 4 FOR 1) || substring(f FROM 3 FOR 1) || "
          "substring(f FROM 2 FOR 1) || substring(f FROM 1 FOR 1), 'hex'), '' ORDER BY place) "
          "FROM (SELECT float4send(v) AS f, place FROM unnest({}) WITH ORDINALITY AS u(v, place)) "
          "AS parts)",
          name);
  }
  return {};
}

std::string canonical(Form form, const std::string& text) {
  if (form != Form::number || text == "NULL") return text;
  return fmt::format("{:016x}", std::bit_cast<std::uint64_t>(std::strtod(text.c_str(), nullptr)));
}

}  // namespace weir::test
