"""The views of one collection and the thread that keeps them in step with its operation log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pyroaring import BitMap64

from retrieval.catalog import Catalog, Collection
from retrieval.contracts import Allowed, VectorView, WordView
from retrieval.errors import NotFoundError, NotYetSearchableError, OutageError, RetrievalError
from retrieval.filters import Filter
from retrieval.types import Principal, ViewBatch

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.03  # how soon another process's commit is noticed; this process's own are told at once
OUTAGE_PAUSE_SECONDS = 1.0  # before the catalog is asked again after it did not answer
SAVE_EVERY_OPERATIONS = 20_000  # so that a crash replays at most a few seconds of work


class Attributes(Protocol):
    """What the attribute view offers beside following the log."""

    @property
    def seq(self) -> int:
        """The last operation applied."""
        ...

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`."""
        ...

    def allowed(self, principal: Principal, filter: Filter | None) -> Allowed:
        """Labels the caller may see that match the filter; None: every one."""
        ...

    def labels(self) -> BitMap64:
        """All labels held."""
        ...

    def save(self) -> None:
        """Make the present state durable."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


@dataclass(frozen=True, slots=True)
class Views:
    """The three views of one collection; all are brought to the same operation together."""

    sparse: WordView
    dense: VectorView
    attributes: Attributes

    @property
    def seq(self) -> int:
        """What every view has reached."""
        return min(self.sparse.seq, self.dense.seq, self.attributes.seq)

    def held(self) -> BitMap64:
        """Labels that at least one view holds."""
        return self.sparse.labels() | self.dense.labels() | self.attributes.labels()

    def apply(self, batch: ViewBatch) -> None:
        """Apply a batch to all three."""
        for view in (self.sparse, self.dense, self.attributes):
            view.apply(batch)

    def save(self) -> None:
        """Make all three durable."""
        for view in (self.sparse, self.dense, self.attributes):
            view.save()

    def close(self) -> None:
        """Release all three."""
        for view in (self.sparse, self.dense, self.attributes):
            view.close()


class Follower:
    """Applies the operation log to the views, in the caller's thread (`catch_up`) or its own (`start`)."""

    def __init__(self, catalog: Catalog, collection: Collection, views: Views, *, durable: bool = True) -> None:
        self.views = views
        self._catalog = catalog
        self._collection = collection
        self._durable = durable
        self._saved_seq = views.seq
        self._applying = threading.Lock()
        self._changed = threading.Condition()
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seq = views.seq
        self._failure: BaseException | None = None

    @property
    def seq(self) -> int:
        """The operation that searches see at least."""
        return self._seq

    @property
    def is_durable(self) -> bool:
        """Whether this process maintains the view files; else it follows in a private copy."""
        return self._durable

    def catch_up(self, progress: Callable[[int], None] | None = None) -> int:
        """Apply everything committed so far; the seq reached. `progress` hears how many chunks were applied."""
        with self._applying:
            if self.views.seq == 0:
                self._rebuild(progress)
            for batch in self._catalog.log.since(self._collection, self.views.seq, self.views.dense.labels()):
                self._apply(batch, progress)
            if self._durable and self.views.seq - self._saved_seq >= SAVE_EVERY_OPERATIONS:
                self.save()
        return self.views.seq

    def rebuild(self) -> None:
        """Bring views of any state to what the catalog says now, whatever they hold."""
        with self._applying:
            self._rebuild(None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Views caught up and standing still inside the `with`; searches go on."""
        self.catch_up()
        with self._applying:
            yield

    def save(self) -> None:
        """Make the views durable, so that the next start replays only what comes later."""
        self.views.save()
        self._saved_seq = self.views.seq

    def wait_for(self, seq: int, timeout: float) -> None:
        """Return once searches see `seq`. Raises `NotYetSearchableError` after `timeout` seconds."""
        if self._seq >= seq:
            return
        self._nudged.set()
        with self._changed:
            reached = self._changed.wait_for(lambda: self._seq >= seq or self._failure is not None, timeout)
        if self._failure is not None:
            raise RetrievalError(f"the views stopped following the catalog: {self._failure}") from self._failure
        if not reached:
            raise NotYetSearchableError(
                f"operation {seq} is not searchable after {timeout:g} s (views are at {self._seq}); "
                "the write is safe, search again later"
            )

    def wait_while_advancing(self, seq: int, patience: float) -> None:
        """As `wait_for`, as long as it takes: gives up only when nothing at all was applied for `patience` seconds."""
        while True:
            before = self._seq
            try:
                return self.wait_for(seq, patience)
            except NotYetSearchableError:
                if self._seq == before:
                    raise

    def nudge(self) -> None:
        """Tell the thread that something was committed, so that it need not wait for its next look."""
        self._nudged.set()

    def start(self) -> None:
        """Follow the log in a thread until `stop`."""
        self._thread = threading.Thread(target=self._follow, name=f"views-{self._collection.name}", daemon=True)
        self._thread.start()

    def stop(self, *, save: bool = True) -> None:
        """End the thread, save what it applied, and close the views."""
        self._stopping.set()
        self._nudged.set()
        if self._thread is not None:
            self._thread.join()
        if save and self._durable and self._failure is None and self.views.seq != self._saved_seq:
            self.save()
        self.views.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._nudged.clear()
            pause = POLL_SECONDS
            try:
                if self._catalog.collections.last_seq(self._collection.id) > self._seq:
                    self.catch_up()
            except OutageError as error:
                logger.warning("views of %s wait for the catalog: %s; asked again", self._collection.name, error)
                pause = OUTAGE_PAUSE_SECONDS
            except NotFoundError:
                logger.info("collection %s was dropped; its views stop following", self._collection.name)
                return
            except Exception as error:  # the thread must not die silently: searches would serve an old state
                logger.exception("views of %s stop: restart the process; the catalog is safe", self._collection.name)
                self._fail(error)
                return
            self._nudged.wait(pause)

    def _rebuild(self, progress: Callable[[int], None] | None) -> None:
        held, embedded = self.views.held(), self.views.dense.labels()
        for batch in self._catalog.log.everything(self._collection, held, embedded):
            self._apply(batch, progress)

    def _apply(self, batch: ViewBatch, progress: Callable[[int], None] | None) -> None:
        self.views.apply(batch)
        if progress is not None:
            progress(len(batch.added))
        with self._changed:
            self._seq = self.views.seq
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
