"""What a MySQL or MariaDB server and its tables must be like, and the statements that mend what is not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from ingest.connect.inspection import Finding
from ingest.connect.unreadable_columns import unread_columns

VARIABLES = (
    "version", "log_bin", "binlog_format", "binlog_row_image", "server_id",
    "binlog_expire_logs_seconds", "expire_logs_days", "log_slave_updates", "log_replica_updates",
)  # fmt: skip
# What reading the log as a replica takes; each of several words for one right is enough.
RIGHTS: Mapping[str, Sequence[Sequence[str]]] = {
    "mysql": (("SELECT",), ("REPLICATION SLAVE",), ("REPLICATION CLIENT",), ("RELOAD", "FLUSH_TABLES")),
    "mariadb": (
        ("SELECT",),
        ("REPLICATION SLAVE",),
        ("BINLOG MONITOR", "REPLICATION CLIENT"),
        ("RELOAD",),
    ),
}
MIN_LOG_SECONDS = 24 * 3600  # a pause over a night must not lose the place in the log
_UNKNOWN_STATEMENT = (1064,)
_REFUSED = (1142, 1143, 1227)  # of a table, of a column, of a privilege
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
    facts |= {"user": row.get("user"), "database": row.get("name"), "rights": sorted(_rights(grants))}
    return facts | {"replica": _is_replica(cursor), **_log_filter(cursor)}


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
        _logged(facts),
    ]


def check_tables(cursor: DictCursor, facts: Mapping[str, Any], tables: Sequence[str]) -> list[Finding]:
    """Each table: that it is there, can be read, has a primary key, and that its changes are logged and understood."""
    return [*(_table(cursor, facts, table) for table in tables), *unread_columns(cursor, tables)]


def _kept_seconds(facts: Mapping[str, Any]) -> int:
    """0: for ever."""
    seconds = int(float(facts["binlog_expire_logs_seconds"] or 0))
    return seconds or round(float(facts["expire_logs_days"] or 0) * 24 * 3600)


def _rights(grants: Sequence[str]) -> set[str]:
    """The rights over the whole server, in capitals, and SELECT where it is granted on anything."""
    found: set[str] = set()
    for grant in grants:
        if match := _GRANT.match(grant):
            rights = {right.strip().upper() for right in re.sub(r"\(.*?\)", "", match["rights"]).split(",")}
            if match["on"] == "*.*":
                found |= rights
            elif rights & {"SELECT", "ALL PRIVILEGES"}:
                found.add("SELECT")
    return found


def _is_replica(cursor: DictCursor) -> bool:
    """Whether it applies the changes of another server now."""
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Slaves_running'")  # MariaDB, where looking closer takes one more right
    running = cursor.fetchone()
    if running is not None:
        return int(running["Value"]) > 0
    channels = _rows(cursor, "SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
    return any("Yes" in (row.get("Replica_SQL_Running"), row.get("Slave_SQL_Running")) for row in channels)


def _log_filter(cursor: DictCursor) -> dict[str, list[str]]:
    """The databases that alone are logged (all where empty), and those that are not."""
    rows = _rows(cursor, "SHOW BINARY LOG STATUS", "SHOW MASTER STATUS")
    return {
        name: [database for row in rows for database in (row.get(column) or "").split(",") if database]
        for name, column in (("logged_databases", "Binlog_Do_DB"), ("unlogged_databases", "Binlog_Ignore_DB"))
    }


def _rows(cursor: DictCursor, *statements: str) -> list[dict[str, Any]]:
    """Of the first statement that this server knows and allows us; a missing right is told elsewhere."""
    for statement in statements:
        try:
            cursor.execute(statement)
        except (pymysql.ProgrammingError, pymysql.OperationalError) as error:
            if error.args[0] not in (*_UNKNOWN_STATEMENT, *_REFUSED):
                raise
        else:
            return list(cursor.fetchall())
    return []


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
    if seconds == 0 or seconds >= MIN_LOG_SECONDS:
        return Finding("binlog_expire_logs_seconds", "ok", str(seconds) if seconds else "0 (for ever)")
    sql = "SET GLOBAL binlog_expire_logs_seconds = 604800;"
    remedy = "a source that is paused longer than this must begin anew"
    return Finding("binlog_expire_logs_seconds", "warning", str(seconds), "a day or more", remedy, sql)


def _logged(facts: Mapping[str, Any]) -> Finding:
    """A replica writes what it applies to its own log only where it is told to; MariaDB's default is not to."""
    if not facts["replica"]:
        return Finding("server", "ok", "no replica")
    setting = "log_replica_updates" if facts["log_replica_updates"] is not None else "log_slave_updates"
    if str(facts[setting]).upper() in ("ON", "1"):
        return Finding("server", "ok", f"a replica with {setting}")
    remedy = f"name the primary's host in the URL, or set {setting} in its configuration and restart it"
    return Finding("server", "error", f"a replica without {setting}", "a server that logs every change", remedy)


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


def _table(cursor: DictCursor, facts: Mapping[str, Any], name: str) -> Finding:
    database, _, table = name.partition(".")
    user, quoted = str(facts["user"]), "`{}`.`{}`".format(*_escaped(*name.split(".", 1)))
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
    if not _may_read(cursor, quoted):
        sql = f"GRANT SELECT ON {quoted} TO {_quoted_user(user)};"
        return Finding(check, "error", f"not readable for {user}", "the right to SELECT", "", sql)
    if database in facts["unlogged_databases"] or database not in (facts["logged_databases"] or [database]):
        remedy = "take the database out of binlog_ignore_db, or add it to binlog_do_db, and restart the server"
        return Finding(check, "error", f"of database {database}, which is not logged", "one in the log", remedy)
    cursor.execute(f"SHOW KEYS FROM {quoted} WHERE Key_name = 'PRIMARY'")
    if not cursor.fetchall():
        sql = f"ALTER TABLE {quoted} ADD PRIMARY KEY (…);"
        return Finding(check, "error", "without primary key", "one, by which its rows are known", "give it one", sql)
    return Finding(check, "ok", "readable, with a primary key")


def _may_read(cursor: DictCursor, quoted: str) -> bool:
    try:
        cursor.execute(f"SELECT 1 FROM {quoted} LIMIT 0")  # noqa: S608 - quoted, and of our own mapping
    except (pymysql.ProgrammingError, pymysql.OperationalError) as error:
        if error.args[0] in _REFUSED:
            return False
        raise
    return True


def _escaped(*names: str) -> tuple[str, ...]:
    return tuple(name.replace("`", "``") for name in names)


def _quoted_user(user: str) -> str:
    name, _, host = user.rpartition("@")
    return f"'{name}'@'{host}'"
