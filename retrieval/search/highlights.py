"""Where a passage matches a query: stretches of its text, found with the analyzer that matched them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval.analysis.analyzer import Analyzer

FRAGMENT_LENGTH = 160  # characters, about two lines on a screen
MAX_FRAGMENTS = 2
_GOES_ON = re.compile(r"[-_./]?[A-Za-z0-9]")  # of a word or code, after one of its parts
_BEGAN = re.compile(r"[A-Za-z0-9][-_./]?$")  # the same before one


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a chunk's text; `marks` are (start, end) within it."""

    text: str
    marks: tuple[tuple[int, int], ...]


def marked_tokens(analyzer: Analyzer, query: str) -> frozenset[str]:
    """The tokens of a query that are marked. Function words, which a search leaves out, are not."""
    return frozenset(analyzer.query_tokens(query))


def highlights(analyzer: Analyzer, wanted: frozenset[str], text: str) -> tuple[Fragment, ...]:
    """The stretches of `text` with most of the wanted tokens, in text order; none when nothing matches."""
    marked = _with_their_codes(analyzer, wanted, text)
    found = marked
    fragments: list[tuple[int, int]] = []
    while found and len(fragments) < MAX_FRAGMENTS:
        start, end = _best_window(found, text)
        fragments.append((start, end))
        found = [span for span in found if span[2] <= start or span[1] >= end]
    marks = [(start, end) for _, start, end in marked]
    return tuple(_fragment(text, start, end, marks) for start, end in sorted(fragments))


def _with_their_codes(analyzer: Analyzer, wanted: frozenset[str], text: str) -> list[tuple[str, int, int]]:
    """The spans of the wanted tokens, but single letters and digits of codes only beside what else of them is wanted.

    The E of `E-1042` is a token: on its own it would mark every other code that begins with E.
    """
    spans = analyzer.spans_of(text, wanted)
    single = frozenset(token for token in wanted if len(token) == 1 and token.isascii())
    if not single:
        return spans
    parts = single & _parts_of_codes(analyzer, wanted)
    kept = []
    for span in spans:
        token, start, end = span
        stands_alone = token not in parts and not _is_joined(text, start, end)
        if token not in single or stands_alone or any(_touch(span, other) for other in spans if other != span):
            kept.append(span)
    return kept


def _parts_of_codes(analyzer: Analyzer, wanted: frozenset[str]) -> frozenset[str]:
    codes = (token for token in wanted if len(token) > 1 and any(char.isdigit() for char in token))
    return frozenset(part for code in codes for part, _, _ in analyzer.spans(code) if part != code)


def _is_joined(text: str, start: int, end: int) -> bool:
    """Whether a stretch is part of a word or code that goes on at either end."""
    return bool(_GOES_ON.match(text, end) or _BEGAN.search(text[max(0, start - 2) : start]))


def _touch(one: tuple[str, int, int], other: tuple[str, int, int]) -> bool:
    """Whether at most one character is between two spans."""
    return one[1] <= other[2] + 1 and other[1] <= one[2] + 1


def _best_window(found: list[tuple[str, int, int]], text: str) -> tuple[int, int]:
    """The first of the windows that hold most distinct tokens."""
    distinct = len({token for token, _, _ in found})
    best_count, best_start = 0, 0
    for index, (_, start, _) in enumerate(found):
        count = _tokens_within(found, index, start + FRAGMENT_LENGTH)
        if count > best_count:
            best_count, best_start = count, start
        if best_count == distinct:
            break
    return _at_spaces(text, max(0, best_start - FRAGMENT_LENGTH // 8))


def _tokens_within(found: list[tuple[str, int, int]], first: int, limit: int) -> int:
    """How many distinct tokens, from the span `first` on, end by `limit`."""
    inside: set[str] = set()
    for index in range(first, len(found)):
        token, start, end = found[index]
        if start > limit:
            break
        if end <= limit:
            inside.add(token)
    return len(inside)


def _at_spaces(text: str, start: int) -> tuple[int, int]:
    """Move a window to word boundaries where there are any near (Chinese has none, and needs none)."""
    if start > 0:
        space = text.find(" ", start, start + 20)
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + FRAGMENT_LENGTH)
    if end < len(text):
        space = text.rfind(" ", end - 20, end)
        end = space if space > start else end
    return start, end


def _fragment(text: str, start: int, end: int, marks: list[tuple[int, int]]) -> Fragment:
    inside = sorted({(a - start, b - start) for a, b in marks if a >= start and b <= end})
    merged: list[tuple[int, int]] = []
    for a, b in inside:
        if merged and a < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return Fragment(text[start:end], tuple(merged))
