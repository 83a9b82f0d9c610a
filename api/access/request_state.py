"""What is known of a request while it passes through: its id, who asks, and what the audit log should say of it."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from api.access.callers import Caller, Session
from retrieval.search.types import SearchResult

_KEY = "kb.request"
_SANE = frozenset(string.ascii_letters + string.digits + "-_.:/")
MAX_REQUEST_ID = 128  # characters
SESSION_HEADER = "x-session-id"


@dataclass(slots=True)
class RequestState:
    """Travels in the ASGI scope from the outermost middleware to the route and back."""

    request_id: str
    caller: Caller | None = None
    session: Session | None = None  # of the console, where the caller is known by one
    audited: bool = False  # a write or an admin act: goes to the audit log, whatever came of it
    denied: bool = False  # refused for want of rights, also where the answer says "not found"
    asks_who: bool = False  # shows no key and no cookie, and asks who is logged in: a login page does
    target: str = ""  # what it acts on; "" means the path
    searched: SearchResult | None = None  # what came of the search that it made, for its trace
    aside: Callable[[], AbstractContextManager[None]] = nullcontext  # inside, others have its place among those at work
    detail: dict[str, Any] = field(default_factory=dict)  # for the audit log; never secrets


def state_of(scope: Scope) -> RequestState:
    """The request's state; made where the outermost middleware did not (a route tested on its own)."""
    state = scope.get(_KEY)
    return state if isinstance(state, RequestState) else begin(scope, "")


def session_of(request: Request, named: str | None = None) -> str:
    """What the caller calls his session (header X-Session-Id, else `named`), else the console's; "" without any."""
    session = state_of(request.scope).session
    own = "" if session is None else session.id
    return request.headers.get(SESSION_HEADER, named or own)[:MAX_REQUEST_ID]


def begin(scope: Scope, given_id: str) -> RequestState:
    """A new state under the caller's id where that is sane, else under one of our own."""
    sane = 0 < len(given_id) <= MAX_REQUEST_ID and _SANE.issuperset(given_id)
    state = RequestState(given_id if sane else secrets.token_hex(8))
    scope[_KEY] = state
    return state
