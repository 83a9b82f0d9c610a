"""What a MySQL or MariaDB server and its tables must be like, and the statements that mend what is not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pymysql.cursors import DictCursor

from ingest.connect.inspection import Finding

VARIABLES = (
    "version", "log_bin", "binlog_format", "binlog_row_image", "server_id",
    "binlog_expire_logs_seconds", "expire_logs_days",
)  # fmt: skip
# What reading the log as a replica takes; each of several words for one right is enough.
RIGHTS: Mapping[str, Sequence[Sequence[str]]] = {
    "mysql": (("SELECT",), ("REPLICATION SLAVE",), ("REPLICATION CLIENT",), ("RELOAD", "FLUSH_TABLES", "LOCK TABLES")),
    "mariadb": (
        ("SELECT",),
        ("REPLICATION SLAVE",),
        ("BINLOG MONITOR", "REPLICATION CLIENT"),
        ("RELOAD", "LOCK TABLES"),
    ),
}
SHORTEST_LOG_SECONDS = 24 * 3600  # a pause over a night must not lose the place in the log
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<on>\S+) TO ", re.IGNORECASE)


def server_facts(cursor: DictCursor) -> dict[str, Any]:
    """Settings and rights by name; what this server does not have is None."""
    cursor.execute("SHOW GLOBAL VARIABLES WHERE Variable_name IN %s", (VARIABLES,))
    found = {row["Variable_name"]: row["Value"] for row in cursor.fetchall()}
    cursor.execute("SELECT CURRENT_USER() AS user, DATABASE() AS name")
    row = cursor.fetchone() or {}
    cursor.execute("SHOW GRANTS")
    grants = [str(next(iter(grant.values()))) for grant in cursor.fetchall()]
    facts: dict[str, Any] = {name: found.get(name) for name in VARIABLES}
    facts["binlog_expire_logs_seconds"] = _kept_seconds(facts)
    return facts | {"user": row.get("user"), "database": row.get("name"), "rights": sorted(_rights(grants))}


def check_server(engine: str, facts: Mapping[str, Any]) -> list[Finding]:
    """The log's settings and the user's rights."""
    return [
        Finding("version", "ok", facts["version"]),
        _setting("log_bin", facts["log_bin"], ("ON", "1"), "start the server with --log-bin"),
        _setting("binlog_format", facts["binlog_format"], ("ROW",), "", "SET GLOBAL binlog_format = 'ROW';"),
        _setting("binlog_row_image", facts["binlog_row_image"], ("FULL",), "", "SET GLOBAL binlog_row_image = 'FULL';"),
        _server_id(facts["server_id"]),
        _kept(facts["binlog_expire_logs_seconds"]),
        *_missing_rights(engine, facts),
    ]


def check_tables(cursor: DictCursor, facts: Mapping[str, Any], tables: Sequence[str]) -> list[Finding]:
    """Each table: that it is there, can be seen, and has a primary key."""
    return [_table(cursor, str(facts["user"]), table) for table in tables]


def _kept_seconds(facts: Mapping[str, Any]) -> int:
    """0: for ever."""
    seconds = int(float(facts["binlog_expire_logs_seconds"] or 0))
    return seconds or round(float(facts["expire_logs_days"] or 0) * 24 * 3600)


def _rights(grants: Sequence[str]) -> set[str]:
    """Every right that is granted anywhere, in capitals."""
    found: set[str] = set()
    for grant in grants:
        if match := _GRANT.match(grant):
            found.update(re.sub(r"\(.*?\)", "", right).strip().upper() for right in match["rights"].split(","))
    return found


def _setting(name: str, found: Any, expected: Sequence[str], remedy: str, sql: str = "") -> Finding:
    if str(found).upper() in expected:
        return Finding(name, "ok", str(found))
    lasting = remedy or f"and set {name}={expected[0]} in the server's configuration, so that it outlives a restart"
    return Finding(name, "error", str(found), expected[0], lasting, sql)


def _server_id(number: Any) -> Finding:
    if int(number or 0) > 0:
        return Finding("server_id", "ok", str(number))
    return Finding("server_id", "error", "0", "a number of its own", "set it and restart", "SET GLOBAL server_id = 1;")


def _kept(seconds: int) -> Finding:
    if seconds == 0 or seconds >= SHORTEST_LOG_SECONDS:
        return Finding("binlog_expire_logs_seconds", "ok", str(seconds) if seconds else "0 (for ever)")
    sql = "SET GLOBAL binlog_expire_logs_seconds = 604800;"
    remedy = "a source that is paused longer than this must begin anew"
    return Finding("binlog_expire_logs_seconds", "warning", str(seconds), "a day or more", remedy, sql)


def _missing_rights(engine: str, facts: Mapping[str, Any]) -> list[Finding]:
    rights = set(facts["rights"])
    if "ALL PRIVILEGES" in rights:
        return [Finding("rights", "ok", "all")]
    missing = [words[0] for words in RIGHTS[engine] if not rights & set(words)]
    if not missing:
        return [Finding("rights", "ok", ", ".join(sorted(rights)))]
    sql = f"GRANT {', '.join(missing)} ON *.* TO {_quoted_user(str(facts['user']))};"
    found = f"without {', '.join(missing)}"
    return [Finding("rights", "error", found, "the rights of a reading replica", "let an administrator run it", sql)]


def _table(cursor: DictCursor, user: str, name: str) -> Finding:
    database, _, table = name.partition(".")
    query = "SELECT table_type AS kind FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    cursor.execute(query, (database, table))
    row, check = cursor.fetchone(), f"table {name}"
    if row is None:
        cursor.execute("SELECT table_name AS name FROM information_schema.tables WHERE table_schema = %s", (database,))
        known = ", ".join(sorted(f"{database}.{other['name']}" for other in cursor.fetchall())[:20]) or "none"
        remedy = f"tables that {user} sees there: {known}"
        sql = f"GRANT SELECT ON `{database}`.* TO {_quoted_user(user)};"
        return Finding(check, "error", "not there, or not visible", "an existing table", remedy, sql)
    if row["kind"] != "BASE TABLE":
        return Finding(check, "error", str(row["kind"]).lower(), "a table", "map the tables beneath it and join them")
    cursor.execute("SHOW KEYS FROM `{}`.`{}` WHERE Key_name = 'PRIMARY'".format(*_escaped(database, table)))
    if not cursor.fetchall():
        sql = f"ALTER TABLE `{database}`.`{table}` ADD PRIMARY KEY (…);"
        return Finding(check, "error", "without primary key", "one, by which its rows are known", "give it one", sql)
    return Finding(check, "ok", "readable, with a primary key")


def _escaped(*names: str) -> tuple[str, ...]:
    return tuple(name.replace("`", "``") for name in names)


def _quoted_user(user: str) -> str:
    name, _, host = user.rpartition("@")
    return f"'{name}'@'{host}'"
