"""A walk over names, links and foreign keys: from what a question names and what it found to what these lead to.

Passages that answer a question of several steps often share no word with it: they share a name with the passage that
answers the first step. The walk begins at a few anchors, the best candidates and the chunks that are what the question
names, crosses what they refer to, rare nodes first, and lets what it reaches gain score, also where no leg found it.
It is the first steps of a personalised PageRank with a rank-weighted teleport.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.contracts import Allowed
from retrieval.dense.products import inner_products
from retrieval.graph.names import asked_names
from retrieval.graph.nodes import Hashes, NodeKind, among, changes, node_hashes, of_kinds
from retrieval.graph.state import GraphState
from retrieval.types import Labels, Vector, Vectors

_Lookup = Callable[[Labels], Vectors]

# Chosen on one half of the questions of MuSiQue's sample, confirmed on the other; see docs/graph.md.
ANCHORS = 2  # chunks the walk begins at
HUB = 100  # chunks: what more refer to leads nowhere
ASKED_GAIN = 0.4  # of what the question names, beside 1 for the best candidate
ANCHOR_BONUS = 1.0  # for being what the question names, when anchors are chosen
WALK_GAIN = 2.0  # of what an anchor of full strength leads to by a node of its own
IS_WEIGHT = 2.0  # a chunk that is the node, beside one that mentions it
KNOWN_WEIGHT = 0.3  # of nodes that the question names: what they lead to, it finds by itself
RANK_DAMPING = 0.5  # the anchor in place r counts (1 + r) ** -RANK_DAMPING
STEP_DAMPING = 0.25  # of the strength, for each further step
COMMON_DAMPING = 0.5  # a node that n others refer to counts n ** -COMMON_DAMPING
LIKENESS = 0.5  # how much of the gain depends on the likeness of question and chunk
UNLIKE = 0.15  # what a chunk gains that is not like the question at all; also where no vectors are known
FEW = 5  # chunks that mention what the question names, where none is it, so that they count as named


@dataclass(frozen=True, slots=True)
class Question:
    """What the walk knows of a question; `vector` is (dim,), or of no length where there is none."""

    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Reached:
    """(n,) candidates by rising label with what each gained, beside 1 for the best candidate; 0: nothing.

    `sources` are the anchors that gave most, `nodes` what was crossed; 0 where the question itself gave most. Two
    anchors may be each other's source.
    """

    labels: Labels
    gains: NDArray[np.float64]
    sources: Labels
    nodes: Hashes


class _Gain(NamedTuple):
    """What a chunk gained in all, and the most that came at once: how much, from which anchor, over which node."""

    total: float = 0.0
    most: float = 0.0
    source: int = 0
    node: int = 0

    def with_(self, gain: float, source: int, node: int) -> _Gain:
        """With more from an anchor."""
        if gain > self.most:
            return _Gain(self.total + gain, gain, source, node)
        return self._replace(total=self.total + gain)


class LinkWalk:
    """One walk, over one state of the graph and nodes of the kinds `over`, for one caller."""

    def __init__(
        self,
        graph: GraphState,
        question: Question,
        vectors_of: _Lookup | None,
        allowed: Allowed,
        over: Collection[NodeKind] = tuple(NodeKind),
    ) -> None:
        self._graph = graph
        self._over = over
        self._question = question
        self._vectors_of = vectors_of
        self._allowed = allowed
        self._asked = self._longest(asked_names(question.text) if NodeKind.NAME in over else [])

    def run(self, labels: Labels, shares: NDArray[np.float64], neighbours: int, steps: int) -> Reached:
        """What candidates with these shares of the best score gain, and up to `neighbours` others an anchor."""
        scores: dict[int, float] = dict(zip(labels.tolist(), shares.tolist(), strict=True))
        named = self._named()
        gains = {label: _NOTHING.with_(ASKED_GAIN * strength, 0, 0) for label, strength in named.items()}
        used: set[int] = set()
        for step in range(steps):
            for rank, (anchor, strength) in enumerate(self._anchors(scores, gains, named, used)):
                used.add(anchor)
                passed = STEP_DAMPING**step * min(strength, 2.0) / (1 + rank) ** RANK_DAMPING
                self._follow(anchor, passed, gains, scores, neighbours)
        reached = sorted(gains)
        rows = [gains[label] for label in reached]
        return Reached(
            np.array(reached, np.int64),
            np.array([row.total for row in rows], np.float64),
            np.array([row.source for row in rows], np.int64),
            np.array([row.node for row in rows], np.int64),
        )

    def _longest(self, names: list[str]) -> Hashes:
        """The nodes of those names that the caller can know of and that are no part of a longer such name."""
        nodes = node_hashes(NodeKind.NAME, names)
        is_known = self._graph.counts(nodes) > (0 if self._allowed is None else HUB)
        if self._allowed is not None:
            is_known[self._graph.members(nodes, HUB, self._allowed).nodes] = True
        known = [(names[at], int(nodes[at])) for at in np.flatnonzero(is_known).tolist()]
        kept: list[tuple[str, int]] = []
        for name, node in sorted(known, key=lambda one: (-len(one[0]), one[0])):
            if not any(_is_part(name, longer) for longer, _ in kept):
                kept.append((name, node))
        return np.array([node for _, node in kept], np.int64)

    def _named(self) -> dict[int, float]:
        """How surely each chunk is what the question names, 0 to 1."""
        found: dict[int, float] = {}
        if not len(self._asked):
            return found
        members = self._graph.members(self._asked, HUB, self._allowed)
        live = self._graph.live
        known = len(live) if self._allowed is None else self._allowed.intersection_cardinality(live)
        for node in range(len(self._asked)):
            mine = members.nodes == node
            labels, are = members.labels[mine], members.are[mine]
            rarity = math.log(1 + known / max(len(labels), 1)) / math.log(1 + known) if known else 0.0
            if are.any():
                labels, strength = labels[are], rarity / math.sqrt(are.sum())
            elif 0 < len(labels) <= FEW:
                strength = 0.5 * rarity / math.sqrt(len(labels))
            else:
                continue
            for label in labels.tolist():
                found[label] = max(found.get(label, 0.0), strength)
        return found

    def _anchors(
        self,
        scores: dict[int, float],
        gains: dict[int, _Gain],
        named: dict[int, float],
        used: set[int],
    ) -> list[tuple[int, float]]:
        best = heapq.nlargest(ANCHORS + len(used), scores, key=lambda label: (scores[label], -label))
        strengths = {
            label: scores.get(label, 0.0) + gains.get(label, _NOTHING).total + ANCHOR_BONUS * named.get(label, 0.0)
            for label in {*best, *gains} - used
        }
        return sorted(strengths.items(), key=lambda item: (-item[1], item[0]))[:ANCHORS]

    def _follow(
        self,
        anchor: int,
        strength: float,
        gains: dict[int, _Gain],
        scores: dict[int, float],
        neighbours: int,
    ) -> None:
        """Add to `gains` what the anchor gives to the chunks it leads to."""
        entry = self._graph.entry(anchor)
        if entry is None or not len(entry.hashes):
            return
        nodes = entry.hashes & ~1
        nodes = nodes[changes(nodes) & of_kinds(nodes, self._over)]
        members = self._graph.members(nodes, HUB, self._allowed)
        counts = np.bincount(members.nodes, minlength=len(nodes))
        weights = np.maximum(counts - 1, 1).astype(np.float64) ** -COMMON_DAMPING
        weights[among(nodes, self._asked)] *= KNOWN_WEIGHT
        each = weights[members.nodes] * np.where(members.are, IS_WEIGHT, 1.0)
        order = np.lexsort((-each, members.labels))
        labels, each, crossed = members.labels[order], each[order], nodes[members.nodes[order]]
        first = changes(labels) & (labels != anchor)
        labels, each, crossed = labels[first], each[first], crossed[first]
        if not len(labels):
            return
        each = WALK_GAIN * strength * each * self._likeness(labels)
        new = neighbours
        for place in np.lexsort((labels, -each)).tolist():
            label, gain = int(labels[place]), float(each[place])
            if label not in scores and label not in gains:
                if new == 0:
                    continue
                new -= 1
            gains[label] = gains.get(label, _NOTHING).with_(gain, anchor, int(crossed[place]))

    def _likeness(self, labels: Labels) -> NDArray[np.float64]:
        if self._vectors_of is None or not len(self._question.vector):
            return np.full(len(labels), UNLIKE)
        vectors = self._vectors_of(labels)
        if vectors.shape[1] != len(self._question.vector):  # the dense leg fell silent meanwhile
            return np.full(len(labels), UNLIKE)
        likeness = inner_products(vectors, self._question.vector).astype(np.float64)
        weighed: NDArray[np.float64] = UNLIKE + LIKENESS * np.maximum(likeness, 0.0)
        return weighed


_NOTHING = _Gain()


def _is_part(name: str, longer: str) -> bool:
    return f" {name} " in f" {longer} " if name.isascii() else name in longer
