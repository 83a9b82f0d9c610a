"""Records change events of real connectors: `python tests/golden/record.py`, a few minutes on a stack of its own.

Each engine's script runs once while three connectors follow it: `ours` in the modes that our connectors use, `plain`
in Debezium's default modes without schemas, `schema` in the same with schemas. Beside their messages stands what the
database itself says of every row's columns, as text.
"""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pymysql
from kafka import KafkaConsumer

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from golden.messages import save  # noqa: E402 (after the path, when run as a program)

from infra.stack.stack import Stack  # noqa: E402 (after the path, when run as a program)
from ingest.connect.address import DatabaseAddress  # noqa: E402 (after the path, when run as a program)
from ingest.connect.column_types import column_types  # noqa: E402 (after the path, when run as a program)

TIMEOUT_SECONDS = 90.0
FORMS = ("ours", "plain", "schema")
ENGINES = ("postgres", "mariadb")
KEY_HEADERS = ("__debezium.newkey", "__debezium.oldkey")  # the others tell which connector runs where
KEPT = {"heartbeat": 1, "transaction": 2, "signals": 2, "ddl": 2}  # messages of which the rest tells nothing more
ROWS_BEFORE = {"postgres": 11, "mariadb": 9}  # that the first part of the script inserts
_JSON = "org.apache.kafka.connect.json.JsonConverter"
_COMMON = {
    "tasks.max": "1",
    "snapshot.mode": "initial",
    "poll.interval.ms": "10",
    "heartbeat.interval.ms": "1000",
    "provide.transaction.metadata": "true",
    "skipped.operations": "none",  # by default truncations are not sent
    "incremental.snapshot.chunk.size": "3",
    "header.converter": _JSON,
    "header.converter.schemas.enable": "false",
}
OURS = {
    "decimal.handling.mode": "string",
    "time.precision.mode": "isostring",
    "binary.handling.mode": "bytes",  # the mode base64 loses unchanged large values
}
OURS_OF = {
    "postgres": {"interval.handling.mode": "string", "hstore.handling.mode": "json"},
    "mariadb": {"bigint.unsigned.handling.mode": "precise"},
}


@dataclass(frozen=True)
class Recording:
    """What came from one engine: messages by form, and the rows' columns as the database writes them."""

    messages: Mapping[str, list[dict[str, Any]]]
    oracle: list[dict[str, Any]]


def record(stack: Stack, engine: str) -> Recording:
    """Run the engine's script on the stack, followed by a connector of each form; what they sent until its end."""
    name = f"golden_{secrets.token_hex(4)}"
    with database(stack, engine, name) as execute:
        parts = _script(engine, name)
        execute(parts[0])
        prefixes = {form: f"{name}-{form}" for form in FORMS}
        configurations = {form: configuration(stack, engine, name, form, prefix) for form, prefix in prefixes.items()}
        with connectors(stack, configurations), consumers(stack, prefixes) as opened:
            received: dict[str, list[dict[str, Any]]] = {form: [] for form in FORMS}
            receive(opened, received, lambda messages: _reads(messages) >= ROWS_BEFORE[engine])
            oracle = _oracle(engine, types_of(stack, engine, name), execute)
            execute(parts[1])
            receive(opened, received, lambda messages: _incremental(messages) >= 5)
            oracle += _oracle(engine, types_of(stack, engine, name), execute)
            execute(parts[2])
            receive(opened, received, _has_end)
            receive(opened, received, _has_heartbeat)
    unique = {json.dumps(row, sort_keys=True): row for row in oracle}
    return Recording({form: _thinned(messages) for form, messages in received.items()}, list(unique.values()))


def _script(engine: str, name: str) -> list[str]:
    text = (HERE / f"{engine}.sql").read_text(encoding="utf-8").replace("{database}", name)
    return [part.partition("\n")[2] for part in text.split("\n----")]


@contextmanager
def database(stack: Stack, engine: str, name: str) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """A new database of that name, and a function that runs statements and returns the rows of the last."""
    if engine == "postgres":
        url = stack.url("postgres")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
            try:
                own = urlsplit(url)._replace(path=f"/{name}").geturl()
                with psycopg.connect(own, autocommit=True) as connection:
                    connection.execute("SET TIME ZONE 'UTC'")
                    yield lambda script: _run_postgres(connection, script)
            finally:
                _drop_slots(admin, name)
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        return
    with pymysql.connect(**_mariadb_place(stack), autocommit=True, charset="utf8mb4") as connection:
        _run_mariadb(connection, f"CREATE DATABASE {name}; USE {name}; SET sql_mode = ''; SET time_zone = '+00:00'")
        try:
            yield lambda script: _run_mariadb(connection, script)
        finally:
            _run_mariadb(connection, f"DROP DATABASE {name}")


def _run_postgres(connection: psycopg.Connection[Any], script: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for statement in _statements(script):
        cursor = connection.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    return rows


def _run_mariadb(connection: Any, script: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        for statement in _statements(script):
            cursor.execute(statement)
        return list(cursor.fetchall())


def _statements(script: str) -> list[str]:
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def _drop_slots(admin: psycopg.Connection[Any], name: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    query = "SELECT slot_name, active FROM pg_replication_slots WHERE database = %s"
    while (slots := admin.execute(query, [name]).fetchall()) and time.monotonic() < deadline:
        for slot, active in slots:
            if not active:
                admin.execute("SELECT pg_drop_replication_slot(%s)", [slot])
        time.sleep(0.2)


def _mariadb_place(stack: Stack) -> dict[str, Any]:
    url = urlsplit(stack.url("mariadb"))
    return {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password}


def configuration(stack: Stack, engine: str, database: str, form: str, prefix: str) -> dict[str, str]:
    url = urlsplit(stack.url(engine))
    slot = prefix.replace("-", "_")
    schemas = str(form == "schema").lower()
    configuration = {
        **_COMMON,
        "topic.prefix": prefix,
        "database.hostname": str(url.hostname),
        "database.port": str(url.port),
        "database.user": str(url.username),
        "database.password": str(url.password),
        "signal.data.collection": f"{database}.signals" if engine == "mariadb" else "public.signals",
        **{f"{part}.converter": _JSON for part in ("key", "value")},
        **{f"{part}.converter.schemas.enable": schemas for part in ("key", "value")},
        **({"value.converter.decimal.format": "NUMERIC"} | OURS | OURS_OF[engine] if form == "ours" else {}),
    }
    if engine == "postgres":
        return configuration | {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "plugin.name": "pgoutput",
            "database.dbname": database,
            "slot.name": slot,
            "publication.name": slot,
        }
    return configuration | {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.server.id": str(100_000 + secrets.randbelow(2**31)),
        "database.include.list": database,
        "schema.history.internal.kafka.bootstrap.servers": stack.url("kafka"),
        "schema.history.internal.kafka.topic": f"{prefix}-history",
    }


@contextmanager
def connectors(stack: Stack, configurations: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    with httpx.Client(base_url=stack.url("connect"), timeout=30, trust_env=False) as client:
        names = {form: configuration["topic.prefix"] for form, configuration in configurations.items()}
        try:
            for form, name in names.items():
                client.put(f"/connectors/{name}/config", json=dict(configurations[form])).raise_for_status()
            yield
        finally:
            for name in names.values():
                client.delete(f"/connectors/{name}")


@contextmanager
def consumers(stack: Stack, prefixes: Mapping[str, str]) -> Iterator[dict[str, KafkaConsumer]]:
    made = {
        form: KafkaConsumer(
            bootstrap_servers=stack.url("kafka"), auto_offset_reset="earliest", group_id=None, metadata_max_age_ms=500
        )
        for form in prefixes
    }
    try:
        for form, consumer in made.items():
            consumer.subscribe(pattern=rf"^(__debezium-heartbeat\.)?{prefixes[form]}(\..*)?$")
        yield made
    finally:
        for consumer in made.values():
            consumer.close()


def receive(
    consumers: Mapping[str, KafkaConsumer],
    received: Mapping[str, list[dict[str, Any]]],
    enough: Callable[[list[dict[str, Any]]], bool],
) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not all(enough(messages) for messages in received.values()):
        if time.monotonic() > deadline:
            seen = {form: len(messages) for form, messages in received.items()}
            raise TimeoutError(f"the connectors sent {seen} messages in {TIMEOUT_SECONDS:.0f} s; expected more")
        for form, consumer in consumers.items():
            for batch in consumer.poll(timeout_ms=100).values():
                received[form].extend(map(_line, batch))


def _line(message: Any) -> dict[str, Any]:
    """One message with its topic as it would be without our prefix."""
    line: dict[str, Any] = {
        "topic": message.topic,
        "key": None if message.key is None else json.loads(message.key),
        "value": None if message.value is None else json.loads(message.value),
    }
    headers = [[name, value.decode()] for name, value in message.headers if name in KEY_HEADERS]
    if headers:
        line["headers"] = headers
    return line


def envelopes(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        value = message["value"]
        payload = value["payload"] if isinstance(value, dict) and value.keys() == {"schema", "payload"} else value
        if isinstance(payload, dict) and isinstance(payload.get("source"), dict):
            yield payload


def _reads(messages: list[dict[str, Any]]) -> int:
    return sum(envelope.get("op") == "r" for envelope in envelopes(messages))


def _incremental(messages: list[dict[str, Any]]) -> int:
    return sum(envelope["source"].get("snapshot") == "incremental" for envelope in envelopes(messages))


def _has_end(messages: list[dict[str, Any]]) -> bool:
    return any((envelope.get("after") or {}).get("a") == 999 for envelope in envelopes(messages))


def _has_heartbeat(messages: list[dict[str, Any]]) -> bool:
    return any(message["topic"].startswith("__debezium-heartbeat") for message in messages)


def _thinned(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without most of the heartbeats, transaction marks and signals, which also come from the other connectors."""
    kept, seen = [], Counter[str]()
    for message in messages:
        kind = next((kind for kind in KEPT if kind in message["topic"]), "" if "." in message["topic"] else "ddl")
        seen[kind] += 1
        if not kind or seen[kind] <= KEPT[kind]:
            kept.append(message)
    return kept


def types_of(stack: Stack, engine: str, name: str) -> dict[str, str]:
    """The types of the columns of `types`, as a live source stores them."""
    scheme = {"postgres": "postgresql", "mariadb": "mariadb"}[engine]
    url = urlsplit(stack.url(engine))._replace(scheme=scheme, path=f"/{name}").geturl()
    table = f"{'public' if engine == 'postgres' else name}.types"
    return column_types(DatabaseAddress.parse(url), [table])[table]


def _oracle(
    engine: str, types: Mapping[str, str], execute: Callable[[str], list[tuple[Any, ...]]]
) -> list[dict[str, Any]]:
    """Every row of `types` with its columns as text, and their types."""
    of_postgres = engine == "postgres"
    shown = ", ".join(f"{name}::text" if of_postgres else _mariadb_text(name, kind) for name, kind in types.items())
    rows = [dict(zip(types, row, strict=True)) for row in execute(f"SELECT {shown} FROM types ORDER BY id")]
    return [{"types": dict(types)}, *({"row": row} for row in rows)]


def _mariadb_text(name: str, kind: str) -> str:
    if kind in ("point", "geometry"):
        return f"ST_AsText({name})"
    if "binary" in kind or "blob" in kind:
        return f"HEX({name})"
    if kind.startswith("bit"):
        return f"BIN({name})"
    return f"CONVERT({name} USING utf8mb4)"


def main() -> None:
    """Record every engine on a stack that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kb-golden-") as folder:
        Path(folder).chmod(0o755)
        stack = Stack(Path(folder) / "stack")
        try:
            stack.up(["postgres", "mariadb", "kafka", "connect"])
            for engine in ENGINES:
                recording = record(stack, engine)
                save(engine, recording.messages, recording.oracle)
                print(f"{engine}: recorded")
        finally:
            stack.purge()


if __name__ == "__main__":
    main()
