"""The ranker tier: a linear model of the candidates' features is learned, and its penalty chosen by cross-fitting.

The index and the questions' vectors stay as they are, so that a promotion is one pointer. It learns from `fit` and
`choose` together, and each of these questions tells what a ranker is worth that has learned from others: more of them
to choose by than `choose` has, so that less is chance. The best penalty is too good on the questions that chose it, so
whether a ranker is kept is decided by what each fold gains by the penalty that the others choose.

What an adapter or encoder makes of the questions that it has learned from, `fit`, is too good to learn from. With one,
also where it serves since an earlier run, `choose` does both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from infra.wording import counted
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.encoder.model_folder import in_data_folder
from retrieval.learned.ranker import Ranker, read_features
from retrieval.plan import FusionMethod
from search_core.candidate import Candidate, StageReport, is_better_bet
from search_core.conditions import Conditions
from search_core.corpus.legs import Values, hits_for
from search_core.corpus.snapshot import key_of
from search_core.errors import SupervisionError
from search_core.questions.taught_questions import hashes_of, may_know
from search_core.stages.cross_fitting import crossed_option, folds_of
from search_core.stages.plan_tier import Progress
from search_core.stages.recording import Recorder, Stopwatch
from search_core.thinning import compared_on, thinned
from search_core.tuning.ranker import Judged, fit_ranker

DECISION = "ranker"  # of the search space: the penalties, 0 for no ranker
MIN_TAUGHT = 30  # questions to learn from
OVER = "the time was over, or the run was stopped, before a ranker was learned"
MAX_TAUGHT = 2_000  # questions; a dozen weights do not get better by more


def ranker_stage(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The candidate with the best ranker where it is better than the start, else the start; and the report."""
    watch, recorder = Stopwatch(), Recorder(conditions, "ranker", "sweep", progress, best)
    lesson = _Lesson(conditions, start)
    reason = _why_not(conditions, start, lesson, share)
    if reason:
        return start, recorder.report(watch, reason=reason)
    look = Stopwatch()
    before, slowest = lesson.plain(), look.seconds
    tried: list[tuple[float, float, Values]] = []
    try:
        for penalty in _penalties(conditions):
            if conditions.timed.is_over(share, slowest):
                break
            look = Stopwatch()
            one, values = lesson.look(penalty)
            recorder.add(one.architecture, one.plan, 1.0, best + float((values - before).mean()), look)
            tried.append((float(values.mean()), penalty, values))
            slowest = max(slowest, look.seconds)
        if not tried:
            return start, recorder.report(watch, reason=OVER)
        mean, penalty, _ = max(tried, key=lambda told: told[:2])  # the stronger penalty of equals
        chosen = lesson.learned(lesson.places, penalty)
    except SupervisionError as error:  # the plan that was found stands
        return start, recorder.report(watch, reason=str(error))
    crossed = lesson.crossed([values for _, _, values in tried])
    kept, gain = is_better_bet(crossed, before, lesson.asked), float((crossed - before).mean())
    if mean <= before.mean():
        reason = "no penalty was better on the questions it was chosen by"
        return start, recorder.report(watch, reason=reason, best=chosen)
    reason = "" if kept else f"{gain:+.4f} on {counted(len(before), 'question')} that did not choose it"
    return (chosen if kept else start), recorder.report(watch, kept=kept, reason=reason, gain=gain, best=chosen)


def _why_not(conditions: Conditions, start: Candidate, lesson: _Lesson, share: float) -> str:
    if not conditions.supervision.judged:
        return "questions made from the corpus teach a ranker what they are made by, not what people ask"
    if not _penalties(conditions):
        return f"the search space has no extra decision {DECISION!r} with numbers above 0.0"
    if len(lesson.places) < MIN_TAUGHT:
        few = counted(len(lesson.places), "question is", "questions are")
        return f"{few} too few to learn from; expected {MIN_TAUGHT} or more"
    if start.plan.fusion is FusionMethod.SPARSE:
        return "a search by words alone has no vectors to compare"
    return "" if lesson.read(share) else OVER


def _penalties(conditions: Conditions) -> list[float]:
    """Those of the space, the strongest first."""
    return conditions.space.strengths(DECISION)[::-1]


class _Lesson:
    """What the plan finds for judged questions, read once for each; without the ranker that it may have."""

    def __init__(self, conditions: Conditions, start: Candidate) -> None:
        self._conditions = conditions
        self._start = start
        self._plan = replace(start.plan, ranker=None)
        snapshot = start.legs.snapshot
        may_teach = conditions.split.choose if _is_fit_seen(conditions, start) else conditions.working
        self.places = tuple(thinned(may_teach, MAX_TAUGHT))
        untaught = set(conditions.untaught)  # a ranker that serves knows the others
        self._compared = tuple(compared_on([place for place in self.places if place in untaught]))
        self._corpus = np.asarray(snapshot.vectors.mean(axis=0), np.float32)
        self._questions = np.asarray(start.legs.query_vectors[list(self.places)].mean(axis=0), np.float32)
        self._read: dict[int, Judged | None] = {}

    @property
    def asked(self) -> list[EvalQuery]:
        """The questions that rankers are compared on."""
        return [self._start.legs.questions[place] for place in self._compared]

    def read(self, share: float) -> bool:
        """Read what all questions find; False where the time is over before that."""
        for place in self.places:
            if self._conditions.timed.is_over(share):
                return False
            self._read[place] = self._judged(place)
        return True

    def plain(self) -> Values:
        """(compared,) what the start is worth."""
        return self._start.values(self._compared, self._conditions.spec.metric)

    def look(self, penalty: float) -> tuple[Candidate, Values]:
        """A ranker of that penalty, and what such rankers are worth (compared,), each question unseen."""
        worth: dict[int, float] = {}
        for fold in folds_of(self._start.legs, self.places):
            held = set(fold)
            others = self.learned([place for place in self.places if place not in held], penalty)
            told = tuple(place for place in self._compared if place in held)
            worth.update(zip(told, others.values(told, self._conditions.spec.metric).tolist(), strict=True))
        return self.learned(self.places, penalty), np.array([worth[place] for place in self._compared])

    def crossed(self, values: Sequence[Values]) -> Values:
        """(compared,) of each question what the penalty is worth that the others choose; `values` of each penalty."""
        return crossed_option(self._start.legs, self._compared, values)

    def learned(self, places: Sequence[int], penalty: float) -> Candidate:
        """With a ranker from these questions. Raises `SupervisionError` where they teach nothing."""
        weighing = fit_ranker([one for one in map(self._read.get, places) if one is not None], penalty)
        start = self._start
        ranker = Ranker(
            start.encoder.fingerprint,
            start.encoder.dim,
            weighing.weights,
            weighing.mean,
            weighing.deviation,
            self._corpus,
            self._questions,
            hashes_of(start.legs.questions[place].text for place in places),
        )
        choices = start.architecture.as_dict() | {DECISION: penalty}
        return start.with_ranker(ranker, self._conditions.space.complete(choices))

    def _judged(self, place: int) -> Judged | None:
        legs = self._start.legs
        snapshot, judgements = legs.snapshot, legs.questions[place].judgements
        candidates = legs.candidates(self._plan, place, hits_for(self._conditions.spec.metric))
        told = read_features(self._corpus, self._questions, candidates, legs.query_vectors[place], snapshot.lookup)
        if told is None:
            return None
        labels, _ = candidates.scored()
        keys = [key_of(snapshot.chunks[row]) for row in snapshot.rows(labels[told.first]).tolist()]
        grades = np.array([judgements.get(key, 0) for key in keys], np.int64)
        return Judged(told.features, told.scores, grades)


def _is_fit_seen(conditions: Conditions, start: Candidate) -> bool:
    """Whether an adapter or encoder, of this run or serving since an earlier one, has learned from `fit`."""
    if start.adapter is not None or start.model is not None:
        return True
    encoder = in_data_folder(conditions.collection.encoder, conditions.data_dir)
    return may_know(encoder, (start.legs.questions[place].text for place in conditions.split.fit))
