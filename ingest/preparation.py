"""From documents as a source has them to a commit: text mended, language told, chunks cut, new passages embedded.

A document whose title and text came before is not mended, cut or embedded again: only what surrounds them is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ingest.changes import Change
from ingest.cleaning import clean_text, clean_title
from ingest.embedding import EmbeddingRun
from ingest.report import IngestReport
from ingest.targets import Targets, TargetSource
from retrieval.analysis.language import detect_language
from retrieval.catalog import Catalog, Collection, Commit, Upsert
from retrieval.catalog.documents import StoredInput
from retrieval.catalog.integrity import text_digest
from retrieval.types import Deletion, Document

PART_CHARACTERS = 60_000  # of a batch, encoded while the next part is cut: about a second of encoding
MENDING = "1"  # raise it when cleaning or language detection change: stored documents are then mended again


class Preparation:
    """Prepares changes of one collection for its writer."""

    def __init__(self, catalog: Catalog, collection: Collection, targets: TargetSource) -> None:
        self._catalog = catalog
        self._collection = collection
        self._targets = targets

    def invalidate(self) -> None:
        """Drop the targets; the next `prepare` looks again at what generations there are."""
        self._targets.invalidate()

    def prepare(
        self, changes: Sequence[Change], report: IngestReport, *, trusting: bool = True, reuse: bool = True
    ) -> Commit:
        """The changes as a commit; the report learns how many chunks and embeddings were made.

        With `trusting`, a document with an outline and a language has been mended by the parser that gave it both.
        With `reuse`, text that came before is taken as stored; a writer that finds it changed meanwhile raises
        `OvertakenError`.
        """
        targets = self._targets.current()
        keys = {change.key for change in changes if isinstance(change, Document)}
        known = self._catalog.documents.inputs(self._collection, keys) if reuse else {}
        prepared: list[Upsert | Deletion] = []
        with EmbeddingRun(self._catalog, targets) as embedding:
            for part, last in _parts(changes):
                made = [
                    change if isinstance(change, Deletion) else self._upsert(change, known, trusting, targets)
                    for change in part
                ]
                upserts = [change for change in made if isinstance(change, Upsert)]
                report.chunks += sum(len(upsert.chunks or ()) for upsert in upserts)
                embedding.add(upserts, last=last)
                prepared += made
            vectors = embedding.vectors()
        report.embedded += sum(map(len, vectors.values()))
        first = next(iter(vectors), "")
        own = vectors.pop(first, {})
        return Commit(
            prepared, first, own, other_vectors=vectors, chunking=targets.cuttings[0].number, epoch=targets.epoch
        )

    def _upsert(self, document: Document, known: Mapping[str, StoredInput], trusting: bool, targets: Targets) -> Upsert:
        mended = trusting and _is_mended(document)
        input_digest = _input_digest(document, mended)
        stored = known.get(document.key)
        if stored is not None and stored.input_hash.startswith(f"{input_digest}:"):
            return Upsert(replace(document, language=stored.language, title=stored.title), None, stored.input_hash)
        whole = document if mended else mended_document(document)
        serving, *others = targets.cuttings
        cuts = {cutting.number: cutting.cut(whole) for cutting in others}
        return Upsert(whole, serving.cut(whole), f"{input_digest}:{text_digest(whole)}", cuts)


def _parts(changes: Sequence[Change]) -> Iterator[tuple[Sequence[Change], bool]]:
    """The changes in stretches of about `PART_CHARACTERS`, and whether it is the last."""
    start = size = 0
    for end, change in enumerate(changes[:-1], start=1):
        size += len(change.text) if isinstance(change, Document) else 0
        if size >= PART_CHARACTERS:
            yield changes[start:end], False
            start, size = end, 0
    if changes:
        yield changes[start:], True


def _is_mended(document: Document) -> bool:
    """Whether a source gave it as parsers do. Rows and JSON lines, which may name a language too, have no outline."""
    return bool(document.outline and document.language)


def _input_digest(document: Document, mended: bool) -> str:
    """Digest of what mending, language and chunks follow from."""
    return text_digest(document, MENDING, str(mended), document.language)


def is_as_stored(document: Document, stored: StoredInput) -> bool:
    """Whether a source's document would change nothing, whatever it was when it came last."""
    mended = _is_mended(document)
    input_digest, _, kept = stored.input_hash.partition(":")
    if input_digest == _input_digest(document, mended):
        document = replace(document, language=stored.language, title=stored.title)
    else:
        document = document if mended else mended_document(document)
        kept = text_digest(document)
    return document.content_hash(kept) == stored.content_hash


def mended_document(document: Document) -> Document:
    """The document with text mended and, where it can be told, its language."""
    text, title = document.text, document.title
    if not document.outline:  # its blocks are offsets into the text as it stands
        text, title = clean_text(text), clean_title(title)
    language = document.language or detect_language(f"{title}\n{text}")
    return replace(document, text=text, title=title, language=language)
