"""Classification of a graph's nodes: trained on its labelled nodes, stopped and chosen by validation, tested once.

Two learners share one loop: any architecture of `GraphLMConfig`, and GRAND (`search_core/tasks/random_propagation.py`).
The test nodes' labels are read after the last step, for the weights that validation chose, and decide nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from search_core.errors import SupervisionError, TrainingError
from search_core.models.graph_config import GraphLMConfig
from search_core.models.graph_lm import build_graph_lm, check_features, graph_input
from search_core.tasks.planetoid import NodeTask
from search_core.tasks.random_propagation import (
    Grand,
    RandomPropagation,
    consistency_loss,
    normalised_adjacency,
)


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Steps of Adam and when they end."""

    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    patience: int = 200  # steps without a better validation loss or accuracy
    max_epochs: int = 3000


@dataclass(frozen=True, slots=True)
class NodeResult:
    """Accuracies are shares of nodes; `epoch` is the one whose weights were kept, `epochs` how many there were."""

    seed: int
    validation: float
    test: float
    epoch: int
    epochs: int
    cpu_seconds: float


class _Learner(Protocol):
    @property
    def module(self) -> nn.Module: ...

    def loss(self) -> Tensor: ...

    def predict(self) -> Tensor: ...


def train_graph_lm(task: NodeTask, config: GraphLMConfig, seed: int, options: TrainOptions | None = None) -> NodeResult:
    """One architecture on one graph. Raises `SupervisionError` for parts without labels, `TrainingError` for NaN."""
    with _drawing(seed):
        return _run(_GraphLMLearner(task, config, seed), task, seed, options or TrainOptions())


def train_random_propagation(
    task: NodeTask, propagation: RandomPropagation, seed: int, options: TrainOptions | None = None
) -> NodeResult:
    """GRAND on one graph. Raises as `train_graph_lm`."""
    with _drawing(seed):
        return _run(_GrandLearner(task, propagation, seed), task, seed, options or TrainOptions())


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Torch's own random numbers by that seed within, as they were without."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


class _GraphLMLearner:
    def __init__(self, task: NodeTask, config: GraphLMConfig, seed: int) -> None:
        self.module = build_graph_lm(config, seed)
        self._given = graph_input(task.features, task.edges)
        self._train, self._labels = torch.from_numpy(task.train), torch.from_numpy(task.labels[task.train])

    def loss(self) -> Tensor:
        self.module.train()
        return nn.functional.cross_entropy(self.module(self._given)[self._train], self._labels)

    @torch.no_grad()
    def predict(self) -> Tensor:
        return torch.log_softmax(self.module.eval()(self._given), dim=1)


class _GrandLearner:
    def __init__(self, task: NodeTask, propagation: RandomPropagation, seed: int) -> None:
        check_features(task.features, task.edges.nodes)
        adjacency = normalised_adjacency(task.edges)
        self.module = Grand(task.features, adjacency, task.classes, propagation)
        self._options, self._generator = propagation, torch.Generator().manual_seed(seed)
        self._train, self._labels = torch.from_numpy(task.train), torch.from_numpy(task.labels[task.train])

    def loss(self) -> Tensor:
        copies = self.module(self._generator)
        labelled = copies[:, self._train].flatten(0, 1)
        supervised = nn.functional.nll_loss(labelled, self._labels.repeat(self._options.samples))
        return supervised + self._options.consistency * consistency_loss(copies, self._options.temperature)

    def predict(self) -> Tensor:
        return self.module.predict()


class _Keeper:
    """What early stopping remembers; weights of the least validation loss are the ones that count.

    As in the published code: a step counts as progress when loss or accuracy is no worse than ever before, and its
    predictions are kept when the loss is the least as well.
    """

    def __init__(self) -> None:
        self.least, self.highest, self.kept = float("inf"), 0.0, float("inf")
        self.epoch, self.accuracy, self.waited = 0, 0.0, 0
        self.predictions: Tensor | None = None

    def tell(self, epoch: int, loss: float, accuracy: float, predictions: Tensor) -> None:
        if loss > self.least and accuracy < self.highest:
            self.waited += 1
            return
        if loss <= self.kept:
            self.kept, self.epoch, self.accuracy, self.predictions = loss, epoch, accuracy, predictions
        self.least, self.highest, self.waited = min(self.least, loss), max(self.highest, accuracy), 0


def _run(learner: _Learner, task: NodeTask, seed: int, options: TrainOptions) -> NodeResult:
    started = time.process_time()
    labels = torch.from_numpy(task.labels)
    validation, test = _labelled(task, "validation"), _labelled(task, "test")
    _labelled(task, "train")
    adam = torch.optim.Adam(learner.module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    keeper, epoch = _Keeper(), 0
    while epoch < options.max_epochs and keeper.waited < options.patience:
        _step(adam, learner, epoch)
        predictions = learner.predict()
        loss = float(nn.functional.nll_loss(predictions[validation], labels[validation]))
        keeper.tell(epoch, loss, _accuracy(predictions, labels, validation), predictions)
        epoch += 1
    if keeper.predictions is None:
        raise TrainingError(f"no step out of {epoch} gave a validation loss; expected at least one: raise max_epochs")
    tested = _accuracy(keeper.predictions, labels, test)
    return NodeResult(seed, keeper.accuracy, tested, keeper.epoch, epoch, time.process_time() - started)


def _step(adam: torch.optim.Optimizer, learner: _Learner, epoch: int) -> None:
    adam.zero_grad()
    loss = learner.loss()
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss is {loss.item()} in epoch {epoch}; lower the learning rate")
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()


def _labelled(task: NodeTask, part: str) -> Tensor:
    nodes = getattr(task, part)
    if not len(nodes) or (task.labels[nodes] < 0).any():
        raise SupervisionError(f"the {part} part has {len(nodes)} nodes, some without label; expected a label for each")
    return torch.from_numpy(nodes)


def _accuracy(predictions: Tensor, labels: Tensor, nodes: Tensor) -> float:
    return float((predictions[nodes].argmax(dim=1) == labels[nodes]).float().mean())
