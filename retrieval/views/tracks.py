"""One view's way along the operation log: when this process may apply to it, how far it is, and what stops it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from pyroaring import BitMap64

from retrieval.catalog import Catalog, Collection
from retrieval.contracts import RecentPart, SharedView
from retrieval.errors import OutageError, RetrievalError, ViewError, ViewLostError, ViewOvertakenError
from retrieval.types import ViewBatch
from retrieval.views.health import Health

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # before a view that could not follow is tried again
LEASE_SECONDS = 4.0  # a dead writer of a shared view is followed by another after at most this
RENEW_SECONDS = 1.0  # how often the writer renews, the others look whether it still does, and all whether it answers
STALL_SECONDS = 5.0  # a shared view that stands still so long while there is something new is behind


class FollowingView(Protocol):
    """What a track needs of its view."""

    @property
    def seq(self) -> int:
        """The last operation applied."""
        ...

    def apply(self, batch: ViewBatch) -> None:
        """Bring the view to `batch.seq`."""
        ...

    def labels(self) -> BitMap64:
        """All labels held."""
        ...


class Track:
    """A view that only this process applies to."""

    def __init__(self, name: str, view: FollowingView, health: Health) -> None:
        self.name = name
        self.view = view
        self.defect: Exception | None = None  # what a restart must mend
        self.refused_by = 0  # the newest version in the view that refused a part of a rebuild as older
        self._health = health
        self._due = 0.0
        self._fell_behind = False  # since it was last let apply
        self._goal = 0  # what it has to reach before it follows again

    @property
    def seq(self) -> int:
        """The operation that searches of the view see at least."""
        return self.view.seq

    def wants_attention(self) -> bool:
        """Whether there is something to do besides applying what is new."""
        return False

    def begin(self, last_seq: int) -> bool:
        """Whether to apply to the view now."""
        if self.defect is not None or time.monotonic() < self._due:
            return False
        self._aim(last_seq)
        return True

    def apply(self, batch: ViewBatch, *, rebuilds: bool = False) -> bool:
        """Apply a batch, unless the view is past it; False where it was not possible, and the track must wait."""
        if batch.seq and batch.seq <= self.seq and not rebuilds:
            return True
        if not self._try(self._apply, batch):
            return False
        if batch.seq:
            self._follows()
        return True

    def mend(self, batch: ViewBatch) -> bool:
        """Apply a batch of a rebuild that somebody asked for, whatever the view holds; False as `apply` has it."""
        return self.apply(batch, rebuilds=True)

    def _try(self, act: Callable[[ViewBatch], None], batch: ViewBatch) -> bool:
        try:
            act(batch)
        except (OutageError, ViewOvertakenError, ViewLostError) as error:
            self._wait(error)
            return False
        except Exception as error:  # whatever it is, the other views go on, and the operator must know
            logger.exception("the %s view stops: restart the process; the catalog is safe", self.name)
            self.defect = error
            self._health.stops(self.name, f"stopped: {error}")
            return False
        return True

    def meets_older(self, last_seq: int) -> bool:
        """The catalog was put back to before what was applied; whether the view is emptied, to be built again at once.

        A view of this process's own stops instead: the next start builds it, and until then searches say so.
        """
        self.defect = ViewError(f"{self._past(last_seq)}; restart this process, which builds its views again")
        logger.error("%s", self.defect)
        self._health.stops(self.name, f"stopped: {self.defect}")
        return False

    def begin_rebuild(self) -> None:
        """Nothing: a view of this process's own is whole before anybody searches it."""

    def begin_mending(self) -> None:
        """Nothing: nobody else writes a view of this process's own."""

    def begin_anew(self) -> None:
        """Nothing: a view of this process's own takes whatever it is told."""

    def release(self) -> None:
        """Give up what others may want."""

    def _past(self, last_seq: int) -> str:
        return (
            f"the {self.name} view has applied operation {self.seq}, but the catalog ends at {last_seq}: "
            "it was put back to an older state"
        )

    def _apply(self, batch: ViewBatch) -> None:
        self.view.apply(batch)

    def _aim(self, last_seq: int) -> None:
        """After an outage, have the view be behind until it has all that was committed by now.

        A catalog that was put back to an older state ends before that, and no view can have more than it.
        """
        self._goal = last_seq if self._fell_behind else min(self._goal, last_seq)
        self._fell_behind = False

    def _follows(self) -> None:
        if self.seq < self._goal:
            self._health.falls_behind(self.name, f"it catches up: operation {self.seq} of {self._goal}")
        elif self._health.follows(self.name):
            logger.info("the %s view follows the catalog again", self.name)

    def _wait(self, error: RetrievalError) -> None:
        self._fell_behind = True
        self._due = time.monotonic() + RETRY_SECONDS
        if self._health.falls_behind(self.name, str(error)):
            logger.warning("the %s view falls behind: %s; tried again every %g s", self.name, error, RETRY_SECONDS)


class RecentTrack(Track):
    """What a view on a server does not have yet; whether its leg can be relied on is for the server's track to say."""

    def __init__(self, name: str, recent: RecentPart, health: Health) -> None:
        super().__init__(name, recent, health)
        self._recent = recent

    def apply(self, batch: ViewBatch, *, rebuilds: bool = False) -> bool:
        """As any track; of a rebuild nothing is kept, for the server has all of it sooner or later."""
        if rebuilds:
            if self.seq != batch.version:
                self._recent.begin_at(batch.version)
            return True
        return super().apply(batch)

    def meets_older(self, last_seq: int) -> bool:
        """Begin again where the catalog ends; the server's track builds its view anew."""
        self._recent.begin_at(last_seq)
        return True

    def _follows(self) -> None:
        """Nothing: that this part follows says nothing of the other."""


class SharedTrack(Track):
    """A view that all processes search and one, which holds the lease, applies to.

    The lease keeps two from doing the same work; that no older state wins is for the view's versions to see to.
    """

    def __init__(
        self, name: str, view: SharedView, health: Health, catalog: Catalog, collection: Collection, holder: str
    ) -> None:
        super().__init__(name, view, health)
        self._shared = view
        self._catalog = catalog
        self._collection = collection
        self._holder = holder
        self._lease = f"view {view.shared_name}"
        self._holds = False
        self._renew_at = 0.0
        self._moved = (0, time.monotonic())  # the seq last seen, and when it was first seen

    def wants_attention(self) -> bool:
        """Whether the lease is to be renewed and the server to be asked how it is."""
        return time.monotonic() >= self._renew_at

    def begin(self, last_seq: int) -> bool:
        """Whether to apply to the view now: this process holds the lease and the view is as it left it."""
        if self.wants_attention():
            self._renew_at = time.monotonic() + RENEW_SECONDS
            self._renew()
        if not self._holds:
            self._observe(last_seq)
        elif self.seq >= last_seq:  # it was down while there was nothing to apply
            self._health.follows(self.name)
        return self._holds and super().begin(last_seq)

    def begin_mending(self) -> None:
        """Make the view where it is absent. Raises `OutageError`."""
        self._shared.resume()
        self.refused_by = 0

    def mend(self, batch: ViewBatch) -> bool:
        """Write whoever holds the lease, and leave how far the view is to that process: neither disturbs the other."""
        return self._try(self._mend, batch)

    def begin_anew(self) -> None:
        """Empty the view on the server; the process that holds the lease finds it so. Raises `RetrievalError`."""
        self._shared.restart()
        self._publish()

    def meets_older(self, last_seq: int) -> bool:
        """Empty the view on the server, which the processes then find at its beginning."""
        logger.warning("%s; it is built again", self._past(last_seq))
        try:
            self._shared.restart()
            self._publish()
        except RetrievalError as error:
            self._wait(error)
            return False
        return True

    def begin_rebuild(self) -> None:
        """Say that searches miss something until the last batch is applied."""
        self._health.falls_behind(self.name, "it is being built from the catalog")

    def release(self) -> None:
        """Let another process apply at once."""
        if self._holds:
            self._holds = False
            self._catalog.leases.release(self._lease, self._holder)

    def _apply(self, batch: ViewBatch) -> None:
        if self.wants_attention():  # a build outlasts a lease; should that be lost, the view's place tells
            self._renew_at = time.monotonic() + RENEW_SECONDS
            self._catalog.leases.acquire(self._lease, self._holder, LEASE_SECONDS)
        self._shared.apply(batch)
        self._publish()
        version = self._shared.refused_by
        if version > batch.version and version > self._catalog.collections.last_seq(self._collection.id):
            logger.warning(
                "the %s view refuses changes of passages that it has as of operation %d, which the catalog does not "
                "have: somebody else wrote to %s; run `kb verify --repair`",
                self.name,
                version,
                self._shared.shared_name,
            )

    def _mend(self, batch: ViewBatch) -> None:
        self._shared.mend(batch)
        self.refused_by = max(self.refused_by, self._shared.refused_by)

    def _wait(self, error: RetrievalError) -> None:
        super()._wait(error)
        self._holds = False  # whatever happened, the view's place must be read again
        self._renew_at = self._due

    def _renew(self) -> None:
        had, has = self._holds, self._catalog.leases.acquire(self._lease, self._holder, LEASE_SECONDS)
        self._holds = False
        try:
            if has and not (had and self._shared.is_current()):
                self._shared.resume()
                self._publish()
                logger.info("the %s view is written by this process from operation %d on", self.name, self.seq)
            elif not has:
                self._shared.check()
        except RetrievalError as error:  # also a server of another version or kind: told, and asked again
            self._health.goes_down(self.name, str(error))
            self._wait(error)
            return
        self._holds = has
        self._health.answers(self.name)

    def _publish(self) -> None:
        self._catalog.positions.publish(self._collection.id, self._shared.shared_name, self.seq)

    def _observe(self, last_seq: int) -> None:
        """See how far the process that holds the lease has come; where it stands still, say so."""
        seq = self._catalog.positions.read(self._collection.id, self._shared.shared_name)
        self._shared.observe(seq)
        now = time.monotonic()
        if not seq and last_seq:
            self._health.falls_behind(self.name, "another process builds it from the catalog")
        elif seq != self._moved[0] or seq >= last_seq:
            self._moved = (seq, now)
            self._aim(last_seq)
            self._follows()
        elif now - self._moved[1] > STALL_SECONDS:
            self._fell_behind = True
            self._health.falls_behind(self.name, f"no process has applied anything after operation {seq}")
