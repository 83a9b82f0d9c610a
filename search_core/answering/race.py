"""Which answer model is best on the working questions: all on a few questions, the better half on more, and so on.

A model that is asked one question at a time is dear, and most prompts are told apart by few questions (successive
halving, Jamieson and Talwalkar 2016). What serves is in every round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from retrieval.answer.choice import ENDPOINT, AnswerChoice
from retrieval.answer.generators import AnswerGenerator
from search_core.answering.models import AnswerModel, Models, combined, variants
from search_core.answering.prices import Prices
from search_core.answering.questions import AskedQuestion, evidence_of
from search_core.answering.scoring import Scored, score, summary
from search_core.proof.reasons import Reason, ReasonCode
from search_core.questions.evidence import Values
from search_core.time_decisions import TimeDecisions

logger = logging.getLogger(__name__)

ROUNDS = (8, 32)  # questions of the first rounds; the last one has all
MAX_FAILURES = 0.1  # share of questions that something else answered: such an endpoint is not to be relied on
SEARCH_SHARE = 0.7  # of the budget; the rest is for the sealed questions

Told = Callable[["Entry", int], None]  # a model was asked so many questions


@dataclass(slots=True)
class Entry:
    """A model in the race, opened at first use, with what it scored so far on the first questions."""

    model: AnswerModel
    scored: list[Scored] = field(default_factory=list)
    _generator: AnswerGenerator | None = None

    @property
    def choice(self) -> AnswerChoice:
        """What it would serve as."""
        return self.model.choice

    def mean(self, count: int) -> float:
        """Mean quality on the first `count` questions, 0 of none."""
        values = [one.quality for one in self.scored[:count]]
        return float(np.mean(values)) if values else 0.0

    def values(self, count: int) -> Values:
        """(count,) quality of the answers to the first questions."""
        return np.array([one.quality for one in self.scored[:count]], np.float64)

    @property
    def fails(self) -> bool:
        """Whether too often something else answered in its place."""
        return bool(self.scored) and sum(one.failed for one in self.scored) > MAX_FAILURES * len(self.scored)

    @property
    def milliseconds(self) -> float:
        """Of its median answer, 0 of none."""
        return float(np.median([one.milliseconds for one in self.scored])) if self.scored else 0.0

    def ask(self, question: AskedQuestion, models: Models) -> Scored:
        """One more answer."""
        if self._generator is None:
            self._generator = self.model.open()
        return score(self._generator, question, models.replies)

    def close(self) -> None:
        """Release the model."""
        if self._generator is not None:
            self._generator.close()
            self._generator = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The end of a race: who serves, the best, everybody, and how many questions all of the last round were asked.

    Where that is none, nothing was compared, and the best is who serves. `too_slow`: how many others the bound ruled
    out.
    """

    incumbent: Entry
    best: Entry
    entries: tuple[Entry, ...]
    questions: int
    too_slow: int = 0


def entered(models: Models, incumbent: AnswerChoice) -> list[Entry]:
    """Who takes part: who serves first, then all others."""
    return [Entry(models.of(incumbent)), *(Entry(model) for model in models.all() if model.choice != incumbent)]


def race(
    entries: list[Entry],
    models: Models,
    questions: Sequence[AskedQuestion],
    timed: TimeDecisions,
    told: Told,
    bound_ms: float | None = None,
) -> Standing:
    """Ask round by round, who serves being first. The caller closes all `entries`, to which one may be added.

    `bound_ms`: what the median answer may take; whoever takes longer leaves with the round.
    """
    left, asked, is_slow = list(entries), 0, partial(_is_slow, timed, bound_ms)
    for target in (*(size for size in ROUNDS if size < len(questions)), len(questions)):
        reached = [_asked_to(entry, questions[:target], models, timed, told) for entry in left]
        asked = min(reached)
        if asked < target:  # out of time: those with equally many answers are compared
            break
        left = _better_half(left, asked, is_slow)
        if target == ROUNDS[0]:
            left = _with_combined(left, entries, models, questions[:target], timed, told)
    fit = [entry for entry in left if not entry.fails and not is_slow(entry)]
    running = [entry for entry in fit if not models.prices.too_dear(entry.scored)] or [entries[0]]
    best = _cheapest_of_best(running, questions[:asked]) if asked else entries[0]
    slow = sum(map(is_slow, entries[1:]))
    return Standing(entries[0], best, tuple(entries), asked, slow)


def _asked_to(
    entry: Entry, questions: Sequence[AskedQuestion], models: Models, timed: TimeDecisions, told: Told
) -> int:
    """Ask until the model has answered all of these, it fails, or time is up; how many it has."""
    for question in questions[len(entry.scored) :]:
        if timed.is_over(SEARCH_SHARE) or (len(entry.scored) >= ROUNDS[0] and entry.fails):
            break
        entry.scored.append(entry.ask(question, models))
    if entry.scored:
        told(entry, len(entry.scored))
    return len(questions) if entry.fails else len(entry.scored)


def _is_slow(timed: TimeDecisions, bound_ms: float | None, entry: Entry) -> bool:
    """Whether its median answer takes longer than that; None: there is no bound."""
    if bound_ms is None:
        return False

    def measured() -> tuple[Reason, ...]:
        return (over_latency(entry.milliseconds, bound_ms),) if entry.milliseconds > bound_ms else ()

    return bool(timed.too_slow(f"{entry.choice.to_dict()} after {len(entry.scored)} questions", measured))


def over_latency(milliseconds: float, bound_ms: float) -> Reason:
    """Why an answer model may not serve whose answers take so long."""
    slow = f"an answer would take {milliseconds:.0f} ms; the task says at most {bound_ms:g} ms"
    return Reason(ReasonCode.OVER_LATENCY, slow)


def _better_half(entries: list[Entry], count: int, is_slow: Callable[[Entry], bool]) -> list[Entry]:
    """What serves, and the better half of the others that may serve; equal ones in the order given."""
    first, others = entries[0], [entry for entry in entries[1:] if not entry.fails and not is_slow(entry)]
    ranked = sorted(others, key=lambda entry: -entry.mean(count))
    return [first, *ranked[: max(1, (len(ranked) + 1) // 2)]]


def _with_combined(
    left: list[Entry],
    entries: list[Entry],
    models: Models,
    questions: Sequence[AskedQuestion],
    timed: TimeDecisions,
    told: Told,
) -> list[Entry]:
    """With one more: the endpoint asked in all the ways that were better than its default."""
    asked = {entry.choice.prompt: entry for entry in entries if entry.choice.generator == ENDPOINT}
    default = asked.get(variants()[0])
    if default is None or default.fails:
        return left
    count = len(questions)
    slots = combined([way for way, entry in asked.items() if entry.mean(count) > default.mean(count)])
    if slots in asked:
        return left
    entry = Entry(models.endpoint(slots))
    entries.append(entry)
    has_all = _asked_to(entry, questions, models, timed, told) == count
    return [*left, entry] if has_all else left  # else all were compared on the few that it has answered


def _cheapest_of_best(entries: list[Entry], questions: Sequence[AskedQuestion]) -> Entry:
    """Of all within one standard error of the best the cheapest: simpler where more is not better.

    The error is that of the differences question by question, as in the proof: some are hard for every model.
    """
    count, evidence = len(questions), evidence_of(questions)
    best = max(entries, key=lambda entry: entry.mean(count))
    near = [entry for entry in entries if not evidence.is_worse(entry.values(count), best.values(count))]
    return min(near, key=lambda entry: (entry.model.cost, -entry.mean(count)))


def row(entry: Entry, questions: Sequence[AskedQuestion], prices: Prices) -> dict[str, object]:
    """An entry as a row of the leaderboard; its cost is that of 1,000 questions."""
    asked = questions[: len(entry.scored)]
    named = {"answer": entry.choice.describe(), "questions": len(asked)}
    return named | summary(entry.scored, asked) | {"cost": prices.of_questions(entry.scored)}
