"""Searches again in the background, by both plans, so that they are compared at one moment and under one load.

One thread that works at most a quarter of the time, and a short queue: when it is full, a search is left out. Nobody
sees what comes of it, and no request waits for it.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from dataclasses import dataclass, replace

from api.rollout.tally import Tally, of_error, of_pair, of_search
from api.serving.collection_runtime import CollectionRuntime
from api.serving.runtimes import Runtimes
from retrieval.catalog.rollouts import RolloutRecord
from retrieval.errors import RetrievalError
from retrieval.learned.plan_parts import missing_parts
from retrieval.plan import Plan
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import Principal

logger = logging.getLogger(__name__)

QUEUED = 16  # searches that wait; more are left out
BUSY_SHARE = 0.25  # of one thread's time


@dataclass(frozen=True, slots=True)
class _Task:
    collection_id: int
    rollout: RolloutRecord
    request: SearchRequest
    principal: Principal


class Shadow:
    """Compares what it is offered, as far as its time goes."""

    def __init__(self, runtimes: Runtimes, tally: Tally) -> None:
        self._runtimes = runtimes
        self._tally = tally
        self._tasks: queue.Queue[_Task | None] = queue.Queue(QUEUED)
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._stopping = threading.Event()

    def offer(self, rollout: RolloutRecord, request: SearchRequest, principal: Principal) -> None:
        """Compare this search, unless too many wait. Returns at once."""
        self._start()
        try:
            self._tasks.put_nowait(_Task(rollout.collection_id, rollout, replace(request, highlight=False), principal))
        except queue.Full:
            self._tally.add(rollout, {("pair", "left_out"): 1.0})

    def close(self) -> None:
        """Leave what waits; returns when the search under way is done."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._tasks.put_nowait(None)  # wakes the thread; a full queue does it too
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._guard:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            task = self._tasks.get()
            if task is None or self._stopping.is_set():
                return
            began = time.perf_counter()
            try:
                self._compare(task)
            except RetrievalError as error:
                logger.info("a search was not compared: %s", error)
            except Exception:  # the thread must go on whatever a plan does
                logger.exception("a search was not compared")
            self._stopping.wait((time.perf_counter() - began) * (1 / BUSY_SHARE - 1))

    def _compare(self, task: _Task) -> None:
        opened = self._runtimes.open_one(task.collection_id)
        if opened is None:
            return
        with self._runtimes.use(opened.name) as runtime:
            serving, rollout, candidate = runtime.plans_now()
            if rollout is None or candidate is None or rollout.id != task.rollout.id:
                return  # it is over
            first = random.random() < 0.5  # noqa: S311  # the second finds warm caches: either is it as often
            order = (("candidate", candidate), ("serving", serving))
            found = {arm: self._searched(runtime, plan, task) for arm, plan in (order if first else order[::-1])}
        counts = of_pair(found["serving"], found["candidate"])
        if counts:
            for arm, result in found.items():
                counts |= of_error(arm) if result is None else of_search(task.rollout, arm, result)
            self._tally.add(task.rollout, counts)

    def _searched(self, runtime: CollectionRuntime, plan: Plan, task: _Task) -> SearchResult | None:
        try:
            result = runtime.search(plan, task.request, task.principal)
            return None if missing_parts(result.degraded) else result  # else another plan answered
        except Exception as error:  # an error is what is counted here, whatever it is
            logger.info("plan %s failed in the background: %s", plan.digest, error)
            return None
