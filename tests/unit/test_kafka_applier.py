"""Whatever order, redelivery and competition: what is applied ends as a dict does, and offsets tell how far."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from change_events import Event, History, documents_of, event, live_source
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contracts import CHUNKERS
from ingest.kafka.applier import Applier, Positions
from ingest.kafka.live_sources import LiveSource
from ingest.kafka.message import Message
from ingest.kafka.observer import Unobserved
from ingest.pipeline import Pipeline
from ingest.targets import FixedTargets
from retrieval.catalog import Catalog, Collection, sqlite_url
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import NotFoundError, OvertakenError

TOPIC = "kb-1.public.faqs"


class Shop:
    """A catalog with one live source, and appliers over it."""

    def __init__(self, folder: Path) -> None:
        self.catalog = Catalog(sqlite_url(folder / "catalog.db"))
        self.encoder = CountingEncoder()
        self.collection: Collection = self.catalog.collections.create("shop", "hash", self.encoder.fingerprint)
        self.source = LiveSource.of(live_source(self.catalog, self.collection, "faqs", "kb-1"))
        self.pipeline = Pipeline(
            self.catalog, self.collection, FixedTargets(CHUNKERS.create("structure", max_tokens=220), self.encoder)
        )

    def applier(self, positions: Positions) -> Applier:
        return Applier(self.catalog, self.source, self.pipeline, positions, Unobserved(), lambda _: None)

    def positions(self) -> Positions:
        return dict(self.catalog.offsets.read(self.source.record.id))

    @property
    def documents(self) -> dict[str, tuple[str, str]]:
        keys = self.catalog.documents.keys(self.collection, "faqs")
        return documents_of(self.catalog, self.collection, keys)


class CountingEncoder(HashEncoder):
    """Counts how often each passage was embedded, and refuses one word."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded: Counter[str] = Counter()

    def encode_passages(self, texts):  # type: ignore[no-untyped-def]
        if any("poison" in text for text in texts):
            raise RuntimeError("cannot encode poison")
        self.embedded.update(texts)
        return super().encode_passages(texts)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def logged(events: list[Event], start: int = 0) -> list[Message]:
    return [Message(TOPIC, 0, start + at, *one.message) for at, one in enumerate(events)]


@settings(max_examples=15)
@given(st.data())
def test_any_order_redelivery_and_batches_end_as_the_dict(tmp_path_factory: pytest.TempPathFactory, data) -> None:  # type: ignore[no-untyped-def]
    shop, history = Shop(tmp_path_factory.mktemp("shop")), History(seed=data.draw(st.integers(0, 99)))
    events = list(history.changes(40, keys=8))
    events = data.draw(st.permutations(events + events[::3]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    for begin, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        shop.applier(shop.positions()).apply(logged(events[begin:end], start=begin))
    assert shop.documents == history.documents
    assert shop.positions() == {(TOPIC, 0): len(events)}
    shop.catalog.close()


def test_the_slower_of_two_workers_writes_nothing_and_embeds_nothing_twice(shop: Shop) -> None:
    messages = logged([event("public.faqs", "c", 1, {"id": 1, "title": "A", "body": "b", "status": "x"}, 100)])
    former: Positions = {}
    shop.applier({}).apply(messages)
    changed = [event("public.faqs", "u", 1, {"id": 1, "title": "A", "body": "new words", "status": "x"}, 200)]
    with pytest.raises(OvertakenError):
        shop.applier(former).apply(logged(changed))
    assert shop.documents == {"public.faqs/1": ("A\nb", "x")}
    shop.applier(shop.positions()).apply(logged(changed, start=1))
    assert shop.documents == {"public.faqs/1": ("A\nnew words", "x")}
    assert set(shop.encoder.embedded.values()) == {1}


def test_only_the_message_that_spoils_a_batch_is_set_aside(shop: Shop) -> None:
    rows = {key: {"id": key, "title": f"T{key}", "body": "fine", "status": "s"} for key in range(9)}
    rows[4]["body"] = "poison"
    shop.applier({}).apply(logged([event("public.faqs", "c", key, row, 100 + key) for key, row in rows.items()]))
    assert shop.documents.keys() == {f"public.faqs/{key}" for key in rows if key != 4}
    (letter,) = shop.catalog.sources.dead_letters(shop.collection)
    assert (letter.topic, letter.offset) == (TOPIC, 4)
    assert "cannot encode poison" in letter.reason
    assert shop.positions() == {(TOPIC, 0): 9}


def test_a_source_that_was_deleted_in_mid_batch_writes_nothing(shop: Shop) -> None:
    applier = shop.applier({})
    shop.catalog.sources.delete(shop.source.record)
    with pytest.raises(NotFoundError):
        applier.apply(logged([event("public.faqs", "c", 1, {"id": 1, "title": "A", "body": "b", "status": "x"}, 100)]))
    assert shop.documents == {}
    assert shop.catalog.sources.dead_letters(shop.collection) == []


def test_each_partition_keeps_the_time_of_its_own_newest_event(shop: Shop) -> None:
    """Neither a current partition nor what tells no time makes a late one seem current, or its time unknown."""
    (old, newer), tombstone = [happened(key, f"2026-05-01T{hour}:00") for key, hour in ((1, 10), (2, 11))], b'{"id": 9}'
    late, current = (TOPIC, 0), (TOPIC, 1)
    shop.applier({}).apply([Message(*late, 0, *old.message), Message(*current, 0, *newer.message)])
    hours = {late: 10, current: 11}
    assert {place: at.hour for place, at in shop.catalog.offsets.committed(shop.source.record.id).items()} == hours
    spoilt = [Message(*late, 2, b"{}", b"not json"), Message(*current, 1, *happened(3, "2026-05-01T12:00").message)]
    poison = happened(4, "2026-05-01T13:00", body="poison")
    for batch in ([Message(*late, 1, tombstone, None)], spoilt, [Message(*late, 3, *poison.message)]):
        shop.applier(shop.positions()).apply(batch)
    hours = {late: 10, current: 12}
    assert {place: at.hour for place, at in shop.catalog.offsets.committed(shop.source.record.id).items()} == hours
    assert shop.positions() == {late: 4, current: 2}
    assert len(shop.catalog.sources.dead_letters(shop.collection)) == 2


def happened(key: int, at: str, body: str = "fine") -> Event:
    """A row that was committed at its source then."""
    made = event("public.faqs", "c", key, {"id": key, "title": "T", "body": body, "status": "s"}, 100 + key)
    assert made.value is not None
    moment = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())
    made.value["source"] |= {"ts_ms": moment * 1_000, "ts_us": moment * 1_000_000, "ts_ns": moment * 1_000_000_000}
    return made
