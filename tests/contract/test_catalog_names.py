"""Names are listed in one order, and found in any case, on every database, whatever its language."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from retrieval.catalog import Catalog, Commit, Upsert, sqlite_url
from retrieval.catalog.schedules import NewSchedule
from retrieval.types import OPERATOR, Document

NAMES = ("aa", "a-b", "a_c", "ab", "b1", "b-2", "b_3", "b4")  # by a language's rules, punctuation counts last


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    if request.param == "sqlite":
        opened = Catalog(sqlite_url(tmp_path / "c.db"))
        yield opened
        opened.close()
        return
    url, name = request.getfixturevalue("postgres_url"), f"kb_test_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        made = f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'"
        connection.execute(made.encode())
    opened = Catalog(urlsplit(url)._replace(scheme="postgresql+psycopg", path=f"/{name}").geturl())
    yield opened
    opened.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_everything_with_a_name_is_in_the_order_of_its_characters(catalog: Catalog) -> None:
    for name in NAMES:
        catalog.collections.create(name, "hash", "fp")
    found = catalog.collections.get("aa")
    for name in NAMES:
        catalog.eval_sets.create(found, name, [])
        catalog.sources.register(found, name, "files")
        catalog.schedules.create(NewSchedule(name, "verify", "aa", {}, 3600))
    expected = sorted(NAMES)
    assert [one.name for one in catalog.collections.all()] == expected
    assert [one.name for one in catalog.eval_sets.all(found)] == expected
    assert [one.name for one in catalog.sources.all(found)] == expected
    assert [one.name for one in catalog.schedules.all()] == expected


def test_documents_are_listed_by_words_in_any_case(catalog: Catalog) -> None:
    found = catalog.collections.create("docs", "hash", "fp")
    titles = {"a": "Über uns", "b": "МОСКВА план", "c": "Café Menu", "d": "Plan"}
    catalog.writer.commit(found.id, Commit([Upsert(Document(key, title, title), []) for key, title in titles.items()]))
    for words, key in (("über", "a"), ("ÜBER", "a"), ("москва", "b"), ("CAFÉ", "c"), ("ПЛАН", "b"), ("plan", "d")):
        assert [one.document.key for one in catalog.documents.page(found, OPERATOR, limit=9, words=words)] == [key], (
            words
        )
