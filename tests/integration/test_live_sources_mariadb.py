"""MariaDB as a live source: the snapshot equals the tables, changes follow, tables are read again, nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_world import LiveWorld, events, live_world, mariadb, mariadb_database, rows
from stack import StackOf
from test_live_sources_choose import TRACKS, qualified
from waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.data, pytest.mark.timeout(300)]


@pytest.fixture
def served(stack_of: StackOf, tmp_path: Path) -> Iterator[LiveWorld]:
    with live_world(stack_of("mariadb", "kafka", "connect"), tmp_path) as opened:
        yield opened


@pytest.fixture
def chinook(stack_of: StackOf, data_dir_public: Path) -> Iterator[str]:
    with mariadb_database(stack_of("mariadb"), data_dir_public / "sql_chinook/chinook_mysql.sql") as url:
        yield url


def test_chinook_streams_and_is_read_again(served: LiveWorld, chinook: str) -> None:
    before, database = served.footprint(), chinook.rpartition("/")[2]
    created = served.create("music", chinook, qualified(TRACKS, database))
    assert created.status_code == 201, created.text
    topic = f"{created.json()['topic_prefix']}.{database}.Track"
    with mariadb(chinook) as cursor:
        cursor.execute("SELECT TrackId, Name FROM Track")
        there = dict(cursor.fetchall())
        seen = eventually(lambda: rows(served, topic, "TrackId"), lambda found: len(found) == len(there))
        assert {key: row["Name"] for key, row in seen.items()} == there
        assert set(seen[1]) == {"TrackId", "Name", "AlbumId", "UnitPrice"}
        cursor.execute("UPDATE Track SET Name = '新しい', UnitPrice = 1.29 WHERE TrackId = 1")
        cursor.execute("DELETE FROM PlaylistTrack WHERE TrackId = 2")
        cursor.execute("DELETE FROM InvoiceLine WHERE TrackId = 2")
        cursor.execute("DELETE FROM Track WHERE TrackId = 2")
    changed = eventually(lambda: rows(served, topic, "TrackId"), lambda found: 2 not in found)
    assert (changed[1]["Name"], changed[1]["UnitPrice"]) == ("新しい", "1.29")

    count = len(events(served, topic))
    asked = served.call("POST", "/music/snapshot?collection=docs", json={"tables": [f"{database}.Track"]})
    assert (asked.status_code, asked.json()["kind"]) == (202, "blocking")
    eventually(lambda: len(events(served, topic)), lambda found: found == count + len(there) - 1)
    status = served.status("music")
    assert status["problems"] == []
    assert status["connector"]["task_state"] == "RUNNING"
    assert served.delete("music").json()["leftovers"] == []
    assert served.footprint() == before


def test_a_column_that_debezium_does_not_know_is_refused(served: LiveWorld, chinook: str) -> None:
    before, database = served.footprint(), chinook.rpartition("/")[2]
    with mariadb(chinook) as cursor:
        columns = "id INT PRIMARY KEY, name TEXT, v6 INET6, v4 INET4, tight VARCHAR(9) COMPRESSED, uu UUID"
        cursor.execute(f"CREATE TABLE hosts ({columns})")
    error = served.create("hosts", chinook, {f"{database}.hosts": {"title": "name", "body": "{name}"}})
    assert error.status_code == 422, error.text
    for told in (f"column {database}.hosts.v6 is inet6", f"column {database}.hosts.v4 is inet4", "varchar(9)"):
        assert told in error.json()["error"]["message"]
    assert "uuid" not in error.text
    assert served.footprint() == before
    with mariadb(chinook) as cursor:
        cursor.execute("ALTER TABLE hosts MODIFY v6 VARCHAR(39), DROP v4, MODIFY tight VARCHAR(9)")
        cursor.execute("INSERT INTO hosts VALUES (1, 'one', '::1', 'x', UUID())")
    created = served.create("hosts", chinook, {f"{database}.hosts": {"title": "name", "body": "{name}"}})
    assert created.status_code == 201, created.text
    topic = f"{created.json()['topic_prefix']}.{database}.hosts"
    seen = eventually(lambda: rows(served, topic, "id"), lambda found: len(found) == 1)
    assert seen[1]["name"] == "one"


def test_a_table_that_joins_the_mapping_later_is_read(served: LiveWorld, chinook: str) -> None:
    database = chinook.rpartition("/")[2]
    artists = {f"{database}.Artist": {"title": "Name", "body": "{Name}"}}
    created = served.create("music", chinook, artists)
    assert created.status_code == 201, created.text
    genres = {f"{database}.Genre": {"title": "Name", "body": "{Name}"}}
    changed = served.call("PATCH", "/music?collection=docs", json={"tables": artists | genres})
    assert changed.status_code == 200, changed.text
    topic = f"{created.json()['topic_prefix']}.{database}.Genre"
    assert len(eventually(lambda: rows(served, topic, "GenreId"), lambda found: len(found) == 25)) == 25
