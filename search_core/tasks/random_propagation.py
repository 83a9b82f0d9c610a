"""GRAND: random propagation with a consistency loss (Feng et al. 2020, arXiv:2005.11079), made cheap enough for a CPU.

Each step draws S copies of the features in which whole nodes are dropped (DropNode), spreads each over the graph by
the mean of the first K powers of the normalised adjacency, classifies them by a perceptron, and besides the labels
asks the copies to agree with their sharpened mean on every node.

Spreading is linear, so the first layer's product is taken before it: the sparse words times (vocabulary, hidden), then
K products of `hidden` columns instead of `vocabulary` ones, some fifty times less work. The published code drops single
entries of the spread features; here a copy drops whole words, which commutes with spreading and gives every single node
the same distribution. What it reaches is in docs/graph-models.md.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from search_core.models.edges import Edges, Places
from search_core.tasks.planetoid import Features


@dataclass(frozen=True, slots=True)
class RandomPropagation:
    """What GRAND may choose. Defaults: the published values for Cora."""

    drop_node: float = 0.5
    order: int = 8  # K: the highest power of the adjacency
    samples: int = 4  # S: copies a step
    temperature: float = 0.5  # below 1 sharpens
    consistency: float = 1.0  # weight of the second loss
    hidden: int = 32
    input_dropout: float = 0.5
    hidden_dropout: float = 0.5


CORA = RandomPropagation()
CITESEER = RandomPropagation(
    order=2, samples=2, temperature=0.3, consistency=0.7, input_dropout=0.0, hidden_dropout=0.2
)


class SparseWords:
    """A constant sparse matrix and its transposed one, which its product's gradient takes."""

    def __init__(self, features: Features) -> None:
        rows, columns = (place.astype(np.int64) for place in np.nonzero(features))
        values = features[rows, columns]
        order = np.argsort(columns, kind="stable")
        self.nodes, self.width = features.shape
        self.matrix = _csr(rows, columns, values, (self.nodes, self.width))
        self.transposed = _csr(columns[order], rows[order], values[order], (self.width, self.nodes))


class _WordsTimes(torch.autograd.Function):
    """Constant sparse matrix times dense weights."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, weight: Tensor, words: SparseWords) -> Tensor:
        context.made = words  # type: ignore[attr-defined]
        return words.matrix @ weight

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        return context.made.transposed @ gradient.contiguous(), None  # type: ignore[attr-defined]


class _Spread(torch.autograd.Function):
    """Mean of the first K powers of a symmetric matrix times columns; being symmetric it is its own gradient."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, columns: Tensor, adjacency: Tensor, order: int) -> Tensor:
        context.made = (adjacency, order)  # type: ignore[attr-defined]
        return spread(columns, adjacency, order)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        adjacency, order = context.made  # type: ignore[attr-defined]
        return spread(gradient.contiguous(), adjacency, order), None, None


def spread(columns: Tensor, adjacency: Tensor, order: int) -> Tensor:
    """(nodes, c): the mean of A^0 x .. A^K x."""
    power = total = columns
    for _ in range(order):
        power = adjacency @ power
        total = total + power
    return total / (order + 1)


def normalised_adjacency(edges: Edges) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 as a sparse (nodes, nodes) matrix (Kipf and Welling 2017); symmetric if the edges are."""
    loops = np.arange(edges.nodes, dtype=np.int64)
    rows, columns = np.concatenate([edges.index[1], loops]), np.concatenate([edges.index[0], loops])
    weight = np.concatenate([edges.weight, np.ones(edges.nodes, np.float32)])
    root = 1 / np.sqrt(np.bincount(rows, weight, edges.nodes))
    values = (root[rows] * weight * root[columns]).astype(np.float32)
    order = np.lexsort((columns, rows))
    return _csr(rows[order], columns[order], values[order], (edges.nodes, edges.nodes))


class Grand(nn.Module):
    """The perceptron behind random propagation; calling it gives the S copies' log probabilities."""

    def __init__(self, words: SparseWords, adjacency: Tensor, classes: int, options: RandomPropagation) -> None:
        super().__init__()
        self.words, self.adjacency, self.options = words, adjacency, options
        self.first = nn.Parameter(_uniform(words.width, options.hidden))
        self.first_bias = nn.Parameter(_uniform(1, options.hidden)[0])
        self.second = nn.Parameter(_uniform(options.hidden, classes))
        self.second_bias = nn.Parameter(_uniform(1, classes)[0])

    def forward(self, generator: torch.Generator) -> Tensor:
        """(samples, nodes, classes) log probabilities of one step's random copies."""
        options, nodes = self.options, self.words.nodes
        ones = torch.ones(self.words.width, options.samples, 1)
        words = (self.first.unsqueeze(1) * _drop(ones, options.input_dropout, generator)).flatten(1)
        kept = torch.rand(nodes, options.samples, 1, generator=generator) >= options.drop_node  # as published, unscaled
        mixed = self._spread((self._words(words).view(nodes, options.samples, -1) * kept).flatten(1))
        hidden = torch.relu(mixed.view(nodes, options.samples, -1) + self.first_bias)
        hidden = _drop(hidden, options.hidden_dropout, generator)
        return torch.log_softmax(hidden @ self.second + self.second_bias, dim=2).transpose(0, 1)

    @torch.no_grad()
    def predict(self) -> Tensor:
        """(nodes, classes) log probabilities; nothing is dropped, the features are scaled by what training sees."""
        mixed = self._spread(self._words(self.first) * (1 - self.options.drop_node))
        hidden = torch.relu(mixed + self.first_bias)
        return torch.log_softmax(hidden @ self.second + self.second_bias, dim=1)

    def _words(self, weight: Tensor) -> Tensor:
        return _WordsTimes.apply(weight, self.words)  # type: ignore[no-any-return]

    def _spread(self, columns: Tensor) -> Tensor:
        return _Spread.apply(columns, self.adjacency, self.options.order)  # type: ignore[no-any-return]


def consistency_loss(copies: Tensor, temperature: float) -> Tensor:
    """Mean squared distance of each copy's distribution from the sharpened mean of all, over all nodes."""
    distributions = copies.exp()
    sharp = distributions.mean(dim=0) ** (1 / temperature)
    target = (sharp / sharp.sum(dim=1, keepdim=True)).detach()
    return ((distributions - target) ** 2).sum(dim=2).mean()


def _uniform(rows: int, columns: int) -> Tensor:
    """The published code's initial weights: uniform within 1 / sqrt(columns)."""
    return (torch.rand(rows, columns) * 2 - 1) / float(columns**0.5)


def _drop(values: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    if rate == 0:
        return values
    kept = torch.rand(values.shape, generator=generator) >= rate
    return values * kept / (1 - rate)


def _csr(rows: Places, columns: Places, values: Features, shape: tuple[int, int]) -> Tensor:
    """Compressed rows of what is sorted by row."""
    ends = torch.from_numpy(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))]))
    with warnings.catch_warnings():  # torch calls compressed matrices a beta; what they compute is tested
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(
            ends, torch.from_numpy(columns), torch.from_numpy(values), shape, check_invariants=False
        )
