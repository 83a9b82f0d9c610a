"""What a run stands on, kept with its experiment at the first start: one that goes on is told the same.

Where the corpus, the questions or what serves have changed since, the trials that were logged are of something
else, and the run begins anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retrieval.catalog.experiments import ExperimentRecord, Experiments

STANDS_ON, EARLIER_RUNS = "stands_on", "earlier_runs"  # kept beside the fields of the request


@dataclass(frozen=True, slots=True)
class Beginning:
    """How many runs of the archive a policy is told, and what the report is to say about the start."""

    earlier_runs: int
    notes: tuple[str, ...] = ()


def begin(
    experiments: Experiments, record: ExperimentRecord, stands_on: Sequence[object], count: Callable[[], int]
) -> Beginning:
    """Before the log is opened. `stands_on`: what JSON can say; `count`: of earlier runs, asked at the first start."""
    digest = hashlib.sha256(json.dumps(stands_on, sort_keys=True, default=int).encode()).hexdigest()
    known, earlier = record.request.get(STANDS_ON), record.request.get(EARLIER_RUNS)
    earlier = count() if earlier is None else int(earlier)
    notes: tuple[str, ...] = ()
    if known not in (None, digest) and record.trials:
        experiments.forget(record.id, 1)
        notes = (
            f"the corpus, the questions or what serves changed before the run went on: its {record.trials} trials were "
            "forgotten, and it began anew",
        )
    experiments.note(record.id, {STANDS_ON: digest, EARLIER_RUNS: earlier})
    return Beginning(earlier, notes)
