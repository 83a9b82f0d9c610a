"""Compound files, the containers of old Office files and of Outlook's messages: streams of bytes in folders."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER = struct.Struct("<8x16x2H2xHH6x4xII4xIIIII")  # MS-CFB 2.2
_HEADER_BYTES = 512
_FATS_IN_HEADER = 109
_ENTRY = struct.Struct("<64sHBxIII36xIQ")  # MS-CFB 2.6.1
_FOLDER, _STREAM, _ROOT = 1, 2, 5  # types of entries
_LAST = 0xFFFFFFFA  # from here on, numbers of sectors mean something else
_MINI_BYTES = 64
_KINDS = {  # by a stream at the top
    "encryptedpackage": "encrypted",
    "worddocument": "doc",
    "workbook": "xls",
    "book": "xls",
    "powerpoint document": "ppt",
    "__properties_version1.0": "msg",
}


class _Entry(NamedTuple):
    start: int
    size: int


class CompoundFile:
    """The streams of a file by path, in lower case. Raises `ValueError` and `struct.error` for a damaged one.

    However its sectors are chained, nothing is read twice for one stream, so that no small file fills the memory.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        _, major, shift, _, _, directory, self._cutoff, mini_fat, _, difat, _ = self._header()
        self._is_large = major > 3  # sizes of streams have 64 bits
        self._sector_bytes = 1 << shift
        self._fat = self._read_fat(difat)
        self._entries: dict[str, _Entry] = {}
        root = self._read_tree(b"".join(self._sectors(directory)))
        self._mini_fat = array("I", _whole(b"".join(self._sectors(mini_fat))))
        self._mini = b"".join(self._sectors(root.start))[: root.size]

    def __contains__(self, path: str) -> bool:
        return path.lower() in self._entries

    @property
    def paths(self) -> list[str]:
        """All streams, as "folder/stream"."""
        return list(self._entries)

    @property
    def kind(self) -> str:
        """What is inside: doc, xls, ppt, msg, or "encrypted" for a newer Office file; "" for anything else."""
        return next((kind for stream, kind in _KINDS.items() if stream in self._entries), "")

    def read(self, path: str) -> bytes:
        """A stream's bytes, b"" for one that there is not. Raises `ValueError` where some of them are missing."""
        start, size = self._entries.get(path.lower(), (_LAST, 0))
        if size >= self._cutoff:
            data = self._gathered(self._sectors(start), size)
        else:
            minis = (self._mini[at * _MINI_BYTES : (at + 1) * _MINI_BYTES] for at in _chain(start, self._mini_fat))
            data = self._gathered(minis, size)
        if len(data) < size:
            raise ValueError(f"stream {path} has {len(data)} bytes of {size}")
        return data

    def _gathered(self, sectors: Iterator[bytes], size: int) -> bytes:
        parts, length = [], 0
        while length < size and (sector := next(sectors, b"")):
            parts.append(sector)
            length += len(sector)
        return b"".join(parts)[:size]

    def _header(self) -> tuple[int, ...]:
        minor, major, shift, mini_shift, fats, directory, cutoff, mini_fat, minis, difat, difats = _HEADER.unpack_from(
            self._data
        )
        if shift not in (9, 12) or not self._data.startswith(SIGNATURE):
            raise ValueError(f"sectors of 2^{shift} bytes")
        return minor, major, shift, mini_shift, fats, directory, cutoff, mini_fat, minis, difat, difats

    def _sector(self, number: int) -> bytes:
        return self._data[(number + 1) * self._sector_bytes : (number + 2) * self._sector_bytes]

    def _sectors(self, start: int) -> Iterator[bytes]:
        return (self._sector(number) for number in _chain(start, self._fat))

    def _read_fat(self, difat: int) -> array[int]:
        """The next sector of each sector; as many as the file has."""
        size = self._sector_bytes
        most = len(self._data) // size + 1
        numbers = list(struct.unpack_from(f"<{_FATS_IN_HEADER}I", self._data, _HEADER_BYTES - 4 * _FATS_IN_HEADER))
        while difat < most and len(numbers) * size // 4 < most:
            *more, difat = struct.unpack(f"<{size // 4}I", self._sector(difat))
            numbers += more
        fat = array("I")
        for number in numbers:
            if number < most and len(fat) < most:
                fat.frombytes(_whole(self._sector(number)))
        return fat

    def _read_tree(self, directory: bytes) -> _Entry:
        entries = list(_ENTRY.iter_unpack(directory[: len(directory) // _ENTRY.size * _ENTRY.size]))
        if not entries or entries[0][2] != _ROOT:
            raise ValueError("no root folder")
        seen = {0}
        todo = [(entries[0][5], "")]
        while todo:
            number, folder = todo.pop()
            if number >= len(entries) or number in seen:
                continue
            seen.add(number)
            raw, length, kind, left, right, child, start, size = entries[number]
            path = folder + raw[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace").lower()
            todo += [(left, folder), (right, folder)]
            if kind == _FOLDER:
                todo.append((child, path + "/"))
            elif kind == _STREAM:
                self._entries[path] = _Entry(start, size if self._is_large else size & 0xFFFFFFFF)
        return _Entry(*entries[0][6:])


def _chain(start: int, following: array[int]) -> Iterator[int]:
    for _ in range(len(following)):  # more would be a circle
        if start >= len(following):
            return
        yield start
        start = following[start]


def _whole(data: bytes) -> bytes:
    """Without the bytes at the end that are no number of 32 bits."""
    return data[: len(data) // 4 * 4]


def kind_of(data: bytes) -> str:
    """As `CompoundFile.kind`; "" for a file too damaged to tell."""
    try:
        return CompoundFile(data).kind
    except (ValueError, struct.error):
        return ""
