"""Tables that a connector gave up are asked for again, and not for ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from api.sources.rereading import LOOKS, MOST_TRIES, Rereading
from api.sources.status import OVERTAKEN
from ingest.connect.client import ConnectorStatus
from ingest.kafka.live_sources import LIVE
from retrieval.catalog.sources import SourceRecord, SourceState

FORM = {"title": "id", "body": "{id}"}
RUNNING = ConnectorStatus("RUNNING", "RUNNING")


class Live:
    """What a source's connector has told, and what was asked of it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.asked: list[Sequence[str]] = []
        self.setup = self

    def topics(self) -> Live:
        return self

    def notifications(self, prefix: str) -> list[dict[str, Any]]:
        return self.told

    def snapshot(self, record: SourceRecord, tables: Sequence[str], *, blocking: bool) -> None:
        assert blocking, "as it was read the first time it may be given up again"
        self.asked.append(tables)

    def restart(self, record: SourceRecord) -> None:
        self.asked.append("restart")

    def ends(self, **states: str) -> None:
        """An incremental snapshot is over: this became of each table."""
        scans = [("TABLE_SCAN_COMPLETED", {"scanned_collection": f"s.{t}", "status": s}) for t, s in states.items()]
        self.told = [
            {"aggregate_type": "Incremental Snapshot", "type": kind, "additional_data": more}
            for kind, more in [("STARTED", {}), *scans, ("COMPLETED", {})]
        ]


def record(state: SourceState = SourceState.ACTIVE, **more: Any) -> SourceRecord:
    config = {"topic_prefix": "kb-1", "tables": {"s.a": FORM, "s.b": FORM}, **more}
    return SourceRecord(1, "shop", LIVE, config, None, state, datetime.now(UTC), 1, "docs")


def minute(rereading: Rereading, one: SourceRecord) -> None:
    for _ in range(LOOKS):
        rereading.look(one, RUNNING)


def test_what_was_given_up_is_asked_for_three_times_in_a_row() -> None:
    live = Live()
    rereading = Rereading(live)  # type: ignore[arg-type]
    live.ends(a="SUCCEEDED", b="SQL_EXCEPTION", gone="SQL_EXCEPTION")
    for _ in range(MOST_TRIES + 2):
        minute(rereading, record())
    assert live.asked == [["s.b"]] * MOST_TRIES, "a table that the mapping has no more is nobody's"
    live.ends(a="SUCCEEDED", b="SUCCEEDED")
    minute(rereading, record())
    live.ends(a="SQL_EXCEPTION")
    minute(rereading, record())
    assert live.asked[MOST_TRIES:] == [["s.a"]], "after a success, as if for the first time"


def test_a_source_that_rests_or_is_being_read_is_left_alone() -> None:
    live = Live()
    rereading = Rereading(live)  # type: ignore[arg-type]
    live.ends(a="SQL_EXCEPTION")
    minute(rereading, record(SourceState.PAUSED))
    live.told.pop()
    minute(rereading, record())
    assert live.asked == [], "it is still being read"


def test_a_full_snapshot_that_its_connector_skipped_is_read_all_the_same() -> None:
    live = Live()
    rereading = Rereading(live)  # type: ignore[arg-type]
    live.told = [{"aggregate_type": "Initial Snapshot", "type": kind} for kind in ("STARTED", "SKIPPED")]
    minute(rereading, record(rebuilding="x"))
    assert live.asked == [["s.a", "s.b"]], "it was stopped before its first row"


def test_a_connector_that_failed_while_it_read_again_goes_on_with_what_it_had_begun() -> None:
    live = Live()
    rereading = Rereading(live)  # type: ignore[arg-type]
    live.ends(a="SUCCEEDED", b="SUCCEEDED")
    live.told[-2]["additional_data"]["status"] = ""  # of the second table only its beginning was told
    overtaken = ConnectorStatus("RUNNING", "FAILED", f"NullPointerException: {OVERTAKEN} is null")
    for _ in range(MOST_TRIES + 1):
        rereading.look(record(), overtaken)
    assert live.asked == ["restart", ["s.b"]] * MOST_TRIES
    rereading.look(record(), ConnectorStatus("RUNNING", "FAILED", "no such database"))
    rereading.look(record(SourceState.PAUSED), overtaken)
    assert len(live.asked) == 2 * MOST_TRIES, "what does not end by itself is for a person"
