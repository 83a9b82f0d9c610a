"""What the catalog writes as JSON can always be read again, and what an older version wrote as well."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from ingest.parsers import parse_file
from retrieval.catalog import Catalog, Commit, Upsert, schema, sqlite_url
from retrieval.catalog.json_text import read, written
from retrieval.evaluation.runs import read_queries
from retrieval.types import OPERATOR, Chunk, Document

HALF = "\ud800x"
FRONT_MATTER = b'---\nscore: .nan\nlow: -.inf\nauthor: "\\uD800x"\ntitle: "A \\uDC00 title"\n---\nThe pump is blue.\n'


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"a": [1, 2.5, True, None, "泵"]}, {"a": [1, 2.5, True, None, "泵"]}),
        ({"a": math.nan, "b": [math.inf, -math.inf]}, {"a": None, "b": [None, None]}),
        ({"a" + HALF: HALF}, {"a\ufffdx": "\ufffdx"}),
        ({"a": 2**70, "b": [HALF, 2**64, 7]}, {"a": str(2**70), "b": ["\ufffdx", str(2**64), 7]}),
        ({3: "three"}, {"3": "three"}),
    ],
)
def test_what_is_written_is_json_for_everybody(value: Any, kept: Any) -> None:
    text = written(value)
    assert orjson.loads(text) == read(text) == kept


def test_what_is_no_json_is_read_all_the_same() -> None:
    assert read(json.dumps({"a": math.nan, "b": HALF, "c": [math.inf, "泵"]})) == {
        "a": None,
        "b": "\ufffdx",
        "c": [None, "泵"],
    }
    with pytest.raises(ValueError, match="Expecting"):
        read("{")


def test_a_file_with_such_values_is_stored_and_read(tmp_path: Path) -> None:
    parsed = parse_file(FRONT_MATTER, "pump.md")
    catalog = Catalog(sqlite_url(tmp_path / "c.db"))
    try:
        collection = catalog.collections.create("docs", "hash", "fp")
        document = Document("pump.md", parsed.text, parsed.title, metadata=parsed.metadata)
        catalog.writer.commit(collection.id, Commit([Upsert(document, [Chunk(0, parsed.text, 0, len(parsed.text))])]))
        kept = catalog.documents.get(collection, "pump.md", OPERATOR).document
        assert kept.title == "A \ufffd title" and kept.metadata["score"] is None
        assert kept.metadata["author"] == "\ufffdx"
    finally:
        catalog.close()


def test_a_catalog_that_holds_what_is_no_json_can_be_used(tmp_path: Path) -> None:
    """As versions before wrote it: the row is read, and mended by the next write."""
    catalog = Catalog(sqlite_url(tmp_path / "c.db"))
    try:
        collection = catalog.collections.create("docs", "hash", "fp")
        catalog.writer.commit(collection.id, Commit([Upsert(Document("a", "blue"), [Chunk(0, "blue", 0, 4)])]))
        engine = sa.create_engine(sqlite_url(tmp_path / "c.db"))
        with engine.begin() as connection:
            bad = schema.documents.update().values(metadata=sa.literal_column("'{\"score\": NaN}'"))
            connection.execute(bad)
        engine.dispose()
        assert catalog.documents.get(collection, "a", OPERATOR).document.metadata == {"score": None}
        (batch,) = catalog.log.since(collection, 0, None)
        assert [chunk.metadata["score"] for chunk in batch.added] == [None]
    finally:
        catalog.close()


def test_questions_are_whole_text(tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text('{"id": "q\\ud800", "text": "\\ud83d\\ude00 and \\ud800"}\n', encoding="utf-8")
    assert read_queries(file) == {"q\ufffd": "😀 and \ufffd"}
