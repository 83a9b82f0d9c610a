"""MySQL and MariaDB as live sources: what they must be set to. A source holds nothing there but a connection."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from ingest.connect.address import CONNECT_SECONDS, STATEMENT_SECONDS, DatabaseAddress
from ingest.connect.inspection import Capture, Inspection, Leftover
from ingest.connect.mysql_checks import check_server, check_tables, server_facts
from ingest.connect.names import new_server_id
from ingest.errors import SourceError, SourceOutageError

_ACCESS_DENIED = {1044, 1045, 1049, 1142, 1227, 1698}  # of user, to database, unknown database, to table, privilege


class MysqlDatabase:
    """A `Database`. The server's log is read as a replica would, so its own rules say how long it is kept."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address

    def inspect(self, tables: Sequence[str] = ()) -> Inspection:
        """See `Database`."""
        with self._connected() as cursor:
            facts = server_facts(cursor)
            findings = [*check_server(self._address.engine, facts), *check_tables(cursor, facts, tables)]
        return Inspection(self._address.engine, facts["version"], facts, findings)

    def prepare(self, prefix: str, tables: Sequence[str], excluded: Sequence[str]) -> Capture:
        """See `Database`. A table is read again while streaming waits.

        By GTIDs it could go on meanwhile, but an idle server makes none, and the reading would never end.
        """
        about = {"database": self._address.database}
        return Capture(
            tuple(tables),
            server_id=new_server_id(),
            read_only_snapshots=False,
            excluded=tuple(excluded),
            facts=about,
        )

    def change(self, capture: Capture, tables: Sequence[str], excluded: Sequence[str]) -> Capture:
        """See `Database`."""
        return replace(capture, tables=tuple(tables), excluded=tuple(excluded))

    def release(self, capture: Capture) -> list[Leftover]:
        """See `Database`: nothing is held."""
        return []

    def release_by_hand(self, capture: Capture) -> str:
        """See `Database`: nothing is held."""
        return ""

    def progress(self, capture: Capture) -> Mapping[str, Any]:
        """`log_kept_seconds`: how long the server keeps its log, past which a paused source cannot go on."""
        with self._connected() as cursor:
            facts = server_facts(cursor)
        return {"log_kept_seconds": facts["binlog_expire_logs_seconds"], "server_id": capture.server_id}

    def problems(self, capture: Capture) -> list[str]:
        """See `Database`. That a table was made anew stands in the connector's history alone."""
        with self._connected() as cursor:
            found = check_tables(cursor, server_facts(cursor), capture.tables)
        return [finding.text for finding in found if finding.severity == "error"]

    @contextmanager
    def _connected(self) -> Iterator[DictCursor]:
        address = self._address
        try:
            connection = pymysql.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password,
                database=address.database,
                cursorclass=DictCursor,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=STATEMENT_SECONDS,
                write_timeout=STATEMENT_SECONDS,
                **ssl_arguments(address),
            )
        except pymysql.MySQLError as error:
            raise _failure(address, error) from None
        try:
            with connection.cursor() as cursor:
                yield cursor
        except pymysql.MySQLError as error:
            raise _failure(address, error) from None
        finally:
            connection.close()


def ssl_arguments(address: DatabaseAddress) -> dict[str, Any]:
    """What `ssl_mode` of the URL means to PyMySQL, which encrypts where the server offers it."""
    mode = address.options.get("ssl_mode", "preferred")
    if mode == "preferred":
        return {}
    if mode == "disabled":
        return {"ssl_disabled": True}
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify_identity"
    context.verify_mode = ssl.CERT_NONE if mode == "required" else ssl.CERT_REQUIRED
    return {"ssl": context}


def _failure(address: DatabaseAddress, error: pymysql.MySQLError) -> SourceError:
    """Who we are is refused, or nobody answers; only the second passes by itself."""
    number, text = (*error.args, "")[:2] if error.args else (0, str(error))
    reason = address.scrub(f"{text} ({number})")
    if number in _ACCESS_DENIED:
        return SourceError(f"database {address.shown} refuses us: {reason}; check user, password, database and rights")
    if isinstance(error, pymysql.OperationalError | pymysql.InterfaceError):
        return SourceOutageError(
            f"database {address.shown} does not answer: {reason}; check host and port, and that the server runs"
        )
    return SourceError(f"database {address.shown} refuses: {reason}; check the user's rights")
