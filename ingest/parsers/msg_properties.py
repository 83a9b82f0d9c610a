"""The properties of an Outlook message, of its recipients and of its attachments ([MS-OXMSG])."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ingest.parsers.charset import decode_as
from ingest.parsers.code_pages import codec_of
from ingest.parsers.compound import CompoundFile
from ingest.parsers.limits import Deadline

_FIXED = "__properties_version1.0"  # the stream of those that have no stream of their own
_STREAM = "__substg1.0_"
_PROPERTY = struct.Struct("<HHI8s")  # type, identifier, flags, value; MS-OXMSG 2.4.2.1
_HEADER_BYTES = 32
_PART_HEADER_BYTES = 8  # in recipients and attachments
_MAX_PROPERTIES = 1_000  # in one folder
_MAX_PARTS = 10_000  # recipients, or attachments; any number of them may share what they are read from
_BYTES, _WIDE, _BINARY = "001e", "001f", "0102"  # types of values
_START = datetime(1601, 1, 1, tzinfo=UTC)
_MESSAGE_PAGE, _BODY_PAGE = 0x3FFD, 0x3FDE  # code pages of texts without Unicode, and of HTML


class MsgProperties:
    """The properties in one folder of a file; "", b"", 0 and None for those that are not there.

    Reading one raises `ParseError` when the file has taken too much time.
    """

    def __init__(self, file: CompoundFile, name: str, folder: str = "", whole: MsgProperties | None = None) -> None:
        self._file = file
        self._name = name
        self._folder = folder
        self._deadline: Deadline = whole._deadline if whole else Deadline(name)
        self._fixed = self._read_fixed(_PART_HEADER_BYTES if whole else _HEADER_BYTES)
        self.body_codec: str = whole.body_codec if whole else self._codec(_BODY_PAGE)
        self._text_codec: str = whole._text_codec if whole else self._codec(_MESSAGE_PAGE) or self.body_codec

    def parts(self, prefix: str) -> Iterator[MsgProperties]:
        """Those of the recipients or attachments, in order."""
        folders = {path.partition("/")[0] for path in self._file.paths if path.startswith(prefix) and "/" in path}
        return (MsgProperties(self._file, self._name, f"{one}/", self) for one in sorted(folders)[:_MAX_PARTS])

    def text(self, identifier: int) -> str:
        """A text, without the zero at its end."""
        if wide := self._read_value(identifier, _WIDE):
            text = wide.decode("utf-16-le", "replace")
        else:
            text = decode_as(self._read_value(identifier, _BYTES).rstrip(b"\0"), self._text_codec, self._name)
        return text.rstrip("\0")

    def binary(self, identifier: int) -> bytes:
        """Bytes."""
        return self._read_value(identifier, _BINARY)

    def number(self, identifier: int) -> int:
        """A number of 32 bits, or a truth value."""
        return int.from_bytes(self._fixed.get(identifier, b"")[:4], "little")

    def moment(self, identifier: int) -> datetime | None:
        """A time; None also for one that no calendar has."""
        ticks = int.from_bytes(self._fixed.get(identifier, b""), "little")  # of 100 ns
        try:
            return _START + timedelta(microseconds=ticks // 10) if ticks else None
        except OverflowError:
            return None

    def _read_fixed(self, header_bytes: int) -> dict[int, bytes]:
        stream = self._read(_FIXED)[header_bytes:][: _MAX_PROPERTIES * _PROPERTY.size]
        whole = stream[: len(stream) // _PROPERTY.size * _PROPERTY.size]
        return {identifier: value for _, identifier, _, value in _PROPERTY.iter_unpack(whole)}

    def _read_value(self, identifier: int, kind: str) -> bytes:
        return self._read(f"{_STREAM}{identifier:04x}{kind}")

    def _read(self, stream: str) -> bytes:
        self._deadline.check()
        return self._file.read(self._folder + stream)

    def _codec(self, identifier: int) -> str:
        """Of a code page; "" where none is named, so that the text has to be guessed."""
        page = self.number(identifier)
        return codec_of(page) if page else ""
