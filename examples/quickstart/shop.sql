-- SPDX-License-Identifier: Apache-2.0
-- A small shop with 200,000 rows and the column types that migrations stumble over. MariaDB 10.7+.
--
-- Values are computed, not random: two runs give the same rows. JSON texts are spelled the way
-- PostgreSQL's jsonb prints them, so that both servers show the same text.

SET NAMES utf8mb4;
CREATE DATABASE shop CHARACTER SET utf8mb4;
USE shop;
SET sql_mode = 'NO_UNSIGNED_SUBTRACTION';    -- and nothing that keeps zero dates out
SET time_zone = '+00:00';

CREATE TABLE customer (
  id          INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email       VARCHAR(120) NOT NULL,
  name        VARCHAR(80) NOT NULL,
  born        DATE,
  grade       ENUM('new', 'regular', 'gold', 'très cher') NOT NULL DEFAULT 'new',
  interests   SET('fish', 'nets', 'boats', 'weather'),
  balance     DECIMAL(20, 6) NOT NULL DEFAULT 0,
  newsletter  TINYINT(1) NOT NULL DEFAULT 0,
  joined      DATETIME(6) NOT NULL,
  last_seen   TIMESTAMP(3) NULL,
  UNIQUE KEY by_email (email),
  KEY by_grade (grade, joined)
);
INSERT INTO customer
SELECT seq, CONCAT('user', seq, '@example.com'),
       CONCAT(ELT(1 + seq % 5, 'Ann', 'Łukasz', 'Zoë 🐟', '李雷', 'O''Brien\\'), ' ', seq),
       CASE seq % 50 WHEN 0 THEN '0000-00-00' WHEN 1 THEN '1980-00-00' WHEN 2 THEN NULL
            ELSE '1950-01-01' + INTERVAL seq % 20000 DAY END,
       1 + seq % 4, seq % 16, (seq * 7919 % 2000003 - 1000000) / 7, seq % 2,
       '2020-01-01' + INTERVAL seq * 7919 MICROSECOND + INTERVAL seq HOUR,
       IF(seq % 3 = 0, NULL, '2021-01-01' + INTERVAL seq MINUTE + INTERVAL seq * 1000 MICROSECOND)
FROM seq_1_to_30000;

-- A key of two columns, and text that is not UTF-8 on the server's disk.
CREATE TABLE address (
  customer_id INT UNSIGNED NOT NULL,
  purpose     CHAR(4) CHARACTER SET ascii NOT NULL,
  street      VARCHAR(100) CHARACTER SET latin1 NOT NULL,
  city        VARCHAR(60) CHARACTER SET latin1 COLLATE latin1_german1_ci NOT NULL,
  remarks     TEXT CHARACTER SET latin1,
  PRIMARY KEY (customer_id, purpose)
);
INSERT INTO address
SELECT seq DIV 2 + 1, IF(seq % 2, 'bill', 'ship'),
       CONCAT(ELT(1 + seq % 3, 'Fährweg', 'Rue de l''Été', 'Ängsgatan'), ' ', seq),
       ELT(1 + seq % 4, 'Köln', 'Orléans', 'Malmö', 'A Coruña'),
       IF(seq % 7 = 0, NULL, CONCAT('line one\nline\ttwo \\ ', seq, ' £€'))
FROM seq_1_to_30000;

CREATE TABLE category (
  id     SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  parent SMALLINT UNSIGNED,
  name   VARCHAR(60) NOT NULL,
  slug   VARCHAR(80) AS (LOWER(REPLACE(name, ' ', '-'))) PERSISTENT,
  KEY by_parent (parent)
);
INSERT INTO category (id, parent, name)
SELECT seq, NULLIF(seq DIV 4, 0), CONCAT('Range ', seq) FROM seq_1_to_200;

-- A key of text.
CREATE TABLE product (
  sku        VARCHAR(32) NOT NULL PRIMARY KEY,
  title      VARCHAR(200) NOT NULL,
  price      DECIMAL(12, 4) NOT NULL,
  weight     DOUBLE,
  rating     FLOAT,
  flags      BIT(12) NOT NULL DEFAULT b'0',
  made_in    YEAR,
  attributes JSON,
  photo      BLOB,
  stock      MEDIUMINT NOT NULL DEFAULT 0
);
INSERT INTO product
SELECT CONCAT('SKU-', LPAD(seq, 6, '0'), ELT(1 + seq % 3, '', '-ü', '-x y')),
       CONCAT('Net no. ', seq, ' 🎣'),
       seq * 31 % 100000 / 100, IF(seq % 9 = 0, NULL, seq / 64), seq % 5 + 0.25, seq % 4096,
       IF(seq % 100 = 0, 0, 1901 + seq % 250),
       CONCAT('{"a": ', seq, ', "bb": "', ELT(1 + seq % 2, 'naïve', 'quo\\"te'),
              '", "ccc": [1, 2.5, null, true], "dddd": {"e": "🐟"}}'),
       UNHEX(SHA2(seq, 512)), seq % 3000 - 100
FROM seq_1_to_10000;

CREATE TABLE product_category (
  sku         VARCHAR(32) NOT NULL,
  category_id SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (category_id, sku)
);
INSERT INTO product_category
SELECT sku, CAST(SUBSTR(sku, 5, 6) AS UNSIGNED) * k.seq % 199 + 1
FROM product JOIN seq_1_to_2 k ON CAST(SUBSTR(sku, 5, 6) AS UNSIGNED) % 199 <> 0;

-- Numbers that need all 64 bits, and a generated column.
CREATE TABLE orders (
  id          BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  placed      DATETIME(6) NOT NULL,
  paid        TIMESTAMP NULL,
  total       DECIMAL(20, 6) NOT NULL,
  cents       BIGINT AS (ROUND(total * 100)) PERSISTENT,
  note        TEXT,
  KEY by_customer (customer_id, placed)
);
INSERT INTO orders (id, customer_id, placed, paid, total, note)
SELECT 18446744073709460000 + seq, seq * 7919 % 30000 + 1,
       '2022-01-01' + INTERVAL seq * 1234567 MICROSECOND,
       IF(seq % 4 = 0, NULL, '2022-01-02' + INTERVAL seq SECOND), seq * 1237 % 999983 / 128,
       IF(seq % 5 = 0, CONCAT('leave it at the door ', seq, ', "thanks"'), NULL)
FROM seq_1_to_40000;

CREATE TABLE order_line (
  order_id BIGINT UNSIGNED NOT NULL,
  line     TINYINT UNSIGNED NOT NULL,
  sku      VARCHAR(32) NOT NULL,
  quantity SMALLINT NOT NULL,
  price    DECIMAL(12, 4) NOT NULL,
  PRIMARY KEY (order_id, line),
  KEY by_sku (sku)
);
INSERT INTO order_line
SELECT 18446744073709460000 + seq, k, CONCAT('SKU-', LPAD(seq % 10000 + 1, 6, '0')),
       seq % 9 + 1, seq % 500 / 4
FROM seq_1_to_40000 JOIN (SELECT 1 AS k UNION ALL SELECT 2) two;

-- A key of bytes, zero bytes at its end included.
CREATE TABLE payment (
  id       BINARY(16) NOT NULL PRIMARY KEY,
  order_id BIGINT UNSIGNED NOT NULL,
  amount   DECIMAL(20, 6) NOT NULL,
  method   ENUM('card', 'cash', 'voucher') NOT NULL,
  trace    VARBINARY(64)
);
INSERT INTO payment
SELECT IF(seq % 10 = 0, RPAD(UNHEX(LPAD(HEX(seq), 8, '0')), 16, '\0'),
          UNHEX(LEFT(SHA2(seq, 256), 32))),
       18446744073709460000 + seq, seq / 8, 1 + seq % 3, IF(seq % 3, UNHEX(SHA2(seq, 256)), '')
FROM seq_1_to_15000;

-- Times beyond a day, and before zero.
CREATE TABLE shift (
  id       INT NOT NULL PRIMARY KEY,
  store_id SMALLINT NOT NULL,
  begins   TIME NOT NULL,
  lasts    TIME(3) NOT NULL,
  slack    TIME(6)
);
INSERT INTO shift
SELECT seq, seq % 300 + 1, SEC_TO_TIME(seq * 61 % 86400), SEC_TO_TIME(seq * 1013 % 3000000 + 0.125),
       SEC_TO_TIME(seq * 997 % 200000 - 100000.000001)
FROM seq_1_to_3000;

CREATE TABLE store (
  id       SMALLINT NOT NULL PRIMARY KEY,
  code     UUID NOT NULL,
  name     VARCHAR(60) NOT NULL,
  place    POINT NOT NULL,
  gateway  INET6,
  opened   DATE NOT NULL,
  zip      CHAR(8) CHARACTER SET latin1 NOT NULL
);
INSERT INTO store
SELECT seq,
       CONCAT(LEFT(h, 8), '-', SUBSTR(h, 9, 4), '-4', SUBSTR(h, 14, 3), '-a', SUBSTR(h, 18, 3),
              '-', SUBSTR(h, 21, 12)),
       CONCAT('Store ', seq), POINT(seq / 8 - 20, 60 - seq / 16),
       ELT(1 + seq % 3, NULL, '::ffff:192.0.2.1', CONCAT('2001:db8::', HEX(seq))),
       '1999-12-31' + INTERVAL seq DAY, CONCAT('Z ', seq)
FROM (SELECT seq, SHA2(seq, 256) AS h FROM seq_1_to_300) s;

CREATE TABLE setting (
  name  VARCHAR(64) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
  value LONGTEXT NOT NULL
);
INSERT INTO setting
SELECT CONCAT(IF(seq % 2, 'a', 'A'), '.', seq DIV 2), REPEAT(CONCAT('värde ', seq), seq % 300)
FROM seq_1_to_1000;

CREATE TABLE visit (
  id     BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at     TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  page   VARCHAR(200) NOT NULL,
  client JSON,
  raw    MEDIUMBLOB
);
INSERT INTO visit
SELECT seq, '2023-06-01' + INTERVAL seq * 999983 MICROSECOND, CONCAT('/p/', seq % 977),
       CONCAT('{"os": "', ELT(1 + seq % 3, 'linux', 'mac', 'other'),
              '", "agent": "m/', seq % 50, '"}'),
       IF(seq % 11 = 0, REPEAT(UNHEX('00ff0a095c'), seq % 200), NULL)
FROM seq_1_to_12000;

-- Each whole number type at both of its ends.
CREATE TABLE extremes (
  id INT NOT NULL PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, su SMALLINT UNSIGNED,
  m MEDIUMINT, mu MEDIUMINT UNSIGNED, i INT, iu INT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED,
  d DECIMAL(65, 30), one BIT(1), wide BIT(64), late DATETIME(6)
);
INSERT INTO extremes VALUES
  (1, -128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0,
   -99999999999999999999999999999999999.999999999999999999999999999999, b'0', 0, '1000-01-01'),
  (2, 127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807,
   18446744073709551615, 99999999999999999999999999999999999.999999999999999999999999999999, b'1',
   0xFFFFFFFFFFFFFFFF, '9999-12-31 23:59:59.999999'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- The writers of the quickstart end with a row of this table: once the target has it, it has all.
CREATE TABLE pulse (
  id INT NOT NULL PRIMARY KEY,
  n  BIGINT NOT NULL,
  at DATETIME(6) NOT NULL
);
INSERT INTO pulse VALUES (1, 0, '2024-01-01');
