"""Notes each reading of a source in its run log: what it did, or why it ended early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ingest.errors import IngestError
from ingest.report import IngestReport
from retrieval.catalog import Catalog
from retrieval.catalog.schema import utc_now
from retrieval.catalog.source_runs import RunWork
from retrieval.catalog.sources import SourceRecord
from retrieval.errors import RetrievalError


@contextmanager
def noted(catalog: Catalog, source: SourceRecord) -> Iterator[Callable[[IngestReport], None]]:
    """A function that takes the report of the reading; without one, what the block raised is noted."""
    began, reports = utc_now(), [IngestReport()]
    try:
        yield reports.append
    except (IngestError, RetrievalError) as error:
        catalog.source_runs.add(source, began, RunWork(), str(error))
        raise
    outcomes = {outcome.value: count for outcome, count in reports[-1].outcomes.items()}
    catalog.source_runs.add(source, began, RunWork(outcomes, reports[-1].failed))
