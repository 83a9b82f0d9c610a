"""Keys in pages: by the time they were made, and by id where several were made at one time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from retrieval.catalog import Catalog, schema
from retrieval.catalog.engine import writing
from retrieval.catalog.keys import Scope


def test_pages_follow_a_time_and_an_id(catalog: Catalog) -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 123_456, UTC)
    made = {catalog.keys.create("k", Scope.READ)[0].id: moment + timedelta(microseconds=n // 3) for n in range(7)}
    c = schema.api_keys.c
    with writing(catalog._engine) as connection:
        for key_id, at in made.items():
            connection.execute(schema.api_keys.update().where(c.id == key_id).values(created_at=at))
    expected = sorted(made, key=lambda key_id: (made[key_id], key_id))
    assert [key.id for key in catalog.keys.all()] == expected
    for start in range(len(expected)):
        last = expected[start]
        found = catalog.keys.page(2, (made[last], last))
        assert [key.id for key in found] == expected[start + 1 : start + 3]
    assert [key.id for key in catalog.keys.page(2)] == expected[:2]
    assert [key.id for key in catalog.keys.page(9, (moment, ""))] == expected
