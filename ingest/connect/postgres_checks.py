"""What a PostgreSQL server and its tables must be like, and the statements that mend what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from ingest.connect.inspection import Finding
from ingest.connect.postgres_columns import unlogged_values

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
TABLES = """
    SELECT wanted.schema || '.' || wanted.name, c.oid, c.relkind, c.relpersistence,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
           row_security_active(c.oid) AS hides_rows,
           c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_heirs,
           ARRAY(SELECT relid::oid FROM pg_partition_ancestors(c.oid) WHERE relid <> c.oid) AS parents
    FROM unnest(%s::text[], %s::text[]) wanted(schema, name)
    JOIN pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name"""
# Each table itself, and the partitions that hold its rows: each writes the log in its own way.
MEMBERS = """
    SELECT root, format('%%I.%%I', n.nspname, c.relname), c.relkind, c.relpersistence, c.relreplident,
           EXISTS (SELECT FROM pg_index told, pg_index key
                   WHERE told.indrelid = c.oid AND told.indisreplident AND key.indrelid = c.oid AND key.indisprimary
                     AND (key.indkey::int2[])[0:key.indnkeyatts - 1] <@ (told.indkey::int2[])[0:told.indnkeyatts - 1]
                  ) AS tells_key
    FROM unnest(%s::oid[]) root
    CROSS JOIN LATERAL (SELECT root UNION SELECT relid::oid FROM pg_partition_tree(root) WHERE isleaf) member(oid)
    JOIN pg_class c ON c.oid = member.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    ORDER BY root, c.oid <> root, c.oid"""
IDS = """
    SELECT n.nspname || '.' || c.relname, c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY(%s)"""
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
    """Each table: that it is there, can be read, has a primary key and says what was changed and deleted."""
    schemas, names = ([table.partition(".")[part] for table in tables] for part in (0, 2))
    rows = {table: row for table, *row in connection.execute(TABLES, (schemas, names))}
    ids = {table: int(rows[table][0]) for table in tables if table in rows}
    members: dict[int, list[Sequence[Any]]] = {number: [] for number in ids.values()}
    for number, *member in connection.execute(MEMBERS, (list(members),)):
        members[number].append(member)
    found = [
        _table(facts["user"], table, rows[table], members[ids[table]], ids)
        if table in rows
        else _absent(connection, table)
        for table in tables
    ]
    return [*found, *unlogged_values(connection, ids)]


def table_ids(connection: psycopg.Connection[Any], tables: Sequence[str]) -> dict[str, int]:
    """The number of each of these tables that is there; one that is dropped and made anew has another."""
    return {str(table): int(number) for table, number in connection.execute(IDS, (list(tables),))}


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


def _absent(connection: psycopg.Connection[Any], table: str) -> Finding:
    schema = table.partition(".")[0]
    query = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1 LIMIT 20"
    known = [str(other[0]) for other in connection.execute(query, (schema,))]
    there = ", ".join(known) or f"no tables in schema {schema}"
    return Finding(f"table {table}", "error", "not there", "an existing table", f"known tables: {there}")


def _table(
    user: str, table: str, row: Sequence[Any], members: Sequence[Sequence[Any]], mapped: Mapping[str, int]
) -> Finding:
    """A row of `TABLES`, and those of `MEMBERS`."""
    schema, _, name = table.partition(".")
    check = f"table {table}"
    _, kind, persistence, has_key, may_read, hides_rows, has_heirs, parents = row
    quoted = f'"{schema}"."{name}"'
    if kind not in ("r", "p"):
        return Finding(check, "error", "a view or foreign table", "a table", "map the tables beneath it and join them")
    if persistence != "p":
        return Finding(check, "error", "unlogged", "a logged table", "log it", f"ALTER TABLE {quoted} SET LOGGED;")
    if not may_read:
        grants = f'GRANT USAGE ON SCHEMA "{schema}" TO "{user}"; GRANT SELECT ON {quoted} TO "{user}";'
        return Finding(check, "error", f"not readable for {user}", "the right to SELECT", "", grants)
    if hides_rows:
        remedy = "the log has the rows that are hidden; let a superuser run this, or map a table without policies"
        bypass = f'ALTER ROLE "{user}" BYPASSRLS;'
        return Finding(check, "error", f"hiding rows from {user}", "no row-level security for it", remedy, bypass)
    if has_heirs:
        remedy = "changes of their rows would not come; make them partitions, or map a table that nothing inherits from"
        return Finding(check, "error", "one that other tables inherit from", "a table of its own", remedy)
    if both := sorted(other for other, its in mapped.items() if its in parents):
        remedy = "its changes come under that name; map one of them"
        return Finding(check, "error", f"a partition of {both[0]}, which is mapped too", "one of them", remedy)
    if not has_key:
        remedy = "give it one, by which its rows are known"
        add = f"ALTER TABLE {quoted} ADD PRIMARY KEY (…);"
        return Finding(check, "error", "without primary key", "a primary key", remedy, add)
    wrong = (_log(check, *member, is_partition=at > 0) for at, member in enumerate(members))
    return next((finding for finding in wrong if finding), Finding(check, "ok", "readable, with a primary key"))


def _log(
    check: str, quoted: str, kind: str, persistence: str, identity: str, tells_key: bool, *, is_partition: bool
) -> Finding | None:
    """What keeps the changes of a table or of one of its partitions from being told."""
    of = f" in partition {quoted}" if is_partition else ""
    if is_partition and (kind == "f" or persistence != "p"):
        return Finding(check, "error", f"without a log{of}", "partitions that are logged tables of this database")
    default = f"ALTER TABLE {quoted} REPLICA IDENTITY DEFAULT;"
    if identity == "n":
        remedy = "deletions would not be told"
        return Finding(check, "error", f"REPLICA IDENTITY NOTHING{of}", "DEFAULT or FULL", remedy, default)
    if identity == "i" and not tells_key:
        found = f"REPLICA IDENTITY USING INDEX without the primary key{of}"
        remedy = "deletions would not tell which row it was"
        return Finding(check, "error", found, "DEFAULT or FULL", remedy, default)
    return None
