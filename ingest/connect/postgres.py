"""PostgreSQL as a live source: what it must be set to, and the slot and publication that a source holds there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from ingest.connect.address import CONNECT_SECONDS, STATEMENT_SECONDS, DatabaseAddress
from ingest.connect.inspection import Capture, Finding, Inspection, Leftover
from ingest.connect.names import slot_name
from ingest.connect.postgres_checks import check_server, check_tables, server_facts, table_ids
from ingest.connect.postgres_publication import (
    change_publication,
    covering_publication,
    covering_publications,
    create_publication,
    publication_sql,
    published,
)
from ingest.errors import SourceError, SourceOutageError

SLOT_SECONDS = 15.0  # how long the walsender of a connector that was stopped may hold its slot


class PostgresDatabase:
    """A `Database`. Nothing is written to the user's tables, so rights to read them are enough."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address

    def inspect(self, tables: Sequence[str] = ()) -> Inspection:
        """See `Database`."""
        with self._connected() as connection:
            facts = server_facts(connection)
            findings = check_server(facts)
            if tables:
                findings += check_tables(connection, facts, tables)
                findings += _check_publication(connection, tables)
        return Inspection("postgresql", facts["version"], facts, findings)

    def prepare(self, prefix: str, tables: Sequence[str], excluded: Sequence[str]) -> Capture:
        """See `Database`. The slot is the connector's to make, together with the snapshot it exports."""
        name = slot_name(prefix)
        with self._connected() as connection:
            facts = server_facts(connection)
            publication, owns = self._publication(connection, name, tables, excluded)
            about = {"database": facts["database"], "logical_messages": facts["version_number"] >= 140_000}
            about["table_ids"] = table_ids(connection, tables)
        return Capture(tuple(tables), name, publication, owns, excluded=tuple(excluded), facts=about)

    def change(self, capture: Capture, tables: Sequence[str], excluded: Sequence[str]) -> Capture:
        """See `Database`."""
        with self._connected() as connection:
            if capture.owns_publication:  # also where these are the tables already: a change is taken back so
                change_publication(connection, capture.publication, tables)
            elif (set(tables), set(excluded)) != (set(capture.tables), set(capture.excluded)):
                _require_covered(connection, capture.publication, tables, excluded)
            ids = table_ids(connection, tables)
        known = {table: number for table, number in capture.facts.get("table_ids", {}).items() if table in ids}
        facts = {**capture.facts, "table_ids": ids | known}
        return replace(capture, tables=tuple(tables), excluded=tuple(excluded), facts=facts)

    def release(self, capture: Capture) -> list[Leftover]:
        """See `Database`. A slot that a dying connector still holds is waited for, then taken from it."""
        left = []
        with self._connected() as connection:
            try:
                _drop_slot(connection, capture.slot)
            except psycopg.Error as error:
                left.append(Leftover(f"replication slot {capture.slot}", _reason(error), _drop_slot_sql(capture.slot)))
            if capture.owns_publication:
                try:
                    connection.execute(
                        sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(capture.publication))
                    )
                except psycopg.Error as error:
                    statement = _drop_publication_sql(capture.publication)
                    left.append(Leftover(f"publication {capture.publication}", _reason(error), statement))
        return left

    def release_by_hand(self, capture: Capture) -> str:
        """See `Database`."""
        statements = [_drop_slot_sql(capture.slot)]
        if capture.owns_publication:
            statements.append(_drop_publication_sql(capture.publication))
        return " ".join(statements)

    def progress(self, capture: Capture) -> Mapping[str, Any]:
        """`slot_lag_bytes`: log not yet confirmed; `slot_retained_bytes`: log kept on the server's disk for us."""
        query = """
            SELECT active, wal_status,
                   pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS slot_lag_bytes,
                   pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS slot_retained_bytes,
                   safe_wal_size AS slot_safe_bytes
            FROM pg_replication_slots WHERE slot_name = %s"""
        with self._connected() as connection:
            row = connection.execute(query, (capture.slot,)).fetchone()
        if row is None:
            return {"slot": capture.slot, "slot_exists": False}
        names = ("slot_active", "slot_wal_status", "slot_lag_bytes", "slot_retained_bytes", "slot_safe_bytes")
        return {"slot": capture.slot, "slot_exists": True, **dict(zip(names, row, strict=True))}

    def problems(self, capture: Capture) -> list[str]:
        """See `Database`."""
        found, followed, known = [], [], capture.facts.get("table_ids", {})
        with self._connected() as connection:
            facts, ids = server_facts(connection), table_ids(connection, capture.tables)
            held = published(connection, capture.tables).get(capture.publication, {})
            for table in capture.tables:
                if table not in ids:
                    found.append(
                        f"table {table} was dropped or renamed; bring it back and take a full snapshot, or take it out "
                        "of the mapping"
                    )
                elif known.get(table, ids[table]) != ids[table]:
                    found.append(
                        f"table {table} was dropped and made anew, or another one was renamed to it: what it had "
                        "before stays, and its changes may not come; take a full snapshot"
                    )
                elif table not in held:
                    found.append(
                        f"publication {capture.publication} does not cover table {table}, so its changes do not come; "
                        "take a full snapshot"
                    )
                else:
                    followed.append(table)
            checked = check_tables(connection, facts, followed)
        return found + [one.text for one in checked if one.severity == "error"]

    def _publication(
        self, connection: psycopg.Connection[Any], name: str, tables: Sequence[str], excluded: Sequence[str]
    ) -> tuple[str, bool]:
        """The publication to read, and whether it is ours: a new one, else an operator's that covers the tables."""
        try:
            create_publication(connection, name, tables)
        except psycopg.errors.InsufficientPrivilege as error:
            found = covering_publication(connection, tables, excluded)
            if found is None:
                raise SourceError(_cannot_publish(tables, _reason(error))) from None
            return found, False
        return name, True

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        address = self._address
        try:
            connection = psycopg.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password,
                dbname=address.database,
                connect_timeout=CONNECT_SECONDS,
                options=f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s",
                application_name="autoglm-kb",
                autocommit=True,
                **address.options,  # type: ignore[arg-type]  # sslmode, checked by DatabaseAddress
            )
        except psycopg.OperationalError as error:
            raise _connection_failure(address, error) from None
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise SourceOutageError(
                f"database {address.shown} does not serve us: {_reason(error)}; retry later"
            ) from None
        except psycopg.Error as error:
            raise SourceError(f"database {address.shown} refuses: {_reason(error)}; check the user's rights") from None
        finally:
            connection.close()


def _check_publication(connection: psycopg.Connection[Any], tables: Sequence[str]) -> list[Finding]:
    """Whether a publication of these tables is there or could be made; tried and taken back."""
    covering = covering_publication(connection, tables)
    if covering is not None:
        return [Finding("publication", "ok", f"{covering}, which covers the tables")]
    connection.autocommit = False
    try:
        create_publication(connection, "kb_connection_test", tables)
    except psycopg.Error as error:
        refusal = error
    else:
        return [Finding("publication", "ok", "not there yet, and ours to make")]
    finally:
        connection.rollback()
        connection.autocommit = True
    for name, left_out in covering_publications(connection, tables).items():
        found = f"{name}, which leaves out {', '.join(sorted(left_out))}"
        return [Finding("publication", "warning", found, "all columns that the mapping names")]
    expected = "the right to make a publication, or one that covers the tables, with all rows and changes"
    remedy = "a superuser, or the tables' owner with CREATE on the database, makes it"
    found = f"not there and not ours to make ({_reason(refusal)})"
    return [Finding("publication", "error", found, expected, remedy, publication_sql(tables))]


def _cannot_publish(tables: Sequence[str], reason: str) -> str:
    return (
        f"no publication covers {', '.join(tables)} with all rows, changes and mapped columns, and the user may not "
        f"make one ({reason}); let a superuser or the tables' owner run: {publication_sql(tables)}"
    )


def _require_covered(
    connection: psycopg.Connection[Any], publication: str, tables: Sequence[str], excluded: Sequence[str]
) -> None:
    held = published(connection, tables).get(publication, {})
    missing = sorted(set(tables) - held.keys()) + sorted(set().union(*held.values()) - set(excluded))
    if missing:
        raise SourceError(
            f"publication {publication} does not cover {', '.join(missing)} with all rows and changes; "
            "let its owner add that (ALTER PUBLICATION), and try again"
        )


def _drop_slot(connection: psycopg.Connection[Any], slot: str) -> None:
    deadline = time.monotonic() + SLOT_SECONDS
    while True:
        row = connection.execute("SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", (slot,)).fetchone()
        if row is None:
            return
        try:
            connection.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.25)


def _drop_slot_sql(slot: str) -> str:
    return f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}';"  # noqa: S608 - shown, not run; our own name


def _drop_publication_sql(publication: str) -> str:
    return f'DROP PUBLICATION IF EXISTS "{publication}";'


def _connection_failure(address: DatabaseAddress, error: psycopg.OperationalError) -> SourceError:
    """Who we are is refused, or nobody answers; only the second passes by itself."""
    reason = address.scrub(_reason(error))
    refused = ("password", "authentication", "pg_hba.conf", "does not exist", "permission denied", "SSL", "too many")
    if any(word in reason for word in refused):
        return SourceError(
            f"database {address.shown} refuses us: {reason}; check user, password, database and pg_hba.conf"
        )
    return SourceOutageError(
        f"database {address.shown} does not answer: {reason}; check host and port, and that the server runs"
    )


def _reason(error: psycopg.Error) -> str:
    """The first line: the rest may repeat the statement."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if isinstance(error, psycopg.OperationalError) and lines else (lines or ["unknown"])[0]
