"""The graphs and architectures whose outputs DGL must reproduce, and the files both sides exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from search_core.models.edges import Edges, make_edges
from search_core.models.graph_config import GraphLMConfig

NODES, WIDTH, KINDS = 60, 12, 3
TOLERANCE = 1e-5  # absolute, in float32
GRAPH = "graph.safetensors"  # features, index, weight, kind
BASE = GraphLMConfig(inputs=WIDTH, outputs=5, width=16, heads=4, hops=3, depth=2, kinds=KINDS)


def cases() -> Iterator[tuple[str, GraphLMConfig]]:
    """Every operator, with each way to gather, normalise, read and fuse at least once."""
    for operator in ("none", "gcn", "sgc", "appnp", "gat"):
        yield operator, replace(BASE, operator=operator)
    for operator in ("sage", "gin"):
        for aggregation in ("mean", "sum", "max"):
            yield f"{operator}-{aggregation}", replace(BASE, operator=operator, aggregation=aggregation)
    yield "gcn-deep", replace(BASE, depth=3, residual=True, normalisation="layer", readout="concat", fusion="sum")
    yield "sage-gate", replace(BASE, operator="sage", normalisation="batch", readout="mean", fusion="gate")
    yield "gat-alone", replace(BASE, operator="gat", heads=2, fusion="none")


def graph(seed: int = 0) -> tuple[Edges, NDArray[np.float32]]:
    """A weighted graph of three kinds of edges, one-way ones among them, with nodes that no edge reaches."""
    generator = np.random.default_rng(seed)
    pairs = generator.integers(0, NODES - 5, (200, 2))
    edges = make_edges(
        NODES, pairs, generator.uniform(0.1, 2, 200), generator.permutation(np.arange(200) % KINDS), undirected=False
    )
    return edges, generator.standard_normal((NODES, WIDTH)).astype(np.float32)
