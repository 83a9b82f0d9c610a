"""What the console's pages watch: the overview at a glance, and server-sent events of whatever changes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.access.callers import Caller
from api.access.security import RIGHTS_SECONDS, Presented
from api.dependencies import Authentication, Meters, ReadCaller
from api.http.listeners import EventStream
from api.http.responses import to_json
from api.http.sse import event
from api.modules import all_modules
from api.overview_thread import OverviewThread
from api.routes.failures import GUARDED
from api.services import of_request
from api.telemetry.overview import Overview
from api.wire import console as wire

LISTEN_SECONDS = 300.0  # after which a listener is asked to come again, as EventSource does by itself
GLANCE_SECONDS = 0.25  # between two glances at the overview; it is renewed every half second
HEARTBEAT_SECONDS = 10.0  # so that proxies keep the connection, and the page notices a server that hangs
BEGIN = b"retry: 2000\n\n"  # milliseconds until EventSource comes again

router = APIRouter(tags=["console"], responses=GUARDED)
VIEWS: dict[str, Callable[[Overview, Caller], list[dict[str, Any]]]] = {
    "freshness": Overview.freshness_for,
    "sources": Overview.sources_for,
    "jobs": Overview.jobs_for,
    "alerts": Overview.alerts_for,
}


async def _overview_thread(request: Request) -> OverviewThread:
    return of_request(request).overview


Watch = Annotated[OverviewThread, Depends(_overview_thread)]


@router.get("/overview", response_model=wire.Overview, summary="How everything stands")
def overview(caller: ReadCaller, thread: Watch, meters: Meters) -> dict[str, Any]:
    """Sizes, lag, sources, jobs and alerts now; for keys of all collections, the last hour of this process too."""
    now = thread.current()
    everything = caller.collections is None
    shown: dict[str, Any] = {
        "at": now.at,
        "collections": now.freshness_for(caller),
        "sources": now.sources_for(caller),
        "jobs": dict(now.job_counts) if everything else {},
        "alerts": now.alerts_for(caller),
        "history": [asdict(step) for step in thread.history.steps] if everything else [],
        "freshness": [one for one in meters.freshness() if caller.reaches(one["collection"])],
    }
    return shown


@router.get("/modules", response_model=wire.ModuleList, summary="List the exchangeable parts")
def list_modules(caller: ReadCaller) -> dict[str, Any]:
    """Encoders, rerankers, parsers, kinds of jobs and the like, with where each comes from."""
    return {"modules": all_modules()}


@router.get(
    "/events",
    response_class=StreamingResponse,
    summary="Watch what changes",
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "Events `freshness`, `sources`, `jobs`, `alerts`: each what the overview holds of it; "
            "and `heartbeat` where there is no news for ten seconds.",
        }
    },
)
async def events(
    caller: ReadCaller,
    thread: Watch,
    authentication: Authentication,
    request: Request,
    seconds: Annotated[float, Query(ge=1, le=3600, description="How long to listen.")] = LISTEN_SECONDS,
) -> Response:
    """Server-sent events: everything once, then what changed. `jobs` holds only the jobs that changed."""
    changes = _changes(thread, caller, partial(authentication.still_good, Presented.of(request.scope)), seconds)
    return EventStream(thread.listeners, changes)


async def _changes(
    thread: OverviewThread, caller: Caller, still_good: Callable[[], bool], seconds: float
) -> AsyncIterator[bytes]:
    began = spoke = checked = time.monotonic()
    sent: dict[str, bytes] = {}
    seen: Overview | None = None
    yield BEGIN
    await run_in_threadpool(thread.current)
    while not thread.is_ending() and time.monotonic() - began < seconds:
        if thread.newest is not seen:
            seen = thread.newest
            for message in _news(seen, caller, sent):
                spoke = time.monotonic()
                yield message
        if time.monotonic() - spoke > HEARTBEAT_SECONDS:
            spoke = time.monotonic()
            yield event("heartbeat", {})  # no comment: EventSource keeps those from the page
        if time.monotonic() - checked > RIGHTS_SECONDS:
            checked = time.monotonic()
            if not await run_in_threadpool(still_good):
                return
        await anyio.sleep(GLANCE_SECONDS)


def _news(now: Overview, caller: Caller, sent: dict[str, bytes]) -> list[bytes]:
    """The events of what differs from what was sent; updates `sent`."""
    found = []
    for name, view in VIEWS.items():
        shown = view(now, caller)
        text = to_json(shown)
        if sent.get(name) == text:
            continue
        if name == "jobs":
            shown = _changed_jobs(shown, sent)
        sent[name] = text
        found.append(event(name, {"at": now.at, name: shown}))
    return found


def _changed_jobs(jobs: list[dict[str, Any]], sent: dict[str, bytes]) -> list[dict[str, Any]]:
    changed = []
    for job in jobs:
        text = to_json(job)
        if sent.get(f"job {job['id']}") != text:
            sent[f"job {job['id']}"] = text
            changed.append(job)
    return changed
