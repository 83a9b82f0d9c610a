"""Mends text without changing what it says: mojibake, composed characters, invisible characters, white space.

Cleaning is idempotent: cleaning clean text changes nothing. Code keeps its indentation and its entities.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from html import unescape

from ftfy import fix_encoding

_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # every Zs beside the plain one
# Controls except tab and newline, soft hyphen, zero-width space, bidi controls, word joiner to invisible operators,
# byte order mark, interlinear marks, tags. The (non-)joiners U+200C/D stay: Persian, Indic scripts and emoji need them.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_TRAILING = re.compile(r"(?<![ \t])[ \t]++(?=\n)")  # once a run: trying each blank of it is quadratic
_BLANK_LINES = re.compile(r"\n{3,}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"</?[A-Za-z]")
_SUSPECT = re.compile(r"[\x80-\xff]")  # UTF-8 read as a one-byte charset leaves some of these
_MAX_ROUNDS = 8  # each round peels one layer of escaping; more layers than this do not occur

MAX_TITLE = 300  # characters of a title or heading; in English a quarter of what an encoder reads of a passage

_EDGE_LINES = 3  # lines at the top and bottom of a page that may be a running header or footer
_REPEATED_SHARE = 0.5  # of the pages that carry a line before it counts as running
_MIN_PAGES = 3  # fewer pages cannot show what repeats
_DIGITS = re.compile(r"\d+")
_MAX_NUMBERED = 200  # characters of a line in which a page number is looked for

_LineKey = tuple[str | int, ...]


def clean_text(text: str, *, code: bool = False) -> str:
    """The text mended and stripped at its end; `code` leaves entities, encoding and blank lines as they are."""
    for _ in range(_MAX_ROUNDS):
        cleaned = _clean_once(text, code)
        if cleaned == text:
            break
        text = cleaned
    return text


def clean_prose(text: str) -> str:
    """As `clean_text`, with runs of blanks inside a line as one: for text whose layout says nothing."""
    for _ in range(_MAX_ROUNDS):
        cleaned = "\n".join(" ".join(line.split()) for line in clean_text(text).split("\n")).strip()
        if cleaned == text or cleaned.isascii():  # what was read in a wrong encoding may show by its single blank only
            return cleaned
        text = cleaned
    return text


def clean_title(text: str) -> str:
    """As `clean_text`, on one line, and cut where it is longer than a title: it is encoded with every passage."""
    return shortened(" ".join(clean_text(text).split()))


def shortened(title: str) -> str:
    """A title or heading of at most `MAX_TITLE` characters, an ellipsis in place of the rest."""
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip() + "…"


def _clean_once(text: str, code: bool) -> str:
    if not code:
        text = _mend_entities(text)
    if not text.isascii():
        text = _mend_characters(text, code)
    text = _INVISIBLE.sub("", _NEWLINES.sub("\n", text))
    if " \n" in text or "\t\n" in text:  # asked first: the pattern looks at every blank
        text = _TRAILING.sub("", text)
    if not code and "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n").rstrip()


def _mend_entities(text: str) -> str:
    """Left-over HTML entities as characters, unless the text shows tags and so is about HTML."""
    if "&" not in text or _TAG.search(text):
        return text
    return _ENTITY.sub(lambda match: unescape(match[0]), text)


def _mend_characters(text: str, code: bool) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which no file or database accepts
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not code and _SUSPECT.search(text):
        text = fix_encoding(text)
    return unicodedata.normalize("NFC", _SPACES.sub(" ", text))


def without_running_lines(pages: Sequence[str]) -> list[str]:
    """The pages without headers and footers: lines at page edges that repeat, page numbers aside, on most pages."""
    if len(pages) < _MIN_PAGES:
        return list(pages)
    lines = [page.split("\n") for page in pages]
    seen = Counter(
        key
        for number, page in enumerate(lines)
        for key in {key for at in _edges(page) for key in _line_keys(page[at], number)}
    )
    running = {key for key, count in seen.items() if count >= max(_MIN_PAGES, len(pages) * _REPEATED_SHARE)}
    return ["\n".join(_without(page, number, running)) for number, page in enumerate(lines)]


def _edges(lines: Sequence[str]) -> set[int]:
    filled = [at for at, line in enumerate(lines) if line.strip()]
    return set(filled[:_EDGE_LINES]) | set(filled[-_EDGE_LINES:])


def _without(lines: Sequence[str], page: int, running: Set[_LineKey]) -> list[str]:
    edges = _edges(lines)
    return [line for at, line in enumerate(lines) if at not in edges or running.isdisjoint(_line_keys(line, page))]


def _line_keys(line: str, page: int) -> Iterator[_LineKey]:
    """What a line may share with its like on other pages: all of it, or all but one number that counts the pages.

    Other digits are not left out: rows of a table differ in nothing else.
    """
    line = " ".join(line.split())
    yield (line,)
    if len(line) <= _MAX_NUMBERED:
        for number in _DIGITS.finditer(line):
            yield line[: number.start()], line[number.end() :], int(number[0]) - page
