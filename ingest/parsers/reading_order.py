"""Recognised lines as a page's text in the order of reading: columns one after the other, paragraphs apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

_BINS = 200  # places across the page at which a gutter is looked for
_EDGE = 0.15  # share of the width on either side in which no gutter is looked for
_SPANNING = 0.3  # share of the lines, by height, that may cross a gutter: titles, wide figures
_COLUMN_LINES = 4  # of a column at least
_COLUMN_WIDTH = 8  # of a column's lines in line heights, at least; the cells of a table are narrower
_FILLED = 0.5  # share of a column's width that its lines fill; those of a table's column are ragged
_SAME_ROW = 0.5  # share of the lower line's height in which two lines of one row overlap
_PARAGRAPH_GAP = 0.5  # line heights between two paragraphs, besides the usual room between lines
_MIN_GAPS = 5  # between lines, from which the usual room is known
_OTHER_SIZE = 1.4  # ratio of heights from which a line is of another paragraph, such as its heading
_MAX_DEPTH = 3  # gutters inside columns: eight columns
_HAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")  # written without blanks between words


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or a part of one up to a wide gap, and where it stands: pixels, down and to the right."""

    text: str
    confidence: float  # 0 to 1, of its characters on average
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """At least one pixel."""
        return max(1.0, self.bottom - self.top)


def page_text(lines: Sequence[Line]) -> str:
    """The lines in the order of reading, a blank line between paragraphs; "" without any."""
    return "\n\n".join("\n".join(paragraph) for column in _columns(lines) for paragraph in _paragraphs(column))


def _columns(lines: Sequence[Line], depth: int = 0) -> Iterator[Sequence[Line]]:
    """The lines of each column in turn; what crosses a gutter comes between what is above and what is below it."""
    gutter = _gutter(lines) if depth < _MAX_DEPTH else None
    if gutter is None:
        if lines:
            yield lines
        return
    band: list[Line] = []
    crossing: list[Line] = []
    for line in sorted(lines, key=lambda line: line.top):
        if _crosses(line, gutter):
            yield from _beside(band, gutter, depth)
            band = []
            crossing.append(line)
            continue
        if crossing:
            yield crossing
            crossing = []
        band.append(line)
    if crossing:
        yield crossing
    yield from _beside(band, gutter, depth)


def _beside(band: Sequence[Line], gutter: float, depth: int) -> Iterator[Sequence[Line]]:
    yield from _columns([line for line in band if _middle(line) < gutter], depth + 1)
    yield from _columns([line for line in band if _middle(line) >= gutter], depth + 1)


def _gutter(lines: Sequence[Line]) -> float | None:
    """Where the fewest lines cross from left to right, if running text stands on both sides of it."""
    if len(lines) < 2 * _COLUMN_LINES:
        return None
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    places = [left + (right - left) * at / _BINS for at in range(int(_BINS * _EDGE), int(_BINS * (1 - _EDGE)) + 1)]
    crossing = [sum(line.height for line in lines if _crosses(line, place)) for place in places]
    fewest = min(crossing)
    if fewest > _SPANNING * sum(line.height for line in lines):
        return None
    start, end = _longest_run([weight == fewest for weight in crossing])
    gutter = places[(start + end - 1) // 2]
    beside = [line for line in lines if not _crosses(line, gutter)]
    sides = [line for line in beside if _middle(line) < gutter], [line for line in beside if _middle(line) >= gutter]
    return gutter if all(map(_is_column, sides)) else None


def _longest_run(flags: Sequence[bool]) -> tuple[int, int]:
    best = start = 0, 0
    for at, flag in enumerate(flags):
        start = (start[0], at + 1) if flag else (at + 1, at + 1)
        best = max(best, start, key=lambda run: run[1] - run[0])
    return best


def _is_column(lines: Sequence[Line]) -> bool:
    """Whether running text stands in it, perhaps in columns again, not the cells of a table."""
    if len(lines) < _COLUMN_LINES:
        return False
    width = median(line.right - line.left for line in lines)
    if width < _COLUMN_WIDTH * median(line.height for line in lines):
        return False
    extent = max(line.right for line in lines) - min(line.left for line in lines)
    return width >= _FILLED * extent or _gutter(lines) is not None


def _crosses(line: Line, place: float) -> bool:
    inset = line.height / 4  # recognised boxes are a little wider than the text
    return line.left + inset < place < line.right - inset


def _middle(line: Line) -> float:
    return (line.left + line.right) / 2


def _paragraphs(lines: Sequence[Line]) -> Iterator[list[str]]:
    rows = [(max(row, key=lambda line: line.height), _row_text(row)) for row in _rows(lines)]
    gaps = [max(0.0, below.top - above.bottom) for (above, _), (below, _) in pairwise(rows)]
    usual = median(gaps) if len(gaps) >= _MIN_GAPS else 0.0
    paragraph: list[str] = []
    above: Line | None = None
    for line, text in rows:
        if above is not None and _is_apart(above, line, usual):
            yield paragraph
            paragraph = []
        paragraph.append(text)
        above = line
    if paragraph:
        yield paragraph


def _is_apart(above: Line, below: Line, usual: float) -> bool:
    small, large = sorted((above.height, below.height))
    return below.top - above.bottom > usual + _PARAGRAPH_GAP * small or large > _OTHER_SIZE * small


def _rows(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines side by side, from left to right, and such rows from above."""
    row: list[Line] = []
    for line in sorted(lines, key=lambda line: line.top + line.bottom):
        if row and not _same_row(row[-1], line):
            yield sorted(row, key=lambda one: one.left)
            row = []
        row.append(line)
    if row:
        yield sorted(row, key=lambda one: one.left)


def _same_row(one: Line, other: Line) -> bool:
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    return overlap > _SAME_ROW * min(one.height, other.height)


def _row_text(row: Sequence[Line]) -> str:
    text = row[0].text
    for before, line in pairwise(row):
        is_split_word = (
            line.left - before.right < line.height and _HAN.match(before.text[-1:]) and _HAN.match(line.text)
        )
        text += line.text if is_split_word else f" {line.text}"
    return text
