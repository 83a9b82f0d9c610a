"""Ingestion, top to bottom: poll a source, prepare documents, cut chunks, embed what is new, commit once.

Documents, chunks, embeddings, the source's cursor and its dead letters of a batch are one catalog transaction, so a
process killed at any moment has either all of a batch or none of it, and goes on from the stored cursor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from ingest.changes import Change, ChangeBatch, Failure, RowEvent
from ingest.cleaning import clean_text
from ingest.contracts import Chunker, Source
from ingest.duplicates import DuplicateFinder
from ingest.language import detect_language
from ingest.report import IngestReport
from retrieval.catalog import Catalog, Collection, Commit, DeadLetter, Receipt, Upsert
from retrieval.catalog.rows import RowWrite
from retrieval.catalog.sources import SourceRecord
from retrieval.contracts import Encoder
from retrieval.types import Chunk, Deletion, Document, Vector, text_hash

logger = logging.getLogger(__name__)

BATCH_CHARACTERS = 1_000_000  # text in one transaction: a few seconds of encoding
BATCH_CHANGES = 2_000
MASS_DELETION_SHARE = 0.5  # of a source's documents; more vanishing at once is taken for a broken export
MASS_DELETION_MINIMUM = 10  # documents; below that a person notices by himself
DEAD_LETTER_PAYLOAD_BYTES = 64 * 1024

Progress = Callable[[int], None]  # hears how many documents were committed


class RowRenderer(Protocol):
    """Turns row changes into documents; see `ingest.mapping`."""

    def apply(self, events: Sequence[RowEvent]) -> Sequence[Change]:
        """The documents these events change, joined documents included."""
        ...

    def drain(self) -> Sequence[RowWrite]:
        """The rows to store in the same transaction as those documents; each is handed out once."""
        ...


class Pipeline:
    """Brings changes into one collection."""

    def __init__(self, catalog: Catalog, collection: Collection, encoder: Encoder, chunker: Chunker) -> None:
        self._catalog = catalog
        self._collection = collection
        self._encoder = encoder
        self._chunker = chunker

    def run(
        self,
        source: Source,
        *,
        rows: RowRenderer | None = None,
        allow_mass_deletion: bool = False,
        duplicates: DuplicateFinder | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Read the source to its present end. Raises `SourceError` when it cannot be read at all.

        A finder of duplicates is shown every document of the run; the report tells what it found.
        """
        began = time.perf_counter()
        report = IngestReport(seq=self._collection.last_seq)
        record = self._catalog.sources.register(self._collection, source.name, source.kind)
        seen: set[str] = set()
        for batch in _merged(source.poll(record.cursor)):
            changes = self._changes(batch, rows)
            seen.update(change.key for change in changes if isinstance(change, Document))
            seen.update(batch.unchanged)
            seen.update(failure.key for failure in batch.failures)  # unreadable now is not gone
            if duplicates is not None:
                _show(duplicates, changes)
            self._commit(record, changes, batch, rows, report)
            if progress is not None:
                progress(len(changes))
        if source.mirror:
            self._delete_unseen(record, seen, allow_mass_deletion, report)
        report.duplicates = duplicates.groups() if duplicates is not None else []
        report.seconds = time.perf_counter() - began
        return report

    def write(self, changes: Sequence[Change]) -> Receipt:
        """Commit changes that come without a source of their own, such as a client's writes."""
        mended = [mended_document(change) if isinstance(change, Document) else change for change in changes]
        return self._catalog.writer.commit(self._collection.id, self._prepare(mended, IngestReport()))

    def _changes(self, batch: ChangeBatch, rows: RowRenderer | None) -> list[Change]:
        mapped = rows.apply(batch.row_changes) if rows is not None and batch.row_changes else ()
        return [*batch.changes, *mapped]

    def _commit(
        self,
        record: SourceRecord,
        changes: Sequence[Change],
        batch: ChangeBatch,
        rows: RowRenderer | None,
        report: IngestReport,
    ) -> None:
        named = [replace(change, source=record.name) for change in changes]
        commit = replace(
            self._prepare([_known(change) for change in named], report),
            cursor=None if batch.cursor is None else (record.name, batch.cursor),
            dead_letters=[_dead_letter(record.name, failure) for failure in batch.failures],
            rows=() if rows is None else rows.drain(),
        )
        receipt = self._catalog.writer.commit(self._collection.id, commit)
        report.add(receipt.outcomes)
        report.fail(batch.failures)
        report.seq = receipt.seq
        self._catalog.sources.settle_dead_letters(
            self._collection, record.name, {change.key for change in changes} | set(batch.unchanged)
        )

    def _prepare(self, changes: Sequence[Change], report: IngestReport) -> Commit:
        prepared = [self._cut(change) for change in changes]
        passages = {
            text_hash(passage): passage
            for change in prepared
            if isinstance(change, Upsert)
            for passage in (chunk.passage(change.document.title) for chunk in change.chunks)
        }
        report.chunks += sum(len(change.chunks) for change in prepared if isinstance(change, Upsert))
        vectors = self._embed(passages)
        report.embedded += len(vectors)
        return Commit(prepared, self._encoder.fingerprint, vectors)

    def _cut(self, change: Change) -> Upsert | Deletion:
        if isinstance(change, Deletion):
            return change
        chunks: Sequence[Chunk] = self._chunker.chunk(change)
        if not chunks and change.title:  # a title alone can still be found
            chunks = (Chunk(0, change.text, 0, len(change.text)),)
        return Upsert(change, chunks)

    def _embed(self, passages: dict[str, str]) -> dict[str, Vector]:
        missing = sorted(self._catalog.embeddings.missing(self._encoder.fingerprint, passages))
        if not missing:
            return {}
        vectors = self._encoder.encode_passages([passages[key] for key in missing])
        return dict(zip(missing, vectors, strict=True))

    def _delete_unseen(
        self, record: SourceRecord, seen: set[str], allow_mass_deletion: bool, report: IngestReport
    ) -> None:
        living = self._catalog.documents.keys(self._collection, record.name)
        gone = sorted(living - seen)
        if not gone:
            return
        share = len(gone) / len(living)
        if share > MASS_DELETION_SHARE and len(gone) > MASS_DELETION_MINIMUM and not allow_mass_deletion:
            report.withheld = len(gone)
            logger.warning(
                "source %s no longer names %d of its %d documents; nothing was deleted, since so many at once look "
                "like a broken export: allow mass deletion if it is meant",
                record.name,
                len(gone),
                len(living),
            )
            return
        deletions = [Deletion(key, record.name) for key in gone]
        receipt = self._catalog.writer.commit(self._collection.id, Commit(deletions))
        report.add(receipt.outcomes)
        report.seq = receipt.seq


def _show(duplicates: DuplicateFinder, changes: Sequence[Change]) -> None:
    for change in changes:
        if isinstance(change, Document):
            duplicates.add(change.key, change.text)


def _known(change: Change) -> Change:
    """A source's change, mended where the source did not: one that tells the language has mended the text already."""
    return change if isinstance(change, Deletion) or change.language else mended_document(change)


def mended_document(document: Document) -> Document:
    """The document with text mended and, where it can be told, its language."""
    if not document.outline:  # its blocks are offsets into the text as it stands
        document = replace(document, text=clean_text(document.text), title=" ".join(clean_text(document.title).split()))
    if not document.language:
        document = replace(document, language=detect_language(f"{document.title}\n{document.text}"))
    return document


def _merged(batches: Iterable[ChangeBatch]) -> Iterator[ChangeBatch]:
    """Small batches together, so that a transaction and a call of the encoder are worth their while."""
    waiting: list[ChangeBatch] = []
    size = count = 0
    for batch in batches:
        waiting.append(batch)
        size += sum(len(change.text) for change in batch.changes if isinstance(change, Document))
        count += len(batch.changes) + len(batch.row_changes) + len(batch.failures)
        if size >= BATCH_CHARACTERS or count >= BATCH_CHANGES:
            yield _joined(waiting)
            waiting, size, count = [], 0, 0
    if waiting:
        yield _joined(waiting)


def _joined(batches: Sequence[ChangeBatch]) -> ChangeBatch:
    cursors = [batch.cursor for batch in batches if batch.cursor is not None]
    return ChangeBatch(
        changes=tuple(change for batch in batches for change in batch.changes),
        failures=tuple(failure for batch in batches for failure in batch.failures),
        cursor=cursors[-1] if cursors else None,
        row_changes=tuple(change for batch in batches for change in batch.row_changes),
        unchanged=tuple(key for batch in batches for key in batch.unchanged),
    )


def _dead_letter(source: str, failure: Failure) -> DeadLetter:
    return DeadLetter(
        source,
        failure.key,
        failure.reason,
        failure.remedy,
        None if failure.position is None else failure.position.encode(),
        None if failure.payload is None else failure.payload[:DEAD_LETTER_PAYLOAD_BYTES],
    )
