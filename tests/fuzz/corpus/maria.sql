-- SPDX-License-Identifier: Apache-2.0
-- MariaDB alone, after changes.sql.
USE fuzz;
CREATE TABLE more (id uuid NOT NULL PRIMARY KEY, a inet4, b inet6, c varchar(500) COMPRESSED, d blob COMPRESSED);
INSERT INTO more VALUES ('00112233-4455-6677-8899-aabbccddeeff', '10.1.2.3', '2001:db8::1', REPEAT('c', 300),
  REPEAT('d', 300));
SET GLOBAL log_bin_compress_min_len = 10;
SET GLOBAL log_bin_compress = ON;
UPDATE more SET c = REPEAT('e', 400);
INSERT INTO docs VALUES (21, '{"in": "a compressed event"}');
