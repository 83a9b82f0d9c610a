"""The group's consumer: which partitions are ours, from where each is read, and what arrived.

Partitions are given out by Kafka; positions come from the catalog alone. A partition that was just assigned stays
paused until it was placed there, so that nothing is read from an offset that Kafka remembers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ingest.brokers import require_broker
from ingest.errors import SourceError, SourceOutageError
from ingest.kafka.message import Message
from ingest.kafka.rejoining import keep_joining
from retrieval.catalog.offsets import Partition

logger = logging.getLogger(__name__)

FETCH_WAIT_MS = 100  # the broker answers at once when something comes; bounds how late a new partition joins
FETCH_BYTES = 8 * 2**20  # of one answer: bounds memory at any lag
PARTITION_BYTES = 2 * 2**20  # a larger message still comes, alone
METADATA_AGE_MS = 2_000  # how late a topic that was made after its subscription is found
SESSION_MS = 6_000  # the least that brokers allow: a killed worker's partitions are others' after that
HEARTBEAT_MS = 2_000
BATCH_INTERVAL_MS = 300_000  # between polls; a batch is bounded to a fraction of it
CONNECT_MS = 10_000
RECONNECT_MAX_MS = 1_000  # the library's 30 s would be as late as that after the brokers' return
CALL_MS = 5_000  # for one question to the brokers


class GroupConsumer:
    """A kafka-python consumer of one group. Raises `SourceOutageError` wherever Kafka does not answer."""

    def __init__(self, bootstrap_servers: str, group: str) -> None:
        kafka = library()
        self._partition: Any = kafka.TopicPartition
        self._kafka = kafka
        self._unplaced: set[Any] = set()
        require_broker(bootstrap_servers, CALL_MS / 1000)
        with outages(bootstrap_servers), _closed_on_failure(kafka) as client:
            self._consumer = kafka.KafkaConsumer(
                kafka_client=client,
                bootstrap_servers=bootstrap_servers.split(","),
                client_id="kb-worker",
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,  # sources make theirs, with as many partitions as they want
                fetch_max_wait_ms=FETCH_WAIT_MS,
                fetch_max_bytes=FETCH_BYTES,
                max_partition_fetch_bytes=PARTITION_BYTES,
                metadata_max_age_ms=METADATA_AGE_MS,
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                max_poll_interval_ms=BATCH_INTERVAL_MS,
                bootstrap_timeout_ms=CONNECT_MS,
                reconnect_backoff_max_ms=RECONNECT_MAX_MS,
                partition_assignment_strategy=(kafka.EvenAssignor,),
                metrics_enabled=False,
            )
        self._servers = bootstrap_servers
        self._listener = kafka.rebalance_listener(self._assigned, self._revoked)

    def close(self) -> None:
        """Leave the group, so that the others take over at once."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=CALL_MS)
        except self._kafka.KafkaError as error:
            logger.info("Kafka did not hear that this worker leaves (%s); it finds out by itself", error)

    def subscribe(self, topics: Iterable[str]) -> None:
        """Read these topics and no others."""
        wanted = sorted(topics)
        with outages(self._servers):
            if wanted:
                self._consumer.subscribe(topics=wanted, listener=self._listener)
            elif self._consumer.subscription():
                self._consumer.unsubscribe()
        # In place and by name: the library's thread may be adding partitions of the new topics at this moment.
        self._unplaced.difference_update([one for one in tuple(self._unplaced) if one.topic not in wanted])

    @property
    def assigned(self) -> set[Partition]:
        """The partitions that are ours now."""
        return {(one.topic, one.partition) for one in self._consumer.assignment() or ()}

    @property
    def unplaced(self) -> set[Partition]:
        """Partitions that wait for `place`."""
        return {(one.topic, one.partition) for one in tuple(self._unplaced)}

    def place(self, partition: Partition, offset: int | None) -> None:
        """Read the partition from that offset, None: from its beginning; not where it was taken away."""
        ours = self._partition(*partition)
        self._unplaced.discard(ours)
        try:
            if offset is None:
                self._consumer.seek_to_beginning(ours)
            else:
                self._consumer.seek(ours, offset)
            self._consumer.resume(ours)
        except (ValueError, KeyError):
            logger.debug("partition %s was taken away before it was placed", partition)

    def unplace(self) -> None:
        """Have each of our partitions wait for `place` anew: what was read of it may not have been applied."""
        for one in tuple(self._consumer.assignment() or ()):
            with suppress(ValueError, KeyError):  # it was taken away just now
                self._consumer.pause(one)
                self._unplaced.add(one)

    def poll(self, wait_ms: int, most: int) -> list[Message]:
        """Up to `most` messages that are there, or the first that come within the wait; each partition in order."""
        if not self._consumer.subscription():
            return []
        with outages(self._servers):
            keep_joining(self._consumer)
            found = self._consumer.poll(timeout_ms=wait_ms, max_records=most)
        return [
            Message(one.topic, one.partition, one.offset, one.key, one.value, tuple(one.headers))
            for records in found.values()
            for one in records
        ]

    def remember(self, offsets: Mapping[Partition, int]) -> None:
        """Tell Kafka how far we are, for those who watch the group from outside; nothing is ever read from there."""
        ours = self.assigned
        told = {
            self._partition(*partition): self._kafka.OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
            if partition in ours
        }
        if told:
            self._consumer.commit_async(told)

    def highwater(self, partition: Partition) -> int | None:
        """The offset that the next message will have, as the last answer told; None before the first."""
        ours = self._partition(*partition)
        if ours not in (self._consumer.assignment() or ()):
            return None
        found: int | None = self._consumer.highwater(ours)
        return found

    def beginnings(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The first offset that each partition still has."""
        with outages(self._servers):
            found = self._consumer.beginning_offsets([self._partition(*one) for one in partitions], timeout_ms=CALL_MS)
        return {(one.topic, one.partition): offset for one, offset in found.items()}

    def ends(self, topics: Iterable[str]) -> dict[Partition, tuple[int, int]]:
        """(first, next) offset of every partition of the topics; topics that are not there yet are left out."""
        with outages(self._servers):
            partitions = [
                self._partition(topic, number)
                for topic in topics
                for number in self._consumer.partitions_for_topic(topic)
            ]
            if not partitions:
                return {}
            first = self._consumer.beginning_offsets(partitions, timeout_ms=CALL_MS)
            after = self._consumer.end_offsets(partitions, timeout_ms=CALL_MS)
        return {(one.topic, one.partition): (first[one], after[one]) for one in partitions}

    def require_broker(self) -> None:
        """Nothing, where a broker takes connections. Raises `BrokerAwayError` where none does."""
        require_broker(self._servers, CALL_MS / 1000)

    def check(self) -> None:
        """Ask the brokers something. Raises `SourceOutageError` when none answers."""
        ours = list(self._consumer.assignment() or ())[:1]
        if ours:
            with outages(self._servers):
                self._consumer.end_offsets(ours, timeout_ms=CALL_MS)

    def _assigned(self, partitions: Iterable[Any]) -> None:
        """Called in the library's own thread."""
        for one in partitions:
            self._consumer.pause(one)  # first: whoever sees it among the unplaced places it, and lets it go on
            self._unplaced.add(one)

    def _revoked(self, partitions: Iterable[Any]) -> None:
        self._unplaced.difference_update(partitions)


@contextmanager
def _closed_on_failure(kafka: _Library) -> Iterator[Callable[..., Any]]:
    """What makes the consumer's connections; they and their thread are closed where the consumer cannot be made."""
    made: list[Any] = []

    def client(**options: Any) -> Any:
        made.append(kafka.KafkaNetClient(**options))
        return made[-1]

    try:
        yield client
    except BaseException:
        for one in made:
            one.close()
        raise


class _Library:
    """The names of kafka-python that are used here."""

    def __init__(self) -> None:
        import kafka
        from kafka.errors import KafkaError
        from kafka.net.compat import KafkaNetClient

        from ingest.kafka.assignor import EvenAssignor

        self.KafkaNetClient: Any = KafkaNetClient
        self.KafkaConsumer: Any = kafka.KafkaConsumer
        self.TopicPartition: Any = kafka.TopicPartition
        self.OffsetAndMetadata: Any = kafka.OffsetAndMetadata
        self.KafkaError: type[Exception] = KafkaError
        self.EvenAssignor: type[EvenAssignor] = EvenAssignor

    def rebalance_listener(self, assigned: Any, revoked: Any) -> Any:
        """A rebalance listener that calls these two."""
        import kafka

        class Listener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]  # the library ships no types
            def on_partitions_assigned(self, partitions: Any) -> None:
                assigned(partitions)

            def on_partitions_revoked(self, revoked_now: Any) -> None:
                revoked(revoked_now)

        return Listener()


def library() -> _Library:
    """kafka-python. Raises `SourceError` with the line to install it where it is absent."""
    try:
        return _Library()
    except ImportError as error:
        raise SourceError(
            "kafka-python is not installed; install the extra: pip install 'autoglm-kb[cluster]'"
        ) from error


@contextmanager
def outages(servers: str) -> Iterator[None]:
    """Whatever kafka-python raises inside the `with` becomes a `SourceOutageError`."""
    from kafka.errors import KafkaError

    try:
        yield
    except (KafkaError, OSError) as error:
        raise SourceOutageError(
            f"Kafka at {servers} does not answer as it should ({type(error).__name__}: {error}); "
            "check that it runs and that setting kafka_bootstrap_servers is right"
        ) from error
