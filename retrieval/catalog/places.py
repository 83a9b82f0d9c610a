"""Where a stretch of a document stands: its page and the headings above it. Long documents are not read whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from retrieval.catalog import schema
from retrieval.catalog.collections import Collection
from retrieval.catalog.engine import reading
from retrieval.catalog.rights import may_read
from retrieval.types import BlockKind, Principal

_Row: TypeAlias = Sequence[Any]  # a block as stored, see `Block.to_row`


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at a stretch, and where: the headings from the outermost to the nearest, and the page from 1."""

    text: str
    title: str  # the document's
    headings: tuple[str, ...]
    page: int | None


class Places:
    """Looks stretches up in the outlines of the stored documents."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, collection: Collection, key: str, start: int, end: int, principal: Principal) -> Place | None:
        """Where `text[start:end]` of a living document stands; None where there is none, or the caller may not read it.

        A heading stands under itself.
        """
        d, t = schema.documents.c, schema.document_texts.c
        joined = schema.documents.join(
            schema.document_texts, (t.collection_id == d.collection_id) & (t.number == d.number)
        )
        document = (d.collection_id == collection.id, d.key == key, d.deleted.is_(False))
        with reading(self._engine) as connection:
            found = connection.execute(
                sa.select(d.acl, d.title, t.outline).select_from(joined).where(*document)
            ).one_or_none()
            if found is None or not may_read(
                collection.settings.default_acl if found.acl is None else found.acl, principal
            ):
                return None
            before = bisect_right(found.outline, start, key=lambda row: row[0])
            headings = list(_headings(found.outline[:before]))[::-1]
            spans = [(start, end), *((row[0], row[1]) for row in headings)]
            cut = (sa.func.substr(t.text, first + 1, last - first) for first, last in spans)
            text, *names = connection.execute(sa.select(*cut).select_from(joined).where(*document)).one()
        return Place(text, found.title, tuple(names), found.outline[before - 1][4] if before else None)


def _headings(outline: Sequence[_Row]) -> Iterator[_Row]:
    """The headings that what follows the outline stands under, the nearest first."""
    below: int | None = None
    for row in reversed(outline):
        _, _, kind, level, *_ = row
        if kind == BlockKind.HEADING and (below is None or level < below):
            yield row
            below = level
        if below == 1:
            return
