"""Types of columns as a live source stores them: by them a streamed row reads as a SELECT of it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from live_world import LiveWorld, live_world, mariadb, mariadb_database, postgres_database, query
from stack import StackOf
from waiting import eventually
from worker_world import running

from api.telemetry.worker_metrics import WorkerMetrics
from api.upkeep.maintenance import verify_collection
from api.worker import open_worker
from ingest.connect.address import DatabaseAddress
from ingest.connect.column_types import column_types
from retrieval.types import OPERATOR

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

# column -> (its type, a value, the type that is stored)
POSTGRES = {
    "ts": ("timestamp", "2026-01-02 03:04:05", "timestamp without time zone"),
    "tz": ("timestamptz(3)", "2026-01-02 03:04:05+08", "timestamp(3) with time zone"),
    "tt": ("timetz", "03:04:05+02", "time with time zone"),
    "b": ("bit(10)", "1010101010", "bit(10)"),
    "vb": ("bit varying(7)", "0101", "bit varying(7)"),
    "b1": ("bit(1)", "1", "bit(1)"),
    "c": ("money", "-1234.56", "money"),
    "p": ("point", "(1.5,-2)", "point"),
    "ds": ("date[]", "{2026-01-02}", "date[]"),
    "ns": ("numeric(5,2)[]", "{1.5,2}", "numeric(5,2)[]"),
    "tss": ("timestamp[]", "{2026-01-02 03:04:05}", "timestamp without time zone[]"),
    "d": ("day", "2026-01-02", "date"),
    "d2": ("working_day", "2026-01-02", "date"),
    "a": ("amount", "12.5", "numeric(10,2)"),
    "m": ("moment", "2026-01-02 03:04:05+08", "timestamp with time zone"),
    "dd": ("days", "{2026-01-02}", "date[]"),
    "h": ("hstore", '"a"=>"1"', "hstore"),
}
SCRIPT = f"""
CREATE DOMAIN day AS date;
CREATE DOMAIN working_day AS day CHECK (extract(isodow FROM value) < 6);
CREATE DOMAIN amount AS numeric(10,2);
CREATE DOMAIN moment AS timestamptz;
CREATE DOMAIN days AS date[];
CREATE EXTENSION hstore;
CREATE TABLE typed (id int PRIMARY KEY, {", ".join(f"{name} {kind}" for name, (kind, _, _) in POSTGRES.items())});
CREATE TABLE keyed (at timestamp, flags bit(4), title text, PRIMARY KEY (at, flags));
CREATE TABLE marked (id int PRIMARY KEY, title text, groups int[], ids uuid[], facts hstore)
  WITH (toast_tuple_target = 128);
CREATE TABLE whole (id int PRIMARY KEY, title text, days date[] NOT NULL, prices numeric[])
  WITH (toast_tuple_target = 128);
ALTER TABLE marked ALTER groups SET STORAGE EXTERNAL, ALTER ids SET STORAGE EXTERNAL, ALTER facts SET STORAGE EXTERNAL;
ALTER TABLE whole ALTER days SET STORAGE EXTERNAL, ALTER prices SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
INSERT INTO marked
  SELECT 1, 'one', array_agg(g), array_agg(md5(g::text)::uuid), hstore('k', repeat('x', 99))
  FROM generate_series(1, 200) g;
INSERT INTO whole SELECT 1, 'one', array_agg('2026-01-01'::date + g), array_agg(g / 4.0) FROM generate_series(1, 300) g;
INSERT INTO keyed VALUES ('2026-01-02 03:04:05', '1010', 'one');
INSERT INTO typed VALUES (1, {", ".join(f"'{value}'" for _, value, _ in POSTGRES.values())});
"""
TABLES = {
    "public.typed": {
        "title": "id",
        "body": "\n".join(f"{name} {{{name}}}" for name in POSTGRES),
        "metadata": ["ns", "a", "ts", "b1", "c"],
    },
    "public.keyed": {"title": "title", "body": "{title}"},
    "public.marked": {"title": "title", "body": "{groups} {ids} {facts}"},
    "public.whole": {"title": "title", "body": "{days} {prices}"},
}


@pytest.fixture
def database(stack_of: StackOf, tmp_path: Path) -> Iterator[str]:
    script = tmp_path / "typed.sql"
    script.write_text(SCRIPT, encoding="utf-8")
    with postgres_database(stack_of("postgres"), script) as url:
        yield url


def held(served: LiveWorld) -> dict[str, tuple[str, Any]]:
    catalog = served.api.kb.catalog
    collection = catalog.collections.get("typed")
    keys = catalog.documents.keys(collection)
    found = [catalog.documents.get(collection, key, OPERATOR).document for key in keys]
    return {one.key: (one.text, one.metadata) for one in found}


def selected(served: LiveWorld, url: str) -> dict[str, tuple[str, Any]]:
    return {one.key: (one.text, one.metadata) for one in served.live.preview(url, TABLES, 10).documents}


def test_postgresql_names_types_as_it_prints_them(database: str) -> None:
    found = column_types(DatabaseAddress.parse(database), ["public.typed", "public.none"])
    assert found == {"public.typed": {"id": "integer"} | {name: kind for name, (_, _, kind) in POSTGRES.items()}}


def test_mariadb_names_types_as_it_prints_them(stack_of: StackOf, tmp_path: Path) -> None:
    (tmp_path / "empty.sql").touch()
    columns = {
        "ts": "timestamp", "dt": "datetime(6)", "b": "bit(5)", "d": "decimal(10,2) unsigned", "e": "enum('a)','date')"
    }  # fmt: skip
    with mariadb_database(stack_of("mariadb"), tmp_path / "empty.sql") as url:
        name = urlsplit(url).path.strip("/")
        with mariadb(url) as cursor:
            declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            cursor.execute(f"CREATE TABLE `a%b:c` (id int, {declared})")
        found = column_types(DatabaseAddress.parse(url), [f"{name}.a%b:c", f"{name}.none"])
    assert found == {f"{name}.a%b:c": {"id": "int(11)"} | columns}


def test_a_streamed_row_is_what_a_select_reads_also_after_types_of_an_earlier_version(
    stack_of: StackOf, database: str, tmp_path: Path
) -> None:
    with live_world(stack_of("postgres", "kafka", "connect"), tmp_path) as served:
        kb, monitor = served.api.kb, served.api.app.state.services.source_monitor
        with running(open_worker(kb, WorkerMetrics())):
            created = served.create("shop", database, TABLES, collection="typed")
            assert created.status_code == 201, created.text
            eventually(lambda: held(served), lambda found: found == selected(served, database))
            assert "public.keyed/2026-01-02T03:04:05,1010" in held(served)
            query(database, "UPDATE typed SET ts = '2026-02-03 04:05:06', d = '2026-02-03', ns = '{7,8.25}'")
            for table in ("keyed", "marked", "whole"):
                query(database, f"UPDATE {table} SET title = 'two'")
            eventually(lambda: held(served), lambda found: found == selected(served, database))
            assert held(served)["public.typed/1"][1] == {
                "ns": [7, 8.25], "a": 12.5, "ts": "2026-02-03T04:05:06", "b1": True, "c": -1234.56
            }  # fmt: skip
            assert verify_collection(kb, "typed").in_step

            collection = kb.catalog.collections.get("typed")
            record = kb.catalog.sources.get(collection, "shop")
            types = record.config["types"]
            former = {"ts": "TIMESTAMP", "ns": "ARRAY", "d": "DOMAIN"}
            old = types | {"public.typed": types["public.typed"] | former}
            kb.catalog.sources.change(record, config=record.config | {"types": old})
            monitor.look()
            assert kb.catalog.sources.get(collection, "shop").config["types"] == types
            kb.catalog.sources.change(record, config=record.config | {"types": old})
            assert served.call("POST", "/shop/restart?collection=typed").status_code == 200
            assert kb.catalog.sources.get(collection, "shop").config["types"] == types
