"""Former versions of documents, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from retrieval.catalog import AccessChange, Catalog, Collection, Commit, Outcome, Receipt, Upsert, schema, sqlite_url
from retrieval.catalog.versions import KEPT_VERSIONS
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR, Chunk, Deletion, Document, Principal, SourcePosition


def upsert(key: str, text: str, title: str = "", **more: object) -> Upsert:
    return Upsert(Document(key, text, title, **more), [Chunk(0, text, 0, len(text))])  # type: ignore[arg-type]


def write(catalog: Catalog, collection: Collection, *changes: Upsert | Deletion) -> Receipt:
    return catalog.writer.commit(collection.id, Commit(changes))


def rewritten(catalog: Catalog, collection: Collection, key: str, *texts: str) -> None:
    for text in texts:
        write(catalog, collection, upsert(key, text, title=f"Title of {text}"))


def test_the_newest_former_versions_are_kept(catalog: Catalog, handbook: Collection) -> None:
    rewritten(catalog, handbook, "a", *(f"text {number}" for number in range(KEPT_VERSIONS + 3)))
    rewritten(catalog, handbook, "b", "only this")
    former = catalog.versions.all(handbook, "a", OPERATOR)
    now = catalog.documents.get(handbook, "a", OPERATOR)
    assert [one.version for one in former] == [now.version - 1 - age for age in range(KEPT_VERSIONS)]
    assert not any(one.deleted for one in former)
    texts = [catalog.versions.get(handbook, "a", one.version, OPERATOR).document.text for one in former]
    assert texts == [f"text {number}" for number in range(KEPT_VERSIONS + 1, 1, -1)]
    assert former[0].document.title == f"Title of {texts[0]}"
    assert catalog.versions.all(handbook, "b", OPERATOR) == []
    with pytest.raises(NotFoundError, match="version 1 of document 'a' is not kept"):
        catalog.versions.get(handbook, "a", 1, OPERATOR)


def test_what_surrounds_the_text_leaves_no_version(catalog: Catalog, handbook: Collection) -> None:
    whole = upsert("a", "the text", position=SourcePosition((1,)))
    write(catalog, handbook, Upsert(whole.document, whole.chunks, "came:kept"))
    tagged = Document("a", "", metadata={"tag": 1}, position=SourcePosition((2,)))
    write(catalog, handbook, Upsert(tagged, None, "came:kept"))
    assert catalog.documents.get(handbook, "a", OPERATOR).document.metadata == {"tag": 1}
    assert catalog.versions.all(handbook, "a", OPERATOR) == []


def test_a_deleted_document_is_kept_until_it_is_pruned(catalog: Catalog, handbook: Collection) -> None:
    rewritten(catalog, handbook, "a", "first", "second")
    write(catalog, handbook, upsert("b", "lives"), upsert("c", "gone too"))
    write(catalog, handbook, Deletion("a"), Deletion("c"))
    assert [one.document.key for one in catalog.versions.deleted(handbook, OPERATOR, limit=1)] == ["a"]
    assert [one.document.key for one in catalog.versions.deleted(handbook, OPERATOR, limit=9, after="a")] == ["c"]
    last = catalog.versions.deleted(handbook, OPERATOR, limit=9)[0]
    assert last.deleted and catalog.versions.get(handbook, "a", last.version, OPERATOR).document.text == "second"
    rewritten(catalog, handbook, "a", "third")
    assert [one.document.key for one in catalog.versions.deleted(handbook, OPERATOR, limit=9)] == ["c"]
    assert len(catalog.versions.all(handbook, "a", OPERATOR)) == 2
    assert catalog.versions.prune(handbook, schema.utc_now() - timedelta(days=1)) == 0
    assert catalog.versions.prune(handbook, schema.utc_now() + timedelta(seconds=1)) == 3
    assert catalog.versions.deleted(handbook, OPERATOR, limit=9) == []


def test_former_versions_are_read_under_the_rights_of_then_and_now(catalog: Catalog, handbook: Collection) -> None:
    write(catalog, handbook, upsert("opened", "was for hr", acl=("hr",)), upsert("closed", "was for all"))
    write(catalog, handbook, upsert("opened", "is for all"), upsert("closed", "is for hr", acl=("hr",)))
    write(catalog, handbook, upsert("gone", "was for hr", acl=("hr",)))
    write(catalog, handbook, Deletion("gone"))
    everyone, hr = Principal("anna"), Principal("hans", frozenset({"everyone", "hr"}))
    for key in ("opened", "closed"):
        assert catalog.versions.all(handbook, key, everyone) == []
        assert len(catalog.versions.all(handbook, key, hr)) == 1
    assert catalog.versions.deleted(handbook, everyone, limit=9) == []
    assert [one.document.key for one in catalog.versions.deleted(handbook, hr, limit=9)] == ["gone"]


def test_rights_that_were_narrowed_hide_what_was_before_too(catalog: Catalog, handbook: Collection) -> None:
    """By a change of rights alone, which leaves no version, whether the document is deleted or rewritten for all."""
    everyone, hr = Principal("anna"), Principal("hans", frozenset({"everyone", "hr"}))
    for key in ("deleted", "rewritten"):
        rewritten(catalog, handbook, key, "salaries of all", "salaries of some")
        assert len(catalog.versions.all(handbook, key, everyone)) == 1
        access = [AccessChange(key, ("hr",))]
        assert catalog.writer.commit(handbook.id, Commit(access=access)).outcomes == (Outcome.METADATA,)
    write(catalog, handbook, Deletion("deleted"), upsert("rewritten", "no salaries"))
    for key in ("deleted", "rewritten"):
        assert catalog.versions.all(handbook, key, everyone) == []
        texts = [one.version for one in catalog.versions.all(handbook, key, hr)]
        assert len(texts) == 2
        with pytest.raises(NotFoundError, match="not kept"):
            catalog.versions.get(handbook, key, texts[-1], everyone)
        assert catalog.versions.get(handbook, key, texts[-1], hr).document.text == "salaries of all"
    assert catalog.versions.deleted(handbook, everyone, limit=9) == []
    assert catalog.documents.get(handbook, "rewritten", everyone).document.text == "no salaries"


def test_a_change_of_rights_keeps_whatever_text_there_is(catalog: Catalog, handbook: Collection) -> None:
    def access(key: str, *groups: str) -> Outcome:
        return catalog.writer.commit(handbook.id, Commit(access=[AccessChange(key, groups)])).outcomes[0]

    rewritten(catalog, handbook, "a", "first", "second")
    before = catalog.documents.get(handbook, "a", OPERATOR)
    assert (access("a", "hr"), access("a", "hr")) == (Outcome.METADATA, Outcome.UNCHANGED)
    after = catalog.documents.get(handbook, "a", OPERATOR)
    assert after.document == replace(before.document, acl=("hr",))
    assert [chunk.text for _, chunk in catalog.documents.chunks(handbook, "a")] == ["second"]
    write(catalog, handbook, Deletion("a"))
    assert (access("a", "all"), access("never", "all")) == (Outcome.ABSENT, Outcome.ABSENT)
    with pytest.raises(NotFoundError):
        catalog.documents.get(handbook, "a", OPERATOR)


def test_a_catalog_may_keep_no_versions(tmp_path: Path) -> None:
    catalog = Catalog(sqlite_url(tmp_path / "none.db"), kept_versions=0)
    try:
        handbook = catalog.collections.create("handbook", "hash", "fp")
        rewritten(catalog, handbook, "a", "first", "second")
        write(catalog, handbook, Deletion("a"))
        assert catalog.versions.all(handbook, "a", OPERATOR) == catalog.versions.deleted(handbook, OPERATOR, limit=9)
    finally:
        catalog.close()
