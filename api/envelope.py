"""The outermost layer: request id, safe headers, the last resort for errors, metrics, traces and the audit log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.audit import Auditor
from api.access.request_state import RequestState, begin
from api.errors import ApiError
from api.http.errors import as_api_error, render
from api.telemetry.observation import Metrics
from api.telemetry.traces import request_span
from infra.telemetry import Place, Traces

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-Id"
TRACE_HEADER = "traceparent"  # W3C Trace Context
CLIENT_GONE = 499  # as nginx counts a client that hung up before it was answered
UNMATCHED = "unmatched"  # one label for all paths without a route, lest anybody makes up labels
SAFE_HEADERS = {  # OWASP REST Security Cheat Sheet; a route that serves pages sets its own
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Envelope:
    """ASGI middleware around everything else; whatever happens inside, one well-formed answer leaves."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        auditor: Auditor,
        templates: Mapping[Any, str],
        traces: Traces | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._auditor = auditor
        self._templates = templates  # by the route's function
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        state = begin(scope, Headers(scope=scope).get(REQUEST_ID_HEADER, ""))
        status = 0

        async def enveloped_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, state)
                await self._audit(scope, state, status)
            await send(message)

        try:
            _check_path(scope)
            await self._app(scope, receive, enveloped_send)
        except ClientDisconnect:  # nobody is left to answer, and nothing is wrong here
            status = status or CLIENT_GONE
        except Exception as error:  # the last resort: no stack trace may leave, and no connection may hang
            failure = as_api_error(error)
            if failure.status == 500:
                logger.exception("%s %s failed (request %s)", scope["method"], scope["path"], state.request_id)
            elif isinstance(error, OSError):  # what no route foresees, such as a full disk
                logger.warning("%s %s: %s (%s)", scope["method"], scope["path"], failure.message, error)
            if status:
                raise  # the answer was under way; the server closes the connection, so the client notices
            await render(state, scope["path"], failure)(scope, receive, enveloped_send)
        finally:
            route, seconds = self._route(scope), time.perf_counter() - began
            self._metrics.request(scope["method"], route, status, seconds)
            if self._traces is not None:
                parent = Place.parse(Headers(scope=scope).get(TRACE_HEADER, ""))
                self._traces.record(request_span(scope["method"], route, status, seconds, state), parent=parent)

    async def _audit(self, scope: Scope, state: RequestState, status: int) -> None:
        if self._auditor.concerns(state, status):
            address = scope["client"][0] if scope.get("client") else ""
            await run_in_threadpool(
                self._auditor.record, state, scope["method"], self._route(scope), scope["path"], status, address
            )

    def _route(self, scope: Scope) -> str:
        """The path's template, such as /v1/collections/{collection}."""
        endpoint = getattr(scope.get("route"), "endpoint", None)
        return self._templates.get(endpoint, UNMATCHED)


def _check_path(scope: Scope) -> None:
    """The server replaces what is no UTF-8, so two paths would become one: two documents too."""
    raw = scope.get("raw_path") or b""
    if b"%" not in raw:
        return
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise ApiError(400, "malformed_request", "the path is not UTF-8; percent-encode it as UTF-8") from error


def _dress(message: Message, state: RequestState) -> None:
    headers = MutableHeaders(scope=message)
    headers[REQUEST_ID_HEADER] = state.request_id
    for name, value in SAFE_HEADERS.items():
        headers.setdefault(name, value)
