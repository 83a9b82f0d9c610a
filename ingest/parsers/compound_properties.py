"""Title and author of old Office files, from the stream that is the same in all of them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ingest.parsers.code_pages import codec_of
from ingest.parsers.compound import CompoundFile

_STREAM = "\x05SummaryInformation"
_SECTION_AT = 44  # bytes; MS-OLEPS 2.21
_CODE_PAGE, _TITLE, _AUTHOR = 1, 2, 4  # identifiers of properties; MS-OLEPS 3.1
_SHORT, _BYTES, _WIDE = 2, 30, 31  # types of values
_MAX_PROPERTIES = 1_000
_UTF_16 = 1200  # code page


class Properties(NamedTuple):
    """What the file says of itself, "" where it does not."""

    title: str
    author: str


def read_properties(file: CompoundFile) -> Properties:
    """Title and author; "" also where the stream is damaged, since the text may be whole."""
    try:
        return _read(file.read(_STREAM))
    except (ValueError, struct.error):
        return Properties("", "")


def _read(data: bytes) -> Properties:
    if not data:
        return Properties("", "")
    (section,) = struct.unpack_from("<I", data, _SECTION_AT)
    (count,) = struct.unpack_from("<I", data, section + 4)
    places = {}
    for number in range(min(count, _MAX_PROPERTIES)):
        identifier, offset = struct.unpack_from("<II", data, section + 8 + 8 * number)
        places[identifier] = section + offset
    code_page = _code_page(data, places.get(_CODE_PAGE))
    return Properties(_text(data, places.get(_TITLE), code_page), _text(data, places.get(_AUTHOR), code_page))


def _code_page(data: bytes, at: int | None) -> int:
    if at is None:
        return 0
    kind, value = struct.unpack_from("<IH", data, at)
    return int(value) if kind == _SHORT else 0


def _text(data: bytes, at: int | None, code_page: int) -> str:
    if at is None:
        return ""
    kind, length = struct.unpack_from("<II", data, at)
    if kind == _WIDE:
        code_page, length = _UTF_16, 2 * length
    elif kind != _BYTES:
        return ""
    text = data[at + 8 : at + 8 + length].decode(codec_of(code_page), "replace")
    return text.partition("\0")[0].strip()
