"""Another mapping over stored rows: joins by new columns find them, and what is read no longer is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from change_events import Event, event, live_source
from test_joined_workers import SlowPipeline

from api.sources.live_changes import table_uses
from ingest.contracts import CHUNKERS
from ingest.kafka.applier import Applier
from ingest.kafka.live_sources import LiveSource, LiveSources
from ingest.kafka.message import Message, dead_letter
from ingest.kafka.observer import Unobserved
from ingest.kafka.replay import Replay
from ingest.pipeline import Pipeline
from ingest.row_values import link_value
from ingest.targets import FixedTargets
from retrieval.catalog import Catalog, Commit, rows, sqlite_url
from retrieval.catalog.sources import SourceState
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import ConflictError, OvertakenError
from retrieval.types import OPERATOR

FAQ: dict[str, Any] = {"title": "q", "body": "{q}"}
PRODUCT = {"id": 7, "name": "Drill", "sku": "D-7"}
QUESTION = {"id": 1, "q": "How?", "product_id": 7, "product_sku": "D-7"}


def joined(column: str, own: str) -> dict[str, Any]:
    include = {"product": {"table": "public.products", "on": {column: own}}}
    return FAQ | {"body": "{q} {product.name}", "include": include}


class Shop:
    """One live source over a mapping that may be exchanged, fed without Kafka."""

    def __init__(self, folder: Path, tables: dict[str, Any]) -> None:
        encoder = HashEncoder()
        self.catalog = Catalog(sqlite_url(folder / "catalog.db"))
        self.collection = self.catalog.collections.create("shop", "hash", encoder.fingerprint)
        self.source = LiveSource.of(live_source(self.catalog, self.collection, "faqs", "kb-1", tables))
        self.targets = FixedTargets(CHUNKERS.create("structure", max_tokens=220), encoder)
        self.pipeline = Pipeline(self.catalog, self.collection, self.targets)
        self._sent = 0

    def remap(self, tables: dict[str, Any]) -> None:
        record, before = self.source.record, self.source.mapping
        record = self.catalog.sources.change(record, config=record.config | {"tables": tables})
        self.source = LiveSource.of(record)
        self.catalog.sources.refit(record, table_uses(before, self.source.mapping, ()), link_value)

    def feed(self, *events: Event) -> None:
        for one in events:
            positions = dict(self.catalog.offsets.read(self.source.record.id))
            applier = Applier(self.catalog, self.source, self.pipeline, positions, Unobserved(), lambda _: None)
            applier.apply([Message(f"kb-1.{one.table}", 0, self._sent, *one.message)])
            self._sent += 1

    def keep_letter(self, message: Message) -> None:
        """Store the message as a dead letter."""
        letter = dead_letter("faqs", message, ValueError("not understood then"))
        self.catalog.writer.commit(self.collection.id, Commit(dead_letters=[letter]))

    @property
    def texts(self) -> dict[str, str]:
        documents, keys = self.catalog.documents, self.catalog.documents.keys(self.collection, "faqs")
        return {key: documents.get(self.collection, key, OPERATOR).document.text for key in keys}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"public.faqs": FAQ, "public.products": {"title": "name", "body": "{sku}"}}, joined("id", "product_id")),
        ({"public.faqs": joined("id", "product_id")}, joined("sku", "product_sku")),
    ],
    ids=["a table that was a document of its own", "another column"],
)
def test_a_join_by_a_new_column_finds_rows_that_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, Any], after: dict[str, Any]
) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_PAGE", 1)
    shop = Shop(tmp_path, before)
    nameless = event("public.products", "r", 0, PRODUCT | {"id": "", "sku": "D-0"}, 90)
    shop.feed(Event("public.products", {"id": ""}, nameless.value))
    shop.feed(event("public.products", "r", 7, PRODUCT, 100), event("public.faqs", "r", 1, QUESTION, 100))
    shop.remap(before | {"public.faqs": after})
    shop.feed(event("public.faqs", "r", 1, QUESTION, 200))  # as the source reads it again
    assert "Drill" in shop.texts["public.faqs/1"]
    shop.feed(event("public.products", "u", 7, PRODUCT | {"name": "Saw"}, 300))
    assert "Saw" in shop.texts["public.faqs/1"]
    shop.catalog.close()


def test_rows_of_a_table_that_is_read_no_longer_are_not_kept(tmp_path: Path) -> None:
    with_reviews = FAQ | {
        "body": "{q} {reviews.text}",
        "include": {"reviews": {"table": "public.reviews", "on": {"faq_id": "id"}, "many": True}},
    }
    shop = Shop(tmp_path, {"public.faqs": with_reviews})
    review = {"id": 1, "faq_id": 1, "text": "to be erased"}
    shop.feed(event("public.faqs", "c", 1, QUESTION, 100), event("public.reviews", "c", 1, review, 110))
    assert "to be erased" in shop.texts["public.faqs/1"]
    shop.remap({"public.faqs": FAQ})
    assert shop.catalog.sources.rows(shop.source.record).read("public.reviews", "1") is None
    shop.remap({"public.faqs": with_reviews})  # meanwhile the review was deleted, which nobody told
    shop.feed(event("public.faqs", "r", 1, QUESTION, 200))
    assert "to be erased" not in shop.texts["public.faqs/1"]
    shop.catalog.close()


def test_a_replay_reads_values_as_the_worker_does(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"public.faqs": FAQ | {"body": "{q} {price} {tags}"}})
    types = {"public.faqs": {"id": "numeric(10,2)", "price": "numeric(10,2)", "tags": "jsonb", "q": "text"}}
    record = shop.catalog.sources.change(shop.source.record, config=shop.source.record.config | {"types": types})
    shop.source = LiveSource.of(record)

    def sent(number: str, lsn: int) -> Event:
        row = {"id": number, "q": "How?", "price": "12.50", "tags": '["a"]'}
        return Event("public.faqs", {"id": number}, event("public.faqs", "c", 1, row, lsn).value)

    shop.feed(sent("2.00", 100))
    message = Message("kb-1.public.faqs", 0, 50, *sent("1.00", 90).message)
    shop.keep_letter(message)
    letters = shop.catalog.sources.dead_letters(shop.collection)
    replay = Replay(shop.catalog, shop.collection, shop.pipeline, lambda *_: None)
    assert [one.reason for one in replay.run(letters)] == [""]
    assert len(set(shop.texts.values())) == 1
    assert set(shop.texts) == {"public.faqs/1", "public.faqs/2"}
    shop.catalog.close()


def test_a_letter_of_a_topic_that_is_read_no_longer_is_not_replayed(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"public.faqs": FAQ})
    message = Message("kb-0.public.faqs", 0, 50, *event("public.faqs", "c", 1, QUESTION, 9000).message)
    shop.keep_letter(message)
    letters = shop.catalog.sources.dead_letters(shop.collection)
    (told,) = Replay(shop.catalog, shop.collection, shop.pipeline, lambda *_: None).run(letters)
    assert "a full snapshot has read all rows anew since" in told.reason
    assert shop.texts == {}
    shop.catalog.close()


def test_a_letter_is_replayed_by_the_mapping_of_now_and_does_not_take_back_what_was_read_since(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"public.faqs": FAQ})
    narrow = {"id": 1, "q": "How?"}  # as sent before the mapping named more columns
    for key in (1, 2):
        sent = event("public.faqs", "c", key, narrow | {"id": key}, 90)
        message = Message("kb-1.public.faqs", 0, 50 + key, *sent.message)
        shop.keep_letter(message)
    shop.remap({"public.faqs": joined("id", "product_id")})
    shop.feed(event("public.products", "r", 7, PRODUCT, 200), event("public.faqs", "r", 1, QUESTION, 200))
    letters = shop.catalog.sources.dead_letters(shop.collection)
    replayed = Replay(shop.catalog, shop.collection, shop.pipeline, lambda *_: None).run(letters)
    assert [one.reason for one in replayed] == ["", ""]
    assert shop.texts == {"public.faqs/1": "How? Drill", "public.faqs/2": "How?"}
    shop.feed(event("public.faqs", "r", 2, QUESTION | {"id": 2}, 210))  # as the table is read again
    assert shop.texts == {"public.faqs/1": "How? Drill", "public.faqs/2": "How? Drill"}
    shop.catalog.close()


def test_a_replay_that_a_change_of_the_mapping_overtakes_goes_by_the_new_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"public.faqs": FAQ})
    message = Message("kb-1.public.faqs", 0, 50, *event("public.faqs", "c", 1, QUESTION, 90).message)
    shop.keep_letter(message)
    pipeline = SlowPipeline(shop.catalog, shop.collection, shop.targets)
    pipeline.meanwhile = lambda: shop.remap({"public.faqs": FAQ | {"body": "{q} {product_sku}"}})
    letters = shop.catalog.sources.dead_letters(shop.collection)
    assert [one.reason for one in Replay(shop.catalog, shop.collection, pipeline, lambda *_: None).run(letters)] == [""]
    assert shop.texts == {"public.faqs/1": "How? D-7"}
    shop.catalog.close()


def test_who_was_overtaken_renders_by_the_mapping_of_now(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"public.faqs": FAQ})
    live = LiveSources(shop.catalog)
    live.refresh()
    source = live.by_topic["kb-1.public.faqs"]
    assert live.current(source) is source
    read = shop.catalog.offsets.rows_version(source.record.id)
    shop.remap({"public.faqs": FAQ | {"body": "{q} {product_sku}"}})
    with pytest.raises(OvertakenError):
        shop.catalog.writer.commit(shop.collection.id, Commit(rows_read=read))
    assert live.current(source).mapping == shop.source.mapping
    shop.catalog.sources.change(shop.source.record, state=SourceState.PAUSED.value)
    assert live.current(source) is source
    shop.catalog.close()


def test_a_source_that_is_being_deleted_does_not_come_back(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"public.faqs": FAQ})
    sources, record = shop.catalog.sources, shop.source.record
    sources.change(record, state=SourceState.DELETING.value)
    with pytest.raises(ConflictError, match="is being deleted"):
        sources.change(record, state=SourceState.ACTIVE.value)  # by who looked before
    assert sources.change(record, state=SourceState.DELETING.value).state is SourceState.DELETING
    shop.catalog.close()
