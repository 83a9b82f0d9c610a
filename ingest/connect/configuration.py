"""The configuration of a source's Debezium connector. docs/live.md says what each choice is good for.

Rows travel as JSON without schemas, with values as text where JSON's numbers would lose something: decimals, times,
bytes. Nothing is ever written to the user's tables: tables are read again by watermarks of transaction numbers or
GTIDs, signals come over a Kafka topic, and the heartbeat is a message in PostgreSQL's log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ingest.connect import names
from ingest.connect.address import DatabaseAddress
from ingest.connect.inspection import Capture

CLASSES: Mapping[str, str] = {
    "postgresql": "io.debezium.connector.postgresql.PostgresConnector",
    "mysql": "io.debezium.connector.mysql.MySqlConnector",
    "mariadb": "io.debezium.connector.mariadb.MariaDbConnector",
}
POLL_MS = 10  # Debezium's default of 500 alone makes a change half a second old
HEARTBEAT_MS = 1_000  # an idle database's log must not pile up, and a table read again goes on with each
RESTART_WAIT_MS = 2_000  # after a lost connection; by Debezium's 10,000 a database that starts again is late by that
SIGNAL_POLL_MS = 1_000  # by Debezium's 100 a new connector's consumer takes seven polls to find its first signal
HEARTBEAT_PREFIX = "kb-heartbeat"  # of the logical messages that our heartbeats are
MAX_MESSAGE_BYTES = 16 * 2**20  # a row with its before image; Kafka's default is 1 MiB
QUEUE_BYTES = 64 * 2**20  # rows that wait inside the connector
CHUNK_ROWS = 8192  # rows between two watermarks of a table that is read again
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"


def connector_config(
    prefix: str, address: DatabaseAddress, capture: Capture, password: str, bootstrap_servers: str
) -> dict[str, str]:
    """The whole configuration. `password` may be a reference that Kafka Connect resolves, `${directory:…}`."""
    common = _common(prefix, address, capture, password, bootstrap_servers)
    own = _postgresql(capture) if address.engine == "postgresql" else _mysql(prefix, capture, bootstrap_servers)
    return common | own | address.debezium_options()


def _common(
    prefix: str, address: DatabaseAddress, capture: Capture, password: str, bootstrap_servers: str
) -> dict[str, str]:
    return {
        "connector.class": CLASSES[address.engine],
        "tasks.max": "1",
        "topic.prefix": prefix,
        "database.hostname": address.host,
        "database.port": str(address.port),
        "database.user": address.user,
        "database.password": password,
        "table.include.list": _patterns(capture.tables),
        "snapshot.mode": "initial",
        "poll.interval.ms": str(POLL_MS),
        "max.queue.size.in.bytes": str(QUEUE_BYTES),
        "heartbeat.interval.ms": str(HEARTBEAT_MS),
        "tombstones.on.delete": "true",
        "skipped.operations": "none",  # by default truncations are not sent
        "provide.transaction.metadata": "false",
        "errors.tolerance": "none",
        "retriable.restart.connector.wait.ms": str(RESTART_WAIT_MS),
        "incremental.snapshot.chunk.size": str(CHUNK_ROWS),
        **_excluded(capture.excluded),
        **_values(),
        **_signals(prefix, bootstrap_servers, read_only=capture.read_only_snapshots),
        **_producer(),
    }


def _postgresql(capture: Capture) -> dict[str, str]:
    return {
        "database.dbname": str(capture.facts["database"]),
        "plugin.name": "pgoutput",
        "slot.name": capture.slot,
        "publication.name": capture.publication,
        "publication.autocreate.mode": "disabled",  # it is made beforehand, of exactly these tables
        "slot.drop.on.stop": "false",
        "snapshot.isolation.mode": "repeatable_read",  # one moment for all tables, without locks
        "snapshot.locking.mode": "none",
        "interval.handling.mode": "string",
        "hstore.handling.mode": "json",
        **_heartbeat(capture),
    }


def _heartbeat(capture: Capture) -> dict[str, str]:
    """Where logical messages reach a publication (PostgreSQL 14), one keeps an idle database's slot moving."""
    if not capture.facts.get("logical_messages"):
        return {}
    return {
        "heartbeat.action.query": f"SELECT pg_logical_emit_message(true, '{HEARTBEAT_PREFIX}', '')",
        "message.prefix.exclude.list": HEARTBEAT_PREFIX,
    }


def _mysql(prefix: str, capture: Capture, bootstrap_servers: str) -> dict[str, str]:
    databases = sorted({table.partition(".")[0] for table in capture.tables})
    return {
        "database.server.id": str(capture.server_id),
        "database.include.list": _patterns(databases),
        "include.schema.changes": "false",
        "bigint.unsigned.handling.mode": "precise",
        "snapshot.locking.mode": "minimal",  # while the position and the tables' definitions are read, not the rows
        "schema.history.internal.kafka.bootstrap.servers": bootstrap_servers,
        "schema.history.internal.kafka.topic": names.history_topic(prefix),
        "schema.history.internal.store.only.captured.databases.ddl": "true",  # a table may join the mapping later
        "schema.history.internal.skip.unparseable.ddl": "true",  # of a table that we do not read, most likely
    }


def _values() -> dict[str, str]:
    """How values travel."""
    converters = {
        f"{part}.converter{setting}": value
        for part in ("key", "value")
        for setting, value in (
            ("", JSON_CONVERTER),
            (".schemas.enable", "false"),
            (".decimal.format", "NUMERIC"),  # of 64-bit unsigned keys
        )
    }
    return converters | {
        "decimal.handling.mode": "string",
        "time.precision.mode": "isostring",
        # The converter writes bytes as base64 by itself; the mode "base64" sends an unchanged large value as a null.
        "binary.handling.mode": "bytes",
        # How the halves of a change of key name each other; the default converter's text cannot be read back.
        "header.converter": JSON_CONVERTER,
        "header.converter.schemas.enable": "false",
    }


def _signals(prefix: str, bootstrap_servers: str, *, read_only: bool) -> dict[str, str]:
    settings = {
        "signal.enabled.channels": "kafka",
        "signal.kafka.topic": names.signal_topic(prefix),
        "signal.kafka.groupId": f"{prefix}-signals",
        "signal.kafka.bootstrap.servers": bootstrap_servers,
        "signal.poll.interval.ms": "1000",
        "signal.kafka.poll.timeout.ms": str(SIGNAL_POLL_MS),
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": names.notification_topic(prefix),
    }
    return settings | ({"read.only": "true"} if read_only else {})


def _producer() -> dict[str, str]:
    """Of the producer inside Kafka Connect: large rows, and no waiting for company."""
    return {"producer.override.max.request.size": str(MAX_MESSAGE_BYTES), "producer.override.linger.ms": "0"}


def _excluded(columns: Iterable[str]) -> dict[str, str]:
    patterns = _patterns(columns)
    return {"column.exclude.list": patterns} if patterns else {}


def _patterns(named: Iterable[str]) -> str:
    """Debezium's lists are regular expressions, parted by commas."""
    return ",".join(re.escape(name).replace(",", r"\x2C") for name in sorted(named))
