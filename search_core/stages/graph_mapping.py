"""From an architecture's `graph.*` choices to a graph model, its edges and its training."""

from __future__ import annotations

import numpy as np

from retrieval.graph import CorpusGraph, EdgeKind
from search_core.errors import ArchitectureError
from search_core.models.edges import Edges, make_edges
from search_core.models.graph_config import GraphLMConfig
from search_core.models.retrieval_gnn import RetrievalTraining
from search_core.spaces.architecture import Architecture
from search_core.spaces.decision import Tier
from search_core.spaces.scalar import Scalar
from search_core.spaces.space import SearchSpace

OPERATORS = {"propagation": "appnp", "relational": "sage"}  # of the space -> of the models; others have one name
EDGE_CHOICES = {
    "graph.dense_edges": EdgeKind.DENSE,
    "graph.word_edges": EdgeKind.WORDS,
    "graph.entity_edges": EdgeKind.ENTITIES,
    "graph.structure_edges": EdgeKind.STRUCTURE,
    "graph.link_edges": EdgeKind.LINKS,
    "graph.hyperlink_edges": EdgeKind.HYPERLINKS,
    "graph.foreign_key_edges": EdgeKind.FOREIGN_KEYS,
}
HELD: dict[str, Scalar] = {  # what the training does not know: it tells each question's chunks from all others
    "graph.features": "text",
    "graph.loss": "in-batch",
    "graph.negatives": "in-batch",
}
NEEDED = (  # by every model
    "graph.width",
    "graph.residual",
    "graph.normalisation",
    "graph.aggregation",
    "graph.fusion",
    "graph.temperature",
    "graph.learning_rate",
    "graph.edge_weights",
)
DROPOUT = 0.1


def graph_space(space: SearchSpace) -> SearchSpace:
    """The graph tier alone, without what its training does not know.

    Raises `ArchitectureError` where the space lacks a decision or a value that a model needs.
    """
    named = {decision.name for decision in space.decisions}
    if missing := [name for name in NEEDED if name not in named]:
        raise ArchitectureError(f"it has no decision {missing[0]}")
    return space.only(Tier.GRAPH).held({name: value for name, value in HELD.items() if name in named})


def config_of(architecture: Architecture, dim: int, kinds: int) -> GraphLMConfig:
    """The model of these choices, from vectors of `dim` to vectors of `dim`."""
    depth = int(str(architecture["graph.depth"]))
    operators = [_operator(architecture, place) for place in range(1, depth + 1)]
    return GraphLMConfig(
        dim,
        dim,
        operators[0] if operators else "none",
        depth=depth,
        width=int(str(architecture["graph.width"])),
        residual=bool(architecture["graph.residual"]),
        normalisation=str(architecture["graph.normalisation"]),
        aggregation=str(architecture["graph.aggregation"]),
        fusion=str(architecture["graph.fusion"]),
        readout=str(architecture.get("graph.readout", "last")),
        dropout=DROPOUT,
        kinds=kinds,
        later_operators=tuple(operators[1:]),
    )


def training_of(architecture: Architecture, epochs: int) -> RetrievalTraining:
    """How the model of these choices is trained."""
    return RetrievalTraining(
        temperature=float(str(architecture["graph.temperature"])),
        learning_rate=float(str(architecture["graph.learning_rate"])),
        max_epochs=epochs,
    )


def edges_of(architecture: Architecture, graph: CorpusGraph) -> Edges:
    """The edges that were chosen. They keep their kinds where the model learns a weight for each of them."""
    chosen = [kind for name, kind in EDGE_CHOICES.items() if architecture.get(name)]
    found = [graph.places(kind) for kind in chosen]
    pairs = np.concatenate([pairs for pairs, _ in found]) if found else np.empty((0, 2), np.int64)
    weights = np.concatenate([weights for _, weights in found]) if found else np.empty(0, np.float32)
    kinds = np.repeat(np.arange(len(found)), [len(pairs) for pairs, _ in found])
    if architecture["graph.edge_weights"] == "even":
        weights = np.ones_like(weights)
    apart = architecture["graph.edge_weights"] == "learned" or "relational" in _chosen_operators(architecture)
    return make_edges(len(graph.labels), pairs, weights, kinds if apart else None)


def _operator(architecture: Architecture, place: int) -> str:
    name = str(architecture[f"graph.operator_{place}"])
    return OPERATORS.get(name, name)


def _chosen_operators(architecture: Architecture) -> set[str]:
    return {str(value) for name, value in architecture.choices if name.startswith("graph.operator_")}
