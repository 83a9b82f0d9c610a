"""Tells the catalog every second what this process counted, and acts on what all processes counted together."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from api.knowledge_base import KnowledgeBase
from api.lookout import Lookout
from api.plans.rollout_steps import advance, roll_back
from api.rollout.regress import regression
from api.rollout.tally import ANSWER_BUCKETS, SEARCH_BUCKETS, quantile
from retrieval.catalog import Collection
from retrieval.catalog.rollouts import RolloutRecord, Stage
from retrieval.errors import ConflictError, RetrievalError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
MIN_TIMED = 50  # searches of what serves, before their latencies are what those after them are compared with
SEARCH_POINTS, ANSWER_POINTS = {"p50": 0.5, "p95": 0.95}, {"answer_p95": 0.95}
WATCHER = "rollout watch"  # who acts, in the audit log


class RolloutWatch(Lookout):
    """A thread beside the requests. Any number of processes may run one on a catalog."""

    def __init__(self, kb: KnowledgeBase) -> None:
        super().__init__("rollouts", LOOK_SECONDS, "rollouts cannot be watched")
        self._kb = kb
        self._stuck: dict[int, str] = {}  # rollouts that could not be judged or moved by the last look, and why

    def look(self) -> None:
        """Tell and act once; a rollout that cannot be acted on is logged and keeps no other from being judged.

        Raises `RetrievalError` where the catalog cannot be used.
        """
        self._kb.live.tally.hand_over(self._kb.catalog.rollouts.add)
        running = self._kb.catalog.rollouts.running()
        collections = {one.id: one for one in self._kb.catalog.collections.all()} if running else {}
        known = [(collections[one.collection_id], one) for one in running if one.collection_id in collections]
        failures = {rollout.id: self._failure(collection, rollout) for collection, rollout in known}
        self._stuck = {rollout_id: why for rollout_id, why in failures.items() if why is not None}

    def _run(self) -> None:
        super()._run()
        self._try_look()  # so that what was counted since the last one is told

    def _failure(self, collection: Collection, rollout: RolloutRecord) -> str | None:
        """Why a rollout could not be judged or moved, said in the log when it is new; None once it was."""
        try:
            self._judge(collection, rollout)
        except Exception as error:  # whatever it is: the other rollouts go on
            if self._stuck.get(rollout.id) != str(error):
                logger.warning(
                    "rollout %d of plan %s of collection %r cannot go on: %s; it stays %s and is tried again",
                    rollout.id,
                    rollout.plan_id or "default",
                    collection.name,
                    error,
                    rollout.stage.value,
                    exc_info=None if isinstance(error, RetrievalError) else error,
                )
            return str(error)
        return None

    def _judge(self, collection: Collection, rollout: RolloutRecord) -> None:
        counts = self._kb.catalog.rollouts.counts(rollout.id)
        sums = counts.get(rollout.stage, {})
        self._refer(rollout, counts)
        worse = regression(rollout.stage, sums, answers=bool(rollout.options.get("answers")))
        if worse:
            roll_back(self._kb, collection, rollout, WATCHER, worse)
            return
        wanted = rollout.options.get("advance_after", 0)
        if rollout.stage is Stage.SHADOW:
            measure, seen, compared = "searches", sums.get(("pair", "pairs"), 0.0), True
        else:
            measure = "answers" if rollout.options.get("answers") else "searches"
            seen, compared = sums.get(("candidate", measure), 0.0), _is_compared(sums, wanted, measure)
        if wanted and seen >= wanted and compared:
            self._advance(collection, rollout, f"nothing became worse in {seen:.0f} {measure}")

    def _advance(self, collection: Collection, rollout: RolloutRecord, reason: str) -> None:
        try:
            advance(self._kb, collection, rollout, None, WATCHER, reason)
        except ConflictError:
            if self._kb.catalog.rollouts.get(collection, rollout.id).stage is rollout.stage:
                raise  # else another process was first, which is as good

    def _refer(self, rollout: RolloutRecord, counts: Mapping[Stage, Mapping[tuple[str, str], float]]) -> None:
        """Keep how long the serving plan takes of late as what both arms are counted above from now on."""
        if rollout.stage is not Stage.CANARY:
            return
        known, sums, shadow = rollout.reference or {}, counts.get(Stage.CANARY, {}), counts.get(Stage.SHADOW, {})
        found = {**known, **_of_late(known, sums, shadow, SEARCH_BUCKETS, SEARCH_POINTS)}
        if rollout.options.get("answers"):
            found |= _of_late(known, sums, {}, ANSWER_BUCKETS, ANSWER_POINTS)
        if found != known:
            self._kb.catalog.rollouts.refer(rollout, found)


def _is_compared(sums: Mapping[tuple[str, str], float], wanted: int, measure: str) -> bool:
    """Whether what serves searched or answered too; without that a candidate is never the worse of two."""
    return sums.get(("serving", measure), 0.0) >= min(wanted, MIN_TIMED)


def _of_late(
    known: Mapping[str, float],
    sums: Mapping[tuple[str, str], float],
    shadow: Mapping[tuple[str, str], float],
    buckets: str,
    points: Mapping[str, float],
) -> dict[str, float]:
    """The serving plan's quantiles since those of `known`, with the counts up to now; empty while there are too few.

    The load changes while a canary lasts, so that one reference for all of it would in the end be above, or below, all
    searches of either plan. The first may come from the shadow.
    """
    until = {name: count for (arm, name), count in sums.items() if arm == "serving" and name.startswith(buckets)}
    window = {("serving", name): count - known.get(name, 0.0) for name, count in until.items()}
    if sum(window.values()) < MIN_TIMED:
        window = {} if points.keys() <= known.keys() else {key: n for key, n in shadow.items() if key[0] == "serving"}
        if window.get(("serving", "searches"), 0.0) - window.get(("serving", "errors"), 0.0) < MIN_TIMED:
            return {}
    usual = {point: quantile(window, "serving", share, buckets) for point, share in points.items()}
    return {point: value for point, value in usual.items() if value is not None} | until
