"""Two workers at once, with rows of tables that one document joins: neither misses what the other stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from change_events import Event, event, live_source

from ingest.changes import Change
from ingest.contracts import CHUNKERS
from ingest.kafka.applier import Applier
from ingest.kafka.live_sources import LiveSource
from ingest.kafka.message import Message
from ingest.kafka.observer import Unobserved
from ingest.pipeline import Pipeline
from ingest.targets import FixedTargets
from retrieval.catalog import Catalog, Commit, sqlite_url
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import OvertakenError
from retrieval.types import OPERATOR

PRODUCT = {"table": "public.products", "on": {"id": "product_id"}}
TABLES = {"public.faqs": {"title": "q", "body": "{q} {product.name}", "include": {"product": PRODUCT}}}
FAQ = event("public.faqs", "c", 1, {"id": 1, "q": "How?", "product_id": 7}, 100)
DRILL = event("public.products", "c", 7, {"id": 7, "name": "Drill"}, 90)
SAW = event("public.products", "u", 7, {"id": 7, "name": "Saw"}, 110)
GONE = event("public.products", "d", 7, None, 120)
MOVED = event("public.faqs", "u", 1, {"id": 1, "q": "How?", "product_id": 8}, 130)


class SlowPipeline(Pipeline):
    """A pipeline; something may happen while it prepares, once its documents are rendered."""

    meanwhile: Callable[[], None] | None = None

    def prepare(self, source: str, changes: Sequence[Change], **more: Any) -> Commit:
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return super().prepare(source, changes, **more)


class Shop:
    """One source, whose tables lie in partitions of different workers."""

    def __init__(self, folder: Path) -> None:
        encoder = HashEncoder()
        self.catalog = Catalog(sqlite_url(folder / "catalog.db"))
        self.collection = self.catalog.collections.create("shop", "hash", encoder.fingerprint)
        self.source = LiveSource.of(live_source(self.catalog, self.collection, "faqs", "kb-1", TABLES))
        targets = FixedTargets(CHUNKERS.create("structure", max_tokens=220), encoder)
        self.pipelines = [SlowPipeline(self.catalog, self.collection, targets) for _ in range(2)]

    def apply(self, one: Event, worker: int = 0) -> None:
        """What a worker does with the next message of that table's topic."""
        topic, read = f"kb-1.{one.table}", dict(self.catalog.offsets.read(self.source.record.id))
        message = Message(topic, 0, read.get((topic, 0), 0), *one.message)
        applier = Applier(self.catalog, self.source, self.pipelines[worker], dict(read), Unobserved(), lambda _: None)
        applier.apply([message])

    @property
    def text(self) -> str:
        return self.catalog.documents.get(self.collection, "public.faqs/1", OPERATOR).document.text


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    opened.catalog.close()


@pytest.mark.parametrize(
    ("before", "slower", "faster", "text"),
    [
        ([], FAQ, DRILL, "How? Drill"),
        ([], DRILL, FAQ, "How? Drill"),
        ([DRILL], FAQ, SAW, "How? Saw"),
        ([DRILL, FAQ], GONE, SAW, "How?"),
        ([DRILL, FAQ], MOVED, SAW, "How?"),
        ([DRILL, FAQ], SAW, MOVED, "How?"),
    ],
)
def test_the_slower_worker_renders_again(
    shop: Shop, before: list[Event], slower: Event, faster: Event, text: str
) -> None:
    for one in before:
        shop.apply(one)
    shop.pipelines[0].meanwhile = lambda: shop.apply(faster, worker=1)
    with pytest.raises(OvertakenError):
        shop.apply(slower)
    shop.apply(slower)
    assert shop.text.strip() == text
