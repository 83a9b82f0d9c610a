"""What Debezium tells of its snapshots, in the topic of a source's notifications: how far, which tables, what it owes.

Words: the "Notifications" chapter of Debezium 3. A blocking snapshot calls itself an initial one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

UNREAD = ("sql_exception", "unknown_schema", "no_primary_key")  # how a table's reading again may end, besides well
ENDED = ("completed", "aborted")  # states of a snapshot that does not read any more


def snapshot_progress(notifications: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The last snapshot that the connector told of: kind, state, times, and rows by table."""
    shown: dict[str, Any] = {"kind": None, "state": "none", "tables": {}}
    for told in _of_snapshots(notifications):
        at = datetime.fromtimestamp(told["timestamp"] / 1000, UTC) if "timestamp" in told else None
        more = told.get("additional_data") or {}
        match told.get("type"):
            case "STARTED":
                kind = str(told["aggregate_type"]).split()[0].lower()
                shown = {"kind": kind, "state": "running", "started_at": at, "tables": {}}
            case "IN_PROGRESS" if table := more.get("current_collection_in_progress"):
                shown["tables"].setdefault(table, {"state": "running", "rows": None})
            case "TABLE_SCAN_COMPLETED" if table := more.get("scanned_collection"):
                rows = int(more.get("total_rows_scanned") or 0)
                shown["tables"][table] = {"state": _status(told), "rows": rows}
            case "SKIPPED" if shown["state"] != "none":  # told at every start; what was read before stays so
                if shown["kind"] == "initial" and shown["state"] == "running":  # only the others are taken up again
                    shown |= {"state": "aborted", "finished_at": at}
            case "COMPLETED" | "ABORTED" | "SKIPPED" | "PAUSED" | "RESUMED" as state:
                shown |= {"state": "running" if state == "RESUMED" else state.lower(), "finished_at": at}
    return shown


def unread_tables(notifications: Sequence[Mapping[str, Any]], mapped: Collection[str]) -> list[str]:
    """Those of the mapped tables that a snapshot was to read before it ended, and that none has read to the end."""
    return owed_tables(notifications, mapped) if snapshot_progress(notifications)["state"] in ENDED else []


def owed_tables(notifications: Sequence[Mapping[str, Any]], mapped: Collection[str]) -> list[str]:
    """Those of the mapped tables that the connector was to read and has not read to the end, or not yet.

    A snapshot calls itself completed though it gave some up. A blocking one that was aborted, or that a start of the
    connector interrupted, is not taken up again by Debezium. Which tables a snapshot reads it tells a moment after it
    began; before that it may be any.
    """
    owed: set[str] = set()
    done: set[str] = set()  # of the last snapshot
    named = True  # whether that has said which tables it reads
    for told in _of_snapshots(notifications):
        kind, more = told.get("type"), told.get("additional_data") or {}
        if kind == "STARTED":
            done, named = set(), False
        if kind == "TABLE_SCAN_COMPLETED" and (table := more.get("scanned_collection")):
            well = _status(told) not in (*UNREAD, "")
            (done if well else owed).add(table)
            owed -= done
        elif kind in ("ABORTED", "SKIPPED") and not named:
            owed |= set(mapped)
        elif listed := {one.strip() for one in str(more.get("data_collections") or "").split(",")} - {""}:
            named = True
            owed |= listed - done
        elif kind == "COMPLETED":
            named = True
    return sorted(owed & set(mapped))


def was_read_whole(notifications: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the connector has read everything once, whatever it has read again, or given up, since.

    At each later start it says that it skips that; of what it told only the last few thousand are kept. A skip alone
    proves nothing where the beginning is kept: PostgreSQL's connector also skips what it began and was stopped at.
    """
    told = [one.get("type") for one in notifications if one.get("aggregate_type") == "Initial Snapshot"]
    return "COMPLETED" in told or ("SKIPPED" in told and "STARTED" not in told)


def attempts_at_first(notifications: Sequence[Mapping[str, Any]]) -> int:
    """How often the connector began to read everything until it came to the end for the first time.

    Of what it told before that is kept, it may have been once more.
    """
    told = [one.get("type") for one in notifications if one.get("aggregate_type") == "Initial Snapshot"]
    at_first = told[: told.index("COMPLETED")] if "COMPLETED" in told else told
    return at_first.count("STARTED") + (at_first[:1] != ["STARTED"])


def may_hold_rows(notifications: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the connector may still hold rows of a table that it gave up while it was streaming.

    It sends them with the next table that it reads so, as rows of that; a reading for which streaming waits sends none.
    They go when it is started, which it tells by skipping what it has read.
    """
    holds = False
    for told in _of_snapshots(notifications):
        if told.get("type") == "SKIPPED":
            holds = False
        elif told.get("type") == "TABLE_SCAN_COMPLETED" and str(told["aggregate_type"]).startswith("Incremental"):
            holds |= _status(told) in UNREAD
    return holds


def _of_snapshots(notifications: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [told for told in notifications if str(told.get("aggregate_type", "")).endswith("Snapshot")]


def _status(told: Mapping[str, Any]) -> str:
    return str((told.get("additional_data") or {}).get("status", "")).lower()
