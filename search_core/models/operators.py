"""Graph operators of torch_geometric under one signature: (features, edge index, edge weight) -> features.

What they compute, with A the weighted adjacency, N(i) the edges into i, and Â = D^-1/2 (A + I) D^-1/2:

    none   W x                                            gcn    Â W x               (Kipf and Welling 2017)
    sgc    W Â^hops x             (Wu et al. 2019)        appnp  hops times z <- (1-t) Â z + t W x  (Gasteiger 2019)
    sage   W1 x_i + W2 agg_N(i) a_ji x_j (Hamilton 2017)  gin    mlp(x_i + agg_N(i) a_ji x_j)       (Xu et al. 2019)
    gat    softmax over N(i) and i of leaky(s_i + d_j + e a_ji), times W x_j         (Velickovic et al. 2018)
"""

from __future__ import annotations

import warnings
from typing import Any, cast

from torch import Tensor, nn

from search_core.models.graph_config import GraphLMConfig


def build_operator(config: GraphLMConfig) -> nn.Module:
    """One layer of `config.width` in and out. Raises `ImportError` without the `train` extra."""
    if config.operator == "none":
        return _Alone(config.width)
    layers = _torch_geometric()
    width = config.width
    if config.operator == "gcn":
        return cast(nn.Module, layers.GCNConv(width, width))
    if config.operator == "sgc":
        return cast(nn.Module, layers.SGConv(width, width, K=config.hops))
    if config.operator == "sage":  # GraphConv is SAGEConv with weighted edges
        return cast(nn.Module, layers.GraphConv(width, width, aggr=config.aggregation))
    if config.operator == "gat":
        share = width // config.heads
        return cast(nn.Module, layers.GATConv(width, share, config.heads, edge_dim=1, fill_value=1.0))
    if config.operator == "appnp":
        return _Appnp(width, layers.APPNP(config.hops, config.teleport))
    return _Gin(width, layers.SimpleConv(aggr=config.aggregation))


def perceptron(width: int) -> nn.Sequential:
    """What GIN applies after summing."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


class _Alone(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)

    def forward(self, features: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        return cast(Tensor, self.lin(features))


class _Appnp(nn.Module):
    def __init__(self, width: int, propagation: nn.Module) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.propagation = propagation

    def forward(self, features: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        return cast(Tensor, self.propagation(self.lin(features), index, weight))


class _Gin(nn.Module):
    """GINConv takes no edge weights, so the neighbours are gathered by SimpleConv, which does."""

    def __init__(self, width: int, gathering: nn.Module) -> None:
        super().__init__()
        self.nn = perceptron(width)
        self.gathering = gathering

    def forward(self, features: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        return cast(Tensor, self.nn(features + self.gathering(features, index, weight)))


def _torch_geometric() -> Any:
    try:
        with warnings.catch_warnings():  # it still decorates by torch.jit.script, which newer torch deprecates
            warnings.simplefilter("ignore")
            import torch_geometric.nn as layers
    except ImportError as error:
        raise ImportError('graph operators need torch_geometric: pip install "autoglm-kb[train]"') from error
    return layers
