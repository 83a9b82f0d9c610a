"""Ingestion that overlaps: parts of a batch are encoded while others are cut, a batch is prepared while one commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from ingest import pipeline, preparation
from ingest.changes import ChangeBatch
from ingest.chunking import StructureChunker
from ingest.errors import SourceError
from ingest.preparation import Preparation
from ingest.report import IngestReport
from ingest.targets import FixedTargets
from retrieval.encoder.hashing import HashEncoder
from retrieval.types import Document, Vectors

NAME, TEXTS = "overlapped", 7


class Counting(HashEncoder):
    """The hashing encoder, which remembers what it was given and refuses texts with a word."""

    def __init__(self, refused: str = "") -> None:
        super().__init__()
        self.seen: list[str] = []
        self._refused = refused

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        if self._refused and any(self._refused in text for text in texts):
            raise ValueError(f"a text holds {self._refused}")
        return super().encode_passages(texts)


@dataclass
class Batches:
    """A source of one document a batch, which fails after the last where asked to."""

    count: int
    fails: bool = False
    name: str = "batches"
    kind: str = "batches"
    mirror: bool = False

    def poll(self, cursor: str | None) -> Iterator[ChangeBatch]:
        for number in range(self.count):
            # every other batch writes the same document, so that what the next is prepared from may be outdated
            yield ChangeBatch((Document(f"d{number % 2}", f"text number {number % 3}", "title"),), cursor=str(number))
        if self.fails:
            raise SourceError("the disk was taken away; put it back")


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as opened:
        opened.ensure_collection(NAME)
        yield opened


def prepared_by(kb: KnowledgeBase, encoder: HashEncoder) -> Preparation:
    targets = FixedTargets(StructureChunker(), encoder)
    return Preparation(kb.catalog, kb.catalog.collections.get(NAME), targets)


def documents(count: int) -> list[Document]:
    return [Document(f"d{number}", f"text number {number % TEXTS}", "title") for number in range(count)]


def test_parts_are_encoded_once_and_as_a_whole_would_be(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared_by(kb, HashEncoder()).prepare(documents(50), IngestReport())
    monkeypatch.setattr(preparation, "PART_CHARACTERS", 40)
    encoder, report = Counting(), IngestReport()
    parts = prepared_by(kb, encoder).prepare(documents(50), report)
    assert len(encoder.seen) == len(set(encoder.seen)) == report.embedded == TEXTS
    assert [change.document for change in parts.changes] == [change.document for change in whole.changes]  # type: ignore[union-attr]
    assert parts.vectors.keys() == whole.vectors.keys()
    assert all(np.array_equal(parts.vectors[key], whole.vectors[key]) for key in whole.vectors)


def test_what_an_encoder_raises_in_the_background_is_raised(kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "PART_CHARACTERS", 40)
    with pytest.raises(ValueError, match="a text holds number 3"):
        prepared_by(kb, Counting("number 3")).prepare(documents(50), IngestReport())


@pytest.mark.parametrize("fails", [False, True])
def test_batches_end_as_one_after_the_other_would(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(pipeline, "BATCH_CHANGES", 1)
    runtime = kb.runtime(NAME)
    if fails:
        with pytest.raises(SourceError, match="taken away"):
            runtime.pipeline.run(Batches(9, fails=True))
    else:
        report = runtime.pipeline.run(Batches(9))
        assert report.documents == 9
    collection = kb.catalog.collections.get(NAME)
    assert [kb.catalog.documents.chunks(collection, key)[0][1].text for key in ("d0", "d1")] == [
        "text number 2",  # of number 8
        "text number 1",  # of number 7
    ]
    assert kb.catalog.sources.register(collection, "batches", "batches").cursor == "8"
