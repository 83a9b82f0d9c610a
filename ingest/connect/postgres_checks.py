"""What a PostgreSQL server and its tables must be like, and the statements that mend what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from ingest.connect.inspection import Finding

OLDEST = 130_000  # reading tables again without writing to the database needs pg_current_snapshot()
WITH_MESSAGES = 140_000  # publications carry logical messages, our heartbeats
FACTS = """
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_number,
           current_database() AS database, current_user AS "user", current_setting('wal_level') AS wal_level,
           current_setting('max_replication_slots')::int AS max_replication_slots,
           current_setting('max_wal_senders')::int AS max_wal_senders,
           (SELECT count(*) FROM pg_replication_slots)::int AS used_replication_slots,
           (SELECT count(*) FROM pg_stat_replication)::int AS used_wal_senders,
           pg_is_in_recovery() AS standby,
           (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_replicate"""
TABLE = """
    SELECT c.relkind, c.relreplident, c.relpersistence,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s"""
# Roles that managed services grant in the place of the attribute REPLICATION.
SERVICE_ROLES = ("rds_replication", "cloudsqlsuperuser", "azure_pg_admin", "alloydbsuperuser")


def server_facts(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Version, settings and rights by name."""
    cursor = connection.execute(FACTS)
    assert cursor.description is not None
    row = cursor.fetchone()
    assert row is not None
    facts = dict(zip((column.name for column in cursor.description), row, strict=True))
    member = "SELECT bool_or(pg_has_role(current_user, oid, 'MEMBER')) FROM pg_roles WHERE rolname = ANY(%s)"
    of_service = connection.execute(member, (list(SERVICE_ROLES),)).fetchone()
    facts["may_replicate"] = bool(facts["may_replicate"] or (of_service and of_service[0]))
    facts["free_replication_slots"] = facts["max_replication_slots"] - facts["used_replication_slots"]
    facts["free_wal_senders"] = facts["max_wal_senders"] - facts["used_wal_senders"]
    return facts


def check_server(facts: Mapping[str, Any]) -> list[Finding]:
    """Version, log level, free slots and senders, the right to replicate."""
    return [
        _version(facts),
        _wal_level(facts["wal_level"]),
        _room("max_replication_slots", facts["free_replication_slots"], facts["max_replication_slots"]),
        _room("max_wal_senders", facts["free_wal_senders"], facts["max_wal_senders"]),
        _replication(facts),
        _primary(facts["standby"]),
    ]


def check_tables(connection: psycopg.Connection[Any], facts: Mapping[str, Any], tables: Sequence[str]) -> list[Finding]:
    """Each table: that it is there, can be read, has a primary key and says what was deleted."""
    return [finding for table in tables for finding in _table(connection, facts["user"], table)]


def _version(facts: Mapping[str, Any]) -> Finding:
    number, version = facts["version_number"], facts["version"]
    if number < OLDEST:
        return Finding("version", "error", version, "PostgreSQL 13 or newer", "upgrade the server")
    if number < WITH_MESSAGES:
        remedy = "upgrade, or see to it that something changes in this database: an idle one keeps the server's log"
        return Finding("version", "warning", version, "14 or newer for heartbeats", remedy)
    return Finding("version", "ok", version)


def _wal_level(level: str) -> Finding:
    if level == "logical":
        return Finding("wal_level", "ok", level)
    remedy = "set it and restart the server (on a managed service: its parameter for logical replication)"
    return Finding("wal_level", "error", level, "logical", remedy, "ALTER SYSTEM SET wal_level = logical;")


def _room(setting: str, free: int, most: int) -> Finding:
    if free > 0:
        return Finding(setting, "ok", f"{most} with {free} free")
    remedy = "raise it and restart the server, or drop what nobody uses (see pg_replication_slots)"
    return Finding(
        setting, "error", f"{most} and all taken", "one free", remedy, f"ALTER SYSTEM SET {setting} = {most + 10};"
    )


def _replication(facts: Mapping[str, Any]) -> Finding:
    if facts["may_replicate"]:
        return Finding("replication", "ok", f"granted to {facts['user']}")
    statement = f'ALTER ROLE "{facts["user"]}" WITH REPLICATION;'
    remedy = "let a superuser run this (on Amazon RDS: GRANT rds_replication)"
    return Finding(
        "replication", "error", f"not granted to {facts['user']}", "the attribute REPLICATION", remedy, statement
    )


def _primary(standby: bool) -> Finding:
    if not standby:
        return Finding("server", "ok", "primary")
    return Finding("server", "error", "standby", "the primary", "name the primary's host in the URL")


def _table(connection: psycopg.Connection[Any], user: str, table: str) -> list[Finding]:
    schema, _, name = table.partition(".")
    row = connection.execute(TABLE, (schema, name)).fetchone()
    check = f"table {table}"
    if row is None:
        query = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1 LIMIT 20"
        known = [str(other[0]) for other in connection.execute(query, (schema,))]
        there = ", ".join(known) or f"no tables in schema {schema}"
        return [Finding(check, "error", "not there", "an existing table", f"known tables: {there}")]
    kind, identity, persistence, has_key, may_read = row
    quoted = f'"{schema}"."{name}"'
    if kind not in ("r", "p"):
        return [
            Finding(check, "error", "a view or foreign table", "a table", "map the tables beneath it and join them")
        ]
    if persistence != "p":
        return [Finding(check, "error", "unlogged", "a logged table", "log it", f"ALTER TABLE {quoted} SET LOGGED;")]
    if not may_read:
        grants = f'GRANT USAGE ON SCHEMA "{schema}" TO "{user}"; GRANT SELECT ON {quoted} TO "{user}";'
        return [Finding(check, "error", f"not readable for {user}", "the right to SELECT", "", grants)]
    return [_identity(check, quoted, identity, has_key)]


def _identity(check: str, quoted: str, identity: str, has_key: bool) -> Finding:
    if not has_key:
        remedy = "give it one, by which its rows are known"
        return Finding(
            check, "error", "without primary key", "a primary key", remedy, f"ALTER TABLE {quoted} ADD PRIMARY KEY (…);"
        )
    if identity == "n":
        statement = f"ALTER TABLE {quoted} REPLICA IDENTITY DEFAULT;"
        return Finding(
            check, "error", "REPLICA IDENTITY NOTHING", "DEFAULT or FULL", "deletions would not be told", statement
        )
    return Finding(check, "ok", "readable, with a primary key")
