-- SPDX-License-Identifier: Apache-2.0
--
-- What maria.binlog and mysql.binlog hold: MariaDB 10.11 and MySQL 9 ran this with
-- --binlog-format=ROW --binlog-row-metadata=FULL --binlog-checksum=NONE, so that what a mutation
-- breaks is not caught by a checksum. Then each ran its own script.
CREATE DATABASE fuzz;
USE fuzz;
CREATE TABLE plain (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, a tinyint, b smallint unsigned, c mediumint,
  d int unsigned, e decimal(20, 6), f float, g double, h bit(13), i year, j date, k time(3), l datetime(6),
  m timestamp(2) NULL, n char(10), o varchar(300), p varbinary(20), q tinytext, r mediumblob,
  s enum('x', 'y', 'z'), t set('a', 'b', 'c'), u json, v point, w char(3) CHARACTER SET latin1,
  x binary(16));
CREATE TABLE docs (id int NOT NULL PRIMARY KEY, doc json);
INSERT INTO plain VALUES
  (1, -128, 65535, -8388608, 4294967295, -12345678901234.567890, 1.5, -2.5e300, b'1010101010101', 2026,
   '2026-01-02', '-838:59:58.999', '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05.12', 'ten', 'text',
   x'00ff', 'tiny', x'0102030405', 'y', 'a,c', '{"a": [1, 2.5, "x", null, true]}', ST_PointFromText('POINT(1 2)'),
   'abc', x'00112233445566778899aabbccddeeff'),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 1, 2, 3, 4, 0.000001, 0, 0, b'0', 1901, '1000-01-01', '00:00:00', '9999-12-31 23:59:59.999999',
   '1970-01-02 00:00:01', '', REPEAT('long ', 50), '', '', '', 'x', '', '[]', NULL, '', '');
INSERT INTO docs VALUES
  (1, '{"a": 1, "b": -70000, "c": 1e300, "d": "text", "e": [true, false, null], "f": {"g": {}, "h": []}}'),
  (2, '[1, 32768, 2147483648, 9223372036854775807, 18446744073709551615, -1, 0.1]'),
  (3, '"a string alone"'), (4, 'null'), (5, '{}'), (6, '123456789012'),
  (7, CONCAT('["', REPEAT('x', 200), '", {"key": "', REPEAT('y', 150), '"}]'));
UPDATE plain SET o = 'changed', e = 7 WHERE id IN (1, 3);
UPDATE docs SET doc = '{"new": [[[[1]]]]}' WHERE id = 5;
DELETE FROM plain WHERE id = 2;
START TRANSACTION;
INSERT INTO docs VALUES (8, '{"in": "a transaction"}');
SAVEPOINT one;
DELETE FROM docs WHERE id = 1;
UPDATE plain SET a = 5;
COMMIT;
XA START 'one', 'two', 7;
INSERT INTO docs VALUES (9, '[]');
XA END 'one', 'two', 7;
XA PREPARE 'one', 'two', 7;
XA COMMIT 'one', 'two', 7;
ALTER TABLE plain ADD COLUMN y int DEFAULT 3, DROP COLUMN x;
CREATE TABLE `od``d` LIKE docs;
RENAME TABLE `od``d` TO docs2;
TRUNCATE TABLE docs2;
DROP TABLE docs2;
