"""Trains a span reader: passes over the examples in batches of like length, the rate falling to zero."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from search_core.errors import TrainingError
from search_core.reader.data import Example
from search_core.reader.model import collate, groups, keep_known, loss_of

logger = logging.getLogger(__name__)

SORTED_BATCHES = 40  # batches are cut from so many at once, sorted by length: little padding, still well mixed
LOG_STEPS = 50


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train; `rate` is AdamW's at its highest.

    `device` is PyTorch's ("cpu", "cuda"); with `bf16` products are rounded to bfloat16, faster where the hardware has
    it. `average` is the decay of a running mean of the weights, which replaces them at the end; 0: none.
    """

    batch: int = 32
    rate: float = 2e-4
    warm_up: float = 0.06  # share of the steps
    decay: float = 0.01
    clip: float = 1.0  # of the gradient's norm
    average: float = 0.0
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    bf16: bool = False
    first_new: int = 1 << 30  # row of the first new piece; the rows before it stay


def train(
    model: Any,
    rounds: Sequence[Sequence[Example]],
    options: TrainingOptions,
    after: Callable[[int, float], None] = lambda _number, _loss: None,
    wanted: Callable[[], None] = lambda: None,
) -> list[float]:
    """Train on each round's examples in turn, a round being an epoch. Returns the mean loss of each.

    `after` is called with the number of the round that ended, 0-based, and its loss, `wanted` before each step; what
    they raise ends the training.
    Raises `TrainingError` where the loss is none. The model ends on the CPU.
    """
    import torch

    if options.device == "cpu":
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model.to(options.device)
    model.bert.embeddings.word_embeddings.weight.requires_grad_(options.first_new < model.config.vocab_size)
    run = _Run(model, options, sum(math.ceil(len(one) / options.batch) for one in rounds))
    drawn = random.Random(options.seed)  # noqa: S311 - an order, not a secret
    means = []
    for number, found in enumerate(rounds):
        model.train()
        means.append(run.round(list(batches(found, options.batch, drawn)), wanted))
        after(number, means[-1])
    run.finish()
    return means


def batches(examples: Sequence[Example], size: int, drawn: random.Random) -> Iterator[list[Example]]:
    """All examples once, in random batches of like length."""
    order = list(examples)
    drawn.shuffle(order)
    for start in range(0, len(order), size * SORTED_BATCHES):
        part = sorted(order[start : start + size * SORTED_BATCHES], key=lambda one: len(one.ids))
        cut = [part[at : at + size] for at in range(0, len(part), size)]
        drawn.shuffle(cut)
        yield from cut


class _Run:
    """Optimiser, schedule and running mean of one training."""

    def __init__(self, model: Any, options: TrainingOptions, steps: int) -> None:
        import torch

        self._model, self._options = model, options
        self._optimiser = torch.optim.AdamW(groups(model, options.rate, options.decay), fused=True)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: _share(step, steps, options.warm_up)
        )
        self._learnt = [weight for weight in model.parameters() if weight.requires_grad]
        self._mean = [weight.detach().clone() for weight in self._learnt] if options.average else []

    def round(self, found: list[list[Example]], wanted: Callable[[], None]) -> float:
        """One pass; the mean loss."""
        total, began = 0.0, time.monotonic()
        since: Any = 0.0
        for step, examples in enumerate(found, 1):
            wanted()
            since = since + self._step(examples)
            if step % LOG_STEPS == 0 or step == len(found):  # a loss is read seldom: it makes a GPU wait
                total, since = total + float(since), 0.0
                self._checked(total, step)
                spent = time.monotonic() - began
                logger.info("step %d of %d, mean loss %.3f, %.0f s", step, len(found), total / step, spent)
        return total / max(len(found), 1)

    def finish(self) -> None:
        """The running mean in place of the last weights, on the CPU."""
        import torch

        with torch.no_grad():
            for weight, mean in zip(self._learnt, self._mean, strict=bool(self._mean)):
                weight.copy_(mean)
        self._model.to("cpu")
        self._model.eval()

    def _step(self, examples: Sequence[Example]) -> Any:
        import torch

        options = self._options
        batch = collate(examples, self._model.config.pad_token_id, options.device)
        rounding = torch.autocast(options.device, torch.bfloat16) if options.bf16 else contextlib.nullcontext()
        with rounding:
            loss = loss_of(self._model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        keep_known(self._model, options.first_new)
        torch.nn.utils.clip_grad_norm_(self._learnt, options.clip)
        self._optimiser.step()
        self._schedule.step()
        self._optimiser.zero_grad(set_to_none=True)
        if self._mean:
            torch._foreach_lerp_(self._mean, [weight.detach() for weight in self._learnt], 1 - options.average)
        return loss.detach()

    def _checked(self, total: float, step: int) -> None:
        if not math.isfinite(total):
            raise TrainingError(
                f"the loss became {total} by step {step}; lower the rate ({self._options.rate}) or check the examples"
            )


def _share(step: int, steps: int, warm_up: float) -> float:
    """Linear up, then linear down to zero."""
    first = max(1, round(steps * warm_up))
    return (step + 1) / first if step < first else max(0.0, (steps - step) / max(1, steps - first))
