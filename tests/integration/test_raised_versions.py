"""Passages on Elasticsearch that somebody's write made newer than the catalog are mended at once, and follow again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elastic import collection_of, elastic_server, elastic_url, stack_of
from elastic_bases import DOCUMENTS, Open, filled, opened, words_of, written
from pyroaring import BitMap64
from waiting import eventually

from api.knowledge_base import KnowledgeBase
from api.upkeep.maintenance import verify_collection
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog, Commit, Upsert, sqlite_url
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView
from retrieval.elastic.index import drop_indexes
from retrieval.elastic.view import ElasticView
from retrieval.filters import AnyOf
from retrieval.plan import DEFAULT_PLAN, FusionMethod
from retrieval.search.types import SearchRequest
from retrieval.testing.views import make_batch
from retrieval.types import OPERATOR, Chunk, Deletion, Document, ViewBatch
from retrieval.views.convoy import Convoy
from retrieval.views.health import Health
from retrieval.views.tracks import SharedTrack

__all__ = ["elastic_server", "elastic_url", "opened", "stack_of"]

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

RAISED = 5  # the number of the document in question
BEYOND = 7  # operations that the log does not have
HIGHEST_VERSION = 2**63 - 2  # that Elasticsearch takes and can count on from
View = ElasticSparseView | ElasticDenseView


@pytest.fixture
def api(opened: Open) -> KnowledgeBase:
    """What writes the indexes of both legs."""
    kb = opened("api", dense_view="elasticsearch")
    filled(kb)
    eventually(lambda: all(view.seq == DOCUMENTS for view in views_of(kb)))
    return kb


def views_of(kb: KnowledgeBase) -> tuple[View, View]:
    """The indexes of both legs."""
    vectors = kb.runtime("c").follower.views.dense
    assert isinstance(vectors, ElasticDenseView)
    return words_of(kb).server, vectors


def label_of(kb: KnowledgeBase) -> int:
    (label,) = kb.runtime("c").follower.views.attributes.labels_of_key(f"k{RAISED}")
    return label


def update_by_query(times: int) -> Callable[[KnowledgeBase, View], None]:
    """Elasticsearch writes the passage anew from what it keeps of it, which lacks what we do not read back."""

    def raised(kb: KnowledgeBase, view: View) -> None:
        for _ in range(times):
            with view.index.server.writing() as client:
                only = {"ids": {"values": [str(label_of(kb))]}}
                client.update_by_query(index=view.shared_name, query=only, refresh=True)

    return raised


def equal_content(version: int) -> Callable[[KnowledgeBase, View], None]:
    """The passage stays what it is; only its version is beyond the log."""

    def raised(kb: KnowledgeBase, view: View) -> None:
        runtime = kb.runtime("c")
        (batch, *_) = kb.catalog.log.everything(runtime.collection, BitMap64(), BitMap64())
        same = [chunk for chunk in batch.added if chunk.label == label_of(kb)]
        view.mend(ViewBatch(0, [], same, state=version))

    return raised


def deleted(version: int) -> Callable[[KnowledgeBase, View], None]:
    """The passage is gone, and what the server remembers of that is newer than the log."""

    def raised(kb: KnowledgeBase, view: View) -> None:
        with view.index.server.writing() as client:
            about: dict[str, Any] = {"version": version, "version_type": "external", "refresh": True}
            client.delete(index=view.shared_name, id=str(label_of(kb)), **about)

    return raised


def differences(kb: KnowledgeBase) -> dict[str, tuple[int, int, int]]:
    """(missing, surplus, changed) of the legs that differ."""
    found = verify_collection(kb, "c").views.items()
    return {name: (view.missing, view.surplus, view.changed) for name, view in found if view}


def finds_by_colour(kb: KnowledgeBase, fusion: FusionMethod) -> bool:
    """Whether the passage has the right metadata in the leg's index."""
    asked = SearchRequest(f"pump valve subject{RAISED}word", 3, filter=AnyOf("colour", ("blue",)))
    hits = kb.search("c", asked, OPERATOR, plan=replace(DEFAULT_PLAN, fusion=fusion)).hits
    return [hit.chunk.key for hit in hits] == [f"k{RAISED}"]


def painted() -> Document:
    """The document with other metadata: its passage keeps its label."""
    return Document(f"k{RAISED}", f"pump valve subject{RAISED}word", metadata={"colour": "blue"})


def assert_follows(api: KnowledgeBase) -> None:
    """The very next change of the document reaches both indexes."""
    seq = written(api, [painted()])
    eventually(lambda: all(view.seq == seq for view in views_of(api)))
    assert finds_by_colour(api, FusionMethod.SPARSE) and finds_by_colour(api, FusionMethod.DENSE)
    assert differences(api) == {}


@pytest.mark.parametrize(
    ("planted", "difference"),
    [
        (update_by_query(1), (0, 0, 1)),
        (update_by_query(BEYOND), (0, 0, 1)),
        (equal_content(DOCUMENTS + BEYOND), (0, 0, 1)),
        (deleted(DOCUMENTS + BEYOND), (1, 0, 0)),
    ],
    ids=["once", "often", "equal", "deleted"],
)
def test_a_passage_raised_above_the_log_is_mended_and_follows_again(
    opened: Open,
    api: KnowledgeBase,
    planted: Callable[[KnowledgeBase, View], None],
    difference: tuple[int, int, int],
) -> None:
    for view in views_of(api):
        planted(api, view)
    assert differences(api) == {"sparse": difference, "dense": difference}
    assert verify_collection(opened("jobs", dense_view="elasticsearch"), "c", repair=True).repaired
    assert differences(api) == {}
    assert DOCUMENTS < api.catalog.collections.last_seq(1) <= DOCUMENTS + BEYOND
    assert_follows(api)


def test_a_log_that_reaches_the_raised_version_during_the_repair_hides_nothing(
    opened: Open, api: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused then looks as if another process had written something newer."""
    mend, mended = ElasticView.mend, list[str]()

    def outrun(view: ElasticView, batch: ViewBatch) -> None:
        mend(view, batch)
        if batch.added and view.shared_name not in mended:
            mended.append(view.shared_name)
            written(api, [Document(view.shared_name, "fresh pump")])

    words, vectors = views_of(api)
    update_by_query(1)(api, vectors)
    update_by_query(2)(api, words)  # the log moves on by one before they are mended
    monkeypatch.setattr(ElasticView, "mend", outrun)
    assert verify_collection(opened("jobs", dense_view="elasticsearch"), "c", repair=True).repaired
    assert differences(api) == {}
    assert_follows(api)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "run `kb verify --repair`" in record.getMessage()]


def test_changes_refused_while_a_passage_was_raised_come_with_the_repair(
    api: KnowledgeBase, caplog: pytest.LogCaptureFixture
) -> None:
    for view in views_of(api):
        equal_content(DOCUMENTS + BEYOND)(api, view)
    seq = written(api, [painted()])
    eventually(lambda: all(view.seq == seq for view in views_of(api)))
    # Words are searched before they are written, so who writes them may be refused a moment later.
    told = eventually(lambda: refusals(caplog), lambda found: len(found) == 2)
    assert all(f"operation {DOCUMENTS + BEYOND}" in one for one in told)
    assert differences(api) == {"sparse": (0, 0, 1), "dense": (0, 0, 1)}
    assert verify_collection(api, "c", repair=True).repaired
    assert finds_by_colour(api, FusionMethod.SPARSE) and finds_by_colour(api, FusionMethod.DENSE)
    for view in views_of(api):
        equal_content(DOCUMENTS + 2 * BEYOND)(api, view)
    api.write("c", [Deletion(f"k{RAISED}", "api")])
    eventually(lambda: all(view.seq == api.catalog.collections.last_seq(1) for view in views_of(api)))
    assert differences(api) == {"sparse": (0, 1, 0), "dense": (0, 1, 0)}
    assert verify_collection(api, "c", repair=True).repaired
    assert differences(api) == {}


def test_a_catalog_that_was_put_back_passes_over_nothing(elastic_server: ElasticServer, tmp_path: Path) -> None:
    """What the index has as newer is of a time that is gone; whoever applies builds it anew."""
    catalog = Catalog(sqlite_url(tmp_path / "c.db"))
    collection = catalog.collections.create("c", "hash", "fingerprint")
    chunk = Upsert(Document("k", "pump"), [Chunk(0, "pump", 0, len("pump"))])
    seq = catalog.writer.commit(collection.id, Commit([chunk])).seq
    view = ElasticSparseView(elastic_server, collection_of(None), Analyzer())
    view.resume()
    view.apply(make_batch(seq + BEYOND, [(1, 0)]))
    convoy = Convoy(
        catalog, collection, [SharedTrack("sparse", view, Health(), catalog, collection, "me")], lambda: None
    )
    convoy.rebuild()
    assert catalog.collections.last_seq(collection.id) == seq
    convoy.advance(seq)
    assert (view.seq, view.newer_than(seq), len(view)) == (seq, {}, 1)
    drop_indexes(elastic_server, view.index.name.collection)
    catalog.close()


def test_an_index_with_an_absurd_version_is_built_anew(opened: Open, api: KnowledgeBase) -> None:
    words, vectors = views_of(api)
    equal_content(10**15)(api, words)
    deleted(HIGHEST_VERSION)(api, vectors)
    assert differences(api) == {"sparse": (0, 0, 1), "dense": (1, 0, 0)}
    assert verify_collection(opened("jobs", dense_view="elasticsearch"), "c", repair=True).repaired
    assert api.catalog.collections.last_seq(1) == DOCUMENTS
    eventually(lambda: differences(api) == {})
    assert_follows(api)
