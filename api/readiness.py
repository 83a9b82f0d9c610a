"""Opens every collection when the server starts, in a thread of its own; until all are open, nobody sends us work."""

from __future__ import annotations

import logging
import threading

from api.knowledge_base import KnowledgeBase
from retrieval.errors import ConflictError, EncoderError, NotFoundError, ReaderError, RetrievalError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0  # before collections that could not be opened are tried again
MENDED_SECONDS = 10.0  # between two looks whether an operator has mended what cannot be used


class Readiness:
    """Whether this process can serve. A collection that only an operator can mend does not keep the others waiting."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._opened = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
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
            return all([self._try(name) for name in names if not self._stopping.is_set()])
        except RetrievalError as error:
            logger.warning("collections cannot be listed: %s; tried again in %g s", error, RETRY_SECONDS)
            return False

    def _try(self, name: str) -> bool:
        """Whether there is nothing to wait for: it is open, gone, or an operator must mend it."""
        try:
            self._kb.runtime(name).prepare()
        except NotFoundError:  # deleted meanwhile
            self.unusable.pop(name, None)
        except (ConflictError, EncoderError, ReaderError) as error:
            if self.unusable.get(name) != str(error):
                logger.error("collection %s is not served: %s", name, error)
            self.unusable[name] = str(error)
        except (RetrievalError, OSError) as error:  # OSError: such as a full disk
            logger.warning("collection %s cannot be opened: %s; tried again in %g s", name, error, RETRY_SECONDS)
            return False
        except Exception:  # whatever one collection does, the others are to be opened
            if name not in self.unusable:
                logger.exception("collection %s is not served", name)
            self.unusable[name] = "it does not open; the server's log says why"
        else:
            if self.unusable.pop(name, None) is not None:
                logger.info("collection %s is served now", name)
        return True
