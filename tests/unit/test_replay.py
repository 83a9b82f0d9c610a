"""A message that was set aside brings, when it is replayed, all that it brought when it came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from change_events import documents_of, event, live_source

from ingest.contracts import CHUNKERS
from ingest.errors import EventError
from ingest.kafka.message import Message, dead_letter
from ingest.kafka.replay import Replay
from ingest.pipeline import Pipeline
from ingest.targets import FixedTargets
from retrieval.catalog import Catalog, Collection, Commit, sqlite_url
from retrieval.encoder.hashing import HashEncoder

TOPIC = "kb-1.public.faqs"
UNSENT = "__debezium_unavailable_value"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "catalog.db"))
    yield opened
    opened.close()


@pytest.fixture
def collection(catalog: Catalog) -> Collection:
    made = catalog.collections.create("shop", "hash", HashEncoder().fingerprint)
    live_source(catalog, made, "faqs", "kb-1")
    return made


def replay(catalog: Catalog, collection: Collection, message: Message) -> list[str]:
    """Set the message aside and try it again; the reasons of what failed."""
    letter = dead_letter("faqs", message, EventError("not understood then", "replay it"))
    catalog.writer.commit(collection.id, Commit(dead_letters=[letter]))
    pipeline = Pipeline(catalog, collection, FixedTargets(CHUNKERS.create("structure", max_tokens=220), HashEncoder()))
    done = Replay(catalog, collection, pipeline, lambda *_: None).run(catalog.sources.dead_letters(collection))
    return [one.reason for one in done if one.reason]


def test_the_new_key_of_a_row_brings_the_values_that_were_not_sent(catalog: Catalog, collection: Collection) -> None:
    row = {"id": 1, "title": "Warranty", "body": "a long text", "status": "a"}
    assert replay(catalog, collection, Message(TOPIC, 0, 0, *event("public.faqs", "c", 1, row, 100).message)) == []
    moved = event("public.faqs", "c", 2, row | {"id": 2, "body": UNSENT}, 200).message
    headers = (("__debezium.oldkey", b'{"id": 1}'), ("of others", b"\xff"))
    assert replay(catalog, collection, Message(TOPIC, 0, 1, *moved, headers)) == []
    assert documents_of(catalog, collection, ["public.faqs/2"]) == {"public.faqs/2": ("Warranty\na long text", "a")}


def test_a_letter_that_fails_again_keeps_its_headers(catalog: Catalog, collection: Collection) -> None:
    headers = (("of others", b"\xff\0"), ("empty", b""))
    assert len(replay(catalog, collection, Message(TOPIC, 0, 0, b"{}", b"not json", headers))) == 1
    assert [letter.headers for letter in catalog.sources.dead_letters(collection)] == [headers]
