"""The messages of one source become one commit: parse, map, prepare, write with the offsets they came from.

A message that cannot be understood becomes a dead letter in that same commit. Where a batch fails as a whole, it is
cut in halves until the message that spoils it stands alone; only that one becomes a dead letter.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ingest.changes import Change, RowEvent
from ingest.errors import EventError
from ingest.kafka.live_sources import LIVE, LiveSource
from ingest.kafka.message import Message, dead_letter, row_events
from ingest.kafka.observer import Applied, Observer, Stages
from ingest.kafka.timed_encoder import TimedEncoder
from ingest.pipeline import Pipeline
from ingest.row_mapper import RowMapper
from retrieval.catalog import Catalog, Commit, DeadLetter, Outcome, Upsert
from retrieval.catalog.offsets import OffsetAdvance, Partition
from retrieval.catalog.schema import utc_now
from retrieval.catalog.sources import SourceRecord
from retrieval.errors import NotFoundError, OutageError, OvertakenError
from retrieval.types import Deletion

logger = logging.getLogger(__name__)

MAX_MESSAGES = 2_000  # in one transaction
MAX_BYTES = 2**20  # of messages in one transaction: some seconds of encoding at most

PROBE = "A plain sentence, to see whether the encoder works at all."

Positions = dict[Partition, int | None]  # what the catalog holds; None: nothing yet


@dataclass(slots=True)
class _Batch:
    """Messages on their way into one commit."""

    messages: Sequence[Message]
    parsed: list[tuple[Message, list[RowEvent]]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    stages: Stages = field(default_factory=Stages)

    @property
    def events(self) -> list[RowEvent]:
        return [event for _, events in self.parsed for event in events]


class Applier:
    """Applies messages of one source. `positions` is read and advanced as commits succeed."""

    def __init__(
        self,
        catalog: Catalog,
        source: LiveSource,
        pipeline: Pipeline,
        positions: Positions,
        observer: Observer,
        committed: Callable[[int], None],
    ) -> None:
        self._catalog = catalog
        self._source = source
        self._pipeline = pipeline
        self._positions = positions
        self._observer = observer
        self._committed = committed

    def apply(self, messages: Sequence[Message]) -> None:
        """Commit them in order, in transactions of bounded size.

        Raises `OvertakenError` (read the stored offsets and go on from there), `OutageError` (repeat later); what was
        committed before stays.
        """
        for part in parts(messages):
            self._apply(part)

    def _apply(self, messages: Sequence[Message]) -> None:
        try:
            self._commit(self._parse(messages))
        except (OutageError, OvertakenError, NotFoundError):
            raise
        except Exception as error:  # whatever a document does to a chunker, an encoder or a database: others go on
            self._check_source()
            if len(messages) == 1:
                self._bury(messages[0], error)
                return
            logger.info("a batch of %s failed (%s); it is applied in halves", self._source.record.name, error)
            half = len(messages) // 2
            self._apply(messages[:half])
            self._apply(messages[half:])

    def _parse(self, messages: Sequence[Message]) -> _Batch:
        batch = _Batch(messages)
        with batch.stages.stage("parse"):
            for message in messages:
                try:
                    batch.parsed.append((message, row_events(message, self._source.kinds, self._source.watermarks)))
                except EventError as error:
                    batch.letters.append(self._letter(message, error))
        return batch

    def _commit(self, batch: _Batch) -> None:
        record, stages = self._source.record, batch.stages
        # Before any row is read. Joins, truncations and changed keys touch rows of other partitions, which another
        # worker may be storing: the slower of the two renders again.
        read = self._catalog.offsets.rows_version(record.id)
        with stages.stage("map"):
            mapper, changes = self._mapped(batch)
        with stages.stage("prepare"), stages.without("encode", self._encoding):
            prepared = self._pipeline.prepare(record.name, changes)
        newest = _newest(batch)
        commit = replace(
            prepared,
            rows=mapper.drain(),
            dead_letters=batch.letters,
            offsets=advances(self._source, batch.messages, self._positions, newest),
            rows_read=read,
        )
        with stages.stage("commit"):
            receipt = self._pipeline.commit(commit)
        self._advance(commit)
        self._committed(record.collection_id)
        written = list(zip(commit.changes, receipt.outcomes, strict=True))
        self._observer.applied(_applied(record, batch, changes, written, newest))

    def _mapped(self, batch: _Batch) -> tuple[RowMapper, Sequence[Change]]:
        """A mapper with what the batch says, applied; messages that it refuses have become dead letters."""
        mapper = self._mapper()
        try:
            return mapper, mapper.apply(batch.events)
        except OutageError:
            raise
        except Exception:  # refused rows, and values that a template cannot take
            self._sift(batch)
        mapper = self._mapper()
        return mapper, mapper.apply(batch.events)

    def _sift(self, batch: _Batch) -> None:
        good = []
        for message, events in batch.parsed:
            try:
                self._mapper().apply(events)
                good.append((message, events))
            except OutageError:
                raise
            except Exception as error:  # as above
                batch.letters.append(self._letter(message, error))
        batch.parsed = good

    def _mapper(self) -> RowMapper:
        rows = self._catalog.sources.rows(self._source.record)
        return RowMapper(self._source.mapping, rows, in_order=True)  # each row's messages are in one partition

    def _bury(self, message: Message, error: Exception) -> None:
        """Make the message a dead letter, unless it is the encoder or the source that is gone."""
        self._check_encoder()
        logger.warning("message %s became a dead letter: %s", message.place, error, exc_info=error)
        letters = [self._letter(message, error)]
        commit = Commit(dead_letters=letters, offsets=advances(self._source, [message], self._positions, {}))
        self._pipeline.commit(commit)
        self._advance(commit)
        self._observer.applied(_applied(self._source.record, _Batch([message], letters=letters), ()))

    def _encoding(self) -> float:
        """Seconds that the encoder was busy so far."""
        encoder = self._pipeline.encoder
        return encoder.seconds if isinstance(encoder, TimedEncoder) else 0.0

    def _check_source(self) -> None:
        """What fails because its source was deleted or paused meanwhile is nobody's fault. Raises `NotFoundError`."""
        if all(one.id != self._source.record.id for one in self._catalog.sources.live(LIVE)):
            raise NotFoundError(f"source {self._source.record.name} was deleted or paused")

    def _check_encoder(self) -> None:
        try:
            self._pipeline.encoder.encode_passages([PROBE])
        except Exception as error:  # whatever ails it, it is not this document
            raise OutageError(f"the encoder fails for any text ({error}); see its model and the memory left") from error

    def _letter(self, message: Message, error: Exception) -> DeadLetter:
        return dead_letter(self._source.record.name, message, error)

    def _advance(self, commit: Commit) -> None:
        for advance in commit.offsets:
            self._positions[advance.topic, advance.partition] = advance.end


def parts(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """The messages in stretches that one transaction may hold."""
    begin = size = 0
    for index, message in enumerate(messages):
        full = index - begin >= MAX_MESSAGES or size + message.size > MAX_BYTES
        if full and index > begin:
            yield messages[begin:index]
            begin, size = index, 0
        size += message.size
    if begin < len(messages):
        yield messages[begin:]


def advances(
    source: LiveSource, messages: Sequence[Message], positions: Positions, newest: Mapping[Partition, datetime]
) -> list[OffsetAdvance]:
    """How far these messages bring each partition they came from; `newest` of them was committed at its source then."""
    ends = {message.stream: message.offset + 1 for message in messages}
    return [
        OffsetAdvance(source.record.id, *stream, positions.get(stream), end, newest.get(stream))
        for stream, end in sorted(ends.items())
    ]


def _newest(batch: _Batch) -> dict[Partition, datetime]:
    """When the newest event of each partition was committed at the source, where one tells."""
    found: dict[Partition, datetime] = {}
    for message, events in batch.parsed:
        told = [event.committed_at for event in events if event.committed_at is not None]
        if told:
            found[message.stream] = max(*told, found.get(message.stream, told[0]))
    return found


def _applied(
    source: SourceRecord,
    batch: _Batch,
    changes: Sequence[Change],
    written: Sequence[tuple[Upsert | Deletion, Outcome]] = (),
    newest: Mapping[Partition, datetime] | None = None,
) -> Applied:
    return Applied(
        collection=source.collection,
        source=source.name,
        events=len(batch.messages),
        outcomes=Counter(outcome for _, outcome in written),
        dead_letters=len(batch.letters),
        stages=batch.stages.seconds,
        committed_at=[change.committed_at for change in changes if change.committed_at is not None],
        cataloged_at=utc_now(),
        collection_id=source.collection_id,
        source_id=source.id,
        read=batch.parsed,
        written=written,
        newest=newest or {},
    )
