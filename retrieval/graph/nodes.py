"""What a chunk refers to: names and addresses as nodes of the corpus graph, each with the chunk's role towards it.

A node is a name ("steve hillage", "ax-1200") or an address: a document's key, a row of a source database, a URL. A
chunk *is* what its document is titled, keyed and located as, and *mentions* the rest. So a title mention, a hyperlink
and a foreign key are all one thing: one chunk mentions what another is.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.graph.names import names_in, title_names
from retrieval.types import ITSELF, IndexedChunk

Hashes = NDArray[np.int64]

_MARKDOWN_LINK = re.compile(r"\[[^\]\n]{0,200}\]\(<?([^)\s>]+)>?(?:\s+\"[^\"\n]*\")?\)")
_URL = re.compile(r"https?://[^\s<>\"'）)\]，。；]+")
MOST_ADDRESSES = 64  # of a chunk: a page of links is about none of them


class NodeKind(StrEnum):
    """What a node stands for."""

    NAME = "name"
    ADDRESS = "address"


class Reference(NamedTuple):
    """One thing a chunk refers to; `is_it`: the chunk's document is that thing, else it mentions it."""

    kind: NodeKind
    name: str
    is_it: bool

    @property
    def hash(self) -> int:
        """63 bits of the node and its lowest bit for the role, so that both roles of a node sort side by side."""
        return node_hash(self.kind, self.name) | int(self.is_it)


def node_hash(kind: NodeKind, name: str) -> int:
    """The node's number; its lowest bit is 0. 62 bits: two of a million nodes collide once in two million corpora."""
    digest = hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2 << 1


def references_of(chunk: IndexedChunk) -> list[Reference]:
    """Everything a chunk refers to, each once. It depends on the chunk alone."""
    found: dict[tuple[NodeKind, str], bool] = {}
    for name in title_names(chunk.title):
        found[NodeKind.NAME, name] = True
    for own in _own_addresses(chunk):
        if own:
            found[NodeKind.ADDRESS, own] = True
    for name in names_in(chunk.title, chunk.heading, chunk.text):
        found.setdefault((NodeKind.NAME, name), False)
    for address in _addresses(chunk):
        found.setdefault((NodeKind.ADDRESS, address), False)
    return [Reference(kind, name, is_it) for (kind, name), is_it in found.items()]


def hashes_of(chunk: IndexedChunk) -> Hashes:
    """(n,) the numbers of `references_of`, rising."""
    return np.unique(np.array([reference.hash for reference in references_of(chunk)], np.int64))


def _own_addresses(chunk: IndexedChunk) -> Iterator[str]:
    yield _local(chunk, _key(chunk))
    if chunk.uri:
        yield _normal(chunk, chunk.uri)
    for link in chunk.links:
        if link.startswith(ITSELF):
            yield _local(chunk, link.removeprefix(ITSELF))


def _addresses(chunk: IndexedChunk) -> list[str]:
    """Rows that the document joins, then what it links to."""
    found = dict.fromkeys(_local(chunk, link) for link in chunk.links if not link.startswith(ITSELF))
    for match in _MARKDOWN_LINK.finditer(chunk.text):
        found.setdefault(_normal(chunk, match[1]))
    for match in _URL.finditer(chunk.text):
        found.setdefault(_normal(chunk, match[0].rstrip(".,;:!?")))
    return [address for address in found if address][:MOST_ADDRESSES]


def _normal(chunk: IndexedChunk, address: str) -> str:
    """A URL without scheme and fragment; a relative one as the key of a document beside this one."""
    bare = address.partition("#")[0]
    scheme, parted, rest = bare.partition("://")
    if parted and scheme.lower() in ("http", "https"):
        return "//" + rest.removeprefix("www.").rstrip("/")
    if not bare or ":" in bare.partition("/")[0]:
        return ""  # mailto:, tel:, a mere fragment
    folder = posixpath.dirname(_key(chunk))
    return _local(chunk, posixpath.normpath(posixpath.join(folder, bare)))


def _local(chunk: IndexedChunk, key: str) -> str:
    """A key within the chunk's source: the same key of another source is another thing."""
    return f"{chunk.metadata.get('_source', '')}\n{key}"


def _key(chunk: IndexedChunk) -> str:
    return str(chunk.metadata.get("_key", chunk.document))
