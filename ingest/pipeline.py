"""Ingestion, top to bottom: poll a source, prepare documents, cut chunks, embed what is new, commit once.

Documents, chunks, embeddings, the source's cursor and its dead letters of a batch are one catalog transaction, so a
process killed at any moment has either all of a batch or none of it, and goes on from the stored cursor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from ingest.changes import Change, ChangeBatch, Failure, RowChange, RowEvent, Truncation
from ingest.contracts import Source
from ingest.duplicates import DuplicateFinder
from ingest.ownership import Ownership
from ingest.preparation import Preparation
from ingest.rendering import document_key
from ingest.report import IngestReport
from ingest.targets import TargetSource
from retrieval.catalog import AccessChange, Catalog, Collection, Commit, DeadLetter, Receipt
from retrieval.catalog.batching import in_parts
from retrieval.catalog.rows import RowWrite
from retrieval.catalog.source_tables import TableWrite
from retrieval.catalog.sources import SourceRecord
from retrieval.contracts import Encoder
from retrieval.errors import OvertakenError
from retrieval.types import Deletion, Document

logger = logging.getLogger(__name__)

BATCH_CHARACTERS = 400_000  # text in one transaction: some seconds of encoding
BATCH_CHANGES = 2_000
MASS_DELETION_SHARE = 0.5  # of a source's documents; more vanishing at once is taken for a broken export
MASS_DELETION_MINIMUM = 10  # documents; below that a person notices by himself
PREPARED_ANEW = 3  # times before an overtaken commit is left to the caller
DEAD_LETTER_PAYLOAD_BYTES = 64 * 1024
TEXTS_AT_ONCE = 50  # unchanged documents that are read together: bounds memory

Progress = Callable[[int], None]  # hears how many documents were committed


class RowRenderer(Protocol):
    """Turns row changes into documents; see `ingest.row_mapper.RowMapper`."""

    def apply(self, events: Sequence[RowEvent]) -> Sequence[Change]:
        """The documents these events change, joined documents included."""
        ...

    def drain(self) -> Sequence[RowWrite | TableWrite]:
        """The rows to store in the same transaction as those documents; each is handed out once."""
        ...


class Pipeline:
    """Brings changes into one collection."""

    def __init__(self, catalog: Catalog, collection: Collection, targets: TargetSource) -> None:
        self._catalog = catalog
        self._collection = collection
        self._targets = targets
        self._preparation = Preparation(catalog, collection, targets)

    @property
    def encoder(self) -> Encoder:
        """The serving generation's encoder."""
        return self._targets.current().embeddings[0].encoder

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

        A finder of duplicates is shown every document that the source names, those that did not change as they are
        stored; the report tells what it found.
        """
        began = time.perf_counter()
        report = IngestReport(seq=self._collection.last_seq)
        record = self._catalog.sources.register(self._collection, source.name, source.kind)
        seen = _Seen()
        ownership = Ownership(self._catalog, self._collection, record)

        def begin(batch: ChangeBatch) -> _Step:
            batch = ownership.without_foreign_documents(batch)
            changes = self._changes(batch, rows)
            seen.add(batch)
            if duplicates is not None:
                self._show(duplicates, batch.unchanged, changes)
            return self._begin(record, changes, batch, rows, ahead)

        def finish(step: _Step) -> None:
            # while it was prepared another source may have brought one of them
            batch = ownership.without_foreign_documents(step.batch)
            if batch is not step.batch:
                seen.failed.update(failure.key for failure in batch.failures)
                step = self._begin(record, batch.changes, batch, rows, ahead)
            self._commit(record, step, report)
            if progress is not None:
                progress(len(step.changes))

        with ThreadPoolExecutor(1, thread_name_prefix="prepare") as ahead:
            batches = _merged(source.poll(record.cursor))
            # what is rendered from stored rows waits until the rows of the batch before are stored
            _run(batches, begin, finish, ahead=rows is None)
            if seen.whole:
                failed = self._catalog.sources.failed_keys(self._collection, record.name)
                self._catalog.sources.settle_dead_letters(self._collection, record.name, failed - seen.failed)
            if source.mirror or seen.whole:
                gone = self._gone(source, record, seen, allow_mass_deletion, report)
                if gone is not None:
                    sweeps = (ChangeBatch(row_changes=(sweep,)) for sweep in seen.sweeps)
                    _run(sweeps, begin, finish, ahead=False)
                    self._delete(record, gone, report)
        report.duplicates = duplicates.groups() if duplicates is not None else []
        report.seconds = time.perf_counter() - began
        return report

    def write(self, changes: Sequence[Change]) -> Receipt:
        """Commit changes that come without a source of their own, such as a client's writes."""
        return self._write(
            lambda reuse: self._preparation.prepare(changes, IngestReport(), trusting=False, reuse=reuse)
        )

    def prepare(self, source: str, changes: Sequence[Change]) -> Commit:
        """The changes of a source, ready for `commit` once its rows and offsets were added."""
        return self._preparation.prepare([replace(change, source=source) for change in changes], IngestReport())

    def commit(self, prepared: Commit) -> Receipt:
        """Write what was prepared. Raises `OvertakenError`; what was embedded is kept then, for the next try."""
        try:
            return self._catalog.writer.commit(self._collection.id, prepared)
        except OvertakenError:
            for fingerprint, vectors in {prepared.fingerprint: prepared.vectors, **prepared.other_vectors}.items():
                self._catalog.embeddings.store(fingerprint, vectors)
            self._preparation.invalidate()
            raise

    def _show(self, duplicates: DuplicateFinder, unchanged: Sequence[str], changes: Sequence[Change]) -> None:
        for part in in_parts(unchanged, TEXTS_AT_ONCE):
            texts = self._catalog.documents.texts(self._collection, part)
            for key in part:
                if key in texts:  # else deleted by somebody else
                    duplicates.add(key, texts[key])
        for change in changes:
            if isinstance(change, Document):
                duplicates.add(change.key, change.text)

    def _changes(self, batch: ChangeBatch, rows: RowRenderer | None) -> list[Change]:
        mapped = rows.apply(batch.row_changes) if rows is not None and batch.row_changes else ()
        return [*batch.changes, *mapped]

    def _begin(
        self,
        record: SourceRecord,
        changes: Sequence[Change],
        batch: ChangeBatch,
        rows: RowRenderer | None,
        ahead: ThreadPoolExecutor,
    ) -> _Step:
        named = [replace(change, source=record.name) for change in changes]
        counted = IngestReport()
        prepared = ahead.submit(self._preparation.prepare, named, counted)
        return _Step(batch, named, () if rows is None else rows.drain(), counted, prepared)

    def _commit(self, record: SourceRecord, step: _Step, report: IngestReport) -> None:
        batch = step.batch
        cursor = None if batch.cursor is None else (record.name, batch.cursor)
        letters = [_dead_letter(record.name, failure) for failure in batch.failures]
        access = self._own(record, batch.access)

        def prepared(reuse: bool) -> Commit:
            if reuse:
                commit = step.prepared.result()
            else:
                step.counted.chunks = 0  # the same are counted anew
                commit = self._preparation.prepare(step.changes, step.counted, reuse=False)
            return replace(commit, cursor=cursor, dead_letters=letters, rows=step.rows, access=access)

        receipt = self._write(prepared)
        report.chunks += step.counted.chunks
        report.embedded += step.counted.embedded
        report.add(receipt.outcomes)
        report.pass_over(len(batch.unchanged))
        report.fail(batch.failures)
        report.seq = receipt.seq
        self._catalog.sources.settle_dead_letters(
            self._collection, record.name, {change.key for change in step.changes} | set(batch.unchanged)
        )

    def _own(self, record: SourceRecord, changes: Sequence[AccessChange]) -> Sequence[AccessChange]:
        """Those that change something about documents that the source brought."""
        if not changes:
            return ()
        held = self._catalog.documents.readers(self._collection, {change.key for change in changes}, record.name)
        return [change for change in changes if change.key in held and held[change.key] != change.acl]

    def _write(self, prepared: Callable[[bool], Commit]) -> Receipt:
        """Commit what is prepared; anew where a text that was to be taken as stored, or a generation, changed."""
        for reuse in (True, *[False] * PREPARED_ANEW):
            try:
                return self._catalog.writer.commit(self._collection.id, prepared(reuse))
            except OvertakenError as error:
                logger.info("%s", error)
                self._preparation.invalidate()
        return self._catalog.writer.commit(self._collection.id, prepared(False))

    def _gone(
        self, source: Source, record: SourceRecord, seen: _Seen, allow_mass_deletion: bool, report: IngestReport
    ) -> set[str] | None:
        """The documents that the source no longer names; None where they stay, and the report says why."""
        living = self._catalog.documents.keys(self._collection, record.name)
        gone = living - seen.keys
        if not source.mirror:
            report.kept = len(gone)
            return None
        if gone and (report.unnamed or not (allow_mass_deletion or _is_plausible(record, len(gone), len(living)))):
            report.withheld = len(gone)
            return None
        return gone

    def _delete(self, record: SourceRecord, gone: set[str], report: IngestReport) -> None:
        """Those of the documents that are still there, since no row told that they are gone."""
        left = gone and gone & self._catalog.documents.keys(self._collection, record.name)
        if not left:
            return
        deletions = [Deletion(key, record.name) for key in sorted(left)]
        receipt = self._catalog.writer.commit(self._collection.id, Commit(deletions))
        report.add(receipt.outcomes)
        report.seq = receipt.seq


def _is_plausible(record: SourceRecord, gone: int, living: int) -> bool:
    """Whether so many documents may be gone at once; where not, the log says so."""
    if gone <= MASS_DELETION_MINIMUM or gone / living <= MASS_DELETION_SHARE:
        return True
    logger.warning(
        "source %s no longer names %d of its %d documents; nothing was deleted, since so many at once look "
        "like a broken export: allow mass deletion if it is meant",
        record.name,
        gone,
        living,
    )
    return False


@dataclass(slots=True)
class _Seen:
    """What a source named in this run."""

    keys: set[str] = field(default_factory=set)  # of documents that are there, as far as it says
    failed: set[str] = field(default_factory=set)
    whole: bool = False  # see `ChangeBatch`, as for the sweeps
    sweeps: list[Truncation] = field(default_factory=list)

    def add(self, batch: ChangeBatch) -> None:
        # not what was rendered: a row that is gone is rendered once more where one that it joins has changed
        self.keys.update(change.key for change in batch.changes if isinstance(change, Document))
        self.keys.update(batch.unchanged)
        self.keys.update(change.key for change in batch.access)
        # a row that changed nothing, since another reader was faster, is there all the same
        rows = (event for event in batch.row_changes if isinstance(event, RowChange) and event.row is not None)
        self.keys.update(document_key(row.table, row.pk) for row in rows)
        self.failed.update(failure.key for failure in batch.failures)
        self.keys.update(self.failed)  # unreadable now is not gone
        self.whole |= batch.whole
        self.sweeps += batch.sweeps


@dataclass(frozen=True, slots=True)
class _Step:
    """A batch on its way: prepared in a thread of its own while the batch before it is committed."""

    batch: ChangeBatch
    changes: Sequence[Change]
    rows: Sequence[RowWrite | TableWrite]
    counted: IngestReport
    prepared: Future[Commit]


def _run(
    batches: Iterator[ChangeBatch],
    begin: Callable[[ChangeBatch], _Step],
    finish: Callable[[_Step], None],
    *,
    ahead: bool,
) -> None:
    """Begin and finish every batch, in order; with `ahead`, the next one is begun before one is finished.

    What was read before a source fails is finished all the same.
    """
    waiting: _Step | None = None
    while True:
        batch, failure = _next(batches)
        step = None if batch is None else begin(batch)
        if waiting is not None:
            finish(waiting)
        waiting = step
        if waiting is not None and not ahead:
            finish(waiting)
            waiting = None
        if failure is not None:
            raise failure
        if batch is None:
            return


def _next(batches: Iterator[ChangeBatch]) -> tuple[ChangeBatch | None, Exception | None]:
    try:
        return next(batches, None), None
    except Exception as error:  # whatever a source raises, after what it gave before
        return None, error


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
        whole=any(batch.whole for batch in batches),
        sweeps=tuple(sweep for batch in batches for sweep in batch.sweeps),
        access=tuple(change for batch in batches for change in batch.access),
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
