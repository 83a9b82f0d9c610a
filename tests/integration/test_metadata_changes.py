"""A change of what surrounds a text costs no mending, cutting or embedding, and ends the same as if it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contracts import CHUNKERS
from ingest.pipeline import Pipeline
from ingest.preparation import is_as_stored
from ingest.targets import FixedTargets
from retrieval.catalog import Catalog, Outcome, Upsert, sqlite_url
from retrieval.encoder.hashing import HashEncoder
from retrieval.types import OPERATOR, Block, Chunk, Document, Vectors

RAW = "  The caf\u00c3\u00a9 &amp; the bar are open.\r\n\r\n\r\n\r\nThis is the second part of the text.\u200b "
KEPT = "  The café & the bar are open.\n\nThis is the second part of the text."


class CountingEncoder(HashEncoder):
    """The hash encoder, which remembers how many passages it was given."""

    passages = 0

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        self.passages += len(texts)
        return super().encode_passages(texts)


class CountingChunker:
    """The ordinary chunker, which remembers how many documents it was given."""

    def __init__(self) -> None:
        self.documents = 0
        self._chunker = CHUNKERS.create("structure", max_tokens=220)

    def chunk(self, document: Document) -> Sequence[Chunk]:
        self.documents += 1
        return self._chunker.chunk(document)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(sqlite_url(tmp_path / "catalog.db"))
    yield opened
    opened.close()


def test_the_same_text_is_worked_on_once(catalog: Catalog) -> None:
    encoder, chunker = CountingEncoder(), CountingChunker()
    collection = catalog.collections.create("c", "hash", encoder.fingerprint)
    pipeline = Pipeline(catalog, collection, FixedTargets(chunker, encoder))
    pipeline.write([Document("a", RAW, "T", metadata={"v": 1})])
    worked = (encoder.passages, chunker.documents)
    assert pipeline.write([Document("a", RAW, "T", metadata={"v": 2})]).outcomes == (Outcome.METADATA,)
    assert (encoder.passages, chunker.documents) == worked
    stored = catalog.documents.get(collection, "a", OPERATOR).document
    assert (stored.text, stored.language, stored.metadata) == (KEPT, "en", {"v": 2})
    assert pipeline.write([Document("a", RAW, "T", metadata={"v": 2})]).outcomes == (Outcome.UNCHANGED,)


def test_a_language_that_is_named_spares_no_text_its_mending(catalog: Catalog) -> None:
    """As rows and JSON lines may do. Who gives an outline has mended the text, and its offsets hold as they are."""
    encoder, chunker = CountingEncoder(), CountingChunker()
    collection = catalog.collections.create("c", "hash", encoder.fingerprint)
    pipeline = Pipeline(catalog, collection, FixedTargets(chunker, encoder))
    outline = (Block(0, len(RAW)),)
    came = [Document("row", RAW, "T\0 1", language="en"), Document("file", RAW, "T", language="en", outline=outline)]
    catalog.writer.commit(collection.id, pipeline.prepare("s", came))
    stored = {one.key: catalog.documents.get(collection, one.key, OPERATOR).document for one in came}
    assert (stored["row"].text, stored["row"].title, stored["row"].language) == (KEPT, "T 1", "en")
    assert (stored["file"].text, stored["file"].outline) == (RAW, outline)
    inputs = catalog.documents.inputs(collection, stored)
    assert all(is_as_stored(one, inputs[one.key]) for one in came)


def test_what_came_otherwise_and_is_kept_the_same_is_worked_on_once(catalog: Catalog) -> None:
    """Such as after an earlier version, which marked it otherwise."""
    encoder, chunker = CountingEncoder(), CountingChunker()
    collection = catalog.collections.create("c", "hash", encoder.fingerprint)
    pipeline = Pipeline(catalog, collection, FixedTargets(chunker, encoder))
    row = Document("a", KEPT, "T", language="en")
    (upsert,) = pipeline.prepare("s", [row]).changes
    assert isinstance(upsert, Upsert)
    earlier = replace(upsert, input_hash="as an earlier version marked it:" + upsert.input_hash.partition(":")[2])
    catalog.writer.commit(collection.id, replace(pipeline.prepare("s", [row]), changes=[earlier]))
    assert is_as_stored(row, catalog.documents.inputs(collection, ["a"])["a"])
    assert not is_as_stored(replace(row, text="other"), catalog.documents.inputs(collection, ["a"])["a"])
    worked = []
    for _ in range(3):
        receipt = catalog.writer.commit(collection.id, pipeline.prepare("s", [row]))
        assert receipt.outcomes == (Outcome.UNCHANGED,)
        worked.append((encoder.passages, chunker.documents))
    assert worked[0] == worked[1] == worked[2]


def test_a_text_that_comes_back_within_one_batch_is_prepared_anew(catalog: Catalog) -> None:
    encoder = HashEncoder()
    collection = catalog.collections.create("c", "hash", encoder.fingerprint)
    pipeline = Pipeline(catalog, collection, FixedTargets(CHUNKERS.create("structure", max_tokens=220), encoder))
    pipeline.write([Document("a", "first")])
    receipt = pipeline.write([Document("a", "second"), Document("a", "first", metadata={"v": 1})])
    assert receipt.outcomes == (Outcome.UPDATED, Outcome.UPDATED)
    assert catalog.documents.get(collection, "a", OPERATOR).document.text == "first"


VERSIONS = st.lists(
    st.tuples(
        st.sampled_from(["", "Title", "Ti\u200btle"]),
        st.sampled_from(["text", " text\r\n", "tex&amp;t", "文本。"]),
        st.sampled_from(["", "en", "zh"]),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(versions=VERSIONS)
def test_a_document_is_as_if_only_its_last_version_had_come(
    tmp_path_factory: pytest.TempPathFactory, versions: list[tuple[str, str, str, int]]
) -> None:
    catalog = Catalog(sqlite_url(tmp_path_factory.mktemp("catalog") / "catalog.db"))
    encoder = HashEncoder()
    states = []
    for name, came in (("all", versions), ("last", versions[-1:])):
        collection = catalog.collections.create(name, "hash", encoder.fingerprint)
        pipeline = Pipeline(catalog, collection, FixedTargets(CHUNKERS.create("structure", max_tokens=220), encoder))
        for title, text, language, value in came:
            pipeline.write([Document("a", text, title, language=language, metadata={"v": value})])
        chunks = [chunk for _, chunk in catalog.documents.chunks(collection, "a")]
        states.append((catalog.documents.get(collection, "a", OPERATOR).document, chunks))
    catalog.close()
    assert states[0] == states[1]
