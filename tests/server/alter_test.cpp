// SPDX-License-Identifier: Apache-2.0
// What weir reads out of ALTER TABLE is what the server made of it: definitions, and the values
// that rows got in new columns. The statements go the whole way, through the change log.
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "client/mysql.h"
#include "source/mysql/catalog.h"
#include "source/mysql/changes.h"
#include "source/mysql/rows.h"
#include "source/mysql/start.h"
#include "support/temp_mariadb.h"
#include "support/temp_mysql.h"

using namespace weir::test;
using namespace weir::mysql;

namespace {

enum class Only { all, mariadb, mariadb_new, mysql };

/// A statement that names its table `t`. `/*?*/` at its end: what the rows hold in a new column
/// cannot be told. `/*=*/`: the definition stays as it was. `/*-*/`: it has no table `t`.
struct Step {
  std::string sql;
  Only only = Only::all;
};

/// Statements that follow each other on one table, which has a row or two.
struct Chain {
  std::string name;
  std::string create;  ///< what is between the parentheses, and after them
  std::string rows;    ///< what follows INSERT INTO t
  std::vector<Step> steps;
  Only only = Only::all;
};

const Chain kTypes = {
    "types",
    "(id INT PRIMARY KEY)",
    "VALUES (1), (2)",
    {
        {"ALTER TABLE t ADD a1 INTEGER, ADD a2 INT(5), ADD a3 INT UNSIGNED, ADD a4 INT ZEROFILL"},
        {"ALTER TABLE t ADD (b1 TINYINT, b2 TINYINT(1), b3 TINYINT(1) UNSIGNED, b4 BOOL, b5 "
         "BOOLEAN)"},
        {"ALTER TABLE t ADD c1 INT1, ADD c2 INT2, ADD c3 INT3, ADD c4 INT4, ADD c5 INT8, ADD c6 "
         "MIDDLEINT"},
        {"ALTER TABLE t ADD c7 SMALLINT UNSIGNED, ADD c8 MEDIUMINT UNSIGNED, ADD c9 BIGINT "
         "UNSIGNED, ADD c10 TINYINT UNSIGNED, ADD c11 SMALLINT(3) ZEROFILL, ADD c12 BIGINT SIGNED"},
        {"ALTER TABLE t ADD d1 DECIMAL, ADD d2 DEC(7), ADD d3 FIXED(7,2), ADD d4 NUMERIC(30,10), "
         "ADD d5 DECIMAL(6,2) UNSIGNED, ADD d6 DECIMAL(6,2) ZEROFILL"},
        {"ALTER TABLE t ADD e1 FLOAT, ADD e2 FLOAT(24), ADD e3 FLOAT(25), ADD e4 FLOAT(7,3), ADD "
         "e5 DOUBLE, ADD e6 DOUBLE PRECISION, ADD e7 DOUBLE(8,2), ADD e8 REAL, ADD e9 FLOAT4, ADD "
         "e10 FLOAT8, ADD e11 REAL(5,1) UNSIGNED"},
        {"ALTER TABLE t ADD f1 BIT, ADD f2 BIT(9), ADD f3 YEAR, ADD f4 YEAR(4), ADD f5 DATE"},
        {"ALTER TABLE t ADD g1 TIME, ADD g2 TIME(3), ADD g3 DATETIME, ADD g4 DATETIME(6), ADD g5 "
         "TIMESTAMP NULL, ADD g6 TIMESTAMP(2) NULL"},
        {"ALTER TABLE t ADD h1 CHAR, ADD h2 CHAR(5), ADD h3 CHARACTER(6), ADD h4 CHARACTER "
         "VARYING(7), ADD h5 VARCHAR(8), ADD h6 CHAR VARYING(9)"},
        {"ALTER TABLE t ADD i1 NCHAR(3), ADD i2 NATIONAL CHAR(4), ADD i3 NVARCHAR(5), ADD i4 "
         "NATIONAL VARCHAR(6), ADD i5 NATIONAL CHARACTER VARYING(7), ADD i6 NCHAR VARCHAR(8)"},
        {"ALTER TABLE t ADD j1 BINARY, ADD j2 BINARY(4), ADD j3 VARBINARY(5), ADD j4 CHAR(3) BYTE"},
        {"ALTER TABLE t ADD k1 TINYBLOB, ADD k2 BLOB, ADD k3 MEDIUMBLOB, ADD k4 LONGBLOB, ADD k5 "
         "BLOB(10), ADD k6 BLOB(300), ADD k7 BLOB(70000), ADD k8 BLOB(17000000)"},
        {"ALTER TABLE t ADD l1 TINYTEXT, ADD l2 TEXT, ADD l3 MEDIUMTEXT, ADD l4 LONGTEXT, ADD l5 "
         "TEXT(63), ADD l6 TEXT(64), ADD l7 TEXT(16384), ADD l8 TEXT(5000000)"},
        {"ALTER TABLE t ADD m1 LONG, ADD m2 LONG VARCHAR, ADD m3 LONG VARBINARY, ADD m4 LONG CHAR "
         "VARYING"},
        {"ALTER TABLE t ADD n1 ENUM('a', 'b''c', 'd ', 'x\\\\y'), ADD n2 SET('x', 'y'), ADD n3 "
         "ENUM('q') CHARACTER SET latin1"},
        {"ALTER TABLE t ADD o1 CHAR(3) CHARACTER SET latin1, ADD o2 VARCHAR(4) CHARSET latin2 "
         "COLLATE latin2_croatian_ci, ADD o3 TEXT COLLATE latin1_bin, ADD o4 CHAR(5) ASCII, ADD o5 "
         "CHAR(6) UNICODE, ADD o6 VARCHAR(7) BINARY, ADD o7 VARCHAR(8) CHARACTER SET latin1 "
         "BINARY"},
        {"ALTER TABLE t ADD p1 CHAR(3) CHARACTER SET binary, ADD p2 VARCHAR(3) CHARACTER SET "
         "binary, ADD p3 TEXT CHARACTER SET binary, ADD p4 VARCHAR(3) CHARACTER SET utf8, ADD p5 "
         "VARCHAR(3) CHARACTER SET utf8mb4"},
        {"ALTER TABLE t ADD q1 GEOMETRY, ADD q2 POINT, ADD q3 LINESTRING, ADD q4 POLYGON, ADD q5 "
         "MULTIPOINT, ADD q6 MULTILINESTRING, ADD q7 MULTIPOLYGON, ADD q8 GEOMETRYCOLLECTION"},
        {"ALTER TABLE t ADD r1 JSON, ADD r2 JSON COMMENT 'it''s json'"},
        {"ALTER TABLE t ADD s1 UUID, ADD s2 INET6, ADD s3 INET4", Only::mariadb},
        {"ALTER TABLE t ADD s4 VARCHAR(9) COMPRESSED, ADD s5 BLOB COMPRESSED, ADD s6 TEXT(10) "
         "COMPRESSED CHARACTER SET latin1, ADD s7 YEAR(2)",
         Only::mariadb},
        {"ALTER TABLE t ADD s8 VARCHAR(9) COLLATE uca1400_as_ci, ADD s9 VECTOR(3)",
         Only::mariadb_new},
        {"ALTER TABLE t ADD s1 VECTOR, ADD s2 VECTOR(5), ADD s3 POINT SRID 4326, ADD s4 "
         "GEOMCOLLECTION",
         Only::mysql},
        {"ALTER TABLE t ADD u1 SERIAL /*?*/"},
        {"ALTER TABLE t ADD v1 LONGTEXT CHECK (JSON_VALID(v1)), ADD v2 LONGTEXT COMMENT 'x' CHECK "
         "(json_valid(`v2`))"},
        {"ALTER TABLE t ADD v3 LONGTEXT CHECK (json_valid(r1)), ADD v4 LONGTEXT CHECK "
         "(json_valid(v4) AND v4 <> ''), ADD v5 LONGTEXT, ADD CONSTRAINT v5 CHECK "
         "(json_valid(v5)), ADD v6 TEXT CHECK (json_valid(v6))",
         Only::mariadb},
        {"ALTER TABLE t DROP CONSTRAINT v5 /*=*/", Only::mariadb},
    }};

const Chain kDefaults = {
    "defaults",
    "(id INT PRIMARY KEY)",
    "VALUES (1), (2)",
    {
        {"ALTER TABLE t ADD a1 INT DEFAULT 5, ADD a2 INT DEFAULT '7', ADD a3 INT DEFAULT -3"},
        {"ALTER TABLE t ADD a4 INT DEFAULT +8, ADD a5 INT DEFAULT - 9, ADD a6 INT DEFAULT 1.6"},
        {"ALTER TABLE t ADD a7 INT ZEROFILL DEFAULT 12, ADD a8 INT DEFAULT 0x0a, ADD a9 INT "
         "DEFAULT b'101'"},
        {"ALTER TABLE t ADD a10 BIGINT UNSIGNED DEFAULT 18446744073709551615, ADD a11 BIGINT "
         "DEFAULT -9223372036854775808"},
        {"ALTER TABLE t ADD a12 BOOL DEFAULT TRUE, ADD a13 TINYINT(1) DEFAULT FALSE, ADD a14 "
         "TINYINT(1) DEFAULT 5"},
        {"ALTER TABLE t ADD b1 DECIMAL(7,2) DEFAULT 1.005, ADD b2 DECIMAL(5,1) DEFAULT '-0.04', "
         "ADD b3 DECIMAL(20) DEFAULT 12345678901234567890, ADD b4 DECIMAL(5,2) ZEROFILL DEFAULT "
         "1.5, ADD b5 DECIMAL(3,3) DEFAULT .5, ADD b6 DECIMAL(4,1) DEFAULT 99.96"},
        {"ALTER TABLE t ADD c1 FLOAT DEFAULT 1.1, ADD c2 FLOAT DEFAULT 16777217, ADD c3 DOUBLE "
         "DEFAULT 1e10, ADD c4 DOUBLE DEFAULT 1e-7, ADD c5 DOUBLE(6,2) DEFAULT 1.25, ADD c6 FLOAT "
         "DEFAULT 1e20, ADD c7 DOUBLE DEFAULT 0.1, ADD c8 FLOAT DEFAULT '-2.5'"},
        {"ALTER TABLE t ADD d1 VARCHAR(20) DEFAULT 'plain', ADD d2 VARCHAR(20) DEFAULT '', ADD d3 "
         "CHAR(5) DEFAULT 'a  ', ADD d4 VARCHAR(5) DEFAULT 'a  '"},
        {"ALTER TABLE t ADD d5 VARCHAR(20) DEFAULT 'it''s \\\\ \\n new', ADD d6 VARCHAR(20) "
         "DEFAULT \"double \"\" quotes\", ADD d7 VARCHAR(9) DEFAULT 'a' 'b'"},
        {"ALTER TABLE t ADD d8 VARCHAR(20) DEFAULT 'é€', ADD d9 VARCHAR(20) DEFAULT '😀?', ADD d10 "
         "VARCHAR(20) CHARACTER SET utf8 DEFAULT 'é'"},
        {"ALTER TABLE t ADD d11 VARCHAR(9) DEFAULT 1.50, ADD d12 VARCHAR(9) DEFAULT TRUE, ADD d13 "
         "CHAR(4) DEFAULT .5, ADD d14 VARCHAR(9) DEFAULT x'6162', ADD d15 VARCHAR(9) DEFAULT 0x61"},
        {"ALTER TABLE t ADD d16 VARCHAR(9) DEFAULT N'x', ADD d17 VARCHAR(9) DEFAULT _utf8mb4'y', "
         "ADD d18 VARCHAR(9) DEFAULT 007"},
        {"ALTER TABLE t ADD d19 VARCHAR(9) CHARACTER SET latin1 DEFAULT 'é' /*?*/"},
        {"ALTER TABLE t ADD e1 BINARY(4) DEFAULT 'ab', ADD e2 VARBINARY(4) DEFAULT x'00ff', ADD e3 "
         "VARBINARY(9) DEFAULT 'a\\\\b\\'c', ADD e4 VARBINARY(4) DEFAULT 0xff, ADD e5 BINARY(3) "
         "DEFAULT b'1100001', ADD e6 VARBINARY(9) DEFAULT 'é'"},
        {"ALTER TABLE t ADD f1 BIT(5) DEFAULT b'101', ADD f2 BIT(9) DEFAULT 3, ADD f3 BIT(8) "
         "DEFAULT 'a', ADD f4 BIT DEFAULT TRUE, ADD f5 BIT(12) DEFAULT 0xabc"},
        {"ALTER TABLE t ADD g1 ENUM('a','b') DEFAULT 'b', ADD g2 SET('a','b','c') DEFAULT 'c,a', "
         "ADD g3 ENUM('A','b') DEFAULT 'a', ADD g4 SET('a','b') DEFAULT ''"},
        {"ALTER TABLE t ADD h1 YEAR DEFAULT 70, ADD h2 YEAR DEFAULT 2020, ADD h3 YEAR DEFAULT 0, "
         "ADD h4 YEAR DEFAULT '5', ADD h5 YEAR DEFAULT '1999'"},
        {"ALTER TABLE t ADD i1 DATE DEFAULT '2020-01-02', ADD i2 DATE DEFAULT '20200102', ADD i3 "
         "DATETIME DEFAULT '2020-1-2', ADD i4 DATETIME DEFAULT '2020-01-02 3:4:5'"},
        {"ALTER TABLE t ADD i5 DATETIME(3) DEFAULT '2020-01-02 03:04:05.678', ADD i6 DATETIME(3) "
         "DEFAULT '2020-01-02 03:04:05.5', ADD i7 DATETIME DEFAULT 20200102030405"},
        {"ALTER TABLE t ADD i8 DATETIME(3) DEFAULT '2020-01-02 03:04:05.6789', ADD i9 DATETIME(2) "
         "DEFAULT '2020-01-02 03:04:05.6711'"},
        {"ALTER TABLE t ADD j1 TIME DEFAULT '10:11:12', ADD j2 TIME DEFAULT '1:2', ADD j3 TIME "
         "DEFAULT '-100:00:00', ADD j4 TIME(3) DEFAULT 0, ADD j5 TIME(2) DEFAULT '1:2:3.4'"},
        {"SET time_zone = '+02:00' /*-*/"},
        {"ALTER TABLE t ADD k1 TIMESTAMP NULL DEFAULT '2020-01-02 03:04:05', ADD k2 TIMESTAMP(2) "
         "NOT NULL DEFAULT '2020-06-01 01:00:00.25'"},
        {"ALTER TABLE t ADD k3 TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP, ADD k4 TIMESTAMP(3) NOT "
         "NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)"},
        {"ALTER TABLE t ADD k5 DATETIME DEFAULT NOW(), ADD k6 DATETIME(6) DEFAULT NOW(6), ADD k7 "
         "DATETIME DEFAULT LOCALTIME"},
        {"ALTER TABLE t ADD k8 TIMESTAMP(6) NULL DEFAULT NOW(6), ALGORITHM = COPY"},
        {"SET timestamp = 1700000000.25 /*-*/"},
        {"ALTER TABLE t ADD k9 DATETIME(2) DEFAULT NOW(2), ADD k10 TIMESTAMP NULL DEFAULT NOW()"},
        {"SET timestamp = DEFAULT; SET time_zone = 'SYSTEM' /*-*/"},
        {"ALTER TABLE t ADD k11 TIMESTAMP NULL DEFAULT '2020-01-02 03:04:05' /*?*/"},
        {"ALTER TABLE t ADD k12 DATETIME DEFAULT NOW() /*?*/"},
        {"ALTER TABLE t ADD k13 TIMESTAMP NULL DEFAULT NOW()"},
        {"SET time_zone = '+00:00' /*-*/"},
        {"ALTER TABLE t ADD l1 INT DEFAULT (5)", Only::mariadb},
        {"ALTER TABLE t ADD l1 INT DEFAULT (5) /*?*/", Only::mysql},
        {"ALTER TABLE t ADD l2 INT DEFAULT (1 + 2) /*?*/"},
        {"ALTER TABLE t ADD l3 VARCHAR(9) DEFAULT CONCAT('a', 'b') /*?*/", Only::mariadb},
        {"ALTER TABLE t ADD l4 VARCHAR(36) DEFAULT (UUID()) /*?*/", Only::mariadb},
        {"ALTER TABLE t ADD l5 DATE DEFAULT CURRENT_DATE /*?*/", Only::mariadb},
        {"ALTER TABLE t ADD m1 TEXT DEFAULT 'x', ADD m2 JSON DEFAULT '{}', ADD m3 UUID DEFAULT "
         "'123E4567-e89b-12d3-a456-426655440000', ADD m4 INET4 DEFAULT '1.2.3.4', ADD m5 YEAR(2) "
         "DEFAULT 85",
         Only::mariadb},
        {"ALTER TABLE t ADD n1 INT NOT NULL, ADD n2 DECIMAL(5,2) NOT NULL, ADD n3 FLOAT NOT NULL, "
         "ADD n4 DOUBLE NOT NULL, ADD n5 BIT(3) NOT NULL, ADD n6 YEAR NOT NULL, ADD n7 BOOL NOT "
         "NULL"},
        {"ALTER TABLE t ADD n8 VARCHAR(5) NOT NULL, ADD n9 CHAR(5) NOT NULL, ADD n10 TEXT NOT "
         "NULL, ADD n11 BINARY(3) NOT NULL, ADD n12 VARBINARY(3) NOT NULL, ADD n13 BLOB NOT NULL, "
         "ADD n14 ENUM('x','y') NOT NULL, ADD n15 SET('x','y') NOT NULL"},
        {"ALTER TABLE t ADD n16 TIME(2) NOT NULL"},
        {"ALTER TABLE t ADD n17 JSON NOT NULL", Only::mysql},
        {"SET sql_mode = '' /*-*/"},
        {"ALTER TABLE t ADD n18 DATE NOT NULL, ADD n19 DATETIME(3) NOT NULL, ADD n20 TIMESTAMP NOT "
         "NULL, ADD n21 DATE DEFAULT 0, ADD n22 DATETIME DEFAULT '0000-00-00 00:00:00', ADD n23 "
         "TIMESTAMP NOT NULL DEFAULT 0"},
        {"ALTER TABLE t ADD n24 UUID NOT NULL, ADD n25 INET6 NOT NULL, ADD n26 INET4 NOT NULL",
         Only::mariadb},
        {"ALTER TABLE t ADD o1 INT AS (a1 + 1), ADD o2 INT GENERATED ALWAYS AS (a1 * (2 + 1)) "
         "STORED COMMENT 'x, y' /*?*/"},
        {"ALTER TABLE t ADD o3 VARCHAR(9) AS (CONCAT(a1, ')')) VIRTUAL INVISIBLE /*?*/"},
        {"ALTER TABLE t ADD o4 INT AS (a1 + 2) PERSISTENT /*?*/", Only::mariadb},
        {"ALTER TABLE t ADD p1 INT INVISIBLE DEFAULT 4"},
        {"ALTER TABLE t ALTER a1 SET DEFAULT 6, ALTER COLUMN a2 DROP DEFAULT"},
        {"ALTER TABLE t ALTER a1 SET DEFAULT (1 + 1)"},
        {"ALTER TABLE t ALTER d1 SET DEFAULT 'other', ALTER d2 SET DEFAULT NULL"},
        {"ALTER TABLE t ALTER a1 SET DEFAULT 6"},
        {"ALTER TABLE t ALTER a1 SET DEFAULT 6 /*=*/"},
        {"ALTER TABLE t ALTER a1 SET INVISIBLE", Only::mysql},
        {"ALTER TABLE t ALTER a1 SET VISIBLE", Only::mysql},
        {"ALTER TABLE t ADD n17 JSON NOT NULL", Only::mariadb},
    }};

const Chain kColumns = {
    "columns",
    "(id INT PRIMARY KEY, a INT, b VARCHAR(20), c INT NOT NULL, KEY ab (a, b), UNIQUE KEY cb (c, "
    "b), "
    "KEY bp (b(5)))",
    "VALUES (1, 10, 'one', 100), (2, NULL, 'two', 200)",
    {
        {"ALTER TABLE t ADD COLUMN d INT FIRST, ADD e INT AFTER a, ADD COLUMN f INT AFTER e"},
        {"ALTER TABLE t MODIFY d BIGINT, MODIFY COLUMN c BIGINT NOT NULL AFTER id"},
        {"ALTER TABLE t CHANGE a a2 INT UNSIGNED, CHANGE COLUMN b b2 VARCHAR(30) NOT NULL FIRST"},
        {"ALTER TABLE t CHANGE a2 b2 BIGINT, CHANGE b2 a2 VARCHAR(30)"},
        {"ALTER TABLE t RENAME COLUMN a2 TO b, RENAME COLUMN b2 TO a"},
        {"ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a"},
        {"ALTER TABLE t DROP e, DROP COLUMN f"},
        {"ALTER TABLE t DROP d, ADD d VARCHAR(5) DEFAULT 'new' AFTER id"},
        {"ALTER TABLE t ADD `se lect` INT, ADD `qu``ote` INT, ADD _x$1 INT"},
        {"ALTER TABLE t CHANGE `se lect` `ünï` INT COMMENT 'größer', DROP `qu``ote`"},
        {"alter table `t` add column (g1 int default 1, g2 int default 2, index (g1), unique u2 "
         "(g2, id))"},
        {"ALTER TABLE t MODIFY g1 INT DEFAULT 3 COMMENT 'note', COMMENT 'of the table'"},
        {"ALTER TABLE t COMMENT = ''"},
        {"ALTER TABLE t DROP g2"
         ", DROP INDEX u2"},
        {"ALTER TABLE t MODIFY a VARCHAR(4)"},
        {"ALTER TABLE t MODIFY a VARCHAR(100) CHARACTER SET latin1"},
        {"ALTER TABLE t ADD h INT, ADD i INT, ADD INDEX hi (h, i), ADD INDEX (i, h DESC)"},
        {"ALTER TABLE t DROP h"},
        {"ALTER TABLE t DROP i"},
        {"ALTER TABLE t MODIFY id BIGINT UNSIGNED AUTO_INCREMENT, AUTO_INCREMENT = 50"},
        {"ALTER TABLE t MODIFY id INT"},
        {"ALTER TABLE t ADD COLUMN IF NOT EXISTS c INT, ADD COLUMN IF NOT EXISTS z INT UNIQUE, "
         "DROP "
         "COLUMN IF EXISTS nothing, MODIFY COLUMN IF EXISTS nothing INT, CHANGE COLUMN IF EXISTS "
         "nothing nobody INT",
         Only::mariadb},
        {"ALTER TABLE t ADD COLUMN IF NOT EXISTS c INT, ADD COLUMN IF NOT EXISTS z INT UNIQUE "
         "/*=*/",
         Only::mariadb},
        {"ALTER TABLE IF EXISTS t WAIT 5 ADD z2 INT", Only::mariadb},
        {"ALTER TABLE t NOWAIT ADD z3 INT", Only::mariadb},
        {"ALTER ONLINE TABLE t ADD z4 INT", Only::mariadb},
        {"ALTER IGNORE TABLE t ADD z5 INT", Only::mariadb},
        {"SET STATEMENT max_statement_time = 100 FOR ALTER TABLE t ADD z6 INT", Only::mariadb},
        {"ALTER TABLE t DROP CONSTRAINT IF EXISTS nothing /*=*/", Only::mariadb},
        {"ALTER TABLE t ADD x1 INT CHECK (x1 > 0), ADD CONSTRAINT ck CHECK (x1 < 100)"},
        {"ALTER TABLE t DROP CONSTRAINT ck /*=*/"},
        {"ALTER TABLE t ADD /*!50000 x2 INT DEFAULT 1, ADD */ x3 INT -- and so on\n DEFAULT 2"},
        {"ALTER TABLE t ADD x4 INT # a remark\n DEFAULT 3, /* a, b */ ADD x5 INT"},
        {"SET sql_mode = 'ANSI_QUOTES' /*-*/"},
        {"ALTER TABLE t ADD \"x 6\" INT, ADD x7 VARCHAR(9) DEFAULT 'a\"b'"},
        {"SET sql_mode = 'NO_BACKSLASH_ESCAPES' /*-*/"},
        {"ALTER TABLE t ADD x8 VARCHAR(9) DEFAULT 'a\\', ADD x9 INT"},
        {"SET sql_mode = 'REAL_AS_FLOAT' /*-*/"},
        {"ALTER TABLE t ADD x10 REAL"},
        {"SET sql_mode = DEFAULT /*-*/"},
        {"ALTER TABLE t ADD x11 INT, ORDER BY a, b DESC"},
        {"ALTER TABLE t ENGINE = MyISAM"},
        {"ALTER TABLE t ENGINE InnoDB ROW_FORMAT = DYNAMIC, CHECKSUM 1, MAX_ROWS = 100"},
        {"ALTER TABLE t FORCE /*=*/"},
        {"ALTER TABLE t ALGORITHM = INPLACE, LOCK NONE, ADD x12 INT"},
        {"ALTER TABLE t ENABLE KEYS /*=*/"},

    }};

const Chain kIndexes = {
    "indexes",
    "(id INT, a INT NOT NULL, b INT NOT NULL, c VARCHAR(20), d TEXT, e INT, PRIMARY KEY (id), "
    "UNIQUE "
    "KEY ua (a), UNIQUE KEY ub (b))",
    "VALUES (1, 1, 1, 'x', 'y', NULL), (2, 2, 2, 'x', 'y', NULL)",
    {
        {"ALTER TABLE t ADD INDEX (c), ADD KEY c20 (c(20)), ADD INDEX c5 (c(5)), ADD INDEX d9 "
         "(d(9))"},
        {"CREATE INDEX i1 ON t (e)"},
        {"CREATE UNIQUE INDEX i2 USING BTREE ON t (e, c(3) DESC) COMMENT 'x'"},
        {"CREATE FULLTEXT INDEX i3 ON t (d)"},
        {"DROP INDEX i1 ON t"},
        {"ALTER TABLE t ADD UNIQUE (e), ADD UNIQUE INDEX (e), ADD UNIQUE KEY e9 (e), ADD KEY (e)"},
        {"ALTER TABLE t ADD FULLTEXT KEY (c, d), ADD CONSTRAINT uq UNIQUE (e, a), ADD CONSTRAINT "
         "uq2 "
         "UNIQUE KEY named (e, b)"},
        {"ALTER TABLE t RENAME INDEX c TO c_new, RENAME KEY c5 TO c_five"},
        {"ALTER TABLE t DROP KEY c_five, DROP INDEX e_2, DROP CONSTRAINT uq"},
        {"ALTER TABLE t ALTER INDEX i2 INVISIBLE /*=*/", Only::mysql},
        {"ALTER TABLE t ALTER INDEX i2 IGNORED /*=*/", Only::mariadb},
        {"ALTER TABLE t ADD INDEX IF NOT EXISTS c_new (c), ADD INDEX IF NOT EXISTS (e), DROP INDEX "
         "IF "
         "EXISTS nothing /*=*/",
         Only::mariadb},
        {"CREATE INDEX IF NOT EXISTS c_new ON t (c) /*=*/", Only::mariadb},
        {"CREATE OR REPLACE INDEX more ON t (c, e)", Only::mariadb},
        {"ALTER TABLE t ADD long1 TEXT, ADD UNIQUE long_one (long1)", Only::mariadb},
        {"ALTER TABLE t ADD INDEX fx ((a + b)), ADD INDEX fy (a, (b * 2)), ADD INDEX ((e + 1))",
         Only::mysql},

        {"ALTER TABLE t DROP INDEX i3, DROP INDEX c_2"},
        {"ALTER TABLE t DROP PRIMARY KEY"},
        {"ALTER TABLE t MODIFY a INT"},
        {"ALTER TABLE t ADD PRIMARY KEY (id)"},
        {"ALTER TABLE t DROP INDEX ub"},
        {"ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY USING BTREE (a, id)"},
        {"DROP INDEX fx ON t", Only::mysql},
        {"ALTER TABLE t DROP INDEX fy", Only::mysql},
        {"ALTER TABLE t RENAME COLUMN a TO aa, ADD INDEX again (aa)"},
        {"ALTER TABLE t CHANGE aa aaa BIGINT AFTER d"},
        {"ALTER TABLE t DROP PRIMARY KEY, ADD UNIQUE pk (id)"},
        {"ALTER TABLE t RENAME INDEX pk TO pk2"},
        {"ALTER TABLE t ADD k2 INT NOT NULL DEFAULT 5, ADD CONSTRAINT PRIMARY KEY (id, k2)"},
        {"ALTER TABLE t DROP INDEX pk2"},
        {"ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id, c(4))"},
        {"ALTER TABLE t DROP PRIMARY KEY"},
        {"ALTER TABLE t ADD x INT DEFAULT NULL UNIQUE KEY, ADD y INT UNIQUE COMMENT 'x'"},
        {"ALTER TABLE t MODIFY x INT, DROP y"},
        {"ALTER TABLE t ADD n INT NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST /*?*/"},
        {"ALTER TABLE t ADD FOREIGN KEY (e) REFERENCES parent (id) /*=*/"},
        {"ALTER TABLE t ADD e1 INT, ADD e2 INT, ADD e3 INT, ADD e4 INT, ADD CONSTRAINT fk1 FOREIGN "
         "KEY "
         "(e1) REFERENCES parent (id), ADD CONSTRAINT fk2 FOREIGN KEY ix2 (e2) REFERENCES parent "
         "(id), ADD FOREIGN KEY ix3 (e3) REFERENCES parent (id) ON DELETE SET NULL, ADD FOREIGN "
         "KEY "
         "(e4) REFERENCES parent (id), ADD INDEX mine (e4, e3)"},
        {"ALTER TABLE t ADD e5 INT REFERENCES parent (id) ON UPDATE CASCADE"},
        {"ALTER TABLE t DROP FOREIGN KEY fk1 /*=*/"},
        {"ALTER TABLE t DROP CONSTRAINT fk2 /*=*/"},

    }};

const Chain kCharsets = {
    "charsets",
    "(id INT PRIMARY KEY, a VARCHAR(20) DEFAULT 'x', t TEXT, tt TINYTEXT, mt MEDIUMTEXT, lt "
    "LONGTEXT, "
    "e ENUM('a'), s SET('a'), c CHAR(5), vb VARBINARY(3), big VARCHAR(20000), KEY (a), KEY ap "
    "(a(9)), "
    "KEY tp (t(10))) DEFAULT CHARSET latin1",
    "VALUES (1, 'a', 'b', 'c', 'd', 'e', 'a', 'a', 'f', 'g', 'h')",
    {
        {"SET sql_mode = '' /*-*/"},
        {"ALTER TABLE t ADD n VARCHAR(5)"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"},
        {"ALTER TABLE t ADD n2 VARCHAR(5), ADD n3 VARCHAR(5) CHARACTER SET utf8mb4"},
        {"ALTER TABLE t DEFAULT CHARSET = latin1, ADD n4 VARCHAR(5)"},
        {"ALTER TABLE t COLLATE latin1_bin"},
        {"ALTER TABLE t CHARACTER SET utf8mb4 COLLATE = utf8mb4_unicode_ci, ADD n5 ENUM('x')"},
        {"ALTER TABLE t CONVERT TO CHARSET latin1"},
        {"ALTER TABLE t ADD n6 TEXT(200)"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4"},
        {"ALTER TABLE t ADD j JSON, ADD v VARCHAR(5) COMMENT 'after json'"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"},
        {"ALTER TABLE t MODIFY j LONGTEXT"},
        {"ALTER TABLE t MODIFY j JSON"},
        {"ALTER TABLE t CHANGE j j2 JSON NOT NULL"},
        {"ALTER TABLE t RENAME COLUMN j2 TO j3"},
        {"ALTER TABLE t DROP j3, CONVERT TO CHARACTER SET binary"},
        {"ALTER TABLE t ADD n7 TEXT, ADD n8 CHAR(3), ADD n9 ENUM('x')"},
        {"ALTER TABLE t DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"},
        {"SET default_collation_for_utf8mb4 = 'utf8mb4_general_ci' /*-*/", Only::mysql},
        {"SET character_set_collations = 'utf8mb4=utf8mb4_unicode_ci,latin1=latin1_bin' /*-*/",
         Only::mariadb_new},
        {"ALTER TABLE t ADD o1 VARCHAR(5) CHARACTER SET utf8mb4, ADD o2 VARCHAR(5) CHARACTER SET "
         "latin1"},
        {"SET character_set_collations = '' /*-*/", Only::mariadb_new},
        {"ALTER TABLE t ADD o3 VARCHAR(5) CHARACTER SET utf8mb4, ADD o4 NCHAR(5)"},
        {"SET character_set_collations = DEFAULT /*-*/", Only::mariadb_new},
    }};

/// What a table with rows does not take.
const Chain kEmpty = {
    "empty",
    "(id INT PRIMARY KEY)",
    "SELECT 1 FROM shop.parent",
    {
        {"ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 2 /*=*/"},
        {"ALTER TABLE t ADD PARTITION PARTITIONS 1 /*=*/"},
        {"ALTER TABLE t COALESCE PARTITION 1 /*=*/"},
        {"ALTER TABLE t REMOVE PARTITIONING /*=*/"},
        {"ALTER TABLE t ADD PERIOD FOR span (p1, p2), ADD p1 DATE, ADD p2 DATE", Only::mariadb},
        {"ALTER TABLE t DROP PERIOD FOR span /*=*/", Only::mariadb},
        {"ALTER TABLE t ADD p POINT NOT NULL, ADD SPATIAL INDEX (p), ADD g GEOMETRY NOT NULL "
         "/*?*/"},
        {"ALTER TABLE t ADD v VECTOR(3) NOT NULL, ADD VECTOR INDEX (v) /*?*/", Only::mariadb_new},
    }};

/// With explicit_defaults_for_timestamp off.
const Chain kTimestamps = {
    "timestamps",
    "(id INT PRIMARY KEY)",
    "VALUES (1)",
    {
        {"SET explicit_defaults_for_timestamp = OFF /*-*/"},
        {"ALTER TABLE t ADD a TIMESTAMP NULL, ADD b TIMESTAMP NOT NULL DEFAULT '2020-01-01 "
         "00:00:00', "
         "ADD c TIMESTAMP DEFAULT '2020-01-01 00:00:00'"},
        {"SET explicit_defaults_for_timestamp = ON /*-*/"},
        {"ALTER TABLE t ADD d TIMESTAMP, ADD e TIMESTAMP DEFAULT '2020-01-01 00:00:00'"},
    }};

bool has_mark(const std::string& sql, std::string_view mark) {
  return sql.find(mark) != std::string::npos;
}

/// Everything of a definition but its sizes, a line for each part.
std::vector<std::string> lines_of(const weir::Table& table) {
  std::vector<std::string> out;
  out.push_back(fmt::format("table {} engine {} charset {} collation {} comment '{}'",
                            table.name.text(), table.engine, table.charset, table.collation,
                            table.comment));
  for (const weir::Column& c : table.columns) {
    out.push_back(fmt::format(
        "column {} '{}' {} length {} precision {} scale {} members {}{}{}{}{} charset {} collation "
        "{} default {} comment '{}'",
        c.name, c.type.native, to_string(c.type.kind), c.type.length, c.type.precision,
        c.type.scale, fmt::join(c.type.members, "|"), c.nullable ? " null" : "",
        c.generated ? " generated" : "", c.invisible ? " invisible" : "",
        c.auto_increment ? " auto_increment" : "", c.charset, c.collation,
        c.default_value ? "'" + *c.default_value + "'" : "none", c.comment));
  }
  const auto names = [&](const auto& parts, auto column_of) {
    std::string text;
    for (const auto& part : parts) text += " " + column_of(part);
    return text;
  };
  out.push_back(
      fmt::format("key {}{}:{}", table.key_name, table.key_is_primary ? " primary" : "",
                  names(table.key, [&](std::uint32_t at) { return table.columns.at(at).name; })));
  for (const weir::Index& index : table.indexes) {
    out.push_back(fmt::format("index {} kind {}:{}", index.name, static_cast<int>(index.kind),
                              names(index.parts, [&](const weir::IndexPart& part) {
                                return fmt::format("{}({})", table.columns.at(part.column).name,
                                                   part.prefix);
                              })));
  }
  return out;
}

/// The definition with the key that a fresh look would choose.
weir::Table with_fresh_key(weir::Table table) {
  if (table.key_is_primary) {
    weir::Index primary{"PRIMARY", weir::Index::Kind::unique, {}};
    for (const std::uint32_t column : table.key) primary.parts.push_back({column, 0});
    table.indexes.push_back(std::move(primary));
  }
  table.key.clear();
  table.key_name.clear();
  table.key_is_primary = false;
  choose_key(table);
  return table;
}

std::string differences(const weir::Table& expected, const weir::Table& found) {
  const std::vector<std::string> want = lines_of(expected);
  const std::vector<std::string> have = lines_of(found);
  std::string out;
  for (std::size_t i = 0; i < std::max(want.size(), have.size()); ++i) {
    const std::string left = i < want.size() ? want[i] : "-";
    const std::string right = i < have.size() ? have[i] : "-";
    if (left != right) out += fmt::format("  server: {}\n  weir:   {}\n", left, right);
  }
  return out;
}

using Cells = std::vector<std::vector<std::optional<std::string>>>;

struct KeepRows final : weir::RowSink {
  Cells rows;
  void row(weir::Row cells) override {
    auto& out = rows.emplace_back();
    for (const weir::Cell& cell : cells) {
      out.push_back(cell.has_value() ? std::optional<std::string>(cell.text()) : std::nullopt);
    }
  }
};

weir::TablePlan plan_of(const weir::Table& table) {
  weir::TablePlan plan;
  plan.source = table;
  for (std::uint32_t i = 0; i < table.columns.size(); ++i) {
    weir::PlannedColumn column;
    column.name = table.columns[i].name;
    column.source = i;
    column.type = table.columns[i].type;
    plan.columns.push_back(std::move(column));
  }
  return plan;
}

struct KeepChanges final : weir::ChangeSink {
  std::vector<weir::SchemaChange> changes;
  void begin(weir::Time) override {}
  void row(const weir::RowChange&) override {}
  void schema(const weir::SchemaChange& change) override {
    if (change.table.schema == "shop") changes.push_back(change);
  }
  void commit(weir::Time) override {}
};

/// What the server shows after one statement.
struct Shown {
  std::string sql;
  weir::Table table;
  Cells rows;
};

class Bench {
 public:
  Bench(MySqlServer& server, bool is_mariadb, bool is_new)
      : server_(server), is_mariadb_(is_mariadb), is_new_(is_new) {
    endpoint_.kind = "mysql";
    endpoint_.socket = server.socket();
    endpoint_.user = "root";
    types_.zero_dates.kind = weir::ZeroDatePolicy::Kind::keep;
    types_.tinyint1_as_boolean = true;
    server.sql("CREATE DATABASE shop; CREATE TABLE shop.parent (id INT PRIMARY KEY)");
  }

  void run(const Chain& chain) {
    if (!applies(chain.only)) return;
    weir::MysqlConnection catalogue(endpoint_, weir::MysqlConnection::Role::source);
    TableReader reader(endpoint_, types_);
    MySqlSession session = server_.session();
    session.sql("USE shop; SET NAMES utf8mb4");
    session.sql(fmt::format("DROP TABLE IF EXISTS t; CREATE TABLE t {}", chain.create));
    session.sql(fmt::format("INSERT INTO t {}", chain.rows));
    const weir::TableName name{"shop", "t"};
    const auto look = [&](const std::string& sql) {
      Shown shown{sql, describe_tables(catalogue, types_, {&name, 1}).at(0), {}};
      KeepRows rows;
      weir::KeyRange whole;
      whole.whole = true;
      reader.read(plan_of(shown.table), whole, {}, 0, rows);
      shown.rows = std::move(rows.rows);
      return shown;
    };
    Shown before = look("");
    std::vector<weir::TablePlan> plans = {plan_of(before.table)};
    BinlogReader log(endpoint_, 7, {take_start_position(catalogue).text(), {}}, plans, types_);
    std::vector<Shown> shown;
    for (const Step& step : chain.steps) {
      if (!applies(step.only)) continue;
      try {
        session.sql(step.sql);
      } catch (const std::runtime_error& error) {
        FAIL_CHECK(error.what());
        continue;
      }
      if (!has_mark(step.sql, "/*-*/")) shown.push_back(look(step.sql));
    }
    KeepChanges sink;
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (sink.changes.size() < shown.size() && std::chrono::steady_clock::now() < limit) {
      if (log.wait(std::chrono::milliseconds(100)) == weir::ChangeReader::Wait::ready) {
        log.poll(sink);
      }
    }
    REQUIRE(sink.changes.size() == shown.size());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      ++statements_;
      check(before, shown[i], sink.changes[i]);
      before = shown[i];
    }
  }

  int statements() const { return statements_; }

 private:
  bool applies(Only only) const {
    switch (only) {
      case Only::all:
        return true;
      case Only::mysql:
        return !is_mariadb_;
      case Only::mariadb:
        return is_mariadb_;
      case Only::mariadb_new:
        return is_mariadb_ && is_new_;
    }
    return false;
  }

  static void check(const Shown& before, const Shown& after, const weir::SchemaChange& change) {
    INFO(after.sql);
    CHECK(change.unreadable == "");
    if (has_mark(after.sql, "/*=*/")) {
      CHECK(change.definition == nullptr);
      CHECK(differences(before.table, after.table) == "");
      return;
    }
    CHECK(change.definition != nullptr);
    if (change.definition == nullptr) return;
    CHECK(differences(after.table, with_fresh_key(*change.definition)) == "");
    check_origins(before, after, change);
  }

  static void check_origins(const Shown& before, const Shown& after,
                            const weir::SchemaChange& change) {
    const std::vector<weir::Column>& columns = change.definition->columns;
    CHECK(change.origins.size() == columns.size());
    if (change.origins.size() != after.table.columns.size()) return;
    bool some_unknown = false;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const weir::ColumnOrigin& origin = change.origins[i];
      INFO("column " << columns[i].name);
      if (origin.before != weir::ColumnOrigin::kNew) {
        const weir::Column& old = before.table.columns.at(origin.before);
        // What a change of type or the end of NULL does to values is not told.
        if (!(old.type == columns[i].type) || old.nullable != columns[i].nullable) continue;
        for (std::size_t row = 0; row < after.rows.size(); ++row) {
          CHECK(after.rows[row].at(i) == before.rows.at(row).at(origin.before));
        }
        continue;
      }
      if (!origin.fill_unknown.empty()) {
        some_unknown = true;
        INFO(origin.fill_unknown);
        CHECK(has_mark(after.sql, "/*?*/"));
        continue;
      }
      for (const auto& row : after.rows) CHECK(row.at(i) == origin.fill);
    }
    CHECK(some_unknown == has_mark(after.sql, "/*?*/"));
  }

  MySqlServer& server_;
  bool is_mariadb_;
  bool is_new_;
  weir::Endpoint endpoint_;
  weir::TypeSettings types_;
  int statements_ = 0;
};

void check_all(Bench& bench) {
  for (const Chain* chain :
       {&kTypes, &kDefaults, &kColumns, &kIndexes, &kCharsets, &kEmpty, &kTimestamps}) {
    INFO("table " << chain->name);
    bench.run(*chain);
  }
  CHECK(bench.statements() > 150);
}

}  // namespace

TEST_CASE("MariaDB's own definitions are what weir reads", "[alter][server]") {
  TempMariaDb server;
  Bench bench(server, true, false);
  check_all(bench);
}

TEST_CASE("MariaDB 11.8's own definitions are what weir reads", "[alter][server][bootstrap]") {
  TempMariaDb server({.release = TempMariaDb::Release::v11_8});
  Bench bench(server, true, true);
  check_all(bench);
}

TEST_CASE("MySQL 9's own definitions are what weir reads", "[alter][server][bootstrap]") {
  TempMySql server;
  Bench bench(server, false, false);
  check_all(bench);
}
