"""What a MySQL or MariaDB connector's history of definitions tells of tables that others have taken the place of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
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
    """Those of the tables that were dropped, made anew or renamed since the first snapshot, and when that was last."""
    names = {_quoted(table): table for table in tables}
    found: dict[str, datetime] = {}
    for record in records:
        if not (record.get("position") or {}).get("snapshot"):  # a snapshot begins with DROP and CREATE of each
            gone = {names[name] for name in _replaced(record, names) if name in names}
            found |= dict.fromkeys(gone, datetime.fromtimestamp(record["ts_ms"] / 1000, UTC))
    return found


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
