"""Trains an encoder so that a question lies nearer to its own passage than to all others of the batch.

The multiple-negatives ranking loss, both ways, over in-batch and mined negatives. The logits are our own because a
batch of a real corpus holds passages that answer a neighbour's question too: those are masked, which the loss of
sentence-transformers cannot be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search_core.errors import TrainingError
from search_core.tuning.checkpoint import Checkpoint
from search_core.tuning.torch_errors import training_errors
from search_core.tuning.training_model import TrainingModel, TrainingOptions

if TYPE_CHECKING:
    import torch

WEIGHT_DECAY = 0.01  # AdamW's
MAX_GRADIENT_NORM = 1.0  # its norm is cut to that
LAST_RATE = 0.02  # of the rate, which the decay ends at
MASKED = -1e4  # the logit of a passage that is right too
RANDOM = "random"  # the state of the random numbers, among a checkpoint's tensors
MAX_REFUSALS = 4  # times the batch: a small corpus repeats itself, and then so may a batch


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a passage that answers it, and passages that do not. `answers`: groups that answer it too."""

    question: str
    passage: str
    group: int
    answers: frozenset[int] = frozenset()
    negatives: tuple[str, ...] = ()
    negative_groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """Named weights after training, the loss of each step, processor seconds of the training."""

    weights: dict[str, Any]
    losses: tuple[float, ...]
    cpu_seconds: float


def train(
    folder: Path,
    examples: Iterator[Example],
    options: TrainingOptions,
    budget_seconds: float,
    seed: int,
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> Trained:
    """Weights of the model in `folder` after training. Raises `TrainingError` where the loss is no number.

    `budget_seconds` is by the clock.
    """
    training = Training(folder, examples, options, seed)
    training.run_to(options.steps, budget_seconds, progress)
    return training.trained()


class Training:
    """A training that can be halted after any step and go on: what it does first is the beginning of the whole.

    Several may be under way in turns; each keeps its own random numbers. The rate falls to nearly nothing at
    `options.steps`, so that a training halted before is one not yet settled.

    With a `checkpoint` it leaves its state there, and goes on from a state that is there: `examples` begin anew then,
    and those it has had are passed over.
    """

    def __init__(
        self,
        folder: Path,
        examples: Iterator[Example],
        options: TrainingOptions,
        seed: int,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = TrainingModel(folder, options)
            self._optimiser = torch.optim.AdamW(self.model.parameters(), weight_decay=WEIGHT_DECAY)
            self._random = torch.get_rng_state()
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: _rate_at(step, options))
        self._examples = _Counted(examples)
        self.losses: list[float] = []
        self.cpu_seconds = 0.0
        self._checkpoint = checkpoint
        if checkpoint is not None and (found := checkpoint.load()) is not None:
            self._restore(*found)

    def run_to(
        self,
        steps: int,
        budget_seconds: float,
        progress: Callable[[int, float], None] = lambda step, loss: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Go on until so many steps are done in all, the time is over or it `is_stopped`, after a step at least.

        Raises `TrainingError` where the loss is no number, or PyTorch cannot make a step.
        """
        import torch

        began, until = time.process_time(), time.monotonic() + budget_seconds
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            self.model.start()
            while len(self.losses) < steps:
                with training_errors():
                    self.losses.append(self._step())
                progress(len(self.losses) - 1, self.losses[-1])
                over = time.monotonic() > until or is_stopped()
                is_last = over or len(self.losses) >= steps
                if self._checkpoint is not None and (is_last or len(self.losses) % self._checkpoint.every == 0):
                    self._save(self._checkpoint, self.cpu_seconds + time.process_time() - began)
                if over:
                    break
            self._random = torch.get_rng_state()
        self.cpu_seconds += time.process_time() - began

    def trained(self) -> Trained:
        """What it has come to, as copies."""
        return Trained(self.model.weights(), tuple(self.losses), self.cpu_seconds)

    def _save(self, checkpoint: Checkpoint, cpu_seconds: float) -> None:
        import torch

        moments = self._optimiser.state_dict()["state"]
        tensors = {f"moment.{place}.{name}": value for place, one in moments.items() for name, value in one.items()}
        tensors |= {f"weight.{name}": weight for name, weight in self.model.trained_by_name().items()}
        about = {"losses": self.losses, "drawn": self._examples.drawn, "cpu_seconds": cpu_seconds}
        checkpoint.save(tensors | {RANDOM: torch.get_rng_state()}, about)

    def _restore(self, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
        import torch

        self._random = tensors.pop(RANDOM)
        self.losses, self.cpu_seconds = about["losses"], about["cpu_seconds"]
        self._examples.skip(about["drawn"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        with torch.no_grad():
            for name, weight in self.model.trained_by_name().items():
                weight.copy_(tensors[f"weight.{name}"])
        for name, value in tensors.items():
            if name.startswith("moment."):
                _, place, what = name.split(".")
                moments.setdefault(int(place), {})[what] = value
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})
        self._schedule.last_epoch = len(self.losses)
        for group in self._optimiser.param_groups:
            group["lr"] = group["initial_lr"] * _rate_at(len(self.losses), self.model.options)

    def _step(self) -> float:
        import torch

        self._optimiser.zero_grad()
        with self.model.rounding():
            loss = batch_loss(self.model, _batch(self._examples, self.model.options.batch))
        if not torch.isfinite(loss):
            step = len(self.losses)
            raise TrainingError(f"the loss is {loss.item()} at step {step}; expected a number: lower the rate")
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.trained(), MAX_GRADIENT_NORM)
        self.model.before_step()
        self._optimiser.step()
        self._schedule.step()
        return float(loss.item())


class _Counted:
    """Examples, and how many were drawn."""

    def __init__(self, examples: Iterator[Example]) -> None:
        self.drawn = 0
        self._examples = examples

    def __iter__(self) -> Iterator[Example]:
        return self

    def __next__(self) -> Example:
        self.drawn += 1
        return next(self._examples)

    def skip(self, count: int) -> None:
        """Pass over so many."""
        for _ in range(count):
            next(self)


def batch_loss(model: TrainingModel, batch: Sequence[Example]) -> torch.Tensor:
    """Cross entropy of each question over all passages, and of each passage over all questions; their mean."""
    import torch

    options = model.options
    passages = [one.passage for one in batch] + [text for one in batch for text in one.negatives]
    groups = [one.group for one in batch] + [group for one in batch for group in one.negative_groups]
    asked = model.embed_questions([one.question for one in batch])
    answers = model.embed_passages(passages)
    logits = (options.scale * asked @ answers.T).float()
    logits = logits.masked_fill(torch.from_numpy(also_right(batch, groups)).to(logits.device), MASKED)
    right = torch.arange(len(batch), device=logits.device)
    entropy = torch.nn.functional.cross_entropy
    return (entropy(logits, right) + entropy(logits[:, : len(batch)].T, right)) / 2


def also_right(batch: Sequence[Example], groups: Sequence[int]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """(batch, passages) where a passage answers a question that it does not belong to: it is no negative.

    Also what answers the same question where it is asked again.
    """
    mask = np.zeros((len(batch), len(groups)), bool)
    asked = [one.question.casefold() for one in batch]
    for row, one in enumerate(batch):
        mask[row] = [group == one.group or group in one.answers for group in groups]
        mask[row, : len(batch)] |= [question == asked[row] for question in asked]
    np.fill_diagonal(mask, False)
    return mask


def _rate_at(step: int, options: TrainingOptions) -> float:
    """Rises for `warm_up` steps, then falls to nearly nothing, in straight lines."""
    if step < options.warm_up:
        return (step + 1) / options.warm_up
    return max(LAST_RATE, (options.steps - step) / max(1, options.steps - options.warm_up))


def _batch(examples: Iterator[Example], size: int) -> list[Example]:
    """Examples of different groups, as long as the corpus has enough of them."""
    batch: list[Example] = []
    groups: set[int] = set()
    refused = 0
    while len(batch) < size:
        example = next(examples)
        if example.group in groups and refused < MAX_REFUSALS * size:
            refused += 1
            continue
        groups.add(example.group)
        batch.append(example)
    return batch
