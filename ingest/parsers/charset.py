"""Bytes to text in whatever charset they are."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from ingest.errors import ParseError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with theirs
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]+)""")
_DECLARATION_BYTES = 2048  # HTML asks for the declaration within 1024; XML for the first line
_SAMPLE_BYTES = 64 * 1024  # enough for a guess, little enough to be quick
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "hz": "hz", "iso-8859-1": "cp1252", "latin-1": "cp1252"}
_NUL_SHARE = 0.2  # of zero bytes among the even or odd positions, above which text is UTF-16


def decode(data: bytes, name: str, *, declared: bool = False) -> str:
    """The text of `data`: by its mark, as UTF-8, as it declares itself (HTML, XML), else by a guess.

    Raises `ParseError` when it is no text.
    """
    for mark, charset in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(charset, "replace")
    if (charset_16 := _utf16_without_mark(data)) is not None:
        return data.decode(charset_16, "replace")
    if b"\0" in data[:_SAMPLE_BYTES]:
        raise ParseError(f"{name} holds binary data, expected text", "give it the extension of its real type")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(data, name, declared)


def _decode_other(data: bytes, name: str, declared: bool) -> str:
    match = _DECLARED.search(data[:_DECLARATION_BYTES]) if declared else None
    charset = match[1].decode("ascii").lower() if match else _guess(data)
    try:
        return data.decode(_WIDER.get(charset, charset), "replace")
    except LookupError:
        raise ParseError(f"{name} is in an unknown charset {charset!r}", "save it as UTF-8") from None


def _guess(data: bytes) -> str:
    sample = data[:_SAMPLE_BYTES]
    best = from_bytes(sample, cp_isolation=_CANDIDATES).best()
    return best.encoding.replace("_", "-") if best else "cp1252"


# What documents are written in; a guess among every codec of Python takes rare ones for common ones.
_CANDIDATES = ["utf_8", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "cp1250", "cp1253"]


def _utf16_without_mark(data: bytes) -> str | None:
    sample = data[:1024]
    pairs = len(sample) // 2
    if pairs < 4 or len(data) % 2:
        return None
    high_zero = sample[1::2].count(0) / pairs > _NUL_SHARE
    low_zero = sample[0::2].count(0) / pairs > _NUL_SHARE
    if high_zero == low_zero:
        return None
    return "utf-16-le" if high_zero else "utf-16-be"
