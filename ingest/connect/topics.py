"""The Kafka side of a source: its topics, how far they reach, signals to the connector and what it tells."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from ingest.brokers import require_broker
from ingest.connect import names
from ingest.connect.configuration import MAX_MESSAGE_BYTES
from ingest.errors import SourceError, SourceOutageError

TIMEOUT_SECONDS = 10.0  # of one call
RETENTION_DAYS = 7  # a worker may be away as long; its offsets tell when something was lost all the same
RETENTION_BYTES = 4 * 2**30  # of one partition: a full disk would stop every topic
_DAY_MS = 24 * 3600 * 1000
_ROW_TOPIC_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": str(RETENTION_DAYS * _DAY_MS),
    "retention.bytes": str(RETENTION_BYTES),
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}
LAST_READ = 2_000  # messages of a side topic; a table of a snapshot makes a handful of notifications
LAST_VALUES = 4  # of a partition; after a deletion comes a tombstone

logger = logging.getLogger(__name__)


class Topics:
    """The topics of sources on one Kafka cluster. Needs the extra `cluster`."""

    def __init__(self, bootstrap_servers: str) -> None:
        if not bootstrap_servers:
            raise SourceError(
                "live sources need Kafka, and setting kafka_bootstrap_servers (KB_KAFKA_BOOTSTRAP_SERVERS) is empty; "
                "name its brokers, such as localhost:9092 (`kb stack env` prints them)"
            )
        self._servers = bootstrap_servers

    def create(self, prefix: str, engine: str, tables: Sequence[str], partitions: int) -> None:
        """Make every topic of a source: one for each table, and those of signals, notifications and the history.

        Rows are kept some days, whole: compaction would refuse the keyless events of a truncation.
        """
        wanted = {topic: _topic(partitions, _ROW_TOPIC_SETTINGS) for topic in names.table_topics(prefix, tables)}
        wanted |= {topic: _topic(1, settings) for topic, settings in _side_topics(prefix, engine).items()}
        with self._admin() as admin:
            admin.create_topics(wanted, timeout_ms=_ms(TIMEOUT_SECONDS), wait_for_metadata=True)

    def add_tables(self, prefix: str, tables: Sequence[str], partitions: int) -> None:
        """Make the topics of these tables, where they are not there."""
        missing = sorted(set(names.table_topics(prefix, tables)) - set(self.belonging_to(prefix)))
        if missing:
            with self._admin() as admin:
                wanted = {topic: _topic(partitions, _ROW_TOPIC_SETTINGS) for topic in missing}
                admin.create_topics(wanted, timeout_ms=_ms(TIMEOUT_SECONDS), wait_for_metadata=True)

    def belonging_to(self, prefix: str) -> list[str]:
        """The topics that belong to a source, as far as they are there."""
        with self._admin() as admin:
            known = admin.list_topics()
        return sorted(
            topic for topic in known if topic.startswith(f"{prefix}.") or topic == names.heartbeat_topic(prefix)
        )

    def delete(self, prefix: str) -> None:
        """Remove all topics of a source with what is in them; the groups' offsets there go with them."""
        topics = self.belonging_to(prefix)
        if topics:
            with self._admin() as admin:
                admin.delete_topics(topics, timeout_ms=_ms(TIMEOUT_SECONDS))

    def reach(self, topics: Sequence[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """(first offset still kept, next offset to be written) of each partition of these topics."""
        from kafka import TopicPartition

        with self._consumer() as consumer:
            partitions = [
                TopicPartition(topic, number)
                for topic in topics
                for number in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            if not partitions:
                return {}
            first, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        return {(one.topic, one.partition): (first[one], end[one]) for one in partitions}

    def last_values(self, topics: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """The last values of each partition of these topics, tombstones left out; topics without any are left out."""
        from kafka import TopicPartition

        found: dict[str, list[dict[str, Any]]] = {}
        reach = self.reach(topics)
        with self._consumer() as consumer:
            for (topic, number), (first, end) in reach.items():
                if first < end:
                    partition = TopicPartition(topic, number)
                    consumer.assign([partition])
                    consumer.seek(partition, max(first, end - LAST_VALUES))
                    found.setdefault(topic, []).extend(
                        value for value in _read_until(consumer, partition, end) if value
                    )
        return found

    def signal(self, prefix: str, kind: str, data: Mapping[str, Any], signal_id: str) -> None:
        """Tell the connector of that prefix to do something; its answer comes as a notification."""
        from kafka import KafkaProducer

        with self._failures():
            producer = KafkaProducer(bootstrap_servers=self._servers, max_block_ms=_ms(TIMEOUT_SECONDS))
            try:
                value = orjson.dumps({"id": signal_id, "type": kind, "data": dict(data)})
                producer.send(names.signal_topic(prefix), key=prefix.encode(), value=value).get(TIMEOUT_SECONDS)
            finally:
                producer.close(timeout=TIMEOUT_SECONDS)

    def notifications(self, prefix: str) -> list[dict[str, Any]]:
        """The last things that the connector told, oldest first."""
        return self._last(names.notification_topic(prefix))

    def history(self, prefix: str) -> list[dict[str, Any]]:
        """The last changes of tables' definitions in MySQL or MariaDB, oldest first, as Debezium stores them."""
        return self._last(names.history_topic(prefix))

    def _last(self, topic: str) -> list[dict[str, Any]]:
        from kafka import TopicPartition

        partition = TopicPartition(topic, 0)
        with self._consumer() as consumer:
            if not consumer.partitions_for_topic(topic):
                return []
            consumer.assign([partition])
            end = consumer.end_offsets([partition])[partition]
            begin = max(consumer.beginning_offsets([partition])[partition], end - LAST_READ)
            consumer.seek(partition, begin)
            return list(_read_until(consumer, partition, end))

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        with self._failures():
            from kafka.admin import KafkaAdminClient

            admin = KafkaAdminClient(
                bootstrap_servers=self._servers,
                request_timeout_ms=_ms(TIMEOUT_SECONDS),
                bootstrap_timeout_ms=_ms(TIMEOUT_SECONDS),
            )
            try:
                yield admin
            finally:
                admin.close()

    @contextmanager
    def _consumer(self) -> Iterator[Any]:
        with self._failures():
            from kafka import KafkaConsumer

            consumer = KafkaConsumer(
                bootstrap_servers=self._servers,
                enable_auto_commit=False,
                request_timeout_ms=_ms(TIMEOUT_SECONDS),
                bootstrap_timeout_ms=_ms(TIMEOUT_SECONDS),
            )
            try:
                yield consumer
            finally:
                consumer.close(autocommit=False)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            from kafka.errors import KafkaError
        except ImportError as error:
            raise SourceError(
                "live sources need kafka-python; install the extra: pip install 'autoglm-kb[cluster]'"
            ) from error
        require_broker(self._servers, TIMEOUT_SECONDS)
        try:
            yield
        except (KafkaError, OSError) as error:
            raise SourceOutageError(
                f"Kafka at {self._servers} does not serve us ({type(error).__name__}: {error}); "
                "start it, or correct setting kafka_bootstrap_servers (KB_KAFKA_BOOTSTRAP_SERVERS), and try again"
            ) from error


def _topic(partitions: int, configs: Mapping[str, str]) -> dict[str, Any]:
    """As the admin client takes it; the replication factor is the brokers' default."""
    return {"num_partitions": partitions, "replication_factor": -1, "configs": dict(configs)}


def _side_topics(prefix: str, engine: str) -> dict[str, dict[str, str]]:
    days = {"cleanup.policy": "delete", "retention.ms": str(RETENTION_DAYS * _DAY_MS)}
    topics = {names.signal_topic(prefix): days, names.notification_topic(prefix): days}
    topics[names.heartbeat_topic(prefix)] = days | {"retention.ms": str(_DAY_MS)}
    if engine != "postgresql":
        forever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
        topics[names.history_topic(prefix)] = forever  # without it a connector cannot start again
    return topics


def _read_until(consumer: Any, partition: Any, end: int) -> Iterator[dict[str, Any]]:
    while consumer.position(partition) < end:
        records = consumer.poll(timeout_ms=_ms(TIMEOUT_SECONDS)).get(partition, ())
        if not records:
            return
        for record in records:
            value = orjson.loads(record.value) if record.value else {}
            yield value.get("payload", value)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
