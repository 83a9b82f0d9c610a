"""Live sources for tests: real servers, databases of their own, and a plain consumer as the oracle of what arrived."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
import psycopg
from api_world import World, world
from kafka import KafkaConsumer, TopicPartition

from api.live_sources import LiveSources
from infra.stack.stack import Stack

Value = TypeVar("Value")
WAIT_SECONDS = 60.0
PRODUCTS = {
    "public.products": {
        "title": "product_name",
        "body": "{product_name}, {quantity_per_unit}\nCategory: {category.category_name}",
        "metadata": ["discontinued"],
        "include": {"category": {"table": "public.categories", "on": {"category_id": "category_id"}}},
    }
}


@dataclass(frozen=True)
class LiveWorld:
    """A served knowledge base that is connected to the stack."""

    stack: Stack
    api: World
    live: LiveSources

    def call(self, method: str, path: str, **more: Any) -> Any:
        return self.api.call(method, f"/v1/sources{path}", **more)

    def create(self, name: str, url: str, tables: Any = PRODUCTS, collection: str = "docs") -> Any:
        return self.call("POST", "", json={"name": name, "collection": collection, "url": url, "tables": tables})

    def record(self, name: str, collection: str = "docs") -> Any:
        return self.live.get(self.api.kb.catalog.collections.get(collection), name)


@contextlib.contextmanager
def live_world(stack: Stack, folder: Path, **more: Any) -> Iterator[LiveWorld]:
    env = stack.env()
    settings = {
        "kafka_bootstrap_servers": env["KB_KAFKA_BOOTSTRAP_SERVERS"],
        "connect_url": env["KB_CONNECT_URL"],
        "connect_secrets_dir": env["KB_CONNECT_SECRETS_DIR"],
    }
    with world(folder, **settings | more) as served:
        live = LiveSources(served.kb)
        try:
            yield LiveWorld(stack, served, live)
        finally:
            for collection in served.kb.catalog.collections.all():
                for record in served.kb.catalog.sources.all(collection):
                    live.delete(record)


@contextlib.contextmanager
def postgres_database(stack: Stack, script: Path) -> Iterator[str]:
    """URL of a database of its own, filled by the script; dropped afterwards, with whatever slots hang on it."""
    name = f"kb_live_{secrets.token_hex(4)}"
    url = urlsplit(stack.url("postgres"))._replace(scheme="postgresql")
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    mine = url._replace(path=f"/{name}").geturl()
    try:
        with psycopg.connect(mine, autocommit=True) as connection:
            connection.execute(script.read_bytes())
        yield mine
    finally:
        with psycopg.connect(url.geturl(), autocommit=True) as connection:
            slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s AND NOT active"
            connection.execute(slots, (name,))
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def query(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement, committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def events(world_: LiveWorld, topic: str) -> list[tuple[Any, Any]]:
    """(key, value) of every message of a topic, partition by partition; a tombstone's value is None."""
    consumer = KafkaConsumer(bootstrap_servers=world_.api.kb.settings.kafka_bootstrap_servers, fetch_max_wait_ms=50)
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends, found = consumer.end_offsets(partitions), []
        while any(consumer.position(one) < ends[one] for one in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                found += [(_json(record.key), _json(record.value)) for record in records]
        return found
    finally:
        consumer.close(autocommit=False)


def rows(world_: LiveWorld, topic: str, key: str) -> dict[Any, Any]:
    """What a table looks like to who applies all its events in order."""
    table: dict[Any, Any] = {}
    for message_key, value in events(world_, topic):
        if value is None or value["op"] == "d":
            table.pop(message_key[key], None)
        else:
            table[value["after"][key]] = value["after"]
    return table


def wait_until(
    look: Callable[[], Value], until: Callable[[Value], bool] = bool, seconds: float = WAIT_SECONDS
) -> Value:
    """What was seen, once it is as wanted; the last thing seen is in the failure."""
    deadline = time.monotonic() + seconds
    while not until(seen := look()):
        assert time.monotonic() < deadline, f"after {seconds} s it is still {seen!r:.2000}"
        time.sleep(0.1)
    return seen


def _json(data: bytes | None) -> Any:
    return None if data is None else orjson.loads(data)
