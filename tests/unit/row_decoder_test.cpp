// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/row_decoder.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "source/mysql/types.h"

using namespace weir;
using namespace weir::mysql;

namespace {

// Bytes from hex digits; blanks are for the reader.
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

/// A table of one or more columns, as the map and as the catalogue see it.
struct Sample {
  TableMap map;
  Table table;
  TypeSettings settings;
  std::vector<bool> wanted;
  std::vector<std::shared_ptr<const Charset>> charsets;
  Arena arena;

  Sample() {
    map.schema = table.name.schema = "shop";
    map.table = table.name.table = "item";
  }

  Sample& add(std::uint8_t code, std::uint16_t meta, const NativeType& native) {
    MapColumn logged;
    logged.type = code;
    logged.meta = meta;
    logged.name = "c" + std::to_string(map.columns.size());
    logged.is_unsigned = native.column_type.find("unsigned") != std::string::npos;
    Column known;
    known.name = logged.name;
    known.charset = native.charset;
    known.type = column_type(native);
    map.columns.push_back(logged);
    table.columns.push_back(known);
    wanted.push_back(true);
    charsets.push_back(nullptr);
    return *this;
  }

  RowDecoder decoder() const { return {map, table, wanted, charsets, settings}; }

  /// The cells of one image, NULL and absent in words; the whole image must be used up.
  std::vector<std::string> decode(const std::string& image, const std::string& present = "") {
    const RowDecoder decoder = this->decoder();
    std::vector<Cell> cells(map.columns.size());
    const auto* bits =
        present.empty() ? nullptr : reinterpret_cast<const std::uint8_t*>(present.data());
    const char* end = image.data() + image.size();
    const char* const after = decoder.decode(image.data(), end, bits, cells, arena);
    REQUIRE(after == end);
    std::vector<std::string> out;
    for (const Cell& cell : cells) {
      out.emplace_back(cell.is_null() ? "NULL" : cell.is_absent() ? "ABSENT" : cell.text());
    }
    return out;
  }
};

NativeType native(const std::string& column_type, NativeType rest = {}) {
  rest.data_type = column_type.substr(0, column_type.find_first_of(" ("));
  rest.column_type = column_type;
  return rest;
}

/// The one cell of a row that holds `hex`.
std::string one(std::uint8_t code, std::uint16_t meta, const NativeType& type, std::string_view hex,
                ZeroDatePolicy zero_dates = {}) {
  Sample sample;
  sample.settings.zero_dates = zero_dates;
  return sample.add(code, meta, type).decode(bytes("00") + bytes(hex)).at(0);
}

NativeType decimal(std::uint16_t precision, std::uint16_t scale) {
  NativeType type;
  type.precision = precision;
  type.scale = scale;
  return native("decimal", type);
}

NativeType seconds(const std::string& name, std::uint16_t digits) {
  NativeType type;
  type.second_digits = digits;
  return native(name, type);
}

NativeType sized(const std::string& name, std::uint64_t length, const std::string& charset = "") {
  NativeType type;
  type.characters = type.octets = length;
  type.charset = charset;
  return native(name, type);
}

std::string error_id(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.id();
  }
  return "";
}

}  // namespace

TEST_CASE("integers of every size and sign are decimal digits", "[mysql][row]") {
  CHECK(one(1, 0, native("tinyint"), "80") == "-128");
  CHECK(one(1, 0, native("tinyint unsigned"), "ff") == "255");
  CHECK(one(2, 0, native("smallint"), "0080") == "-32768");
  CHECK(one(2, 0, native("smallint unsigned"), "ffff") == "65535");
  CHECK(one(9, 0, native("mediumint"), "000080") == "-8388608");
  CHECK(one(9, 0, native("mediumint unsigned"), "ffffff") == "16777215");
  CHECK(one(3, 0, native("int"), "00000080") == "-2147483648");
  CHECK(one(3, 0, native("int unsigned"), "ffffffff") == "4294967295");
  CHECK(one(8, 0, native("bigint"), "0000000000000080") == "-9223372036854775808");
  CHECK(one(8, 0, native("bigint unsigned"), "ffffffffffffffff") == "18446744073709551615");
  NativeType boolean = native("tinyint(1)");
  boolean.tinyint1_as_boolean = true;
  CHECK(one(1, 0, boolean, "00") == "0");
  CHECK(one(1, 0, boolean, "fb") == "1");
}

TEST_CASE("floats are the shortest text that reads back", "[mysql][row]") {
  CHECK(one(4, 4, native("float"), "cdcccc3d") == "0.1");
  CHECK(one(4, 4, native("float"), "00000080") == "-0");
  CHECK(one(4, 4, native("float"), "ffff7f7f") == "3.4028235e+38");
  CHECK(one(5, 8, native("double"), "9a9999999999b93f") == "0.1");
  CHECK(one(5, 8, native("double"), "ffffffffffffefff") == "-1.7976931348623157e+308");
}

TEST_CASE("decimals keep every digit", "[mysql][row]") {
  CHECK(one(246, 0x0a02, decimal(10, 2), "800004d2 38") == "1234.56");
  CHECK(one(246, 0x0a02, decimal(10, 2), "7ffffb2d c7") == "-1234.56");
  CHECK(one(246, 0x0a02, decimal(10, 2), "80000000 00") == "0.00");
  CHECK(one(246, 0x0909, decimal(9, 9), "80000001") == "0.000000001");
  CHECK(one(246, 0x0100, decimal(1, 0), "89") == "9");
  CHECK(one(246, 0x1200, decimal(18, 0), "80000001 00000002") == "1000000002");
}

TEST_CASE("bit, year", "[mysql][row]") {
  NativeType bits = native("bit(9)");
  bits.precision = 9;
  CHECK(one(16, 0x0101, bits, "0105") == "100000101");
  CHECK(one(13, 0, native("year"), "00") == "0000");
  CHECK(one(13, 0, native("year(4)"), "ff") == "2155");
  CHECK(one(13, 0, native("year(2)"), "64") == "2000");
  CHECK(one(13, 0, native("year(2)"), "46") == "1970");
}

TEST_CASE("times: negative, beyond a day, with fractions", "[mysql][row]") {
  CHECK(one(19, 0, seconds("time", 0), "b46efb") == "838:59:59");
  CHECK(one(19, 0, seconds("time", 0), "4b9105") == "-838:59:59");
  CHECK(one(19, 0, seconds("time", 0), "800000") == "00:00:00");
  CHECK(one(19, 2, seconds("time", 2), "7fffff ff") == "-00:00:00.01");
  CHECK(one(19, 1, seconds("time", 1), "7ffffe ce") == "-00:00:01.5");
  CHECK(one(19, 6, seconds("time", 6), "800041 00000c") == "00:01:01.000012");
  CHECK(one(19, 6, seconds("time", 6), "7fffff ffffff") == "-00:00:00.000001");
  CHECK(one(11, 0, seconds("time", 0), "40e201") == "12:34:56");
  CHECK(one(11, 0, seconds("time", 0), "c01dfe") == "-12:34:56");
}

TEST_CASE("datetimes and timestamps, new and old forms", "[mysql][row]") {
  CHECK(one(18, 0, seconds("datetime", 0), "99b3d61083") == "2024-07-11 01:02:03");
  CHECK(one(18, 3, seconds("datetime", 3), "99b3d61083 04ce") == "2024-07-11 01:02:03.123");
  CHECK(one(12, 0, seconds("datetime", 0), "9bc763a868120000") == "2024-07-11 01:02:03");
  CHECK(one(17, 0, seconds("timestamp", 0), "7fffffff") == "2038-01-19 03:14:07");
  CHECK(one(17, 6, seconds("timestamp", 6), "00000001 0f423f") == "1970-01-01 00:00:01.999999");
  CHECK(one(17, 0, seconds("timestamp", 0), "ffffffff") == "2106-02-07 06:28:15");
  CHECK(one(7, 0, seconds("timestamp", 0), "01000000") == "1970-01-01 00:00:01");
  CHECK(one(10, 0, native("date"), "4bd00f") == "2024-02-11");
  CHECK(one(14, 0, native("date"), "9f1f4e") == "9999-12-31");
}

TEST_CASE("MariaDB's own fractions of a second", "[mysql][row]") {
  // -12:34:56.7, stored as (839 h + t) * 10
  CHECK(one(11, 0, seconds("time", 1), "01c5f6f9") == "-12:34:56.7");
  CHECK(one(12, 0, seconds("datetime", 1), "00a96cf1b672") == "2024-07-11 01:02:03.4");
  CHECK(one(7, 0, seconds("timestamp", 3), "00000001 007b") == "1970-01-01 00:00:01.123");
}

TEST_CASE("dates that no calendar has follow the policy", "[mysql][row]") {
  const ZeroDatePolicy null{ZeroDatePolicy::Kind::null, ""};
  const ZeroDatePolicy date{ZeroDatePolicy::Kind::date, "1970-01-02"};
  const char* const zero = "000000";
  const char* const leap_day_of_2023 = "5dce0f";
  for (const char* hex : {zero, leap_day_of_2023}) {
    INFO(hex);
    CHECK(one(10, 0, native("date"), hex, null) == "NULL");
    CHECK(one(10, 0, native("date"), hex, date) == "1970-01-02");
    CHECK(error_id([hex] { one(10, 0, native("date"), hex); }) == "mysql.zero-date");
  }
  CHECK(one(17, 3, seconds("timestamp", 3), "00000000 0000", null) == "NULL");
  CHECK(one(17, 3, seconds("timestamp", 3), "00000000 0000", date) == "1970-01-02 00:00:00.000");
  CHECK(one(18, 0, seconds("datetime", 0), "8000000000", date) == "1970-01-02 00:00:00");
}

TEST_CASE("strings and bytes as the server shows them", "[mysql][row]") {
  CHECK(one(254, 40, sized("char(10)", 10, "utf8mb4"), "03 612020") == "a");
  CHECK(one(254, 40, sized("char(10)", 10, "utf8mb4"), "02 2020").empty());
  CHECK(one(15, 40, sized("varchar(10)", 10, "utf8mb4"), "03 612020") == "a  ");
  CHECK(one(15, 300, sized("varchar(300)", 300, "ascii"), "0200 6162") == "ab");
  CHECK(one(254, 4, sized("binary(4)", 4), "01 61") == bytes("61000000"));
  CHECK(one(254, 4, sized("binary(4)", 4), "00") == bytes("00000000"));
  CHECK(one(252, 1, sized("tinyblob", 255), "02 00ff") == bytes("00ff"));
  CHECK(one(252, 3, sized("mediumtext", 16777215, "utf8mb3"), "020000 c3a9") == "\xc3\xa9");
  CHECK(one(252, 4, sized("longblob", 4294967295), "00000000").empty());
}

TEST_CASE("an empty value is not NULL", "[mysql][row]") {
  Sample sample;
  sample.add(15, 40, sized("varchar(10)", 10, "utf8mb4"));
  sample.add(248, 1, native("set('a')"));
  sample.add(247, 1, native("enum('a')"));
  const RowDecoder decoder = sample.decoder();
  std::vector<Cell> cells(3);
  const std::string image = bytes("00 00 00 00");
  decoder.decode(image.data(), image.data() + image.size(), nullptr, cells, sample.arena);
  for (const Cell& cell : cells) {
    CHECK(cell.has_value());
    CHECK(cell.text().empty());
  }
}

TEST_CASE("compressed columns of MariaDB, with and without a zlib frame", "[mysql][row]") {
  const NativeType blob = sized("blob /*M!100301 COMPRESSED*/", 65535);
  const NativeType varchar = sized("varchar(20) /*M!100301 COMPRESSED*/", 20, "latin1");
  std::string plain;
  for (int i = 0; i < 50; ++i) plain += "ab";
  CHECK(one(140, 2, blob, "0900 8964 4b4c4aa4390400") == plain);
  CHECK(one(140, 2, blob, "0f00 8164 789c4b4c4aa4390400840b2617") == plain);
  CHECK(one(141, 21, varchar, "06 00 73686f7274") == "short");
  CHECK(one(141, 21, varchar, "00").empty());
  for (const char* damaged : {"03 490500", "01 89", "09 8965 4b4c4aa4390400",
                              "09 8963 4b4c4aa4390400", "09 8964 ffffffffffffff"}) {
    INFO(damaged);
    CHECK(error_id([&] { one(141, 21, varchar, damaged); }) == "binlog.malformed");
  }
}

TEST_CASE("enumerations and sets give labels", "[mysql][row]") {
  CHECK(one(247, 1, native("enum('a','b''c')"), "02") == "b'c");
  CHECK(one(247, 1, native("enum('a','b')"), "00").empty());
  CHECK(one(248, 1, native("set('a','b','c')"), "05") == "a,c");
  CHECK(one(248, 1, native("set('a','b','c')"), "02") == "b");
  CHECK(error_id([] { one(247, 1, native("enum('a','b')"), "03"); }) == "mysql.definition");
}

TEST_CASE("labels of the change log win over what the catalogue cannot show", "[mysql][row]") {
  NativeType type = native("enum('?','b?')");
  type.charset = "utf8mb4";
  Sample sample;
  sample.add(247, 1, type);
  CHECK(error_id([&] { sample.decode(bytes("0001")); }) == "mysql.label");
  sample.map.columns[0].members = {"\xf0\x9f\x98\x80", "b?"};
  CHECK(sample.decode(bytes("0001")).at(0) == "\xf0\x9f\x98\x80");
  CHECK(sample.decode(bytes("0002")).at(0) == "b?");
  sample.map.columns[0].members = {"x", "b?"};
  CHECK(error_id([&] { sample.decoder(); }) == "mysql.definition");
  sample.map.columns[0].members = {"\xf0\x9f\x98\x80"};
  CHECK(error_id([&] { sample.decoder(); }) == "mysql.definition");
}

TEST_CASE("an unwanted column needs no character set", "[mysql][row]") {
  Sample sample;
  NativeType type = native("enum('\xc3\xa9')");
  type.charset = "latin1";
  sample.add(247, 1, type);
  sample.map.columns[0].members = {"\xe9"};
  CHECK(error_id([&] { sample.decoder(); }) == "mysql.definition");
  sample.wanted[0] = false;
  sample.add(15, 10, sized("varchar(10)", 10, "of_my_own"));
  sample.wanted[1] = false;
  CHECK(sample.decode(bytes("00 01 0161")) == std::vector<std::string>{"ABSENT", "ABSENT"});
}

TEST_CASE("uuid and addresses, with the zero bytes that the log leaves out", "[mysql][row]") {
  CHECK(one(254, 16, native("uuid"), "0f 00112233445566778899aabbccddee") ==
        "00112233-4455-6677-8899-aabbccddee00");
  CHECK(one(254, 4, native("inet4"), "03 010203") == "1.2.3.0");
  const auto inet6 = [](std::string_view hex) { return one(254, 16, native("inet6"), hex); };
  CHECK(inet6("00") == "::");
  CHECK(inet6("10 00000000000000000000000000000001") == "::1");
  CHECK(inet6("10 00000000000000000000ffff01020304") == "::ffff:1.2.3.4");
  CHECK(inet6("10 00000000000000000000000001020304") == "::1.2.3.4");
  CHECK(inet6("02 0001") == "1::");
  CHECK(inet6("10 00010000000000020000000000000003") == "1:0:0:2::3");
  CHECK(inet6("10 00010000000200030004000500060007") == "1::2:3:4:5:6:7");
}

TEST_CASE("json, geometry and vectors", "[mysql][row]") {
  CHECK(one(245, 4, native("json"), "02000000 0401") == "true");
  CHECK(one(255, 4, native("point"),
            "19000000 e6100000 0101000000 000000000000f03f 0000000000000040") ==
        bytes("0101000020 e6100000 000000000000f03f 0000000000000040"));
  CHECK(one(242, 4, native("vector(2)"), "08000000 0000803f 00000040") ==
        bytes("0000803f00000040"));
  CHECK(one(15, 8, native("vector(2)"), "08 0000803f 00000040") == bytes("0000803f00000040"));
}

TEST_CASE("NULL bits count the columns of the image", "[mysql][row]") {
  Sample sample;
  for (int i = 0; i < 10; ++i) sample.add(1, 0, native("tinyint"));
  CHECK(sample.decode(bytes("0102 0102030405060708")) ==
        std::vector<std::string>{"NULL", "1", "2", "3", "4", "5", "6", "7", "8", "NULL"});
  // Only columns 1, 4 and 9 are in the image, and 4 is NULL.
  CHECK(sample.decode(bytes("02 0109"), bytes("1202")) ==
        std::vector<std::string>{"ABSENT", "1", "ABSENT", "ABSENT", "NULL", "ABSENT", "ABSENT",
                                 "ABSENT", "ABSENT", "9"});
}

TEST_CASE("unwanted columns are passed over and absent", "[mysql][row]") {
  Sample sample;
  sample.add(15, 40, sized("varchar(10)", 10, "utf8mb4"));
  sample.add(3, 0, native("int"));
  sample.add(10, 0, native("date"));
  sample.wanted = {false, true, false};
  CHECK(sample.decode(bytes("00 0161 07000000 000000")) ==
        std::vector<std::string>{"ABSENT", "7", "ABSENT"});
  CHECK(sample.decode(bytes("05 07000000")) == std::vector<std::string>{"ABSENT", "7", "ABSENT"});
}

TEST_CASE("an image that is cut anywhere is malformed", "[mysql][row]") {
  Sample sample;
  sample.add(15, 300, sized("varchar(300)", 300, "ascii"));
  sample.add(8, 0, native("bigint"));
  sample.add(246, 0x0a02, decimal(10, 2));
  const std::string image = bytes("00 0200 6162 0100000000000000 80000001 00");
  CHECK(sample.decode(image) == std::vector<std::string>{"ab", "1", "1.00"});
  const RowDecoder decoder = sample.decoder();
  std::vector<Cell> cells(3);
  for (std::size_t size = 0; size < image.size(); ++size) {
    INFO(size);
    CHECK(error_id([&] {
            decoder.decode(image.data(), image.data() + size, nullptr, cells, sample.arena);
          }) == "binlog.malformed");
  }
}

TEST_CASE("a map that disagrees with the catalogue is named", "[mysql][row]") {
  Sample sample;
  sample.add(3, 0, native("int unsigned"));
  sample.add(15, 40, sized("varchar(10)", 10, "utf8mb4"));
  sample.add(246, 0x0a02, decimal(10, 2));
  sample.add(18, 3, seconds("datetime", 3));
  sample.add(252, 2, sized("text", 65535, "utf8mb4"));
  sample.add(248, 1, native("set('a','b')"));
  sample.map.has_names = true;
  sample.map.has_signedness = true;
  CHECK(error_id([&] { sample.decoder(); }).empty());

  const auto differs = [&](const std::function<void(Sample&)>& change) {
    Sample changed;
    changed.map = sample.map;
    changed.table = sample.table;
    changed.wanted = sample.wanted;
    changed.charsets = sample.charsets;
    change(changed);
    return error_id([&] { changed.decoder(); }) == "mysql.definition";
  };
  CHECK(differs([](Sample& s) { s.map.columns.pop_back(); }));
  CHECK(differs([](Sample& s) { s.map.columns[0].type = 8; }));
  CHECK(differs([](Sample& s) { s.map.columns[0].type = 9; }));
  CHECK(differs([](Sample& s) { s.map.columns[0].is_unsigned = false; }));
  CHECK(differs([](Sample& s) { s.map.columns[0].name = "other"; }));
  CHECK(differs([](Sample& s) { s.map.columns[1].meta = 80; }));
  CHECK(differs([](Sample& s) { s.map.columns[2].meta = 0x0a03; }));
  CHECK(differs([](Sample& s) { s.map.columns[3].meta = 0; }));
  CHECK(differs([](Sample& s) { s.map.columns[4].meta = 3; }));
  CHECK(differs([](Sample& s) { s.map.columns[5].meta = 2; }));
}

TEST_CASE("catalogue rows map to neutral types", "[mysql][types]") {
  CHECK(column_type(native("mediumint(8) unsigned")).kind == TypeKind::int32);
  CHECK(column_type(native("bigint(20) unsigned zerofill")).kind == TypeKind::uint64);
  CHECK(column_type(native("tinyint(1)")).kind == TypeKind::int8);
  CHECK(column_type(native("float unsigned")).kind == TypeKind::float32);
  CHECK(column_type(native("geomcollection")).kind == TypeKind::geometry);
  CHECK(column_type(native("vector(3)")).length == 3);
  CHECK(column_type(sized("varchar(7)", 7, "latin1")).length == 7);
  CHECK(column_type(sized("longtext", 4294967295, "utf8mb4")).length == 0);
  NativeType json = sized("longtext", 4294967295, "utf8mb4");
  json.is_mariadb = json.json_check = true;
  CHECK(column_type(json).kind == TypeKind::json);
  CHECK(error_id([] { column_type(native("hypercube(3)")); }) == "mysql.type");
}

TEST_CASE("labels are read with their quoting", "[mysql][types]") {
  using Labels = std::vector<std::string>;
  CHECK(parse_labels("enum('a','b''c','d\\\\e','f\\ng','h,i','','(')") ==
        Labels{"a", "b'c", "d\\e", "f\ng", "h,i", "", "("});
  CHECK(parse_labels("set('n\\0')") == Labels{std::string("n\0", 2)});
  for (const char* bad : {"enum", "enum(", "enum(a)", "enum('a", "enum('a',)", "enum('a'"}) {
    INFO(bad);
    CHECK(error_id([bad] { parse_labels(bad); }) == "mysql.type-labels");
  }
}

TEST_CASE("every row of the type table can be reached", "[mysql][types]") {
  for (const TypeRow& row : type_rows()) {
    NativeType from;
    from.data_type = from.column_type = row.native;
    if (row.condition == TypeCondition::is_unsigned) from.column_type += " unsigned";
    if (row.condition == TypeCondition::tinyint1_boolean) from.column_type += "(1)";
    if (row.kind == TypeKind::enumeration || row.kind == TypeKind::set) from.column_type += "('a')";
    from.tinyint1_as_boolean = row.condition == TypeCondition::tinyint1_boolean;
    from.is_mariadb = from.json_check = row.condition == TypeCondition::json_check;
    INFO(from.column_type);
    const ColumnType type = column_type(from);
    CHECK(type.kind == row.kind);
    REQUIRE(type_row(type) != nullptr);
    CHECK(type_row(type)->codes == row.codes);
  }
}
