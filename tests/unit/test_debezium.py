"""Change events in Debezium's layout: operations, values, positions, and a file that grows."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from api.sources.opening import _detect
from ingest.changes import Failure, RowChange, RowEvent, Truncation
from ingest.errors import SourceError
from ingest.sources import debezium
from ingest.sources.debezium import DebeziumFileSource
from ingest.sources.debezium_events import read_message
from ingest.sources.debezium_positions import INCREMENTAL, last_position, sent_until
from ingest.sources.lines import open_unpacked
from retrieval.types import SourcePosition

GOLDEN = Path(__file__).parents[1] / "golden"
BOTH = pytest.mark.parametrize("form", ["schema", "plain"])


def read(path: Path, cursor: str | None = None) -> tuple[list[RowEvent], list[Failure], str]:
    events: list[RowEvent] = []
    failures: list[Failure] = []
    for batch in DebeziumFileSource(path, "db").poll(cursor):
        events += batch.row_changes
        failures += batch.failures
        assert batch.cursor is not None
        cursor = batch.cursor
    assert cursor is not None
    return events, failures, cursor


def rows(events: list[RowEvent]) -> list[tuple[str, str | None]]:
    return [(e.pk, None if e.row is None else str(e.row["title"])) for e in events if isinstance(e, RowChange)]


@BOTH
def test_postgres_operations(form: str) -> None:
    events, failures, _ = read(GOLDEN / f"debezium_postgres_{form}.jsonl")
    assert failures == []
    assert rows(events) == [
        ("1", "First"),
        ("2", "Second"),
        ("3", "Third"),
        ("1", "First, changed"),
        ("2", None),
        ("3", None),
        ("30", "Third"),
    ]
    update, truncation = events[3], events[-1]
    assert isinstance(update, RowChange)
    assert update.table == "public.faqs"
    assert update.unavailable == {"body", "photo", "groups"}
    assert update.row is not None and not update.unavailable & update.row.keys()
    assert update.position == SourcePosition((24024044, 24024100))
    assert update.committed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert truncation == Truncation("public.notes", SourcePosition((24024644, 24024700)), update.committed_at)


@BOTH
def test_mariadb_operations_and_positions(form: str) -> None:
    events, failures, _ = read(GOLDEN / f"debezium_mariadb_{form}.jsonl")
    assert failures == []
    assert rows(events) == [
        ("1", "First"),
        ("2", "Second"),
        ("3", "Third"),
        ("2", "Second, changed"),
        ("3", None),
        ("1", None),
        ("11", "First"),
    ]
    positions = [event.position for event in events if event.position is not None]
    assert positions[1:4] == [SourcePosition(p) for p in ((3, 2100, 0), (3, 2100, 1), (10, 154, 0))]
    assert positions == sorted(positions), "binlog 10 comes after binlog 3"
    assert {event.table for event in events} == {"shop.faqs"}


def test_values_are_decoded_by_their_schema() -> None:
    (first, *_), _, _ = read(GOLDEN / "debezium_postgres_schema.jsonl")
    assert isinstance(first, RowChange) and first.row is not None
    assert first.row == {
        "id": 1,
        "title": "First",
        "body": "正文 text",
        "price": Decimal("12.50"),
        "added": date(2026, 1, 2),
        "changed": datetime(2026, 1, 2, 3, 4, 5, 123456),
        "seen": datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        "photo": b"\x00\x01\xff",
        "groups": ["staff", "hr"],
        "extra": {"k": 1},
    }
    (first, *_), _, _ = read(GOLDEN / "debezium_mariadb_schema.jsonl")
    assert isinstance(first, RowChange) and first.row is not None
    assert first.row["price"] == Decimal("-12.05")
    assert first.row["changed"] == datetime(2026, 1, 2, 3, 4, 5)
    assert first.row["opens"] == "09:30:00"
    assert first.row["year"] == 2026


def test_a_bare_envelope_is_keyed_by_the_column_id_or_the_named_ones(tmp_path: Path) -> None:
    lines = (GOLDEN / "debezium_postgres_plain.jsonl").read_text(encoding="utf-8").splitlines()
    values = [json.loads(line)["value"] for line in lines]
    path = write(tmp_path, [json.dumps(value) for value in values])
    events, failures, _ = read(path)
    assert failures == []
    assert rows(events)[-1] == ("30", "Third")
    (batch,) = DebeziumFileSource(write(tmp_path, lines[:2]), keys={"public.faqs": ["title"]}).poll(None)
    assert [event.pk for event in batch.row_changes if isinstance(event, RowChange)] == ["1", "2"], "a key is believed"
    bare = [json.dumps(value) for value in values[:2]]
    (batch,) = DebeziumFileSource(write(tmp_path, bare), keys={"public.faqs": ["title", "id"]}).poll(None)
    assert [event.pk for event in batch.row_changes if isinstance(event, RowChange)] == ["First,1", "Second,2"]


def test_an_update_that_shows_another_key_before_deletes_the_old_row(tmp_path: Path) -> None:
    value = {**envelope("u"), "before": {"id": 1}, "after": {"id": 2, "title": "t"}}
    events, _, _ = read(write(tmp_path, [json.dumps({"key": {"id": 2}, "value": value})]))
    assert rows(events) == [("1", None), ("2", "t")]


def envelope(op: str, **source: Any) -> dict[str, Any]:
    place = {"connector": "postgresql", "schema": "public", "table": "faqs", "lsn": 5, "ts_ms": 1, **source}
    return {"op": op, "before": None, "after": {"id": 1, "title": "t"}, "source": place, "ts_ms": 2}


def write(folder: Path, lines: list[str]) -> Path:
    path = folder / "events.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("op", "source", "position"),
    [
        ("u", {"sequence": '["70","90"]', "lsn": 90}, (70, 90)),
        ("c", {"snapshot": "true", "sequence": '["70","90"]', "lsn": 90}, (70, 90)),
        ("r", {"snapshot": "true", "sequence": '[null,"90"]', "lsn": 90}, (90, 0)),
        ("r", {"snapshot": "true", "sequence": '["70","90"]', "lsn": 90}, (70, 0)),
        ("r", {"snapshot": "incremental", "sequence": '["70","90"]', "lsn": None}, (70, 0)),
        ("r", {"snapshot": "incremental", "sequence": '[null,"90"]', "lsn": None}, (0, 0)),
    ],
)
def test_what_postgres_reads_stands_after_the_last_transaction_that_was_sent(
    tmp_path: Path, op: str, source: dict[str, Any], position: tuple[int, ...]
) -> None:
    ((change,), _, _) = read(write(tmp_path, [json.dumps(envelope(op, **source))]))
    assert isinstance(change, RowChange) and change.position is not None
    assert (change.position.values, change.supersedes) == (position, op == "r")


def test_what_is_read_while_streaming_goes_on_stands_where_it_was_asked_for() -> None:
    watermarks = {"public.faqs": SourcePosition((60, 0)), "public.notes": SourcePosition((80, 5))}
    place = {"sequence": '["70","90"]', "lsn": None}

    def position(op: str, snapshot: str, table: str = "faqs") -> tuple[Any, ...]:
        value = envelope(op, snapshot=snapshot, table=table, **place | ({} if snapshot == INCREMENTAL else {"lsn": 90}))
        (change,) = read_message({"id": 1}, value, None, watermarks=watermarks)
        assert isinstance(change, RowChange) and change.position is not None
        return change.position.values, change.again, change.supersedes

    assert position("r", INCREMENTAL) == ((60, 0), True, False)
    assert position("r", INCREMENTAL, "notes") == ((70, 0), True, False), "of a reading before the one asked for last"
    assert position("r", INCREMENTAL, "orders") == ((70, 0), False, True), "who asked for it is not known"
    assert position("r", "true") == ((70, 0), False, True), "streaming waited"
    assert position("u", INCREMENTAL)[1:] == (False, False)


def test_how_far_a_connector_has_sent_changes() -> None:
    assert sent_until({"lsn": 90, "lsn_commit": 70}) == SourcePosition((70, 0))
    assert sent_until({"lsn": 90, "snapshot": "INITIAL"}) == SourcePosition((90, 0))
    assert sent_until({}) is None
    assert last_position(envelope("u", sequence='["70","90"]', lsn=90)) == SourcePosition((70, 90))
    assert last_position(envelope("u", sequence='[null,"90"]', lsn=90)) == SourcePosition((90, 90))
    assert last_position(envelope("u", connector="mariadb")) is last_position({"ts_ms": 1}) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken", "not JSON"),
        ("[1]", "a JSON list"),
        ('{"id": 1, "title": "unwrapped"}', "has the fields id, title"),
        (json.dumps(envelope("c", connector="oracle")), "connector is 'oracle'"),
        (json.dumps(envelope("z")), "op is 'z'"),
        (json.dumps({**envelope("c"), "after": None}), "no column id"),
        (json.dumps({**envelope("c"), "after": {"uuid": 1}}), "has no key"),
        (json.dumps(envelope("c", table=None)), "table None"),
    ],
)
def test_a_bad_event_is_a_failure_and_the_next_is_read(tmp_path: Path, line: str, reason: str) -> None:
    events, failures, _ = read(write(tmp_path, [line, json.dumps(envelope("c"))]))
    assert len(events) == 1
    (failure,) = failures
    assert failure.key == "events.jsonl:1"
    assert reason in failure.reason and "line 1" in failure.reason
    assert failure.payload == line.encode()


@pytest.mark.parametrize(
    "line",
    [
        "null",
        json.dumps({"key": {"id": 1}, "value": None}),
        json.dumps({"status": "BEGIN", "id": "571:1", "ts_ms": 1}),
        json.dumps({"ts_ms": 1}),
    ],
)
def test_what_concerns_no_row_is_passed_over(tmp_path: Path, line: str) -> None:
    assert read(write(tmp_path, [line]))[:2] == ([], [])


def test_reading_goes_on_where_the_file_grew(tmp_path: Path) -> None:
    first, second = (json.dumps({**envelope("c", lsn=n), "after": {"id": n, "title": "t"}}) for n in (1, 2))
    path = write(tmp_path, [first])
    events, _, cursor = read(path)
    with path.open("a") as file:
        file.write(second[:20])
    events, failures, cursor = read(path, cursor)
    assert (events, failures) == ([], []), "half a line is left for later"
    with path.open("a") as file:
        file.write(second[20:] + "\n{bad\n")
    events, failures, cursor = read(path, cursor)
    assert rows(events) == [("2", "t")]
    assert failures[0].key == "events.jsonl:3", "lines are counted from the beginning of the file"
    write(tmp_path, [second])
    assert rows(read(path, cursor)[0]) == [("2", "t")], "a replaced file is read anew"


@pytest.mark.parametrize("packed", [False, True])
def test_a_replaced_file_that_begins_alike_and_is_longer_is_read_anew(tmp_path: Path, packed: bool) -> None:
    """The schemas that the JSON converter sends come first, and are equal in all files of a table."""

    def put(numbers: range) -> Path:
        schema = {"type": "struct", "name": "shop.public.faqs.Envelope", "doc": "x" * 2_000}
        values = [{**envelope("c", lsn=n), "after": {"id": n, "title": "t"}} for n in numbers]
        text = "".join(json.dumps({"schema": schema, "payload": value}) + "\n" for value in values)
        path = tmp_path / "events.jsonl"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        return path

    _, _, cursor = read(put(range(10, 20)))
    events, failures, cursor = read(put(range(20, 45)), cursor)
    assert (rows(events), failures) == ([(str(n), "t") for n in range(20, 45)], [])
    events, _, _ = read(put(range(20, 47)), cursor)
    assert rows(events) == [("45", "t"), ("46", "t")], "the same file grew"


def test_a_cursor_of_an_earlier_version_reads_the_file_once_more(tmp_path: Path) -> None:
    path = write(tmp_path, [json.dumps(envelope("c"))])
    place = json.loads(read(path)[2])
    earlier = json.dumps({name: place[name] for name in ("offset", "line", "head")})
    events, _, cursor = read(path, earlier)
    assert rows(events) == [("1", "t")]
    assert read(path, cursor)[0] == []


def test_a_packed_file_is_not_unpacked_anew_for_each_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({**envelope("c", lsn=n), "after": {"id": n, "title": "t"}}) + "\n" for n in range(1, 1201)]
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress("".join(lines[:1100]).encode()))
    opened: list[BinaryIO] = []
    monkeypatch.setattr(debezium, "open_unpacked", lambda path: opened.append(open_unpacked(path)) or opened[-1])
    events, failures, cursor = read(path)
    assert (len(events), failures) == (1100, [])
    path.write_bytes(gzip.compress("".join(lines).encode()))
    assert rows(read(path, cursor)[0]) == [(str(n), "t") for n in range(1101, 1201)]
    assert len(opened) <= 6, "once for each batch of events, and to see that it is the same file"


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_event(tmp_path: Path, end: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(envelope("c")) + end, encoding="utf-8-sig")
    assert _detect(str(path)) == "debezium"
    events, failures, cursor = read(path)
    assert (rows(events), failures) == ([("1", "t")], [])
    assert read(path, cursor)[0] == []


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(SourceError, match="does not exist"):
        DebeziumFileSource("/nowhere/events.jsonl")
