"""The worker, top to bottom: look which sources are live, take partitions, read, apply, go on where the catalog says.

Offsets are stored by the commit of what came before them, so it does not matter when a worker ends or how: whoever
reads a partition next begins at the stored offset. What does not answer, Kafka, the catalog or the encoder, stops the
loop; it comes back with growing pauses, and nothing is skipped.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from itertools import groupby

from ingest.errors import BrokerAwayError, SourceError, SourceOutageError
from ingest.kafka.applier import MAX_MESSAGES, Applier, Positions
from ingest.kafka.backoff import MAX_SECONDS, OUTAGE_MAX_SECONDS, Backoff
from ingest.kafka.consumer import GroupConsumer
from ingest.kafka.lag import caught_up, lag_of
from ingest.kafka.live_sources import LiveSource, LiveSources
from ingest.kafka.losses import Losses
from ingest.kafka.message import Message
from ingest.kafka.observer import Observer, Unobserved
from ingest.pipeline import Pipeline
from retrieval.catalog import Catalog
from retrieval.catalog.offsets import Partition
from retrieval.errors import NotFoundError, OutageError, OvertakenError

logger = logging.getLogger(__name__)

POLL_MS = 200  # how late a stop is noticed; messages end the wait at once
LOOK_SECONDS = 1.0  # how late a new, paused or deleted source is noticed
IDLE_CHECK_SECONDS = 5.0  # without a message; then Kafka is asked whether it is there at all
RENDER_AGAIN_SECONDS = 0.02  # longest pause before a batch that was overtaken; chance decides who goes first

PipelineOf = Callable[[int], Pipeline]  # by the collection's number
Connect = Callable[[], GroupConsumer]


class Worker:
    """Applies live sources' events until it is stopped. One thread runs it; `stop` may come from any."""

    def __init__(
        self,
        catalog: Catalog,
        pipeline_of: PipelineOf,
        connect: Connect,
        observer: Observer | None = None,
        committed: Callable[[int], None] = lambda collection_id: None,
    ) -> None:
        self._catalog = catalog
        self._pipeline_of = pipeline_of
        self._connect = connect
        self._observer: Observer = observer or Unobserved()
        self._committed = committed
        self._stopping = threading.Event()
        self._backoff = Backoff()

    def stop(self) -> None:
        """End after the batch under way; `run` returns once it is committed and the group was left."""
        self._stopping.set()

    def run(self, *, until_caught_up: bool = False) -> None:
        """Work until `stop`, or until everything that Kafka holds by now was applied."""
        try:
            self._run(until_caught_up)
        finally:
            self._observer.ended()

    def _run(self, until_caught_up: bool) -> None:
        while not self._stopping.is_set():
            try:
                with closing(self._connect()) as consumer:
                    session = _Session(self._catalog, self._pipeline_of, consumer, self._observer, self._committed)
                    return self._work(session, until_caught_up)
            except OutageError as error:
                self._wait_out(error)
            except SourceError:  # the library is missing: waiting does not install it
                raise
            except Exception as error:  # a worker that ended would be missed later than one that tries again
                logger.exception("the worker met what it does not know; please report it")
                self._wait_out(error)

    def _work(self, session: _Session, until_caught_up: bool) -> None:
        while not self._stopping.is_set():
            try:
                session.look()
                if until_caught_up and session.caught_up():
                    return
                session.turn()
            except SourceOutageError as error:
                # A member that left while nobody could hear it is waited for by those that join after the outage.
                if not session.proven:
                    raise
                self._wait_out(error)
                self._wait_for_broker(session)
                session.begin_again()
            if self._backoff.failing and session.proven:
                logger.info("the servers answer again; events are applied from the stored offsets")
                self._backoff.reset()

    def _wait_for_broker(self, session: _Session) -> None:
        while not self._stopping.is_set():
            try:
                return session.require_broker()
            except BrokerAwayError as error:
                self._wait_out(error)

    def _wait_out(self, error: Exception) -> None:
        again = self._backoff.failing
        pause = self._backoff.next(OUTAGE_MAX_SECONDS if isinstance(error, OutageError) else MAX_SECONDS)
        level = logging.DEBUG if again else logging.WARNING
        logger.log(level, "the worker stops: %s; it tries again until that is mended, nothing is lost", error)
        self._observer.stopped_for(str(error), pause)
        self._stopping.wait(pause)


class _Session:
    """One membership of the group: from joining it to an outage or the end."""

    def __init__(
        self,
        catalog: Catalog,
        pipeline_of: PipelineOf,
        consumer: GroupConsumer,
        observer: Observer,
        committed: Callable[[int], None],
    ) -> None:
        self.proven = False  # whether everything needed has answered once
        self._catalog = catalog
        self._pipeline_of = pipeline_of
        self._consumer = consumer
        self._observer = observer
        self._committed = committed
        self._live = LiveSources(catalog)
        self._positions: dict[int, Positions] = {}  # by source
        self._losses = Losses(catalog, consumer)
        self._looked_at = self._heard_at = 0.0
        self._goal: dict[Partition, tuple[int, int]] | None = None

    def look(self) -> None:
        """Once a second: which sources are live, how far behind they are, and, when nothing comes, is Kafka there."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if self._live.refresh():
            self._consumer.subscribe(self._live.by_topic)
        self._consumer.remember(self._all_positions())
        self._observer.lag(lag_of(self._consumer, self._live.by_id.values(), self._positions))
        if now - self._heard_at > IDLE_CHECK_SECONDS:
            self._consumer.check()
            self.proven = self._heard_at > 0  # not at the first look: what comes then may be refused by a full disk
            self._heard_at = now

    def turn(self) -> None:
        """Place what was newly assigned, read what is there, apply it."""
        began = time.monotonic()
        messages = self._consumer.poll(POLL_MS if self._live.by_topic else 0, MAX_MESSAGES)
        if not self._live.by_topic:
            time.sleep(POLL_MS / 1000)
        for partition in sorted(self._consumer.unplaced):
            self._place(partition)
        if not messages:
            return
        self._heard_at = time.monotonic()
        self._observer.polled(self._heard_at - began)
        for source_id, mine in self._by_source(messages):
            self._apply(self._live.by_id[source_id], mine)
        self.proven = True

    def require_broker(self) -> None:
        """Nothing, where Kafka takes connections. Raises `BrokerAwayError` where it does not."""
        self._consumer.require_broker()

    def begin_again(self) -> None:
        """Go on as the same member, each partition from where the catalog says."""
        self.proven = False
        self._consumer.unplace()

    def caught_up(self) -> bool:
        """Whether all that Kafka held when this was first asked is in the catalog, whoever applied it."""
        if self._goal is None:
            self._goal = self._consumer.ends(sorted(self._live.by_topic))
        stored = {
            partition: offset
            for source_id in self._live.by_id
            for partition, offset in self._catalog.offsets.read(source_id).items()
        }
        return caught_up(self._goal, stored)

    def _by_source(self, messages: Sequence[Message]) -> Iterable[tuple[int, list[Message]]]:
        """Those of sources that are still live, each source's together and in order."""
        live = [(self._live.by_topic[one.topic].record.id, one) for one in messages if one.topic in self._live.by_topic]
        for source_id, group in groupby(sorted(live, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
            yield source_id, [message for _, message in group]

    def _place(self, partition: Partition) -> None:
        source = self._live.by_topic.get(partition[0])
        if source is None:  # deleted or paused a moment ago; the next look tells Kafka
            return
        stored = self._catalog.offsets.read(source.record.id).get(partition)
        self._positions.setdefault(source.record.id, {})[partition] = stored
        self._consumer.place(partition, stored)

    def _apply(self, source: LiveSource, messages: Sequence[Message]) -> None:
        positions = self._positions.setdefault(source.record.id, {})
        self._losses.notice(source, messages, positions)
        most = len(messages)
        while messages:
            part = messages[:most]
            try:
                self._applier(source, positions).apply(part)
                messages, most = messages[len(part) :], 2 * most
            except OvertakenError as error:
                logger.debug("%s", error)
                source = self._live.current(source)  # who changes the mapping overtakes
                messages = self._still_ours(source, messages, positions)
                # A long batch takes longer to render than a quick neighbour's pause: as it was, it would never win.
                most = max(1, len(part) // 2)
                time.sleep(random.uniform(0, RENDER_AGAIN_SECONDS))  # noqa: S311  # spreads load, guards nothing
            except NotFoundError as error:
                logger.info("source %s: %s; its messages are not applied any more", source.record.name, error)
                return

    def _applier(self, source: LiveSource, positions: Positions) -> Applier:
        pipeline = self._pipeline_of(source.record.collection_id)
        return Applier(self._catalog, source, pipeline, positions, self._observer, self._committed)

    def _still_ours(self, source: LiveSource, messages: Sequence[Message], positions: Positions) -> Sequence[Message]:
        """The messages that nobody has applied; partitions that another worker has read on are read from there."""
        stored = self._catalog.offsets.read(source.record.id)
        moved = {one for one in {message.stream for message in messages} if stored.get(one) != positions.get(one)}
        for partition in moved:
            positions[partition] = stored.get(partition)
            self._consumer.place(partition, stored.get(partition))
        return [one for one in messages if one.stream not in moved and one.offset >= (positions.get(one.stream) or 0)]

    def _all_positions(self) -> dict[Partition, int]:
        return {
            partition: offset
            for positions in self._positions.values()
            for partition, offset in positions.items()
            if offset is not None
        }
