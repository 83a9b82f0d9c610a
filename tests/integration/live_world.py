"""Live sources for tests: real servers, databases of their own, and a plain consumer as the oracle of what arrived."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg
import pymysql
import pytest
from api_world import World, world
from kafka import KafkaConsumer, TopicPartition
from pymysql.constants import CLIENT

from api.sources.live_sources import LiveSources
from infra.stack.stack import Stack
from ingest.connect import names
from retrieval.errors import NotFoundError
from retrieval.types import OPERATOR

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
    prefixes: list[str]  # of every source that was begun here, also of those that were refused

    def call(self, method: str, path: str, **more: Any) -> Any:
        return self.api.call(method, f"/v1/sources{path}", **more)

    def create(self, name: str, url: str, tables: Any = PRODUCTS, collection: str = "docs") -> Any:
        return self.call("POST", "", json={"name": name, "collection": collection, "url": url, "tables": tables})

    def status(self, name: str, collection: str = "docs") -> dict[str, Any]:
        answer = self.call("GET", f"/{name}?collection={collection}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def texts(self, collection: str) -> dict[str, str]:
        """The text of every document, by key."""
        catalog, found = self.api.kb.catalog, {}
        there = catalog.collections.get(collection)
        for key in catalog.documents.keys(there):
            with contextlib.suppress(NotFoundError):  # deleted meanwhile
                found[key] = catalog.documents.get(there, key, OPERATOR).document.text
        return found

    def delete(self, name: str, **query: str) -> Any:
        return self.call("DELETE", f"/{name}", params={"collection": "docs", **query})

    def footprint(self) -> dict[str, Any]:
        """All that creating sources makes outside the databases; equal before and after means that nothing is left.

        Only what carries a prefix of this world: tests beside this one make and remove sources on the same servers.
        """
        with self.live.setup.connect() as connect:
            connectors = connect._call("GET", "/connectors")
        with self.live.setup.topics()._admin() as admin:
            topics = admin.list_topics()
        passwords = Path(self.api.kb.settings.connect_secrets_dir)
        collections = self.api.kb.catalog.collections.all()
        return {
            "connectors": [one for one in connectors if one in self.prefixes],
            "topics": sorted(one for one in topics if any(prefix in one for prefix in self.prefixes)),
            "sources": [one.name for each in collections for one in self.api.kb.catalog.sources.all(each)],
            "collections": [one.name for one in collections],
            "passwords": [path.name for path in passwords.iterdir() if path.name.startswith(tuple(self.prefixes))],
        }


@contextlib.contextmanager
def live_world(stack: Stack, folder: Path, **more: Any) -> Iterator[LiveWorld]:
    env = stack.env()
    settings = {
        "kafka_bootstrap_servers": env["KB_KAFKA_BOOTSTRAP_SERVERS"],
        "connect_url": env["KB_CONNECT_URL"],
        "connect_secrets_dir": env["KB_CONNECT_SECRETS_DIR"],
    }
    prefixes: list[str] = []
    new_prefix = names.new_prefix

    def noted(source: str) -> str:
        prefixes.append(new_prefix(source))
        return prefixes[-1]

    with pytest.MonkeyPatch.context() as patch, world(folder, **settings | more) as served:
        patch.setattr(names, "new_prefix", noted)
        live = LiveSources(served.kb)
        try:
            yield LiveWorld(stack, served, live, prefixes)
        finally:
            for collection in served.kb.catalog.collections.all():
                for record in served.kb.catalog.sources.all(collection):
                    live.delete(record)


@contextlib.contextmanager
def postgres_database(stack: Stack, script: Path) -> Iterator[str]:
    """URL of a database of its own, filled by the script; dropped afterwards, with whatever slots hang on it."""
    name = f"kb_live_{secrets.token_hex(4)}"
    url = urlsplit(stack.url("postgres"))._replace(scheme="postgresql")
    query(url.geturl(), f"CREATE DATABASE {name}")
    mine = url._replace(path=f"/{name}").geturl()
    try:
        with psycopg.connect(mine, autocommit=True) as connection:
            connection.execute(script.read_bytes())
        yield mine
    finally:
        free = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s AND NOT active"
        query(url.geturl(), free, name)
        query(url.geturl(), f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def mariadb_database(stack: Stack, script: Path) -> Iterator[str]:
    """URL of a database of its own, filled by a script that uses the current database; dropped afterwards."""
    name = f"kb_live_{secrets.token_hex(4)}"
    url = urlsplit(stack.url("mariadb"))._replace(scheme="mariadb", path=f"/{name}")
    others = ("CREATE DATABASE", "DROP DATABASE", "USE ")
    text = "\n".join(line for line in script.read_text("utf-8").splitlines() if not line.startswith(others))
    with mariadb(url._replace(path="").geturl()) as cursor:
        cursor.execute(f"CREATE DATABASE {name}; USE {name}; {text}")
        while cursor.nextset():
            pass
    try:
        yield url.geturl()
    finally:
        with mariadb(url._replace(path="").geturl()) as cursor:
            cursor.execute(f"DROP DATABASE {name}")


@contextlib.contextmanager
def mariadb(url: str) -> Iterator[Any]:
    """A cursor that commits each statement and takes several at once."""
    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.strip("/") or None,
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextlib.contextmanager
def role(url: str, rights: str, *grants: str) -> Iterator[str]:
    """URL of the same database as a user of its own, whose password is `rights`' and a token."""
    name, password = f"kb_role_{secrets.token_hex(4)}", f"s3cret/{secrets.token_hex(6)}"
    query(url, f"CREATE ROLE {name} LOGIN {rights} PASSWORD '{password}'")
    for grant in grants:
        query(url, f"{grant} TO {name}")
    parts = urlsplit(url)
    try:
        yield parts._replace(netloc=f"{name}:{password.replace('/', '%2F')}@{parts.hostname}:{parts.port}").geturl()
    finally:
        query(url, f"DROP OWNED BY {name}")
        query(url, f"DROP ROLE {name}")


def query(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement, committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def events(served: LiveWorld, topic: str) -> list[tuple[Any, Any]]:
    """(key, value) of every message of a topic, partition by partition; a tombstone's value is None."""
    consumer = KafkaConsumer(bootstrap_servers=served.api.kb.settings.kafka_bootstrap_servers, fetch_max_wait_ms=50)
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


def rows(served: LiveWorld, topic: str, key: str) -> dict[Any, Any]:
    """What a table looks like to who applies all its events in order."""
    table: dict[Any, Any] = {}
    for message_key, value in events(served, topic):
        if value is None or value["op"] == "d":
            table.pop(message_key[key], None)
        else:
            table[value["after"][key]] = value["after"]
    return table


def _json(data: bytes | None) -> Any:
    return None if data is None else orjson.loads(data)
