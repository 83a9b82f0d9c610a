"""Searches while what they find is replaced: nothing is missing because its new passages are still on their way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from served import in_process
from waiting import PATIENCE_SECONDS

from api.knowledge_base import KnowledgeBase
from api.serving import collection_runtime
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import EVERYONE, OPERATOR, Deletion, Document, IndexedChunk, ViewBatch
from retrieval.views.convoy import Convoy

LAG_SECONDS = 0.05


def found(kb: KnowledgeBase) -> SearchResult:
    return kb.search("c", SearchRequest("pump"), OPERATOR)


@pytest.fixture
def late_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views that begin to follow a change only after a while."""
    advance = Convoy.advance

    def late(self: Convoy, last_seq: int, progress: Callable[[int], None] | None = None) -> None:
        if threading.current_thread().name.startswith("views-"):
            time.sleep(LAG_SECONDS)
        advance(self, last_seq, progress)

    monkeypatch.setattr(Convoy, "advance", late)
    monkeypatch.setattr(collection_runtime, "FOLLOW_SECONDS", PATIENCE_SECONDS)  # rounds end a search before


@pytest.mark.usefixtures("late_views")
def test_a_document_that_is_changed_is_found_with_its_new_text(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("a", "the pump of version 0"), Document("b", "a pump too")], wait=True)
        for version in range(1, 6):
            served.kb.write("c", [Document("a", f"the pump of version {version}")])
            result = found(served.kb)
            texts = {hit.chunk.key: hit.chunk.text for hit in result.hits}
            assert texts == {"a": f"the pump of version {version}", "b": "a pump too"}
            assert result.degraded == ()
            assert result.stages["follow"] > 0
            assert result.took_ms > result.stages["follow"]


@pytest.mark.usefixtures("late_views")
def test_a_search_among_changes_that_never_end_comes_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("a", "the pump")], wait=True)
        version = 0
        search = served.kb.runtime("c").retriever.search

        def overtaken(*asked: object) -> SearchResult:
            nonlocal version
            version += 1
            served.kb.write("c", [Document("a", f"the pump of version {version}")])
            return search(*asked)  # type: ignore[arg-type]

        monkeypatch.setattr(served.kb.runtime("c").retriever, "search", overtaken)
        assert found(served.kb).degraded == ("sparse", "dense")
        assert version == collection_runtime.FOLLOW_ROUNDS + 1


def test_views_that_do_not_follow_are_told(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("a", "the pump"), Document("b", "a pump too")], wait=True)
        with served.kb.runtime("c").follower.paused():
            served.kb.write("c", [Document("a", "the new pump")])
            result = found(served.kb)
            assert [hit.chunk.key for hit in result.hits] == ["b"]
            assert result.degraded == ("sparse", "dense")
        later = served.kb.write("c", [Deletion("b")], wait=True)
        assert [hit.chunk.text for hit in found(served.kb).hits] == ["the new pump"] and later.seq


def test_views_that_were_waited_for_in_vain_are_not_waited_for_by_every_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("a", "the pump")], wait=True)
        follower = served.kb.runtime("c").follower
        waits: list[int] = []
        wait_for = follower.wait_for
        monkeypatch.setattr(follower, "wait_for", lambda seq, timeout: (waits.append(seq), wait_for(seq, timeout)))
        with follower.paused():
            newest = served.kb.write("c", [Document("a", "the new pump")]).seq
            results = [found(served.kb) for _ in range(3)]
            assert [one.degraded for one in results] == [("sparse", "dense")] * 3
            assert waits == [newest], "one search for all of them"
        wait_for(newest, PATIENCE_SECONDS)
        with follower.paused():
            newest = served.kb.write("c", [Document("a", "the newest pump")]).seq
            assert found(served.kb).degraded == ("sparse", "dense")
            assert waits[1:] == [newest], "they had caught up"


def test_what_only_a_view_holds_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_runtime, "FOLLOW_SECONDS", 60.0)
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("a", "the pump"), Document("b", "a pump too")], wait=True)
        views = served.kb.runtime("c").follower.views
        stray = IndexedChunk(10_000, 10_000, "", "", "a pump of nobody", None, (EVERYONE,), {})
        with served.kb.runtime("c").follower.paused():
            views.sparse.apply(ViewBatch(views.sparse.seq, [], [stray]))
        result = found(served.kb)
        assert len(result.hits) == 2
        assert result.degraded == () and "follow" not in result.stages
