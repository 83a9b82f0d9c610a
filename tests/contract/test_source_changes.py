"""A source that is changed while somebody works on it keeps the change, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from change_events import live_source

from api.knowledge_base import KnowledgeBase
from api.serving import exclusive
from api.sources.live_setup import new_names
from api.sources.live_sources import LiveSources
from infra.settings import load_settings
from retrieval.catalog import Catalog, Collection, Commit
from retrieval.catalog.rows import RowWrite
from retrieval.catalog.sources import SourceRecord, SourceState
from retrieval.errors import ConflictError, NotFoundError
from retrieval.types import Document, SourcePosition

BROUGHT, GONE = "public.faqs/1", "public.faqs/2"


@pytest.fixture
def kb(url: str, tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path / "data", catalog_url=url, encoder="hash")) as opened:
        yield opened


@pytest.fixture
def rebuilt(kb: KnowledgeBase) -> SourceRecord:
    """A source whose full snapshot is read to its end and brought one of two documents."""
    collection = kb.create_collection("docs")
    record = live_source(kb.catalog, collection, "shop", "kb-1")
    record = kb.catalog.sources.change(record, config=record.config | {"rebuilding": "first"})
    write(kb, BROUGHT, 1)
    write(kb, GONE, 2)
    kb.catalog.sources.forget_positions(collection, "shop")
    write(kb, BROUGHT, 3)
    return record


def write(kb: KnowledgeBase, key: str, at: int) -> None:
    """As a worker does."""
    kb.write("docs", [Document(key, f"text of {key}", source="shop", position=SourcePosition((at,)))])


def documents(kb: KnowledgeBase) -> set[str]:
    return set(kb.catalog.documents.keys(kb.catalog.collections.get("docs"), "shop"))


def test_a_mapping_changed_meanwhile_stays(kb: KnowledgeBase, rebuilt: SourceRecord) -> None:
    changed = kb.catalog.sources.merge(rebuilt, {"tables": {"public.faqs": {"title": "title", "body": "{title}"}}})
    with pytest.raises(ConflictError):
        LiveSources(kb).finish_rebuild(rebuilt)
    assert kb.catalog.sources.now(rebuilt) == changed
    assert LiveSources(kb).finish_rebuild(changed) == 1
    assert documents(kb) == {BROUGHT}
    kept = {name: value for name, value in changed.config.items() if name != "rebuilding"}
    assert kb.catalog.sources.now(rebuilt).config == kept
    write(kb, GONE, 1)
    assert documents(kb) == {BROUGHT, GONE}, "any position is newer than that deletion"


def test_a_row_that_a_repair_brought_keeps_its_document(kb: KnowledgeBase, rebuilt: SourceRecord) -> None:
    row = RowWrite(rebuilt.id, "public.faqs", "2", SourcePosition(()).encode(), {"id": 2}, {})
    kb.catalog.writer.commit(rebuilt.collection_id, Commit(rows=(row,)))
    assert LiveSources(kb).finish_rebuild(rebuilt) == 0
    assert documents(kb) == {BROUGHT, GONE}, "it has no position, and no document of before is meant"


def test_a_second_full_snapshot_keeps_its_documents_and_names(kb: KnowledgeBase, rebuilt: SourceRecord) -> None:
    sources = kb.catalog.sources
    again = sources.change(rebuilt, config=rebuilt.config | new_names("shop") | {"rebuilding": "second"})
    sources.forget_positions(kb.catalog.collections.get("docs"), "shop")
    with pytest.raises(ConflictError):
        LiveSources(kb).finish_rebuild(rebuilt)
    assert documents(kb) == {BROUGHT, GONE}
    assert sources.now(rebuilt) == again


def test_what_comes_after_the_look_stays(
    kb: KnowledgeBase, rebuilt: SourceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = kb.catalog.sources.change

    def changed_and_then(source: SourceRecord, **values: Any) -> SourceRecord:
        monkeypatch.undo()
        write(kb, GONE, 9)
        return change(source, **values)

    monkeypatch.setattr(kb.catalog.sources, "change", changed_and_then)
    assert LiveSources(kb).finish_rebuild(rebuilt) == 0
    assert documents(kb) == {BROUGHT, GONE}


def test_parts_of_a_configuration_are_merged(catalog: Catalog, handbook: Collection) -> None:
    sources = catalog.sources
    read = sources.create(handbook, "shop", "database", {"tables": 1, "rebuilding": "x"}, secret=b"old")
    sources.change(read, config={"tables": 1, "types": {"a": 7}}, state=SourceState.PAUSED.value)
    merged = sources.merge(read, {"tables": 2}, secret=b"new")
    assert (merged.config, merged.state) == ({"tables": 2, "types": {"a": 7}}, SourceState.PAUSED)
    assert sources.secret(read) == b"new"
    with pytest.raises(ConflictError, match="'shop' was changed meanwhile"):
        sources.merge(read, {"tables": 3}, secret=b"lost")
    assert (sources.now(read), sources.secret(read)) == (merged, b"new")
    later = sources.merge(merged, {"tables": 2}, learned={"types": {"a": 8}, "watermarks": {"a": "[1]"}})
    assert later.config == {"tables": 2, "types": {"a": 8}, "watermarks": {"a": "[1]"}}
    later = sources.merge(merged, {"tables": 4}, learned={"types": {"a": 9}, "watermarks": {"b": "[2]"}})
    assert later.config == {"tables": 4, "types": {"a": 9}, "watermarks": {"a": "[1]", "b": "[2]"}}, (
        "who looks after the source may learn its types, and ask for another table again, at any moment"
    )
    merged = sources.change(read, config=merged.config)
    sources.change(read, state=SourceState.DELETING.value)
    with pytest.raises(ConflictError, match="being deleted"):
        sources.merge(merged, {"tables": 3})
    sources.delete(read)
    for ask in (lambda: sources.merge(merged, {"tables": 3}), lambda: sources.now(read)):
        with pytest.raises(NotFoundError):
            ask()


def test_a_source_is_changed_by_one_at_a_time(
    kb: KnowledgeBase, rebuilt: SourceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(exclusive, "KEEP_SECONDS", 0.1)
    live = LiveSources(kb)
    with live._alone(rebuilt) as record:
        assert record == rebuilt
        for change in (live.change, live.delete, lambda one: live.snapshot(one, full=True)):
            with pytest.raises(ConflictError, match="source 'shop' is being changed"):
                change(rebuilt)
    assert kb.catalog.sources.now(rebuilt) == rebuilt
