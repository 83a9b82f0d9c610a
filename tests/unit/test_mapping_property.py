"""Any operations on joined tables, delivered as Kafka and connectors may deliver them, end as the final tables say.

Partitions keep the order of one key only. A connector that restarts sends again what it sent since some moment; a
worker that restarts, or is overtaken, begins anew from what the catalog holds. Where two changes of key of one table
are under way at once, a row may wait for its large value until it is read again; it is not shown until then.
"""

from __future__ import annotations

import random
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.changes import Change, RowChange, RowEvent, Truncation
from ingest.incomplete import waits
from ingest.row_mapper import RowMapper
from ingest.rows import RowStore
from ingest.table_mapping import parse_mapping
from retrieval.catalog import Catalog, Commit, Upsert, sqlite_url
from retrieval.types import Deletion, Document, SourcePosition

MAPPING = parse_mapping(
    {
        "tables": {
            "s.books": {
                "title": "title",
                "body": "{title} {large}\n{author.name} of {author.city.name}",
                "include": {
                    "author": {
                        "table": "s.authors",
                        "on": {"id": "author_id"},
                        "include": {"city": {"table": "s.cities", "on": {"id": "city_id"}}},
                    }
                },
            },
            "s.cities": {
                "title": "name",
                "body": "{name}\n{people.name}",
                "include": {"people": {"table": "s.authors", "on": {"city_id": "id"}, "many": True}},
            },
        }
    }
)
LINKS = {"books": "author_id", "authors": "city_id", "cities": None}
PARTITIONS = 3
Tables = dict[str, dict[int, dict[str, Any]]]


@dataclass(frozen=True)
class Step:
    """What a client of the database does; `number` chooses values."""

    kind: str  # write, change (leaves the large value alone), delete, move, truncate
    table: str
    pk: int
    number: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["write", "write", "write", "change", "change", "delete", "move", "truncate"]),
        st.sampled_from(sorted(LINKS)),
        st.integers(1, 3),
        st.integers(0, 5),
    ),
    max_size=18,
)


def happened(steps: list[Step]) -> tuple[list[RowEvent], Tables]:
    """The change events of these steps, and the tables afterwards."""
    tables: Tables = {table: {} for table in LINKS}
    events: list[RowEvent] = []
    for place, step in enumerate(steps, start=1):
        events += _events(step, tables[step.table], SourcePosition((place * 10 - 5, place * 10)))
    return events, tables


def _events(step: Step, table: dict[int, dict[str, Any]], at: SourcePosition) -> Iterator[RowEvent]:
    name, pk = f"s.{step.table}", step.pk
    if step.kind == "truncate" and step.number < 4:
        table.clear()
        yield Truncation(name, at)
    elif step.kind == "delete" and pk in table:
        del table[pk]
        yield RowChange(name, str(pk), None, at)
    elif step.kind == "move" and pk in table and (new := pk % 3 + 1) not in table:
        table[new] = {**table.pop(pk), "id": new}
        yield RowChange(name, str(pk), None, at, moved=str(new))
        yield _sent(name, new, table[new], at, moved=str(pk))
    elif step.kind == "change" and pk in table:
        table[pk] = _row(step, pk) | {"large": table[pk]["large"]}
        yield _sent(name, pk, table[pk], at)
    elif step.kind == "write":
        table[pk] = _row(step, pk)
        yield RowChange(name, str(pk), dict(table[pk]), at)


def _row(step: Step, pk: int) -> dict[str, Any]:
    link = {} if LINKS[step.table] is None else {LINKS[step.table]: step.number % 4 or None}
    words = {"title": f"t{step.number}"} if step.table == "books" else {"name": f"n{step.number}"}
    return {"id": pk, "large": f"L{step.number}", **words, **link}


def _sent(name: str, pk: int, row: dict[str, Any], at: SourcePosition, **more: Any) -> RowChange:
    """As PostgreSQL sends an update that leaves a large value alone."""
    small = {column: value for column, value in row.items() if column != "large"}
    return RowChange(name, str(pk), small, at, unavailable=frozenset({"large"}), **more)


def delivered(events: list[RowEvent], chance: random.Random) -> list[RowEvent]:
    """In order within a partition, stretches sent again, partitions mixed as it happens."""
    queues: dict[int, list[RowEvent]] = defaultdict(list)
    for event in events:
        key = (event.table, event.pk) if isinstance(event, RowChange) else (event.table, str(chance.random()))
        queues[random.Random(repr(key)).randrange(PARTITIONS)].append(event)
    for queue in queues.values():
        if queue and chance.random() < 0.6:  # a restarted connector: from some moment on, once more
            end = chance.randrange(len(queue)) + 1
            queue[end:end] = queue[chance.randrange(end) : end]
    mixed = []
    while any(queues.values()):
        queue = chance.choice([queue for queue in queues.values() if queue])
        mixed.append(queue.pop(0))
    return mixed


def oracle(tables: Tables) -> dict[str, str]:
    """The documents, written by hand over the final tables."""
    texts = {}
    for pk, book in tables["books"].items():
        author = tables["authors"].get(book["author_id"])
        city = tables["cities"].get(author["city_id"]) if author else None
        lines = [f"{book['title']} {book['large']}"]
        lines += [f"{author['name']} of {city['name'] if city else ''}"] if author else []
        texts[f"s.books/{pk}"] = "\n".join(lines)
    for pk, city in tables["cities"].items():
        people = [author["name"] for _, author in sorted(tables["authors"].items()) if author["city_id"] == pk]
        texts[f"s.cities/{pk}"] = "\n".join([city["name"], *people])
    return texts


def stored(catalog: Catalog, collection_id: int) -> dict[str, str]:
    query = sa.text(
        "SELECT d.key, t.text FROM documents d JOIN document_texts t USING (collection_id, number) "
        "WHERE d.collection_id = :c AND NOT d.deleted"
    )
    with catalog.writer._engine.connect() as connection:
        return {row.key: row.text for row in connection.execute(query, {"c": collection_id})}


def committed(changes: Sequence[Change], mapper: RowMapper) -> Commit:
    """These changes with the rows that they leave."""
    upserts = [c if isinstance(c, Deletion) else Upsert(c, ()) for c in changes if isinstance(c, Deletion | Document)]
    return Commit(upserts, rows=mapper.drain())


def rows_that_wait(rows: RowStore) -> set[tuple[str, int]]:
    """(table, key) of those of which something that the mapping needs is not known."""
    found = set()
    for table in LINKS:
        needed = MAPPING.columns_of(f"s.{table}")
        for key in rows.keys(f"s.{table}"):
            row = rows.read(f"s.{table}", key)
            if row and row[1] and waits(row[1], needed):
                found.add((table, int(key)))
    return found


def moves(steps: list[Step], table: str) -> int:
    """How many changes of key were asked for."""
    return sum(step.kind == "move" and step.table == table for step in steps)


def without(tables: Tables, rows: set[tuple[str, int]]) -> Tables:
    """The tables as if these rows were not there."""
    return {name: {pk: row for pk, row in table.items() if (name, pk) not in rows} for name, table in tables.items()}


def snapshot(table: str, pk: int, row: dict[str, Any]) -> RowChange:
    """The row as a snapshot after everything reads it."""
    return RowChange(f"s.{table}", str(pk), dict(row), SourcePosition((10**6, 10**6)))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path_factory.mktemp("catalog") / "catalog.db"))
    yield opened
    opened.close()


@settings(max_examples=60)
@given(steps=STEPS, seed=st.integers(0, 2**20))
def test_any_delivery_ends_as_the_final_tables_say(catalog: Catalog, steps: list[Step], seed: int) -> None:
    chance = random.Random(seed)
    events, tables = happened(steps)
    collection = catalog.collections.create(f"c{secrets.token_hex(8)}", "hash", "f")
    try:
        record = catalog.sources.register(collection, "db", "database")
        mapper = RowMapper(MAPPING, catalog.sources.rows(record))
        waiting, shown = delivered(events, chance), dict[str, SourcePosition]()
        while waiting:
            batch, waiting = waiting[: (size := chance.randrange(1, 6))], waiting[size:]
            changes = mapper.apply(batch)
            commit = committed(changes, mapper)
            if chance.random() < 0.2:  # killed before it committed
                waiting = [*batch, *waiting]
            else:
                catalog.writer.commit(collection.id, commit)
                for change in changes:
                    assert change.position is not None and change.position >= shown.get(change.key, change.position)
                    shown[change.key] = change.position
            if chance.random() < 0.5:
                mapper = RowMapper(MAPPING, catalog.sources.rows(record))
        waiting_rows = rows_that_wait(catalog.sources.rows(record))
        assert all(moves(steps, table) > 1 for table, _ in waiting_rows), "the other half of a move brings the value"
        assert stored(catalog, collection.id) == oracle(without(tables, waiting_rows)), "what waits is not seen"
        again = [snapshot(table, pk, tables[table][pk]) for table, pk in sorted(waiting_rows)]
        catalog.writer.commit(collection.id, committed(mapper.apply(again), mapper))
        assert stored(catalog, collection.id) == oracle(tables), "a newer snapshot of it brings what was unknown"
    finally:
        catalog.collections.drop(collection.name)
