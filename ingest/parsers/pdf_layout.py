"""One PDF page's lines as paragraphs, headings and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.parsers.builder import TextBuilder

Table = Sequence[Sequence[str | None]]

# "3.1 Title", "第一章 …", "Chapter 2", "附录A": what numbered headings look like, on a line of their own
_NUMBERED = re.compile(
    r"(?:(\d{1,2}(?:\.\d{1,2}){0,4})[.、]?\s+(?=\D{2})|第[一二三四五六七八九十百\d]{1,4}[章节篇部分条]\s*"
    r"|(?:Chapter|Section|Appendix|CHAPTER|SECTION|APPENDIX)\s+\w{1,4}\b|附录\s*[A-Z]\b)"
)
_HEADING_LENGTH = 60  # characters; longer lines are sentences
_SENTENCE_END = tuple(".。!！?？;；,，:：、")
_WIDE_LINE = 0.7  # share of the page's longest lines; a shorter one that ends a sentence ends its paragraph
_WORD_BREAK = re.compile(r"(?<=[a-z])-\n(?=[a-z])")


def add_page_text(builder: TextBuilder, text: str, tables: Sequence[Table], page: int) -> None:
    """Add the page: its tables as rows where they stand in the text, the rest as headings and paragraphs."""
    lines = [line.strip() for line in text.split("\n")]
    for table in tables:
        start, end = _lines_of(table, lines)
        if start == end:
            builder.table(table, page)
            continue
        _add_lines(builder, lines[:start], page)
        builder.table(table, page)
        lines = lines[end:]
    _add_lines(builder, lines, page)


def _lines_of(table: Table, lines: Sequence[str]) -> tuple[int, int]:
    """The run of lines whose words are the table's cells, (0, 0) when they are scattered over the page."""
    inside = _squeezed("".join(cell or "" for row in table for cell in row))
    ours = [bool(line) and _squeezed(line) in inside for line in lines]
    pieces = {_squeezed(cell or "") for row in table for cell in row}
    ours = [mine or _all_pieces(line, pieces) for mine, line in zip(ours, lines, strict=True)]
    best = max(_runs(ours), key=lambda run: run[1] - run[0], default=(0, 0))
    covered = len(_squeezed("".join(lines[best[0] : best[1]])))
    return best if covered >= 0.6 * len(inside) else (0, 0)


def _runs(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    start = None
    for at, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = at
        elif not flag and start is not None:
            yield start, at
            start = None


def _all_pieces(line: str, pieces: set[str]) -> bool:
    """Whether every word group of the line is the beginning or end of some cell."""
    words = line.split()
    return bool(words) and all(any(_squeezed(word) in piece for piece in pieces) for word in words)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _add_lines(builder: TextBuilder, lines: Sequence[str], page: int) -> None:
    widest = sorted(map(len, lines))[int(len(lines) * 0.9)] if lines else 0
    paragraph: list[str] = []

    def flush() -> None:
        builder.paragraph(_WORD_BREAK.sub("", "\n".join(paragraph)), page)
        paragraph.clear()

    for line in lines:
        level = heading_level(line)
        if not line or level:
            flush()
        if level:
            builder.heading(line, level, page)
        elif line:
            paragraph.append(line)
            if line.endswith(("。", ".", "！", "？", "!", "?")) and len(line) < _WIDE_LINE * widest:
                flush()
    flush()


def heading_level(line: str) -> int:
    """The depth of a numbered heading, 0 for any other line."""
    match = _NUMBERED.match(line)
    if match is None or len(line) > _HEADING_LENGTH or line.endswith(_SENTENCE_END) or _is_contents(line):
        return 0
    return 1 + (match[1].count(".") if match[1] else 0)


def _is_contents(line: str) -> bool:
    """Whether it is a line of a table of contents or of figures: leaders, or mostly digits."""
    digits = sum(character.isdigit() for character in line)
    return "...." in line or "…" in line or digits > len(line) / 3
