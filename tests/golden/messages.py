"""The recorded messages and what they must say: how they are kept, and a comparison with the database's own text."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ingest.changes import RowChange, RowEvent
from ingest.errors import EventError
from ingest.row_values import json_value
from ingest.sources.column_kinds import kinds_of
from ingest.sources.debezium_events import read_message
from ingest.template import value_text

HERE = Path(__file__).parent
Message = dict[str, Any]

# What connectors lose on the way, in (engine, form, column, row): nothing that a reader could know. Years outside of
# 1 to 9999, dates before the calendar's reform, and times of more than a day have no form that all modes share.
LOST = {
    *(("postgres", form, "c_date", row) for form in ("ours", "schema") for row in (3, 4, 5, 6)),
    *(("postgres", form, "c_timestamp", 3) for form in ("ours", "schema")),
    *(("postgres", form, "c_timestamptz", 3) for form in ("ours", "schema")),
    ("postgres", "ours", "c_time", 4),
    *(("postgres", "schema", column, 3) for column in ("c_numeric", "c_numeric_2")),  # NaN
    ("mariadb", "ours", "c_time", 1),
    ("mariadb", "ours", "c_time", 3),
    *(("mariadb", "schema", "c_bigint_u", 1) for _ in range(1)),
    *(
        ("mariadb", form, column, 3)
        for form in ("ours", "schema")
        for column in ("c_date", "c_datetime", "c_timestamp")
    ),
}
NOT_SENT = ("c_pair", "c_circle")  # types that connectors leave out
NOTATIONS = ("c_interval",)  # a duration in the notation of ISO 8601, or in seconds


def events_of(messages: Sequence[Message], types: Mapping[str, Mapping[str, str]]) -> Iterator[RowEvent | EventError]:
    """What the messages say of rows; an error for each of a table without a key."""
    kinds = kinds_of(types)
    for message in messages:
        headers = [(name, value.encode()) for name, value in message.get("headers", ())]
        try:
            yield from read_message(message["key"], message["value"], None, headers, kinds)
        except EventError as error:
            yield error


def differences(engine: str, form: str, messages: Sequence[Message], oracle: Sequence[Message]) -> list[str]:
    """Columns of `types` whose text in a document is not what the database says; also losses that are none any more."""
    kinds = oracle[0]["types"]
    rows = {line["row"]["id"]: line["row"] for line in oracle if "row" in line}
    table = "public.types" if engine == "postgres" else "types"
    seen, found = set(), []
    named = {name: kinds for name in _tables(messages)} if form == "ours" else {}
    for event in events_of(messages, named):
        if not isinstance(event, RowChange) or not event.table.endswith(table) or event.row is None:
            continue
        seen.add(event.pk)
        for column, kind in kinds.items():
            if column in NOT_SENT or column in NOTATIONS:
                continue
            said, wanted = value_text(json_value(event.row[column])), expected(kind, rows[event.pk][column])
            lost = (engine, form, column, int(event.pk) % 10) in LOST
            if not same(said, wanted) and not lost:
                found.append(f"{event.pk} {column} {kind}: {said!r}, the database says {wanted!r}")
    return found if seen == set(rows) else [*found, f"rows {sorted(set(rows) ^ seen)} were not seen"]


def _tables(messages: Sequence[Message]) -> set[str]:
    return {
        f"{source.get('schema') or source.get('db')}.{source['table']}"
        for message in messages
        if isinstance(message["value"], dict) and (source := message["value"].get("source")) and source.get("table")
    }


def expected(kind: str, text: str | None) -> str:
    """What a person expects to read for a value that the database writes so."""
    if text is None:
        return ""
    if kind.endswith("[]"):
        (items,) = csv.reader([text[1:-1]]) if text != "{}" else [[]]
        return ", ".join(item for item in items if item != "NULL")
    if kind == "bytea":
        return base64.b64encode(bytes.fromhex(text[2:])).decode()
    if "binary" in kind or "blob" in kind:
        return base64.b64encode(bytes.fromhex(text)).decode()
    if kind == "bit(1)":
        return {"1": "true", "0": "false"}[text]
    if kind.startswith("bit(") and len(text) < 10:
        return text.zfill(10)
    if kind == "money":
        return text.replace("$", "").replace(",", "")
    if kind == "point" and text.startswith("("):
        return f"POINT{text.replace(',', ' ')}"
    if kind == "hstore":
        return '{"a":"1","b":null}'
    if kind in ("json", "jsonb") and text.startswith("{"):
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    if kind == "time with time zone":
        return {"03:04:05+02": "01:04:05Z"}[text]
    if kind.startswith(("timestamp", "datetime")):
        zone = "Z" if kind == "timestamp with time zone" or "zone" not in kind and kind.startswith("timestamp") else ""
        moment = text.removesuffix("+00").replace(" ", "T", 1)
        return text if "infinity" in text else moment + zone
    return text


def same(said: str, wanted: str) -> bool:
    """Whether two texts mean the same: numbers by value, moments without the zeros that end a fraction."""
    if said == wanted or _fraction(said) == _fraction(wanted) or said.rstrip(" ") == wanted:
        return True
    try:
        return "E" not in said and "e" not in said.replace("e+", "") and Decimal(said) == Decimal(wanted)
    except InvalidOperation:
        return ", " in said and all(map(same, said.split(", "), wanted.split(", ")))


def _fraction(moment: str) -> tuple[str, str]:
    head, _, fraction = moment.removesuffix("Z").partition(".")
    return head + "Z" * moment.endswith("Z"), fraction.rstrip("0") if ":" in head else fraction


def save(engine: str, messages_by_form: Mapping[str, list[Message]], oracle: list[Message]) -> None:
    """Write `<engine>_<form>.jsonl` and `<engine>_oracle.jsonl`; a schema is written once and named by its number."""
    for form, messages in messages_by_form.items():
        schemas: dict[str, int] = {}
        lines = [_without_schemas(message, schemas) for message in messages]
        heads = [{"schema": number, "is": json.loads(text)} for text, number in schemas.items()]
        _write(HERE / f"{engine}_{form}.jsonl", [*heads, *lines])
    _write(HERE / f"{engine}_oracle.jsonl", oracle)


def _without_schemas(message: Message, schemas: dict[str, int]) -> Message:
    line = dict(message)
    for part in ("key", "value"):
        content = message[part]
        if isinstance(content, dict) and content.keys() == {"schema", "payload"}:
            text = json.dumps(content["schema"], sort_keys=True)
            line[part] = {"schema": schemas.setdefault(text, len(schemas)), "payload": content["payload"]}
    return line


def load(engine: str, form: str) -> list[Message]:
    """The recorded messages, each as it was received."""
    schemas: dict[int, Any] = {}
    messages = []
    for line in (HERE / f"{engine}_{form}.jsonl").read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        if "is" in message:
            schemas[message["schema"]] = message["is"]
            continue
        for part in ("key", "value"):
            content = message[part]
            if isinstance(content, dict) and content.keys() == {"schema", "payload"}:
                message[part] = {"schema": schemas[content["schema"]], "payload": content["payload"]}
        messages.append(message)
    return messages


def load_oracle(engine: str) -> list[Message]:
    """The recorded rows as the database writes them."""
    lines = (HERE / f"{engine}_oracle.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _write(path: Path, lines: list[Message]) -> None:
    texts = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines)
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
