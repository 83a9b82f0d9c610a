"""Text files read line by line, gzip or not, knowing the byte at which each line begins."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from ingest.errors import SourceError

MAX_LINE_BYTES = 64 * 2**20  # a longer line is no document; what lies beyond is skipped, not held in memory
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some programs begin a file with it


class Line(NamedTuple):
    """One line without its end, nor a byte order mark before the first; `too_long` where it was cut."""

    number: int  # 1-based, counted from where reading began
    data: bytes
    end: int  # offset of the byte after the line end, in the unpacked file
    complete: bool  # whether a line end was there; the last line of a growing file may not be
    too_long: bool


def read_lines(path: Path, offset: int = 0) -> Iterator[Line]:
    """The lines from that offset on. Raises `SourceError` when the file cannot be opened or unpacked."""
    try:
        with open_unpacked(path) as file:
            file.seek(offset)
            yield from _lines(file, offset)
    except (OSError, EOFError) as error:  # gzip reports damage as either
        raise SourceError(f"file {path} cannot be read: {error}; check that it exists and is whole") from error


def open_unpacked(path: Path) -> BinaryIO:
    """The file opened for reading, unpacked when it begins as gzip does. Raises `OSError`."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _lines(file: BinaryIO, offset: int) -> Iterator[Line]:
    number = 0
    while data := file.readline(MAX_LINE_BYTES):
        number += 1
        line = data.removeprefix(_BYTE_ORDER_MARK) if offset == 0 else data
        offset += len(data)
        rest, too_long = data, False
        while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE_BYTES)):
            offset += len(rest)
            too_long = True
        complete = (rest or data).endswith(b"\n")
        yield Line(number, line.rstrip(b"\r\n"), offset, complete, too_long)
