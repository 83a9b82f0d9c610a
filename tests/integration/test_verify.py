"""Planted differences between catalog and views are found and mended while searches go on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count as count_up
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from pyroaring import BitMap64

from api.generations.options import ReindexOptions
from api.generations.reindex import reindex
from api.jobs import upkeep
from api.jobs.tasks import TaskFunction
from api.knowledge_base import KnowledgeBase
from api.serving import exclusive
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings
from retrieval.catalog import schema, sqlite_url
from retrieval.catalog.log import OperationLog
from retrieval.errors import ConflictError, NotFoundError, RetrievalError
from retrieval.graph.view import GraphView
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document, ViewBatch
from retrieval.views.folder import lock_folder


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
    kb.runtimes.forget("c")
    with pytest.raises(ConflictError, match="kb reindex --collection c"):
        kb.search("c", SearchRequest("pumps"), OPERATOR)
    report = reindex(kb, "c", {}, lambda done, total: None)
    assert report["fingerprint"] == kb.open_encoder("hash").fingerprint
    assert count(kb, "pumps") == 20
    assert verify_collection(kb, "c").in_step


def test_lost_view_files_are_rebuilt(kb: KnowledgeBase, tmp_path: Path) -> None:
    kb.runtimes.forget("c")
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


@pytest.mark.parametrize("is_committed", [False, True])
def test_words_that_a_view_has_wrong_are_mended(kb: KnowledgeBase, is_committed: bool) -> None:
    views = kb.runtime("c").follower.views
    (batch, *_) = kb.catalog.log.everything(kb.runtime("c").collection, BitMap64(), None)
    other = replace(batch.added[0], text="undone zebra")
    views.sparse.apply(ViewBatch(views.seq, [other.label], [other]))
    if is_committed:
        views.sparse.save()
    found = verify_collection(kb, "c")
    assert (found.views["sparse"].changed, found.in_step) == (1, False)
    assert "sparse: 0 missing, 0 too many, 1 changed" in found.sentence()
    assert verify_collection(kb, "c", repair=True).repaired
    assert views.sparse.search("zebra", 5).labels.tolist() == []
    assert views.sparse.search("number0", 1).labels.tolist() == [other.label]
    assert verify_collection(kb, "c").in_step


def test_documents_that_change_all_the_time_are_no_difference(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, stock = OperationLog.everything, count_up(1)

    def changed_meanwhile(*about: Any) -> Iterator[ViewBatch]:
        for batch in everything(*about):
            if is_verifying and batch.added:
                kb.write("c", [Document("k3", "text number3 about pumps", metadata={"stock": next(stock)})], wait=True)
            yield batch

    views = kb.runtime("c").follower.views
    monkeypatch.setattr(OperationLog, "everything", changed_meanwhile)
    is_verifying = True
    assert verify_collection(kb, "c").in_step
    assert next(stock) > 2, "it did change at both looks"
    (batch, *_) = everything(kb.catalog.log, kb.runtime("c").collection, BitMap64(), None)
    views.attributes.apply(ViewBatch(views.seq, [], [replace(batch.added[0], groups=("strangers",))]))
    assert verify_collection(kb, "c").views["attributes"].changed == 1, "what did not change meanwhile is told"


def test_words_of_a_chunk_that_is_otherwise_another_are_mended(kb: KnowledgeBase) -> None:
    views = kb.runtime("c").follower.views
    (batch, *_) = kb.catalog.log.everything(kb.runtime("c").collection, BitMap64(), None)
    other = replace(batch.added[0], text="undone zebra", groups=("strangers",))
    for view in (views.sparse, views.attributes):
        view.apply(ViewBatch(view.seq, [other.label], [other]))
    assert len(views.sparse.search("zebra", 5)) == 1
    assert verify_collection(kb, "c", repair=True).repaired
    assert views.sparse.search("zebra", 5).labels.tolist() == []
    assert views.sparse.search("number0", 1).labels.tolist() == [other.label]
    assert verify_collection(kb, "c").in_step


def test_upkeep_of_all_goes_on_past_those_that_fail(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(work: TaskFunction, **arguments: object) -> str:
        with pytest.raises(RetrievalError, match="collections failed, the others are done") as failure:
            work(kb, "", arguments, lambda done, total: None)
        return str(failure.value)

    for name in ("a", "z"):
        kb.create_collection(name)
        kb.write(name, [Document("one", "text")], wait=True)
        kb.write(name, [Document("two", "text")], wait=True)
    reindex(kb, "c", {"chunk_tokens": 160, "apart": False}, lambda done, total: None)
    kb.runtimes.forget("a")
    record, busy, last = (kb.catalog.collections.get(name) for name in ("a", "c", "z"))
    plant(kb, schema.generations.update().where(schema.generations.c.id == record.generation).values(fingerprint="x"))
    views = kb.runtime("z").follower.views
    views.sparse.apply(ViewBatch(views.seq, [1], []))

    found = told(upkeep.verify, repair=False)
    assert "1 of 3" in found and "kb reindex --collection a" in found and "z: 2 documents" in found
    told(upkeep.verify, repair=True)
    assert verify_collection(kb, "z").in_step
    kb.catalog.leases.acquire(f"reindex/{busy.id}", "another process", 60)
    monkeypatch.setattr(exclusive, "LEASE_SECONDS", 0.0)
    found = told(upkeep.compaction, operations_days=-1, standby_days=-1)
    assert "2 of 3" in found and "'c' is being reindexed" in found and "kb reindex --collection a" in found
    with kb.catalog._engine.connect() as connection:
        o = schema.operations.c
        kept = connection.execute(sa.select(o.seq).where(o.collection_id == last.id)).scalars().all()
    assert kept == [2], "pruned, but for the newest"
    kb.write("z", [Document("three", "text")], wait=True)
    assert "1 of 3" in told(upkeep.snapshot)
    kb.runtimes.forget("z", save=False)
    again = kb.open_runtime(last)
    assert again.follower.seq == 3
    again.stop()


def test_views_that_a_dropped_collection_left_go_with_compaction(kb: KnowledgeBase, tmp_path: Path) -> None:
    kb.create_collection("gone")
    record, views = kb.catalog.collections.get("gone"), tmp_path / "views"
    kb.drop_collection("gone")
    with pytest.raises(NotFoundError, match="was dropped"):
        kb.open_runtime(record)  # by what was building a generation of it, say
    (left,) = views.glob(f"{record.id}-gone/*/attributes")
    (views / "not-ours").mkdir()
    lock = lock_folder(left)
    upkeep.compaction(kb, "", {}, lambda done, total: None)
    assert left.exists(), "another process has it open"
    lock.release()
    upkeep.compaction(kb, "", {}, lambda done, total: None)
    assert sorted(path.name.partition("-")[2] for path in views.iterdir()) == ["c", "ours"]
    assert verify_collection(kb, "c").in_step


def test_views_of_a_former_dictionary_go_with_compaction(kb: KnowledgeBase, tmp_path: Path) -> None:
    (former,) = tmp_path.glob("views/*/g*")
    kb.catalog.collections.change_settings("c", dictionary=("阀门",))
    kb.serve_anew("c")
    upkeep.compaction(kb, "", {}, lambda done, total: None)
    assert former.exists(), "it is open still, for an early return"
    kb.runtimes.forget("c")
    upkeep.compaction(kb, "", {}, lambda done, total: None)
    (left,) = tmp_path.glob("views/*/g*")
    assert left != former
    assert count(kb, "pumps") == 20


def copied(source: Path, target: Path) -> None:
    """The database of one file in the other, as a backup or its return makes it."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


@pytest.mark.parametrize(("grown", "is_held"), [(0, False), (12, False), (12, True)])
def test_views_that_followed_another_log_are_built_again(
    kb: KnowledgeBase, tmp_path: Path, grown: int, is_held: bool
) -> None:
    """The catalog comes back from a backup, and may have grown past what the views saw, with the same labels."""
    catalog, backup = tmp_path / "catalog.db", tmp_path / "backup.db"
    copied(catalog, backup)
    kb.runtime("c").graph.prepare()
    kb.write("c", [Document(f"lost{n}", f"undone zebra {n}") for n in range(6)], wait=True)
    kb.runtimes.forget("c")
    copied(backup, catalog)
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", encoder="hash", catalog_url=sqlite_url(catalog))
    with KnowledgeBase.open(elsewhere) as other:
        for n in range(grown):
            other.write("c", [Document(f"new{n}", f"fresh walrus {n}")])
    with ExitStack() as stack:
        if is_held:
            (folder,) = (tmp_path / "views").glob("*/*/attributes")
            stack.callback(lock_folder(folder).release)
        runtime = kb.runtime("c")
        assert runtime.follower.is_durable is not is_held
        views = runtime.follower.views
        assert (views.frequency("zebra"), views.frequency("walrus")) == (0, grown)
        assert verify_collection(kb, "c").in_step
        runtime.graph.prepare()
        state, expected = runtime.graph(), GraphView(None, runtime.analyzer)
        for batch in kb.catalog.log.everything(runtime.collection, BitMap64(), None):
            expected.apply(batch)
        assert state is not None and state.live == expected.state.live
        entries = [(state.entry(label), expected.state.entry(label)) for label in state.live]
        assert all(one and other and one.digest == other.digest for one, other in entries)
        kb.runtimes.forget("c")


def test_a_catalog_put_back_while_it_is_served_is_told(kb: KnowledgeBase, tmp_path: Path) -> None:
    catalog, backup = tmp_path / "catalog.db", tmp_path / "backup.db"
    copied(catalog, backup)
    kb.write("c", [Document(f"lost{n}", f"undone zebra {n}") for n in range(6)], wait=True)
    copied(backup, catalog)
    kb.runtime("c").follower.catch_up()
    assert "put back to an older state" in kb.troubles()["c"]["sparse"]
    assert set(kb.search("c", SearchRequest("pumps"), OPERATOR).degraded) >= {"sparse", "dense"}
    kb.runtimes.forget("c")
    assert kb.runtime("c").follower.views.frequency("zebra") == 0
    assert verify_collection(kb, "c").in_step and not kb.troubles()
