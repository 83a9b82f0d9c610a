"""`kb stack` on the real servers: what it says is there answers, faults are survived, and nothing else is touched."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pymysql
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from stack import StackOf, folder_of, own_folder_of, this_run, watch
from stack_watcher import remove
from waiting import eventually, listens_on

from infra.settings import Settings
from infra.stack.processes import alive, identify
from infra.stack.stack import Stack

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]


def parts(url: str) -> tuple[str, str, int]:
    """User, password and port of a server's URL."""
    parsed = httpx.URL(url)
    assert parsed.host == "127.0.0.1"
    return parsed.username, parsed.password, parsed.port or 0


def mysql(url: str) -> pymysql.Connection:
    user, password, port = parts(url)
    return pymysql.connect(host="127.0.0.1", port=port, user=user, password=password, autocommit=True)


def kb(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", "stack", *arguments, "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_every_server_does_its_work(stack_of: StackOf) -> None:
    stack = stack_of()
    with psycopg.connect(stack.url("postgres")) as connection:
        assert connection.execute("SHOW wal_level").fetchone() == ("logical",)
        assert connection.execute("SELECT current_database()").fetchone() == ("kb_catalog",)
    with mysql(stack.url("mariadb")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@character_set_server")
        assert cursor.fetchone() == (1, "ROW", "FULL", "utf8mb4")
    with redis.Redis.from_url(stack.url("redis")) as client:
        assert client.incr(f"test-{secrets.token_hex(4)}") == 1
    found = httpx.get(stack.url("elasticsearch"), trust_env=False).json()
    assert found["version"]["number"].startswith(("9.", "8."))
    status = stack.status()
    assert all(one.ready for one in status.values())
    assert sum(one.pss for one in status.values()) < 4 * 2**30


def test_status_as_json_is_what_programs_rely_on(stack_of: StackOf) -> None:
    stack = stack_of()
    done = kb(stack.folder, "status", "--json")
    assert done.returncode == 0, done.stderr
    servers = json.loads(done.stdout)["servers"]
    assert list(servers) == ["postgres", "mariadb", "kafka", "connect", "elasticsearch", "redis"]
    assert all(one["ready"] is True and one["url"] == stack.url(name) for name, one in servers.items())


def test_env_names_settings_and_points_at_the_servers(stack_of: StackOf) -> None:
    stack = stack_of()
    printed = kb(stack.folder, "env").stdout
    shell = subprocess.run(["sh", "-c", f"{printed}\nenv"], capture_output=True, text=True, check=True).stdout
    seen = dict(line.split("=", 1) for line in shell.splitlines() if line.startswith("KB_"))
    assert {name: seen[name] for name in stack.env()} == stack.env()
    assert {name.removeprefix("KB_").lower() for name in stack.env()} <= set(Settings.model_fields)
    with psycopg.connect(seen["KB_CATALOG_URL"].replace("+psycopg", "")) as connection:
        connection.execute("SELECT 1")


def connector_for(stack: Stack, kind: str, name: str, database: str) -> dict[str, object]:
    """A connector whose password is in a file that only Connect reads."""
    user, password, port = parts(stack.url(kind))
    secret = stack.folder / "connect-secrets" / f"{name}.properties"
    secret.touch(0o640)
    secret.write_text(f"password={password}\n", encoding="utf-8")
    common = {
        "topic.prefix": name,
        "database.hostname": "127.0.0.1",
        "database.port": port,
        "database.user": user,
        "database.password": f"${{file:{secret}:password}}",
        "poll.interval.ms": 10,
    }
    if kind == "postgres":
        plugin = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.dbname": database}
        return common | plugin | {"plugin.name": "pgoutput", "slot.name": name, "publication.name": name}
    return common | {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "database.include.list": database,
        "database.server.id": 5000 + secrets.randbelow(100_000),
        "schema.history.internal.kafka.bootstrap.servers": stack.url("kafka"),
        "schema.history.internal.kafka.topic": f"{name}-schema",
    }


@contextlib.contextmanager
def table(stack: Stack, kind: str, database: str) -> Iterator[Callable[[str], object]]:
    """A function that inserts a text into a new table of a new database."""
    with contextlib.ExitStack() as open_ones:
        if kind == "mariadb":
            cursor = open_ones.enter_context(open_ones.enter_context(mysql(stack.url("mariadb"))).cursor())
            cursor.execute(f"CREATE DATABASE {database}")
            cursor.execute(f"USE {database}")
        else:
            with psycopg.connect(stack.url("postgres"), autocommit=True) as first:
                first.execute(f"CREATE DATABASE {database}")
            url = stack.url("postgres").rsplit("/", 1)[0] + f"/{database}"
            cursor = open_ones.enter_context(psycopg.connect(url, autocommit=True)).cursor()
        cursor.execute("CREATE TABLE notes (id integer PRIMARY KEY, body text)")
        identifiers = iter(range(1, 1000))
        yield lambda text: cursor.execute("INSERT INTO notes VALUES (%s, %s)", (next(identifiers), text))


def consume_until(stack: Stack, topic: str, body: object) -> list[object]:
    """The bodies of a topic's events from its first on, until `body` came."""
    consumer = KafkaConsumer(topic, bootstrap_servers=stack.url("kafka"), auto_offset_reset="earliest")
    bodies: list[object] = []

    def polled() -> list[object]:
        for records in consumer.poll(timeout_ms=200).values():
            bodies.extend(json.loads(record.value)["payload"]["after"]["body"] for record in records)
        return bodies

    try:
        return eventually(polled, lambda found: body in found, what=f"{body!r} in {topic}")
    finally:
        consumer.close()


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_row_becomes_an_event_also_after_connect_was_killed(own_stack_of: StackOf, kind: str) -> None:
    """A crash may deliver events again (what was not yet confirmed), and loses none."""
    stack = own_stack_of(kind, "connect")
    name = f"t{secrets.token_hex(5)}"
    topic = f"{name}.{'public' if kind == 'postgres' else name}.notes"
    rest = httpx.Client(base_url=stack.url("connect"), trust_env=False, timeout=30)
    with rest, table(stack, kind, name) as insert:
        insert("before the snapshot 快照")
        rest.put(f"/connectors/{name}/config", json=connector_for(stack, kind, name, name)).raise_for_status()
        consume_until(stack, topic, "before the snapshot 快照")

        stack.kill("connect")
        insert("while nobody listened")
        stack.up(["connect"])

        consume_until(stack, topic, "while nobody listened")
        shown = rest.get(f"/connectors/{name}/config").raise_for_status().text
        assert parts(stack.url(kind))[1] not in shown
        rest.delete(f"/connectors/{name}").raise_for_status()


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder for a stack of the test's own, stopped and removed also where the test fails."""
    folder = own_folder_of(this_run())
    watch(this_run(), folder)
    try:
        yield folder
    finally:
        remove(folder)


def test_a_killed_server_keeps_its_address_and_its_data(own_folder: Path) -> None:
    stack = Stack(own_folder)
    before = {name: one.url for name, one in stack.up(["postgres", "redis"]).items()}
    with psycopg.connect(stack.url("postgres")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for name in before:
        stack.kill(name)
        assert not stack.status()[name].ready
    assert {name: one.url for name, one in stack.up(["postgres", "redis"]).items()} == before
    with psycopg.connect(stack.url("postgres")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_paused_server_answers_again_after_it_was_resumed(own_folder: Path) -> None:
    stack = Stack(own_folder)
    stack.up(["redis"])
    stack.pause("redis")
    with redis.Redis.from_url(stack.url("redis"), socket_timeout=1) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    assert not stack.status()["redis"].ready
    stack.resume("redis")
    with redis.Redis.from_url(stack.url("redis")) as client:
        assert client.ping()


def test_a_second_up_starts_nothing_and_a_second_down_stops_nothing(own_folder: Path) -> None:
    stack = Stack(own_folder)
    first = stack.up(["postgres"])["postgres"].pid
    assert stack.up(["postgres"])["postgres"].pid == first
    assert stack.down() == ["postgres"]
    assert stack.down() == []
    assert identify(first or 0) is None


def test_down_touches_no_process_that_it_did_not_start(own_folder: Path) -> None:
    stack = Stack(own_folder)
    stack.up(["redis"])
    stack.kill("redis")
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:  # the id of the dead server has come to belong to a stranger
        pid_file = own_folder / "redis.pid.json"
        pid_file.write_text(json.dumps(json.loads(pid_file.read_text()) | {"pid": stranger.pid}))
        assert stack.down() == []
        found = identify(stranger.pid)
        assert found is not None and alive(found)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_taken_port_is_given_up_and_named(own_folder: Path) -> None:
    done = kb(own_folder, "up", "--only", "redis", "--json")
    before = json.loads(done.stdout)["servers"]["redis"]["url"]
    port = parts(before)[2]
    assert kb(own_folder, "down").returncode == 0
    thief = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"], cwd=own_folder)
    try:
        eventually(lambda: listens_on(port), what="another redis-server on the port")
        again = kb(own_folder, "up", "--only", "redis", "--json")
        assert again.returncode == 0, again.stderr
        assert f"port {port} is taken by another program" in again.stderr
        assert json.loads(again.stdout)["servers"]["redis"]["url"] != before
        assert kb(own_folder, "down").returncode == 0
        assert thief.poll() is None
    finally:
        thief.send_signal(signal.SIGKILL)
        thief.wait()


def test_a_server_that_cannot_start_shows_its_log_and_the_remedy(own_folder: Path) -> None:
    assert kb(own_folder, "up", "--only", "postgres").returncode == 0
    assert kb(own_folder, "down").returncode == 0
    (own_folder / "postgres/data/global/pg_control").unlink()
    done = kb(own_folder, "up", "--only", "postgres")
    assert done.returncode == 1
    assert "could not open file" in done.stderr and "pg_control" in done.stderr
    assert "kb stack down --purge" in done.stderr
    assert "Traceback" not in done.stderr


def test_purge_asks_and_removes_only_a_stacks_folder(own_folder: Path, tmp_path: Path) -> None:
    Stack(own_folder).up(["redis"])
    refused = kb(own_folder, "down", "--purge")
    assert refused.returncode != 0 and own_folder.is_dir()
    assert kb(own_folder, "down", "--purge", "--yes").returncode == 0
    assert not own_folder.exists()
    (tmp_path / "precious").touch()
    assert kb(tmp_path, "down", "--purge", "--yes").returncode == 1
    assert (tmp_path / "precious").exists()


@pytest.mark.soak
def test_elasticsearch_asks_for_the_password_where_it_is_secured(own_folder: Path) -> None:
    stack = Stack(own_folder)
    stack.up(["elasticsearch"], secure=True)
    url = httpx.URL(stack.url("elasticsearch"))
    assert httpx.get(url.copy_with(userinfo=b""), trust_env=False).status_code == 401
    assert httpx.get(url, trust_env=False).status_code == 200


def test_the_servers_of_a_killed_run_are_stopped(tmp_path: Path) -> None:
    run = subprocess.Popen(["sleep", "600"])
    folder = folder_of(run.pid)
    watch(run.pid, folder)
    pid = Stack(folder).up(["redis"])["redis"].pid
    assert identify(pid or 0) is not None
    run.kill()
    run.wait()
    eventually(lambda: not folder.exists(), what="the end of its stack")
    assert identify(pid or 0) is None


def test_kafka_keeps_its_records_through_a_crash(own_stack_of: StackOf) -> None:
    stack = own_stack_of("kafka")
    topic = f"test-{secrets.token_hex(4)}"
    producer = KafkaProducer(bootstrap_servers=stack.url("kafka"), acks="all")
    producer.send(topic, b'{"payload": {"after": {"body": "kept"}}}').get(timeout=30)
    producer.close()
    stack.kill("kafka")
    stack.up(["kafka"])
    assert consume_until(stack, topic, "kept") == ["kept"]
