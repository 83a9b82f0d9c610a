"""The place of a stretch, as one reads it off the whole text and outline, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import random

from retrieval.catalog import Catalog, Collection, Commit, Upsert
from retrieval.catalog.places import Place
from retrieval.types import OPERATOR, Block, BlockKind, Chunk, Deletion, Document, Principal

WORDS = ["pump", "阀门", "𠮷野", "🛠 tool", "naïve", "Ünit"]  # of one, two and four bytes a character


def document(seed: int) -> Document:
    """Blocks of any kind and depth on pages that go up."""
    dice = random.Random(seed)
    parts: list[str] = []
    outline: list[Block] = []
    page, at = 1, 0
    for _ in range(dice.randrange(1, 40)):
        parts.append(" ".join(dice.choices(WORDS, k=dice.randrange(1, 9))))
        page += dice.random() < 0.2
        level = dice.choice([0, 0, 1, 2, 3, 6])
        kind = BlockKind.HEADING if level else BlockKind.PARAGRAPH
        outline.append(Block(at, at + len(parts[-1]), kind, level, page))
        at = outline[-1].end + 2
    return Document(f"d{seed}", "\n\n".join(parts), "Plant", outline=tuple(outline))


def place(document: Document, start: int, end: int) -> Place:
    above: list[Block] = []
    page = None
    for block in document.outline:
        if block.start > start:
            break
        page = block.page
        if block.kind is BlockKind.HEADING:
            above = [*(other for other in above if other.level < block.level), block]
    headings = tuple(document.text[block.start : block.end] for block in above)
    return Place(document.text[start:end], document.title, headings, page)


def stored(catalog: Catalog, collection: Collection, *changes: Document | Deletion) -> None:
    made = [
        Upsert(one, [Chunk(0, one.text, 0, len(one.text))]) if isinstance(one, Document) else one for one in changes
    ]
    catalog.writer.commit(collection.id, Commit(made))


def test_places_are_those_of_the_whole_document(catalog: Catalog, handbook: Collection) -> None:
    documents = [document(seed) for seed in range(30)]
    stored(catalog, handbook, *documents)
    for one in documents:
        for block in random.Random(one.key).choices(one.outline, k=4):
            start, end = block.start, min(block.end + 3, len(one.text))
            assert catalog.places.of(handbook, one.key, start, end, OPERATOR) == place(one, start, end)


def test_a_text_without_outline_has_neither_pages_nor_headings(catalog: Catalog, handbook: Collection) -> None:
    stored(catalog, handbook, Document("row", "pump: 7"))
    assert catalog.places.of(handbook, "row", 6, 7, OPERATOR) == Place("7", "", (), None)
    assert catalog.places.of(handbook, "row", 600, 700, OPERATOR) == Place("", "", (), None)


def test_nobody_learns_of_what_he_may_not_read(catalog: Catalog, handbook: Collection) -> None:
    stored(catalog, handbook, Document("open", "a"), Document("closed", "b", acl=("hr",)), Document("old", "c"))
    stored(catalog, handbook, Deletion("old"))
    guest, hr = Principal("guest"), Principal("hr", frozenset({"hr"}))
    assert catalog.places.of(handbook, "open", 0, 1, guest) == Place("a", "", (), None)
    assert catalog.places.of(handbook, "closed", 0, 1, hr) == Place("b", "", (), None)
    for key, caller in (("closed", guest), ("old", OPERATOR), ("never", OPERATOR)):
        assert catalog.places.of(handbook, key, 0, 1, caller) is None
