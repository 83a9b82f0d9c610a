"""Tells other processes of a commit at once, where the database can: PostgreSQL's LISTEN and NOTIFY.

A notice is a hint and may be lost: who waits for one looks for himself as well, only less often.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import sqlalchemy as sa

logger = logging.getLogger(__name__)

CHANNEL = "kb_operations"  # its payload is the number of the collection that has something new
LISTEN_SECONDS = 0.5  # then it is seen whether somebody still listens
RETRY_SECONDS = 1.0  # after the connection was lost

Listener = Callable[[], None]


def notify(connection: sa.Connection, collection_id: int) -> None:
    """Tell whoever listens, when the transaction commits; nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(collection_id))))


class Notices:
    """Calls listeners when their collection has something new. One thread and connection for all of a process."""

    def __init__(self, engine: sa.Engine) -> None:
        self._url = engine.url.set(drivername="postgresql")
        self._is_postgresql = engine.dialect.name == "postgresql"
        self._guard = threading.Lock()
        self._listeners: dict[int, list[Listener]] = {}
        self._thread: threading.Thread | None = None
        self._hearing = threading.Event()
        self._was_away = False

    @property
    def are_heard(self) -> bool:
        """Whether commits are told now; a connection that broke is noticed a moment later."""
        return self._hearing.is_set()

    def listen(self, collection_id: int, listener: Listener) -> None:
        """Call the listener, from a thread of ours, after each commit to the collection; it must not take long."""
        if not self._is_postgresql:
            return
        with self._guard:
            self._listeners.setdefault(collection_id, []).append(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
                self._thread.start()

    def forget(self, collection_id: int, listener: Listener) -> None:
        """Call it no more."""
        with self._guard:
            listeners = self._listeners.get(collection_id, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(collection_id, None)

    def close(self) -> None:
        """End the thread."""
        with self._guard:
            self._listeners.clear()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        import psycopg  # a catalog on SQLite never needs it, and it takes a tenth of a command's start

        ended = threading.Event()
        while self._is_wanted():
            try:
                self._receive()
            except psycopg.OperationalError as error:
                reason = " ".join(str(error).split())
                logger.warning("notices of the catalog are not heard (%s); followers look by themselves", reason)
                self._was_away = True
                ended.wait(RETRY_SECONDS)

    def _receive(self) -> None:
        import psycopg

        url = self._url.render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            self._hearing.set()
            if self._was_away:
                logger.info("the catalog answers again")
                self._was_away = False
            try:
                while self._is_wanted():
                    for notice in connection.notifies(timeout=LISTEN_SECONDS):
                        self._tell(notice.payload)
            finally:
                self._hearing.clear()

    def _tell(self, payload: str) -> None:
        with self._guard:
            listeners = list(self._listeners.get(int(payload), ())) if payload.isdecimal() else []
        for listener in listeners:
            listener()

    def _is_wanted(self) -> bool:
        """Whether anybody listens; once nobody does, the thread ends, and the next listener starts another."""
        with self._guard:
            if self._thread is not threading.current_thread():
                return False
            if not self._listeners:
                self._thread = None
            return bool(self._listeners)
