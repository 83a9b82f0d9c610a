"""What OpenDocument files share: the package, its properties, the styles that hide words or make a title."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ingest.errors import ParseError
from ingest.parsers.safe_xml import read_xml

NAMESPACES = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
    "presentation": "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
    "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
    "meta": "urn:oasis:names:tc:opendocument:xmlns:meta:1.0",
    "manifest": "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xlink": "http://www.w3.org/1999/xlink",
}
_KINDS = {"text": "odt", "spreadsheet": "ods", "presentation": "odp"}  # by the element in the body
_MAX_BASES = 20  # styles that a style is based on, one on another; also ends a circle of them


def qn(name: str) -> str:
    """A name such as "text:p" as lxml writes it."""
    prefix, local = name.split(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


ROW, CELL, COVERED = qn("table:table-row"), qn("table:table-cell"), qn("table:covered-table-cell")


def count_of(element: Any, name: str) -> int:
    """How often, or how far, an attribute says that something is repeated or spans; 1 without it."""
    value = element.get(qn(name), "1")
    return max(1, int(value[:9])) if value.isdecimal() else 1


@dataclass(frozen=True, slots=True)
class Package:
    """The parts of an OpenDocument file that hold words."""

    content: bytes  # of content.xml
    styles: bytes  # of styles.xml, b"" without one
    title: str
    author: str


def open_package(data: bytes, name: str) -> Package:
    """The parts of a file whose signature was checked. Raises `ParseError` for an encrypted one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = set(archive.namelist())

        def part(path: str) -> bytes:
            return archive.read(path) if path in members else b""

        if manifest := part("META-INF/manifest.xml"):
            if next(read_xml(manifest).iter(qn("manifest:encryption-data")), None) is not None:
                raise ParseError(f"{name} is encrypted", "open it with its password and save it without one")
        meta = part("meta.xml")
        properties = read_xml(meta) if meta else None
        author = _property(properties, "meta:initial-creator") or _property(properties, "dc:creator")
        return Package(part("content.xml"), part("styles.xml"), _property(properties, "dc:title"), author)


def _property(properties: Any, name: str) -> str:
    found = None if properties is None else properties.find(f".//{qn(name)}")
    return "" if found is None else (found.text or "").strip()


def check_kind(body: Any, kind: str, name: str) -> Any:
    """The element of the body that holds a document of that kind ("text" ...). Raises `ParseError` for another."""
    if body is not None:
        if (found := body.find(qn(f"office:{kind}"))) is not None:
            return found
        for other, extension in _KINDS.items():
            if body.find(qn(f"office:{other}")) is not None:
                raise ParseError(f"{name} is an OpenDocument {other}", f"give it the extension .{extension}")
    raise ParseError(f"{name} holds no OpenDocument {kind}", "open it in LibreOffice and save it again")


class Styles:
    """What the styles of a document say of its words."""

    def __init__(self, roots: Iterable[Any]) -> None:
        styles = [style for root in roots for style in root.iter(qn("style:style"))]
        self._hidden = {_key(style) for style in styles if _hides(style)}
        self._bases = {_name(style): style.get(qn("style:parent-style-name"), "") for style in styles}

    def is_hidden(self, family: str, name: str | None) -> bool:
        """Whether a style of that family ("text", "paragraph", "table") hides what it is given to."""
        return (family, name or "") in self._hidden

    def is_title(self, name: str | None) -> bool:
        """Whether a paragraph style is the title, or one based on it."""
        for _ in range(_MAX_BASES):
            if not name or name == "Title":
                break
            name = self._bases.get(name)
        return name == "Title"


def _key(style: Any) -> tuple[str, str]:
    return style.get(qn("style:family"), ""), _name(style)


def _name(style: Any) -> str:
    return str(style.get(qn("style:name"), ""))


def _hides(style: Any) -> bool:
    words, table = style.find(qn("style:text-properties")), style.find(qn("style:table-properties"))
    is_text_hidden = words is not None and words.get(qn("text:display")) == "none"
    return is_text_hidden or (table is not None and table.get(qn("table:display")) == "false")
