"""Opens every collection when the server starts, in a thread of its own; until all are open, nobody sends us work."""

from __future__ import annotations

import logging
import threading

from api.knowledge_base import KnowledgeBase
from retrieval.errors import ConflictError, EncoderError, NotFoundError, ReaderError, RetrievalError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0  # before collections that could not be opened are tried again
MENDED_SECONDS = 10.0  # between two looks whether an operator has mended what cannot be used
_LIST = ""  # the name under which the list of collections is waited for; no collection has it


class Readiness:
    """Whether this process can serve. A collection that only an operator can mend does not keep the others waiting."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._opened = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._waited_for: set[str] = set()  # what it was told of that it is tried again; each is told once, and its end
        self.unusable: dict[str, str] = {}  # collection -> what an operator must do

    @property
    def ready(self) -> bool:
        """Whether every collection is open and the catalog answers; reads the catalog."""
        return self._opened.is_set() and self._kb.ready()

    @property
    def degraded(self) -> tuple[str, ...]:
        """The legs and learned parts that searches of some collection go without, or find behind."""
        return tuple(sorted({leg for troubles in self._kb.troubles().values() for leg in troubles}))

    def start(self) -> None:
        """Begin to open the collections."""
        self._thread = threading.Thread(target=self._open_all, name="opening", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Open no more of them; returns once the one being opened is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _open_all(self) -> None:
        while not self._stopping.is_set():
            if self._try_all():
                self._opened.set()
                self._warm_up()
                break
            self._stopping.wait(RETRY_SECONDS)
        while self.unusable and not self._stopping.wait(MENDED_SECONDS):
            for name in list(self.unusable):
                self._try(name)

    def _warm_up(self) -> None:
        try:
            self._kb.warm_up()
        except Exception as error:  # whatever it is: the first write, or the first search, meets it again and tells
            logger.warning("what the first write and the first search need cannot be loaded ahead: %s", error)

    def _try_all(self) -> bool:
        try:
            names = [collection.name for collection in self._kb.catalog.collections.all()]
        except RetrievalError as error:
            self._wait_for(_LIST, "collections cannot be listed", error)
            return False
        if self._ends_waiting(_LIST):
            logger.info("collections can be listed again")
        return all([self._try(name) for name in names if not self._stopping.is_set()])

    def _try(self, name: str) -> bool:
        """Whether there is nothing to wait for: it is open, gone, or an operator must mend it."""
        try:
            self._kb.runtime(name).prepare()
        except NotFoundError:  # deleted meanwhile
            self._ends_waiting(name)
            self.unusable.pop(name, None)
        except (ConflictError, EncoderError, ReaderError) as error:
            if self.unusable.get(name) != str(error):
                logger.error("collection %s is not served: %s", name, error)
            self._ends_waiting(name)
            self.unusable[name] = str(error)
        except (RetrievalError, OSError) as error:  # OSError: such as a full disk
            self._wait_for(name, f"collection {name} cannot be opened", error)
            return False
        except Exception:  # whatever one collection does, the others are to be opened
            if name not in self.unusable:
                logger.exception("collection %s is not served", name)
            self._ends_waiting(name)
            self.unusable[name] = "it does not open; the server's log says why"
        else:
            was_unusable = self.unusable.pop(name, None) is not None
            if self._ends_waiting(name) or was_unusable:
                logger.info("collection %s is served now", name)
        return True

    def _wait_for(self, what: str, trouble: str, error: Exception) -> None:
        if what not in self._waited_for:
            logger.warning("%s: %s; tried again until it succeeds, every %g s", trouble, error, RETRY_SECONDS)
        self._waited_for.add(what)

    def _ends_waiting(self, what: str) -> bool:
        """It need not be waited for any more; whether it was before."""
        was_waited_for = what in self._waited_for
        self._waited_for.discard(what)
        return was_waited_for
