"""Work over many collections: one that fails keeps no other waiting, and the end says which did."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from infra.registry import RegistryError
from ingest.errors import IngestError, SourceOutageError
from retrieval.catalog import Catalog
from retrieval.errors import OutageError, RetrievalError

logger = logging.getLogger(__name__)

MAX_NAMED = 10  # collections that the error gives the reason of; the log has all


class PerCollection:
    """The collections of one piece of work, and which of them failed so far.

    What was raised on purpose is kept for the end; what nobody expected, and the wish to stop, pass at once.
    """

    def __init__(self, catalog: Catalog, names: Sequence[str]) -> None:
        self._catalog = catalog
        self._names = names
        self._failures: dict[str, Exception] = {}

    @contextmanager
    def each(self, name: str) -> Iterator[None]:
        """Work on that collection. What it raises is kept, unless there are no others to go on with."""
        try:
            yield
        except (RetrievalError, IngestError, RegistryError) as error:
            if len(self._names) == 1:
                raise
            logger.warning("collection %s: %s; the others go on", name, error)
            self._failures.setdefault(name, error)

    def finish(self, also: str = "") -> None:
        """Raise `RetrievalError`, or `OutageError` where trying again may help, when any failed that is still there.

        `also`: what else the error is to tell, for the work then has no other result.
        """
        existing = {one.name for one in self._catalog.collections.all()} if self._failures else set()
        failed = {name: error for name, error in self._failures.items() if name in existing}
        if not failed:
            return
        reasons = [f"{name}: {error}" for name, error in list(failed.items())[:MAX_NAMED]]
        more = [f"and {len(failed) - MAX_NAMED} more, see the log"] if len(failed) > MAX_NAMED else []
        text = "; ".join([*reasons, *more, *([also] if also else [])])
        message = f"{len(failed)} of {len(self._names)} collections failed, the others are done: {text}"
        is_outage = any(isinstance(error, OutageError | SourceOutageError) for error in failed.values())
        raise OutageError(message) if is_outage else RetrievalError(message)
