// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/alter.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "source/mysql/sql_lexer.h"
#include "source/mysql/types.h"

using namespace weir;
using namespace weir::mysql;

namespace {

const std::vector<Collation> kCollations = {
    {8, "latin1_swedish_ci", "latin1", true},
    {47, "latin1_bin", "latin1", false},
    {33, "utf8mb3_general_ci", "utf8mb3", true},
    {45, "utf8mb4_general_ci", "utf8mb4", true},
    {46, "utf8mb4_bin", "utf8mb4", false},
    {255, "utf8mb4_0900_ai_ci", "utf8mb4", false},
    {63, "binary", "binary", true},
    {2304, "utf8mb4_uca1400_ai_ci", "utf8mb4", false},
};

AlterContext context(bool is_mariadb = true) {
  AlterContext out;
  out.is_mariadb = is_mariadb;
  out.server_version = is_mariadb ? 101106 : 90000;
  out.collations = kCollations;
  out.schema = "shop";
  out.client_collation = 45;
  out.connection_collation = 45;
  out.explicit_timestamps = true;
  return out;
}

Column column(std::string name, std::string data_type, std::string spelling, bool nullable) {
  Column out;
  out.name = std::move(name);
  NativeType from;
  from.data_type = std::move(data_type);
  from.column_type = std::move(spelling);
  out.type = column_type(from);
  out.nullable = nullable;
  return out;
}

/// shop.t (id int primary key, a int not null, b int, unique ua (a), key ab (a, b)).
Table table() {
  Table out;
  out.name = {"shop", "t"};
  out.columns = {column("id", "int", "int(11)", false), column("a", "int", "int(11)", false),
                 column("b", "int", "int(11)", true)};
  out.indexes = {{"PRIMARY", Index::Kind::unique, {{0, 0}}},
                 {"ua", Index::Kind::unique, {{1, 0}}},
                 {"ab", Index::Kind::ordinary, {{1, 0}, {2, 0}}}};
  out.engine = "InnoDB";
  out.charset = "utf8mb4";
  out.collation = "utf8mb4_general_ci";
  out.estimated_rows = 77;
  choose_key(out);
  return out;
}

Altered altered(std::string_view sql, const AlterContext& with = context()) {
  INFO(sql);
  Altered out = alter_table(table(), sql, with);
  CHECK(out.unreadable == "");
  REQUIRE(out.table != nullptr);
  REQUIRE(out.origins.size() == out.table->columns.size());
  return out;
}

std::string refusal(std::string_view sql, const AlterContext& with = context()) {
  INFO(sql);
  const Altered out = alter_table(table(), sql, with);
  CHECK(out.table == nullptr);
  CHECK_FALSE(out.unchanged);
  return out.unreadable;
}

/// The column that `definition` makes as the last one, and what rows get in it.
struct Added {
  Column column;
  ColumnOrigin origin;
};

Added added(const std::string& definition, const AlterContext& with = context()) {
  const Altered out = altered("ALTER TABLE t ADD z " + definition, with);
  CHECK(out.origins.back().before == ColumnOrigin::kNew);
  return {out.table->columns.back(), out.origins.back()};
}

std::string fill(const std::string& definition, const AlterContext& with = context()) {
  const Added out = added(definition, with);
  CHECK(out.origin.fill_unknown == "");
  return out.origin.fill.value_or("NULL");
}

std::string fill_unknown(const std::string& definition, const AlterContext& with = context()) {
  const Added out = added(definition, with);
  CHECK_FALSE(out.origin.fill.has_value());
  return out.origin.fill_unknown;
}

std::string names(const Table& of) {
  std::string out;
  for (const Column& each : of.columns) out += each.name + " ";
  return out;
}

bool has_index(const Table& of, std::string_view name) {
  return std::any_of(of.indexes.begin(), of.indexes.end(),
                     [&](const Index& index) { return index.name == name; });
}

std::vector<std::string> tokens(std::string_view sql, std::uint64_t sql_mode = 0) {
  SqlLexer lexer(sql, sql_mode);
  std::vector<std::string> out;
  for (SqlToken token = lexer.next(); token.kind != SqlToken::Kind::end; token = lexer.next()) {
    out.push_back(token.text);
  }
  return out;
}

SqlToken::Kind first_kind(std::string_view sql, std::uint64_t sql_mode = 0) {
  return SqlLexer(sql, sql_mode).next().kind;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the lexer follows sql_mode", "[alter]") {
  CHECK(first_kind("\"a\"") == SqlToken::Kind::string);
  CHECK(first_kind("\"a\"", kAnsiQuotes) == SqlToken::Kind::name);
  CHECK(tokens("'a\\'b' c") == Texts{"a'b", "c"});
  CHECK(tokens("'a\\' b", kNoBackslashEscapes) == Texts{"a\\", "b"});
  CHECK(tokens("'it''s' `a``b`") == Texts{"it's", "a`b"});
  CHECK(tokens("'\\n\\%'") == Texts{"\n\\%"});
}

TEST_CASE("the lexer tells numbers from names and passes over comments", "[alter]") {
  CHECK(first_kind("1.5e-3") == SqlToken::Kind::number);
  CHECK(first_kind("1e5") == SqlToken::Kind::number);
  CHECK(first_kind("1day") == SqlToken::Kind::word);
  CHECK(first_kind("0x1f") == SqlToken::Kind::word);
  CHECK(tokens("a /* b */ c -- d\n e # f\n g --h") == Texts{"a", "c", "e", "g", "-", "-", "h"});
  CHECK(tokens("/*!50000 a */ /*M!100301 b */") == Texts{"a", "b"});
  CHECK(tokens("'open") == Texts{"open"});
  CHECK(tokens("/* open") == Texts{});
}

TEST_CASE("columns come where the statement puts them", "[alter]") {
  const Altered out = altered("ALTER TABLE t ADD x INT FIRST, ADD y INT AFTER a, DROP b");
  CHECK(names(*out.table) == "x id a y ");
  CHECK(out.origins[0].before == ColumnOrigin::kNew);
  CHECK(out.origins[1].before == 0);
  CHECK(out.origins[2].before == 1);
  CHECK(out.table->estimated_rows == 77);
  CHECK(names(*altered("ALTER TABLE t MODIFY b INT FIRST").table) == "b id a ");
  CHECK(names(*altered("ALTER TABLE t CHANGE a b INT, CHANGE b a INT").table) == "id b a ");
  CHECK(names(*altered("ALTER TABLE t RENAME COLUMN a TO c, ADD a INT").table) == "id c b a ");
  CHECK(altered("ALTER TABLE t RENAME COLUMN b TO c").origins[2].before == 2);
}

TEST_CASE("a statement without consequence leaves the table as it was", "[alter]") {
  CHECK(altered("ALTER TABLE t FORCE, ALGORITHM=INPLACE, LOCK=NONE").unchanged);
  CHECK(altered("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)").unchanged);
  CHECK(altered("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT").unchanged);
  CHECK(altered("ALTER TABLE t PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (5))")
            .unchanged);
  CHECK_FALSE(altered("ALTER TABLE t COMMENT='x'").unchanged);
  CHECK_FALSE(altered("ALTER TABLE t MODIFY b INT AS (a + 1) STORED").unchanged);
}

TEST_CASE("the key stays as long as it identifies rows", "[alter]") {
  Altered out = altered("ALTER TABLE t DROP PRIMARY KEY");
  CHECK(out.table->key_name == "ua");
  CHECK_FALSE(out.table->key_is_primary);
  CHECK(out.table->key == std::vector<std::uint32_t>{1});
  // The primary key comes back, and does not take the place of the one in use.
  out = alter_table(*out.table, "ALTER TABLE t ADD PRIMARY KEY (id)", context());
  REQUIRE(out.table != nullptr);
  CHECK(out.table->key_name == "ua");
  CHECK(has_index(*out.table, "PRIMARY"));
  out = alter_table(*out.table, "ALTER TABLE t MODIFY a INT", context());
  REQUIRE(out.table != nullptr);
  CHECK(out.table->key_name == "PRIMARY");
  CHECK(out.table->key_is_primary);
  CHECK_FALSE(has_index(*out.table, "PRIMARY"));
  CHECK(altered("ALTER TABLE t DROP id, DROP INDEX ua").table->key.empty());
}

TEST_CASE("indexes follow their columns", "[alter]") {
  const Altered out = altered("ALTER TABLE t DROP b, CHANGE a c BIGINT NOT NULL FIRST");
  const Index expected{"ab", Index::Kind::ordinary, {{0, 0}}};
  CHECK(out.table->indexes.front() == expected);
  CHECK(has_index(*altered("ALTER TABLE t ADD INDEX (b), ADD INDEX (b)").table, "b_2"));
  CHECK(has_index(*altered("CREATE UNIQUE INDEX i ON shop.t (b)").table, "i"));
  CHECK_FALSE(has_index(*altered("DROP INDEX ab ON t").table, "ab"));
  CHECK(has_index(*altered("ALTER TABLE t RENAME INDEX ab TO xy").table, "xy"));
  CHECK(altered("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (id)").unchanged);
  CHECK(has_index(
      *altered("ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY i (b) REFERENCES u (id)").table, "fk"));
}

TEST_CASE("types are spelt as the product spells them", "[alter]") {
  CHECK(added("INTEGER UNSIGNED").column.type.native == "int(10) unsigned");
  CHECK(added("INTEGER UNSIGNED", context(false)).column.type.native == "int unsigned");
  CHECK(added("INT(3) ZEROFILL", context(false)).column.type.native == "int(3) unsigned zerofill");
  CHECK(added("BOOL", context(false)).column.type.native == "tinyint(1)");
  CHECK(added("YEAR").column.type.native == "year(4)");
  CHECK(added("YEAR", context(false)).column.type.native == "year");
  CHECK(added("JSON").column.type.kind == TypeKind::json);
  CHECK(added("JSON").column.type.native == "longtext");
  CHECK(added("JSON", context(false)).column.type.native == "json");
  CHECK(added("LONGTEXT CHECK (json_valid(z))").column.type.kind == TypeKind::json);
  CHECK(added("LONGTEXT CHECK (json_valid(a))").column.type.kind == TypeKind::text);
  CHECK(added("ENUM('it''s', 'b  ')").column.type.native == "enum('it''s','b')");
  CHECK(added("ENUM('😀')").column.type.members == Texts{"😀"});
  AlterContext old = context(false);
  old.server_version = 50744;
  CHECK(added("INT", old).column.type.native == "int(11)");
}

TEST_CASE("text takes the character set that the session means", "[alter]") {
  CHECK(added("VARCHAR(5)").column.collation == "utf8mb4_general_ci");
  CHECK(added("VARCHAR(5) CHARACTER SET latin1").column.collation == "latin1_swedish_ci");
  CHECK(added("VARCHAR(5) COLLATE latin1_bin").column.charset == "latin1");
  CHECK(added("VARCHAR(5) BINARY").column.collation == "utf8mb4_bin");
  CHECK(added("VARCHAR(5) CHARSET utf8").column.charset == "utf8mb3");
  CHECK(added("VARCHAR(5) CHARACTER SET binary").column.type.native == "varbinary(5)");
  AlterContext with = context();
  with.charset_collations = {{45, 2304}};
  CHECK(added("CHAR CHARSET utf8mb4", with).column.collation == "utf8mb4_uca1400_ai_ci");
  CHECK(added("CHAR COLLATE uca1400_ai_ci", with).column.collation == "utf8mb4_uca1400_ai_ci");
  with = context(false);
  with.utf8mb4_collation = 255;
  CHECK(added("CHAR CHARSET utf8mb4", with).column.collation == "utf8mb4_0900_ai_ci");
  with = context();
  with.utf8_is_utf8mb3 = false;
  CHECK(added("CHAR CHARSET utf8", with).column.charset == "utf8mb4");
}

TEST_CASE("rows get constants in neutral form", "[alter]") {
  CHECK(fill("INT") == "NULL");
  CHECK(fill("INT NOT NULL") == "0");
  CHECK(fill("INT(5) ZEROFILL DEFAULT 42") == "42");
  CHECK(fill("INT DEFAULT 2.5") == "3");
  CHECK(fill("INT DEFAULT -2.4") == "-2");
  CHECK(fill("DECIMAL(5,2) DEFAULT 9.995") == "10.00");
  CHECK(fill("DECIMAL(5,2) NOT NULL") == "0.00");
  CHECK(fill("BIT(6) DEFAULT b'101'") == "000101");
  CHECK(fill("BINARY(3) DEFAULT 'a'") == std::string("a\0\0", 3));
  CHECK(fill("VARBINARY(3) DEFAULT 0xabc") == "\x0a\xbc");
  CHECK(fill("SET('a','b') DEFAULT 'B,a'") == "a,b");
  CHECK(fill("ENUM('x','y') NOT NULL") == "x");
  CHECK(fill("DATETIME(3) DEFAULT '2020-1-2 3:4:5.6'") == "2020-01-02 03:04:05.600");
  CHECK(fill("TIME DEFAULT '-1:2'") == "-01:02:00");
  AlterContext with = context();
  with.types.tinyint1_as_boolean = true;
  CHECK(fill("TINYINT(1) DEFAULT 7", with) == "1");
  // MariaDB cuts digits of the second, MySQL rounds them.
  CHECK(fill("DATETIME(1) DEFAULT '2020-01-02 00:00:00.19'") == "2020-01-02 00:00:00.1");
  CHECK(fill("DATETIME(1) DEFAULT '2020-01-02 00:00:00.19'", context(false)) ==
        "2020-01-02 00:00:00.2");
  CHECK(fill_unknown("DATETIME DEFAULT '2020-01-02 00:00:00.9'", context(false)) ==
        "the server rounds its default up to a full second");
}

TEST_CASE("rows get dates that no calendar has by policy", "[alter]") {
  AlterContext with = context();
  CHECK(fill_unknown("DATE NOT NULL", with) ==
        "it holds a date that no calendar has, which types.zero_dates refuses");
  with.types.zero_dates.kind = ZeroDatePolicy::Kind::null;
  CHECK(fill("DATE NOT NULL", with) == "NULL");
  with.types.zero_dates.kind = ZeroDatePolicy::Kind::date;
  with.types.zero_dates.date = "1970-01-01";
  CHECK(fill("DATETIME(1) NOT NULL", with) == "1970-01-01 00:00:00.0");
  CHECK(added("DATE DEFAULT '0000-00-00'", with).column.default_value == "0000-00-00");
}

TEST_CASE("moments follow the session's time zone, if it is told", "[alter]") {
  AlterContext with = context();
  const std::string literal = "TIMESTAMP NULL DEFAULT '2020-01-01 01:00:00'";
  CHECK(fill_unknown(literal, with) ==
        "its default is in the session's time zone, which the log does not tell");
  with.time = Time(std::chrono::seconds(1'600'000'000) + std::chrono::microseconds(250'000));
  CHECK(fill("TIMESTAMP NULL DEFAULT NOW()", with) == "2020-09-13 12:26:40");
  CHECK(fill_unknown("DATETIME DEFAULT NOW()", with) ==
        "its default is the time in the session's time zone, which the log does not tell");
  CHECK(fill_unknown("TIMESTAMP(3) NULL DEFAULT NOW(3)", with) ==
        "the log does not tell the time of the statement to the digit");
  with.time_micros = true;
  with.utc_offset = std::chrono::hours(2);
  CHECK(fill(literal, with) == "2019-12-31 23:00:00");
  CHECK(fill("DATETIME(2) DEFAULT NOW(2)", with) == "2020-09-13 14:26:40.25");
  CHECK(fill("TIMESTAMP(3) NULL DEFAULT NOW(3)", with) == "2020-09-13 12:26:40.250");
}

TEST_CASE("values that no statement tells are said to be unknown", "[alter]") {
  CHECK(fill_unknown("INT AS (a + 1)") == "it is generated from an expression");
  CHECK(fill_unknown("INT DEFAULT (a + 1)") == "its default is an expression: (a + 1)");
  CHECK(fill_unknown("VARCHAR(36) DEFAULT UUID()") == "its default is an expression: UUID()");
  CHECK(fill_unknown("INT AUTO_INCREMENT UNIQUE") ==
        "the server numbered the rows that were there");
  CHECK(fill_unknown("VARCHAR(5) CHARACTER SET latin1 DEFAULT 'é'") ==
        "its default has characters that its character set may lack");
  CHECK(fill_unknown("VARCHAR(5) DEFAULT _latin1 x'e9'") != "");
  CHECK(fill_unknown("INT DEFAULT 1e2") == "its default is no plain number");
}

TEST_CASE("what cannot be read exactly is refused by name", "[alter]") {
  CHECK(refusal("ALTER TABLE t FROBNICATE x") == "weir cannot read it from \"FROBNICATE x\" on");
  CHECK(refusal("ALTER TABLE t ADD") == "the statement ends before it is whole");
  CHECK(refusal("ALTER TABLE t ADD c XMLTYPE") ==
        "weir does not know the type XMLTYPE of column c");
  CHECK(refusal("ALTER TABLE t ADD c INT WHATEVER") == "weir cannot read it from \"WHATEVER\" on");
  CHECK(refusal("ALTER TABLE t ADD a INT") == "the known definition has a column a already");
  CHECK(refusal("ALTER TABLE t DROP x") == "it names column x, which the known definition lacks");
  CHECK(refusal("ALTER TABLE t MODIFY x INT") ==
        "it names column x, which the known definition lacks");
  CHECK(refusal("ALTER TABLE t ADD c INT AFTER x") ==
        "it puts a column after x, which the known definition lacks");
  CHECK(refusal("ALTER TABLE t ALTER x SET DEFAULT 1") ==
        "it changes column x, which the known definition lacks");
  CHECK(refusal("ALTER TABLE t ADD INDEX (x)") ==
        "it puts column x into an index, which the known definition lacks");
  CHECK(refusal("DROP INDEX x ON t") == "it names index x, which the known definition lacks");
  CHECK(refusal("ALTER TABLE t ADD INDEX ab (b)") ==
        "the known definition has an index ab already");
  CHECK(refusal("ALTER TABLE t ADD SYSTEM VERSIONING") != "");
  CHECK(refusal("ALTER TABLE t CONVERT TO CHARACTER SET DEFAULT") ==
        "it takes the character set of the database, which no event tells");
  CHECK(refusal("ALTER TABLE t ADD c CHAR CHARACTER SET klingon") ==
        "weir does not know the character set klingon");
  CHECK(refusal("ALTER TABLE t ENGINE=Unheard") == "weir does not know the engine Unheard");
  CHECK(refusal("SET STATEMENT sql_mode='' FOR ALTER TABLE t ADD c INT") ==
        "it changes sql_mode for itself");
  CHECK(refusal("ALTER TABLE t ADD c VARCHAR(60000)") ==
        "column c is too long for its type, and the server chose another");
}

TEST_CASE("what depends on the session is refused where the session is not known", "[alter]") {
  AlterContext with = context();
  with.explicit_timestamps.reset();
  CHECK(refusal("ALTER TABLE t ADD c TIMESTAMP", with) ==
        "what column c leaves out depends on explicit_defaults_for_timestamp, which is not told");
  CHECK(added("TIMESTAMP NULL", with).column.nullable);
  with.explicit_timestamps = false;
  CHECK(refusal("ALTER TABLE t ADD c TIMESTAMP NOT NULL", with) ==
        "what column c leaves out depends on explicit_defaults_for_timestamp, which is off");
  CHECK_FALSE(added("TIMESTAMP DEFAULT 0", with).column.nullable);

  with = context();
  with.client_collation = 8;
  CHECK(refusal("ALTER TABLE t ADD c INT COMMENT '\xe9'", with) ==
        "it has text in a character set that weir does not convert");
  CHECK(added("INT COMMENT 'plain'", with).column.comment == "plain");

  with = context();
  with.sql_mode = kOracle;
  CHECK(refusal("ALTER TABLE t ADD c DATE", with) == "sql_mode ORACLE gives types other meanings");
  with.sql_mode = kAnsiQuotes;
  CHECK(names(*altered("ALTER TABLE t ADD \"c d\" INT", with).table) == "id a b c d ");
}
