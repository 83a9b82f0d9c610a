"""The words of the domain: documents, chunks, positions, rankings and hits, as frozen values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import total_ordering
from typing import Any

import numpy as np
from numpy.typing import NDArray

ITSELF = "="  # begins a link of `IndexedChunk` that says what the document is, not what it refers to
EVERYONE = "everyone"  # the group every authenticated caller belongs to
MAX_QUERY_LENGTH = 20_000  # characters; longer is a document, not a question

Vectors = NDArray[np.float32]  # (n, dim), rows L2-normalised
Vector = NDArray[np.float32]  # (dim,)
Labels = NDArray[np.int64]  # (n,) catalog chunk numbers


@total_ordering
@dataclass(frozen=True, slots=True)
class SourcePosition:
    """Where in its source a change stood; positions of one source are totally ordered.

    PostgreSQL: (lsn at which the transaction before ended, lsn). MySQL: (binlog number, offset, row).
    Files: (scan number,). REST: (client version,). Only positions of the same source may be compared.
    """

    values: tuple[int, ...]

    def __lt__(self, other: SourcePosition) -> bool:
        return self.values < other.values

    def encode(self) -> str:
        """JSON text for the catalog."""
        return json.dumps(self.values)

    @classmethod
    def decode(cls, text: str) -> SourcePosition:
        """The inverse of `encode`."""
        return cls(tuple(json.loads(text)))


class BlockKind(StrEnum):
    """What a stretch of a document is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    TABLE = "table"
    LIST = "list"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch `text[start:end]` of a document with its role; together blocks are the document's outline."""

    start: int
    end: int
    kind: BlockKind = BlockKind.PARAGRAPH
    level: int = 0  # heading depth, 1 = top; 0 for everything else
    page: int | None = None  # 1-based
    links: tuple[str, ...] = ()  # what it links to, as written there: URLs, or paths beside the document

    def to_row(self) -> list[Any]:
        """Plain values for the catalog; links last, and only where there are any."""
        row = [self.start, self.end, self.kind.value, self.level, self.page]
        return [*row, list(self.links)] if self.links else row

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Block:
        """The inverse of `to_row`."""
        start, end, kind, level, page, *links = row
        return cls(start, end, BlockKind(kind), level, page, tuple(links[0]) if links else ())


@dataclass(frozen=True, slots=True)
class Document:
    """One document as its source has it now. `key` is stable and unique within the collection.

    `acl` names the groups that may read it; None means the collection's default, () means nobody.
    """

    key: str
    text: str
    title: str = ""
    source: str = "api"
    table: str = ""
    uri: str | None = None
    language: str = ""  # ISO 639-1, "" when unknown
    metadata: Mapping[str, Any] = field(default_factory=dict)
    acl: tuple[str, ...] | None = None
    outline: tuple[Block, ...] = ()
    position: SourcePosition | None = None  # None: newer than whatever is stored
    committed_at: datetime | None = None  # when the source committed it, UTC

    def content_hash(self, text_digest: str = "") -> str:
        """SHA-256 over everything a reader could see or be denied; equal hashes mean nothing to do.

        `text_digest` stands for title, text and outline where the caller has hashed them already.
        """
        acl = None if self.acl is None else sorted(self.acl)
        outline = [block.to_row() for block in self.outline]
        words = [text_digest] if text_digest else [self.title, self.text, outline]
        parts = [words, self.uri, self.language, self.table, dict(self.metadata), acl]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


HEADING_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Chunk:
    """A retrievable stretch `document.text[start:end]`, with the headings above it."""

    ordinal: int
    text: str
    start: int
    end: int
    heading: str = ""  # "Chapter › Section", "" at the top; last, the header row of a table that it continues
    page: int | None = None

    def passage(self, title: str) -> str:
        """See `passage_text`."""
        return passage_text(title, self.heading, self.text)


def passage_text(title: str, heading: str, text: str) -> str:
    """What is encoded, matched and reranked of a chunk: title, headings and text, those that are not empty."""
    return "\n".join(part for part in (title, heading, text) if part)


def text_hash(passage: str) -> str:
    """The address of an embedding together with the encoder's fingerprint (SHA-256 of the encoded text)."""
    return hashlib.sha256(passage.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Deletion:
    """The document `key` no longer exists at its source."""

    key: str
    source: str = "api"
    position: SourcePosition | None = None
    committed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """What the views need to know of one chunk. `label` is its number in the catalog, never reused."""

    label: int
    document: int  # number of the document in the catalog
    title: str
    heading: str
    text: str
    vector: Vector | None  # None where the encoder has not embedded it
    groups: tuple[str, ...]
    metadata: Mapping[str, Any]
    uri: str | None = None  # where its document stands, see `Document`
    links: tuple[str, ...] = ()  # rows that its document refers to; after `ITSELF`: which it is about
    hyperlinks: tuple[str, ...] = ()  # of the blocks that it was cut from, see `Block`

    @property
    def words(self) -> str:
        """What a view over words reads of it."""
        return "\n".join((self.title, self.heading, self.text))


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """Operations up to and including `seq`: take `removed` out, then put `added` in. Applying it twice is harmless.

    `state` is the operation that the chunks' state includes at least; 0: `seq`. Shared views let no older state win.
    `mark` is what the log recognises operation `seq` by; "": not known.
    """

    seq: int
    removed: Sequence[int]  # labels
    added: Sequence[IndexedChunk]
    state: int = 0
    mark: str = ""

    @property
    def version(self) -> int:
        """The operation whose state the batch brings."""
        return max(self.state, self.seq)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Labels by falling score, ties by rising label. Both arrays have shape (n,)."""

    labels: Labels
    scores: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Ranking:
        """No result."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a name for the audit log and the groups he belongs to; `sees_all` is for operators."""

    name: str
    groups: frozenset[str] = frozenset({EVERYONE})
    sees_all: bool = False


OPERATOR = Principal("operator", sees_all=True)  # the person at this machine's own command line
