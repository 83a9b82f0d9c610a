-- Before the connector starts: what its snapshot reads. Parts are separated by lines of dashes and a name.
CREATE TABLE types (
  id INT PRIMARY KEY,
  c_tiny TINYINT, c_tiny_u TINYINT UNSIGNED, c_bool BOOLEAN, c_small_u SMALLINT UNSIGNED, c_medium MEDIUMINT, c_int_u INT UNSIGNED,
  c_bigint BIGINT, c_bigint_u BIGINT UNSIGNED, c_decimal DECIMAL(30, 4), c_decimal_0 DECIMAL(10, 0), c_float FLOAT, c_double DOUBLE,
  c_bit BIT(1), c_bits BIT(10), c_year YEAR, c_date DATE, c_time TIME, c_time_3 TIME(3), c_datetime DATETIME, c_datetime_6 DATETIME(6),
  c_timestamp TIMESTAMP NULL, c_timestamp_6 TIMESTAMP(6) NULL,
  c_char CHAR(6), c_varchar VARCHAR(20), c_text TEXT, c_latin1 VARCHAR(20) CHARACTER SET latin1, c_gbk VARCHAR(20) CHARACTER SET gbk,
  c_binary BINARY(4), c_varbinary VARBINARY(20), c_blob BLOB, c_json JSON,
  c_enum ENUM('red', '绿', 'a,b'), c_set SET('x', 'y', '中'), c_uuid UUID,
  c_point POINT, c_geometry GEOMETRY,
  c_virtual INT GENERATED ALWAYS AS (c_tiny * 2) VIRTUAL, c_stored VARCHAR(40) GENERATED ALWAYS AS (CONCAT(c_varchar, '!')) STORED
) CHARACTER SET utf8mb4;
CREATE TABLE notes (id INT PRIMARY KEY, title TEXT, body LONGTEXT) CHARACTER SET utf8mb4;
CREATE TABLE bare (name VARCHAR(20), amount INT);
CREATE TABLE pairs (a INT, b VARCHAR(20), note TEXT, PRIMARY KEY (a, b)) CHARACTER SET utf8mb4;
CREATE TABLE `订单 Tab` (`编号` INT PRIMARY KEY, `Titel` TEXT, `名 称` TEXT) CHARACTER SET utf8mb4;
CREATE TABLE signals (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data TEXT);
INSERT INTO types (id, c_tiny, c_tiny_u, c_bool, c_small_u, c_medium, c_int_u, c_bigint, c_bigint_u, c_decimal, c_decimal_0, c_float, c_double,
  c_bit, c_bits, c_year, c_date, c_time, c_time_3, c_datetime, c_datetime_6, c_timestamp, c_timestamp_6, c_char, c_varchar, c_text, c_latin1, c_gbk,
  c_binary, c_varbinary, c_blob, c_json, c_enum, c_set, c_uuid, c_point, c_geometry)
  VALUES (1, -128, 255, TRUE, 65535, -8388608, 4294967295, -9223372036854775808, 18446744073709551615, -12345678901234567890.1234, 42, 1.5, 0.1,
  b'1', b'1010101010', 2026, '2026-01-02', '-25:04:05', '03:04:05.678', '2026-01-02 03:04:05', '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05',
  '2026-01-02 03:04:05.5', 'ab', '😀 naïve', '两行\nof "text" and {braces}', 'naïve', '中文',
  x'0001ff00', x'00ff', 'bytes', '{"k": [1, null, "值"]}', '绿', 'x,中', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  ST_GeomFromText('POINT(1.5 -2)'), ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))'));
INSERT INTO types (id) VALUES (2);
INSERT INTO types (id, c_tiny, c_bool, c_decimal, c_float, c_double, c_date, c_time, c_datetime, c_timestamp, c_text, c_blob, c_json, c_set, c_year, c_enum)
  VALUES (3, 0, FALSE, 0, 0, -1e300, '0000-00-00', '838:59:59', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '', '', 'null', '', 1901, '');
INSERT INTO types (id, c_decimal, c_float, c_double, c_date, c_time, c_datetime_6, c_geometry) VALUES
  (4, 1000, 123456, 1e-10, '1000-01-01', '00:00:00', '9999-12-31 23:59:59.999999', ST_GeomFromText('LINESTRING(0 0, 1 1)'));
INSERT INTO notes VALUES (1, 'first', REPEAT('large ', 3)), (2, 'second', 'small');
INSERT INTO bare VALUES ('one', 1);
INSERT INTO pairs VALUES (1, 'a,b', 'composite');
INSERT INTO `订单 Tab` VALUES (1, 'Öl', '油');
---- live
INSERT INTO types (id, c_tiny, c_tiny_u, c_bool, c_small_u, c_medium, c_int_u, c_bigint, c_bigint_u, c_decimal, c_decimal_0, c_float, c_double,
  c_bit, c_bits, c_year, c_date, c_time, c_time_3, c_datetime, c_datetime_6, c_timestamp, c_timestamp_6, c_char, c_varchar, c_text, c_latin1, c_gbk,
  c_binary, c_varbinary, c_blob, c_json, c_enum, c_set, c_uuid, c_point, c_geometry)
  SELECT id + 10, c_tiny, c_tiny_u, c_bool, c_small_u, c_medium, c_int_u, c_bigint, c_bigint_u, c_decimal, c_decimal_0, c_float, c_double,
  c_bit, c_bits, c_year, c_date, c_time, c_time_3, c_datetime, c_datetime_6, c_timestamp, c_timestamp_6, c_char, c_varchar, c_text, c_latin1, c_gbk,
  c_binary, c_varbinary, c_blob, c_json, c_enum, c_set, c_uuid, c_point, c_geometry FROM types;
UPDATE notes SET title = 'first, changed' WHERE id = 1;
UPDATE notes SET id = 10 WHERE id = 1;
BEGIN; UPDATE notes SET title = 'a' WHERE id = 2; UPDATE notes SET title = 'b' WHERE id = 2; UPDATE notes SET title = 'second, changed' WHERE id = 2; COMMIT;
DELETE FROM notes WHERE id = 2;
INSERT INTO notes VALUES (2, 'second, again', 'new');
INSERT INTO bare VALUES ('two', 2), ('three', 3);
UPDATE bare SET amount = 3 WHERE name = 'two';
DELETE FROM bare WHERE name = 'one';
INSERT INTO pairs VALUES (2, '100%', 'written');
UPDATE pairs SET b = 'key, changed' WHERE a = 2;
UPDATE `订单 Tab` SET `名 称` = '石油' WHERE `编号` = 1;
ALTER TABLE pairs ADD extra VARCHAR(20) DEFAULT 'new';
INSERT INTO pairs VALUES (3, 'c', 'after the column came', 'x');
ALTER TABLE pairs RENAME COLUMN extra TO additional;
INSERT INTO pairs VALUES (4, 'd', 'after it was renamed', 'y');
ALTER TABLE pairs DROP additional;
INSERT INTO pairs VALUES (5, 'e', 'after it went');
INSERT INTO signals VALUES ('one', 'execute-snapshot', '{"data-collections": ["{database}.pairs"], "type": "incremental"}');
---- after snapshot
TRUNCATE bare;
TRUNCATE notes;
INSERT INTO notes VALUES (1, 'after truncation', 'new');
INSERT INTO pairs VALUES (999, 'end', 'the last row');
