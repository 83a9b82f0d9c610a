"""The edges a graph operator walks: both ends, a weight and a kind each, checked once when they are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_core.errors import CorpusError

Places = NDArray[np.int64]
Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Edges:
    """Directed edges `index[0] -> index[1]`; messages flow that way. An undirected edge stands in both directions.

    index: (2, edges), no loops; weight: (edges,), finite, not negative; kind: (edges,), which of `kinds` types each is.
    """

    nodes: int
    index: Places
    weight: Weights
    kind: Places
    kinds: int = 1

    def __post_init__(self) -> None:
        count = self.index.shape[-1]
        if self.index.shape != (2, count) or self.weight.shape != (count,) or self.kind.shape != (count,):
            raise CorpusError(
                f"edges have the shapes {self.index.shape}, {self.weight.shape}, {self.kind.shape}; "
                "expected (2, edges), (edges,), (edges,)"
            )
        _within("edge ends", self.index, self.nodes)
        _within("edge kinds", self.kind, self.kinds)
        if (self.index[0] == self.index[1]).any():
            raise CorpusError("an edge leads from a node to itself; leave it out: operators add their own loops")
        if not (np.isfinite(self.weight).all() and (self.weight >= 0).all()):
            raise CorpusError("an edge weight is negative or no number; expected finite weights of 0 or more")

    @property
    def count(self) -> int:
        """How many edges, each direction for itself."""
        return int(self.index.shape[1])


def make_edges(
    nodes: int,
    pairs: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
    kind: NDArray[np.integer] | None = None,
    *,
    undirected: bool = True,
) -> Edges:
    """Edges of (pairs, 2), without loops and repetitions; what is repeated keeps its largest weight.

    `undirected` adds the other direction of each. Left out, weights are 1 and all are of one kind.
    Raises `CorpusError` where an end is no node or a weight no number.
    """
    ends = np.asarray(pairs, np.int64).reshape(-1, 2)
    weights = np.ones(len(ends), np.float32) if weight is None else np.asarray(weight, np.float32)
    sorts = np.zeros(len(ends), np.int64) if kind is None else np.asarray(kind, np.int64)
    kinds = int(sorts.max(initial=0)) + 1
    if len(weights) != len(ends) or len(sorts) != len(ends):
        raise CorpusError(f"{len(ends)} edges have {len(weights)} weights and {len(sorts)} kinds; expected one each")
    if undirected:
        ends, weights, sorts = np.vstack([ends, ends[:, ::-1]]), np.tile(weights, 2), np.tile(sorts, 2)
    kept = ends[:, 0] != ends[:, 1]
    ends, weights, sorts = ends[kept], weights[kept], sorts[kept]
    order = np.lexsort((-weights, sorts, ends[:, 0], ends[:, 1]))
    ends, weights, sorts = ends[order], weights[order], sorts[order]
    first = np.ones(len(ends), bool)
    first[1:] = (np.diff(ends, axis=0) != 0).any(axis=1) | (np.diff(sorts) != 0)
    return Edges(nodes, np.ascontiguousarray(ends[first].T), weights[first], sorts[first], kinds)


def _within(what: str, values: Places, end: int) -> None:
    if values.size and not (values.min() >= 0 and values.max() < end):
        raise CorpusError(f"{what} reach from {values.min()} to {values.max()}; expected 0 to {end - 1}")
