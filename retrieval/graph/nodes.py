"""What a chunk refers to: names and addresses as nodes of the corpus graph, each with the chunk's role towards it.

A node is a name ("steve hillage", "ax-1200"), an address (a document's key, a URL) or a row of a source database. A
chunk *is* what its document is titled, keyed and located as, and *mentions* the rest. So a title mention, a hyperlink
and a foreign key are all one thing: one chunk mentions what another is.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

import numpy as np
from numpy.typing import NDArray

from retrieval.graph.names import names_in, title_names
from retrieval.types import ITSELF, IndexedChunk

Hashes = NDArray[np.int64]

_MARKDOWN_LINK = re.compile(r"\[[^\]\n]{0,200}\]\(<?([^)\s>]+)>?(?:\s+\"[^\"\n]*\")?\)")
_URL = re.compile(r"https?://[^\s<>\"'）)\]，。；]+")
MAX_ADDRESSES = 64  # of a chunk: a page of links is about none of them
MAX_ROWS = 64  # likewise
_PAGES = (".html", ".htm", ".md")  # links often leave these out
_FOLDER_PAGES = ("index", "readme")


class NodeKind(StrEnum):
    """What a node stands for."""

    NAME = "name"
    ADDRESS = "address"
    ROW = "row"


_CODES = {kind: code for code, kind in enumerate(NodeKind)}  # in the numbers of nodes
_PREFIXES = {kind: f"{kind}\0".encode() for kind in NodeKind}  # of what is hashed


class Reference(NamedTuple):
    """One thing a chunk refers to; `is_it`: the chunk's document is that thing, else it mentions it."""

    kind: NodeKind
    name: str
    is_it: bool

    @property
    def hash(self) -> int:
        """The number of the node with its lowest bit for the role, so that both roles of a node sort side by side."""
        return node_hash(self.kind, self.name) | int(self.is_it)


def node_hash(kind: NodeKind, name: str) -> int:
    """The node's number: 60 bits, two for its kind, and 0. One of two million corpora of 10⁶ nodes holds two alike."""
    digest = hashlib.blake2b(_PREFIXES[kind] + name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 4 << 3 | _CODES[kind] << 1


def node_hashes(kind: NodeKind, names: Sequence[str]) -> Hashes:
    """(n,) the numbers of many nodes of a kind, as `node_hash` gives them."""
    prefix = _PREFIXES[kind]
    digests = b"".join([hashlib.blake2b(prefix + name.encode(), digest_size=8).digest() for name in names])
    hashes: Hashes = (np.frombuffer(digests, ">u8") >> 4 << 3 | _CODES[kind] << 1).astype(np.int64)
    return hashes


def of_kinds(nodes: Hashes, kinds: Collection[NodeKind]) -> NDArray[np.bool_]:
    """(n,) whether each node is of one of the kinds, which their numbers tell."""
    if len(kinds) == len(NodeKind):
        return np.ones(len(nodes), bool)
    return among(nodes >> 1 & 3, np.array([_CODES[kind] for kind in kinds], np.int64))


def among(numbers: Hashes, few: Hashes) -> NDArray[np.bool_]:
    """(n,) whether each number is one of a few others; `np.isin` sorts both, which takes some times as long."""
    found: NDArray[np.bool_] = (numbers[:, None] == few).any(axis=1)
    return found


def changes(rising: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """(n,) whether each number is another than the one before it; the first is."""
    found = np.ones(len(rising), bool)
    np.not_equal(rising[1:], rising[:-1], out=found[1:])
    return found


def references_of(chunk: IndexedChunk) -> list[Reference]:
    """Everything a chunk refers to, each once. It depends on the chunk alone."""
    found: dict[tuple[NodeKind, str], bool] = {}
    for name in title_names(chunk.title):
        found[NodeKind.NAME, name] = True
    for own in _own_addresses(chunk):
        if own:
            found[NodeKind.ADDRESS, own] = True
    for row, is_it in _rows(chunk):
        if is_it:
            found[NodeKind.ROW, row] = True
    for name in names_in(chunk.title, chunk.heading, chunk.text):
        found.setdefault((NodeKind.NAME, name), False)
    for row, _ in _rows(chunk):
        found.setdefault((NodeKind.ROW, row), False)
    for address in _addresses(chunk):
        found.setdefault((NodeKind.ADDRESS, address), False)
    return [Reference(kind, name, is_it) for (kind, name), is_it in found.items()]


def hashes_of(chunk: IndexedChunk) -> Hashes:
    """(n,) the numbers of `references_of`, rising."""
    return np.unique(np.array([reference.hash for reference in references_of(chunk)], np.int64))


def _own_addresses(chunk: IndexedChunk) -> Iterator[str]:
    """What links lead to this document by: its key, that without its extension, its folder where it begins one."""
    key = _key(chunk).lstrip("/")
    yield _local(chunk, key)
    stem, extension = posixpath.splitext(key)
    if extension.lower() in _PAGES:
        yield _local(chunk, stem)
        if posixpath.basename(stem).lower() in _FOLDER_PAGES:
            yield _local(chunk, posixpath.dirname(stem) or ".")
    yield from {_url(address) for address in (chunk.uri or "", key)}


def _rows(chunk: IndexedChunk) -> list[tuple[str, bool]]:
    """Rows that the document joins, and whether it is about that very row."""
    return [(_local(chunk, link.removeprefix(ITSELF)), link.startswith(ITSELF)) for link in chunk.links][:MAX_ROWS]


def _addresses(chunk: IndexedChunk) -> list[str]:
    """What the document links to: by its markup, then by what its text spells out."""
    found: dict[str, None] = {}
    for link in chunk.hyperlinks:
        found.update(dict.fromkeys(_resolved(chunk, link)))
    for match in _MARKDOWN_LINK.finditer(chunk.text):
        found.update(dict.fromkeys(_resolved(chunk, match[1])))
    for match in _URL.finditer(chunk.text):
        found.setdefault(_url(match[0].rstrip(".,;:!?")))
    return [address for address in found if address][:MAX_ADDRESSES]


def _resolved(chunk: IndexedChunk, link: str) -> Iterator[str]:
    """A URL, or a path as the key of a document beside this one and as an address beside this one's."""
    if _is_url(link):
        yield _url(link)
        return
    bare = link.partition("#")[0].partition("?")[0]
    if not bare or ":" in bare.partition("/")[0]:
        return  # mailto:, tel:, a mere fragment
    # A path from the root begins at the source's: its keys are told from there.
    path = posixpath.normpath(posixpath.join("/", posixpath.dirname(_key(chunk)), unquote(bare)))
    yield _local(chunk, path.lstrip("/") or ".")
    own = next((address for address in (chunk.uri or "", _key(chunk)) if _is_url(address)), "")
    if own:
        yield _url(_beside(own, link))


def _beside(uri: str, link: str) -> str:
    try:
        return urljoin(uri, link)
    except ValueError:  # brackets that are no IPv6 address
        return ""


def _is_url(address: str) -> bool:
    return address[:8].lower().startswith(("http://", "https://", "//"))


def _url(address: str) -> str:
    """A URL without what does not tell pages apart: scheme, www., fragment, the page of a folder; "" for no URL."""
    if not _is_url(address):
        return ""
    host, _, path = address.partition("#")[0].partition("//")[2].partition("/")
    folder, _, page = unquote(path).rpartition("/")
    if page.lower() in ("index.html", "index.htm"):
        path = folder
    return f"//{host.lower().removeprefix('www.')}/{unquote(path)}".rstrip("/")


def _local(chunk: IndexedChunk, key: str) -> str:
    """A key within the chunk's source: the same key of another source is another thing."""
    return f"{chunk.metadata.get('_source', '')}\n{key}"


def _key(chunk: IndexedChunk) -> str:
    return str(chunk.metadata.get("_key", chunk.document))
