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
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz": "hz",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "x-sjis": "cp932",
}
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_NUL_SHARE = 0.2  # of zero bytes among the even or odd positions, above which text is UTF-16
_BAD_SHARE = 0.2  # of bad characters to good ones beyond ASCII, to which the text is damaged, not of another charset
_FEW_BAD = 0.01  # of bad characters to good ones beyond ASCII, with which a text may be in a charset of many bytes
_BAD_BYTES = 3  # bad characters that one bad byte may make, with half a character on either side
_MIN_GOOD = 8  # characters beyond ASCII; fewer tell nothing


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
        return _decode_other(data, declared)


def decode_as(data: bytes, charset: str, name: str) -> str:
    """The text of `data`, which its envelope says is in that charset; as by `decode` where it plainly is not."""
    try:
        text = decode_damaged(data, _WIDER.get(charset.lower(), charset))
    except (LookupError, ValueError):  # no charset that there is
        text = None
    return decode(data.replace(b"\0", b""), name, declared=True) if text is None else text


def _decode_other(data: bytes, declared: bool) -> str:
    if declared and (match := _DECLARED.search(data[:_DECLARATION_BYTES])):
        charset = match[1].decode("ascii").lower()
        try:
            return data.decode(_WIDER.get(charset, charset), "replace")
        except (LookupError, ValueError):  # no charset that there is: "none", or Python's "undefined"
            pass
    text = decode_damaged(data, "utf-8")
    return data.decode(_guess(data), "replace") if text is None else text


def decode_damaged(data: bytes, charset: str) -> str | None:
    """The text with U+FFFD for its bad bytes where it is in that charset but for a few of them, None otherwise.

    Raises `LookupError` or `ValueError` for no charset that there is.
    """
    text = data.decode(charset, "replace")
    bad = text.count("\ufffd")
    good = sum(not character.isascii() for character in text) - bad
    return text if bad <= _BAD_SHARE * good else None


def _guess(data: bytes) -> str:
    sample = _sample(data)
    best = _best(sample)
    if best in _MULTI_BYTE:
        return best
    return next((charset for charset in _MULTI_BYTE if _is_nearly(sample, charset)), best or "cp1252")


def _best(sample: bytes) -> str | None:
    best = from_bytes(sample, cp_isolation=_MULTI_BYTE + _ONE_BYTE).best()
    return best.encoding if best else None


def _is_nearly(sample: bytes, charset: str) -> bool:
    """Whether it is in that charset but for a bad byte here or there, or one that was cut off at the end."""
    text = sample.decode(charset, "replace")
    bad = text.count("\ufffd")
    good = sum(not character.isascii() for character in text) - bad
    if not 0 < bad <= max(_BAD_BYTES, _FEW_BAD * good) or good < _MIN_GOOD:
        return False
    return _best(text.replace("\ufffd", "").encode(charset)) == charset


def _sample(data: bytes) -> bytes:
    """Whole characters from the first one beyond ASCII; half a one at the end would rule the right charset out."""
    if len(data) <= _SAMPLE_BYTES:
        return data
    start = next(_BEYOND_ASCII.finditer(data)).start()
    sample = data[start : start + _SAMPLE_BYTES]
    for charset in _MULTI_BYTE:
        decoder = codecs.getincrementaldecoder(charset)()
        try:
            decoder.decode(sample)
        except UnicodeDecodeError:
            continue
        return sample[: len(sample) - len(decoder.getstate()[0])]
    return sample


# What documents are written in; a guess among every codec of Python takes rare ones for common ones.
_MULTI_BYTE = ["utf_8", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"]
_ONE_BYTE = ["cp1252", "cp1251", "cp1250", "cp1253"]


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
