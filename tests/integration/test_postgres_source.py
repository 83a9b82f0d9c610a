"""A real PostgreSQL as source and as catalog: the snapshot equals the tables, joined changes follow, deletes arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from api.knowledge_base import KnowledgeBase
from api.sources.opening import open_source
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings
from ingest.changes import RowChange
from ingest.connect.address import DatabaseAddress
from ingest.connect.preview import preview
from ingest.connect.scan import TableScan
from ingest.connect.tables import reading
from ingest.report import IngestReport
from ingest.row_values import json_row
from ingest.sources.sql import SqlSource
from ingest.table_mapping import parse_mapping
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR

pytestmark = [pytest.mark.server, pytest.mark.data, pytest.mark.slow]

MAPPING = {
    "tables": {
        "public.album": {
            "title": "{title}",
            "body": "{title} by {artist.name}. Tracks: {tracks.name}",
            "metadata": {"artist": "artist.name"},
            "include": {
                "artist": {"table": "public.artist", "on": {"artist_id": "artist_id"}},
                "tracks": {"table": "public.track", "on": {"album_id": "album_id"}, "many": True},
            },
        }
    }
}


def load_chinook(url: str, script: Path) -> None:
    """The dump without its own database commands."""
    lines = script.read_text(encoding="utf-8").splitlines()
    own = ("DROP DATABASE", "CREATE DATABASE", "\\c ")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("\n".join(line for line in lines if not line.startswith(own)).encode())


@pytest.fixture
def chinook(fresh_postgres: str, data_dir_public: Path) -> str:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    load_chinook(url, data_dir_public / "sql_chinook" / "chinook_postgresql.sql")
    return url


@pytest.fixture
def kb(chinook: str, tmp_path: Path) -> Iterator[KnowledgeBase]:
    """The catalog shares the server, in a schema of its own."""
    with psycopg.connect(chinook, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA kb")
    catalog = f"{chinook}?options=-csearch_path%3Dkb"
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash", catalog_url=catalog)) as opened:
        opened.create_collection("music")
        yield opened


def ingest(kb: KnowledgeBase, url: str, tmp_path: Path) -> IngestReport:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(yaml.safe_dump(MAPPING))
    opened = open_source(kb, "music", url, "chinook", "sql", mapping)
    return kb.ingest("music", opened.source, rows=opened.rows)


def found(kb: KnowledgeBase, query: str) -> list[str]:
    return [hit.chunk.key for hit in kb.search("music", SearchRequest(query, 5), OPERATOR).hits]


def test_chinook_from_snapshot_to_changes(kb: KnowledgeBase, chinook: str, tmp_path: Path) -> None:
    first = ingest(kb, chinook, tmp_path)
    with psycopg.connect(chinook, autocommit=True) as connection:
        albums = connection.execute("SELECT album_id FROM album").fetchall()
        collection = kb.catalog.collections.get("music")
        assert kb.catalog.documents.keys(collection) == {f"public.album/{key}" for (key,) in albums}
        assert (first.outcomes["created"], first.failed) == (len(albums), 0)  # type: ignore[index]

        again = ingest(kb, chinook, tmp_path)
        assert (again.outcomes["unchanged"], again.embedded) == (len(albums), 0)  # type: ignore[index]

        assert found(kb, "AC/DC Let There Be Rock")[0] == "public.album/4"
        connection.execute("UPDATE artist SET name = 'Quetzalcoatlus Quartet' WHERE artist_id = 1")
        changed = ingest(kb, chinook, tmp_path)
        assert changed.outcomes["updated"] == 2  # type: ignore[index]  # the artist's two albums
        assert set(found(kb, "Quetzalcoatlus Quartet")[:2]) == {"public.album/1", "public.album/4"}

        connection.execute("DELETE FROM playlist_track WHERE track_id IN (SELECT track_id FROM track WHERE album_id=4)")
        connection.execute("DELETE FROM invoice_line WHERE track_id IN (SELECT track_id FROM track WHERE album_id = 4)")
        connection.execute("DELETE FROM track WHERE album_id = 4")
        connection.execute("DELETE FROM album WHERE album_id = 4")
        assert ingest(kb, chinook, tmp_path).outcomes["deleted"] == 1  # type: ignore[index]
        assert "public.album/4" not in found(kb, "Let There Be Rock Quetzalcoatlus Quartet")
    verdict = verify_collection(kb, "music")
    assert verdict.in_step, verdict.sentence()


def test_a_date_that_python_cannot_hold_ends_no_source(fresh_postgres: str) -> None:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    columns = {
        "day": ("date", "infinity"),
        "born": ("date", "0044-03-15 BC"),
        "until": ("timestamptz", "-infinity"),
        "closes": ("time", "24:00:00"),
        "known": ("date", "2026-01-02"),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        declared = ", ".join(f"{name} {kind}" for name, (kind, _) in columns.items())
        connection.execute(f"CREATE TABLE odd (id int PRIMARY KEY, {declared})".encode())
        values = [value for _, value in columns.values()]
        connection.execute("INSERT INTO odd VALUES (1, %s, %s, %s, %s, %s)", values)
    mapping = parse_mapping({"tables": {"public.odd": {"title": "id", "body": "day"}}})
    row, *_ = [event for batch in SqlSource(url, mapping).poll(None) for event in batch.row_changes]
    assert isinstance(row, RowChange) and row.row is not None
    assert json_row(row.row) == {"id": 1} | {name: value for name, (_, value) in columns.items()}
    with reading(DatabaseAddress.parse(url)) as connection:  # as kb verify reads it
        scan = TableScan(connection, "public.odd", frozenset(columns))
        assert all(scan.same(live, json_row(row.row)) for page in scan.pages() for live in page.values())


def test_arrays_of_types_that_the_driver_does_not_know_are_lists(fresh_postgres: str) -> None:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    arrays = {
        "groups": ("citext[]", '{hr,"it, all"}', ["hr", "it, all"]),
        "short": ("code[]", "{hr,it}", ["hr", "it"]),
        "numbers": ("amount[]", "{1,2}", [1, 2]),
        "listed": ("codes", "{hr,it}", ["hr", "it"]),
        "colors": ("color[]", "{red,blue}", ["red", "blue"]),
        "grid": ("text[][]", "{{a,b},{c,d}}", [["a", "b"], ["c", "d"]]),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION citext; CREATE TYPE color AS ENUM ('red', 'blue')")
        connection.execute(
            "CREATE DOMAIN code AS varchar(9); CREATE DOMAIN codes AS text[]; CREATE DOMAIN amount AS int"
        )
        declared = ", ".join(f"{name} {kind}" for name, (kind, _, _) in arrays.items())
        connection.execute(f"CREATE TABLE lists (id int PRIMARY KEY, {declared})".encode())
        values = [value for _, value, _ in arrays.values()]
        connection.execute("INSERT INTO lists VALUES (1, %s, %s, %s, %s, %s, %s)", values)
    mapping = parse_mapping({"tables": {"public.lists": {"title": "id", "body": "id"}}})
    row, *_ = [event for batch in SqlSource(url, mapping).poll(None) for event in batch.row_changes]
    assert isinstance(row, RowChange) and row.row is not None
    assert json_row(row.row) == {"id": 1} | {name: read for name, (_, _, read) in arrays.items()}


def test_reading_tables_sees_what_is_committed_by_then_and_holds_no_lock(fresh_postgres: str) -> None:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE faqs (id int PRIMARY KEY, answer text)")
        connection.execute("INSERT INTO faqs VALUES (1, 'old')")
        repeatable = "ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'"  # MySQL's default
        connection.execute(sql.SQL(repeatable).format(sql.Identifier(connection.info.dbname)))
        with reading(DatabaseAddress.parse(url)) as looking:
            scan = TableScan(looking, "public.faqs", frozenset({"answer"}))
            assert scan.fetch([(1,)])["1"]["answer"] == "old"
            connection.execute("UPDATE faqs SET answer = 'new'")
            assert scan.fetch([(1,)])["1"]["answer"] == "new"
            connection.execute("SET lock_timeout = '2s'")
            connection.execute("ALTER TABLE faqs ADD note text")


LOGGED: dict[str, tuple[str, str, Any]] = {  # column -> type, value as SQL, what the log makes of it (tests/golden)
    "span": ("interval", "1 year 2 mons 3 days 04:05:06.7", "P1Y2M3DT4H5M6.7S"),
    "ago": ("interval", "-1 days -02:00:00", "P0Y0M-1DT-2H0M0S"),
    "none": ("interval", "0", "P0Y0M0DT0H0M0S"),
    "at": ("time(3)", "03:04:05.670", "03:04:05.67"),
    "noon": ("time", "12:00:00", "12:00:00"),
    "abroad": ("timetz", "03:04:05+02", "01:04:05Z"),
    "east": ("timetz", "01:00:00.250+02", "23:00:00.25Z"),
    "valid": ("tstzrange", "[2026-01-01 00:00:00+00,)", '["2026-01-01 00:00:00+00",)'),
    "local": ("tsrange", "[2026-01-01,2026-01-02)", '["2026-01-01 00:00:00","2026-01-02 00:00:00")'),
    "days": ("daterange", "[2026-01-01,2026-01-03)", "[2026-01-01,2026-01-03)"),
    "places": ("int4range", "[1,5]", "[1,6)"),
    "cost": ("money", "-1234.56", -1234.56),
    "price": ("price", "12", 12),
    "yes": ("bit(1)", "1", True),
    "no": ("bit", "0", False),
    "flags": ("bit(10)", "0010101010", "0010101010"),
    "marks": ("bit varying", "00101", "101"),
    "unset": ("bit varying(7)", "000", "0"),
    "spot": ("point", "(1.5,-2)", "POINT(1.5 -2)"),
    "far": ("point", "(1e+30,0.1)", "POINT(1e+30 0.1)"),
    "parts": ("tsmultirange", "{[2026-01-01,2026-01-02)}", '{["2026-01-01 00:00:00","2026-01-02 00:00:00")}'),
}


@pytest.mark.parametrize("keys", ["id", "valid, id", "span, id", "noon, abroad, id", "cost, yes, id"])
def test_a_comparison_reads_values_as_the_log_has_them(
    fresh_postgres: str, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.connect.scan.PAGE_ROWS", 1)
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        declared = ", ".join(f"{name} {kind}" for name, (kind, _, _) in LOGGED.items())
        connection.execute("CREATE DOMAIN price AS money")
        connection.execute(f"CREATE TABLE odd (id int, {declared}, PRIMARY KEY ({keys}))".encode())
        places = ", ".join(["%s"] * (len(LOGGED) + 1))
        for number in (1, 2, 3):
            values = [number, *(value for _, value, _ in LOGGED.values())]
            connection.execute(f"INSERT INTO odd VALUES ({places})".encode(), values)
    stored = {name: value for name, (_, _, value) in LOGGED.items()}
    with reading(DatabaseAddress.parse(url)) as connection:
        scan = TableScan(connection, "public.odd", frozenset(LOGGED))
        rows = [row for page in scan.pages() for row in page.values()]
        fetched = scan.fetch([scan.identity(row) for row in rows])
        kept = [name for name in LOGGED if name != "abroad" or name not in keys]
        for number, row in enumerate(rows, 1):
            assert {name: json_row(row)[name] for name in kept} == {name: stored[name] for name in kept}
            assert row["id"] == number and scan.same(row, stored | {"id": number, "abroad": json_row(row)["abroad"]})
    assert list(fetched.values()) == rows and len(rows) == 3


def test_arrays_and_domains_of_ranges_can_be_compared(fresh_postgres: str) -> None:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DOMAIN stay AS daterange CHECK (NOT isempty(VALUE))")
        connection.execute("CREATE TABLE odd (id int PRIMARY KEY, stays daterange[], one stay, spans interval[])")
        connection.execute("INSERT INTO odd VALUES (1, '{\"[2026-01-01,2026-01-03)\"}', '[2026-01-01,)', '{1 mon}')")
    with reading(DatabaseAddress.parse(url)) as connection:
        (page,) = TableScan(connection, "public.odd", frozenset({"stays", "one", "spans"})).pages()
    one, spans = "[2026-01-01,)", ["P0Y1M0DT0H0M0S"]
    assert page["1"] == {"id": 1, "stays": ["[2026-01-01,2026-01-03)"], "one": one, "spans": spans}


# column -> type, value as SQL, what a document shows of it. The type `geometry` has the output of PostGIS's, no more.
SHOWN: dict[str, tuple[str, str, Any]] = {
    "cost": ("money", "-1234.56", -1234.56),
    "yes": ("bit(1)", "1", True),
    "spot": ("point", "(1.5,-2)", "POINT(1.5 -2)"),
    "spots": ("point[]", '{"(1,2)","(-Infinity,4)"}', ["POINT(1 2)", "POINT(-inf 4)"]),
    "place": ("geometry", "0101000020E6100000000000000000F03F0000000000000040", "POINT(1 2)"),
    "odd_one": ("geometry", "unknown", "unknown"),
    "nothing": ("point", "", None),
}


def test_a_snapshot_and_a_preview_show_money_bits_and_geometries_as_the_log_does(fresh_postgres: str) -> None:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            CREATE TYPE geometry;
            CREATE FUNCTION geometry_in(cstring) RETURNS geometry IMMUTABLE STRICT LANGUAGE internal AS 'textin';
            CREATE FUNCTION geometry_out(geometry) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
            CREATE TYPE geometry (INPUT = geometry_in, OUTPUT = geometry_out)""")
        declared = ", ".join(f"{name} {kind}" for name, (kind, _, _) in SHOWN.items())
        connection.execute(f"CREATE TABLE odd (id int PRIMARY KEY, {declared})".encode())
        values = [1, *(value or None for _, value, _ in SHOWN.values())]
        connection.execute(f"INSERT INTO odd VALUES ({', '.join(['%s'] * len(values))})".encode(), values)
    body = "\n".join(f"{name}: {{{name}}}" for name in SHOWN)
    mapping = parse_mapping({"tables": {"public.odd": {"title": "id", "body": body, "metadata": list(SHOWN)}}})
    row, *_ = [event for batch in SqlSource(url, mapping).poll(None) for event in batch.row_changes]
    assert isinstance(row, RowChange) and row.row is not None
    expected = {name: value for name, (_, _, value) in SHOWN.items()}
    assert repr(json_row(row.row)) == repr({"id": 1} | expected)  # 1 is no true
    (document,) = preview(DatabaseAddress.parse(url), mapping, 1).documents
    assert document.metadata["cost"] == -1234.56 and document.metadata["yes"] is True
    assert "spot: POINT(1.5 -2)\n" in document.text and "place: POINT(1 2)\n" in document.text
    with reading(DatabaseAddress.parse(url)) as connected:
        scan = TableScan(connected, "public.odd", frozenset(SHOWN))
        assert all(scan.same(live, json_row(row.row)) for page in scan.pages() for live in page.values())
