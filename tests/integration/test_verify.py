"""Planted differences between catalog and views are found and mended while searches go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from pyroaring import BitMap64

from api.knowledge_base import KnowledgeBase
from api.maintenance import verify_collection
from api.reindex import reindex
from api.reindex_options import ReindexOptions
from infra.settings import Settings
from retrieval.catalog import schema
from retrieval.errors import ConflictError
from retrieval.plan import DEFAULT_PLAN, FusionMethod
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


def plant(kb: KnowledgeBase, statement: sa.Executable) -> None:
    """Change the catalog past its writer."""
    with kb.catalog._engine.begin() as connection:
        assert connection.execute(statement).rowcount >= 1


def test_an_altered_chunk_is_cut_again_from_its_text(kb: KnowledgeBase) -> None:
    plant(kb, schema.chunks.update().where(schema.chunks.c.label == 3).values(text="text of somebody else"))
    assert verify_collection(kb, "c").damaged == ["k2"]
    mended = verify_collection(kb, "c", repair=True)
    assert (mended.repaired, mended.lost) == (True, [])
    assert verify_collection(kb, "c").in_step
    (hit,) = [one for one in kb.search("c", SearchRequest("number2", 1), OPERATOR).hits]
    assert hit.chunk.text == "text number2 about pumps"


def test_an_altered_text_is_reported_until_it_is_written_again(kb: KnowledgeBase) -> None:
    altered = schema.document_texts.update().where(schema.document_texts.c.text == "text number2 about pumps")
    plant(kb, altered.values(text="text of somebody else"))
    verdict = verify_collection(kb, "c", repair=True)
    assert verdict.lost == ["k2"]
    assert "write these again" in verdict.sentence()
    kb.write("c", [Document("k2", "text number2 about pumps, again")], wait=True)
    assert verify_collection(kb, "c").in_step


def test_an_altered_embedding_is_made_again(kb: KnowledgeBase) -> None:
    vector = np.zeros(kb.runtime("c").encoder.dim, np.float32)
    vector[0] = 1.0
    (text_hash, *_) = kb.catalog.log.text_hashes(kb.runtime("c").collection, BitMap64([3]))
    plant(
        kb, schema.embeddings.update().where(schema.embeddings.c.text_hash == text_hash).values(vector=vector.tobytes())
    )
    assert verify_collection(kb, "c").views["dense"].changed == 1
    assert verify_collection(kb, "c", repair=True).repaired
    assert verify_collection(kb, "c").in_step
    best = kb.search(
        "c",
        SearchRequest("text number2 about pumps", 1),
        OPERATOR,
        plan=replace(DEFAULT_PLAN, fusion=FusionMethod.DENSE),
    )
    assert best.hits[0].chunk.key == "k2"


def test_rights_that_a_view_has_wrong_are_mended(kb: KnowledgeBase) -> None:
    views = kb.runtime("c").follower.views
    (batch, *_) = kb.catalog.log.everything(kb.runtime("c").collection, BitMap64(), None)
    opened = replace(batch.added[0], groups=("strangers",))
    views.attributes.apply(ViewBatch(views.seq, [], [opened]))
    assert verify_collection(kb, "c").views["attributes"].changed == 1
    assert verify_collection(kb, "c", repair=True).repaired
    assert verify_collection(kb, "c").in_step
