"""Rich text: headings by style, lists, tables, notes after their paragraph; in any code page."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ingest.cleaning import clean_title
from ingest.contracts import ParsedDocument
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode_damaged
from ingest.parsers.code_pages import codec_of
from ingest.parsers.guard import damaged
from ingest.parsers.limits import Deadline
from ingest.parsers.rtf_blocks import RtfBlocks
from ingest.parsers.rtf_tokens import (
    CHARACTERS,
    CHARSETS,
    CODE_PAGES,
    MARKED,
    PLACES,
    SYMBOLS,
    UNREAD,
    Token,
    tokens,
)

_WESTERN = 1252  # code page
_MAX_DEPTH = 10_000  # groups inside groups; writers make some dozens
_TOKENS_BETWEEN_CHECKS = 10_000
_PAIRS = re.compile(rb"(?:[\0-\x7f]|[\x81-\xfe]{2})*+")
_WIDE = frozenset({932, 936, 949, 950, 1361, 54936})  # code pages whose characters are pairs of bytes
_HYPERLINK = re.compile(r'\s*HYPERLINK\s+"?([^"\s\\][^"\s]*)')
_INDEX = re.compile(r"\s*(?:TOC|INDEX)\b")  # fields that repeat what stands elsewhere
_HEADING = re.compile(r"\s*(?:heading|标题|überschrift|titre)\s*(\d)", re.IGNORECASE)
_TITLES = ("title", "标题")
_TITLE = 0  # level of a title paragraph
_SETTINGS = {"s": "style", "outlinelevel": "outline", "ilvl": "depth", "f": "font", "uc": "alternatives"}
_SWITCHES = {"v": "is_hidden", "deleted": "is_deleted", "intbl": "is_in_table"}
_MERGES = {"clvmgf": "first", "clvmrg": "below"}


class RtfParser:
    """Rich Text Format, as Word, WordPad, LibreOffice and many programs write it."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The document's text; the title is its title paragraph or its property. Raises `ParseError`."""
        builder = TextBuilder(name)
        with damaged(name, "open it in Word and save it as .docx"):
            reader = RtfReader(builder, Deadline(name))
            reader.read(data)
        title = reader.title or builder.first_heading
        return builder.build(title, {"author": reader.author} if reader.author else {})


@dataclass(slots=True)
class _Group:
    """What holds until a group ends; those inside begin with the same."""

    sink: list[str] | None  # where its words go; None: they are no text of the document
    outer: list[str] | None = None  # the sink around words that stand twice
    place: str = ""
    is_marked: bool = False  # by \*: unread, if its first word is not known
    is_index: bool = False  # a field whose result is a table of contents
    is_hidden: bool = False
    is_deleted: bool = False
    is_in_table: bool = False
    font: int | None = None
    alternatives: int = 1  # bytes after a character in Unicode, for readers that do not know it
    style: int | None = None
    outline: int | None = None  # by the paragraph itself, 0 for the highest level
    depth: int = 0  # in a list


class RtfReader:
    """Reads rich text into blocks; `title` and `author` are known afterwards."""

    def __init__(self, builder: TextBuilder, deadline: Deadline) -> None:
        self._deadline = deadline
        self._builder = builder
        self._blocks = RtfBlocks(builder)
        self._groups = [_Group(self._blocks.words)]
        self._page = _WESTERN
        self._fonts: dict[int | None, int] = {}  # code pages
        self._default_font: int | None = None
        self._levels: dict[int | None, int] = {}  # of styles
        self._bytes = bytearray()  # of text, not decoded yet: characters may take several, with line breaks between
        self._before = ""  # kind of the last token
        self._to_skip = 0  # bytes still to pass over after a character in Unicode
        self._infos: dict[str, list[str]] = {"title": [], "author": []}

    @property
    def title(self) -> str:
        """The title paragraph, else the file's property, "" without both."""
        return self._blocks.title or "".join(self._infos["title"]).strip()

    @property
    def author(self) -> str:
        """The file's property, "" without one."""
        return clean_title("".join(self._infos["author"]))

    def read(self, data: bytes) -> None:
        """Add all blocks to the builder. Raises `ParseError`, or `ValueError` for what no program writes."""
        for number, token in enumerate(tokens(data)):
            if number % _TOKENS_BETWEEN_CHECKS == 0:
                self._deadline.check()
            if token.kind == "text":
                self._add_bytes(token.value)
            elif token.kind:
                self._decode()
                self._to_skip = 0
                if token.kind == "}" and len(self._groups) == 2:  # what follows the document is none of it
                    break
                self._obey(token)
            self._before = token.kind or self._before
        self._decode()
        self._blocks.finish()

    @property
    def _group(self) -> _Group:
        return self._groups[-1]

    def _obey(self, token: Token) -> None:
        if token.kind == "{":
            if len(self._groups) > _MAX_DEPTH:
                raise ValueError(f"groups nest deeper than {_MAX_DEPTH:,}")
            self._groups.append(replace(self._group, is_marked=False))
        elif token.kind == "}":
            self._close(self._groups.pop())
        elif token.kind == "word":
            self._obey_word(token.value.decode(), token.number)
        elif token.value == b"*":
            self._group.is_marked |= self._before == "{"  # elsewhere it marks a word, and says nothing of the group
        elif token.value in b"\r\n":
            self._end("par")
        else:
            self._add(SYMBOLS.get(token.value, ""))

    def _close(self, ended: _Group) -> None:
        if ended.place == "stylesheet" and ended.sink and ended.sink is not self._group.sink:
            self._name_style(ended, "".join(ended.sink))
        elif ended.place == "fldinst" and self._group.place != "fldinst":
            instruction = "".join(ended.sink or [])
            self._group.is_index = _INDEX.match(instruction) is not None
            if link := _HYPERLINK.match(instruction):
                self._builder.link(link[1])

    def _name_style(self, style: _Group, name: str) -> None:
        if match := _HEADING.match(name):
            self._levels[style.style] = int(match[1]) or 1
        elif name.strip(" ;").lower() in _TITLES:
            self._levels[style.style] = _TITLE

    def _obey_word(self, word: str, number: int | None) -> None:
        group = self._group
        is_marked, group.is_marked = group.is_marked, False
        if word in UNREAD or (is_marked and word not in MARKED) or word in PLACES:
            self._leave_text(word)
        elif word in CHARACTERS:
            self._add(CHARACTERS[word])
        elif word in ("par", "sect", "cell", "row"):
            self._end(word)
        elif word == "u" and number is not None:
            self._add_character(number)
        elif word in _SETTINGS:
            self._set(word, number or 0)
        elif word in _SWITCHES:
            setattr(group, _SWITCHES[word], number != 0)
        elif not self._start(word):
            self._define(word, number or 0)

    def _leave_text(self, word: str) -> None:
        group = self._group
        if word != "nesttableprops":
            group.sink = None
        if word in PLACES:
            group.place = word

    def _start(self, word: str) -> bool:
        """Whether the word says where the words of its group belong."""
        group = self._group
        if word == "upr":  # words twice: the second time, marked by \ud, in Unicode
            group.outer, group.sink = group.sink, None
        elif word == "ud":
            group.sink = group.outer
        elif word in self._infos and group.place == "info":
            group.sink = self._infos[word]
            group.sink.clear()
        elif word == "fldrslt" and group.is_index:
            group.sink = None
        elif word == "fldinst" and group.sink is not None:
            group.place, group.sink = "fldinst", []
        elif word in ("footnote", "shptxt", "dptxbxtext") and group.sink is not None:
            group.sink = self._blocks.new_note()
        elif word in ("listtext", "pntext") and group.sink is self._blocks.words:
            group.sink = self._blocks.mark
        else:
            return False
        return True

    def _set(self, word: str, number: int) -> None:
        group = self._group
        setattr(group, _SETTINGS[word], number)
        if word == "s" and group.place == "stylesheet":
            group.sink = []

    def _define(self, word: str, number: int) -> None:
        """What holds for the whole document, for a row, or until it is reset."""
        group = self._group
        if word == "pard":
            group.style, group.outline, group.depth, group.is_in_table = None, None, 0, False
        elif word == "plain":
            group.font, group.is_hidden, group.is_deleted = None, False, False
        elif word in CODE_PAGES:
            self._page = CODE_PAGES[word]
        elif word == "ansicpg":
            self._page = number
        elif word == "deff":
            self._default_font = number
        elif group.place == "fonttbl":
            if word == "fcharset" and number in CHARSETS:
                self._fonts[group.font] = CHARSETS[number]
            elif word == "cpg":
                self._fonts[group.font] = number
        elif not group.place:
            self._define_cells(word, number)

    def _define_cells(self, word: str, number: int) -> None:
        if word == "trowd":
            self._blocks.define_row()
        elif word in _MERGES:
            self._blocks.merge_cell(_MERGES[word])
        elif word == "cellx":
            self._blocks.define_cell(number)

    def _end(self, word: str) -> None:
        group = self._group
        if group.sink is not self._blocks.words:
            self._add("\n")
        elif word == "cell":
            self._blocks.end_cell()
        elif word == "row":
            self._blocks.end_row()
        else:
            self._blocks.end_paragraph(self._level(), group.depth, is_in_table=group.is_in_table)

    def _level(self) -> int | None:
        """0 for a title, 1 to 9 for a heading, None for text."""
        group = self._group
        if group.outline is not None and group.style not in self._levels:
            return group.outline + 1 if 0 <= group.outline < 9 else None  # 9 means body text
        return self._levels.get(group.style)

    def _add_bytes(self, data: bytes) -> None:
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        if self._group.sink is not None:
            self._bytes += data[skipped:]

    def _decode(self) -> None:
        if self._bytes:
            data = bytes(self._bytes)
            self._bytes.clear()
            self._add(data.decode("ascii") if data.isascii() else self._decoded(data))

    def _decoded(self, data: bytes) -> str:
        font = self._default_font if self._group.font is None else self._group.font
        page = self._page if self._group.place == "info" else self._fonts.get(font, self._page)
        if page == _WESTERN and self._page in _WIDE and _PAIRS.fullmatch(data):
            page = self._page  # western letters beyond ASCII seldom come in pairs
        text = decode_damaged(data, codec_of(page))
        return data.decode("cp1252", "replace") if text is None else text

    def _add_character(self, number: int) -> None:
        code = number + 0x10000 if number < 0 else number
        self._add(chr(code) if 0 <= code <= 0x10FFFF else "\ufffd")  # halves of a pair are joined by the builder
        self._to_skip = max(0, self._group.alternatives)

    def _add(self, words: str) -> None:
        group = self._group
        if group.sink is not None and not (group.is_hidden or group.is_deleted):
            group.sink.append(words)
