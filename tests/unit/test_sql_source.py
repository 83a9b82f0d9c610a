"""A snapshot of a real SQLite database through the mapping, and again after it changed."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path

import pytest

from ingest.changes import RowChange
from ingest.errors import MappingError, SourceError
from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.sources.sql import SqlSource
from ingest.table_mapping import parse_mapping
from retrieval.types import Deletion, Document

MAPPING = {
    "tables": {
        "main.books": {
            "title": "title",
            "body": "{title} by {author.name}\nLoans: {loans.reader}",
            "metadata": ["price"],
            "include": {
                "author": {"table": "main.authors", "on": {"id": "author_id"}},
                "loans": {"table": "main.loans", "on": {"book_id": "id"}, "many": True},
            },
        }
    }
}
SCHEMA = """
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, author_id INTEGER, price NUMERIC(8,2), added DATE);
CREATE TABLE loans (book_id INTEGER, reader TEXT, PRIMARY KEY (book_id, reader));
CREATE TABLE notes (words TEXT);
INSERT INTO authors VALUES (1, '鲁迅'), (2, 'Ann');
INSERT INTO books VALUES (1, '呐喊', 1, 12.5, '2026-01-02'), (2, 'Trees', 2, 8, NULL);
INSERT INTO loans VALUES (2, 'Li'), (2, 'Bo');
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "library.db"
    change(path, SCHEMA)
    return path


def change(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def poller(path: Path) -> Callable[[], dict[str, Document | Deletion]]:
    mapping, rows = parse_mapping(MAPPING), MemoryRows()
    mapper, cursor = RowMapper(mapping, rows), None
    ticks = itertools.count(1_000_000)
    source = SqlSource(f"sqlite:///{path}", mapping, clock=lambda: float(next(ticks)))

    def poll() -> dict[str, Document | Deletion]:
        nonlocal cursor
        found: dict[str, Document | Deletion] = {}
        for batch in source.poll(cursor):
            found |= {result.key: result for result in mapper.apply([*batch.row_changes, *batch.sweeps])}
            rows.write(mapper.drain())
            cursor = batch.cursor or cursor
        return found

    return poll


def texts(found: dict[str, Document | Deletion]) -> dict[str, str | None]:
    return {key: result.text if isinstance(result, Document) else None for key, result in found.items()}


def test_rows_and_their_joins_become_documents(database: Path) -> None:
    found = poller(database)()
    assert texts(found) == {"main.books/1": "呐喊 by 鲁迅", "main.books/2": "Trees by Ann\nLoans: Bo\nLoans: Li"}
    first = found["main.books/1"]
    assert isinstance(first, Document)
    assert first.metadata == {"price": 12.5}


def test_the_next_snapshot_finds_updates_deletes_and_vanished_joined_rows(database: Path) -> None:
    poll = poller(database)
    poll()
    change(database, "DELETE FROM loans WHERE reader='Bo'; UPDATE authors SET name='Lu Xun' WHERE id=1")
    assert texts(poll()) == {"main.books/1": "呐喊 by Lu Xun", "main.books/2": "Trees by Ann\nLoans: Li"}
    change(database, "DELETE FROM books WHERE id=2")
    assert texts(poll())["main.books/2"] is None
    assert "main.books/2" not in poll(), "a deletion is told once"


def test_the_snapshot_is_of_one_moment(database: Path) -> None:
    change(database, "PRAGMA journal_mode=WAL")
    batches = SqlSource(f"sqlite:///{database}", parse_mapping(MAPPING)).poll(None)
    seen = [next(batches)]
    change(database, "DELETE FROM books")
    rows = [event for batch in (*seen, *batches) for event in batch.row_changes]
    assert sum(event.table == "main.books" and hasattr(event, "row") for event in rows) == 2


@pytest.mark.parametrize(
    ("declared", "value", "read"),
    [
        ("NUMERIC", "1234567.89", 1234567.89),
        ("DECIMAL(20,12)", "1e-12", 1e-12),
        ("DECIMAL(10,2)", "1.10", 1.1),
        ("DECIMAL(10,2)", "'abc'", "abc"),
        ("DATETIME", "'2024-01-02 03:04:05'", datetime(2024, 1, 2, 3, 4, 5)),
        ("DATETIME", "1700000000", 1700000000),
        ("DATETIME", "''", ""),
        ("DATE", "'2024-01-02'", date(2024, 1, 2)),
        ("DATE", "'02.01.2024'", "02.01.2024"),
        ("TIME", "'03:04:05'", time(3, 4, 5)),
        ("BOOLEAN", "1", True),
        ("BOOLEAN", "'f'", "f"),
        ("JSON", """'{"a": 12345678901234567890}'""", {"a": 12345678901234567890}),
        ("JSON", "'{bad'", "{bad"),
        ("TEXT", "cast(x'636166e9' as text)", r"caf\xe9"),
        ("BLOB", "x'00ff'", b"\x00\xff"),
        ("INTEGER", "NULL", None),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_read_as_it_is(
    tmp_path: Path, declared: str, value: str, read: object
) -> None:
    database = tmp_path / "odd.db"
    change(database, f"CREATE TABLE odd (id INTEGER PRIMARY KEY, v {declared}); INSERT INTO odd VALUES (1, {value})")
    mapping = parse_mapping({"tables": {"main.odd": {"title": "id", "body": "v"}}})
    row, *_ = [e for batch in SqlSource(f"sqlite:///{database}", mapping).poll(None) for e in batch.row_changes]
    assert isinstance(row, RowChange) and row.row == {"id": 1, "v": read}
    assert row.row is not None and type(row.row["v"]) is type(read)


def test_composite_keys_are_joined_by_a_comma(database: Path) -> None:
    mapping = parse_mapping({"tables": {"main.loans": {"title": "reader", "body": "{reader}"}}})
    events = [e for batch in SqlSource(f"sqlite:///{database}", mapping).poll(None) for e in batch.row_changes]
    assert [event.pk for event in events if hasattr(event, "pk")] == ["2,Bo", "2,Li"]


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [
        ("main.book", "title", r"main\.book does not exist.*known tables:.*main\.books"),
        ("main.books", "titel", r"no column 'titel'.*known columns: added, author_id, id, price, title"),
        ("main.notes", "words", "no primary key"),
        ("other.books", "title", r"other\.books does not exist"),
    ],
)
def test_a_mapping_beside_the_database_is_refused(database: Path, table: str, column: str, message: str) -> None:
    mapping = parse_mapping({"tables": {table: {"title": column, "body": column}}})
    with pytest.raises(MappingError, match=message):
        list(SqlSource(f"sqlite:///{database}", mapping).poll(None))


@pytest.mark.parametrize("url", ["sqlite:////nowhere/x.db", "sqlite://", "oracle://x/y", "no url"])
def test_an_address_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(SourceError):
        SqlSource(url, parse_mapping(MAPPING))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://ann:secret@localhost/shop", "postgresql://ann:***@localhost/shop"),
        ("postgresql://localhost/shop?user=ann&password=secret", "postgresql://localhost/shop?user=ann"),
        (
            "mysql://h/shop?passwd=secret&PASSWORD=secret&sslpassword=secret&charset=utf8mb4",
            "mysql://h/shop?charset=utf8mb4",
        ),
    ],
)
def test_the_name_hides_the_password(url: str, name: str) -> None:
    source = SqlSource(url, parse_mapping(MAPPING))
    assert source.name == name
    assert "secret" in source._url.render_as_string(hide_password=False), "the driver is still told"


def test_a_file_has_one_name_from_every_folder(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SqlSource(f"sqlite:///{database}", parse_mapping(MAPPING)).name
    assert whole == f"sqlite:///{database}"
    monkeypatch.chdir(database.parent)
    assert SqlSource("sqlite:///library.db", parse_mapping(MAPPING)).name == whole


def test_tables_that_are_mapped_and_joined_come_before_what_joins_them(database: Path) -> None:
    """So that every document is rendered once and whole, whatever the tables are called."""
    change(database, "CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT); ALTER TABLE authors ADD zone INTEGER")
    zone = {"zone": {"table": "main.zones", "on": {"id": "zone"}}}
    author = {"author": {"table": "main.authors", "on": {"id": "author_id"}}}
    tables = {
        "main.authors": {"title": "name", "body": "{name} of {zone.name}", "include": zone},
        "main.books": {"title": "title", "body": "{title} by {author.name}", "include": author},
        "main.zones": {"title": "name", "body": "{name}"},
    }
    change(database, "INSERT INTO zones VALUES (5, 'Gent'); UPDATE authors SET zone = 5")
    mapping = parse_mapping({"tables": tables})
    mapper = RowMapper(mapping, MemoryRows(), strict=True)
    documents = [
        document
        for batch in SqlSource(f"sqlite:///{database}", mapping).poll(None)
        for document in mapper.apply(batch.row_changes)
    ]
    texts = [document.text for document in documents if isinstance(document, Document)]
    assert texts == ["Gent", "鲁迅 of Gent", "Ann of Gent", "呐喊 by 鲁迅", "Trees by Ann"]


def test_tables_that_join_each_other_are_read_by_name(database: Path) -> None:
    books = {"books": {"table": "main.books", "on": {"author_id": "id"}, "many": True}}
    author = {"author": {"table": "main.authors", "on": {"id": "author_id"}}}
    both = {
        "main.authors": {"title": "name", "body": "{name} wrote {books.title}", "include": books},
        "main.books": {"title": "title", "body": "{title} by {author.name}", "include": author},
    }
    mapping = parse_mapping({"tables": both})
    rows = [e for batch in SqlSource(f"sqlite:///{database}", mapping).poll(None) for e in batch.row_changes]
    assert [row.table for row in rows] == ["main.books", "main.books", "main.authors", "main.authors"]


def test_rows_that_cannot_be_told_apart_by_their_key_are_failures(database: Path) -> None:
    """SQLite allows any number of nulls in a key that is no integer, and keys of any length."""
    change(database, "CREATE TABLE n (a TEXT, b TEXT, PRIMARY KEY (a, b)) ; INSERT INTO n VALUES ('x', 'y')")
    change(database, f"INSERT INTO n VALUES (NULL, 'p'), (NULL, 'p'), ('x', NULL), ('{'k' * 2_001}', 'y')")
    mapping = parse_mapping({"tables": {"main.n": {"title": "a", "body": "{a}"}}})
    batches = list(SqlSource(f"sqlite:///{database}", mapping).poll(None))
    assert [event.pk for batch in batches for event in batch.row_changes if isinstance(event, RowChange)] == ["x,y"]
    reasons = sorted(failure.reason for batch in batches for failure in batch.failures)
    assert len(reasons) == 4 and "longer than 2,000 bytes" in reasons[-1]
    assert "no value in a of its primary key" in reasons[0] and "no value in b" in reasons[2]


def test_a_nul_in_a_key_a_link_or_an_address_is_stored_nowhere(database: Path) -> None:
    """PostgreSQL refuses it; two keys stay two."""
    change(database, "CREATE TABLE c (id TEXT PRIMARY KEY, w TEXT); CREATE TABLE p (id TEXT PRIMARY KEY, cat TEXT)")
    change(database, "INSERT INTO c VALUES ('en', 'plain'), ('en' || char(0), 'odd')")
    change(database, "INSERT INTO p VALUES ('1', 'en'), ('1' || char(0), 'en' || char(0))")
    include = {"c": {"table": "main.c", "on": {"id": "cat"}}}
    form = {"title": "id", "body": "is {c.w}", "uri": "http://x/{id}", "language": "{cat}", "include": include}
    mapper = RowMapper(mapping := parse_mapping({"tables": {"main.p": form}}), rows := MemoryRows(), strict=True)
    found: dict[str, Document] = {}
    for batch in SqlSource(f"sqlite:///{database}", mapping).poll(None):
        found.update((one.key, one) for one in mapper.apply(batch.row_changes) if isinstance(one, Document))
        rows.write(mapper.drain())
    assert {key: (one.text, one.uri, one.language) for key, one in found.items()} == {
        "main.p/1": ("is plain", "http://x/1", "en"),
        r"main.p/1\x00": ("is odd", "http://x/1", ""),  # no language: it is detected
    }
    assert rows.keys_where("main.c", "id", r"en\x00") == [r"en\x00"]
