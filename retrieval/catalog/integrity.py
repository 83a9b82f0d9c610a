"""Whether the catalog agrees with itself: texts with their digests, chunks with the texts they were cut from."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection as Names
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.batching import in_parts
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading, writing
from retrieval.types import Block, Chunk, Document, text_hash

DOCUMENTS_PER_LOOK = 200
_DIGEST_DIGITS = 32  # 128 bits


def text_digest(document: Document, *made_by: str) -> str:
    """Digest of title, text and outline, and of what they were made by."""
    return _digest(document.title, document.text, document.outline, *made_by)


class Integrity:
    """Finds documents whose stored text was altered past the writer, and lets them be written anew."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def damaged(self, collection: Collection) -> Iterator[tuple[str, bool]]:
        """(key, whether its text is whole) of living documents whose text or chunks are not what was written."""
        d, t = schema.documents.c, schema.document_texts.c
        joined = schema.documents.join(
            schema.document_texts, (t.collection_id == d.collection_id) & (t.number == d.number)
        )
        query = (
            sa.select(d.number, d.key, d.title, d.input_hash, t.text, t.outline)
            .select_from(joined)
            .where(d.collection_id == collection.id, d.deleted.is_(False))
            .order_by(d.number)
            .limit(DOCUMENTS_PER_LOOK)
        )
        after = -1
        while True:
            with reading(self._engine) as connection:
                rows = connection.execute(query.where(d.number > after)).all()
                chunks = _chunks(connection, collection.id, [row.number for row in rows])
            if not rows:
                return
            for row in rows:
                is_whole = _is_whole(row)
                if not is_whole or any(_departs(chunk, row) for chunk in chunks[row.number]):
                    yield row.key, is_whole
            after = rows[-1].number

    def distrust(self, collection: Collection, keys: Names[str]) -> None:
        """Forget what these documents were made from: the next write of each replaces text, chunks and labels."""
        d, c = schema.documents.c, schema.chunks.c
        with writing(self._engine) as connection:
            for part in in_parts(sorted(keys)):
                mine = (d.collection_id == collection.id) & d.key.in_(part)
                numbers = sa.select(d.number).where(mine)
                connection.execute(schema.documents.update().where(mine).values(content_hash="", input_hash=""))
                connection.execute(
                    schema.chunks.update()
                    .where(c.collection_id == collection.id, c.document.in_(numbers))
                    .values(text_hash="")
                )


def _chunks(connection: sa.Connection, collection_id: int, numbers: list[int]) -> dict[int, list[Any]]:
    c = schema.chunks.c
    query = sa.select(c.document, c.ordinal, c.start, c.end, c.heading, c.text, c.text_hash).where(
        c.collection_id == collection_id, c.document.in_(numbers)
    )
    found: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.document].append(row)
    return found


def _is_whole(row: Any) -> bool:
    kept = row.input_hash.partition(":")[2]
    outline = [Block.from_row(block) for block in row.outline]
    return not kept or kept == _digest(row.title, row.text, outline)


def _departs(chunk: Any, row: Any) -> bool:
    """Whether a chunk is not the stretch of the text that it says it is."""
    cut = Chunk(chunk.ordinal, chunk.text, chunk.start, chunk.end, chunk.heading)
    return bool(chunk.text != row.text[chunk.start : chunk.end] or chunk.text_hash != text_hash(cut.passage(row.title)))


def _digest(title: str, text: str, outline: Names[Block], *made_by: str) -> str:
    blocks = (" ".join(str(value) for value in (*block.to_row()[:5], *block.links)) for block in outline)
    parts = (*made_by, title, text, "\n".join(blocks))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
