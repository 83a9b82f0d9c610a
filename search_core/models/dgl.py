"""Exchange of graphs with DGL, and a model's outputs by DGL's message passing; only these functions import it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_core.models.edges import Edges
from search_core.models.graph_lm import GraphInput, GraphLM

FEATURES, WEIGHT, KIND = "features", "weight", "kind"  # names of the data on DGL's nodes and edges


def to_dgl(edges: Edges, features: NDArray[np.float32]) -> Any:
    """A homogeneous `DGLGraph` with `features` on its nodes, `weight` and `kind` on its edges, in the same order.

    Raises `ImportError` where DGL is not installed.
    """
    dgl = _dgl()
    graph = dgl.graph((torch.from_numpy(edges.index[0]), torch.from_numpy(edges.index[1])), num_nodes=edges.nodes)
    graph.ndata[FEATURES] = torch.from_numpy(features)
    graph.edata[WEIGHT] = torch.from_numpy(edges.weight)
    graph.edata[KIND] = torch.from_numpy(edges.kind)
    return graph


def from_dgl(graph: Any) -> tuple[Edges, NDArray[np.float32]]:
    """What `to_dgl` was given. Without weights on its edges they are 1, without kinds there is one."""
    source, target = graph.edges(order="eid")
    count = graph.num_edges()
    weight = graph.edata[WEIGHT] if WEIGHT in graph.edata else torch.ones(count)
    kind = graph.edata[KIND] if KIND in graph.edata else torch.zeros(count, dtype=torch.int64)
    index = torch.stack([source, target]).to(torch.int64).numpy()
    kinds = int(kind.max()) + 1 if count else 1
    edges = Edges(graph.num_nodes(), index, weight.to(torch.float32).numpy(), kind.to(torch.int64).numpy(), kinds)
    return edges, graph.ndata[FEATURES].to(torch.float32).numpy()


def dgl_input(graph: Any) -> GraphInput:
    """A DGL graph as a model with DGL operators reads it."""
    return GraphInput(graph.ndata[FEATURES], graph, graph.edata[WEIGHT], graph.edata[KIND])


@torch.no_grad()
def dgl_outputs(model: GraphLM, graph: Any) -> Tensor:
    """(nodes, outputs) of a model that was loaded with `build_dgl_operator`."""
    return model.eval()(dgl_input(graph))  # type: ignore[no-any-return]


def _dgl() -> Any:
    try:
        import dgl
    except ImportError as error:
        raise ImportError("graphs of DGL need dgl in an environment of its own: make check-dgl") from error
    return dgl
