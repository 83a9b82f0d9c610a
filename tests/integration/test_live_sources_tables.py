"""Tables that others split, replace or empty behind a live source's back, through Debezium to documents and status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_world import LiveWorld, live_world, mariadb, mariadb_database, postgres_database, query
from stack import StackOf
from test_live_sources_documents import documents, same
from waiting import eventually
from worker_world import running

from api.sources.live_setup import LiveSetup
from api.telemetry.worker_metrics import WorkerMetrics
from api.worker import open_worker

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]
EVENTS = """
    CREATE TABLE events (id int, region text, title text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
    CREATE TABLE events_eu PARTITION OF events FOR VALUES IN ('eu');
    INSERT INTO events VALUES (1, 'eu', 'alpha'), (2, 'eu', 'beta');
    CREATE TABLE plain (id int PRIMARY KEY, title text);
    INSERT INTO plain VALUES (1, 'one'), (2, 'two'), (3, 'three');"""
BY_EVENT = """
    SELECT 'public.events/' || region || ',' || id, title FROM events
    UNION ALL SELECT 'public.plain/' || id, title FROM plain"""
BODY = {"title": "title", "body": "{title}"}
MAPPED = {"public.events": BODY, "public.plain": BODY}


@pytest.fixture
def served(stack_of: StackOf, tmp_path: Path) -> Iterator[LiveWorld]:
    with live_world(stack_of("postgres", "mariadb", "kafka", "connect"), tmp_path) as opened:
        yield opened


@pytest.fixture
def events(stack_of: StackOf, tmp_path: Path) -> Iterator[str]:
    script = tmp_path / "events.sql"
    script.write_text(EVENTS)
    with postgres_database(stack_of("postgres"), script) as url:
        yield url


def test_documents_follow_partitions_new_tables_and_new_sources(served: LiveWorld, events: str) -> None:
    monitor = served.api.app.state.services.source_monitor
    with running(open_worker(served.api.kb, WorkerMetrics())):
        assert served.create("shop", events, MAPPED, collection="shop").status_code == 201
        same(served, events, BY_EVENT)
        query(events, "INSERT INTO events VALUES (3, 'eu', 'gamma')")
        query(events, "UPDATE events SET title = 'alpha 2' WHERE id = 1")
        query(events, "DELETE FROM events WHERE id = 2")
        query(events, "CREATE TABLE events_cn PARTITION OF events FOR VALUES IN ('cn')")
        query(events, "INSERT INTO events VALUES (4, 'cn', '贝塔')")
        query(events, "UPDATE events SET region = 'cn' WHERE id = 3")
        same(served, events, BY_EVENT)
        assert served.status("shop", "shop")["problems"] == []

        query(events, "DROP TABLE plain")
        query(events, "CREATE TABLE plain (id int PRIMARY KEY, title text)")
        query(events, "INSERT INTO plain VALUES (2, 'another two')")
        (problem,) = served.status("shop", "shop")["problems"]
        assert problem.startswith("table public.plain was dropped and made anew")
        assert problem.endswith("take a full snapshot")
        assert served.call("POST", "/shop/snapshot?collection=shop", json={"full": True}).status_code == 202
        same(served, events, BY_EVENT, meanwhile=monitor.look)
        assert served.status("shop", "shop")["problems"] == []

        gone = served.call("DELETE", "/shop?collection=shop&documents=keep").json()
        assert gone["leftovers"] == []
        assert len(documents(served)) == 4
        query(events, "DELETE FROM events WHERE id = 1")
        assert served.create("shop", events, MAPPED, collection="shop").status_code == 201
        same(served, events, BY_EVENT, meanwhile=monitor.look)
        lag = served.status("shop", "shop")["lag"]
        assert (lag["events"], lag["seconds"]) == (0, 0)
        assert served.call("POST", "/shop/pause?collection=shop").status_code == 200
        eventually(lambda: served.status("shop", "shop")["connector"]["state"], lambda state: state == "STOPPED")
        assert served.status("shop", "shop")["lag"]["seconds"] > 0, "what happens now is not known"


TABLES = """
    CREATE TABLE made_anew (id int PRIMARY KEY, title text);
    CREATE TABLE replaced (id int PRIMARY KEY, title text);
    CREATE TABLE swapped (id int PRIMARY KEY, title text);
    CREATE TABLE coming (id int PRIMARY KEY, title text);
    CREATE TABLE away (id int PRIMARY KEY, title text);
    CREATE TABLE `to``o` (id int PRIMARY KEY, title text);
    CREATE TABLE same (id int PRIMARY KEY, title text);
    INSERT INTO made_anew VALUES (1, 'one'), (2, 'two');"""
REPLACED = (
    "DROP TABLE IF EXISTS made_anew",
    "CREATE TABLE made_anew (id int PRIMARY KEY, title text)",
    "CREATE OR REPLACE TABLE replaced (id int PRIMARY KEY, title text)",
    "RENAME TABLE swapped TO old, coming TO swapped",
    "ALTER TABLE away RENAME TO gone",
    "ALTER TABLE old RENAME `to``o2`, ADD COLUMN more int",
    "DROP TABLE `to``o`",
    "ALTER TABLE `to``o2` RENAME AS `to``o`",
)
HARMLESS = (
    "ALTER TABLE same ADD COLUMN more int, RENAME COLUMN more2 TO more3",
    "CREATE TABLE IF NOT EXISTS same (id int PRIMARY KEY)",
    "TRUNCATE TABLE same",
    "OPTIMIZE TABLE same",
    "DROP TABLE IF EXISTS other",
)


@pytest.fixture
def tables(stack_of: StackOf, tmp_path: Path) -> Iterator[str]:
    script = tmp_path / "tables.sql"
    script.write_text(TABLES + "ALTER TABLE same ADD COLUMN more2 int;")
    with mariadb_database(stack_of("mariadb"), script) as url:
        yield url


def test_tables_of_mariadb_that_are_made_anew_are_told(served: LiveWorld, tables: str) -> None:
    name = tables.rpartition("/")[2]
    mapped = ("made_anew", "replaced", "swapped", "away", "to`o", "same")
    assert served.create("m", tables, {f"{name}.{table}": BODY for table in mapped}).status_code == 201
    eventually(lambda: served.status("m")["snapshot"]["state"], lambda state: state == "completed")
    assert served.status("m")["problems"] == []
    with mariadb(tables) as cursor:
        for statement in (*REPLACED, *HARMLESS):
            cursor.execute(statement)
    found = eventually(lambda: served.status("m")["problems"], lambda found: len(found) >= len(mapped))
    told = [problem for problem in found if "take a full snapshot" in problem]
    assert [problem.split()[1] for problem in told] == sorted(f"{name}.{table}" for table in mapped if table != "same")
    (missing,) = [problem for problem in found if problem not in told]
    assert missing.startswith(f"table {name}.away is not there")
    with mariadb(tables) as cursor:
        cursor.execute("RENAME TABLE gone TO away")
    assert served.call("POST", "/m/snapshot?collection=docs", json={"full": True}).status_code == 202
    assert served.status("m")["problems"] == []
    with mariadb(tables) as cursor:
        cursor.execute(f"DROP DATABASE {name}; CREATE DATABASE {name}")
    found = eventually(lambda: served.status("m")["problems"], lambda found: len(found) == 2 * len(mapped))
    assert len([problem for problem in found if "take a full snapshot" in problem]) == len(mapped)


def test_a_source_whose_first_snapshot_fails_is_not_made(
    served: LiveWorld, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the checks did not foresee: here a right to read the log that is not there."""
    name, before = tables.rpartition("/")[2], served.footprint()
    with mariadb(tables) as cursor:
        cursor.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'pw'")
        cursor.execute(f"GRANT ALL PRIVILEGES ON {name}.* TO {name}@'%'")
        try:
            url = f"mariadb://{name}:pw@{tables.rpartition('@')[2]}"
            refused = served.create("m", url, {f"{name}.same": BODY}, collection="new")
            assert "without REPLICATION SLAVE, BINLOG MONITOR, RELOAD" in refused.json()["error"]["message"]
            monkeypatch.setattr(LiveSetup, "check_database", lambda *_: [])
            failed = served.create("m", url, {f"{name}.same": BODY}, collection="new")
        finally:
            cursor.execute(f"DROP USER {name}@'%'")
    assert (failed.status_code, "RELOAD privilege" in failed.text) == (422, True), failed.text
    assert served.footprint() == before
