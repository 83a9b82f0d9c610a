"""Two rankings become one: weighted reciprocal ranks, or a weighted sum of normalised scores. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from retrieval.dense.products import inner_products
from retrieval.graph.nodes import changes
from retrieval.plan import FusionMethod, Normalisation, Plan
from retrieval.types import Labels, Ranking, Vectors

# Places of candidates that a leg did not find, that joined after fusion, and that were left out when it was asked again
UNFOUND, JOINED, LEFT_OUT = -1, -2, -3
TIE_DECIMALS = 9  # of moved scores: sums that should be equal differ in the last bits; rounded, they tie
RRF_K = 60  # Cormack, Clarke, Büttcher 2009: damps the weight of the very first ranks

Scores = NDArray[np.float64]  # (n,)
VectorLookup = Callable[[Labels], Vectors]  # (n,) labels -> (n, dim) unit vectors, zeros where there is none
Bounds = tuple[float, float | None]  # scores that count as 0 and as 1; None: the best candidate's


@dataclass(frozen=True, slots=True)
class LegCut:
    """Where a leg ended before it was asked for further documents.

    What the other leg had found by then was left out from there on. So the leg's end says nothing of it; that it
    comes after `depth` candidates is all that is known, as before.
    """

    labels: Labels  # of what the other leg had found
    depth: int  # candidates


@dataclass(frozen=True, slots=True)
class FusionSignals:
    """What a search knows of its query before fusing, without any label.

    `coverage`: `Encoder.coverage(query)`, the share of its letters that the encoder's vocabulary knows.
    `sparse_asked`: how many candidates the sparse leg was asked for; None: the plan's depth.
    `sparse_cut`, `dense_cut`: where that leg ended at first; None where it was asked once.
    """

    coverage: float = 1.0
    sparse_asked: int | None = None
    sparse_cut: LegCut | None = None
    dense_cut: LegCut | None = None


NO_SIGNALS = FusionSignals()


class LegPart(NamedTuple):  # a tuple, for a search makes many of them
    """What one leg gave to a fused score: `contribution` is the leg's weight times its share (normalised or 1/rank).

    Without rank and score the leg did not find it, and the contribution is what is assumed of such; see `_absent`.
    """

    rank: int | None  # 1 = best of the leg
    score: float | None  # as the leg gave it: BM25, or cosine
    weight: float  # 0 to 1; both legs' weights sum to 1
    contribution: float


class GraphPart(NamedTuple):
    """What the corpus graph gave to a score: mostly from chunk `source`, over the name or address `node`.

    `source` 0: several, or the question itself names it; `node` 0: the edge has none.
    """

    contribution: float
    edges: str
    source: int = 0
    node: int = 0


class PrecedentPart(NamedTuple):
    """What earlier questions gave to a score: the share of the near ones that it answered, the nearest one's cosine."""

    contribution: float
    share: float
    nearest: float


class Fused(NamedTuple):
    """A candidate with its fused score; a leg that gave nothing to it is None.

    `feedback` is what the score gained by likeness to the first candidates, `ranker` what a learned ranker added.
    """

    label: int
    score: float
    sparse: LegPart | None
    dense: LegPart | None
    feedback: float = 0.0
    graph: GraphPart | None = None
    precedent: PrecedentPart | None = None
    ranker: float = 0.0


@dataclass(frozen=True, slots=True)
class _Leg:
    ranking: Ranking
    weight: float
    parts: Scores  # (n,) contribution of each of the ranking's candidates
    absent: float  # contribution to candidates that this leg did not find
    cut: LegCut | None = None
    left_out: float = 0.0  # contribution to candidates that the cut left out

    def spread(self, labels: Labels) -> tuple[NDArray[np.int64], Scores]:
        """(m,) where each of the rising `labels` stands in the ranking, or `UNFOUND`, and what it contributes.

        They hold every label of the ranking.
        """
        places, parts = np.full(len(labels), UNFOUND, np.int64), np.full(len(labels), self.absent)
        if count := len(self.ranking):
            found = np.searchsorted(labels, self.ranking.labels)
            places[found], parts[found] = np.arange(count), self.parts
        if self.cut is not None:
            left_out = (places == UNFOUND) & np.isin(labels, self.cut.labels)
            places[left_out], parts[left_out] = LEFT_OUT, self.left_out
        return places, parts

    def explained(self, places: NDArray[np.int64]) -> list[LegPart | None]:
        """What the leg gave to the candidates at these places of its ranking."""
        if not len(self.ranking):
            return [None] * len(places)
        otherwise = {UNFOUND: self._assumed(self.absent), LEFT_OUT: self._assumed(self.left_out), JOINED: None}
        rows = np.maximum(places, 0)
        scores, parts = self.ranking.scores[rows].tolist(), self.parts[rows].tolist()
        return [
            LegPart(place + 1, score, self.weight, part) if place >= 0 else otherwise[place]
            for place, score, part in zip(places.tolist(), scores, parts, strict=True)
        ]

    def _assumed(self, part: float) -> LegPart | None:
        return LegPart(None, None, self.weight, part) if part else None


class Candidates(Sequence[Fused]):
    """What fusion ranked, best first. A search mostly reads the first few of hundreds, so each is made when read."""

    def __init__(
        self,
        labels: Labels,
        scores: Scores,
        feedback: Scores,
        legs: Sequence[tuple[_Leg, NDArray[np.int64]]],
        graph: Mapping[int, GraphPart] | None = None,
        precedents: Mapping[int, PrecedentPart] | None = None,
        ranker: Scores | None = None,
    ) -> None:
        self._labels = labels
        self._scores = scores
        self._feedback = feedback
        self._legs = legs
        self._graph = graph or {}
        self._precedents = precedents or {}
        self._ranker = ranker

    def scored(self) -> tuple[Labels, Scores]:
        """((n,) labels, (n,) scores), best first."""
        return self._labels, self._scores

    def in_leg(self, leg: int) -> tuple[Scores, Scores]:
        """Of the sparse (0) or dense (1) leg: ((n,) `RRF_K` / (`RRF_K` + rank), (n,) scores), 0 where it found none."""
        ranking, places = self._legs[leg][0].ranking, self._legs[leg][1]
        found = places >= 0
        ranks, scores = np.zeros(len(places)), np.zeros(len(places))
        ranks[found] = RRF_K / (RRF_K + places[found] + 1.0)
        scores[found] = ranking.scores[places[found]]
        return ranks, scores

    def with_gains(self, gains: Scores) -> Candidates:
        """The same with what a learned ranker adds (n,) to the scores."""
        scores = self._scores + gains
        best = np.lexsort((self._labels, -scores))
        legs = [(leg, places[best]) for leg, places in self._legs]
        labels, feedback = self._labels[best], self._feedback[best]
        return Candidates(labels, scores[best], feedback, legs, self._graph, self._precedents, gains[best])

    def with_graph(self, parts: Mapping[int, GraphPart], floor: float) -> Candidates:
        """The same with what the graph gave added to the scores; labels that were none join, from `floor` on."""
        return self._moved(parts, floor, graph=parts)

    def with_precedents(self, parts: Mapping[int, PrecedentPart], floor: float) -> Candidates:
        """The same with what earlier questions gave added; labels that were none join, from `floor` on."""
        return self._moved(parts, floor, precedents=parts)

    def _moved(
        self,
        parts: Mapping[int, GraphPart] | Mapping[int, PrecedentPart],
        floor: float,
        graph: Mapping[int, GraphPart] | None = None,
        precedents: Mapping[int, PrecedentPart] | None = None,
    ) -> Candidates:
        moved = np.fromiter(parts, np.int64, len(parts))
        gains = np.fromiter((part.contribution for part in parts.values()), np.float64, len(parts))
        rising = np.argsort(self._labels)
        places = np.searchsorted(self._labels, moved, sorter=rising)
        is_new = places == len(rising)
        places[~is_new] = rising[places[~is_new]]
        is_new[~is_new] = self._labels[places[~is_new]] != moved[~is_new]
        new = moved[is_new]
        labels = np.concatenate((self._labels, new))
        scores = np.concatenate((self._scores, floor + gains[is_new]))
        scores[places[~is_new]] += gains[~is_new]
        scores = np.round(scores, TIE_DECIMALS)
        best = np.lexsort((labels, -scores))
        legs = [(leg, np.concatenate((places, np.full(len(new), JOINED)))[best]) for leg, places in self._legs]
        feedback = np.concatenate((self._feedback, np.zeros(len(new))))[best]
        graph = self._graph if graph is None else graph
        precedents = self._precedents if precedents is None else precedents
        return Candidates(labels[best], scores[best], feedback, legs, graph, precedents)

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self, most: int) -> list[int]:
        """The labels of the first candidates."""
        first: list[int] = self._labels[:most].tolist()
        return first

    def at(self, places: Sequence[int]) -> list[Fused]:
        """The candidates at these places, counted from 0."""
        return self._made(np.array(places, np.int64))

    def __iter__(self) -> Iterator[Fused]:
        return iter(self[:])

    @overload
    def __getitem__(self, index: int) -> Fused: ...

    @overload
    def __getitem__(self, index: slice) -> list[Fused]: ...

    def __getitem__(self, index: int | slice) -> Fused | list[Fused]:
        """One candidate, or those of a slice."""
        if not isinstance(index, slice):
            at = range(len(self))[index]  # counts from the end where negative, and refuses what is outside
            return self[at : at + 1][0]
        return self._made(index)

    def _made(self, index: slice | NDArray[np.int64]) -> list[Fused]:
        in_legs = (leg.explained(places[index]) for leg, places in self._legs)
        labels, scores, feedback = (array[index].tolist() for array in (self._labels, self._scores, self._feedback))
        found = list(map(Fused, labels, scores, *in_legs, feedback))
        if self._graph or self._precedents:
            graph, told = self._graph.get, self._precedents.get
            found = [one._replace(graph=graph(one.label), precedent=told(one.label)) for one in found]
        if self._ranker is not None:
            gains = self._ranker[index].tolist()
            found = [one._replace(ranker=gain) for one, gain in zip(found, gains, strict=True)]
        return found


def fuse(
    plan: Plan,
    sparse: Ranking,
    dense: Ranking,
    signals: FusionSignals = NO_SIGNALS,
    *,
    vectors_of: VectorLookup | None = None,
) -> Candidates:
    """The candidates of the legs that the plan asks, best first, ties by rising label.

    A candidate that one leg did not find gets from it no more than its last candidate got (see `_absent`), and one that
    was left out when the leg was asked again no more than the last candidate before.
    Without `vectors_of` there is no feedback.
    """
    sparse = Ranking.empty() if plan.fusion is FusionMethod.DENSE else sparse
    dense = Ranking.empty() if plan.fusion is FusionMethod.SPARSE else dense
    weight = dense_weight(plan, sparse, dense, signals)
    legs = _sparse_leg(plan, sparse, 1.0 - weight, signals), _dense_leg(plan, dense, weight, signals)
    labels = np.sort(np.concatenate((sparse.labels, dense.labels)))
    labels = labels[changes(labels)]  # rising: a stable sort breaks ties by them
    (sparse_places, scores), (dense_places, more) = (leg.spread(labels) for leg in legs)
    scores += more
    feedback = _feedback(plan, labels, scores, signals, vectors_of)
    scores += feedback
    best = np.argsort(-scores, kind="stable")
    in_legs = list(zip(legs, (sparse_places[best], dense_places[best]), strict=True))
    return Candidates(labels[best], scores[best], feedback[best], in_legs)


def _feedback(
    plan: Plan, labels: Labels, scores: Scores, signals: FusionSignals, vectors_of: VectorLookup | None
) -> Scores:
    """(n,) what each candidate gains by its mean cosine with the first ones: pseudo-relevance feedback by vectors.

    The sum over `feedback_top` vectors is Rocchio's (1971) in the embedding space. It trusts the encoder, so it
    counts as far as the encoder knows the query.
    """
    weight = plan.feedback * (signals.coverage if plan.adaptive else 1.0)
    if vectors_of is None or weight == 0.0 or plan.fusion is not FusionMethod.CONVEX or not len(labels):
        return np.zeros(len(labels))
    vectors = vectors_of(labels)
    first = np.argsort(-scores, kind="stable")[: plan.feedback_top]
    likeness: Scores = inner_products(vectors, vectors[first].mean(axis=0)).astype(np.float64)
    return weight * likeness


def dense_weight(plan: Plan, sparse: Ranking, dense: Ranking, signals: FusionSignals = NO_SIGNALS) -> float:
    """The weight of the dense leg for this query, 0 to 1: the plan's times the share of letters the encoder knows.

    An English encoder reads 0.1 to 0.5 of a Chinese question; that is how a query says, without labels, that vectors
    cannot be trusted with it (docs/quality.md).
    """
    if not len(dense):
        return 0.0
    if not len(sparse):
        return 1.0
    return plan.dense_weight * (signals.coverage if plan.adaptive else 1.0)


def reciprocal_ranks(count: int) -> Scores:
    """(count,) 1 / (RRF_K + rank), rank from 1 (Cormack et al. 2009)."""
    return 1.0 / (RRF_K + np.arange(1, count + 1, dtype=np.float64))


def min_max(scores: NDArray[np.float32]) -> Scores:
    """(n,) 0 for the lowest and 1 for the highest score; all 1 where they are equal."""
    low, high = float(scores.min()), float(scores.max())
    return bounded(scores, low, high)


def z_score(scores: NDArray[np.float32]) -> Scores:
    """(n,) standard deviations above the mean of these candidates; all 0 where they are equal."""
    values = scores.astype(np.float64)
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


def bounded(scores: NDArray[np.float32], low: float, high: float) -> Scores:
    """(n,) where each score stands between `low` (0) and `high` (1); all 1 where these are equal."""
    if high <= low:
        return np.ones(len(scores))
    return (scores.astype(np.float64) - low) / (high - low)


def _sparse_leg(plan: Plan, ranking: Ranking, weight: float, signals: FusionSignals) -> _Leg:
    parts = weight * _shares(plan, ranking, (0.0, None))
    complete = len(ranking) < (signals.sparse_asked or plan.sparse_depth)
    absent, cut = _absent(plan, parts, complete=complete), signals.sparse_cut
    if cut is None:
        return _Leg(ranking, weight, parts, absent)
    first = parts[: cut.depth]
    # By ranks, what is not found gets nothing; then all that was found further down would pass what was left out there.
    left_out = _last(first) if plan.fusion is FusionMethod.RRF else _absent(plan, first, complete=False)
    return _Leg(ranking, weight, parts, absent, cut, left_out)


def _dense_leg(plan: Plan, ranking: Ranking, weight: float, signals: FusionSignals) -> _Leg:
    parts = weight * _shares(plan, ranking, (-1.0, 1.0))
    absent = _last(parts) if plan.fusion is FusionMethod.CONVEX else 0.0
    cut = signals.dense_cut
    return _Leg(ranking, weight, parts, absent, cut, 0.0 if cut is None else _last(parts[: cut.depth]))


def _last(parts: Scores) -> float:
    return float(parts[-1]) if len(parts) else 0.0


def _shares(plan: Plan, ranking: Ranking, theory: Bounds) -> Scores:
    """(n,) what each candidate of a leg is worth before weighting; `theory`: the least and the most a score can be."""
    if not len(ranking):
        return np.empty(0)
    if plan.fusion is FusionMethod.RRF:
        return reciprocal_ranks(len(ranking))
    if plan.normalisation is Normalisation.MIN_MAX:
        return min_max(ranking.scores)
    if plan.normalisation is Normalisation.Z_SCORE:
        return z_score(ranking.scores)
    low, high = (0.0, None) if plan.normalisation is Normalisation.BEST else theory
    low = min(low, float(ranking.scores.min()))  # cosines below zero keep their order: a small collection has them
    return bounded(ranking.scores, low, float(ranking.scores.max()) if high is None else high)


def _absent(plan: Plan, parts: Scores, *, complete: bool) -> float:
    """What the sparse leg gives to a candidate it did not find.

    A leg that was not cut at its depth has found every passage with a word of the query, so the rest earned nothing.
    Where it was cut, the score lies between 0 and that of the last one: half of it is the least wrong guess.
    """
    if not len(parts) or plan.fusion is FusionMethod.RRF:
        return 0.0
    if plan.normalisation in (Normalisation.BEST, Normalisation.BOUNDS):
        return 0.0 if complete else float(parts[-1]) / 2
    return float(parts[-1])
