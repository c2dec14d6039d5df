// SPDX-License-Identifier: Apache-2.0
#include "source/mysql/statement.h"

#include <catch2/catch.hpp>

using namespace weir;
using namespace weir::mysql;
using Kind = Statement::Kind;
using Change = SchemaChange::Kind;

namespace {

SchemaChange only_change(std::string_view sql) {
  const Statement statement = classify(sql, "shop");
  REQUIRE(statement.kind == Kind::definition);
  REQUIRE(statement.changes.size() == 1);
  return statement.changes.front();
}

}  // namespace

TEST_CASE("transaction control is told apart", "[statement]") {
  CHECK(classify("BEGIN", "").kind == Kind::begin);
  CHECK(classify("START TRANSACTION", "").kind == Kind::begin);
  CHECK(classify("commit", "").kind == Kind::commit);
  CHECK(classify("ROLLBACK", "").kind == Kind::rollback);
  CHECK(classify("ROLLBACK TO `a`", "").kind == Kind::rollback_to);
  CHECK(classify("ROLLBACK WORK TO SAVEPOINT a", "").kind == Kind::rollback_to);
  CHECK(classify("SAVEPOINT `a`", "").kind == Kind::savepoint);
}

TEST_CASE("XA statements of one transaction carry one id", "[statement]") {
  const Statement end = classify("XA END X'78',X'',1", "");
  CHECK(end.kind == Kind::xa_end);
  CHECK(classify("XA START X'78',X'',1", "").kind == Kind::xa_start);
  CHECK(classify("XA COMMIT X'78',X'',1", "").kind == Kind::xa_commit);
  CHECK(classify("XA ROLLBACK X'78',X'',1", "").kind == Kind::xa_rollback);
  CHECK(classify("XA COMMIT X'78',X'',1", "").xid == end.xid);
  CHECK(classify("XA COMMIT X'79',X'',1", "").xid != end.xid);
}

TEST_CASE("definitions name their table and what they do", "[statement]") {
  struct Case {
    const char* sql;
    Change kind;
    const char* table;
  };
  const auto check = [](const Case& c) {
    INFO(c.sql);
    const SchemaChange change = only_change(c.sql);
    CHECK(change.kind == c.kind);
    CHECK(change.table.text() == c.table);
  };
  check({"CREATE TABLE t (a int)", Change::create_table, "shop.t"});
  check({"create table if not exists `x`.`a b` (a int)", Change::create_table, "x.a b"});
  check({"SET STATEMENT max_statement_time=5, sql_mode='' FOR ALTER TABLE t ADD b int",
         Change::add_column, "shop.t"});
  check({"CREATE UNIQUE INDEX i ON x.t (a)", Change::index, "x.t"});
  check({"DROP INDEX i ON t", Change::index, "shop.t"});
  check({"TRUNCATE t", Change::truncate_table, "shop.t"});
  check({"TRUNCATE TABLE `we``ird`", Change::truncate_table, "shop.we`ird"});
  check({"ALTER TABLE t ADD COLUMN b int", Change::add_column, "shop.t"});
  check({"ALTER TABLE t ADD b int AFTER a", Change::add_column, "shop.t"});
  check({"ALTER TABLE t ADD INDEX (b)", Change::index, "shop.t"});
  check(
      {"ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (a)", Change::other, "shop.t"});
  check({"ALTER TABLE t ADD PRIMARY KEY (a)", Change::change_key, "shop.t"});
  check({"ALTER TABLE t DROP COLUMN b", Change::drop_column, "shop.t"});
  check({"ALTER TABLE t DROP b", Change::drop_column, "shop.t"});
  check({"ALTER TABLE t DROP KEY b", Change::index, "shop.t"});
  check({"ALTER TABLE t MODIFY a bigint", Change::change_type, "shop.t"});
  check({"ALTER TABLE t CHANGE a b decimal(10,2), ADD c int", Change::change_type, "shop.t"});
  check({"ALTER TABLE t RENAME COLUMN a TO b", Change::rename_column, "shop.t"});
  check({"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", Change::change_type, "shop.t"});
  check({"ALTER TABLE t ALTER COLUMN a SET DEFAULT 5", Change::default_value, "shop.t"});
  check({"ALTER TABLE t ENGINE=InnoDB, COMMENT='drop, add column'", Change::comment, "shop.t"});
  check({"ALTER TABLE t DROP PARTITION p0", Change::drop_rows, "shop.t"});
  check({"ALTER TABLE t TRUNCATE PARTITION p0", Change::drop_rows, "shop.t"});
  check({"ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE u", Change::drop_rows, "shop.t"});
  check({"/* ddl */ ALTER /*!50000 ONLINE */ TABLE t ADD (b int, c int)", Change::add_column,
         "shop.t"});
  check({"-- note\nALTER TABLE t ADD b int", Change::add_column, "shop.t"});
}

TEST_CASE("a replaced table is a dropped one first", "[statement]") {
  const Statement statement = classify("CREATE OR REPLACE TABLE t (a int)", "shop");
  REQUIRE(statement.changes.size() == 2);
  CHECK(statement.changes[0].kind == Change::drop_table);
  CHECK(statement.changes[1].kind == Change::create_table);
  CHECK(statement.changes[0].table.text() == "shop.t");
}

TEST_CASE("renames tell both names", "[statement]") {
  const Statement statement = classify("RENAME TABLE a TO b, x.c TO y.d", "shop");
  REQUIRE(statement.changes.size() == 2);
  CHECK(statement.changes[0].table.text() == "shop.a");
  CHECK(statement.changes[0].new_name.text() == "shop.b");
  CHECK(statement.changes[1].table.text() == "x.c");
  CHECK(statement.changes[1].new_name.text() == "y.d");
  const SchemaChange altered = only_change("ALTER TABLE a RENAME TO y.b");
  CHECK(altered.kind == Change::rename_table);
  CHECK(altered.new_name.text() == "y.b");
}

TEST_CASE("a drop lists each of its tables", "[statement]") {
  const Statement statement =
      classify("DROP TABLE IF EXISTS `a`, x.b /* generated by server */", "shop");
  REQUIRE(statement.changes.size() == 2);
  CHECK(statement.changes[0].kind == Change::drop_table);
  CHECK(statement.changes[1].table.text() == "x.b");
  const Statement database = classify("DROP DATABASE shop", "");
  CHECK(database.kind == Kind::drop_database);
  CHECK(database.schema == "shop");
  CHECK(classify("DROP TEMPORARY TABLE a", "shop").kind == Kind::harmless);
  CHECK(classify("CREATE TEMPORARY TABLE a (b int)", "shop").kind == Kind::harmless);
}

TEST_CASE("row changes as statements are never taken for harmless", "[statement]") {
  for (const char* sql :
       {"INSERT INTO t VALUES (1)", "update t set a = 1", "DELETE FROM t",
        "REPLACE INTO t VALUES (1)", "LOAD DATA INFILE 'x' INTO TABLE t",
        "/* hint */ insert into t select 1", "CALL p()", "WITH x AS (SELECT 1) DELETE FROM t"}) {
    INFO(sql);
    CHECK(classify(sql, "shop").kind == Kind::data);
  }
  for (const char* sql :
       {"GRANT SELECT ON *.* TO a", "FLUSH TABLES", "ANALYZE TABLE t", "CREATE USER a",
        "DROP VIEW v", "ALTER USER a IDENTIFIED BY 'x'", "CREATE DATABASE d",
        "CREATE DEFINER=`a`@`b` TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN END",
        "RENAME USER a TO b", "SET PASSWORD FOR a = 'x'", "ANALYZE LOCAL TABLE t",
        "SET GLOBAL read_only = 1"}) {
    INFO(sql);
    CHECK(classify(sql, "shop").kind == Kind::harmless);
  }
  CHECK(classify("FROBNICATE TABLE t", "shop").kind == Kind::unknown);
  CHECK(classify("", "shop").kind == Kind::unknown);
}
