"""The adapter tier: a map of query vectors is learned on `fit`, chosen on `choose`, and the plan chosen anew with it.

The index stays as it is, so that a promotion is one pointer, as with a plan alone. Successive halving: every kind for a
few steps on a few questions, the two best of them in full.

Kind, number of steps and plan are all chosen on `choose`, where the best of them is therefore too good. So whether the
adapter is kept is decided by cross-fitting (`search_core.stages.cross_fitting`): each question is worth what the kind,
the steps and the plan are worth that the other folds choose. Which two kinds are trained in full is decided by all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from infra.wording import counted
from retrieval.learned.adapter import QueryAdapter
from retrieval.plan import Plan
from search_core.candidate import Candidate, StageReport, adapter_name, is_better_bet
from search_core.conditions import Conditions
from search_core.corpus.legs import Values
from search_core.corpus.snapshot import key_of
from search_core.errors import SupervisionError, TrainingError
from search_core.questions.taught_questions import hashes_of
from search_core.spaces.architecture import Architecture
from search_core.stages.cross_fitting import Fold, Learned, compare_learned
from search_core.stages.labels import judged_rows
from search_core.stages.plan_tier import Progress
from search_core.stages.plans import plans_anew
from search_core.stages.recording import Recorder, Stopwatch
from search_core.thinning import thinned
from search_core.time_decisions import ADAPTER_QUESTIONS
from search_core.tuning.adapter import AdapterKind, adapter_path

KINDS: tuple[AdapterKind, ...] = ("full", "low-rank-64", "low-rank-16", "bias")  # known ones, the most likely first
FIRST_STEPS, ALL_STEPS = 25, 100  # of a first look, and of those that it leaves
FIRST_QUESTIONS = 400  # of `fit` in a first look
GO_ON = 2  # kinds that are trained in full
MIN_FIT = 30  # questions to learn from
DECISION = "adapter"  # of the search space


@dataclass(frozen=True, slots=True)
class _Look:
    """A kind after so many steps, and what whole searches with it are worth on `choose`."""

    kind: AdapterKind
    steps: int
    adapter: QueryAdapter
    places: tuple[int, ...]  # what it was learned from
    values: Values  # (choose,) under the plan of the start

    @property
    def value(self) -> float:
        """Their mean."""
        return float(self.values.mean())


Path = list[_Look]  # of one training


def adapter_stage(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The candidate to go on with, and what was done. `best`: the mean so far, on whose scale rewards are told.

    The candidate has learned from `fit` alone, so that later tiers can be compared with it on `choose`; the report's
    best has learned from both parts, as it would serve.
    """
    watch, recorder = Stopwatch(), Recorder(conditions, "adapter", "sweep", progress, best)
    plain = start.values(conditions.split.choose, conditions.spec.metric)
    reason, paths = _why_not(conditions, share), list[Path]()
    if not reason:
        try:
            paths = _search(conditions, start, recorder, best - float(plain.mean()), share)
        except (SupervisionError, TrainingError) as error:  # the plan that was found stands
            reason = str(error)
    if not paths or (found := _best(paths)).value <= plain.mean():
        reason = reason or "no kind was better on the questions it was chosen by"
        return start, recorder.report(watch, reason=reason)
    swept, choice = plans_anew(conditions, _with(conditions, start, found), share, progress)
    values, before = compare_learned(conditions, start, choice, _by_others(conditions, start, paths))
    gain, kept = float(values.mean() - before.mean()), is_better_bet(values, before, conditions.choosing)
    final = _of_both_parts(conditions, start, swept, found)
    if not kept:
        reason = f"{gain:+.4f} on {counted(len(before), 'question')} that did not choose it"
    handed_on = replace(swept, crossed=values) if kept else start
    return handed_on, recorder.report(watch, kept=kept, reason=reason, gain=gain, best=final)


def _why_not(conditions: Conditions, share: float) -> str:
    if not conditions.supervision.judged:
        return "questions made from the corpus teach an adapter what they are made by, not what people ask"
    if DECISION not in {decision.name for decision in conditions.space.decisions}:
        return "the search space has no decision about it"
    if not _kinds(conditions):
        return f"the search space has no adapter that is known here; expected one of {', '.join(KINDS)}"
    if len(conditions.split.fit) < MIN_FIT:
        few = counted(len(conditions.split.fit), "question is", "questions are")
        return f"{few} too few to learn from; expected {MIN_FIT} or more"
    if conditions.timed.is_over(share):
        return "the time was over, or the run was stopped, before it began"
    return ""


def _kinds(conditions: Conditions) -> list[AdapterKind]:
    """Those that the search space leaves."""
    return [kind for kind in KINDS if kind in conditions.space[DECISION].values]


def _search(conditions: Conditions, start: Candidate, recorder: Recorder, offset: float, share: float) -> list[Path]:
    """The looks of each training, in order; fewer where the time did not suffice."""
    few = tuple(thinned(conditions.split.fit, FIRST_QUESTIONS))
    watch = Stopwatch()
    paths: list[Path] = []
    for kind in _kinds(conditions):
        if paths and conditions.timed.is_over(share):
            break
        paths.append(_trial(conditions, start, recorder, offset, kind, few, FIRST_STEPS))
    pace = watch.seconds / (len(paths) * len(few) * FIRST_STEPS)
    for look in sorted(map(_best_of, paths), key=lambda one: -one.value)[:GO_ON]:
        allowed = partial(_in_time, conditions, pace, share, len(few))
        count = conditions.timed.number(ADAPTER_QUESTIONS.format(look.kind), allowed)
        if count is not None:
            places = tuple(thinned(conditions.split.fit, count))
            paths.append(_trial(conditions, start, recorder, offset, look.kind, places, ALL_STEPS))
    return paths


def _best(paths: list[Path], rows: Sequence[int] | None = None) -> _Look:
    """The best of all looks, by some of the questions or all: the first of equals, and of one training the shortest."""
    return max((_best_of(path, rows) for path in paths), key=lambda look: _mean(look, rows))


def _best_of(path: Path, rows: Sequence[int] | None = None) -> _Look:
    return max(path, key=lambda look: (_mean(look, rows), -look.steps))


def _mean(look: _Look, rows: Sequence[int] | None) -> float:
    return look.value if rows is None else float(look.values[list(rows)].mean())


def _by_others(conditions: Conditions, start: Candidate, paths: list[Path]) -> Learned:
    """What the look is worth on a fold that the other folds choose."""
    choose, metric = conditions.split.choose, conditions.spec.metric

    def worth(fold: Fold, plan: Plan) -> Values:
        held = set(fold)
        look = _best(paths, [row for row, place in enumerate(choose) if place not in held])
        return _with(conditions, start.only(fold), look).under(plan).values(tuple(range(len(fold))), metric)

    return worth


def _in_time(conditions: Conditions, pace: float, share: float, few: int) -> int | None:
    """How much of `fit` can be learned from, twice and once more at the end; None where that is less than `few`.

    `pace`: seconds a question and step.
    """
    left = conditions.clock.left(share)
    most = min(len(conditions.split.fit), int(left / (3 * ALL_STEPS * max(pace, 1e-9))))
    return most if left > 0 and most >= few else None


def _trial(
    conditions: Conditions,
    start: Candidate,
    recorder: Recorder,
    offset: float,
    kind: AdapterKind,
    places: tuple[int, ...],
    steps: int,
) -> Path:
    watch = Stopwatch()
    judge = start.only(conditions.split.choose)  # to ask no more than what is compared
    looks = [
        _looked(conditions, judge, kind, step, adapter, places)
        for step, adapter in _path(conditions, start, kind, places, steps)
    ]
    best = _best_of(looks)
    architecture, plan = _choice(conditions, start, kind), replace(start.plan, adapter=adapter_name(best.adapter))
    recorder.add(architecture, plan, steps / ALL_STEPS, offset + best.value, watch)
    return looks


def _looked(
    conditions: Conditions, judge: Candidate, kind: AdapterKind, steps: int, adapter: QueryAdapter, places: Fold
) -> _Look:
    candidate = judge.with_adapter(adapter, _choice(conditions, judge, kind))
    values = candidate.values(tuple(range(len(judge.legs.questions))), conditions.spec.metric)
    return _Look(kind, steps, adapter, places, values)


def _with(conditions: Conditions, start: Candidate, look: _Look) -> Candidate:
    return start.with_adapter(look.adapter, _choice(conditions, start, look.kind))


def _path(
    conditions: Conditions, start: Candidate, kind: AdapterKind, places: tuple[int, ...], steps: int
) -> list[tuple[int, QueryAdapter]]:
    path = adapter_path(
        start.base.query_vectors[list(places)],
        start.base.snapshot.vectors,
        judged_rows(start.base, places),
        kind,
        encoder=start.encoder.fingerprint,
        seed=conditions.request.seed,
        steps=steps,
        documents=[key_of(chunk) for chunk in start.base.snapshot.chunks],
    )
    taught = hashes_of(start.base.questions[place].text for place in places)
    return [(step, replace(adapter, taught=taught)) for step, adapter in path]


def _of_both_parts(conditions: Conditions, start: Candidate, swept: Candidate, found: _Look) -> Candidate:
    """The same kind and number of steps learned from `fit` and `choose` together, under the plan that was chosen."""
    working = tuple(sorted((*found.places, *conditions.split.choose)))
    _, adapter = _path(conditions, start, found.kind, working, found.steps)[-1]
    whole = start.with_adapter(adapter, swept.architecture)
    return replace(whole, plan=replace(swept.plan, adapter=whole.plan.adapter))


def _choice(conditions: Conditions, start: Candidate, kind: str) -> Architecture:
    return conditions.space.complete(start.architecture.as_dict() | {DECISION: kind})
