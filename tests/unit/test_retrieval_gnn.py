"""A graph model for retrieval: it learns what its questions show, and leaves vectors alone otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')

from search_core.errors import BudgetError, CorpusError, SupervisionError, TrainingError
from search_core.models.edges import Edges, make_edges
from search_core.models.graph_config import GraphLMConfig
from search_core.models.retrieval_gnn import RetrievalTraining, Vectors, fit_graph_lm

CHUNKS, DIM, QUESTIONS = 60, 16, 40


def unit(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def knn_edges(vectors: Vectors, neighbours: int) -> Edges:
    """Each chunk with its nearest ones by inner product, both directions, weighted by it (below 0: left out)."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    nearest = np.argsort(-similar, axis=1)[:, :neighbours]
    weight = np.take_along_axis(similar, nearest, axis=1).ravel()
    pairs = np.stack([np.repeat(np.arange(len(vectors)), neighbours), nearest.ravel()], axis=1)
    return make_edges(len(vectors), pairs[weight > 0], weight[weight > 0])


def identity_config(dim: int, **choices: object) -> GraphLMConfig:
    """Starts as the identity: gate fusion from `dim` to `dim`; `choices` replace its others."""
    base = GraphLMConfig(dim, dim, "sage", depth=1, width=128, fusion="gate", dropout=0.1)
    return replace(base, **choices)  # type: ignore[arg-type]


@pytest.fixture
def world() -> tuple[Any, Any, list[dict[int, float]]]:
    """Half of each chunk's vector is noise that no question shares: it is to be taken out of the chunks."""
    draw = np.random.default_rng(0)
    told, noise = draw.normal(size=(CHUNKS, DIM)), draw.normal(size=(CHUNKS, DIM))
    told[:, DIM // 2 :], noise[:, : DIM // 2] = 0.0, 0.0
    hums = 1.5 * noise[draw.integers(4, size=CHUNKS)]
    asked = told[:QUESTIONS] + 1.5 * noise[draw.integers(4, size=QUESTIONS)]
    return unit(told + hums), unit(asked), [{row: 1.0} for row in range(QUESTIONS)]


def test_it_learns_from_questions_and_the_seed_decides(world: tuple[Any, Any, Any]) -> None:
    chunks, questions, judged = world
    edges, config = knn_edges(chunks, 4), identity_config(DIM, width=16)
    one, again = (fit_graph_lm(chunks, edges, questions, judged, config, 3, 60.0) for _ in range(2))
    assert one.epoch > 0
    assert min(one.losses) < one.losses[0]
    assert np.array_equal(one.vectors(), again.vectors())
    assert np.linalg.norm(one.vectors(), axis=1) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("documents", [["own", "own", *map(str, range(2, CHUNKS))], []])
def test_another_part_of_the_relevant_document_is_no_negative(
    world: tuple[Any, Any, Any], documents: list[str]
) -> None:
    """However near it lies to its question the loss is the same; where nobody says whose part it is, it is one."""
    chunks, questions, _ = world
    losses = set()
    for other in (chunks[1], questions[0]):
        chunks[1] = other
        asked, judged = np.repeat(questions[:1], 4, axis=0), [{0: 1.0}] * 4
        config = identity_config(DIM, width=16)
        losses.add(
            fit_graph_lm(chunks, knn_edges(chunks, 0), asked, judged, config, 0, 5.0, documents=documents).losses[0]
        )
    assert (len(losses) == 1) is bool(documents)


def test_where_nothing_is_better_the_vectors_stay(world: tuple[Any, Any, Any]) -> None:
    chunks, _, judged = world
    fitted = fit_graph_lm(
        chunks, knn_edges(chunks, 4), chunks[:QUESTIONS], judged, identity_config(DIM, width=16), 0, 1e-9
    )
    assert fitted.epoch == 0
    assert fitted.vectors() == pytest.approx(chunks, abs=1e-6)


def test_what_is_no_number_or_fits_nothing_is_refused(world: tuple[Any, Any, Any]) -> None:
    chunks, questions, judged = world
    edges, config = knn_edges(chunks, 4), identity_config(DIM)
    broken = questions.copy()
    broken[0, 0] = np.nan
    with pytest.raises(SupervisionError, match="no number"):
        fit_graph_lm(chunks, edges, broken, judged, config, 0, 5.0)
    with pytest.raises(SupervisionError, match="expected at least 2"):
        fit_graph_lm(chunks, edges, questions[:1], judged[:1], config, 0, 5.0)
    with pytest.raises(SupervisionError, match="chunk 99"):
        fit_graph_lm(chunks, edges, questions[:1], [{99: 1.0}], config, 0, 5.0)
    with pytest.raises(BudgetError):
        fit_graph_lm(chunks, edges, questions, judged, config, 0, 0.0)
    with pytest.raises(CorpusError, match="16 wide"):
        fit_graph_lm(chunks, edges, questions, judged, identity_config(8), 0, 5.0)
    with pytest.raises(CorpusError, match="2 documents are named"):
        fit_graph_lm(chunks, edges, questions, judged, config, 0, 5.0, documents=["a", "b"])


@pytest.mark.parametrize(("rate", "told"), [(1e30, "the loss is nan in epoch 1"), (1e300, "PyTorch cannot train")])
def test_a_rate_that_explodes_is_named(world: tuple[Any, Any, Any], rate: float, told: str) -> None:
    """After a single step, too: what the network was before it is no trained one."""
    chunks, questions, judged = world
    once = RetrievalTraining(learning_rate=rate, max_epochs=1)
    with pytest.raises(TrainingError, match=told):
        fit_graph_lm(chunks, knn_edges(chunks, 4), questions, judged, identity_config(DIM), 0, 60.0, once)
