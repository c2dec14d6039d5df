-- SPDX-License-Identifier: Apache-2.0
-- MySQL alone, after changes.sql.
USE fuzz;
INSERT INTO docs VALUES (20, JSON_ARRAY(CAST('2026-01-02 03:04:05.5' AS datetime(3)), CAST(1.25 AS decimal(8, 3)),
  CAST('-01:02:03' AS time), x'616263', CAST(5 AS unsigned)));
SET SESSION binlog_transaction_compression = ON;
INSERT INTO docs VALUES (21, '{"in": "a payload"}'), (22, '[1, 2, 3]');
UPDATE plain SET d = 7;
SET SESSION binlog_transaction_compression = OFF;
