-- Before the connector starts: what its snapshot reads. Parts are separated by lines of dashes and a name.
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'so so', '高兴');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE types (
  id int PRIMARY KEY,
  c_smallint smallint, c_bigint bigint, c_numeric numeric, c_numeric_2 numeric(30, 2), c_real real, c_double double precision,
  c_money money, c_boolean boolean, c_char char(6), c_varchar varchar(20), c_text text,
  c_date date, c_time time, c_time_0 time(0), c_timetz timetz, c_timestamp timestamp, c_timestamp_0 timestamp(0),
  c_timestamptz timestamptz, c_interval interval,
  c_bytea bytea, c_json json, c_jsonb jsonb, c_uuid uuid, c_inet inet, c_cidr cidr, c_macaddr macaddr,
  c_texts text[], c_ints int[], c_dates date[], c_numerics numeric(10, 2)[], c_mood mood, c_moods mood[], c_positive positive, c_pair pair,
  c_hstore hstore, c_tsvector tsvector, c_xml xml, c_bit bit(1), c_bits bit(10), c_varbit varbit(12),
  c_int4range int4range, c_daterange daterange, c_tstzrange tstzrange, c_point point, c_circle circle
);
CREATE TABLE notes (id int PRIMARY KEY, title text, body text, photo bytea, tags text[],
  groups int[], numbers bigint[], codes uuid[], files bytea[], facts hstore, days date[]) WITH (toast_tuple_target = 128);
ALTER TABLE notes ALTER body SET STORAGE EXTERNAL, ALTER photo SET STORAGE EXTERNAL, ALTER tags SET STORAGE EXTERNAL,
  ALTER groups SET STORAGE EXTERNAL, ALTER numbers SET STORAGE EXTERNAL, ALTER codes SET STORAGE EXTERNAL,
  ALTER files SET STORAGE EXTERNAL, ALTER facts SET STORAGE EXTERNAL, ALTER days SET STORAGE EXTERNAL;
CREATE TABLE bare (name text, amount int);
ALTER TABLE bare REPLICA IDENTITY FULL;
CREATE TABLE pairs (a int, b text, note text, PRIMARY KEY (a, b));
CREATE SCHEMA "Größe";
CREATE TABLE "Größe"."订单 Tab" ("编号" int PRIMARY KEY, "Titel" text, "名 称" text);
CREATE TABLE signals (id text PRIMARY KEY, type text NOT NULL, data text);
INSERT INTO types VALUES (1, -32768, 9223372036854775807, 12345678901234567890.123456789, -12.50, 1.5, 0.1,
  -1234.56, true, 'ab', 'naïve', E'两行\nof "text" \\ and {braces}',
  '2026-01-02', '03:04:05.123456', '23:59:59', '03:04:05+02', '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05',
  '2026-01-02 03:04:05.5+08', '1 year 2 mons 3 days 04:05:06.7',
  '\x0001ff', '{"k": [1, null, "值"]}', '{"b": 1.50, "a": null}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03',
  ARRAY['a', NULL, 'b,c'], ARRAY[1, NULL, 3], ARRAY['2026-01-02'::date], ARRAY[1.50, NULL], '高兴', ARRAY['sad', 'so so']::mood[], 7, ROW(1, 'x y'),
  'a=>1, b=>NULL', 'fat:2 cat:3', '<a>b</a>', '1', '1010101010', '101',
  '[1,5)', '[2026-01-01,2026-02-01)', '["2026-01-01 00:00+00",)', '(1.5,-2)', '<(1,2),3>');
INSERT INTO types (id) VALUES (2);
INSERT INTO types (id, c_smallint, c_numeric, c_numeric_2, c_real, c_double, c_boolean, c_text, c_date, c_time, c_timestamp, c_timestamptz,
  c_interval, c_bytea, c_texts, c_ints, c_jsonb, c_money, c_bit, c_varbit) VALUES (3, 0, 'NaN', 'NaN', 'NaN', '-Infinity', false, '', '0044-03-15 BC', '00:00:00',
  '0044-03-15 12:00:00 BC', '12026-01-02 03:04:05+00', '-1 days -02:00:00', '', '{}', '{}', 'null', 0, '0', '0011');
INSERT INTO types (id, c_numeric, c_double, c_real, c_date, c_timestamp, c_timestamptz, c_time, c_text) VALUES
  (4, 1e-10, 1e300, 3.4e38, 'infinity', 'infinity', '-infinity', '24:00:00', '2026-01-02Z');
INSERT INTO types (id, c_numeric, c_numeric_2, c_double, c_real, c_bigint, c_date, c_timestamp) VALUES
  (5, 100000000000000000000, 1000, 123456789, 16777216, -9223372036854775808, '1582-10-10', '0001-01-01 00:00:00');
INSERT INTO types (id, c_date, c_timestamp, c_timestamptz) VALUES (6, '-infinity', '-infinity', 'infinity');
INSERT INTO notes VALUES (1, 'first', repeat('large ', 400), decode(repeat('00ff', 1300), 'hex'), ARRAY[repeat('t', 2200)],
  ARRAY[10, 20, 30], ARRAY[9007199254740993, -1], ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']::uuid[], ARRAY['\x0001ff']::bytea[],
  'a=>1, b=>"two words"', ARRAY['2026-01-02', '2026-01-03']::date[]);
INSERT INTO notes VALUES (2, 'second', 'small', NULL, NULL);
INSERT INTO bare VALUES ('one', 1);
INSERT INTO pairs VALUES (1, 'a,b', 'composite');
INSERT INTO "Größe"."订单 Tab" VALUES (1, 'Öl', '油');
---- live
INSERT INTO types SELECT id + 10, c_smallint, c_bigint, c_numeric, c_numeric_2, c_real, c_double, c_money, c_boolean, c_char, c_varchar,
  c_text, c_date, c_time, c_time_0, c_timetz, c_timestamp, c_timestamp_0, c_timestamptz, c_interval, c_bytea, c_json, c_jsonb, c_uuid, c_inet,
  c_cidr, c_macaddr, c_texts, c_ints, c_dates, c_numerics, c_mood, c_moods, c_positive, c_pair, c_hstore, c_tsvector, c_xml, c_bit, c_bits, c_varbit,
  c_int4range, c_daterange, c_tstzrange, c_point, c_circle FROM types;
UPDATE notes SET title = 'first, changed' WHERE id = 1;
UPDATE notes SET id = 10 WHERE id = 1;
BEGIN; UPDATE notes SET title = 'a' WHERE id = 2; UPDATE notes SET title = 'b' WHERE id = 2; UPDATE notes SET title = 'second, changed' WHERE id = 2; COMMIT;
DELETE FROM notes WHERE id = 2;
INSERT INTO notes VALUES (2, 'second, again', 'new', NULL, NULL);
INSERT INTO bare VALUES ('two', 2);
UPDATE bare SET amount = 3 WHERE name = 'two';
DELETE FROM bare WHERE name = 'one';
INSERT INTO pairs VALUES (2, '100%', 'written');
UPDATE pairs SET b = 'key, changed' WHERE a = 2;
UPDATE "Größe"."订单 Tab" SET "名 称" = '石油' WHERE "编号" = 1;
SELECT pg_logical_emit_message(true, 'kb', 'a message');
ALTER TABLE pairs ADD extra text DEFAULT 'new';
INSERT INTO pairs VALUES (3, 'c', 'after the column came', 'x');
ALTER TABLE pairs RENAME extra TO additional;
INSERT INTO pairs VALUES (4, 'd', 'after it was renamed', 'y');
ALTER TABLE pairs DROP additional;
INSERT INTO pairs VALUES (5, 'e', 'after it went');
INSERT INTO signals VALUES ('one', 'execute-snapshot', '{"data-collections": ["public.pairs"], "type": "incremental"}');
---- after snapshot
TRUNCATE bare;
TRUNCATE notes;
INSERT INTO notes VALUES (1, 'after truncation', 'new', NULL, NULL);
INSERT INTO pairs VALUES (999, 'end', 'the last row');
