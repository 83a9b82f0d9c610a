"""How a live source is doing: connector, snapshot, lag, what the database keeps for it, what needs a person.

Three servers are asked, and each may be down: what could not be asked is told among the problems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from api.knowledge_base import KnowledgeBase
from api.sources.known_until import LastRead, true_until
from api.sources.live_setup import capture_of, why
from api.sources.live_sources import LiveSources
from api.sources.names import lease_name
from api.sources.snapshot_notifications import (
    attempts_at_first,
    owed_tables,
    snapshot_progress,
    unread_tables,
    was_read_whole,
)
from ingest.connect import names
from ingest.connect.client import ConnectorStatus
from ingest.connect.database import open_database
from ingest.connect.schema_history import replaced_tables
from ingest.errors import IngestError
from ingest.kafka.live_sources import LIVE, mapping_of
from retrieval.catalog.offsets import Partition
from retrieval.catalog.sources import SourceRecord, SourceState

NOTICES = 50  # of the newest that are shown
MUCH_LOG_BYTES = 10 * 2**30  # kept on the database's disk for one source; a person should know
# What Debezium says where it has lost its place in the log, or the tables' definitions: it fails again at each start.
NO_RESTART = ("schema recovery mode", "no longer available on the server", "db history topic is missing")
# Debezium reads a table again in two threads for a moment, and may stop over it while rows change (DBZ-8674).
OVERTAKEN = "IncrementalSnapshotContext.currentDataCollectionId()"
UNKNOWN = ConnectorStatus("UNKNOWN", "UNKNOWN")


@dataclass(slots=True)
class SourceStatus:
    """Everything that is known now; None where it could not be asked."""

    connector: ConnectorStatus = UNKNOWN
    snapshot: dict[str, Any] = field(default_factory=dict)
    lag_events: int | None = None
    lag_seconds: float | None = None
    last_event_at: datetime | None = None
    database: Mapping[str, Any] = field(default_factory=dict)
    database_answers: bool | None = None
    documents: int = 0
    dead_letters: int = 0
    notices: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def follows(self) -> bool:
        """Whether changes come, as far as connector and database tell: one that looks for its database runs, too."""
        has_slot = self.database.get("slot_active") is not False
        return self.connector.running and self.database_answers is True and has_slot

    def to_dict(self) -> dict[str, Any]:
        """As it is shown."""
        shown = asdict(self)
        lag = {"events": shown.pop("lag_events"), "seconds": shown.pop("lag_seconds")}
        lag |= {name: shown.pop(name) for name in ("last_event_at", "database_answers")} | shown.pop("database")
        return shown | {"lag": lag}


class StatusReader:
    """Looks at one source after another; of those that are no live ones the catalog alone is asked."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._catalog = kb.catalog
        self._live = LiveSources(kb)
        self._last_read = LastRead()
        self._ends: dict[tuple[object, ...], dict[Partition, int]] = {}  # by source and topics

    def read(self, record: SourceRecord, *, thorough: bool = True) -> SourceStatus:
        """Its status; without `thorough` only what metrics show. Raises `OutageError` where the catalog is down."""
        status = SourceStatus(dead_letters=self._catalog.sources.count_dead_letters(record))
        if record.kind != LIVE:
            self._known(record, status)
            return status
        self._ask(status, lambda: self._connector(record, status))
        self._ask(status, lambda: self._database(record, status))
        self._ask(status, lambda: self._lag(record, status))  # last: whether it follows is known by then
        if thorough:
            self._ask(status, lambda: self._tables(record, status))
            self._ask(status, lambda: self._snapshot(record, status))
            self._known(record, status)
        return status

    def _known(self, record: SourceRecord, status: SourceStatus) -> None:
        status.documents = self._catalog.documents.count_of(self._live.collection_of(record), record.name)
        newest = self._catalog.source_tables.notices(record.id, limit=1_000)[-NOTICES:]
        status.notices = [asdict(notice) for notice in reversed(newest)]

    def attempts(self, record: SourceRecord) -> int:
        """How many it took to read everything and store it; 0 while that is not done. Raises `SourceError`."""
        tables, prefix = mapping_of(record).all_tables, record.config["topic_prefix"]
        told = self._live.setup.topics().notifications(prefix)
        if not was_read_whole(told) or owed_tables(told, tables):
            return 0
        topics = names.table_topics(prefix, tables)
        reach = self._live.setup.topics().reach(topics)
        # What came until somebody looked has to be stored, not what comes while rows go on changing.
        place_of = (record.id, *topics)
        ends = self._ends.setdefault(place_of, {place: end for place, (_, end) in reach.items()})
        read = self._catalog.offsets.read(record.id)
        kept = {place: first for place, (first, _) in reach.items()}
        unread = [place for place, end in ends.items() if read.get(place, kept.get(place, end)) < end]
        if unread:
            return 0
        self._ends.pop(place_of, None)
        return attempts_at_first(told)

    def _ask(self, status: SourceStatus, question: Callable[[], None]) -> None:
        try:
            question()
        except IngestError as error:
            if str(error) not in status.problems:
                status.problems.append(str(error))

    def _connector(self, record: SourceRecord, status: SourceStatus) -> None:
        with self._live.connect(record) as connect:
            status.connector = connect.status(record.config["connector"])
        if status.connector.failed:
            status.problems.append(failure(record.name, status.connector))
        elif status.connector.state == "ABSENT":
            status.problems.append("Kafka Connect does not know the connector any more; take a full snapshot")
        elif status.connector.paused and record.state is SourceState.ACTIVE and not self._is_being_changed(record):
            state = status.connector.state.lower()
            status.problems.append(f"its connector is {state} in Kafka Connect, though the source is not; resume it")

    def _is_being_changed(self, record: SourceRecord) -> bool:
        """Whether somebody, in any process, changes what the source has at the servers."""
        return self._catalog.leases.holder(lease_name(record)) is not None

    def _lag(self, record: SourceRecord, status: SourceStatus) -> None:
        """Events in the topics that no worker has read, and how old the oldest knowledge is by it."""
        began = datetime.now(UTC)
        committed = self._catalog.offsets.committed(record.id)  # first: what is read meanwhile only seems older
        topics = names.table_topics(record.config["topic_prefix"], mapping_of(record).all_tables)
        read = self._catalog.offsets.read(record.id)
        reach = self._live.setup.topics().reach(topics)
        unread = {place: end - read.get(place, first) for place, (first, end) in reach.items()}
        unread = {place: events for place, events in unread.items() if events > 0}
        status.lag_events = sum(unread.values())
        status.last_event_at = max(committed.values(), default=None)
        if status.follows:
            self._last_read.note(record.id, reach.keys(), unread.keys(), began)
        status.lag_seconds = _seconds_behind(status, true_until(unread, self._last_read.later(record.id, committed)))
        lost = {topic for (topic, number), (first, _) in reach.items() if read.get((topic, number), 0) < first}
        lost |= set(topics) - {topic for topic, _ in reach}
        if lost:
            status.problems.append(
                f"events of {', '.join(sorted(lost))} were removed from Kafka before a worker read them; "
                "take a full snapshot"
            )

    def _database(self, record: SourceRecord, status: SourceStatus) -> None:
        if "capture" not in record.config:
            status.problems.append("the source was not set up to the end; take a full snapshot, or delete it")
            return
        status.database_answers = False
        status.database = open_database(self._live.address(record)).progress(capture_of(record.config))
        status.database_answers = True
        if status.database.get("slot_exists") is False and record.state is not SourceState.DELETING:
            slot = status.database["slot"]
            status.problems.append(f"replication slot {slot} is gone, changes since are lost; take a full snapshot")
        if status.database.get("slot_wal_status") == "lost":
            status.problems.append("the database has removed log that was not read yet; take a full snapshot")
        kept = status.database.get("slot_retained_bytes") or 0
        if kept > MUCH_LOG_BYTES:
            status.problems.append(
                f"the database keeps {kept / 2**30:.0f} GiB of its log for this source; resume it, see why its "
                "connector does not read, or delete the source, before the disk is full"
            )

    def _tables(self, record: SourceRecord, status: SourceStatus) -> None:
        """What has become of the tables since the source was made."""
        if "capture" not in record.config or record.state is SourceState.DELETING:
            return
        if record.config["engine"] != "postgresql":
            told = self._live.setup.topics().history(record.config["topic_prefix"])
            for table, at in sorted(replaced_tables(told, mapping_of(record).all_tables).items()):
                status.problems.append(
                    f"table {table} was dropped, made anew or renamed ({at:%Y-%m-%d %H:%M:%S} UTC): what it had before "
                    "may stay; take a full snapshot"
                )
        status.problems += open_database(self._live.address(record)).problems(capture_of(record.config))

    def _snapshot(self, record: SourceRecord, status: SourceStatus) -> None:
        told = self._live.setup.topics().notifications(record.config["topic_prefix"])
        status.snapshot = snapshot_progress(told)
        if tables := unread_tables(told, mapping_of(record).all_tables):
            status.problems.append(
                f"the connector did not read {', '.join(tables)} to the end, so documents may be as before; it is told "
                f"again, three times at most; then POST /v1/sources/{record.name}/snapshot while few of the rows change"
            )


def failure(source: str, status: ConnectorStatus) -> str:
    """Why a connector has failed, and what to do."""
    remedy = f"mend that, then POST /v1/sources/{source}/restart"
    if any(words in status.trace for words in NO_RESTART):
        remedy = "take a full snapshot"
    elif OVERTAKEN in status.trace:
        remedy = f"POST /v1/sources/{source}/restart, then read the tables again that it was reading"
    return f"the connector has failed: {why(status)}; {remedy}"


def _seconds_behind(status: SourceStatus, true_until: datetime | None) -> float | None:
    """How long ago, at the most, what is known was true: 0 where everything is read and changes come.

    None where nothing ever was read, or nobody can say whether the connector runs.
    """
    if status.lag_events == 0 and status.follows:
        return 0.0
    if true_until is None or (status.lag_events == 0 and status.connector is UNKNOWN):
        return None
    return max(0.0, (datetime.now(UTC) - true_until).total_seconds())
