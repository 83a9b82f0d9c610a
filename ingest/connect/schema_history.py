"""What a MySQL or MariaDB connector's history of definitions tells of tables that others have taken the place of."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_NAME = r"(?:`(?:[^`]|``)+`|[^\s`.;(]+)"
# Of these the record says nothing, or only the name that the table has afterwards.
_STATEMENT = re.compile(
    r"\s*(?P<what>CREATE\s+OR\s+REPLACE\s+TABLE|ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE|DROP\s+(?:DATABASE|SCHEMA))\s+"
    rf"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>{_NAME}(?:\s*\.\s*{_NAME})?)",
    re.IGNORECASE,
)
_PART = re.compile(_NAME)


def replaced_tables(records: Iterable[Mapping[str, Any]], tables: Collection[str]) -> dict[str, datetime]:
    """Those of the tables that were dropped, made anew or renamed since they were first read, and when last."""
    names = {_quoted(table): table for table in tables}
    told = list(records)
    read_again = _read_again(told)
    since = _first_read(told, read_again)
    found: dict[str, datetime] = {}
    for number, record in enumerate(told):
        if _of_first_snapshot(record):
            continue
        for name in _replaced(record, names):
            if name in names and (name, number) not in read_again and since(name) < number:
                found[names[name]] = datetime.fromtimestamp(record["ts_ms"] / 1000, UTC)
    return found


def _of_first_snapshot(record: Mapping[str, Any]) -> bool:
    return bool((record.get("position") or {}).get("snapshot"))


def _changes(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """(number of the record, where it stands, what it did to one table)."""
    for number, record in enumerate(records):
        for change in record.get("tableChanges") or ():
            yield number, record.get("position") or {}, change


def _read_again(records: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], int]:
    """(table, number of a DROP that is no one's but a snapshot's) -> number of the CREATE after it.

    A snapshot writes a DROP and a CREATE of each table that it reads, both at the place in the log where streaming had
    come to. In the log no two statements have one place.
    """
    dropped: dict[tuple[str, Any, Any], int] = {}
    found = {}
    for number, position, change in _changes(records):
        place = (change["id"], position.get("file"), position.get("pos"))
        if change["type"] == "DROP":
            dropped[place] = number
        elif change["type"] == "CREATE" and place in dropped:
            found[change["id"], dropped.pop(place)] = number
    return found


def _first_read(
    records: Sequence[Mapping[str, Any]], read_again: Mapping[tuple[str, int], int]
) -> Callable[[str], int]:
    """The number of the record with which a table was read first: what befell it before is of no concern.

    Where the first snapshot is not among the records any more, that may have been before all of them.
    """
    first = {
        change["id"]: number
        for number, _, change in _changes(records)
        if change["type"] == "CREATE" and _of_first_snapshot(records[number])
    }
    unread = len(records) if first else -1
    if first:
        for (table, _), number in sorted(read_again.items(), key=lambda one: one[1]):
            first.setdefault(table, number)
    return lambda table: first.get(table, unread)


def _replaced(record: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """Names as the records write them, `"shop"."orders"`, in no order and more than once."""
    changes = record.get("tableChanges") or ()
    for change in changes:
        if change["type"] == "DROP":
            yield change["id"]
        if change.get("previousId"):
            yield from (change["id"], change["previousId"])
    statement = _STATEMENT.match(record.get("ddl") or "")
    if statement is None:
        return
    parts = [_unquoted(part) for part in _PART.findall(statement["name"])]
    what = statement["what"].upper()
    if what.startswith("DROP"):
        yield from (name for name in known if name.startswith(_quoted(parts[0]) + "."))
        return
    named = _quoted(".".join(parts if len(parts) > 1 else [str(record.get("databaseName") or ""), *parts]))
    if what.startswith("CREATE"):
        yield named
    for change in changes:
        if change["type"] == "ALTER" and change["id"] != named:  # ALTER TABLE … RENAME
            yield from (named, change["id"])


def _unquoted(part: str) -> str:
    return part[1:-1].replace("``", "`") if part.startswith("`") else part


def _quoted(table: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split(".", 1))
