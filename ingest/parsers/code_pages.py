"""Windows' numbers of charsets, as old Office files name them."""

from __future__ import annotations

import codecs

_CODECS = {
    0: "cp1252",
    936: "gb18030",  # what Windows calls so has grown since
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "mac_roman",
    10007: "mac_cyrillic",
    10029: "mac_latin2",
    20127: "cp1252",  # ASCII, of which it is more
    20866: "koi8_r",
    20932: "euc_jp",
    20936: "gb18030",
    28591: "cp1252",  # Latin 1, of which it is more
    50220: "iso2022_jp",
    51932: "euc_jp",
    51936: "gb18030",
    51949: "euc_kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}


def codec_of(code_page: int) -> str:
    """The codec of a code page; that of western Windows for an unknown one."""
    name = _CODECS.get(code_page, f"cp{code_page}")
    if 28592 <= code_page <= 28606:
        name = f"iso8859_{code_page - 28590}"
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name
