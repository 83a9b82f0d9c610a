"""The adapter tier: a map of query vectors is learned on `fit`, chosen on `choose`, and the plan chosen anew with it.

The index stays as it is, so that a promotion is one pointer, as with a plan alone. Successive halving: every kind for a
few steps on a few questions, the two best of them in full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from retrieval.adapter import QueryAdapter
from search_core.conditions import Conditions
from search_core.corpus.snapshot import key_of
from search_core.errors import SupervisionError, TrainingError
from search_core.questions.taught_questions import hashes_of
from search_core.spaces.architecture import Architecture
from search_core.stages.candidate import Candidate, StageReport, is_better
from search_core.stages.labels import judged_rows
from search_core.stages.plan_tier import Progress
from search_core.stages.plans import plans_anew
from search_core.stages.recording import Recorder, Stopwatch
from search_core.thinning import thinned
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
    value: float
    candidate: Candidate
    places: tuple[int, ...]  # what it was learned from


def adapter_stage(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The candidate to go on with, and what was done. `best`: the mean so far, on whose scale rewards are told.

    The candidate has learned from `fit` alone, so that later tiers can be compared with it on `choose`; the report's
    best has learned from both parts, as it would serve.
    """
    watch, recorder = Stopwatch(), Recorder(conditions, "adapter", "sweep", progress, best)
    before = start.values(conditions.split.choose, conditions.spec.metric)
    reason, found = _why_not(conditions, share), None
    if not reason:
        try:
            found = _search(conditions, start, recorder, best - float(before.mean()), share)
        except (SupervisionError, TrainingError) as error:  # the plan that was found stands
            reason = str(error)
    if found is None:
        reason = reason or "no kind was better on the questions it was chosen by"
        return start, recorder.report(watch, reason=reason)
    swept = plans_anew(conditions, found.candidate, share, progress)
    values = swept.values(conditions.split.choose, conditions.spec.metric)
    gain, kept = float(values.mean() - before.mean()), is_better(values, before, conditions.choosing)
    final = _of_both_parts(conditions, start, swept, found)
    if not kept:
        reason = f"a gain of {gain:+.4f} on {len(before)} questions may be chance"
    return (swept if kept else start), recorder.report(watch, kept=kept, reason=reason, gain=gain, best=final)


def _why_not(conditions: Conditions, share: float) -> str:
    if not conditions.supervision.judged:
        return "questions made from the corpus teach an adapter what they are made by, not what people ask"
    if DECISION not in {decision.name for decision in conditions.space.decisions}:
        return "the search space has no decision about it"
    if not _kinds(conditions):
        return f"the search space has no adapter that is known here; expected one of {', '.join(KINDS)}"
    if len(conditions.split.fit) < MIN_FIT:
        return f"{len(conditions.split.fit)} questions are too few to learn from; expected {MIN_FIT} or more"
    if conditions.clock.left(share) <= 0:
        return "the time was over, or the run was stopped, before it began"
    return ""


def _kinds(conditions: Conditions) -> list[AdapterKind]:
    """Those that the search space leaves."""
    return [kind for kind in KINDS if kind in conditions.space[DECISION].values]


def _search(conditions: Conditions, start: Candidate, recorder: Recorder, offset: float, share: float) -> _Look | None:
    """The best kind and number of steps; None where none is better than what came in, or the time did not suffice."""
    few = tuple(thinned(conditions.split.fit, FIRST_QUESTIONS))
    watch = Stopwatch()
    looks: list[_Look] = []
    for kind in _kinds(conditions):
        if looks and conditions.clock.left(share) <= 0:
            break
        looks.append(_trial(conditions, start, recorder, offset, kind, few, FIRST_STEPS))
    pace = watch.seconds / (len(looks) * len(few) * FIRST_STEPS)
    for look in sorted(looks, key=lambda one: -one.value)[:GO_ON]:
        places = _in_time(conditions, pace, share)
        if len(places) > len(few) or (len(places) == len(few) and conditions.clock.left(share) > 0):
            looks.append(_trial(conditions, start, recorder, offset, look.kind, places, ALL_STEPS))
    best = max(looks, key=lambda one: one.value)
    value = float(start.values(conditions.split.choose, conditions.spec.metric).mean())
    return best if best.value > value else None


def _in_time(conditions: Conditions, pace: float, share: float) -> tuple[int, ...]:
    """As much of `fit` as can be learned from, twice and once more at the end; `pace`: seconds a question and step."""
    most = int(conditions.clock.left(share) / (3 * ALL_STEPS * max(pace, 1e-9)))
    return tuple(thinned(conditions.split.fit, max(1, most)))


def _trial(
    conditions: Conditions,
    start: Candidate,
    recorder: Recorder,
    offset: float,
    kind: AdapterKind,
    places: tuple[int, ...],
    steps: int,
) -> _Look:
    watch = Stopwatch()
    architecture = _choice(conditions, start, kind)
    looks = [
        _looked(conditions, start.with_adapter(adapter, architecture), kind, step, places)
        for step, adapter in _path(conditions, start, kind, places, steps)
    ]
    best = max(looks, key=lambda look: (look.value, -look.steps))
    fidelity = steps / ALL_STEPS
    recorder.add(architecture, best.candidate.plan, fidelity, offset + best.value, watch)
    return best


def _looked(
    conditions: Conditions, candidate: Candidate, kind: AdapterKind, steps: int, places: tuple[int, ...]
) -> _Look:
    values = candidate.values(conditions.split.choose, conditions.spec.metric)
    return _Look(kind, steps, float(values.mean()), candidate, places)


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
