"""What a run stands on, kept with its experiment at the first start: one that goes on is told the same.

Where the corpus, the questions or what serves have changed since, the trials that were logged are of something
else, and the run begins anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.experiments import ExperimentRecord, Experiments
from retrieval.plan import Plan
from retrieval.stored_plan import serving_plan, stored_plan
from search_core.earlier_tests import count_earlier_tests, counted_runs, hashes_of_sealed
from search_core.gate import LEVEL, level_of
from search_core.request import SEALED

STANDS_ON, EARLIER_RUNS = "stands_on", "earlier_runs"  # kept beside the fields of the request
EARLIER_TESTS = "earlier_tests"


@dataclass(frozen=True, slots=True)
class RunStart:
    """How many runs of the archive a policy is told, how many tested on the same questions, and what is to be said."""

    earlier_runs: int
    earlier_tests: int
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
    collection: Collection,
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
    hashes, tests = hashes_of_sealed(sealed), record.request.get(EARLIER_TESTS)
    if tests is None or known not in (None, digest):
        tests = count_earlier_tests(experiments.all(collection), record, hashes)
    notes = _reused(int(tests))
    if known not in (None, digest) and record.trials:
        experiments.forget(record.id, 1)
        notes += (
            f"the corpus, the questions or what serves changed before the run went on: its {record.trials} trials were "
            "forgotten, and it began anew",
        )
    kept = {STANDS_ON: digest, EARLIER_RUNS: earlier, EARLIER_TESTS: tests, SEALED: hashes}
    experiments.note(record.id, kept)
    return RunStart(earlier, int(tests), notes)


def _reused(tests: int) -> tuple[str, ...]:
    if not tests:
        return ()
    return (
        f"{counted_runs(tests)} tested on these sealed questions, or on a quarter of them or more, so a gain needs p "
        f"below {level_of(tests):.3g} instead of {LEVEL}; add new questions for a test that has more power",
    )
