"""Change events in Debezium's form, a random history of a table with its oracle, and what sends them to Kafka."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from kafka import KafkaAdminClient, KafkaProducer

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.sources import SourceRecord
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

WORDS = "invoice delivery refund warranty battery charger screen manual password account 电池 退款 发票 保修".split()
MAPPING = {"title": "title", "body": "{title}\n{body}", "metadata": ["status"]}


@dataclass(frozen=True, slots=True)
class Event:
    """One message; `at` orders events of a key whatever happens to their messages."""

    table: str
    key: dict[str, Any]
    value: dict[str, Any] | None

    @property
    def message(self) -> tuple[bytes, bytes | None]:
        return orjson.dumps(self.key), None if self.value is None else orjson.dumps(self.value)


def event(table: str, op: str, key: int, row: dict[str, Any] | None, lsn: int) -> Event:
    """An event as the PostgreSQL connector writes it without schemas."""
    schema, name = table.split(".")
    now = time.time_ns()
    source = {
        "version": "3.6.1.Final",
        "connector": "postgresql",
        "name": "kb",
        "ts_ms": now // 1_000_000,
        "snapshot": "true" if op == "r" else "false",
        "db": "shop",
        "sequence": f'["{lsn}","{lsn}"]',
        "ts_us": now // 1000,
        "ts_ns": now,
        "schema": schema,
        "table": name,
        "txId": lsn,
        "lsn": lsn,
        "xmin": None,
    }
    value = {"before": None, "after": row, "source": source, "transaction": None, "op": op, "ts_ms": now // 1_000_000}
    return Event(table, {"id": key}, value)


@dataclass(slots=True)
class History:
    """Random changes of one table, and what it holds after them."""

    table: str = "public.faqs"
    seed: int = 0
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    lsn: int = 1_000
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def changes(self, count: int, keys: int = 50) -> Iterator[Event]:
        """Inserts, updates and deletions (each with its tombstone), in the order of their positions."""
        for _ in range(count):
            key = self._random.randrange(keys)
            self.lsn += 10
            if key in self.rows and self._random.random() < 0.25:
                del self.rows[key]
                yield event(self.table, "d", key, None, self.lsn)
                yield Event(self.table, {"id": key}, None)
            else:
                op = "u" if key in self.rows else "c"
                self.rows[key] = self.row(key)
                yield event(self.table, op, key, self.rows[key], self.lsn)

    def row(self, key: int) -> dict[str, Any]:
        """A new random row."""
        words = self._random.choices(WORDS, k=8)
        return {"id": key, "title": f"Question {key}", "body": " ".join(words), "status": self._random.choice("abc")}

    @property
    def documents(self) -> dict[str, tuple[str, str]]:
        """Key -> (text, status) of what the collection must hold."""
        return {
            f"{self.table}/{key}": (f"{row['title']}\n{row['body']}", row["status"]) for key, row in self.rows.items()
        }


def documents_of(catalog: Catalog, collection: Collection, keys: Iterable[str]) -> dict[str, tuple[str, str]]:
    """As `History.documents`, of the collection."""
    found = {}
    for key in keys:
        try:
            document = catalog.documents.get(collection, key, OPERATOR).document
        except NotFoundError:
            continue  # deleted since the keys were listed
        found[key] = (document.text, document.metadata["status"])
    return found


def live_source(
    catalog: Catalog,
    collection: Collection,
    name: str,
    prefix: str,
    tables: dict[str, Any] | None = None,
) -> SourceRecord:
    """An active source in the catalog, as creating it through REST leaves it."""
    config = {
        "engine": "postgresql",
        "tables": tables or {"public.faqs": MAPPING},
        "topic_prefix": prefix,
        "connector": prefix,
        "partitions": 4,
        "database": "shop",
    }
    return catalog.sources.create(collection, name, "database", config)


@contextlib.contextmanager
def producer(servers: str) -> Iterator[KafkaProducer]:
    """A producer; everything was sent when the `with` ends."""
    opened = KafkaProducer(bootstrap_servers=servers, linger_ms=5)
    try:
        yield opened
        opened.flush(timeout=60)
    finally:
        opened.close(timeout=5)


def send(opened: KafkaProducer, prefix: str, events: Iterable[Event], partition: int | None = None) -> int:
    """How many messages were handed over."""
    count = 0
    for one in events:
        key, value = one.message
        opened.send(f"{prefix}.{one.table}", key=key, value=value, partition=partition)
        count += 1
    return count


def make_topics(servers: str, topics: Sequence[str], partitions: int = 4) -> None:
    """Make the topics, and wait until brokers know them."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        wanted = {topic: {"num_partitions": partitions, "replication_factor": 1} for topic in topics}
        admin.create_topics(wanted, timeout_ms=10_000, wait_for_metadata=True)
    finally:
        admin.close()
