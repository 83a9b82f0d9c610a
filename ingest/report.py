"""What a run of ingestion did, in numbers a person can check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.changes import Failure
from ingest.duplicates import DuplicateGroup
from retrieval.catalog import Outcome

MAX_FAILURES_KEPT = 1_000  # the rest is counted; all of them are in the dead letters


@dataclass(slots=True)
class IngestReport:
    """Counts by outcome.

    `withheld` are deletions not carried out: too much would have vanished at once, or `unnamed` inputs that could not
    be read may be those documents. `kept` are documents that a source which is no mirror does not name any more.
    `unread` are those of the unchanged ones that were not read, since their files are as they were.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    withheld: int = 0
    unnamed: int = 0
    kept: int = 0
    unread: int = 0
    chunks: int = 0
    embedded: int = 0
    duplicates: list[DuplicateGroup] = field(default_factory=list)
    seq: int = 0
    seconds: float = 0.0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count what a commit did."""
        self.outcomes.update(outcomes)

    def pass_over(self, count: int) -> None:
        """Count documents that were not read, since their files are as they were."""
        self.outcomes[Outcome.UNCHANGED] += count
        self.unread += count

    def fail(self, failures: Iterable[Failure]) -> None:
        """Count what could not be read."""
        for failure in failures:
            self.failed += 1
            self.unnamed += not failure.named
            if len(self.failures) < MAX_FAILURES_KEPT:
                self.failures.append(failure)

    @property
    def documents(self) -> int:
        """How many documents were looked at."""
        return sum(self.outcomes.values())

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        counts = {outcome.value: self.outcomes[outcome] for outcome in Outcome}
        numbers = {
            "failed": self.failed,
            "withheld_deletions": self.withheld,
            "kept": self.kept,
            "chunks": self.chunks,
            "embedded": self.embedded,
            "seq": self.seq,
            "seconds": round(self.seconds, 3),
        }
        failures = [{"key": f.key, "reason": f.reason, "remedy": f.remedy} for f in self.failures]
        groups = [{"keys": list(group.keys), "similarity": round(group.similarity, 3)} for group in self.duplicates]
        return counts | numbers | {"failures": failures, "duplicates": groups}
