"""Messages that real connectors sent: every value as the database itself writes it, every operation in its place."""

from __future__ import annotations

import pytest
from golden.messages import Message, differences, events_of, load, load_oracle

from ingest.changes import RowChange, Truncation
from ingest.errors import EventError
from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.sources.value_decoders import json_text
from ingest.table_mapping import parse_mapping
from retrieval.types import Deletion, Document

FORMS = ("ours", "plain", "schema")
BOTH = pytest.mark.parametrize("engine", ["postgres", "mariadb"])


@BOTH
@pytest.mark.parametrize("form", ["ours", "schema"])
def test_every_column_reads_as_the_database_writes_it(engine: str, form: str) -> None:
    assert differences(engine, form, load(engine, form), load_oracle(engine)) == []


def of_table(messages: list[Message], name: str) -> list[Message]:
    return [message for message in messages if message["topic"].endswith("." + name)]


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_the_documents_after_all_events_are_the_rows_that_are_left(engine: str, form: str) -> None:
    messages = load(engine, form)
    schema = next(message for message in messages if "notes" in message["topic"])["topic"].split(".")[1]
    mapping = parse_mapping(
        {
            "tables": {
                f"{schema}.notes": {"title": "title", "body": "body"},
                f"{schema}.pairs": {"title": "note", "body": "{a}: {note}"},
            }
        }
    )
    rows, documents = MemoryRows(), {}
    for event in events_of(messages, {}):
        if isinstance(event, EventError):
            continue
        mapper = RowMapper(mapping, rows)
        for change in mapper.apply([event]):
            if isinstance(change, Deletion):
                documents.pop(change.key, None)
            else:
                assert isinstance(change, Document)
                assert "unavailable" not in change.text
                documents[change.key] = change.text
        rows.write(mapper.drain())
    assert {key.removeprefix(f"{schema}."): text for key, text in documents.items()} == {
        "notes/1": "new",
        "pairs/1,a%2Cb": "1: composite",
        "pairs/2,key%2C changed": "2: written",
        "pairs/3,c": "3: after the column came",
        "pairs/4,d": "4: after it was renamed",
        "pairs/5,e": "5: after it went",
        "pairs/999,end": "999: the last row",
    }
    kinds = [notice.kind for notice in rows.notices]
    assert "rows_incomplete" not in kinds, "a change of key brought its large values along"
    assert kinds and set(kinds) <= {"columns_added", "maybe_renamed", "columns_removed"}, "as partitions let them see"
    assert rows.tables()[f"{schema}.pairs"].columns == ("a", "b", "note")


@pytest.mark.parametrize("form", FORMS)
def test_large_values_that_an_update_did_not_send_stay_as_they_were(form: str) -> None:
    large = {
        "body": "large " * 400,
        "tags": ["t" * 2200],
        "groups": [10, 20, 30],
        "numbers": [9007199254740993, -1],
        "codes": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
        "files": ["AAH/"],
        "facts": {"a": "1", "b": "two words"},
    }
    named = [*large, "photo", "days"]
    mapping = parse_mapping({"tables": {"public.notes": {"title": "title", "body": "body", "metadata": named}}})
    rows = MemoryRows()
    seen: list[frozenset[str]] = []
    for event in events_of(of_table(load("postgres", form), "notes"), {"public.notes": {"facts": "hstore"}}):
        if isinstance(event, Truncation):
            break
        assert isinstance(event, RowChange)
        seen.append(event.unavailable)
        mapper = RowMapper(mapping, rows)
        mapper.apply([event])
        rows.write(mapper.drain())
    missing = {*large, "photo"} | ({"days"} if form != "ours" else set())  # which comes as a null, see the README
    assert [one for one in seen if one] == [missing] * 2, "the update and the change of key"
    stored = rows.read("public.notes", "10")
    assert stored is not None and stored[1] is not None
    row = stored[1]
    held = {column: json_text(row[column]) if column == "facts" else row[column] for column in large}
    assert (row["title"], held) == ("first, changed", large)


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_positions_follow_each_row(engine: str, form: str) -> None:
    events = [event for event in events_of(load(engine, form), {}) if not isinstance(event, EventError)]
    last: dict[tuple[str, str], RowChange] = {}
    for event in events:
        if isinstance(event, RowChange) and event.position is not None and event.position.values[0]:
            before = last.get((event.table, event.pk))
            assert before is None or before.position is None or before.position <= event.position
            last[event.table, event.pk] = event
    assert [event.table.split(".")[1] for event in events if isinstance(event, Truncation)].count("notes") == 1


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_a_table_without_a_key_says_what_to_do(engine: str, form: str) -> None:
    errors = [event for event in events_of(of_table(load(engine, form), "bare"), {}) if isinstance(event, EventError)]
    assert errors and all(
        "no primary key" in error.reason and "message.key.columns" in error.remedy for error in errors
    )
