"""What a connection test finds: facts about a database, and what is missing with the statement that mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `severity` is ok, warning (works, with a limit) or error (does not work)."""

    check: str  # stable word for programs, such as "wal_level"
    severity: str
    found: str
    expected: str = ""
    remedy: str = ""  # in words
    sql: str = ""  # the exact statements, for who has the rights to run them

    @property
    def text(self) -> str:
        """What is wrong and what to do, as one line."""
        parts = [f"{self.check} is {self.found}", self.expected and f"expected {self.expected}", self.remedy]
        return "; ".join(part for part in (*parts, self.sql and f"run: {self.sql}") if part)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A connection test: whether a source could stream from that database as that user."""

    engine: str
    version: str
    facts: Mapping[str, Any]
    findings: Sequence[Finding] = ()

    @property
    def errors(self) -> list[Finding]:
        """What keeps a source from working."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def ok(self) -> bool:
        """Whether nothing does."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class Capture:
    """What a connector reads and what it holds at the database; all names are ours, and unique to one source.

    `excluded` are columns, as `schema.table.column`, that exist and are not needed: they never leave the database.
    """

    tables: tuple[str, ...]
    slot: str = ""  # PostgreSQL
    publication: str = ""  # PostgreSQL
    owns_publication: bool = True
    server_id: int = 0  # MySQL, MariaDB: as which replica we read
    read_only_snapshots: bool = True  # tables can be read again, without writing a mark, while streaming goes on
    excluded: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something at a server that could not be removed, and how a person removes it."""

    what: str
    why: str
    sql: str = ""
