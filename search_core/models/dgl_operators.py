"""The same operators on DGL's message passing, with the parameter names of torch_geometric's.

For an environment of its own that has DGL and an older torch (`make check-dgl`); nothing else of this package needs it.
Edge order is the order of `to_dgl`, whose graphs have no self loops: they are added here where an operator has them.
"""

from __future__ import annotations

from typing import Any, cast

import dgl
import dgl.function as fn
import torch
from dgl.nn.functional import edge_softmax
from torch import Tensor, nn

from search_core.models.graph_config import GraphLMConfig
from search_core.models.operators import perceptron

NEGATIVE_SLOPE = 0.2  # torch_geometric's default in GATConv


def build_dgl_operator(config: GraphLMConfig) -> nn.Module:
    """One layer of `config.width` in and out, called with (features, DGLGraph, edge weight)."""
    built = {"none": _Alone, "gcn": _Gcn, "sgc": _Sgc, "appnp": _Appnp, "sage": _Sage, "gat": _Gat, "gin": _Gin}
    return built[config.operator](config)


class _Layer(nn.Module):
    def __init__(self, config: GraphLMConfig) -> None:
        super().__init__()
        self.config = config
        self.lin = nn.Linear(config.width, config.width)


class _Alone(_Layer):
    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        return cast(Tensor, self.lin(features))


class _Gcn(nn.Module):
    def __init__(self, config: GraphLMConfig) -> None:
        super().__init__()
        self.lin = nn.Linear(config.width, config.width, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.width))

    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        looped, norm = _normalised(graph, weight)
        return _gather(looped, self.lin(features), norm, "sum") + self.bias


class _Sgc(_Layer):
    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        looped, norm = _normalised(graph, weight)
        for _ in range(self.config.hops):
            features = _gather(looped, features, norm, "sum")
        return cast(Tensor, self.lin(features))


class _Appnp(_Layer):
    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        looped, norm = _normalised(graph, weight)
        start = moved = self.lin(features)
        for _ in range(self.config.hops):
            gathered = _gather(looped, moved, norm, "sum")
            moved = (1 - self.config.teleport) * gathered + self.config.teleport * start
        return cast(Tensor, moved)


class _Sage(nn.Module):
    def __init__(self, config: GraphLMConfig) -> None:
        super().__init__()
        self.aggregation = config.aggregation
        self.lin_rel = nn.Linear(config.width, config.width)
        self.lin_root = nn.Linear(config.width, config.width, bias=False)

    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        gathered = _gather(graph, features, weight, self.aggregation)
        return cast(Tensor, self.lin_rel(gathered) + self.lin_root(features))


class _Gin(nn.Module):
    def __init__(self, config: GraphLMConfig) -> None:
        super().__init__()
        self.aggregation = config.aggregation
        self.nn = perceptron(config.width)

    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        return cast(Tensor, self.nn(features + _gather(graph, features, weight, self.aggregation)))


class _Gat(nn.Module):
    def __init__(self, config: GraphLMConfig) -> None:
        super().__init__()
        self.heads, self.share = config.heads, config.width // config.heads
        self.lin = nn.Linear(config.width, config.width, bias=False)
        self.lin_edge = nn.Linear(1, config.width, bias=False)
        for name in ("att_src", "att_dst", "att_edge"):
            self.register_parameter(name, nn.Parameter(torch.zeros(1, self.heads, self.share)))
        self.bias = nn.Parameter(torch.zeros(config.width))

    def forward(self, features: Tensor, graph: Any, weight: Tensor) -> Tensor:
        looped, weights = _with_loops(graph, weight)
        moved = self.lin(features).view(-1, self.heads, self.share)
        told = self.lin_edge(weights.view(-1, 1)).view(-1, self.heads, self.share)
        with looped.local_scope():
            looped.srcdata["source"] = (moved * self.att_src).sum(-1)
            looped.dstdata["target"] = (moved * self.att_dst).sum(-1)
            looped.apply_edges(fn.u_add_v("source", "target", "score"))
            score = looped.edata["score"] + (told * self.att_edge).sum(-1)
            looped.edata["share"] = edge_softmax(looped, nn.functional.leaky_relu(score, NEGATIVE_SLOPE)).unsqueeze(-1)
            looped.srcdata["moved"] = moved
            looped.update_all(fn.u_mul_e("moved", "share", "message"), fn.sum("message", "out"))
            return cast(Tensor, looped.dstdata["out"].flatten(1) + self.bias)


def _gather(graph: Any, features: Tensor, weight: Tensor, how: str) -> Tensor:
    """(nodes, width): sum, mean or max of weight times neighbour; 0 where a node has none."""
    with graph.local_scope():
        graph.srcdata["x"], graph.edata["w"] = features, weight.unsqueeze(-1)
        graph.update_all(fn.u_mul_e("x", "w", "message"), getattr(fn, how)("message", "out"))
        return cast(Tensor, graph.dstdata["out"])


def _normalised(graph: Any, weight: Tensor) -> tuple[Any, Tensor]:
    """The graph with self loops, and each edge's weight over the roots of both ends' degrees."""
    looped, weights = _with_loops(graph, weight)
    with looped.local_scope():
        looped.edata["w"] = weights
        looped.update_all(fn.copy_e("w", "message"), fn.sum("message", "degree"))
        root = looped.dstdata["degree"].rsqrt()
    source, target = looped.edges()
    return looped, root[source] * weights * root[target]


def _with_loops(graph: Any, weight: Tensor) -> tuple[Any, Tensor]:
    """One loop of weight 1 a node, behind the edges that are there."""
    loops = torch.ones(graph.num_nodes(), dtype=weight.dtype)
    return dgl.add_self_loop(graph), torch.cat([weight, loops])
