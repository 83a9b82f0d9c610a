"""What rich text consists of: groups, control words and bytes of text; and what the words stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    rb"([^\\{}\r\n\0]+)"  # text
    rb"|([\r\n\0]+)"  # of the file, not of its text
    rb"|([{}])"
    rb"|\\([A-Za-z]{1,32})(-?[0-9]{1,10})? ?"  # a word and its number
    rb"|\\'([0-9A-Fa-f]{2})"  # a byte of text
    rb"|\\([^A-Za-z]?)",  # a symbol
    re.DOTALL,
)
_LITERAL = b"\\{}"  # symbols for bytes of text that would mean something; they may be the second one of a character

CHARACTERS = {
    "tab": "\t",
    "line": "\n",
    "softline": "\n",
    "page": "\n",
    "column": "\n",
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "nestcell": "; ",  # ends a cell of a table inside a cell
    "nestrow": "\n",
}
SYMBOLS = {b"~": " ", b"_": "-", b"\t": "\t"}
CODE_PAGES = {"ansi": 1252, "mac": 10000, "pc": 437, "pca": 850}
CHARSETS = {  # of fonts, as code pages; those that are not here are in the code page of the document
    0: 1252,
    2: 1252,  # of symbols: their characters are not known
    77: 10000,
    128: 932,
    129: 949,
    130: 1361,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
    254: 437,
    255: 850,
}
# What begins a group that is no text of the document, in addition to all that is marked by \*.
UNREAD = frozenset(
    "fonttbl colortbl stylesheet info pict objdata objclass objname header headerl headerr headerf footer footerl"
    " footerr footerf ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn atnid atnauthor annotation xe tc tcn rxe txe"
    " template filetbl list listoverride listtable listoverridetable revtbl rsidtbl bkmkstart bkmkend sp shprslt"
    " nonesttables pntxta pntxtb mmathPict generator".split()
)
MARKED = frozenset("shpinst shptxt do dptxbxtext ud fldinst footnote nesttableprops moMath moMathPara".split())
PLACES = frozenset("fonttbl stylesheet info nesttableprops".split())  # in which words mean something else


class Token(NamedTuple):
    """What stands in the file: "{", "}", a "word" with its number, a "symbol", "text", or "" for nothing."""

    kind: str
    value: bytes = b""
    number: int | None = None


def tokens(data: bytes) -> Iterator[Token]:
    """All of a file; the raw bytes of pictures are passed over."""
    at = 0
    while at < len(data) and (match := _TOKEN.match(data, at)):
        at = match.end()
        text, _, brace, word, number, code, symbol = match.groups()
        if text:
            yield Token("text", text)
        elif code:
            yield Token("text", bytes([int(code, 16)]))
        elif word == b"bin":
            at += max(0, int(number or 0))
            yield Token("")
        elif word:
            yield Token("word", word, None if number is None else int(number))
        elif brace:
            yield Token(brace.decode())
        elif symbol and symbol in _LITERAL:
            yield Token("text", symbol)
        else:
            yield Token("symbol" if symbol else "", symbol or b"")
