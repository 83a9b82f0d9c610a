"""Random changes of both databases by SQL, on a fixed seed, with a history of what was committed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import exc

from .databases import LINKED_KEYS, TABLES, Table
from .history import Commit, History, mark

KINDS = {"update": 40, "insert": 22, "delete": 14, "key change": 12, "joined update": 8, "link": 4}  # parts of 100
MAX_IN_TRANSACTION = 4
ROLLED_BACK = 0.04  # share of the transactions
RETRY_SECONDS = 0.2
GONE = -1


@dataclass(slots=True)
class Row:
    """A row that has been changed before."""

    table: Table
    subject: int
    key: int
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One statement, and the row as it is once it is committed; key `GONE`: deleted."""

    kind: str
    row: Row
    statement: sa.Executable
    key: int
    version: int


@dataclass
class Writer:
    """Makes one transaction after the other; `run` ends after so many committed changes."""

    engines: Mapping[str, sa.Engine]
    history: History
    seed: int
    per_second: float
    counts: Counter[str] = field(default_factory=Counter)
    committed: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)

    def over(self) -> bool:
        """Whether all changes are made."""
        return self._done.is_set()

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._rows: dict[str, list[Row]] = {table.name: [] for table in TABLES}
        self._untouched = {table.name: self._keys(table) for table in TABLES}
        self._next_key = {table.name: table.first_key for table in TABLES}
        self._next_subject = self._next_version = 1

    def run(self, changes: int) -> None:
        """Commit that many changes, or fewer where `stop` is set."""
        began = time.monotonic()
        while self.committed < changes and not self.stop.is_set():
            self.transaction()
            self.stop.wait(max(0.0, began + self.committed / self.per_second - time.monotonic()))
            began = max(began, time.monotonic() - self.committed / self.per_second)  # an outage is not made up for
        self._done.set()

    def transaction(self) -> None:
        """One transaction in one of the databases; tried again, with the truth read anew, where the server fails."""
        database = self._dice.choice(sorted(self.engines))
        changes = self._plan(database)
        rolled_back = self._dice.random() < ROLLED_BACK
        while not self.stop.is_set():
            try:
                with self.engines[database].connect() as connection, connection.begin() as transaction:
                    for one in changes:
                        connection.execute(one.statement)
                    if rolled_back:
                        transaction.rollback()
                break
            except exc.DBAPIError:
                self.counts["failed transactions"] += 1
                if self._took_effect(database, changes[-1]):  # the server fell between commit and answer
                    break
        else:
            return
        self._settle(changes, rolled_back)

    def _settle(self, changes: list[Change], rolled_back: bool) -> None:
        now = time.monotonic()
        self.counts["rolled back"] += rolled_back
        for one in changes:
            if rolled_back:
                self.history.rolled_back(one.row.subject, one.version)
                if one.kind == "insert":
                    self._rows[one.row.table.name].remove(one.row)
                continue
            self.history.committed(one.row.subject, Commit(one.version, now, one.key != GONE))
            one.row.key, one.row.version = one.key, one.version
            if one.key == GONE:
                self._rows[one.row.table.name].remove(one.row)
            self.counts[one.kind] += 1
            self.committed += 1

    def _took_effect(self, database: str, change: Change) -> bool:
        """Whether a transaction of unknown outcome was committed; waits until the server tells."""
        table = change.row.table
        found = sa.select(sa.column(table.key)).select_from(sa.table(table.name))
        wanted = found.where(sa.column(table.text).like(f"%{mark(change.row.subject, change.version)} %"))
        if change.key == GONE:
            wanted = found.where(sa.column(table.key) == change.row.key)
        while not self.stop.wait(RETRY_SECONDS):
            try:
                with self.engines[database].connect() as connection:
                    return (connection.execute(wanted).first() is not None) == (change.key != GONE)
            except exc.DBAPIError:
                continue
        return False

    def _plan(self, database: str) -> list[Change]:
        """Changes of different rows."""
        tables = [table for table in TABLES if table.database == database]
        changes: list[Change] = []
        for kind in self._dice.choices(list(KINDS), list(KINDS.values()), k=self._dice.randint(1, MAX_IN_TRANSACTION)):
            joined, linked = kind == "joined update", kind == "link"
            table = self._dice.choice([one for one in tables if one.joined == joined and (one.link or not linked)])
            row = self._insertion(table) if kind == "insert" else self._row(table)
            if all(row is not one.row for one in changes):
                changes.append(self._change(kind, row))
        return changes

    def _change(self, kind: str, row: Row) -> Change:
        table, target = row.table, sa.table(row.table.name, *map(sa.column, self._columns(row.table)))
        version, self._next_version = self._next_version, self._next_version + 1
        values: dict[str, object] = {table.text: f"{mark(row.subject, version)} of a pump"}
        here = target.c[table.key] == row.key
        if kind == "delete":
            return Change(kind, row, sa.delete(target).where(here), GONE, version)
        if kind == "insert":
            everything = values | {table.key: row.key, **self._link(table), **table.others}
            return Change(kind, row, sa.insert(target).values(everything), row.key, version)
        key = row.key
        if kind == "key change":
            key = values[table.key] = self._new_key(table)
        if kind == "link":
            values |= self._link(table)
        return Change(kind, row, sa.update(target).where(here).values(values), key, version)

    def _row(self, table: Table) -> Row:
        """A row that has been changed before, or one of the data set."""
        rows, untouched = self._rows[table.name], self._untouched[table.name]
        if rows and (not untouched or self._dice.random() < 0.6):
            return self._dice.choice(rows)
        if not untouched:
            return self._insertion(table)
        return self._known(table, untouched.pop(self._dice.randrange(len(untouched))))

    def _insertion(self, table: Table) -> Row:
        return self._known(table, self._new_key(table))

    def _known(self, table: Table, key: int) -> Row:
        row = Row(table, self._next_subject, key, 0)
        if table.joined:
            self.history.joined.add(row.subject)
        self._next_subject += 1
        self._rows[table.name].append(row)
        return row

    def _new_key(self, table: Table) -> int:
        self._next_key[table.name] += 1
        return self._next_key[table.name]

    def _link(self, table: Table) -> dict[str, object]:
        return {table.link: self._dice.randint(1, LINKED_KEYS[table.link])} if table.link else {}

    def _columns(self, table: Table) -> list[str]:
        return [table.key, table.text, *([table.link] if table.link else []), *table.others]

    def _keys(self, table: Table) -> list[int]:
        with self.engines[table.database].connect() as connection:
            found = connection.execute(sa.select(sa.column(table.key)).select_from(sa.table(table.name)))
            keys = sorted(key for (key,) in found)
        return [key for key in keys if key <= LINKED_KEYS.get(table.key, 0)] if table.joined else keys
