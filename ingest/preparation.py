"""From documents as a source has them to a commit: text mended, language told, chunks cut, new passages embedded.

A document whose title and text came before is not mended, cut or embedded again: only what surrounds them is new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ingest.changes import Change
from ingest.cleaning import clean_text
from ingest.contracts import Chunker
from ingest.language import detect_language
from ingest.report import IngestReport
from retrieval.catalog import Catalog, Collection, Commit, Upsert
from retrieval.catalog.documents import StoredInput
from retrieval.contracts import Encoder
from retrieval.types import Chunk, Deletion, Document, Vector, text_hash

MENDING = "1"  # raise it when cleaning or language detection change: stored documents are then mended again
_DIGEST_DIGITS = 32  # 128 bits


class Preparation:
    """Prepares changes of one collection for its writer."""

    def __init__(self, catalog: Catalog, collection: Collection, encoder: Encoder, chunker: Chunker) -> None:
        self._catalog = catalog
        self._collection = collection
        self._encoder = encoder
        self._chunker = chunker

    def prepare(
        self, changes: Sequence[Change], report: IngestReport, *, trusting: bool = True, reuse: bool = True
    ) -> Commit:
        """The changes as a commit; the report learns how many chunks and embeddings were made.

        With `trusting`, a document that names its language has been mended by its source. With `reuse`, text that
        came before is taken as stored; a writer that finds it changed meanwhile raises `OvertakenError`.
        """
        keys = {change.key for change in changes if isinstance(change, Document)}
        known = self._catalog.documents.inputs(self._collection, keys) if reuse else {}
        prepared = [
            change if isinstance(change, Deletion) else self._upsert(change, known, trusting) for change in changes
        ]
        passages = {
            text_hash(passage): passage
            for change in prepared
            if isinstance(change, Upsert) and change.chunks is not None
            for passage in (chunk.passage(change.document.title) for chunk in change.chunks)
        }
        report.chunks += sum(len(change.chunks or ()) for change in prepared if isinstance(change, Upsert))
        vectors = self._embed(passages)
        report.embedded += len(vectors)
        return Commit(prepared, self._encoder.fingerprint, vectors)

    def _upsert(self, document: Document, known: Mapping[str, StoredInput], trusting: bool) -> Upsert:
        mended = trusting and bool(document.language)
        came = _digest(MENDING, str(mended), document)
        stored = known.get(document.key)
        if stored is not None and stored.input_hash.startswith(came + ":"):
            language = document.language or stored.language
            return Upsert(replace(document, language=language, title=stored.title), None, stored.input_hash)
        whole = document if mended else mended_document(document)
        return Upsert(whole, self._cut(whole), f"{came}:{_digest('', '', whole)}")

    def _cut(self, document: Document) -> Sequence[Chunk]:
        chunks: Sequence[Chunk] = self._chunker.chunk(document)
        if not chunks and document.title:  # a title alone can still be found
            return (Chunk(0, document.text, 0, len(document.text)),)
        return chunks

    def _embed(self, passages: dict[str, str]) -> dict[str, Vector]:
        missing = sorted(self._catalog.embeddings.missing(self._encoder.fingerprint, passages)) if passages else []
        if not missing:
            return {}
        vectors = self._encoder.encode_passages([passages[key] for key in missing])
        return dict(zip(missing, vectors, strict=True))


def mended_document(document: Document) -> Document:
    """The document with text mended and, where it can be told, its language."""
    if not document.outline:  # its blocks are offsets into the text as it stands
        document = replace(document, text=clean_text(document.text), title=" ".join(clean_text(document.title).split()))
    if not document.language:
        document = replace(document, language=detect_language(f"{document.title}\n{document.text}"))
    return document


def _digest(mending: str, mended: str, document: Document) -> str:
    blocks = (f"{b.start} {b.end} {b.kind.value} {b.level} {b.page}" for b in document.outline)
    parts = (mending, mended, document.title, document.text, "\n".join(blocks))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]
