"""Cuts a document into retrievable chunks along its structure: headings, paragraphs, table rows, sentences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.boundaries import CLAUSE, LINE, PARAGRAPH, SENTENCE, WORD, character_cuts, choose, cuts
from ingest.sections import Section, sections_of
from ingest.tokens import estimate_tokens, token_sums
from retrieval.types import HEADING_SEPARATOR, Block, BlockKind, Chunk, Document

MAX_TOKENS = 220  # encoder tokens; with title and headings a passage stays inside MiniLM's window of 256
SMALL_TOKENS = 40  # encoder tokens; a shorter stretch is joined to its neighbour
_FILL = 0.5  # share of the maximum from which on a cut is looked for
_UNCOUNTED = np.zeros(1)
_HEADER_SHARE = 0.3  # largest share of the maximum that a repeated table header may take; later columns are left out
_HEADER_CHARACTERS = 2_000  # of a table header that are looked at, for each chunk of the table again


class StructureChunker:
    """Chunks of at most `max_tokens` estimated encoder tokens; a document that fits whole is one chunk.

    A chunk may exceed the maximum only by a small tail that was joined to it, never by more than `small_tokens`.
    With `overlap_tokens` a chunk begins up to that much earlier, at a sentence of the chunk before it.
    """

    def __init__(self, max_tokens: int = MAX_TOKENS, small_tokens: int = SMALL_TOKENS, overlap_tokens: int = 0) -> None:
        if not 0 <= small_tokens <= max_tokens // 4:
            raise ValueError(f"small_tokens is {small_tokens}, expected 0 to a quarter of max_tokens ({max_tokens})")
        if not 0 <= overlap_tokens <= max_tokens // 2:
            raise ValueError(f"overlap_tokens is {overlap_tokens}, expected 0 to half of max_tokens ({max_tokens})")
        self.max_tokens = max_tokens
        self.small_tokens = small_tokens
        self.overlap_tokens = overlap_tokens

    def chunk(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in order; every visible character lies in one; () for a blank text."""
        text = document.text
        start, end = _trim(text, 0, len(text))
        if start == end:
            return ()
        if end - start <= self.max_tokens:  # no character costs more than a token: nothing needs to be counted
            return (_Layout(text, _UNCOUNTED, document.outline).chunk(0, start, end, ""),)
        sums = token_sums(text)
        layout = _Layout(text, sums, document.outline)
        if sums[end] - sums[start] <= self.max_tokens:
            return (layout.chunk(0, start, end, ""),)
        stretches = self._stretches(layout, document)
        return tuple(layout.chunk(ordinal, *stretch) for ordinal, stretch in enumerate(stretches))

    def _stretches(self, layout: _Layout, document: Document) -> Iterator[tuple[int, int, str]]:
        """(start, end, heading) of each chunk."""
        for section in self._joined(layout, sections_of(document)):
            floor = section.start
            for start, end in self._split(layout, section.start, section.end):
                start, end = _trim(layout.text, start, end)
                if start == end:
                    continue
                inside = start > section.start
                path = section.path_inside if inside else section.path
                heading = layout.heading(path, start, self.max_tokens * _HEADER_SHARE)
                yield (self._overlapped(layout, floor, start), end, heading)
                floor = start

    def _joined(self, layout: _Layout, sections: list[Section]) -> list[Section]:
        """Sections, the small ones joined to the next, or at the end to the last."""
        joined: list[Section] = []
        for section in sections:
            if joined and self._joins(layout, joined[-1], section):
                joined[-1] = joined[-1].through(section)
            else:
                joined.append(section)
        if len(joined) > 1 and layout.tokens(joined[-1].start, joined[-1].end) < self.small_tokens:
            last = joined.pop()
            joined[-1] = joined[-1].through(last)
        return joined

    def _joins(self, layout: _Layout, section: Section, following: Section) -> bool:
        size = layout.tokens(section.start, section.end)
        if size >= self.small_tokens and not section.only_heading:
            return False
        next_size = layout.tokens(following.start, following.end)
        return section.only_heading or size + next_size <= self.max_tokens or next_size > self.max_tokens

    def _split(self, layout: _Layout, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Stretches of `start..end`, each at most the maximum, the last one not small."""
        while True:
            limit = self.max_tokens - layout.header_tokens(start, self.max_tokens * _HEADER_SHARE)
            rest = layout.tokens(start, end)
            if rest <= limit:
                yield start, end
                return
            upper = min(limit, max(rest - self.small_tokens, limit * _FILL))
            cut = layout.cut(start, end, limit * _FILL, upper)
            yield start, cut
            start = cut

    def _overlapped(self, layout: _Layout, floor: int, start: int) -> int:
        if not self.overlap_tokens or start <= floor:
            return start
        earliest = layout.reach_back(start, self.overlap_tokens)
        candidates = cuts(SENTENCE, layout.text, max(earliest, floor), start - 1)
        return candidates[0] if candidates else start


@dataclass(frozen=True, slots=True)
class _Layout:
    """A text with its running token sums and outline: measures stretches and finds cuts."""

    text: str
    sums: NDArray[np.float64]
    outline: tuple[Block, ...]

    def tokens(self, start: int, end: int) -> float:
        return float(self.sums[end] - self.sums[start])

    def reach(self, start: int, tokens: float) -> int:
        """The furthest end so that `text[start:end]` costs at most that much."""
        return int(np.searchsorted(self.sums, self.sums[start] + tokens, side="right")) - 1

    def reach_back(self, end: int, tokens: float) -> int:
        return int(np.searchsorted(self.sums, self.sums[end] - tokens, side="left"))

    def cut(self, start: int, end: int, at_least: float, at_most: float) -> int:
        """The best place to cut after `at_least` and up to `at_most` tokens of `text[start:end]`."""
        last = min(max(self.reach(start, at_most), start + 1), end - 1)
        first = min(max(self.reach(start, at_least), start + 1), last)
        if paragraphs := cuts(PARAGRAPH, self.text, first, last):
            return choose(self.text, paragraphs)
        if rows := self._row_cuts(start, first, last):
            return rows[-1]
        sentences = [at for at in cuts(SENTENCE, self.text, first, last) if not self._in_rows(at)]
        for found in (sentences, cuts(LINE, self.text, first, last), cuts(CLAUSE, self.text, first, last)):
            if found:
                return choose(self.text, found)
        # no boundary in the window: a weaker one before it is better than a word torn apart
        for pattern in (CLAUSE, WORD):
            if found := cuts(pattern, self.text, start + 1, last):
                return found[-1]
        return self._forced(first, last, end)

    def _row_cuts(self, start: int, first: int, last: int) -> list[int]:
        """Row beginnings where the window lies in a table, list or code; rows stay whole as long as one fits."""
        if not self._in_rows(last):
            return []
        in_window = [at for at in cuts(LINE, self.text, first, last) if self._in_rows(at)]
        return in_window or [at for at in cuts(LINE, self.text, start + 1, first) if self._in_rows(at)]

    def _forced(self, first: int, last: int, end: int) -> int:
        """A cut inside an unbroken run of characters, which no boundary interrupts."""
        positions = character_cuts(self.text, first, last)
        return positions[-1] if positions else min(last + 1, end)

    def block(self, at: int) -> Block | None:
        """The block that covers this position."""
        index = bisect_right(self.outline, at, key=lambda block: block.start) - 1
        if index < 0 or self.outline[index].end <= at:
            return None
        return self.outline[index]

    def _in_rows(self, at: int) -> bool:
        block = self.block(at)
        return block is not None and block.kind in (BlockKind.TABLE, BlockKind.LIST, BlockKind.CODE)

    def table_header(self, at: int, most: float) -> str:
        """The header row of the table in whose later rows this position lies, up to that many tokens, else ""."""
        block = self.block(at)
        if block is None or block.kind is not BlockKind.TABLE:
            return ""
        header_end = self.text.find("\n", block.start, block.end)
        if not 0 <= header_end < at:
            return ""
        header = self.text[block.start : min(header_end, block.start + _HEADER_CHARACTERS)].strip(" |")
        fits = int(np.searchsorted(token_sums(header), most, side="right")) - 1
        return header if fits == len(header) else header[:fits].rpartition(" | ")[0] or header[:fits]

    def header_tokens(self, at: int, most: float) -> float:
        return estimate_tokens(self.table_header(at, most))

    def heading(self, path: str, at: int, most: float) -> str:
        """The headings above a stretch that begins here, with the header of a table it continues, as above."""
        return HEADING_SEPARATOR.join(part for part in (path, self.table_header(at, most)) if part)

    def chunk(self, ordinal: int, start: int, end: int, heading: str) -> Chunk:
        block = self.block(start)
        page = block.page if block else None
        return Chunk(ordinal, self.text[start:end], start, end, heading, page)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without white space at its ends."""
    stretch = text[start:end]
    if not stretch.strip():
        return start, start
    return start + len(stretch) - len(stretch.lstrip()), start + len(stretch.rstrip())
