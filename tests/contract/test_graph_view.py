"""The graph view keeps the verbs of the other views, and answers as one that was built from nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.errors import ViewError, ViewLockedError
from retrieval.graph import state as graph_state
from retrieval.graph.layer import ChunkEntry, Layer
from retrieval.graph.links import LinkWalk, Question
from retrieval.graph.nodes import NodeKind, node_hash
from retrieval.graph.smoothing import by_structure, by_words
from retrieval.graph.state import GraphState
from retrieval.graph.view import GraphView
from retrieval.types import ITSELF, IndexedChunk, ViewBatch

ANALYZER = Analyzer()
PEOPLE = [f"{first} {last}" for first in ("Ada", "Bela", "Cora", "Dora") for last in ("Marsh", "Northcote", "Ogden")]
THINGS = ["heat sink", "main shaft", "cooling fan", "伺服驱动器", "过电流", "服务手册"]


def chunk(label: int, choose: np.random.Generator, *, document: int | None = None) -> IndexedChunk:
    """A chunk of few words, so that chance makes many references meet."""
    person, other = choose.choice(PEOPLE, 2)
    thing = str(choose.choice(THINGS))
    text = f"{person} repaired the {thing} with {other}. 《{thing}》 {thing}，{thing}。 See XK-{choose.integers(0, 9)}."
    number = label // 3 if document is None else document
    links = (f"shop.parts.id={choose.integers(0, 5)}", *((f"{ITSELF}shop.parts.id={number}",) if number % 2 else ()))
    hyperlinks = tuple(f"/notes/{number}.md" for number in choose.integers(0, 12, 2))
    key = f"shop.parts/{number}" if number % 2 else f"notes/{number}.md"
    title = str(choose.choice(PEOPLE)) if choose.random() < 0.5 else f"About {thing}"
    metadata = {"_key": key, "_source": "s"}
    return IndexedChunk(label, number, title, "", text, None, (), metadata, None, links, hyperlinks)


def built(chunks: list[IndexedChunk]) -> GraphState:
    view = GraphView(None, ANALYZER)
    view.apply(ViewBatch(1, [], chunks))
    return view.state


def observed(state: GraphState, labels: list[int], allowed: BitMap64 | None = None) -> list[object]:
    """Everything a search can learn from the graph, as plain values."""
    held = np.array(labels, np.int64)
    names = [*(person.lower() for person in PEOPLE), *THINGS, *(f"xk-{number}" for number in range(9))]
    nodes = np.array([node_hash(NodeKind.NAME, name) for name in names], np.int64)
    members = state.members(nodes, 12, allowed)
    question = Question("Who met Ada Marsh about the main shaft?", np.empty(0, np.float32))
    shares = np.linspace(1, 0.1, len(held[:20]))
    walks = [LinkWalk(state, question, None, allowed, over) for over in (tuple(NodeKind), [NodeKind.ADDRESS])]
    both = [walk.run(held[:20], shares, 5, 2) for walk in walks]
    return [
        sorted(state.live),
        state.counts(nodes).tolist(),
        sorted(zip(members.nodes.tolist(), members.labels.tolist(), members.are.tolist(), strict=True)),
        state.documents(held).tolist(),
        [state.of_document(document).tolist() for document in range(20)],
        by_words(state, held).round(5).tolist(),
        by_structure(state, held).tolist(),
        [
            [reached.labels.tolist(), reached.gains.round(9).tolist(), reached.sources.tolist(), reached.nodes.tolist()]
            for reached in both
        ],
        int(state.frequency.sum()),
    ]


@pytest.mark.parametrize(("least", "growth"), [(0, 0), (0, 2), (4, 8), (64, 8)])
def test_any_history_ends_as_a_graph_built_from_what_is_left(
    monkeypatch: pytest.MonkeyPatch, least: int, growth: int
) -> None:
    """Inserts, updates in place, deletions, repeated and replayed batches; never merged, and after nearly every one."""
    monkeypatch.setattr(graph_state, "MIN_LAYER", least)
    monkeypatch.setattr(graph_state, "LAYER_GROWTH", growth)
    for seed in range(3):
        choose = np.random.default_rng(seed)
        view, truth, batches = GraphView(None, ANALYZER), dict[int, IndexedChunk](), list[ViewBatch]()
        for seq in range(1, 30):
            gone = [label for label in truth if choose.random() < 0.1]
            again = [label for label in truth if label not in gone and choose.random() < 0.1]
            fresh = range(seq * 10, seq * 10 + int(choose.integers(0, 4)))
            added = [chunk(label, choose) for label in (*again, *fresh)]
            for label in gone:
                del truth[label]
            truth.update({one.label: one for one in added})
            batches.append(ViewBatch(seq, gone, added))
            view.apply(batches[-1])
        labels = sorted(truth)
        expected = observed(built(list(truth.values())), labels)
        assert observed(view.state, labels) == expected
        assert observed(view.state.compacted(), labels) == expected
        view.apply(batches[-1])
        assert (observed(view.state, labels), view.seq) == (expected, 29)
        half = BitMap64(labels[::2])
        assert observed(view.state, labels, half)[2] == [row for row in expected[2] if row[1] in half]  # type: ignore[attr-defined]


def test_a_snapshot_opens_as_it_was_and_replays_what_came_later(tmp_path: Path) -> None:
    choose = np.random.default_rng(7)
    chunks = [chunk(label, choose) for label in range(40)]
    view = GraphView(tmp_path, ANALYZER)
    view.apply(ViewBatch(1, [], chunks[:30]))
    view.save()
    later = ViewBatch(2, [3, 4], chunks[30:])
    view.apply(later)  # is not saved: as after a kill
    expected = observed(view.state, [one.label for one in chunks if one.label not in (3, 4)])
    with pytest.raises(ViewLockedError):
        GraphView(tmp_path, ANALYZER)
    copy = GraphView(tmp_path, ANALYZER, read_only=True)
    assert (copy.seq, len(copy)) == (1, 30)
    closing = threading.Thread(target=view.close)  # a server opens views in one thread and closes them in another
    closing.start()
    closing.join()
    again = GraphView(tmp_path, ANALYZER)
    assert (again.seq, len(again)) == (1, 30)
    for one in (copy, again):
        one.apply(later)
        assert observed(one.state, [c.label for c in chunks if c.label not in (3, 4)]) == expected
    copy.save()
    assert GraphView(tmp_path, ANALYZER, read_only=True).seq == 1, "a read-only view writes nothing"
    again.save()
    again.close()
    assert GraphView(tmp_path, ANALYZER, read_only=True).seq == 2


@pytest.mark.parametrize("how", ["damage", "loss", "analyzer"])
def test_what_does_not_fit_is_refused(tmp_path: Path, how: str) -> None:
    view = GraphView(tmp_path, ANALYZER)
    view.apply(ViewBatch(1, [], [chunk(1, np.random.default_rng(1))]))
    view.save()
    view.close()
    path, analyzer = tmp_path / "graph.npz", ANALYZER
    if how == "damage":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    elif how == "loss":
        path.unlink()
    else:
        analyzer = Analyzer(["main shaft"])
    with pytest.raises(ViewError, match="delete"):
        GraphView(tmp_path, analyzer)


def test_a_small_write_rewrites_little_of_a_large_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks come, change and go one by one; what the layers write for it hardly grows with the graph."""
    written, make = [0], Layer.of

    def counted(entries: Mapping[int, ChunkEntry]) -> Layer:
        written[0] += len(entries)
        return make(entries)

    def entry(label: int) -> ChunkEntry:
        return ChunkEntry(label // 3, label, np.array([label * 2, label * 2 + 1]), np.array([label], np.uint32))

    state = GraphState().changed(BitMap64(), {label: entry(label) for label in range(8000)})
    monkeypatch.setattr(Layer, "of", counted)
    for label in range(8000, 8900):
        came = label if label % 3 else label - 4000
        state = state.changed(BitMap64([label // 100] if label % 100 == 0 else []), {came: entry(came)})
    assert written[0] / 900 < 60
    assert len(state.parts) <= 5
    assert sorted(state.live) == sorted(label for layer, dead in state.parts for label in layer.without(dead))


def test_a_chunk_that_comes_again_as_it_was_keeps_its_entry() -> None:
    view, one = GraphView(None, ANALYZER), chunk(1, np.random.default_rng(2))
    view.apply(ViewBatch(1, [], [one]))
    before = view.state
    view.apply(ViewBatch(2, [], [replace(one, groups=("staff",), metadata={**one.metadata, "year": 2024})]))
    assert view.state is before and view.seq == 2
    view.apply(ViewBatch(3, [], [replace(one, links=("shop.parts.id=99",))]))
    assert view.state is not before
    before = view.state
    view.apply(ViewBatch(4, [], [replace(one, links=("shop.parts.id=99",), hyperlinks=("/elsewhere.html",))]))
    assert view.state is not before


def test_a_joined_row_that_changes_takes_its_old_link_along() -> None:
    """Every edge carries its source: where the document that made it changes, it is gone."""
    view = GraphView(None, ANALYZER)
    parts = [
        IndexedChunk(label, label, "", "", "x", None, (), {"_key": f"shop.parts/{label}", "_source": "s"}, None, links)
        for label, links in ((1, ("=shop.parts.id=1",)), (2, ("=shop.parts.id=2",)), (3, ("shop.parts.id=1",)))
    ]
    node = np.array([node_hash(NodeKind.ROW, f"s\nshop.parts.id={number}") for number in (1, 2)])
    view.apply(ViewBatch(1, [], parts))
    assert view.state.counts(node).tolist() == [2, 1]
    view.apply(ViewBatch(2, [], [replace(parts[2], links=("shop.parts.id=2",))]))
    assert view.state.counts(node).tolist() == [1, 2]
    view.apply(ViewBatch(3, [3], []))
    assert view.state.counts(node).tolist() == [1, 1]
