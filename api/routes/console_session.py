"""Logging in to the console: a key is exchanged for a cookie that no script can read, and that holds no key."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.access.callers import Session
from api.access.open_paths import CONSOLE
from api.access.request_state import RequestState
from api.access.sessions import COOKIE, Sessions
from api.dependencies import Authentication, Kb, ReadCaller, State
from api.errors import unauthenticated
from api.http.responses import JsonResponse
from api.routes.failures import GUARDED
from api.services import of_request
from api.wire.console import LoginBody, LoginWays, SessionView

logger = logging.getLogger(__name__)

router = APIRouter(prefix=CONSOLE, tags=["console"], responses=GUARDED)


async def _sessions(request: Request) -> Sessions:
    return of_request(request).sessions


SessionStore = Annotated[Sessions, Depends(_sessions)]


@router.post("/session", response_model=SessionView, summary="Log in")
def log_in(body: LoginBody, kb: Kb, sessions: SessionStore, request: Request, state: State) -> Response:
    """Open a session with the rights of a key; the answer sets its cookie."""
    record = kb.catalog.keys.check(body.key.strip())
    if record is None:
        raise unauthenticated("the key is unknown, expired or revoked; look for typing errors, or ask for another")
    session, cookie = sessions.of_key(record)
    state.caller, state.audited, state.target = session.caller, True, session.caller.name
    response = JsonResponse(session_json(session))
    set_cookie(response, request, session, cookie)
    return response


@router.get("/session", response_model=SessionView, summary="Who is logged in?")
def who_is_logged_in(caller: ReadCaller, state: State) -> dict[str, Any]:
    """The session of the cookie, with the token that changes need. 401: nobody is logged in."""
    return session_json(_session_of(state))


@router.delete("/session", status_code=204, summary="Log out")
def log_out(
    caller: ReadCaller, sessions: SessionStore, authentication: Authentication, request: Request, state: State
) -> Response:
    """End the session and forget its cookie."""
    session = _session_of(state)
    state.audited, state.target = True, caller.name
    sessions.end(session)
    authentication.forget()
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, secure=_is_https(request), httponly=True, samesite="strict")
    return response


@router.get("/login-ways", response_model=LoginWays, summary="How can one log in?")
def ways_to_log_in(request: Request) -> LoginWays:
    """Which ways to log in this server offers."""
    return LoginWays(oidc=of_request(request).oidc_login is not None)


def session_json(session: Session) -> dict[str, Any]:
    """The session as it is told to the page."""
    caller = session.caller
    return {
        "name": session.label,
        "scope": caller.scope.value,
        "collections": caller.collections,
        "groups": sorted(caller.groups),
        "csrf": session.csrf,
        "expires_at": session.expires_at,
    }


def set_cookie(response: Response, request: Request, session: Session, cookie: str) -> None:
    """Let the browser keep the session as long as it lasts, out of reach of scripts and of other sites."""
    seconds = max(1, math.ceil((session.expires_at - datetime.now(UTC)).total_seconds()))
    response.set_cookie(
        COOKIE, cookie, max_age=seconds, path="/", secure=_is_https(request), httponly=True, samesite="strict"
    )


def _is_https(request: Request) -> bool:
    if request.url.scheme != "https" and request.headers.get("x-forwarded-proto") == "https":
        logger.warning(
            "a proxy at %s says that the browser came by https, and is not trusted: name it in KB_TRUSTED_PROXIES, or "
            "cookies lack Secure and single sign-on comes back by http",
            request.client.host if request.client else "an unknown address",
        )
    return request.url.scheme == "https"


def _session_of(state: RequestState) -> Session:
    if state.session is None:
        raise unauthenticated("nobody is logged in: a key was sent, and no session's cookie; use the key as it is")
    return state.session
