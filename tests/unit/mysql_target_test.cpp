// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "base/error.h"
#include "target/mysql/checks.h"
#include "target/mysql/control.h"
#include "target/mysql/encode.h"
#include "target/mysql/types.h"

using namespace weir;
using namespace weir::mysqltarget;

namespace {

std::string in_file(std::string_view text, Encoding encoding) {
  RowBuffer buffer;
  buffer.file_cell(Cell(text), encoding);
  return std::string(buffer.view());
}

std::string in_sql(std::string_view text, Encoding encoding) {
  RowBuffer buffer;
  buffer.literal(Cell(text), encoding);
  return std::string(buffer.view());
}

std::string refusal(std::string_view text, Encoding encoding) {
  std::string ids;
  for (const auto write : {in_file, in_sql}) {
    try {
      write(text, encoding);
      ids += "taken ";
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::refused);
      CHECK_FALSE(error.fix().empty());
      ids += error.id() + ' ';
    }
  }
  return ids;
}

ColumnType type(TypeKind kind, std::uint64_t length = 0) {
  ColumnType out;
  out.kind = kind;
  out.length = length;
  return out;
}

TablePlan plan_of(const std::vector<ColumnType>& types, std::vector<std::uint32_t> key = {}) {
  TablePlan plan;
  plan.target = {"d", "t"};
  for (const ColumnType& each : types) {
    Column source;
    source.name = "c" + std::to_string(plan.columns.size());
    source.type = each;
    PlannedColumn column;
    column.name = source.name;
    column.source = static_cast<std::uint32_t>(plan.columns.size());
    column.type = each;
    plan.source.columns.push_back(source);
    plan.columns.push_back(column);
  }
  plan.key = std::move(key);
  return plan;
}

ExistingColumn existing(const std::string& column_type, const std::string& charset = "") {
  ExistingColumn out;
  out.column_type = column_type;
  out.data_type = std::string(type_word(column_type));
  out.charset = charset;
  return out;
}

Facts sound_facts() {
  Facts facts;
  facts.version = 90000;
  facts.local_infile = true;
  facts.max_packet = 64 << 20;
  facts.can_keep_control = true;
  facts.connections_left = 100;
  facts.connections_wanted = 5;
  return facts;
}

std::vector<std::string> ids(const Facts& facts) {
  std::vector<std::string> out;
  for (const Finding& finding : judge(facts)) {
    CHECK_FALSE(finding.what.empty());
    CHECK_FALSE(finding.why.empty());
    CHECK_FALSE(finding.fix.empty());
    out.push_back(finding.id);
  }
  return out;
}

}  // namespace

TEST_CASE("a newline in a file is always the end of a row", "[mysqltarget]") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (std::size_t shift = 0; shift < 9; ++shift) {
    const std::string text = std::string(shift, 'x') + all;
    const std::string written = in_file(text, Encoding::bytes);
    CHECK(written.find('\n') == std::string::npos);
    CHECK(written.find('\t') == std::string::npos);
    std::string read;
    for (std::size_t i = 0; i < written.size(); ++i) {
      char c = written[i];
      if (c == '\\') {
        const char code = written[++i];
        c = code == '0' ? '\0' : code == 'n' ? '\n' : code == 't' ? '\t' : code;
      }
      read += c;
    }
    CHECK(read == text);
  }
  CHECK(in_file("\\N", Encoding::text) == "\\\\N");
  RowBuffer buffer;
  buffer.file_cell(Cell::null(), Encoding::text);
  CHECK(buffer.view() == "\\N");
}

TEST_CASE("a literal ends where it should", "[mysqltarget]") {
  CHECK(in_sql("a'b\\c\n", Encoding::text) == "'a\\'b\\\\c\n'");
  CHECK(in_sql(std::string_view("\0'", 2), Encoding::bytes) == "_binary'\\0\\''");
  CHECK(in_sql("12345678'0123456", Encoding::text) == "'12345678\\'0123456'");
  CHECK(in_sql("0101", Encoding::bits) == "b'0101'");
  CHECK(in_sql("-12.50", Encoding::number) == "-12.50");
  CHECK(in_sql("2026-01-02", Encoding::temporal) == "'2026-01-02'");
  RowBuffer buffer;
  buffer.literal(Cell::null(), Encoding::bytes);
  CHECK(buffer.view() == "NULL");
}

TEST_CASE("floats keep their value and their sign", "[mysqltarget]") {
  // As a decimal of nine digits it would be beyond the largest float.
  CHECK(in_sql("3.4028235e+38", Encoding::single) == "3.4028234663852886e+38");
  CHECK(in_sql("0.1", Encoding::single) == "1.0000000149011612e-01");
  CHECK(in_sql("-0", Encoding::real) == "-0e0");
  CHECK(in_sql("1e+308", Encoding::real) == "1e+308");
  CHECK(in_file("0.1", Encoding::real) == "0.1e0");
}

TEST_CASE("bits and geometries take the server's own form", "[mysqltarget]") {
  CHECK(in_file("100000001", Encoding::bits) == "\x01\x01");
  CHECK(in_file("00000000", Encoding::bits) == "\\0");
  const std::string point("\x01\x01\x00\x00\x00........", 13);
  CHECK(in_file(point, Encoding::geometry) == "\\0\\0\\0\\0\x01\x01\\0\\0\\0........");
  const std::string with_srid("\x01\x01\x00\x00\x20\xe6\x10\x00\x00........", 17);
  CHECK(in_file(with_srid, Encoding::geometry) == "\xe6\x10\\0\\0\x01\x01\\0\\0\\0........");
}

TEST_CASE("what MySQL has not is refused by name", "[mysqltarget]") {
  const std::string no_number = "mysql-target.not-a-number mysql-target.not-a-number ";
  const std::string no_date = "mysql-target.date mysql-target.date ";
  for (const char* text : {"NaN", "Infinity", "-Infinity"}) {
    CHECK(refusal(text, Encoding::number) == no_number);
    CHECK(refusal(text, Encoding::single) == no_number);
    CHECK(refusal(text, Encoding::real) == no_number);
    CHECK(refusal(text, Encoding::decimal) == no_number);
  }
  for (const char* text :
       {"infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "0044-03-15 12:00:00 BC"}) {
    CHECK(refusal(text, Encoding::temporal) == no_date);
  }
  CHECK(refusal("0000-00-00", Encoding::temporal) == "taken taken ");
  const std::string nines(30, '9');
  CHECK(refusal("1." + nines, Encoding::decimal) == "taken taken ");
  CHECK(refusal("1." + nines + "000", Encoding::decimal) == "taken taken ");
  CHECK(refusal("1." + nines + "1", Encoding::decimal) ==
        "mysql-target.decimal-scale mysql-target.decimal-scale ");
}

TEST_CASE("types of other sources find the smallest of MySQL's that holds them", "[mysqltarget]") {
  ColumnType any = type(TypeKind::decimal);
  ColumnType wide = type(TypeKind::decimal);
  wide.precision = 100;
  wide.scale = 40;
  ColumnType instant = type(TypeKind::timestamp);
  instant.precision = 6;
  const TablePlan plan =
      plan_of({type(TypeKind::text), type(TypeKind::text, 1024), type(TypeKind::text, 2000),
               type(TypeKind::bytes), type(TypeKind::bytes, 16), type(TypeKind::bits, 8),
               type(TypeKind::bits, 100), any, wide, instant, type(TypeKind::uuid)});
  CHECK(planned_types(plan, false) ==
        std::vector<std::string>{"longtext", "varchar(1024)", "text", "longblob", "varbinary(16)",
                                 "bit(8)", "text", "decimal(65,30)", "decimal(65,30)",
                                 "datetime(6)", "char(36)"});
}

TEST_CASE("a row of many texts stays below MySQL's limit", "[mysqltarget]") {
  const TablePlan plan = plan_of(std::vector<ColumnType>(30, type(TypeKind::text, 700)), {0});
  const std::vector<std::string> types = planned_types(plan, false);
  std::size_t bytes = 0;
  for (const std::string& each : types) bytes += each == "text" ? 12 : 700 * 4 + 2;
  CHECK(bytes < 65535);
  CHECK(types[0] == "varchar(700)");
}

TEST_CASE("a source of the same kind keeps its types, and labels their quotes", "[mysqltarget]") {
  ColumnType label = type(TypeKind::enumeration);
  label.native = "enum('a''b')";
  label.members = {"a'b", "c\\d"};
  ColumnType old = type(TypeKind::datetime);
  old.native = "datetime /* mariadb-5.3 */";
  ColumnType number = type(TypeKind::uint32);
  number.native = "int(8) unsigned zerofill";
  CHECK(planned_types(plan_of({label, old, number}), true) ==
        std::vector<std::string>{"enum('a''b','c\\\\d')", "datetime", "int(8) unsigned zerofill"});
}

TEST_CASE("a collation that the server lacks has one near it, but never in a key",
          "[mysqltarget]") {
  ColumnType word = type(TypeKind::text, 20);
  word.native = "varchar(20)";
  TablePlan plan = plan_of({word, word}, {0});
  for (std::size_t i = 0; i < 2; ++i) {
    plan.source.columns[i].charset = "utf8mb4";
    plan.source.columns[i].collation = "utf8mb4_uca1400_ai_ci";
    plan.columns[i].target_type = "varchar(20)";
  }
  Dialect mysql;
  mysql.version = 90000;
  mysql.collations = {"utf8mb4_0900_ai_ci", "utf8mb4_0900_bin", "utf8mb3_bin"};
  const ColumnShape key = shape_of(plan, 0, "varchar(20)", true, mysql);
  CHECK(key.collation == "utf8mb4_0900_bin");
  CHECK(key.replaced == "collation utf8mb4_uca1400_ai_ci");
  CHECK(shape_of(plan, 1, "varchar(20)", true, mysql).collation == "utf8mb4_0900_ai_ci");
  plan.source.columns[1].collation = "utf8_bin";
  const ColumnShape renamed = shape_of(plan, 1, "varchar(20)", true, mysql);
  CHECK(renamed.collation == "utf8mb3_bin");
  CHECK(renamed.charset == "utf8mb3");
  CHECK(renamed.replaced.empty());
  // What a rule says is taken as it is.
  plan.columns[1].target_type = "varchar(9) COLLATE latin1_bin";
  CHECK(shape_of(plan, 1, "varchar(20)", true, mysql).charset.empty());
}

TEST_CASE("a column that exists fits or does not", "[mysqltarget]") {
  CHECK(fit(type(TypeKind::int32), existing("bigint(20)")) == Fit::fits);
  CHECK(fit(type(TypeKind::int32), existing("int(10) unsigned")) == Fit::narrow);
  CHECK(fit(type(TypeKind::uint32), existing("int(11)")) == Fit::narrow);
  CHECK(fit(type(TypeKind::uint32), existing("bigint(20)")) == Fit::fits);
  CHECK(fit(type(TypeKind::uint64), existing("bigint(20)")) == Fit::narrow);
  CHECK(fit(type(TypeKind::text), existing("longtext", "utf8mb4")) == Fit::fits);
  CHECK(fit(type(TypeKind::text), existing("varchar(20)", "utf8mb4")) == Fit::narrow);
  CHECK(fit(type(TypeKind::text, 20), existing("int(11)")) == Fit::other);
  CHECK(fit(type(TypeKind::float64), existing("float")) == Fit::narrow);
  CHECK(fit(type(TypeKind::datetime), existing("timestamp")) == Fit::other);
  ExistingColumn decimal = existing("decimal(20,4)");
  decimal.precision = 20;
  decimal.scale = 4;
  ColumnType wanted = type(TypeKind::decimal);
  wanted.precision = 18;
  wanted.scale = 4;
  CHECK(fit(wanted, decimal) == Fit::fits);
  wanted.scale = 5;
  CHECK(fit(wanted, decimal) == Fit::narrow);
}

TEST_CASE("the value is cut from a server's message, and its row is read", "[mysqltarget]") {
  const RowMessage message =
      read_message("Incorrect string value: '\\xF0secret' for column `d`.`t`.`c` at row 12");
  CHECK(message.row == 12);
  CHECK(message.text.find("secret") == std::string::npos);
  CHECK_THAT(message.text, Catch::Contains("`d`.`t`.`c`"));
  CHECK(read_message("Duplicate entry '5' for key 'PRIMARY'").row == 0);
}

TEST_CASE("each fact about a MySQL target is judged", "[mysqltarget]") {
  const auto only = [](const char* id) { return std::vector<std::string>{id}; };
  CHECK(ids(sound_facts()).empty());
  Facts facts = sound_facts();
  facts.version = 50744;
  CHECK(ids(facts) == only("mysql-target.version"));
  facts = sound_facts();
  facts.read_only = true;
  CHECK(ids(facts) == only("mysql-target.read-only"));
  facts = sound_facts();
  facts.local_infile = false;
  CHECK(ids(facts) == only("mysql-target.local-infile"));
  CHECK_FALSE(refuses(judge(facts)));
  facts = sound_facts();
  facts.max_packet = 1 << 20;
  CHECK(ids(facts) == only("mysql-target.max-packet"));
  facts = sound_facts();
  facts.connections_left = 4;
  CHECK(ids(facts) == only("mysql-target.connections"));
  facts = sound_facts();
  facts.can_keep_control = false;
  facts.control_why = "denied";
  CHECK(ids(facts) == only("mysql-target.control-schema"));

  const TablePlan plan = plan_of({type(TypeKind::text, 700), type(TypeKind::text, 700)}, {0, 1});
  const auto table_of = [](const TablePlan& of) {
    Facts::TableFacts table;
    table.plan = &of;
    table.can_create = true;
    table.planned = planned_types(of, false);
    for (const std::string& each : table.planned) table.shapes.push_back({each, "utf8mb4", "", ""});
    return table;
  };
  facts = sound_facts();
  facts.tables = {table_of(plan)};
  CHECK(ids(facts) == only("mysql-target.key-too-long"));
  const TablePlan loose = plan_of({type(TypeKind::text)}, {0});
  facts.tables = {table_of(loose)};
  CHECK(ids(facts) == only("mysql-target.key-without-length"));
}
