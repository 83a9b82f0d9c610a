"""A real MariaDB whose values are read by URL and by `kb verify` as a live source's log has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from live_world import mariadb
from stack import StackOf

from ingest.changes import RowChange
from ingest.connect.address import DatabaseAddress
from ingest.connect.preview import preview
from ingest.connect.scan import TableScan
from ingest.connect.tables import reading
from ingest.row_values import json_row
from ingest.sources.sql import SqlSource
from ingest.table_mapping import parse_mapping

pytestmark = [pytest.mark.server, pytest.mark.slow]

# column -> its type, values as SQL, and what a row of a live source has of them, but for TIMEs that its log lacks
COLUMNS: dict[str, tuple[str, tuple[str, str], tuple[Any, Any]]] = {
    "tags": ("SET('red','green','blue')", ("'blue,red,green'", "''"), ("red,green,blue", "")),
    "span": ("TIME", ("'-25:04:05'", "'838:59:59'"), ("-25:04:05", "838:59:59")),
    "at": ("TIME(6)", ("'03:04:05.678'", "'-00:00:00.000001'"), ("03:04:05.678", "-00:00:00.000001")),
    "flags": ("BIT(10)", ("b'1010101010'", "b'1'"), ("1010101010", "0000000001")),
    "yes": ("BIT(1)", ("b'1'", "b'0'"), (True, False)),
    "small": ("DOUBLE", ("1.23456789012345e-12", "-1e300"), (1.23456789012345e-12, -1e300)),
    "nothing": ("TIME", ("NULL", "NULL"), (None, None)),
    "spot": ("POINT", ("POINT(1.5, -2)", "NULL"), ("POINT(1.5 -2)", None)),
    "shape": (
        "GEOMETRY",
        ("ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))', 4326)", "ST_GeomFromText('LINESTRING(0 0, 1 1)')"),
        ("POLYGON((0 0,1 0,1 1,0 0))", "LINESTRING(0 0,1 1)"),
    ),
    "several": (
        "GEOMETRYCOLLECTION",
        ("ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2), MULTIPOINT(3 4, 5 6))')", "NULL"),
        ("GEOMETRYCOLLECTION(POINT(1 2),MULTIPOINT((3 4),(5 6)))", None),
    ),
}
EXPECTED = [{"id": n + 1} | {name: rows[n] for name, (_, _, rows) in COLUMNS.items()} for n in range(2)]


@pytest.fixture
def database(stack_of: StackOf) -> Iterator[str]:
    """The URL of a database with a table `odd` of these values."""
    server, name = stack_of("mariadb").url("mariadb"), f"odd_{secrets.token_hex(4)}"
    declared = ", ".join(f"{column} {kind}" for column, (kind, _, _) in COLUMNS.items())
    with mariadb(server) as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE TABLE {name}.odd (id INT PRIMARY KEY, {declared})")
        for number in range(2):
            values = ", ".join(given[number] for _, given, _ in COLUMNS.values())
            cursor.execute(f"INSERT INTO {name}.odd VALUES ({number + 1}, {values})")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        cursor.execute(f"DROP DATABASE {name}")


def test_a_snapshot_reads_values_as_the_log_has_them(database: str) -> None:
    table = f"{database.rpartition('/')[2]}.odd"
    mapping = parse_mapping({"tables": {table: {"title": "id", "body": "{tags} {span} {flags}"}}})
    events = [event for batch in SqlSource(database, mapping).poll(None) for event in batch.row_changes]
    rows = [json_row(one.row) for one in events if isinstance(one, RowChange) and one.row is not None]
    assert repr(rows) == repr(EXPECTED)  # 1 is no true


def test_a_comparison_finds_values_of_the_log_equal_and_stores_the_same(database: str) -> None:
    name = f"{database.rpartition('/')[2]}.odd"
    with reading(DatabaseAddress.parse(database)) as connection:
        scan = TableScan(connection, name, frozenset(COLUMNS))
        (page,) = scan.pages()
        assert all(scan.same(row, stored) for row, stored in zip(page.values(), EXPECTED, strict=True))
        assert not scan.same(page["1"], EXPECTED[1])
        assert repr([json_row(row) for row in page.values()]) == repr(EXPECTED)
        assert scan.same(page["1"], EXPECTED[0] | {"span": None}), "the log has none of such a time"
        for former in ({"at": None}, {"small": "1.23456789012345e-12"}, {"flags": 1010101010}):
            assert not scan.same(page["1"], EXPECTED[0] | former)


@pytest.mark.parametrize("kind", ["ENUM", "SET"])
def test_pages_hold_every_row_where_declaration_and_alphabet_differ(
    database: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.connect.scan.PAGE_ROWS", 2)
    name = database.rpartition("/")[2]
    with mariadb(database) as cursor:
        exact = f"{kind}('z','m','a','A') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        cursor.execute(f"CREATE TABLE sorted (kind {exact}, id INT, PRIMARY KEY (kind, id))")
        kinds = "SELECT 'z' kind UNION ALL SELECT 'm' UNION ALL SELECT 'a' UNION ALL SELECT 'A'"
        numbers = "SELECT 1 id UNION SELECT 2 UNION SELECT 3"
        cursor.execute(f"INSERT INTO sorted SELECT kind, id FROM ({kinds}) k, ({numbers}) i")
    with reading(DatabaseAddress.parse(database)) as connection:
        scan = TableScan(connection, f"{name}.sorted", frozenset())
        found = [key for page in scan.pages() for key in page]
    assert found == [f"{letter},{number}" for letter in "Aamz" for number in (1, 2, 3)]


def test_rows_are_found_by_keys_of_such_types(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.connect.scan.PAGE_ROWS", 1)
    name = database.rpartition("/")[2]
    with mariadb(database) as cursor:
        cursor.execute("CREATE TABLE keyed (flags BIT(10), span TIME(3), PRIMARY KEY (flags, span))")
        cursor.execute("INSERT INTO keyed VALUES (b'11', '-01:00:00.5'), (b'10', '30:00:00'), (b'10', '06:00:00')")
    with reading(DatabaseAddress.parse(database)) as connection:
        scan = TableScan(connection, f"{name}.keyed", frozenset())
        found = {key: row for page in scan.pages() for key, row in page.items()}
        assert list(found) == ["0000000010,06:00:00", "0000000010,30:00:00", "0000000011,-01:00:00.5"]
        assert scan.fetch([scan.identity(row) for row in found.values()]).keys() == found.keys()


def test_a_preview_tells_of_a_row_that_the_database_alone_joins(database: str) -> None:
    name = database.rpartition("/")[2]
    with mariadb(database) as cursor:
        for table, column in (("parts", "maker_code"), ("makers", "code")):
            kind = "VARCHAR(9) COLLATE utf8mb4_general_ci"
            cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, {column} {kind}, name TEXT)")
        cursor.execute("INSERT INTO parts VALUES (1, 'ACME', 'valve'), (2, 'Kraft', 'pump'), (3, 'Ohm', 'coil')")
        cursor.execute("INSERT INTO makers VALUES (7, 'acme', 'Acme Inc'), (8, 'Kraft ', 'Kraft'), (9, 'Ohm', 'Ohm')")
    maker = {"table": f"{name}.makers", "on": {"code": "maker_code"}}
    body = "{name} of {maker.name}"
    mapping = parse_mapping({"tables": {f"{name}.parts": {"title": "name", "body": body, "include": {"maker": maker}}}})

    def tried() -> tuple[list[str], list[tuple[str, str | None]]]:
        found = preview(DatabaseAddress.parse(database), mapping, 3)
        assert all("maker_code" in one.message for one in found.problems)
        return [one.text for one in found.documents], [(one.table, one.key) for one in found.problems]

    assert tried() == (["valve of ", "pump of ", "coil of Ohm"], [(f"{name}.makers", "7")])
    with mariadb(database) as cursor:
        cursor.execute("UPDATE makers SET code = 'ACME' WHERE id = 7")
    assert tried()[1] == [(f"{name}.makers", "8")], "a blank at the end tells them apart"
    with mariadb(database) as cursor:
        cursor.execute("UPDATE makers SET code = 'Kraft' WHERE id = 8")
    assert tried() == (["valve of Acme Inc", "pump of Kraft", "coil of Ohm"], [])
