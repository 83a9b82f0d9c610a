"""A view of this process that cannot follow is left behind: the others go on, and searches say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from served import in_process
from waiting import eventually

from retrieval.errors import NotYetSearchableError
from retrieval.filters import AnyOf, Filter
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document, Principal
from retrieval.views.attributes import AttributeView


def test_rights_and_filters_that_stop_following_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError("no room")

    def degraded(filter: Filter | None, principal: Principal) -> tuple[str, ...]:
        return kb.search("c", SearchRequest("pump", 5, filter=filter), principal).degraded

    with in_process(tmp_path) as served:
        kb = served.kb
        kb.create_collection("c")
        kb.write("c", [Document("old", "an old pump", acl=("staff",))], wait=True)
        staff, anybody = Principal("s", frozenset({"staff"})), Principal("a")
        assert degraded(AnyOf("kind", ("x",)), anybody) == ()
        monkeypatch.setattr(AttributeView, "apply", refuse)
        kb.write("c", [Document("new", "a new pump", metadata={"kind": "x"}, acl=("staff",))])
        eventually(lambda: "attributes" in kb.troubles().get("c", {}))
        eventually(lambda: len(kb.search("c", SearchRequest("pump", 5), OPERATOR).hits) == 2)
        assert degraded(None, OPERATOR) == ()
        assert degraded(None, anybody) == degraded(AnyOf("kind", ("x",)), staff) == ("attributes",)
        metrics = served.client.get("/metrics", headers=served.headers()).text
        assert 'kb_leg_degraded{collection="c",leg="attributes"} 1.0' in metrics
        assert 'kb_leg_degraded{collection="c",leg="sparse"} 0.0' in metrics


def test_a_disk_that_refuses_vectors_leaves_the_words_searchable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with in_process(tmp_path) as served:
        kb = served.kb
        kb.create_collection("c")
        kb.write("c", [Document("old", "an old pump")], wait=True)
        with monkeypatch.context() as patch:
            patch.setattr("retrieval.dense.vector_file.os.pwrite", refuse)
            seq = kb.write("c", [Document("new", "a novel turbine")]).seq
            eventually(lambda: "dense" in kb.troubles().get("c", {}))
            eventually(lambda: len(kb.search("c", SearchRequest("novel turbine", 1), OPERATOR).hits) == 1)
            result = kb.search("c", SearchRequest("novel turbine", 1), OPERATOR)
            assert ([hit.chunk.key for hit in result.hits], result.degraded) == (["new"], ("dense",))
            assert served.client.get("/readyz").json()["degraded"] == ["dense"]
            with pytest.raises(NotYetSearchableError, match="dense: .*No space left"):
                kb.wait_searchable("c", seq, 0.2)
            metrics = served.client.get("/metrics", headers=served.headers()).text
            assert 'kb_leg_degraded{collection="c",leg="dense"} 1.0' in metrics
        kb.wait_searchable("c", seq)
        eventually(lambda: not kb.troubles())
        assert kb.search("c", SearchRequest("novel turbine", 1), OPERATOR).degraded == ()
