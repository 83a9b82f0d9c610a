"""Retrieval metrics for one query, and what a mean over queries is worth: intervals and paired tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Judgements = Mapping[str, int]  # document -> grade; above 0 is relevant, absent is not

RESAMPLES = 10_000  # of a bootstrap or randomisation: p is known to about 0.004 where it is 0.05
LEVEL = 0.95  # of an interval
BATCH = 1_000  # resamples drawn at once, so that memory stays below 100 MB for 10,000 queries

Values = NDArray[np.float64]  # (queries,)
Groups = Sequence[Sequence[int]]  # places of queries, each in one of them


def ndcg(ranked: Sequence[str], judged: Judgements, k: int = 10) -> float:
    """Discounted cumulative gain of the first `k`, as a share of the best possible; 0 where nothing is relevant.

    DCG = sum of grade_i / log2(1 + i) with rank i from 1: gain is the grade itself, as in trec_eval and BEIR
    (Järvelin and Kekäläinen 2002).
    """
    ideal = _dcg(sorted(judged.values(), reverse=True)[:k])
    return _dcg([judged.get(document, 0) for document in ranked[:k]]) / ideal if ideal > 0 else 0.0


def reciprocal_rank(ranked: Sequence[str], judged: Judgements, k: int = 10) -> float:
    """1 / rank of the first relevant document among the first `k`, 0 where there is none."""
    for rank, document in enumerate(ranked[:k], start=1):
        if judged.get(document, 0) > 0:
            return 1.0 / rank
    return 0.0


def recall(ranked: Sequence[str], judged: Judgements, k: int = 10) -> float:
    """Share of the relevant documents that stand among the first `k`; 0 where nothing is relevant."""
    relevant = {document for document, grade in judged.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def bootstrap_interval(values: ArrayLike, *, seed: int, groups: Groups | None = None) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over queries drawn with replacement (Efron 1979).

    Give the differences of two systems, query by query, for the paired interval of their difference. `groups`: places
    of queries that depend on each other, such as those about one document, which are drawn together (Davison and
    Hinkley 1997); without it each query is drawn by itself.
    """
    sums, sizes = _by_group(_column(values), groups)
    draws = _draws(len(sums), seed)
    means = np.concatenate([sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) for drawn in draws])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def randomisation_test(one: ArrayLike, other: ArrayLike, *, seed: int, groups: Groups | None = None) -> float:
    """The two-sided p-value of the paired randomisation test for a difference of means (Smucker et al. 2007).

    Signs of the differences are flipped at random; p is the share of flips at least as far from 0 as the
    observed difference, the observed one counted among them. `groups` as for `bootstrap_interval`: the queries of one
    have their signs flipped together.
    """
    differences = _column(one) - _column(other)
    sums, _ = _by_group(differences, groups)
    observed = abs(differences.mean())
    generator = np.random.default_rng(seed)
    reached = 0
    for _ in range(RESAMPLES // BATCH):
        signs = generator.integers(0, 2, size=(BATCH, len(sums)), dtype=np.int8) * 2 - 1
        reached += int((np.abs(signs @ sums) / len(differences) >= observed - 1e-12).sum())
    return (reached + 1) / (RESAMPLES + 1)


def _dcg(grades: Sequence[int]) -> float:
    gains = np.maximum(np.asarray(grades, dtype=np.float64), 0.0)
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


def _by_group(values: Values, groups: Groups | None) -> tuple[Values, Values]:
    """(groups,) the sum and the number of each group's values; each value by itself without groups."""
    if groups is None:
        return values, np.ones(len(values))
    return np.array([values[list(places)].sum() for places in groups]), np.array([len(places) for places in groups])


def _column(values: ArrayLike) -> Values:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise ValueError(f"values have shape {column.shape}; expected one number for each of at least one query")
    return column


def _draws(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    return (generator.integers(0, count, size=(BATCH, count)) for _ in range(RESAMPLES // BATCH))
