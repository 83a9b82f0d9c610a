"""Tables that a connector gave up while it read them again are asked for once more, and one that failed at it goes on.

Debezium reads a table in two threads for a moment (its DBZ-8674, open as of 3.6): where rows change a hundred times a
second, a quarter of the readings ended with an error and called themselves completed, and a tenth of them ended the
connector. So the second time streaming waits while the tables are read. That too ends where the connector is started
anew or loses its database, and Debezium does not begin it again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from api.sources.live_sources import LiveSources
from api.sources.snapshot_notifications import ENDED, owed_tables, snapshot_progress
from api.sources.status import OVERTAKEN
from ingest.connect.client import ConnectorStatus
from ingest.kafka.live_sources import mapping_of
from retrieval.catalog.sources import SourceRecord, SourceState

logger = logging.getLogger(__name__)

MOST_TRIES = 3  # in a row; then it is not by chance, and the status says what a person can do
LOOKS = 4  # a minute: whether a table was given up takes a consumer of its own to know


class Rereading:
    """Asks again, for one process; two that do so at once read a table twice."""

    def __init__(self, live: LiveSources) -> None:
        self._live = live
        self._tries: dict[int, int] = {}  # by source
        self._looks: dict[int, int] = {}

    def look(self, record: SourceRecord, connector: ConnectorStatus) -> None:
        """See now and then whether tables were given up, and ask for them. Raises `IngestError`, `RetrievalError`."""
        looks = self._looks[record.id] = self._looks.get(record.id, -1) + 1
        if record.state is not SourceState.ACTIVE:
            return
        if connector.failed and OVERTAKEN in connector.trace:
            self._go_on(record)
        elif connector.running and looks % LOOKS == 0:
            self._ask_again(record)

    def _go_on(self, record: SourceRecord) -> None:
        if not self._may(record):
            return
        mine = mapping_of(record).all_tables
        tables = owed_tables(self._told(record), mine) or sorted(mine)  # how far it was is known to nobody
        self._live.restart(record)
        self._live.snapshot(record, tables, blocking=True)
        logger.warning("source %s: the connector failed while it read tables again; restarted", record.name)

    def _ask_again(self, record: SourceRecord) -> None:
        told = self._told(record)
        if snapshot_progress(told)["state"] not in ENDED:
            return
        tables = owed_tables(told, mapping_of(record).all_tables)
        if not tables:
            self._tries.pop(record.id, None)
        elif self._may(record):
            self._live.snapshot(record, tables, blocking=True)
            logger.warning(
                "source %s: the connector did not read %s to the end; asked again", record.name, ", ".join(tables)
            )

    def _told(self, record: SourceRecord) -> Sequence[Mapping[str, Any]]:
        return self._live.setup.topics().notifications(record.config["topic_prefix"])

    def _may(self, record: SourceRecord) -> bool:
        tries = self._tries[record.id] = self._tries.get(record.id, 0) + 1
        return tries <= MOST_TRIES
