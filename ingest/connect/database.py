"""What a live source needs from a database, whichever it is, and the one place that chooses the implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ingest.connect.address import DatabaseAddress
from ingest.connect.inspection import Capture, Inspection, Leftover


class Database(Protocol):
    """One database, seen as the user of a source. Every call has a time-out and leaves no connection behind.

    Each raises `SourceOutageError` where the server does not answer, `SourceError` where it refuses us.
    """

    def inspect(self, tables: Sequence[str] = ()) -> Inspection:
        """Whether a source could stream from here, and from these tables in particular."""
        ...

    def prepare(self, prefix: str, tables: Sequence[str], excluded: Sequence[str]) -> Capture:
        """Make what a connector needs before it starts (a publication); how it shall be configured."""
        ...

    def change(self, capture: Capture, tables: Sequence[str], excluded: Sequence[str]) -> Capture:
        """Let an existing capture cover other tables or columns."""
        ...

    def release(self, capture: Capture) -> list[Leftover]:
        """Remove what the source holds here; nothing where it is gone already. What comes back could not be removed."""
        ...

    def release_by_hand(self, capture: Capture) -> str:
        """The statements that do the same, for a person; "" where nothing is held."""
        ...

    def progress(self, capture: Capture) -> Mapping[str, Any]:
        """How much of the log the server keeps for the source, bytes, and what else it says of it."""
        ...

    def problems(self, capture: Capture) -> list[str]:
        """What has become of the tables since, where it keeps the source from following them; each with what to do."""
        ...


def open_database(address: DatabaseAddress) -> Database:
    """The database at that address; nothing is connected before the first call."""
    if address.engine == "postgresql":
        from ingest.connect.postgres import PostgresDatabase

        return PostgresDatabase(address)
    from ingest.connect.mysql import MysqlDatabase

    return MysqlDatabase(address)
