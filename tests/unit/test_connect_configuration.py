"""What connectors are told, and the names that belong to a source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sources.connect_secrets import ConnectSecrets
from api.sources.live_changes import tables_to_read
from api.sources.snapshot_notifications import (
    attempts_at_first,
    may_hold_rows,
    snapshot_progress,
    unread_tables,
    was_read_whole,
)
from api.sources.status import failure
from ingest.connect import names
from ingest.connect.address import DatabaseAddress
from ingest.connect.client import ConnectorStatus
from ingest.connect.configuration import connector_config
from ingest.connect.inspection import Capture
from ingest.errors import SourceError
from ingest.table_mapping import TablesMapping, parse_mapping

POSTGRES = DatabaseAddress.parse("postgresql://u:secret@db/shop?sslmode=verify-full")
MARIADB = DatabaseAddress.parse("mariadb://u:secret@db/shop?ssl_mode=required")


def config(address: DatabaseAddress, capture: Capture) -> dict[str, str]:
    return connector_config("kb-x-1", address, capture, "secret", "kafka:9092")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1), min_size=1, max_size=4))
def test_lists_match_their_own_names_and_no_others(tables: list[str]) -> None:
    """Debezium splits lists at commas and takes each part as a regular expression for the whole name."""
    qualified = tuple(f"public.{table}" for table in tables)
    patterns = config(POSTGRES, Capture(qualified, facts={"database": "shop"}))["table.include.list"].split(",")
    assert all(any(re.fullmatch(pattern, name) for pattern in patterns) for name in qualified)
    others = {name.replace(".", "x", 1) for name in qualified} | {name + "x" for name in qualified}
    assert not any(re.fullmatch(pattern, other) for pattern in patterns for other in others - set(qualified))


def test_postgresql_reads_its_own_publication_and_slot() -> None:
    capture = Capture(("public.a",), "kb_x_1", "kb_x_1", facts={"database": "shop", "logical_messages": True})
    told = config(POSTGRES, capture)
    assert (told["slot.name"], told["publication.name"], told["publication.autocreate.mode"]) == (
        "kb_x_1",
        "kb_x_1",
        "disabled",
    )
    assert told["database.sslmode"] == "verify-full"
    assert "pg_logical_emit_message(true," in told["heartbeat.action.query"], "without a transaction a snapshot fails"
    assert told["read.only"] == "true"
    without = config(POSTGRES, Capture(("public.a",), facts={"database": "shop", "logical_messages": False}))
    assert "heartbeat.action.query" not in without


def test_mariadb_is_read_as_a_replica_of_its_own() -> None:
    told = config(MARIADB, Capture(("shop.a", "other.b"), server_id=7, read_only_snapshots=False))
    assert (told["database.server.id"], told["database.include.list"]) == ("7", "other,shop")
    assert told["database.ssl.mode"] == "required"
    assert told["schema.history.internal.kafka.topic"] == "kb-x-1.history"
    assert "read.only" not in told


@given(st.text(max_size=200))
def test_names_are_what_servers_take_and_never_the_same(source: str) -> None:
    one, other = names.new_prefix(source), names.new_prefix(source)
    assert one != other
    assert re.fullmatch(r"kb-[a-z0-9-]{1,40}", one)
    assert re.fullmatch(r"[a-z0-9_]{1,63}", names.slot_name(one))


def test_topics_of_tables_with_other_letters_are_named_as_debezium_names_them() -> None:
    assert names.table_topic("kb-x-1", "public.order items") == "kb-x-1.public.order_items"
    assert names.table_topic("kb-x-1", "店.订单") == "kb-x-1._.__"
    assert names.table_topic("kb-x-1", "public.𠮷表") == "kb-x-1.public.___", "𠮷 is two of Java's characters"


def test_passwords_lie_in_files_for_the_group_only(tmp_path: Path) -> None:
    secrets = ConnectSecrets(str(tmp_path))
    assert secrets.put("kb-x-1", "pä\nss") == f"${{directory:{tmp_path}:kb-x-1.password}}"
    (path,) = tmp_path.iterdir()
    assert (path.read_text("utf-8"), path.stat().st_mode & 0o777) == ("pä\nss", 0o640)
    secrets.remove("kb-x-1")
    secrets.remove("kb-x-1")
    assert list(tmp_path.iterdir()) == []
    assert ConnectSecrets("").put("kb-x-1", "gi$ven{") == "gi$ven{"
    with pytest.raises(SourceError, match="KB_CONNECT_SECRETS_DIR"):
        ConnectSecrets("").put("kb-x-1", "a${env:HOME}")


def test_a_folder_of_passwords_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    absent = ConnectSecrets(str(tmp_path / "absent"))
    with pytest.raises(SourceError, match=r"absent \(KB_CONNECT_SECRETS_DIR\) cannot be written: No such file") as told:
        absent.put("kb-x-1", "hunter2")
    assert "hunter2" not in str(told.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="KB_CONNECT_SECRETS_DIR"):
        ConnectSecrets(str(tmp_path / "file")).remove("kb-x-1")


def mapping(body: str, **joins: str) -> TablesMapping:
    include = {alias: {"table": table, "on": {"id": f"{alias}_id"}} for alias, table in joins.items()}
    return parse_mapping({"tables": {"s.a": {"title": "t", "body": body, "include": include}}})


@pytest.mark.parametrize(
    ("after", "columns", "expected"),
    [
        (mapping("{t}"), [], set()),
        (mapping("{t} {u}"), ["s.a.u"], {"s.a"}),
        (mapping("{t} {b.name}", b="s.b"), ["s.a.b_id"], {"s.a", "s.b"}),
    ],
)
def test_only_what_is_shown_differently_is_read_again(
    after: TablesMapping, columns: list[str], expected: set[str]
) -> None:
    assert tables_to_read(mapping("{t}"), after, columns) == expected


def test_a_joined_table_is_read_again_for_a_new_column_only() -> None:
    before, after = mapping("{t} {b.name}", b="s.b"), mapping("{t} {b.name} {b.more}", b="s.b")
    assert tables_to_read(before, after, ["s.b.more"]) == {"s.a", "s.b"}
    assert tables_to_read(before, after, []) == {"s.a", "s.b"}, "a column that came later was never kept out"
    assert tables_to_read(before, before, ["s.b.more"]) == {"s.b"}


def told(kind: str, state: str, **more: str) -> dict[str, object]:
    return {
        "aggregate_type": f"{kind} Snapshot",
        "type": state,
        "additional_data": more,
        "timestamp": 1_700_000_000_000,
    }


def test_the_progress_is_that_of_the_last_snapshot() -> None:
    first = [
        told("Initial", "STARTED"),
        told("Initial", "IN_PROGRESS", current_collection_in_progress="s.a"),
        told("Initial", "TABLE_SCAN_COMPLETED", scanned_collection="s.a", total_rows_scanned="8", status="SUCCEEDED"),
        told("Initial", "IN_PROGRESS", current_collection_in_progress="s.b"),
    ]
    shown = snapshot_progress(first)
    assert (shown["kind"], shown["state"]) == ("initial", "running")
    assert shown["tables"] == {"s.a": {"state": "succeeded", "rows": 8}, "s.b": {"state": "running", "rows": None}}
    assert snapshot_progress([*first, told("Initial", "COMPLETED")])["state"] == "completed"
    again = snapshot_progress([*first, told("Initial", "COMPLETED"), told("Incremental", "STARTED")])
    assert (again["kind"], again["state"], again["tables"]) == ("incremental", "running", {})
    assert snapshot_progress([])["state"] == "none"


def test_a_connector_that_starts_again_has_read_what_it_had_read() -> None:
    table = told("Incremental", "TABLE_SCAN_COMPLETED", scanned_collection="s.a", status="SQL_EXCEPTION")
    read = [told("Initial", "STARTED"), told("Initial", "COMPLETED")]
    again = [*read, told("Incremental", "STARTED"), table, told("Incremental", "COMPLETED")]
    for before in (read, again):
        assert snapshot_progress([*before, told("Initial", "SKIPPED")]) == snapshot_progress(before)
    assert snapshot_progress([told("Initial", "SKIPPED")])["state"] == "skipped"


def test_everything_was_read_once_whatever_is_read_again_since() -> None:
    read = [told("Initial", "STARTED"), told("Initial", "COMPLETED")]
    assert was_read_whole(read) and not was_read_whole(read[:1])
    assert was_read_whole([*read, told("Initial", "SKIPPED")]), "a connector that started again"
    assert was_read_whole([*read, told("Incremental", "STARTED")])
    assert was_read_whole([*read, told("Incremental", "STARTED"), told("Incremental", "ABORTED")])
    assert was_read_whole([told("Initial", "SKIPPED")]), "what it told before is not kept any more"
    assert not was_read_whole([told("Initial", "STARTED"), told("Initial", "ABORTED")])
    assert not was_read_whole([told("Initial", "STARTED"), told("Initial", "SKIPPED")]), "stopped before its first row"


def test_how_often_everything_was_begun_to_be_read() -> None:
    begun, interrupted, read = told("Initial", "STARTED"), told("Initial", "ABORTED"), told("Initial", "COMPLETED")
    assert attempts_at_first([begun, read, told("Initial", "SKIPPED"), begun, read]) == 1, "the later one is another"
    assert attempts_at_first([begun, interrupted, begun, told("Incremental", "STARTED"), begun, read]) == 3
    assert attempts_at_first([begun, told("Initial", "SKIPPED"), begun, read]) == 2, "rows came by the log in between"
    assert attempts_at_first([read]) == attempts_at_first([]) == 1, "what it told before is not kept any more"
    assert attempts_at_first([interrupted, begun, read]) == 2


def test_rows_of_a_table_that_was_given_up_are_held_until_the_connector_starts() -> None:
    given_up = scanned("Incremental", "s.a", "SQL_EXCEPTION")
    later = [told("Incremental", "COMPLETED"), told("Initial", "STARTED"), told("Initial", "COMPLETED")]
    assert may_hold_rows([given_up, *later, scanned("Incremental", "s.b", "SUCCEEDED")])
    assert not may_hold_rows([given_up, told("Initial", "SKIPPED"), scanned("Incremental", "s.a", "SUCCEEDED")])
    assert not may_hold_rows([scanned("Initial", "s.a", "SQL_EXCEPTION")]), "these it sends as it reads them"


def scanned(kind: str, table: str, status: str) -> dict[str, object]:
    return told(kind, "TABLE_SCAN_COMPLETED", scanned_collection=table, total_rows_scanned="8", status=status)


def test_a_table_that_a_snapshot_gave_up_is_named_though_that_is_completed() -> None:
    how = {"s.a": "SUCCEEDED", "s.b": "SQL_EXCEPTION", "s.c": "EMPTY", "s.d": "UNKNOWN_SCHEMA"}
    ends = [scanned("Incremental", table, status) for table, status in how.items()]
    given_up = [told("Incremental", "STARTED"), *ends, told("Incremental", "COMPLETED")]
    assert (snapshot_progress(given_up)["state"], unread_tables(given_up, how)) == ("completed", ["s.b", "s.d"])
    assert unread_tables(given_up, ["s.b"]) == ["s.b"], "others are mapped no more"
    assert unread_tables(given_up[:-1], how) == [], "it is still reading"
    again = [told("Initial", "STARTED"), scanned("Initial", "s.b", "SUCCEEDED"), told("Initial", "COMPLETED")]
    assert unread_tables(given_up + again, how) == ["s.d"], "until it is read, whatever is read meanwhile"


@pytest.mark.parametrize("end", ["ABORTED", "SKIPPED"])
def test_a_blocking_snapshot_that_was_interrupted_owes_what_it_did_not_read(end: str) -> None:
    tables = ["s.a", "s.b", "s.c"]
    first = [told("Initial", "STARTED"), told("Initial", "COMPLETED"), told("Initial", "SKIPPED")]
    began = [told("Initial", "STARTED"), told("Initial", "IN_PROGRESS", data_collections="s.a, s.b")]
    one_read = [*first, *began, scanned("Initial", "s.a", "SUCCEEDED"), began[1]]
    ended = [*one_read, told("Initial", end)]
    assert (snapshot_progress(ended)["state"], unread_tables(ended, tables)) == ("aborted", ["s.b"])
    assert unread_tables(first, tables) == unread_tables(one_read, tables) == []
    assert unread_tables([*first, began[0], told("Initial", end)], tables) == tables, "which ones is not known"
    other = [told("Initial", "STARTED"), scanned("Initial", "s.c", "EMPTY"), told("Initial", "COMPLETED")]
    assert unread_tables([*ended, told("Initial", "SKIPPED"), *other], tables) == ["s.b"]


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        ("Access denied; you need the RELOAD privilege(s)", "mend that, then POST /v1/sources/shop/restart"),
        ("internal schema size 3, but row size 4, restart connector with schema recovery mode", "take a full snapshot"),
        ("binlog.000001, but this is no longer available on the server. Reconfigure", "take a full snapshot"),
        (
            'the return value of "a.IncrementalSnapshotContext.currentDataCollectionId()" is null',
            "POST /v1/sources/shop/restart, then read the tables again that it was reading",
        ),
    ],
)
def test_a_failure_that_no_restart_mends_says_so(cause: str, remedy: str) -> None:
    trace = f"org.apache.kafka.connect.errors.ConnectException: stopped\n\tat a.b(C.java:1)\nCaused by: {cause}"
    told = failure("shop", ConnectorStatus("RUNNING", "FAILED", trace))
    assert told == f"the connector has failed: {trace.splitlines()[0]}; Caused by: {cause}; {remedy}"
