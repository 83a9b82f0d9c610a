"""The precedents tier: judged questions are remembered, and what answered them is lifted for questions that are near.

Nothing is trained: how strongly they count is chosen on `choose` with both parts remembered, as they would serve, each
question without its own judgements (leave one out). A promotion is one pointer. It comes last, for a question is near
another by the vectors of the encoder that serves. Where the split keeps documents apart, nothing that was remembered
answers a question of another part, so the tier is left out: no question could tell what it is worth.

The best strength is too good where it was chosen, so whether it is kept is decided by what each fold of `choose` gains
by the strength that the others choose.
"""

from __future__ import annotations

from infra.wording import counted
from retrieval.learned.precedents import Precedents
from search_core.candidate import Candidate, StageReport, is_better_bet
from search_core.conditions import Conditions
from search_core.corpus.legs import Values
from search_core.spaces.architecture import Architecture
from search_core.stages.cross_fitting import crossed_option
from search_core.stages.plan_tier import Progress
from search_core.stages.recording import Recorder, Stopwatch
from search_core.thinning import thinned

DECISION = "precedents"  # of the search space: the strengths, 0 for none
MIN_QUESTIONS = 30  # questions to remember
MAX_REMEMBERED = 5_000  # of them: each search compares with all


def precedent_stage(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The candidate that remembers the working questions where it is better on `choose`, else the start."""
    watch, recorder = Stopwatch(), Recorder(conditions, "precedents", "sweep", progress, best)
    reason = _why_not(conditions, share)
    if reason:
        return start, recorder.report(watch, reason=reason)
    split, metric = conditions.split, conditions.spec.metric
    before = start.values(split.choose, metric)
    places = tuple(thinned(conditions.working, MAX_REMEMBERED))
    asked = [start.base.questions[place].text for place in places]
    remembering = start.with_precedents(_remembered(start, places), asked)
    tried: list[tuple[float, Candidate, Values]] = []
    for strength in _strengths(conditions):
        if tried and conditions.timed.is_over(share):
            break
        look = Stopwatch()
        one = remembering.with_strength(strength, _choice(conditions, start, strength))
        values = one.values(split.choose, metric)
        recorder.add(one.architecture, one.plan, 1.0, best + float((values - before).mean()), look)
        tried.append((float(values.mean()), one, values))
    chosen = max(tried, key=lambda told: told[0])[1]  # the weaker of equals
    crossed = crossed_option(start.legs, split.choose, [values for _, _, values in tried])
    gain, kept = float((crossed - before).mean()), is_better_bet(crossed, before, conditions.choosing)
    reason = "" if kept else f"{gain:+.4f} on {counted(len(before), 'question')} that did not choose it"
    return (chosen if kept else start), recorder.report(watch, kept=kept, reason=reason, gain=gain, best=chosen)


def _why_not(conditions: Conditions, share: float) -> str:
    if not conditions.supervision.judged:
        return "questions made from the corpus are no questions that people asked"
    if not _strengths(conditions):
        return f"the search space has no extra decision {DECISION!r} with numbers from 0.0 to 1.0"
    if len(conditions.working) < MIN_QUESTIONS:
        few = counted(len(conditions.working), "question is", "questions are")
        return f"{few} too few to remember; expected {MIN_QUESTIONS} or more"
    if conditions.split.by_document:
        return "no two parts share a document, so none tells what remembering is worth; split by question instead"
    if conditions.timed.is_over(share):
        return "the time was over, or the run was stopped, before it began"
    return ""


def _strengths(conditions: Conditions) -> list[float]:
    """Those of the space, the weakest first."""
    return [value for value in conditions.space.strengths(DECISION) if value <= 1.0]


def _remembered(start: Candidate, places: tuple[int, ...]) -> Precedents:
    questions = start.base.questions
    answered = [{key for key, grade in questions[place].judgements.items() if grade > 0} for place in places]
    return Precedents.of(start.encoder.fingerprint, start.base.query_vectors[list(places)], answered)


def _choice(conditions: Conditions, start: Candidate, strength: float) -> Architecture:
    return conditions.space.complete(start.architecture.as_dict() | {DECISION: strength})
