"""GRAND: random propagation with a consistency loss (Feng et al. 2020, arXiv:2005.11079), made cheap enough for a CPU.

Each step draws S copies of the features in which whole nodes are dropped (DropNode), spreads each over the graph by
the mean of the first K powers of the normalised adjacency, classifies them by a perceptron, and besides the labels
asks the copies to agree with their sharpened mean on every node.

Spreading is linear. Where no entries are dropped out, the first layer's product is therefore taken before it: the
sparse words times (vocabulary, hidden), then K products of `hidden` columns instead of `vocabulary` ones. Where they
are, the words are spread first and then dropped out, as published: the other order is ten times less work, and half a
point worse on Cora. What it reaches is in docs/graph-models.md.
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
    """A sparse (nodes, width) matrix in both orientations: the gradient of a product takes the transposed one."""

    def __init__(self, features: Features) -> None:
        rows, columns = (place.astype(np.int64) for place in np.nonzero(features))
        order = np.argsort(columns, kind="stable")
        values = torch.from_numpy(features[rows, columns])
        self.shape: tuple[int, int] = features.shape
        self.matrix = _csr(_ends(rows, self.shape[0]), torch.from_numpy(columns), values, self.shape)
        self._ends, self._nodes = _ends(columns, self.shape[1]), torch.from_numpy(rows[order])
        self._values = values[torch.from_numpy(order)]

    def transposed(self, scale: Tensor) -> Tensor:
        """(width, nodes), each node's entries times its place in `scale`, (nodes,)."""
        return _csr(self._ends, self._nodes, self._values * scale[self._nodes], self.shape[::-1])


class _WordsTimes(torch.autograd.Function):
    """Sparse words times dense weights; only the weights have a gradient."""

    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, weight: Tensor, words: SparseWords) -> Tensor:
        context.words = words  # type: ignore[attr-defined]
        return words.matrix @ weight

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        words: SparseWords = context.words  # type: ignore[attr-defined]
        return words.transposed(torch.ones(words.shape[0])) @ gradient.contiguous(), None


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
        self._words = SparseWords(features)
        self._reach = None
        if options.input_dropout:  # (nodes, nodes), dense: eight steps over a citation graph reach most of it
            self._reach = spread(torch.eye(self._words.shape[0]), adjacency, options.order)
        self.first = nn.Parameter(_uniform(features.shape[1], options.hidden))
        self.first_bias = nn.Parameter(_uniform(1, options.hidden)[0])
        self.second = nn.Parameter(_uniform(options.hidden, classes))
        self.second_bias = nn.Parameter(_uniform(1, classes)[0])

    def forward(self, generator: torch.Generator) -> Tensor:
        """(samples, nodes, classes) log probabilities of one step's random copies."""
        options, nodes = self.options, self._words.shape[0]
        kept = torch.rand(options.samples, nodes, generator=generator) >= options.drop_node  # as published, unscaled
        if self._reach is None:
            columns = (self._entered() * kept.unsqueeze(2)).transpose(0, 1).reshape(nodes, -1)
            spreaded = self._spread(columns).view(nodes, options.samples, -1).transpose(0, 1)
        else:
            spreaded = torch.stack([self._spread_words(nodes, self._reach, generator) @ self.first for nodes in kept])
        hidden = _drop(torch.relu(spreaded + self.first_bias), options.hidden_dropout, generator)
        return torch.log_softmax(hidden @ self.second + self.second_bias, dim=2)

    @torch.no_grad()
    def predict(self) -> Tensor:
        """(nodes, classes) log probabilities; nothing is dropped, the features are scaled by what training sees."""
        entered = self._entered() * (1 - self.options.drop_node)
        hidden = torch.relu(self._spread(entered) + self.first_bias)
        return torch.log_softmax(hidden @ self.second + self.second_bias, dim=1)

    def _entered(self) -> Tensor:
        return _WordsTimes.apply(self.first, self._words)  # type: ignore[no-any-return]

    def _spread(self, columns: Tensor) -> Tensor:
        return _Spread.apply(columns, self.adjacency, self.options.order)  # type: ignore[no-any-return]

    @torch.no_grad()
    def _spread_words(self, kept: Tensor, reach: Tensor, generator: torch.Generator) -> Tensor:
        """(nodes, width): the words of the nodes that were kept, spread, then dropped out."""
        rate = self.options.input_dropout
        words = self._words.transposed(kept / (1 - rate)) @ reach
        return words.mul_(_kept(words.numel(), rate, generator).view(words.shape)).T


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


def _kept(count: int, rate: float, generator: torch.Generator) -> Tensor:
    """(count,) whether each is kept, by a random byte of its own: the rate of what is not is rounded to 1/256."""
    draws = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None, generator=generator)  # all 64 bits
    return draws.view(torch.uint8)[:count] >= round(256 * rate)


def _ends(rows: Places, count: int) -> Tensor:
    """Where each row of a compressed matrix begins and ends."""
    return torch.from_numpy(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]))


def _csr(ends: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Compressed rows of what is sorted by row."""
    with warnings.catch_warnings():  # torch calls compressed matrices a beta; what they compute is tested
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(ends, columns, values, shape, check_invariants=False)
