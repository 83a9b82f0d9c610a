"""Sentences of English and Chinese text with exact offsets; list items, table rows and headings stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from retrieval.analysis.folding import HAN


class Span(NamedTuple):
    """`text[start:end]`, without surrounding white space."""

    start: int
    end: int


MAX_SENTENCE = 1200  # characters; longer runs without punctuation (logs, code) are cut at white space

_CLOSERS = "\"'”’»」』）)】》]*_"
_BREAK = re.compile(
    rf"(?<![.!?])[.!?]+[{re.escape(_CLOSERS)}]*(?=\s)|[。！？!?]+[{re.escape(_CLOSERS)}]*|…{{2,}}[”’」』]*"
)
_LAST_WORD = re.compile(r"([^\s(\[“\"']+)$")
_STARTER = re.compile(r"\s+[\"“'(\[]*(?:The|It|In|He|She|They|This|That|These|Those|We|You|A|An|On|At|For|But|And)\b")
_LOWER_NEXT = re.compile(r"\s+[\"“'(\[]*[a-z]")
_NUMBER_NEXT = re.compile(r"\s+\d")

# Never the end of a sentence: titles and forms that need a word after them.
_TITLES = frozenset("mr mrs ms dr prof rev gen gov sen rep col capt lt sgt hon st mt ft messrs mme vs cf viz".split())
# Before a number only: "No. 5", "Fig. 2", "pp. 12".
_NUMBERED = frozenset("no nos fig figs vol vols ch sec art pp p para eq ed approx ca c cal".split())
# May end a sentence; the next word decides.
_SHORT = frozenset(
    "inc ltd co corp llc plc jr sr dept est etc al e.g i.e eg ie a.m p.m am pm u.s u.k u.n ph.d b.a m.a d.c "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun".split()
)

_ROW = re.compile(r"[ \t]*\|")
_RULE_ROW = re.compile(r"^[\s|:+=\-]+$")
_ITEM = re.compile(
    r"[ \t]*(?:[-*•‣◦·▪–]\s+|\(?\d{1,3}[.)、](?!\d)\s*|\(?[a-zA-Z][.)]\s+|"
    r"[一二三四五六七八九十]+、|（[一二三四五六七八九十\d]+）)"
)
_HEADING = re.compile(r"[ \t]*#{1,6}\s")
_WRAP_WIDTH = 30  # a line at least this wide (Han counts double) may be a wrapped one that goes on in the next


def split_sentences(text: str) -> list[Span]:
    """Spans of the sentences of `text` in order; they do not overlap and hold every letter, digit and Han character."""
    return [piece for block in _blocks(text) for span in _sentences(text, block) for piece in _cut(text, span)]


def is_table_row(sentence: str) -> bool:
    """Whether the sentence is a row of a pipe table."""
    return sentence.startswith("|") and sentence.count("|") > 1


def is_list_item(sentence: str) -> bool:
    """Whether a bullet or number makes the sentence an item of a list."""
    return without_list_mark(sentence) != sentence


def without_list_mark(sentence: str) -> str:
    """The sentence without the bullet or number that makes it an item of a list; a number alone is no item."""
    item = _ITEM.match(sentence)
    return sentence[item.end() :] if item and sentence[item.end() :].strip() else sentence


def _blocks(text: str) -> Iterator[Span]:
    """Lines, with wrapped ones joined to what they continue."""
    start = end = -1
    for line in re.finditer(r"[^\r\n\f\v\u2028\u2029]+", text):
        if not line.group().strip() or _RULE_ROW.match(line.group()):
            continue
        if start >= 0 and _continues(text, start, end, line):
            end = line.end()
            continue
        if start >= 0:
            yield Span(start, end)
        start, end = line.span()
    if start >= 0:
        yield Span(start, end)


def _continues(text: str, start: int, end: int, line: re.Match[str]) -> bool:
    """Whether `line` goes on with the sentence of the block before it."""
    between, before, after = text[end : line.start()], text[start:end].rstrip(), line.group().lstrip()
    if between.count("\n") > 1 or _ROW.match(before) or _HEADING.match(before):
        return False
    if _ROW.match(after) or _HEADING.match(after) or _ITEM.match(after) or before[-1:] in ".!?。！？:：;；":
        return False
    last_line = before[before.rfind("\n") + 1 :]
    wide = len(last_line) + len(HAN.findall(last_line)) >= _WRAP_WIDTH
    return wide and (after[0].islower() or after[0].isdigit() or bool(HAN.match(after)) or before[-1] in ",，、-")


def _sentences(text: str, block: Span) -> Iterator[Span]:
    start, end = block
    marker = _ITEM.match(text, start, end)
    search_from = marker.end() if marker else start
    if not _ROW.match(text, start, end):
        for found in _BREAK.finditer(text, search_from, end):
            if not _is_inside(text, found, start):
                yield from _stripped(text, start, found.end())
                start = found.end()
    yield from _stripped(text, start, end)


def _is_inside(text: str, found: re.Match[str], start: int) -> bool:
    """Whether this punctuation is inside a sentence: an abbreviation, an initial, a quoted exclamation."""
    if _LOWER_NEXT.match(text, found.end()):
        return found.group()[0] in ".!?"
    if found.group() != ".":
        return False
    word_match = _LAST_WORD.search(text, max(start, found.start() - 30), found.start())
    word = word_match.group(1) if word_match else ""
    lowered = word.lower()
    if lowered in _NUMBERED:
        return bool(_NUMBER_NEXT.match(text, found.end()))
    if lowered in _TITLES or (len(word) == 1 and word.isupper()):
        return True
    return (lowered in _SHORT or re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word) is not None) and not _STARTER.match(
        text, found.end()
    )


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Span(start, end)


def _cut(text: str, span: Span) -> Iterator[Span]:
    start, end = span
    while end - start > MAX_SENTENCE:
        space = max(text.rfind(mark, start + MAX_SENTENCE // 2, start + MAX_SENTENCE) for mark in " \t\n，；,;")
        stop = space + 1 if space >= 0 else start + MAX_SENTENCE
        yield from _stripped(text, start, stop)
        start = stop
    yield from _stripped(text, start, end)
