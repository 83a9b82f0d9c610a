"""GRAND: random propagation with a consistency loss (Feng et al. 2020, arXiv:2005.11079), made cheap enough for a CPU.

Each step draws S copies of the features in which whole nodes are dropped (DropNode), spreads each over the graph by
the mean of the first K powers of the normalised adjacency, classifies them by a perceptron, and besides the labels
asks the copies to agree with their sharpened mean on every node.

Spreading is linear, so the first layer's product is taken before it: the sparse words times (vocabulary, hidden), then
K products of `hidden` columns instead of `vocabulary` ones, some fifty times less work. Entries are therefore dropped
out before they are spread; the published code does it after. What it reaches is in docs/graph-models.md.
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
    """Copies of a sparse matrix below each other, for products whose entries are dropped out anew each step.

    Both orientations are at hand, because the gradient of the product takes the transposed one.
    """

    def __init__(self, features: Features, copies: int) -> None:
        rows, columns = (place.astype(np.int64) for place in np.nonzero(np.tile(features, (copies, 1))))
        order = np.argsort(columns, kind="stable")
        self.copies, (self.nodes, self.width) = copies, features.shape
        self.values = torch.from_numpy(np.tile(features, (copies, 1))[rows, columns])
        self._rows = (_ends(rows, copies * self.nodes), torch.from_numpy(columns))
        self._columns = (_ends(columns, self.width), torch.from_numpy(rows[order]))
        self._order = torch.from_numpy(order)

    def matrix(self, values: Tensor) -> Tensor:
        """(copies * nodes, width) with these values."""
        return _csr(*self._rows, values, (self.copies * self.nodes, self.width))

    def transposed(self, values: Tensor) -> Tensor:
        """(width, copies * nodes) with the same values."""
        return _csr(*self._columns, values[self._order], (self.width, self.copies * self.nodes))


class _WordsTimes(torch.autograd.Function):
    """Sparse words with the given entries times dense weights; only the weights have a gradient."""

    @staticmethod
    def forward(
        context: torch.autograd.function.FunctionCtx, weight: Tensor, words: SparseWords, values: Tensor
    ) -> Tensor:
        context.made = (words, values)  # type: ignore[attr-defined]
        return words.matrix(values) @ weight

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        words, values = context.made  # type: ignore[attr-defined]
        return words.transposed(values) @ gradient.contiguous(), None, None


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
    """(nodes, c): the mean of A^0 x .. A^K x, by Horner's rule: one product and sum a power, nothing kept."""
    total = columns
    for _ in range(order):
        total = torch.addmm(columns, adjacency, total)
    return total / (order + 1)


def normalised_adjacency(edges: Edges) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 as a sparse (nodes, nodes) matrix (Kipf and Welling 2017); symmetric if the edges are."""
    loops = np.arange(edges.nodes, dtype=np.int64)
    rows, columns = np.concatenate([edges.index[1], loops]), np.concatenate([edges.index[0], loops])
    weight = np.concatenate([edges.weight, np.ones(edges.nodes, np.float32)])
    root = 1 / np.sqrt(np.bincount(rows, weight, edges.nodes))
    values = (root[rows] * weight * root[columns]).astype(np.float32)
    order = np.lexsort((columns, rows))
    ends, others = _ends(rows, edges.nodes), torch.from_numpy(columns[order])
    return _csr(ends, others, torch.from_numpy(values[order]), (edges.nodes, edges.nodes))


class Grand(nn.Module):
    """The perceptron behind random propagation; calling it gives the S copies' log probabilities."""

    def __init__(self, features: Features, adjacency: Tensor, classes: int, options: RandomPropagation) -> None:
        super().__init__()
        self.adjacency, self.options = adjacency, options
        self._copies, self._single = SparseWords(features, options.samples), SparseWords(features, 1)
        self.first = nn.Parameter(_uniform(features.shape[1], options.hidden))
        self.first_bias = nn.Parameter(_uniform(1, options.hidden)[0])
        self.second = nn.Parameter(_uniform(options.hidden, classes))
        self.second_bias = nn.Parameter(_uniform(1, classes)[0])

    def forward(self, generator: torch.Generator) -> Tensor:
        """(samples, nodes, classes) log probabilities of one step's random copies."""
        options, nodes = self.options, self._single.nodes
        words = self._copies
        entered = self._words(words, _drop(words.values, options.input_dropout, generator))
        kept = torch.rand(options.samples, nodes, 1, generator=generator) >= options.drop_node  # as published, unscaled
        columns = (entered.view(options.samples, nodes, -1) * kept).transpose(0, 1).reshape(nodes, -1)
        hidden = torch.relu(self._spread(columns).view(nodes, options.samples, -1) + self.first_bias)
        hidden = _drop(hidden, options.hidden_dropout, generator)
        return torch.log_softmax(hidden @ self.second + self.second_bias, dim=2).transpose(0, 1)

    @torch.no_grad()
    def predict(self) -> Tensor:
        """(nodes, classes) log probabilities; nothing is dropped, the features are scaled by what training sees."""
        entered = self._words(self._single, self._single.values) * (1 - self.options.drop_node)
        hidden = torch.relu(self._spread(entered) + self.first_bias)
        return torch.log_softmax(hidden @ self.second + self.second_bias, dim=1)

    def _words(self, words: SparseWords, values: Tensor) -> Tensor:
        return _WordsTimes.apply(self.first, words, values)  # type: ignore[no-any-return]

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


def _ends(rows: Places, count: int) -> Tensor:
    """Where each row of a compressed matrix begins and ends."""
    return torch.from_numpy(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]))


def _csr(ends: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Compressed rows of what is sorted by row."""
    with warnings.catch_warnings():  # torch calls compressed matrices a beta; what they compute is tested
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(ends, columns, values, shape, check_invariants=False)
