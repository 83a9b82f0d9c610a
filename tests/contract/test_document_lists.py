"""Lists for callers who may read little: what they show, and how often the database is asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from retrieval.catalog import Catalog, Collection, CollectionSettings, Commit, Upsert
from retrieval.catalog.rights import may_read
from retrieval.filters import parse_filter
from retrieval.types import OPERATOR, Chunk, Deletion, Document, Principal

HIDDEN = 1_100  # documents before and between those that the caller may read
NOBODY, STAFF, HR = (Principal("x", frozenset(groups)) for groups in ([], ["everyone"], ["everyone", "hr", "it's"]))
LISTS: list[list[str] | None] = [None, [], ["hr"], ["everyone"], ["board", "it's"], ["人事"], ['"hr"'], ["a\tb"], ["%"]]


def upsert(key: str, acl: list[str] | None, *texts: str, **metadata: object) -> Upsert:
    document = Document(key, " ".join(texts), acl=None if acl is None else tuple(acl), metadata=metadata)
    return Upsert(document, [Chunk(number, text, 0, len(text)) for number, text in enumerate(texts)])


def write(catalog: Catalog, collection: Collection, *changes: Upsert | Deletion) -> None:
    catalog.writer.commit(collection.id, Commit(changes))


def listed(catalog: Catalog, collection: Collection, principal: Principal) -> set[str]:
    return {one.document.key for one in catalog.documents.page(collection, principal, limit=99)}


@contextmanager
def counted(catalog: Catalog) -> Iterator[list[str]]:
    """The statements that are run inside the `with`."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(catalog._engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(catalog._engine, "before_cursor_execute", note)


@pytest.fixture
def hidden(catalog: Catalog, handbook: Collection) -> Collection:
    """Many documents of HR's, two of everybody's."""
    private = [upsert(f"k{number:05}", ["hr"], "text", year=2024) for number in range(HIDDEN)]
    write(catalog, handbook, *private, upsert("k00500a", None, "one", "two", year=2025), upsert("z", None, "three"))
    return handbook


@pytest.mark.parametrize(("limit", "shown"), [(1, [("k00500a", 2)]), (2, [("k00500a", 2), ("z", 1)])])
def test_a_page_of_one_readable_document_takes_few_statements(
    catalog: Catalog, hidden: Collection, limit: int, shown: list[tuple[str, int]]
) -> None:
    with counted(catalog) as statements:
        page = catalog.documents.page(hidden, STAFF, limit=limit)
    assert [(one.document.key, one.chunks) for one in page] == shown
    selects = [one for one in statements if "SELECT" in one]
    assert len(selects) <= 4, f"{len(selects)} statements for {HIDDEN} documents"
    with counted(catalog) as statements:
        assert catalog.documents.page(hidden, NOBODY, limit=limit) == []
    assert len([one for one in statements if "SELECT" in one]) <= 4


def test_a_page_whose_rows_are_dropped_by_a_filter_takes_few_statements(catalog: Catalog, hidden: Collection) -> None:
    with counted(catalog) as statements:
        page = catalog.documents.page(hidden, HR, limit=1, filter=parse_filter({"year": 2025}))
    assert [(one.document.key, one.chunks) for one in page] == [("k00500a", 2)]
    assert len([one for one in statements if "SELECT" in one]) <= 4


def test_a_page_of_deleted_documents_takes_few_statements(catalog: Catalog, hidden: Collection) -> None:
    write(catalog, hidden, *(Deletion(f"k{number:05}") for number in range(HIDDEN)), Deletion("z"))
    with counted(catalog) as statements:
        assert [one.document.key for one in catalog.versions.deleted(hidden, STAFF, limit=1)] == ["z"]
    assert len([one for one in statements if "SELECT" in one]) <= 4
    assert len(catalog.versions.deleted(hidden, HR, limit=HIDDEN)) == HIDDEN


@pytest.mark.parametrize("default", [["everyone"], ["hr"], []])
def test_every_list_of_groups_means_in_a_page_what_it_means_elsewhere(catalog: Catalog, default: list[str]) -> None:
    settings = CollectionSettings(default_acl=tuple(default))
    made = catalog.collections.create("lists", "hash", "fp", settings)
    write(catalog, made, *(upsert(f"k{number}", acl, "text") for number, acl in enumerate(LISTS)))
    callers = [NOBODY, STAFF, HR, *(Principal("x", frozenset(acl)) for acl in LISTS if acl)]
    for caller in callers:
        readable = {
            f"k{number}" for number, acl in enumerate(LISTS) if may_read(default if acl is None else acl, caller)
        }
        assert listed(catalog, made, caller) == readable
    assert listed(catalog, made, OPERATOR) == {f"k{number}" for number in range(len(LISTS))}


@pytest.mark.parametrize("group", ["a\0b", "\ud800"])
def test_a_list_that_the_database_may_not_understand_keeps_nobody_from_a_page(
    catalog: Catalog, handbook: Collection, group: str
) -> None:
    """As an earlier version may have written it."""
    write(catalog, handbook, upsert("odd", ["hr"], "text"), upsert("open", None, "text"))
    escaped = '["' + "".join(one if one.isalpha() and one.isascii() else f"\\u{ord(one):04x}" for one in group) + '"]'
    value = ":acl" if catalog._engine.dialect.name == "sqlite" else "CAST(:acl AS json)"
    with catalog._engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE documents SET acl = {value} WHERE key = 'odd'"), {"acl": escaped})
    stored = {one.document.key: one.document.acl for one in catalog.documents.page(handbook, OPERATOR, limit=9)}
    for caller in (STAFF, Principal("x", frozenset({"everyone", group}))):
        readable = {key for key, acl in stored.items() if may_read(["everyone"] if acl is None else acl, caller)}
        assert listed(catalog, handbook, caller) == readable
