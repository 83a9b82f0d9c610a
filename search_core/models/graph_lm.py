"""A graph network over an encoder's embeddings, built from one frozen configuration.

    features ─▶ linear ─▶ [operator ─▶ norm ─▶ relu ─▶ dropout (+ input)] × depth ─▶ readout ─▶ fusion with features

The operators are handed in, so the same module and the same weights run on torch_geometric's
(`search_core/models/operators.py`) and on DGL's message passing (`search_core/models/dgl_operators.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from search_core.errors import ArtifactError, CorpusError, SpaceError
from search_core.models.edges import Edges
from search_core.models.graph_config import GraphLMConfig
from search_core.models.operators import build_operator

FORMAT = "graph-lm-1"
OperatorFactory = Callable[[GraphLMConfig], nn.Module]


@dataclass(frozen=True, slots=True)
class GraphInput:
    """A graph as a model reads it: features (nodes, inputs), the graph of its operators, weight and kind per edge."""

    features: Tensor
    graph: Any  # torch_geometric: edge index (2, edges); DGL: a DGLGraph
    weight: Tensor
    kind: Tensor


def graph_input(features: NDArray[np.float32], edges: Edges) -> GraphInput:
    """Tensors of the graph. Raises `CorpusError` for NaN, infinity, or features of another number of nodes."""
    check_features(features, edges.nodes)
    return GraphInput(
        torch.from_numpy(np.ascontiguousarray(features, np.float32)),
        torch.from_numpy(edges.index),
        torch.from_numpy(edges.weight),
        torch.from_numpy(edges.kind),
    )


def check_features(features: NDArray[np.float32], nodes: int) -> None:
    """Raise `CorpusError` unless there is one row of finite numbers a node."""
    if features.ndim != 2 or len(features) != nodes:
        raise CorpusError(f"node features have the shape {features.shape}; expected ({nodes}, width)")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise CorpusError(
            f"{len(rows)} nodes, the first being {rows[0]}, have features that are no numbers; embed them again"
        )


class GraphLM(nn.Module):
    """Node embeddings or class logits of a graph; see the module's picture. Build it by `build_graph_lm`."""

    def __init__(self, config: GraphLMConfig, operators: OperatorFactory = build_operator) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(config.inputs, config.width)
        self.layers = nn.ModuleList(operators(config.layer(place)) for place in range(config.depth))
        self.norms = nn.ModuleList(_norm(config) for _ in range(config.depth))
        read = config.width * (config.depth + 1 if config.readout == "concat" else 1)
        both = config.inputs if config.fusion == "concat" else 0
        self.leave = nn.Linear(read + both, config.outputs)
        self.skip = _skip(config)
        self.kind_scale = nn.Parameter(torch.zeros(config.kinds))  # exponent of each kind's factor: 0 is a factor of 1
        if config.fusion == "gate":
            self.gate = nn.Parameter(torch.zeros(config.outputs))

    def forward(self, given: GraphInput) -> Tensor:
        """(nodes, outputs)."""
        if given.features.shape[1] != self.config.inputs:
            raise SpaceError(f"features are {given.features.shape[1]} wide; the model expects {self.config.inputs}")
        weight = given.weight * self.kind_scale.exp()[given.kind]
        features = nn.functional.dropout(given.features, self.config.input_dropout, self.training)
        hidden = torch.relu(self.enter(features))
        seen = [hidden]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            moved = torch.relu(norm(layer(hidden, given.graph, weight)))
            moved = nn.functional.dropout(moved, self.config.dropout, self.training)
            hidden = hidden + moved if self.config.residual else moved
            seen.append(hidden)
        return self._fuse(self._read(seen), given.features)

    def _read(self, seen: list[Tensor]) -> Tensor:
        if self.config.readout == "concat":
            return torch.cat(seen, dim=1)
        if self.config.readout == "max":
            return torch.stack(seen).amax(dim=0)
        return torch.stack(seen).mean(dim=0) if self.config.readout == "mean" else seen[-1]

    def _fuse(self, graph: Tensor, features: Tensor) -> Tensor:
        if self.config.fusion == "concat":
            return cast(Tensor, self.leave(torch.cat([graph, features], dim=1)))
        told = cast(Tensor, self.leave(graph))
        if self.config.fusion == "none":
            return told
        return cast(Tensor, self.skip(features)) + (self.gate * told if self.config.fusion == "gate" else told)


def build_graph_lm(config: GraphLMConfig, seed: int) -> GraphLM:
    """A model with random weights: the same for the same seed, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GraphLM(config)


def save_graph_lm(model: GraphLM, path: Path) -> None:
    """One safetensors file that holds configuration and weights. Raises `ArtifactError` where it cannot be written."""
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    header = {"format": FORMAT, "config": json.dumps(model.config.to_dict(), sort_keys=True)}
    try:
        save_file(state, path, header)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"model {path} cannot be written: {error}; free some space") from error


def load_graph_lm(path: Path, operators: OperatorFactory = build_operator) -> GraphLM:
    """The model of that file, ready to predict. Raises `ArtifactError` for anything else than a saved model."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"model {path} cannot be read: {error}; make it again") from error
    if header.get("format") != FORMAT:
        raise ArtifactError(f"model {path} has format {header.get('format')!r}; this release reads {FORMAT}")
    try:
        model = GraphLM(GraphLMConfig.from_dict(json.loads(header["config"])), operators)
        model.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError, SpaceError) as error:
        raise ArtifactError(f"model {path} does not fit its own description: {error}; make it again") from error
    return model.eval()


def _norm(config: GraphLMConfig) -> nn.Module:
    if config.normalisation == "layer":
        return nn.LayerNorm(config.width)
    return nn.BatchNorm1d(config.width) if config.normalisation == "batch" else nn.Identity()


def _skip(config: GraphLMConfig) -> nn.Module:
    """The features themselves where they are as wide as what comes out: a gate at 0 then changes nothing."""
    if config.fusion in ("none", "concat"):
        return nn.Identity()
    return nn.Identity() if config.inputs == config.outputs else nn.Linear(config.inputs, config.outputs)
