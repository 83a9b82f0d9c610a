"""Electronic books: the pages of the spine in order, each read as a web page."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ingest.contracts import ParsedDocument
from ingest.errors import ParseError
from ingest.parsers.builder import TextBuilder
from ingest.parsers.charset import decode
from ingest.parsers.guard import damaged
from ingest.parsers.html import add_html, html_root
from ingest.parsers.limits import Deadline
from ingest.parsers.safe_xml import read_xml

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_METHODS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # hide fonts, not words
_PAGE_TYPES = ("application/xhtml+xml", "text/html")
# XML closes elements so; to the HTML parser most would stay open, and a script or title take in the rest of the page.
_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)([A-Za-z][\w:.-]*+)(\s[^<>]*)?/>"
)


class EpubParser:
    """EPUB 2 and 3; its tables of contents and pictures are left out."""

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """The book's text under its title. Raises `ParseError`, also for a book that is protected."""
        builder = TextBuilder(name)
        deadline = Deadline(name)
        with damaged(name, "get it once more from where it came"), zipfile.ZipFile(io.BytesIO(data)) as archive:
            if _ENCRYPTION in archive.namelist():
                _check_protection(read_xml(archive.read(_ENCRYPTION)), name)
            path = _package_path(archive)
            package = read_xml(archive.read(path))
            for page in _pages(package, posixpath.dirname(path), archive):
                deadline.check()
                _add_page(archive.read(page), page, builder)
            title = _property(package, "title") or builder.first_heading
            metadata = {"author": _property(package, "creator"), "declared_language": _property(package, "language")}
        return builder.build(title, {key: value for key, value in metadata.items() if value})


def _check_protection(encryption: Any, name: str) -> None:
    for method in encryption.iter("{*}EncryptionMethod"):
        if method.get("Algorithm") not in _FONT_METHODS and method.getparent().tag.endswith("}EncryptedData"):
            raise ParseError(f"{name} is protected by DRM, so that only its owner's reader opens it", "leave it out")


def _package_path(archive: zipfile.ZipFile) -> str:
    """Where the list of the book's files is."""
    roots = list(read_xml(archive.read(_CONTAINER)).iter("{*}rootfile"))
    packages = [root for root in roots if root.get("media-type") == "application/oebps-package+xml"]
    return str((packages or roots)[0].get("full-path"))


def _pages(package: Any, folder: str, archive: zipfile.ZipFile) -> Iterator[str]:
    """The pages of the spine, each once, without tables of contents."""
    items = {item.get("id"): item for item in package.iter("{*}item")}
    contents = {_joined(folder, one) for one in package.iter("{*}reference") if one.get("type") == "toc"}
    members = set(archive.namelist())
    for reference in package.iter("{*}itemref"):
        item = items.pop(reference.get("idref"), None)
        if item is None or item.get("media-type") not in _PAGE_TYPES or "nav" in item.get("properties", "").split():
            continue
        page = _joined(folder, item)
        if page in members - contents:
            members.remove(page)
            yield page


def _joined(folder: str, item: Any) -> str:
    target = unquote(item.get("href", "")).partition("#")[0]
    return posixpath.normpath(posixpath.join(folder, target))


def _add_page(data: bytes, page: str, builder: TextBuilder) -> None:
    root = html_root(_CLOSED.sub(r"<\1\2></\1>", decode(data, page, declared=True)))
    if root is None:
        return
    for anchor in root.iter("a"):
        if not anchor.get("href", "").startswith(("http://", "https://")):
            anchor.attrib.pop("href", None)  # leads to another place in the book
    add_html(root, builder)


def _property(package: Any, name: str) -> str:
    found = package.iter(f"{{http://purl.org/dc/elements/1.1/}}{name}")
    values = dict.fromkeys(" ".join("".join(element.itertext()).split()) for element in found)
    wanted = [value for value in values if value]
    return ", ".join(wanted if name == "creator" else wanted[:1])
