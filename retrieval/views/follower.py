"""The threads that keep the views of one collection in step with its operation log."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from retrieval.catalog import Catalog, Collection
from retrieval.contracts import FreshView, server_part
from retrieval.errors import NotFoundError, NotYetSearchableError, OutageError, RetrievalError
from retrieval.views.contract import OptionalView, Views
from retrieval.views.convoy import Convoy
from retrieval.views.health import Health
from retrieval.views.tracks import RecentTrack, SharedTrack, Track

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.03  # how soon another process's commit is noticed; this process's own are told at once
TOLD_POLL_SECONDS = 0.3  # the same where the catalog tells of commits; a notice may be lost
OUTAGE_PAUSE_SECONDS = 1.0  # before the catalog is asked again after it did not answer
STOP_SECONDS = 5.0  # for a thread that waits for a server; it ends with the process at the latest
MAX_REST_SECONDS = 0.05  # a view on a server rests as long as it worked: a refresh costs the same for one or for ten
GATHER_SECONDS = 1.0  # between bulks, where searches find what the server does not have yet without it
SAVE_EVERY_OPERATIONS = 20_000  # so that a crash replays at most a few seconds of work
SAVE_AGAIN_SECONDS = 30.0  # after the disk did not take the views


class Follower:
    """Applies the operation log to the views, in the caller's thread (`catch_up`) or its own (`start`).

    Views of this process advance together; each view on a server in a thread of its own, so that a server which does
    not answer keeps nobody waiting.
    """

    def __init__(self, catalog: Catalog, collection: Collection, views: Views, *, durable: bool = True) -> None:
        self.views = views
        self._catalog = catalog
        self._collection = collection
        self._durable = durable
        self._save_due = 0.0
        self._changed = threading.Condition()
        self._told_of: list[tuple[int, Callable[[], None]]] = []  # operations that somebody waits for
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._recent = {name: view.recent for name, view in views.legs if isinstance(view, FreshView)}
        self._others: list[OptionalView] = []  # that came while searches ran; no write waits for them
        self._convoys = self._make_convoys(f"{secrets.token_hex(4)}")
        self._saved_seq = self._convoys[0].seq
        self._told = views.seq  # to who listens
        self._heard: Callable[[int], None] | None = None
        self._failure: BaseException | None = None

    @property
    def seq(self) -> int:
        """The operation that searches see at least, in every leg; less than before where a server has gone."""
        return self.views.seq

    @property
    def is_durable(self) -> bool:
        """Whether this process maintains the view files; else it follows in a private copy."""
        return self._durable

    @property
    def health(self) -> Health:
        """Which legs cannot be relied on now."""
        return self.views.health

    def catch_up(self, progress: Callable[[int], None] | None = None) -> int:
        """Apply everything committed so far; the seq reached. `progress` hears how many chunks were applied.

        A view that cannot follow now is left behind, and `health` tells.
        """
        last_seq = self._catalog.collections.last_seq(self._collection.id)
        for convoy in self._convoys:
            convoy.advance(last_seq, progress)
        self._save_sometimes()
        return self.views.seq

    def add(self, name: str, view: OptionalView) -> None:
        """Have one more view of this process follow the log; it has caught up when this returns.

        Searches go on meanwhile, and should it stop later no write waits for it. Raises `RetrievalError`, such as
        `OutageError` when the catalog is away, where it cannot catch up: it does not follow then.
        """
        before, health = view.seq, Health()  # its own: nobody searches the view yet
        alone = Convoy(self._catalog, self._collection, [Track(name, view, health)], lambda: None)
        self._bring(alone, health)
        if view.seq - before >= SAVE_EVERY_OPERATIONS or not before:
            self._try_save(view.save)
        with self._convoys[0].paused():
            self._bring(alone, health)
            self._convoys[0].take(Track(name, view, self.views.health))
            self._others.append(view)

    def _bring(self, alone: Convoy, health: Health) -> None:
        alone.advance(self._catalog.collections.last_seq(self._collection.id))
        for name, trouble in health.troubles().items():
            raise RetrievalError(f"the {name} view cannot catch up with the catalog: {trouble}")

    def rebuild(self) -> None:
        """Bring views of any state to what the catalog says now, whatever they hold."""
        for convoy in reversed(self._convoys):  # servers first: what is kept before them is dropped by the rebuild
            convoy.rebuild()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Views caught up and standing still inside the `with`; searches go on.

        Another process may still advance a view on a server. Raises `OutageError` once they are being closed.
        """
        self._require_open()
        self.catch_up()
        with ExitStack() as stack:
            for convoy in self._convoys:
                stack.enter_context(convoy.paused())
            self._require_open()
            yield

    def _require_open(self) -> None:
        if self._stopping.is_set():
            raise OutageError(f"collection {self._collection.name!r} is being closed here; try again")

    def save(self) -> None:
        """Make the views durable, so that the next start replays only what comes later."""
        seq = self._convoys[0].seq
        self.views.save()
        self._saved_seq = seq
        for view in self._others:
            view.save()

    def wait_for(self, seq: int, timeout: float) -> None:
        """Return once searches see `seq` in every leg. Raises `NotYetSearchableError` after `timeout` seconds."""
        if self.seq >= seq:
            return
        self.nudge()
        with self._changed:
            self._changed.wait_for(lambda: self.seq >= seq or self._defect() is not None, timeout)
        if not self.sees(seq):
            raise self.late(seq, timeout)

    def sees(self, seq: int) -> bool:
        """Whether searches see `seq` in every leg. Raises `RetrievalError` where they never will: the views stopped."""
        if self.seq >= seq:
            return True
        if (defect := self._defect()) is not None:
            raise RetrievalError(f"the views stopped following the catalog: {defect}") from defect
        return False

    def late(self, seq: int, seconds: float) -> NotYetSearchableError:
        """What to raise where `seq` was waited for in vain."""
        return NotYetSearchableError(
            f"operation {seq} is not searchable after {round(seconds, 1):g} s "
            f"(views are at {self.seq}{self._troubles()}); the write is safe, search again later"
        )

    @contextmanager
    def telling(self, seq: int, tell: Callable[[], None]) -> Iterator[None]:
        """Inside the `with`, call `tell` whenever `sees` may have something new to say of `seq`, and at the end.

        For those who wait without a thread. It is called in the thread that follows, or ends this: be quick.
        """
        waiting = (seq, tell)
        with self._changed:
            self._told_of.append(waiting)
        self.nudge()
        if self._stopping.is_set():
            tell()
        try:
            yield
        finally:
            with self._changed:
                self._told_of.remove(waiting)

    def wait_while_advancing(self, seq: int, patience: float) -> None:
        """As `wait_for`, as long as it takes: gives up only when nothing at all was applied for `patience` seconds."""
        while True:
            before = self.seq
            try:
                return self.wait_for(seq, patience)
            except NotYetSearchableError:
                if self.seq == before:
                    raise

    def listen(self, heard: Callable[[int], None]) -> None:
        """Call `heard` with the operation reached whenever searches see more, in the thread that follows: be quick."""
        self._heard = heard

    def nudge(self) -> None:
        """Tell the threads that something was committed, so that they need not wait for their next look."""
        for convoy in self._convoys:
            convoy.nudged.set()

    def start(self) -> None:
        """Follow the log in threads until `stop`."""
        self._catalog.notices.listen(self._collection.id, self.nudge)
        for number, convoy in enumerate(self._convoys):
            name = f"views-{self._collection.name}-{number}"
            thread = threading.Thread(target=self._follow, args=(convoy,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, *, save: bool = True) -> None:
        """End the threads, save what they applied, and close the views."""
        self._stopping.set()
        with self._changed:
            self._tell()
        self._catalog.notices.forget(self._collection.id, self.nudge)
        self.nudge()
        for thread, convoy in zip(self._threads, self._convoys, strict=False):
            thread.join(None if convoy is self._convoys[0] else STOP_SECONDS)
        self._release()
        with self._convoys[0].paused(), ExitStack() as closing:  # a job may be saving the very same views
            for close in (self.views.close, *(view.close for view in self._others)):
                closing.callback(close)
            if save and self._durable and self._defect() is None and self._convoys[0].seq != self._saved_seq:
                self._try_save(self.save)

    def _try_save(self, save: Callable[[], None]) -> None:
        try:
            save()
        except (OSError, ValueError, RetrievalError) as error:  # a full disk, or (tantivy's ValueError) a folder gone
            logger.warning("the views were not saved (%s); free the disk: the next start reads the log instead", error)
            self._save_due = time.monotonic() + SAVE_AGAIN_SECONDS

    def _make_convoys(self, holder: str) -> list[Convoy]:
        """One for the views of this process, then one for each view on a server."""
        own: list[Track] = []
        shared: list[Track] = []
        health = self.views.health
        for name, view in self.views.legs:
            if (server := server_part(view)) is not None:
                shared.append(SharedTrack(name, server, health, self._catalog, self._collection, holder))
            else:
                own.append(Track(name, view, health))
        own.append(Track("attributes", self.views.attributes, health))
        for name, recent in self._recent.items():
            recent.begin_at(min(track.seq for track in own))  # the log is read from there on
            own.append(RecentTrack(name, recent, health))
        groups = [own, *([track] for track in shared)]
        return [Convoy(self._catalog, self._collection, tracks, self._moved) for tracks in groups]

    def _follow(self, convoy: Convoy) -> None:
        while not self._stopping.is_set():
            convoy.nudged.clear()
            pause = TOLD_POLL_SECONDS if self._catalog.notices.are_heard else POLL_SECONDS
            try:
                last_seq = self._catalog.collections.last_seq(self._collection.id)
                if convoy.is_due(last_seq):
                    began, before = time.monotonic(), convoy.seq
                    convoy.advance(last_seq)
                    self._save_sometimes()
                    if convoy is not self._convoys[0]:
                        self._rest(convoy, time.monotonic() - began, is_idle=before == last_seq)
            except OutageError as error:
                logger.warning("views of %s wait for the catalog: %s; asked again", self._collection.name, error)
                pause = OUTAGE_PAUSE_SECONDS
            except NotFoundError:
                logger.info("collection %s was dropped; its views stop following", self._collection.name)
                return
            except Exception as error:  # the thread must not die silently: searches would serve an old state
                logger.exception("views of %s stop: restart the process; the catalog is safe", self._collection.name)
                self._fail(convoy, error)
                return
            convoy.nudged.wait(pause)

    def _rest(self, convoy: Convoy, worked: float, *, is_idle: bool) -> None:
        """Let changes gather: briefly where searches wait for the server, else until its work is worth it."""
        recent = self._recent.get(convoy.tracks[0].name)
        if recent is None or is_idle:
            self._stopping.wait(min(MAX_REST_SECONDS, worked))
            return
        until = time.monotonic() + GATHER_SECONDS
        while not recent.is_pressing and time.monotonic() < until and not self._stopping.wait(MAX_REST_SECONDS):
            pass

    def _save_sometimes(self) -> None:
        own = self._convoys[0]
        if not self._durable or time.monotonic() < self._save_due:
            return
        if own.seq - self._saved_seq >= SAVE_EVERY_OPERATIONS:
            with own.paused():
                self._try_save(self.save)

    def _release(self) -> None:
        try:
            for convoy in self._convoys:
                for track in convoy.tracks:
                    track.release()
        except OutageError as error:
            logger.info("leases of %s were not given up (%s); they end by themselves", self._collection.name, error)

    def _moved(self) -> None:
        with self._changed:
            before, self._told = self._told, self.views.seq
            if self._heard is not None and self._told > before:
                self._heard(self._told)
            self._changed.notify_all()
            self._tell()

    def _troubles(self) -> str:
        return "".join(f"; {leg}: {reason}" for leg, reason in self.health.troubles().items())

    def _defect(self) -> BaseException | None:
        defects = [track.defect for convoy in self._convoys for track in convoy.needed if track.defect is not None]
        return self._failure or (defects[0] if defects else None)

    def _fail(self, convoy: Convoy, error: BaseException) -> None:
        for track in convoy.tracks:
            self.health.stops(track.name, f"stopped: {error}")
        with self._changed:
            self._failure = error
            self._changed.notify_all()
            self._tell()

    def _tell(self) -> None:
        if self._told_of:
            ends, seq = self._stopping.is_set() or self._defect() is not None, self.views.seq
            for wanted, tell in self._told_of:
                if ends or wanted <= seq:
                    tell()
