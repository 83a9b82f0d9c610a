"""What keeps MariaDB from telling all changes: rights on one database only, a replica without a log, log filters."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from live_world import mariadb
from stack import StackOf

from infra.stack.servers import mariadb as server
from ingest.connect.address import DatabaseAddress
from ingest.connect.inspection import Finding
from ingest.connect.mysql import MysqlDatabase

pytestmark = [pytest.mark.server, pytest.mark.slow]
LOG = "RELOAD, REPLICATION SLAVE, BINLOG MONITOR ON *.*"
# grants, with {} for the database -> the words of the finding about rights, and about the table
GRANTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "all of one database": (
        ("ALL PRIVILEGES ON {}.*",),
        "without REPLICATION SLAVE, BINLOG MONITOR, RELOAD",
        "readable",
    ),
    "all of the server": (("ALL PRIVILEGES ON *.*",), "all", "readable"),
    "the log, and one database": ((LOG, "SELECT ON {}.*"), "RELOAD", "readable"),
    "the log, and columns": ((LOG, "SELECT (id, title) ON {}.t"), "RELOAD", "readable"),
    "the log, and writing": ((LOG, "INSERT ON {}.t"), "without SELECT", "not readable for"),
    "the log, and another table": ((LOG, "INSERT ON {}.t", "SELECT ON {}.u"), "RELOAD", "not readable for"),
    "locks in the place of RELOAD": (
        ("SELECT, LOCK TABLES, REPLICATION SLAVE, BINLOG MONITOR ON *.*",),
        "without RELOAD",
        "readable",
    ),
}


@contextlib.contextmanager
def database(root: str) -> Iterator[str]:
    """A database with tables t and u, dropped with the user of its name."""
    name = f"kb_follow_{secrets.token_hex(4)}"
    with mariadb(root) as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'pw'")
        for table in ("t", "u"):
            cursor.execute(f"CREATE TABLE {name}.{table} (id int PRIMARY KEY, title text)")
        try:
            yield name
        finally:
            cursor.execute(f"DROP DATABASE {name}")
            cursor.execute(f"DROP USER {name}@'%'")


def findings(root: str, name: str, netloc: str = "") -> dict[str, Finding]:
    """By check; as root, or as who `netloc` names."""
    parts = urlsplit(root)._replace(scheme="mariadb", path=f"/{name}")
    url = parts._replace(netloc=f"{netloc}@{parts.hostname}:{parts.port}" if netloc else parts.netloc).geturl()
    return {one.check: one for one in MysqlDatabase(DatabaseAddress.parse(url)).inspect([f"{name}.t"]).findings}


@pytest.mark.parametrize("case", GRANTS)
def test_rights_count_where_they_are_granted(stack_of: StackOf, case: str) -> None:
    grants, rights, table = GRANTS[case]
    root = stack_of("mariadb").url("mariadb")
    with database(root) as name, mariadb(root) as cursor:
        for grant in grants:
            cursor.execute(f"GRANT {grant.format(name)} TO {name}@'%'")
        found = findings(root, name, f"{name}:pw")
        assert rights in found["rights"].found
        assert found[f"table {name}.t"].found.startswith(table)
        for finding in found.values():
            assert (finding.severity == "error") is found[finding.check].found.startswith(("without", "not"))
            if finding.severity == "error":
                cursor.execute(finding.sql)
        assert {one.severity for one in findings(root, name, f"{name}:pw").values()} == {"ok"}


def test_a_server_that_does_not_log_every_change_is_refused(
    own_stack_of: StackOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "OPTIONS", (*server.OPTIONS, "--binlog-ignore-db=hidden"))
    root = own_stack_of("mariadb").url("mariadb")
    with database(root) as name, mariadb(root) as cursor:
        assert findings(root, name)["server"].severity == "ok"
        cursor.execute("CREATE DATABASE hidden")
        cursor.execute("CREATE TABLE hidden.t (id int PRIMARY KEY)")
        hidden = findings(root, "hidden")["table hidden.t"]
        assert (hidden.severity, "which is not logged" in hidden.found) == ("error", True)
        assert findings(root, name)[f"table {name}.t"].severity == "ok"

        cursor.execute("CHANGE MASTER TO master_host = '127.0.0.1', master_port = 9, master_user = 'nobody'")
        cursor.execute("START SLAVE SQL_THREAD")
        cursor.execute(f"GRANT SELECT, {LOG} TO {name}@'%'")
        replica = findings(root, name, f"{name}:pw")["server"]  # who may not see the state of a replica
        assert (replica.severity, replica.found) == ("error", "a replica without log_slave_updates")
        cursor.execute("STOP SLAVE")
        assert findings(root, name)["server"].severity == "ok"
