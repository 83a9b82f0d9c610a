"""Work that only one process may do at a time: a lease of the catalog, kept by a thread while the work goes on."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.catalog.leases import Leases
from retrieval.errors import ConflictError, OutageError

logger = logging.getLogger(__name__)

LEASE_SECONDS = 4.0  # after a process was killed, others may go on so much later
KEEP_SECONDS = 1.0  # how often the holder says that it is alive


@contextmanager
def exclusively(leases: Leases, name: str, busy: str) -> Iterator[None]:
    """Hold the lease inside the `with`. Raises `ConflictError` beginning with `busy` while another process holds it."""
    holder = uuid.uuid4().hex
    _take(leases, name, holder, busy)
    stop = threading.Event()
    keeper = threading.Thread(target=_keep, args=(leases, name, holder, stop), name=f"lease-{name}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        leases.release(name, holder)


def _take(leases: Leases, name: str, holder: str, busy: str) -> None:
    """Take the lease; the one of a process that was killed ends while we wait."""
    patience = time.monotonic() + LEASE_SECONDS + KEEP_SECONDS
    while not leases.acquire(name, holder, LEASE_SECONDS):
        if time.monotonic() > patience:
            raise ConflictError(f"{busy} by another process or job; wait until it is done, or cancel it")
        time.sleep(KEEP_SECONDS / 4)


def _keep(leases: Leases, name: str, holder: str, stop: threading.Event) -> None:
    while not stop.wait(KEEP_SECONDS):
        try:
            if not leases.acquire(name, holder, LEASE_SECONDS):
                logger.warning("lease %s was taken over: this process did not keep it in time", name)
                return
        except OutageError as error:
            logger.warning("lease %s could not be kept: %s; tried again", name, error)
