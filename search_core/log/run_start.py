"""What a run stands on, kept with its experiment at the first start: one that goes on is told the same.

Where the corpus, the questions or what serves have changed since, the trials that were logged are of something
else, and the run begins anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.wording import counted
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.experiments import ExperimentRecord, Experiments
from retrieval.plan import Plan
from retrieval.stored_plan import serving_plan, stored_plan
from search_core.proof.earlier_tests import EARLIER_TESTS, TEST_BEGUN, hashes_of_sealed
from search_core.request import SEALED
from search_core.time_decisions import TIMED

STANDS_ON, EARLIER_RUNS = "stands_on", "earlier_runs"  # kept beside the fields of the request


@dataclass(frozen=True, slots=True)
class RunStart:
    """How many runs of the archive a policy is told, what the clock decided before, and what is to be said."""

    earlier_runs: int
    timed: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def incumbent_of(catalog: Catalog, collection: Collection, record: ExperimentRecord) -> Plan:
    """The plan that serves, with which the run compares.

    A run that was killed between its promotion and its result goes on from the plan that served before its own.
    """
    last, serving = catalog.plans.last_switch(collection), collection.plan_id
    if serving is not None and last is not None and last.plan_id == serving:
        if catalog.plans.get(collection, serving).origin == by_run(record):
            return stored_plan(catalog, collection, last.previous_id)
    return serving_plan(catalog, collection)


def by_run(record: ExperimentRecord) -> str:
    """Who stores and promotes the plans of a run."""
    return f"experiment {record.id}"


def begin(
    experiments: Experiments,
    record: ExperimentRecord,
    stands_on: Sequence[object],
    count: Callable[[], int],
    sealed: Iterable[str],
) -> RunStart:
    """Before the log is opened. `stands_on`: what JSON can say; `count`: of earlier runs, asked at the first start.

    `sealed`: the texts of the sealed questions, none where they can prove nothing.
    """
    digest = hashlib.sha256(json.dumps(stands_on, sort_keys=True, default=int).encode()).hexdigest()
    known, earlier = record.request.get(STANDS_ON), record.request.get(EARLIER_RUNS)
    earlier = count() if earlier is None else int(earlier)
    kept = {STANDS_ON: digest, EARLIER_RUNS: earlier, SEALED: hashes_of_sealed(sealed)}
    timed, notes = record.request.get(TIMED) or {}, tuple[str, ...]()
    if known not in (None, digest):
        kept |= {EARLIER_TESTS: None, TEST_BEGUN: False, TIMED: None}  # whatever it tested was something else
        timed = {}
        if record.trials:
            experiments.forget(record.id, 1)
            forgotten = f"its {counted(record.trials, 'trial was', 'trials were')} forgotten, and it began anew"
            notes = (f"the corpus, the questions or what serves changed before the run went on: {forgotten}",)
    experiments.note(record.id, kept)
    return RunStart(earlier, timed, notes)
