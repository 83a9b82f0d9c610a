"""The diffusion step of a plan: scores flow over the corpus graph, after fusion and before the catalog's check.

Only what the caller may see passes on a score or receives one: candidates come from legs that were restricted, and the
walk over links is given the same restriction.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from retrieval.contracts import Allowed
from retrieval.graph.links import LinkWalk, Question, Reached
from retrieval.graph.nodes import NodeKind
from retrieval.graph.smoothing import Affinity, by_structure, by_vectors, by_words, smoothed
from retrieval.graph.state import GraphState
from retrieval.plan import DiffusionEdges, DiffusionStep
from retrieval.ranking.fusion import Candidates, GraphPart, Scores, VectorLookup
from retrieval.types import Labels

_WALKED = {  # edges that a walk follows, beyond the candidates -> the nodes they lead over
    DiffusionEdges.LINKS: tuple(NodeKind),
    DiffusionEdges.HYPERLINKS: (NodeKind.ADDRESS,),
    DiffusionEdges.FOREIGN_KEYS: (NodeKind.ROW,),
}
POOL = 100  # candidates among which scores flow: the graph over them costs their square
BELOW_ANCHOR = 0.95  # of an anchor's score, the most that what it leads to may reach
ANCHORABLE = 200  # candidates that a walk knows the scores of


def needs_graph(step: DiffusionStep | None) -> bool:
    """Whether the step asks the graph view; near vectors are compared as they are."""
    return step is not None and step.edges is not DiffusionEdges.DENSE


def diffuse(
    step: DiffusionStep,
    candidates: Candidates,
    graph: GraphState | None,
    question: Question,
    vectors_of: VectorLookup | None,
    allowed: Allowed = None,
) -> Candidates:
    """The candidates in the order that the step gives them, each with what it gained or lost.

    They stay as they are where the step needs a graph or vectors that are not there.
    """
    labels, scores = candidates.scored()
    if not len(labels) or step.strength == 0.0:
        return candidates
    if step.edges in _WALKED:
        return candidates if graph is None else _walked(step, candidates, graph, question, vectors_of, allowed)
    labels, scores = labels[:POOL], scores[:POOL]
    affinity = _affinity(step.edges, labels, graph, vectors_of)
    if affinity is None:
        return candidates
    gained = smoothed(affinity, scores, step.neighbours, step.strength, step.steps) - scores
    name = step.edges.value
    parts = {
        label: GraphPart(gain, name)
        for label, gain in zip(labels.tolist(), gained.tolist(), strict=True)
        if gain != 0.0
    }
    return candidates.with_graph(parts, 0.0)


def _capped(reached: Reached, shares: Mapping[int, float], strength: float) -> Scores:
    """(n,) gains of which none lifts a chunk over the anchor it comes from: that one answers the question as it is."""
    labels = reached.labels.tolist()
    gains = dict(zip(labels, (reached.gains * strength / (1.0 - strength)).tolist(), strict=True))
    sources = dict(zip(labels, reached.sources.tolist(), strict=True))
    capped: dict[int, float] = {}

    def gain(label: int) -> float:
        """Bounded by what the source comes to; of two that lead to each other, by what one of them has itself."""
        if label not in capped:
            source, most = sources.get(label, 0), gains.get(label, 0.0)
            capped[label] = 0.0
            if source:
                bound = BELOW_ANCHOR * (shares.get(source, 0.0) + gain(source))
                most = min(most, max(0.0, bound - shares.get(label, 0.0)))
            capped[label] = most
        return capped[label]

    return np.array([gain(label) for label in labels], np.float64)


def _affinity(
    edges: DiffusionEdges, labels: Labels, graph: GraphState | None, vectors_of: VectorLookup | None
) -> Affinity | None:
    if edges is DiffusionEdges.DENSE:
        return None if vectors_of is None else by_vectors(vectors_of(labels))
    if graph is None:
        return None
    return by_words(graph, labels) if edges is DiffusionEdges.WORDS else by_structure(graph, labels)


def _walked(
    step: DiffusionStep,
    candidates: Candidates,
    graph: GraphState,
    question: Question,
    vectors_of: VectorLookup | None,
    allowed: Allowed,
) -> Candidates:
    labels, scores = candidates.scored()
    floor = min(0.0, float(scores.min()))
    spread = float(scores.max()) - floor
    if spread <= 0.0:
        return candidates
    shares: Scores = (scores - floor) / spread
    reached = LinkWalk(graph, question, vectors_of, allowed, _WALKED[step.edges]).run(
        labels[:ANCHORABLE], shares[:ANCHORABLE], step.neighbours, step.steps
    )
    gains = spread * _capped(reached, dict(zip(labels.tolist(), shares.tolist(), strict=True)), step.strength)
    rows = zip(*(array.tolist() for array in (reached.labels, gains, reached.sources, reached.nodes)), strict=True)
    parts = {label: GraphPart(gain, step.edges.value, source, node) for label, gain, source, node in rows}
    return candidates.with_graph(parts, floor)
