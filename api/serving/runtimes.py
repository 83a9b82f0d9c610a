"""The runtimes of one process: opened at first use, exchanged while requests run when the catalog says otherwise.

The catalog's pointer may be moved by any process. Each notices it within `RECORD_SECONDS`, opens what is to serve,
brings it up to date beside what serves, and only then exchanges the two. What was exchanged goes on following the log
until no request uses it any more; encoder, analyzer and views of a request are always of one generation.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from api.serving.collection_runtime import RECORD_SECONDS, CollectionRuntime
from retrieval.catalog import Catalog, Collection
from retrieval.errors import NotFoundError, NotYetSearchableError, RetrievalError
from retrieval.views.follower import Follower

logger = logging.getLogger(__name__)

EXCHANGE_SECONDS = 5.0  # for what another process writes
LINGER_SECONDS = 10.0  # an exchanged runtime stays open so long: callers outside of `use`, and an early rollback

Open = Callable[[Collection], CollectionRuntime]
Heard = Callable[[Collection, int], None]  # searches of that collection see that operation from now on


@dataclass(slots=True)
class _Former:
    """A runtime that no longer serves; closed when nobody uses it and `LINGER_SECONDS` have passed."""

    runtime: CollectionRuntime
    since: float = field(default_factory=time.monotonic)


class Runtimes:
    """What serves each collection in this process. Thread-safe."""

    def __init__(self, catalog: Catalog, open_runtime: Open) -> None:
        self._catalog = catalog
        self._open = open_runtime
        self._heard: Heard | None = None
        self._serving: dict[str, CollectionRuntime] = {}
        self._former: list[_Former] = []
        self._users: dict[int, int] = {}  # id of a runtime -> requests that use it
        self._guard = threading.Lock()  # for the three above; never held while something is opened or closed
        self._changing = threading.RLock()  # held while runtimes are opened, exchanged or closed
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def get(self, name: str) -> CollectionRuntime:
        """What serves that collection now; opened and caught up at first use. Raises `NotFoundError`."""
        runtime = self._serving.get(name)
        if runtime is not None:
            return runtime
        self._catalog.collections.get(name)  # else whoever asks for what is gone waits until it, or another, is closed
        with self._changing:
            if name not in self._serving:
                opened = self._opened(self._catalog.collections.get(name))
                with self._guard:
                    self._serving[name] = opened
                self._watch()
            return self._serving[name]

    def open_now(self, name: str) -> CollectionRuntime | None:
        """What serves that collection now, where it is open here; never blocks."""
        return self._serving.get(name)

    @contextmanager
    def use(self, name: str) -> Iterator[CollectionRuntime]:
        """As `get`, and it stays open inside the `with`, whatever is exchanged meanwhile."""
        while True:
            runtime = self.get(name)
            with self._guard:
                if self._is_open(runtime):
                    self._users[id(runtime)] = self._users.get(id(runtime), 0) + 1
                    break
        try:
            yield runtime
        finally:
            with self._guard:
                self._users[id(runtime)] -= 1
                if not self._users[id(runtime)]:
                    del self._users[id(runtime)]

    def wait_for(self, name: str, seq: int, timeout: float, collection_id: int | None = None) -> None:
        """Return once every search that begins from now on sees `seq`. Raises `NotYetSearchableError`.

        Raises `NotFoundError` where another collection than that of the id has the name by now.
        """
        deadline = time.monotonic() + timeout

        def wait(follower: Follower) -> None:
            follower.wait_for(seq, max(0.0, deadline - time.monotonic()))

        self._wait(name, wait, collection_id)

    def wait_while_advancing(self, name: str, seq: int, patience: float) -> None:
        """As `wait_for`, as long as it takes: gives up only when nothing at all was applied for `patience` seconds."""
        self._wait(name, lambda follower: follower.wait_while_advancing(seq, patience))

    def _wait(self, name: str, wait: Callable[[Follower], None], collection_id: int | None = None) -> None:
        """Who was exchanged while it was waited for may be ahead of what serves now, or stand still: ask that one."""
        while True:
            with self.use(name) as runtime:
                if collection_id not in (None, runtime.collection_id):
                    raise NotFoundError(f"collection {name!r} was deleted meanwhile, and made anew")
                try:
                    wait(runtime.follower)
                except RetrievalError:
                    if not self._was_exchanged(runtime):
                        raise
                    continue
                if not self._was_exchanged(runtime):
                    return

    def _was_exchanged(self, runtime: CollectionRuntime) -> bool:
        """Where nothing serves any more, whoever opens it next catches up first."""
        return self._serving.get(runtime.name, runtime) is not runtime

    def refresh(self, name: str) -> None:
        """Serve the collection as the catalog describes it now; searches go on meanwhile.

        What was dropped is closed; another collection of its name opens at first use.
        """
        with self._changing:
            runtime = self._serving.get(name)
            if runtime is None:
                return
            record = self._record_of(runtime)
            if record is None:
                self.forget(name, save=False)  # its folder went with it
                logger.info("collection %s was dropped: it is closed", name)
                return
            if runtime.serves(record):
                runtime.refresh()
                if runtime.may_inherit():
                    self._exchange(runtime, self._opened(record))
                    logger.info("the view files of collection %s are maintained by this process now", name)
                return
            self._exchange(runtime, self._revived(record) or self._opened(record))
            logger.info("collection %s is served by generation %d now", name, record.generation)

    def open_beside(self, record: Collection) -> None:
        """Have ready what `refresh` is to exchange once the catalog describes the collection so, where it is open here.

        Raises what opening raises: what serves goes on to serve then.
        """
        with self._changing:
            runtime = self._serving.get(record.name)
            if runtime is None or runtime.serves(record):
                return
            following = self._revived(record) or self._opened(record)
            try:
                following.prepare()
            finally:  # as a former one it is taken by `refresh`, or closed when that does not come
                with self._guard:
                    self._former.append(_Former(following))

    def _exchange(self, runtime: CollectionRuntime, following: CollectionRuntime) -> None:
        """Where that fails, `following` waits among the former ones: the next try takes it, or it is closed."""
        try:
            following.refresh()  # it may have been opened before the plan was exchanged with its generation
            following.prepare()
            self._await(following, runtime.follower.seq)
            with runtime.follower.paused():  # whoever saw his write in the former one sees it in the following one
                following.follower.catch_up()
                with self._guard:
                    self._serving[runtime.name] = following
                    self._former.append(_Former(runtime))
        except BaseException:
            with self._guard:
                if self._serving[runtime.name] is not following:
                    self._former.append(_Former(following))
            raise

    def _await(self, following: CollectionRuntime, seq: int) -> None:
        """Another process may write its indexes, and take a moment."""
        try:
            following.follower.wait_for(seq, EXCHANGE_SECONDS)
        except NotYetSearchableError as error:
            logger.warning("collection %s is exchanged all the same: %s", following.name, error)

    def listen(self, heard: Heard) -> None:
        """Call `heard` when a collection opens and whenever its searches see more, in a thread that must go on."""
        self._heard = heard
        for runtime in list(self._serving.values()):
            heard(runtime.collection, runtime.follower.seq)

    def forget(self, name: str, *, save: bool = True) -> None:
        """Close what serves that collection at once, and what did; the next use opens it anew.

        Views that were not saved replay the operation log since they last were.
        """
        with self._changing:
            with self._guard:
                runtime = self._serving.pop(name, None)
                closing = [runtime] if runtime is not None else []
                closing += [former.runtime for former in self._former if former.runtime.name == name]
                self._former = [former for former in self._former if former.runtime.name != name]
            _stop_all(closing, save=save)

    def discard(self, name: str, generation: int) -> None:
        """Close a generation that was exchanged, without saving: it is not to come back."""
        with self._changing:
            with self._guard:
                gone = [one for one in self._former if one.runtime.is_of(name, generation)]
                self._former = [one for one in self._former if one not in gone]
            _stop_all([former.runtime for former in gone], save=False)

    def open_names(self) -> list[str]:
        """The collections that are open."""
        return list(self._serving)

    def open_one(self, collection_id: int) -> CollectionRuntime | None:
        """What serves the collection of that number here; None where it is not open."""
        return next((one for one in list(self._serving.values()) if one.collection_id == collection_id), None)

    def close(self) -> None:
        """Save and close everything."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        for name in {*self._serving, *(former.runtime.name for former in self._former)}:
            try:
                self.forget(name)
            except Exception:  # the others are still to be saved, and the catalog to be closed
                logger.exception("collection %s was not closed cleanly; the catalog is safe", name)

    def _record_of(self, runtime: CollectionRuntime) -> Collection | None:
        """The collection as the catalog describes it now; None where it was dropped, though its name be used anew."""
        try:
            record = self._catalog.collections.get(runtime.name)
        except NotFoundError:
            return None
        return record if record.id == runtime.collection_id else None

    def _is_open(self, runtime: CollectionRuntime) -> bool:
        serving = self._serving.get(runtime.name) is runtime
        return serving or any(former.runtime is runtime for former in self._former)

    def _opened(self, record: Collection) -> CollectionRuntime:
        opened = self._open(record)
        try:
            opened.follower.catch_up()
            self._tell(record, opened.follower.seq)
            opened.follower.listen(lambda seq: self._tell(record, seq))
            opened.follower.start()
        except BaseException:  # else its folder stays locked, and the next try would follow in a private copy for ever
            opened.stop(save=False)
            raise
        return opened

    def _tell(self, record: Collection, seq: int) -> None:
        if self._heard is not None:
            self._heard(record, seq)

    def _revived(self, record: Collection) -> CollectionRuntime | None:
        """The runtime that served this before, where it is open still: it never stopped following."""
        with self._guard:
            for former in self._former:
                if former.runtime.serves(record):
                    self._former.remove(former)
                    return former.runtime
        return None

    def _watch(self) -> None:
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._keep_watching, name="generations", daemon=True)
            self._watcher.start()

    def _keep_watching(self) -> None:
        while not self._stopping.wait(RECORD_SECONDS):
            for name in self.open_names():
                self._try_refresh(name)
            try:
                self._close_unused()
            except Exception:  # as below
                logger.exception("what served before could not be closed cleanly; what serves is not touched")

    def _try_refresh(self, name: str) -> None:
        try:
            self.refresh(name)
        except NotFoundError:
            return  # dropped at this moment: the next look closes it
        except RetrievalError as error:
            logger.warning("collection %s is served as before: %s; tried again", name, error)
        except Exception:  # the thread must not die silently: no exchange would be noticed any more
            logger.exception("collection %s is served as before, since what is to serve does not open", name)

    def _close_unused(self) -> None:
        with self._changing:
            with self._guard:
                closing = [former for former in self._former if self._is_over(former)]
                self._former = [former for former in self._former if former not in closing]
            _stop_all([former.runtime for former in closing])

    def _is_over(self, former: _Former) -> bool:
        return id(former.runtime) not in self._users and time.monotonic() - former.since > LINGER_SECONDS


def _stop_all(runtimes: list[CollectionRuntime], *, save: bool = True) -> None:
    with ExitStack() as stack:  # one that fails keeps no other open
        for runtime in runtimes:
            stack.callback(runtime.stop, save=save)
