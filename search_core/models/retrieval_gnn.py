"""Refined chunk vectors: a graph model trained so that a question lies nearer to the chunks that answer it.

The model reads the chunks' vectors and a graph over them and gives vectors of the same width. They are computed once,
at index time, and put into the dense index in place of the encoder's; questions are embedded as before, so searching
costs nothing more. With the fusion `gate` it starts as the identity, and training has to move it from there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infra.wording import counted
from search_core.errors import BudgetError, CorpusError, SupervisionError, TrainingError
from search_core.models.edges import Edges
from search_core.models.graph_config import GraphLMConfig
from search_core.models.graph_lm import GraphInput, GraphLM, build_graph_lm, graph_input, save_graph_lm
from search_core.tuning.documents import check_documents, rows_alike
from search_core.tuning.torch_errors import training_errors

Vectors = NDArray[np.float32]
Judgements = Sequence[Mapping[int, float]]  # for each question: chunk -> grade; above 0 is relevant


@dataclass(frozen=True, slots=True)
class RetrievalTraining:
    """How a graph model is fitted to judged questions."""

    temperature: float = 0.05  # of the softmax over chunks; 0.05 is sentence-transformers' scale of 20
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    anchor: float = 1.0  # weight of the mean squared distance from the encoder's vectors
    batch: int = 64  # questions a step
    max_epochs: int = 60
    patience: int = 8  # epochs without a better loss on the held-out questions
    held_out: float = 0.2  # share of the questions that only decide when to stop


@dataclass(frozen=True, slots=True)
class FittedGraphLM:
    """A fitted model with what it was fitted on. `epoch` 0: nothing was better than leaving the vectors alone."""

    model: GraphLM
    given: GraphInput
    epoch: int
    losses: tuple[float, ...]  # on the held-out questions, before training and after each epoch
    cpu_seconds: float

    @torch.no_grad()
    def vectors(self) -> Vectors:
        """(chunks, dim) of unit length: what goes into the dense index."""
        return _refined(self.model.eval(), self.given).numpy()

    def save(self, path: Path) -> None:
        """As `save_graph_lm`."""
        save_graph_lm(self.model, path)


def fit_graph_lm(
    chunk_vectors: Vectors,
    edges: Edges,
    query_vectors: Vectors,
    judgements: Judgements,
    config: GraphLMConfig,
    seed: int,
    budget_seconds: float,
    training: RetrievalTraining | None = None,
    documents: Sequence[str] = (),
) -> FittedGraphLM:
    """The model of the epoch with the least loss on held-out questions; the untrained one counts as epoch 0.

    The loss of a question is InfoNCE over all chunks, with the other relevant ones left out of the denominator and, as
    `documents` says whose each chunk is, other parts of relevant documents, which were judged as wholes. Same inputs
    and seed give the same weights unless the budget (CPU seconds of this process) ends it first.
    Raises `CorpusError` and `SupervisionError` for what does not fit or is NaN, `BudgetError`, `TrainingError`.
    """
    options = training or RetrievalTraining()
    if not budget_seconds > 0:
        raise BudgetError(f"a budget of {budget_seconds} s fits nothing; expected more than 0 s")
    if (config.inputs, config.outputs) != (chunk_vectors.shape[1],) * 2:
        raise CorpusError(
            f"chunk vectors are {chunk_vectors.shape[1]} wide; the architecture maps {config.inputs} "
            f"to {config.outputs}, and must keep that width"
        )
    questions = _questions(query_vectors, judgements, chunk_vectors, documents)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_graph_lm(config, seed)
        return _Fit(model, graph_input(chunk_vectors, edges), questions, options, budget_seconds).run()


@dataclass(frozen=True, slots=True)
class _Questions:
    vectors: Tensor  # (questions, dim)
    grades: Tensor  # (questions, chunks), 0 where not relevant
    wrong: Tensor  # (questions, chunks), whether it is a negative

    def only(self, places: Tensor) -> _Questions:
        return _Questions(self.vectors[places], self.grades[places], self.wrong[places])


class _Fit:
    def __init__(
        self, model: GraphLM, given: GraphInput, questions: _Questions, options: RetrievalTraining, budget: float
    ) -> None:
        self.model, self.given, self.options = model, given, options
        self.started = time.process_time()
        self.end = self.started + budget
        order = torch.randperm(len(questions.vectors))
        aside = max(1, round(len(order) * options.held_out))
        self.held_out, self.fitted = questions.only(order[:aside]), questions.only(order[aside:])

    def run(self) -> FittedGraphLM:
        """Epochs until the patience, their number or the budget ends."""
        adam = torch.optim.AdamW(
            self.model.parameters(), lr=self.options.learning_rate, weight_decay=self.options.weight_decay
        )
        losses, best, kept = [self._held_out_loss(0)], 0, _copy(self.model)
        for epoch in range(1, self.options.max_epochs + 1):
            if epoch - best > self.options.patience or time.process_time() > self.end:
                break
            with training_errors():
                self._epoch(adam, epoch)
            losses.append(self._held_out_loss(epoch))
            if losses[-1] < losses[best]:
                best, kept = epoch, _copy(self.model)
        self.model.load_state_dict(kept)
        return FittedGraphLM(self.model, self.given, best, tuple(losses), time.process_time() - self.started)

    def _epoch(self, adam: torch.optim.Optimizer, epoch: int) -> None:
        self.model.train()
        for places in torch.split(torch.randperm(len(self.fitted.vectors)), self.options.batch):
            adam.zero_grad()
            refined = _refined(self.model, self.given)
            moved = (refined - self.given.features).square().sum(dim=1).mean()
            loss = self._loss(refined, self.fitted.only(places)) + self.options.anchor * moved
            _check(loss.item(), epoch)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()

    @torch.no_grad()
    def _held_out_loss(self, epoch: int) -> float:
        """Checked too: of a network that gives no numbers any more, the one before would be taken for trained."""
        return _check(float(self._loss(_refined(self.model.eval(), self.given), self.held_out)), epoch)

    def _loss(self, refined: Tensor, questions: _Questions) -> Tensor:
        return info_nce(questions.vectors @ refined.T / self.options.temperature, questions.grades, questions.wrong)


def _check(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is {loss} in epoch {epoch}; expected a number: lower the learning rate")
    return loss


def info_nce(scores: Tensor, grades: Tensor, wrong: Tensor) -> Tensor:
    """Mean over questions of -log e^s / (e^s + sum of the wrong e^s), averaged over relevant chunks by grade."""
    others = scores.masked_fill(~wrong, -torch.inf).logsumexp(dim=1, keepdim=True)
    each = torch.logaddexp(scores, others) - scores
    return ((each * grades).sum(dim=1) / grades.sum(dim=1)).mean()


def _refined(model: GraphLM, given: GraphInput) -> Tensor:
    return nn.functional.normalize(model(given), dim=1)


def _copy(model: GraphLM) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _questions(vectors: Vectors, judgements: Judgements, chunks: Vectors, documents: Sequence[str]) -> _Questions:
    """Questions with at least one relevant chunk, checked."""
    if len(vectors) != len(judgements):
        raise SupervisionError(f"{len(vectors)} question vectors have {len(judgements)} judgements; expected one each")
    if vectors.ndim != 2 or vectors.shape[1] != chunks.shape[1] or not np.isfinite(vectors).all():
        raise SupervisionError(
            f"question vectors {vectors.shape} hold what is no number, or do not fit chunks {chunks.shape}; embed again"
        )
    check_documents(documents, len(chunks))
    grades = np.zeros((len(vectors), len(chunks)), np.float32)
    wrong = np.ones(grades.shape, bool)
    mates = rows_alike(documents or range(len(chunks)))
    for row, judged in enumerate(judgements):
        for chunk, grade in judged.items():
            if not 0 <= chunk < len(chunks):
                raise SupervisionError(f"question {row} is judged for chunk {chunk}; there are {len(chunks)} chunks")
            grades[row, chunk] = max(grade, 0)
            if grade > 0:
                wrong[row, [*mates[chunk]]] = False
    usable = grades.any(axis=1)
    if usable.sum() < 2:
        raise SupervisionError(
            f"{counted(int(usable.sum()), 'question has', 'questions have')} a relevant chunk; "
            "expected at least 2, better 100"
        )
    asked = np.asarray(vectors[usable], np.float32)
    return _Questions(*(torch.from_numpy(array) for array in (asked, grades[usable], wrong[usable])))
