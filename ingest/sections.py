"""Sections of a document: what lies between two headings, with the headings above it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.cleaning import shortened
from retrieval.types import HEADING_SEPARATOR, Block, BlockKind, Document


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch that begins with its heading. `path` names the headings above; `path_inside` this one too."""

    start: int
    end: int
    path: str
    path_inside: str
    only_heading: bool  # no text follows the heading before the next one

    def through(self, later: Section) -> Section:
        """Both sections as one; a bare heading hands the later one's headings on."""
        inside = later.path_inside if self.only_heading else self.path_inside
        return Section(self.start, later.end, self.path, inside, later.only_heading and self.only_heading)


def sections_of(document: Document) -> list[Section]:
    """The document's sections in order; together they cover the whole text."""
    headings = [block for block in document.outline if block.kind is BlockKind.HEADING]
    text, sections = document.text, []
    first = headings[0].start if headings else len(text)
    if text[:first].strip():
        sections.append(Section(0, first, "", "", False))
    above: list[Block] = []
    for index, heading in enumerate(headings):
        end = headings[index + 1].start if index + 1 < len(headings) else len(text)
        above = [block for block in above if block.level < heading.level]
        path = _path(document, above)
        above.append(heading)
        only_heading = not text[heading.end : end].strip()
        sections.append(Section(heading.start, end, path, _path(document, above), only_heading))
    return sections


def _path(document: Document, headings: list[Block]) -> str:
    return joined_headings((document.text[block.start : block.end] for block in headings), document.title)


def joined_headings(headings: Iterable[str], title: str) -> str:
    """Headings on one line, in order; one that repeats the document's title says nothing new and is left out."""
    names = (shortened(" ".join(heading.split())) for heading in headings)
    return HEADING_SEPARATOR.join(name for name in names if name != title.strip())
