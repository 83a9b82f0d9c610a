"""Dead letters of live sources once more: the same path as any message, without moving an offset.

What became newer meanwhile stays: a row's position is compared as always, so a replay never goes back in time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from ingest.errors import EventError, IngestError
from ingest.kafka.live_sources import LIVE, LiveSource
from ingest.kafka.message import Message, dead_letter, row_events
from ingest.pipeline import DEAD_LETTER_PAYLOAD_BYTES, Pipeline
from ingest.row_mapper import RowMapper
from retrieval.catalog import Catalog, Collection, Commit
from retrieval.catalog.sources import DeadLetterRecord, SourceRecord
from retrieval.errors import NotFoundError, OutageError, OvertakenError

logger = logging.getLogger(__name__)

TRIES = 20  # against workers that store rows of the source at the same time
FETCH_MS = 5_000

Fetch = Callable[[str, int, int], Message | None]  # topic, partition, offset; None: Kafka has it no longer


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter; `reason` is empty where it is settled."""

    letter: DeadLetterRecord
    reason: str = ""


class Replay:
    """Replays letters of one collection."""

    def __init__(self, catalog: Catalog, collection: Collection, pipeline: Pipeline, fetch: Fetch) -> None:
        self._catalog = catalog
        self._collection = collection
        self._pipeline = pipeline
        self._fetch = fetch

    def run(self, letters: Sequence[DeadLetterRecord]) -> list[Replayed]:
        """Each letter is settled, or keeps its place with the reason of today. Raises `OutageError`."""
        return [self._one(letter) for letter in letters]

    def _one(self, letter: DeadLetterRecord) -> Replayed:
        try:
            self._source(letter)
            message = self._message(letter)
        except (NotFoundError, IngestError) as error:
            return Replayed(letter, str(error))
        try:
            self._apply(letter, message)
        except OutageError:
            raise
        except Exception as error:  # whatever was wrong with it before may be wrong still
            again = dead_letter(letter.source, message, error)
            self._pipeline.commit(Commit(dead_letters=[again]))
            return Replayed(letter, again.reason)
        self._settle(letter)
        return Replayed(letter)

    def _apply(self, letter: DeadLetterRecord, message: Message) -> None:
        for _ in range(TRIES):
            read = self._catalog.offsets.rows_version(self._source(letter).record.id)
            source = self._source(letter)  # after that: what overtakes may be a change of its mapping
            mapper = RowMapper(source.mapping, self._catalog.sources.rows(source.record))
            changes = mapper.apply(row_events(message, source.kinds, source.watermarks))
            prepared = self._pipeline.prepare(source.record.name, changes)
            try:
                self._pipeline.commit(replace(prepared, rows=mapper.drain(), rows_read=read))
            except OvertakenError as error:
                logger.debug("%s", error)
            else:
                return
        raise OutageError(f"workers were faster {TRIES} times; replay {message.place} again, or stop them for a moment")

    def _settle(self, letter: DeadLetterRecord) -> None:
        try:
            self._catalog.sources.drop_dead_letter(self._collection, letter.id)
        except NotFoundError:
            logger.debug("dead letter %d was settled by another replay", letter.id)

    def _source(self, letter: DeadLetterRecord) -> LiveSource:
        record: SourceRecord = self._catalog.sources.get(self._collection, letter.source)
        if record.kind != LIVE or letter.topic is None:
            raise EventError(f"{letter.key} did not come over Kafka", "mend it at its source, which reads it again")
        source = LiveSource.of(record)
        if letter.topic not in source.topics:
            raise EventError(
                f"the source reads topic {letter.topic} no longer: its table left the mapping, or a full snapshot has "
                "read all rows anew since",
                "drop this letter: its position means nothing any more",
            )
        return source

    def _message(self, letter: DeadLetterRecord) -> Message:
        assert letter.topic is not None and letter.partition is not None and letter.offset is not None
        place = (letter.topic, letter.partition, letter.offset)
        kept = Message(*place, letter.message_key, letter.payload, letter.headers)
        if letter.payload is None or len(letter.payload) < DEAD_LETTER_PAYLOAD_BYTES:
            return kept
        whole = self._fetch(*place)
        if whole is None:
            raise EventError(
                f"only the first {DEAD_LETTER_PAYLOAD_BYTES} bytes were kept, and Kafka no longer has the message",
                "take a new snapshot of the source's table, then drop this letter",
            )
        return whole


def fetch_message(bootstrap_servers: str, topic: str, partition: int, offset: int) -> Message | None:
    """One message from Kafka, None when it is no longer there. Raises `OutageError`, `SourceError`."""
    from ingest.kafka.consumer import library, outages

    kafka = library()
    wanted = kafka.TopicPartition(topic, partition)
    options: dict[str, Any] = {"group_id": None, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
    with outages(bootstrap_servers):
        consumer = kafka.KafkaConsumer(bootstrap_servers=bootstrap_servers.split(","), metrics_enabled=False, **options)
        with closing(consumer):
            consumer.assign([wanted])
            consumer.seek(wanted, offset)
            for found in consumer.poll(timeout_ms=FETCH_MS, max_records=1).get(wanted, []):
                if found.offset == offset:
                    return Message(topic, partition, offset, found.key, found.value, tuple(found.headers))
    return None
