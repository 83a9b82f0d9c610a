"""Views that cannot be saved, stop, or never open: writes and searches go on, and whoever asks is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from served import Served, in_process
from waiting import eventually

from retrieval.catalog.keys import Scope
from retrieval.catalog.references import References
from retrieval.errors import OutageError
from retrieval.graph import keeper
from retrieval.graph.view import GraphView
from retrieval.plan import DEFAULT_PLAN, DiffusionEdges, DiffusionStep, Plan
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document
from retrieval.views import follower
from retrieval.views.convoy import Convoy
from retrieval.views.folder import read_manifest

LINKS = replace(DEFAULT_PLAN, diffusion=DiffusionStep(DiffusionEdges.LINKS, strength=0.5), feedback=0.0)
DOCUMENTS = [
    Document("green", "Green was recorded by Steve Hillage.", "Green"),
    Document("partner", "Steve Hillage lives with her.", "Miquette Giraudy"),
    *(Document(f"other{n}", f"Sentence {n} about apples") for n in range(5)),
]


@contextmanager
def filled(folder: Path) -> Iterator[Served]:
    with in_process(folder) as served:
        served.kb.create_collection("c")
        served.kb.write("c", DOCUMENTS, wait=True)
        yield served


def searched(served: Served, plan: Plan = LINKS) -> tuple[bool, tuple[str, ...]]:
    """Whether the graph gave a hit anything, and what the search was without."""
    result = served.kb.search("c", SearchRequest("Who recorded Green?", 20), OPERATOR, plan=plan)
    assert "green" in [hit.chunk.key for hit in result.hits]
    return any(hit.fused.graph is not None for hit in result.hits), result.degraded


def saved_seq(served: Served, folder: Path) -> int:
    """The operation up to which the next start replays nothing."""
    (attributes,) = folder.glob("views/*/*/attributes")
    manifest = read_manifest(attributes, {})
    return 0 if manifest is None else int(manifest["seq"])


def write(served: Served, key: str) -> int:
    return served.kb.write("c", [Document(key, "another pump")], wait=True).seq


def without_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def raising(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_a_full_disk_at_a_periodic_save_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = threading.Event()

    def refuse(*_: object, **__: object) -> None:
        refused.set()
        without_room()

    monkeypatch.setattr(follower, "SAVE_EVERY_OPERATIONS", 3)
    monkeypatch.setattr(follower, "SAVE_AGAIN_SECONDS", 0.2)
    with filled(tmp_path) as served:
        with monkeypatch.context() as patch:
            patch.setattr("retrieval.views.attributes.replace_file", refuse)
            for number in range(6):
                write(served, f"n{number}")
            assert refused.wait(20)
            before = write(served, "late")
        assert not served.kb.troubles()
        assert searched(served, DEFAULT_PLAN) == (False, ())
        keys = (f"again{number}" for number in count())
        eventually(lambda: write(served, next(keys)) > 0 and saved_seq(served, tmp_path) >= before)


def test_a_thread_that_stops_following_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path) as served:
        assert served.client.get("/readyz").json()["degraded"] == []
        monkeypatch.setattr(Convoy, "advance", raising(ValueError("nobody thought of it")))
        seq = served.kb.write("c", [Document("new", "a novel turbine"), Deletion("green")]).seq
        eventually(lambda: bool(served.kb.troubles()))
        result = served.kb.search("c", SearchRequest("novel turbine", 5), OPERATOR)
        assert result.degraded == ("sparse", "dense") and result.seq < seq
        assert set(served.client.get("/readyz").json()["degraded"]) == {"attributes", "dense", "sparse"}
        assert "nobody thought of it" in served.kb.troubles()["c"]["sparse"]


def test_a_graph_that_stops_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither writes that wait nor what is saved; only searches that need it are degraded, until the next start."""
    monkeypatch.setattr(follower, "SAVE_EVERY_OPERATIONS", 3)
    with filled(tmp_path) as served:
        assert searched(served) == (True, ())
        with monkeypatch.context() as patch:
            patch.setattr(GraphView, "apply", raising(MemoryError("no memory for the graph")))
            stopped = write(served, "new")
            eventually(lambda: "graph" in served.kb.troubles().get("c", {}))
        written = [write(served, f"n{number}") for number in range(8)]
        eventually(lambda: saved_seq(served, tmp_path) >= stopped + 3)
        assert searched(served) == (True, ("graph",))
        assert searched(served, DEFAULT_PLAN) == (False, ())
        assert served.client.get("/readyz").json()["degraded"] == ["graph"]
    assert saved_seq(served, tmp_path) == written[-1], "all is saved at the end"
    with in_process(tmp_path) as served:
        assert searched(served) == (True, ())
        state = served.kb.runtime("c").graph()
        assert state is not None and len(state.live) == len(DOCUMENTS) + 9


def test_a_graph_whose_snapshot_has_no_room_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled(tmp_path) as served:
        monkeypatch.setattr("retrieval.graph.view.replace_file", without_room)
        body = {"collection": "c", "query": "Who recorded Green?", "plan": LINKS.to_dict()}
        answer = served.client.post("/v1/search", json=body, headers=served.headers(Scope.ADMIN))
        assert (answer.status_code, answer.json()["degraded"]) == (200, [])
        assert searched(served) == (True, ())


@pytest.mark.parametrize("error", [OutageError("the catalog is away"), MemoryError("no memory"), OSError(5, "I/O")])
def test_a_graph_that_cannot_catch_up_is_not_searched_before_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(keeper, "RETRY_SECONDS", 0.2)
    with filled(tmp_path) as served:
        with monkeypatch.context() as patch:
            patch.setattr(References, "of", raising(error))
            assert searched(served) == (False, ("graph",))
            write(served, "meanwhile")
        eventually(lambda: searched(served) == (True, ()))
        assert not served.kb.troubles()
        write(served, "later")
        state = served.kb.runtime("c").graph()
        assert state is not None and len(state.live) == len(DOCUMENTS) + 2


def test_a_graph_that_does_not_open_is_tried_with_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot be read is no reason to fail a search, nor to try without end."""
    tried: list[str] = []

    def refuse(*_: object, **__: object) -> None:
        tried.append(threading.current_thread().name)
        without_room()

    with filled(tmp_path) as served:
        runtime = served.kb.runtime("c")
        with monkeypatch.context() as patch:
            patch.setattr(GraphView, "__init__", refuse)
            runtime.graph.begin()
            eventually(lambda: runtime.graph.is_settled)
            for _ in range(20):
                runtime.graph.begin()
                assert searched(served) == (False, ("graph",))
        assert len(tried) == 1
        monkeypatch.setattr(runtime.graph, "_due", 0.0)
        eventually(lambda: searched(served) == (True, ()))


def test_a_graph_that_a_search_opens_is_closed_with_its_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its folder stays locked, and what opens the collection next follows in a private copy."""
    opening, may_open, closed = threading.Event(), threading.Event(), threading.Event()
    references = References.of

    def slowly(*arguments: Any) -> Any:
        opening.set()
        assert may_open.wait(60)
        return references(*arguments)

    with filled(tmp_path) as served:
        with monkeypatch.context() as patch:
            patch.setattr(References, "of", slowly)
            searching = threading.Thread(target=lambda: searched(served))
            searching.start()
            assert opening.wait(60)
            closing = threading.Thread(target=lambda: (served.kb.runtimes.forget("c"), closed.set()))
            closing.start()
            assert not closed.wait(0.5), "it waits for the search that opens the graph"
            may_open.set()
            closing.join(60)
            searching.join(60)
        (folder,) = tmp_path.glob("views/*/*/graph")
        GraphView(folder, served.kb.runtime("c").analyzer).close()  # raises where it is locked
        assert searched(served) == (True, ())
