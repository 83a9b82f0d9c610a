"""Planted differences between catalog and views are found and mended while searches go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from api.maintenance import verify_collection
from api.reindex import reindex
from api.reindex_options import ReindexOptions
from infra.settings import Settings
from retrieval.errors import ConflictError
from retrieval.retriever import SearchRequest
from retrieval.types import OPERATOR, Document, ViewBatch


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as opened:
        opened.create_collection("c")
        opened.write("c", [Document(f"k{n}", f"text number{n} about pumps") for n in range(20)], wait=True)
        yield opened


def count(kb: KnowledgeBase, query: str) -> int:
    return len(kb.search("c", SearchRequest(query, 50), OPERATOR).hits)


@pytest.mark.parametrize("leg", ["sparse", "dense", "attributes"])
def test_chunks_missing_from_a_view_are_found_and_mended(kb: KnowledgeBase, leg: str) -> None:
    view = getattr(kb.runtime("c").follower.views, leg)
    lost = list(view.labels())[:3]
    view.apply(ViewBatch(view.seq, lost, []))
    assert verify_collection(kb, "c").views[leg].missing == 3
    mended = verify_collection(kb, "c", repair=True)
    assert (mended.repaired, mended.views[leg].missing) == (True, 3)
    assert verify_collection(kb, "c").in_step
    assert count(kb, "pumps") == 20


def test_chunks_a_view_should_not_hold_are_taken_out(kb: KnowledgeBase) -> None:
    views = kb.runtime("c").follower.views
    (batch, *_) = kb.catalog.log.everything(kb.runtime("c").collection, views.held(), views.dense.labels())
    ghost = batch.added[0]
    from dataclasses import replace

    views.sparse.apply(ViewBatch(views.seq, [], [replace(ghost, label=9_999)]))
    assert verify_collection(kb, "c").views["sparse"].surplus == 1
    assert count(kb, "number0") == 20 or 9_999 in views.sparse.labels()  # served or not, the ghost never leaves
    assert all(hit.chunk.label != 9_999 for hit in kb.search("c", SearchRequest("pumps", 50), OPERATOR).hits)
    verify_collection(kb, "c", repair=True)
    assert verify_collection(kb, "c").in_step


def test_another_encoder_is_refused_until_reindexed(kb: KnowledgeBase) -> None:
    record = kb.catalog.collections.get("c")
    old = kb.catalog.generations.begin(record, "hash", "a fingerprint of last year", ReindexOptions().settings(record))
    kb.catalog.generations.finish(record, old.id, {})
    kb.catalog.generations.activate(record, old.id)
    kb.forget_runtime("c")
    with pytest.raises(ConflictError, match="kb reindex --collection c"):
        kb.search("c", SearchRequest("pumps"), OPERATOR)
    report = reindex(kb, "c", {}, lambda done, total: None)
    assert report["fingerprint"] == kb.open_encoder("hash").fingerprint
    assert count(kb, "pumps") == 20
    assert verify_collection(kb, "c").in_step


def test_lost_view_files_are_rebuilt(kb: KnowledgeBase, tmp_path: Path) -> None:
    kb.forget_runtime("c")
    for path in (tmp_path / "views").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            path.write_bytes(b"\x00garbage")
    assert count(kb, "pumps") == 20
    assert verify_collection(kb, "c").in_step
