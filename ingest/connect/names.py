"""The names that belong to one source: topics, connector, slot, publication. A name is never used twice."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

READABLE = 24  # characters of the source's name that names repeat, for people who look at the servers
TOKEN_BYTES = 4  # a later source of the same name must not take over topics, offsets or a slot that are being removed
SERVER_IDS = range(1_000_000, 2**31)  # replicas that people number by hand lie below


def new_prefix(source: str) -> str:
    """`kb-<the name, readable>-<random>`: the prefix of a new source's topics, and its connector's name."""
    readable = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")[:READABLE].strip("-")
    return "-".join(part for part in ("kb", readable, secrets.token_hex(TOKEN_BYTES)) if part)


def slot_name(prefix: str) -> str:
    """The replication slot and the publication of that prefix; PostgreSQL takes a-z, 0-9 and _ in slots."""
    return prefix.replace("-", "_")


def new_server_id() -> int:
    """The number under which a connector reads a MySQL or MariaDB server, as if it were a replica."""
    return SERVER_IDS.start + secrets.randbelow(SERVER_IDS.stop - SERVER_IDS.start)


def table_topics(prefix: str, tables: Iterable[str]) -> list[str]:
    """The topic of each table: Debezium's `<prefix>.<schema>.<table>`."""
    return [table_topic(prefix, table) for table in sorted(tables)]


def table_topic(prefix: str, table: str) -> str:
    """The topic of one table, with `_` for what Kafka does not take in names, as Debezium does.

    Java counts a character beyond U+FFFF as two.
    """
    return re.sub(r"[^A-Za-z0-9._-]", lambda match: "__" if match[0] > "\uffff" else "_", f"{prefix}.{table}")


def signal_topic(prefix: str) -> str:
    """Where we write what the connector shall do besides streaming."""
    return f"{prefix}.signals"


def notification_topic(prefix: str) -> str:
    """Where the connector tells how far a snapshot is."""
    return f"{prefix}.notifications"


def history_topic(prefix: str) -> str:
    """Where a MySQL or MariaDB connector keeps the history of the tables' definitions."""
    return f"{prefix}.history"


def heartbeat_topic(prefix: str) -> str:
    """Where the connector's heartbeats go; nobody reads them."""
    return f"__debezium-heartbeat.{prefix}"
