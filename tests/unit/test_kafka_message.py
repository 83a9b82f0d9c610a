"""Messages of any shape: understood, or an `EventError` with reason and remedy; never anything else."""

from __future__ import annotations

import orjson
import pytest
from change_events import event
from hypothesis import given
from hypothesis import strategies as st

from ingest.changes import RowChange
from ingest.errors import EventError, MappingError
from ingest.kafka.message import REASON_CHARACTERS, Message, dead_letter, row_events
from ingest.pipeline import DEAD_LETTER_PAYLOAD_BYTES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SOUND = event("public.faqs", "c", 1, {"id": 1, "title": "A"}, 100)


def message(key: bytes | None, value: bytes | None) -> Message:
    return Message("kb.public.faqs", 2, 7, key, value)


def test_a_sound_message_is_one_row_change() -> None:
    (change,) = row_events(message(*SOUND.message))
    assert isinstance(change, RowChange)
    assert (change.table, change.pk, change.row) == ("public.faqs", "1", {"id": 1, "title": "A"})


def test_a_tombstone_says_nothing() -> None:
    assert row_events(message(b"not even json", None)) == []


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes(key: bytes, value: bytes) -> None:
    understood_or_refused(message(key, value))


@given(JSON, st.sampled_from(["before", "after", "source", "op", "ts_ms", "transaction"]))
def test_an_envelope_with_any_value_in_any_part(anything: object, part: str) -> None:
    assert SOUND.value is not None
    understood_or_refused(message(orjson.dumps({"id": 1}), orjson.dumps(SOUND.value | {part: anything})))


@given(JSON, st.sampled_from(["connector", "schema", "table", "lsn", "ts_ms", "db"]))
def test_a_source_block_with_any_value_in_any_part(anything: object, part: str) -> None:
    assert SOUND.value is not None
    source = SOUND.value["source"] | {part: anything}
    understood_or_refused(message(b'{"id": 1}', orjson.dumps(SOUND.value | {"source": source})))


def understood_or_refused(one: Message) -> None:
    try:
        assert isinstance(row_events(one), list)
    except EventError as error:
        assert error.reason
        assert error.remedy


def test_a_dead_letter_names_its_place_and_is_bounded() -> None:
    letter = dead_letter("faqs", message(b"k", b"x" * 100_000), EventError("long " * 1_000, "mend it"))
    assert letter.key == "kb.public.faqs/2@7"
    assert (letter.topic, letter.partition, letter.offset, letter.message_key) == ("kb.public.faqs", 2, 7, b"k")
    assert letter.payload is not None
    assert len(letter.payload) == DEAD_LETTER_PAYLOAD_BYTES
    assert len(letter.reason) == REASON_CHARACTERS


@pytest.mark.parametrize("error", [MappingError("no column title"), KeyError("title")])
def test_every_dead_letter_has_a_remedy(error: Exception) -> None:
    letter = dead_letter("faqs", message(None, b"{}"), error)
    assert "title" in letter.reason
    assert letter.remedy
