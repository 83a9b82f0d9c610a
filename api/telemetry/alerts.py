"""What a person should know now, in plain words; programs and translations go by `code` and `params`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from api.access.callers import Caller
from api.telemetry.history import Step
from retrieval.catalog.columns import utc_now
from retrieval.catalog.rollouts import RolloutRecord, Stage

Severity = Literal["info", "warning", "error"]
MUCH_LAG = 1_000  # operations that searches do not see yet: some seconds of indexing
OLD_SECONDS = 60.0  # what is known of a live source should be true within a second
LONG_QUEUE = 100  # jobs that wait
BACK_FOR = timedelta(days=1)  # then everybody has seen it
LOOK_BACK_STEPS = 30  # of the history: five minutes


@dataclass(frozen=True, slots=True)
class Alert:
    """One of them. `collection` "" concerns all; what is `private` holds addresses or reasons for operators only."""

    code: str
    severity: Severity
    message: str
    collection: str = ""
    source: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    private: bool = False

    def concerns(self, caller: Caller) -> bool:
        """Whether that caller may be told."""
        return caller.reaches(self.collection) and (caller.sees_all or not self.private)


def of_collection(name: str, lag: int | None, troubles: Mapping[str, str], unusable: str) -> Iterator[Alert]:
    """Alerts about one collection: legs that searches go without, what keeps it from being served, lag."""
    if unusable:
        yield Alert("unusable", "error", f"{name} cannot be searched: {unusable}", name, params={"why": unusable})
    for leg, why in sorted(troubles.items()):
        message = f"searches of {name} go without the {leg} leg, or find it behind: {why}"
        yield Alert("leg_degraded", "warning", message, name, params={"leg": leg, "why": why})
    if lag is not None and lag > MUCH_LAG:
        message = f"searches of {name} do not see the last {lag} changes yet"
        yield Alert("view_lag", "warning", message, name, params={"operations": lag})


def of_source(
    collection: str, source: str, lag_seconds: float | None, dead_letters: int, problems: Sequence[str]
) -> Iterator[Alert]:
    """Alerts about one source: what its servers say, changes that wait, inputs that could not be read."""
    for problem in problems:
        message = f"source {source} of {collection}: {problem}"
        yield Alert("source_problem", "error", message, collection, source, {"why": problem}, private=True)
    if lag_seconds is not None and lag_seconds > OLD_SECONDS:
        message = f"what is known of source {source} is {lag_seconds:.0f} s old; does a worker run (`kb worker`)?"
        yield Alert("source_lag", "warning", message, collection, source, {"seconds": round(lag_seconds)})
    if dead_letters:
        message = f"{dead_letters} inputs of source {source} could not be read and wait for a person"
        yield Alert("dead_letters", "warning", message, collection, source, {"count": dead_letters})


def of_rollout(collection: str, rollout: RolloutRecord) -> Iterator[Alert]:
    """Alerts about the newest rollout of a collection: that it runs, or that it went back by itself lately."""
    params = {"plan": rollout.plan_id or 0, "stage": rollout.stage.value, "why": rollout.reason}
    if rollout.stage is Stage.ROLLED_BACK and utc_now() - rollout.changed_at < BACK_FOR:
        message = f"plan {params['plan']} of {collection} was taken back by itself: {rollout.reason}"
        yield Alert("rollout_rolled_back", "warning", message, collection, params=params)
    if rollout.runs:
        share = round(100 * rollout.share, 1)
        message = f"plan {params['plan']} of {collection} is rolled out: {rollout.stage.value}, {share:g} %"
        yield Alert("rollout_runs", "info", message, collection, params=params | {"percent": share})


def of_process(steps: Sequence[Step], queued: int) -> Iterator[Alert]:
    """Alerts about this process: requests that failed lately, jobs that wait."""
    recent = steps[-LOOK_BACK_STEPS:]
    errors, requests = sum(step.errors for step in recent), sum(step.requests for step in recent)
    if errors:
        message = f"{errors} of {requests} requests failed here in the last five minutes; the server's log says why"
        yield Alert("errors", "error", message, params={"errors": errors, "requests": requests})
    if queued > LONG_QUEUE:
        yield Alert("queue", "warning", f"{queued} jobs wait; do workers run?", params={"queued": queued})
