"""Compares a file's first bytes with its extension, and refuses archives that would unpack to too much."""

from __future__ import annotations

import io
import zipfile
from typing import NoReturn

from ingest.errors import ParseError
from ingest.parsers.compound import SIGNATURE, kind_of
from ingest.parsers.guard import damaged

MAX_UNPACKED_BYTES = 500 * 2**20  # of all members of an Office file
MAX_MEMBERS = 20_000  # parts of an Office file
MAX_RATIO = 200  # of unpacked to packed bytes, above `MAX_PART_BYTES`; text and markup reach 50
MAX_PART_BYTES = 64 * 2**20  # of one part of XML, which is held in memory as a tree; sheets are read row by row
MAX_NODES = 3_000_000  # elements and attributes of all such parts, some 100 bytes each: slides are held all at once
MAX_SHEET_NODES = 10_000_000  # of a sheet: two million cells

_OFFICE = {"docx": "word/", "pptx": "ppt/", "xlsx": "xl/"}
_OPEN_DOCUMENT = ("odt", "ods", "odp")
# What the name of a part begins with in archives of that type; the second is all that an encrypted OpenDocument has.
_ZIPPED = _OFFICE | dict.fromkeys(_OPEN_DOCUMENT, ("content.xml", "encrypted-package")) | {"epub": "META-INF/container"}
_COMPOUND = {
    "doc": "an old Word document",
    "ppt": "an old PowerPoint presentation",
    "xls": "an old Excel workbook",
    "msg": "an Outlook message",
}
_OLDER_SHEETS = (b"\x09\x00", b"\x09\x02", b"\x09\x04")  # Excel before version 5, without a container
_RELATIONS = "_rels/.rels"
_STRICT = b"http://purl.oclc.org/ooxml/"
_RTF = b"{\\rtf"
_KNOWN = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or Office file"),
    (SIGNATURE, "an old or encrypted Office file"),
    (_RTF, "an RTF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"SQLite format 3\0", "an SQLite database"),
)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM")
_SHEETS = "xl/worksheets/"
_CHUNK_BYTES = 2**20
_BEFORE_MARKUP = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"  # marks of byte order and blanks
_PDF_HEADER_WITHIN = 1024  # bytes; readers accept junk before the header


def check_signature(data: bytes, parser: str, name: str) -> None:
    """Raises `ParseError` when the content is plainly of another type than the parser reads."""
    if parser in _ZIPPED:
        _check_zipped(data, parser, name)
    elif parser in _COMPOUND:
        _check_compound(data, parser, name)
    elif parser == "pdf":
        if b"%PDF-" not in data[:_PDF_HEADER_WITHIN]:
            raise ParseError(f"{name} is {_looks_like(data)}, not a PDF", "give it the extension of its real type")
    elif parser == "rtf":
        if not data.lstrip(_BEFORE_MARKUP).startswith(_RTF):
            raise ParseError(f"{name} is {_looks_like(data)}, not RTF", "give it the extension of its real type")
    elif parser == "png":  # a picture under the extension of another type of pictures is read all the same
        if not data.startswith(_PICTURES) and not (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
            raise ParseError(f"{name} is {_looks_like(data)}, not a picture", "give it the extension of its real type")
    elif any(data.startswith(magic) for magic, _ in _KNOWN):
        raise ParseError(f"{name} is {_looks_like(data)}, not {parser}", "give it the extension of its real type")


def _looks_like(data: bytes) -> str:
    if what := _COMPOUND.get(_compound_kind(data)):
        return what
    return next((what for magic, what in _KNOWN if data.startswith(magic)), "of an unknown type")


def _compound_kind(data: bytes) -> str:
    return kind_of(data) if data.startswith(SIGNATURE) else ""


def _check_compound(data: bytes, parser: str, name: str) -> None:
    kind = _compound_kind(data)
    if kind == "encrypted":
        raise ParseError(f"{name} is encrypted", "open it with its password and save it without one")
    if kind and kind != parser:
        raise ParseError(f"{name} is {_COMPOUND[kind]}, not .{parser}", f"give it the extension .{kind}")
    if data.startswith(SIGNATURE) or (parser == "xls" and data.startswith(_OLDER_SHEETS)):
        return  # if it is neither of these, it is damaged, as the parser will say
    what = "HTML or XML" if data[:_CHUNK_BYTES].lstrip(_BEFORE_MARKUP).startswith(b"<") else _looks_like(data)
    raise ParseError(f"{name} is {what}, not .{parser}", "give it the extension of its real type")


def _check_zipped(data: bytes, parser: str, name: str) -> None:
    if data.startswith(SIGNATURE):
        _refuse_compound(data, parser, name)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:  # the second: of a later version
        what = "damaged" if data.startswith(b"PK") else _looks_like(data)
        raise ParseError(f"{name} is {what}, not a readable .{parser} ({error})", "open and save it again") from error
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES or len(members) > MAX_MEMBERS:
        raise ParseError(
            f"{name} unpacks to {unpacked / 2**20:.0f} MiB in {len(members)} parts, "
            f"the most is {MAX_UNPACKED_BYTES // 2**20} MiB in {MAX_MEMBERS}",
            "split it, or leave it out: it may be a ZIP bomb",
        )
    if unpacked > MAX_PART_BYTES and unpacked > MAX_RATIO * len(data):
        raise ParseError(
            f"{name} unpacks to {unpacked / len(data):.0f} times its size, the most is {MAX_RATIO}",
            "leave it out: it may be a ZIP bomb",
        )
    nodes = 0
    for member in members:
        with damaged(name):
            if _is_sheet(member, parser):
                _count(archive, member, name, 0, MAX_SHEET_NODES)
            else:
                nodes = _count(archive, member, name, nodes, MAX_NODES)
    if not any(member.filename.startswith(_ZIPPED[parser]) for member in members):
        raise ParseError(f"{name} is a ZIP archive without the parts of a .{parser}", "check its extension")
    with damaged(name):
        is_strict = any(member.filename == _RELATIONS for member in members) and _STRICT in archive.read(_RELATIONS)
    if is_strict:
        raise ParseError(f"{name} is in the format Strict Open XML", f"save it as an ordinary .{parser}, not as Strict")


def _refuse_compound(data: bytes, parser: str, name: str) -> NoReturn:
    """Newer files are in such a container only if they are encrypted; others were renamed."""
    if kind := _COMPOUND.get(_compound_kind(data)):
        raise ParseError(f"{name} is {kind}", f"save it as .{parser} in its program")
    raise ParseError(
        f"{name} is encrypted or in the old binary format",
        f"open it with its password and save it as .{parser} without one",
    )


def _is_sheet(member: zipfile.ZipInfo, parser: str) -> bool:
    """Whether it is read row by row, and never held in memory as a tree."""
    return member.filename.startswith(_SHEETS) or (parser == "ods" and member.filename == "content.xml")


def _count(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, nodes: int, most: int) -> int:
    """`nodes` and the elements and attributes of a part, of which a picture has none, by a count of its bytes.

    No tree is built. Raises `ParseError` where there are more than `most`, which would fill the memory.
    """
    with archive.open(member) as part:
        chunk = part.read(_CHUNK_BYTES)
        while chunk and not (begun := chunk.lstrip(_BEFORE_MARKUP)):
            chunk = part.read(_CHUNK_BYTES)
        if not chunk or not begun.startswith(b"<"):
            return nodes
        if member.file_size > MAX_PART_BYTES and not member.filename.startswith(_SHEETS):
            raise ParseError(
                f"{name} has a part of {member.file_size / 2**20:.0f} MiB, the most is {MAX_PART_BYTES // 2**20}",
                "split it into several files",
            )
        while chunk:
            nodes += chunk.count(b"<") - chunk.count(b"</") + chunk.count(b"=")
            if nodes > most:
                raise ParseError(
                    f"{name} has more than {most:,} elements and attributes", "split it into several files"
                )
            chunk = part.read(_CHUNK_BYTES)
    return nodes
