"""The two steps of a login through an identity provider: away to it, and back with a session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access.oidc_login import LOGIN_SECONDS, OidcLogin
from api.access.open_paths import CONSOLE, OIDC_BACK_PATH, OIDC_PATH
from api.access.request_state import state_of
from api.errors import ApiError
from api.routes.console import PAGE_HEADERS
from api.routes.console_session import set_cookie
from api.services import of_app, of_request

COOKIE = "kb_login"
SESSION_LENGTH = timedelta(hours=1)  # then the provider is asked again, who may have changed the groups meanwhile
FAILED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Not logged in</title>
<h1>Not logged in</h1><p>{message}</p><p><a href="{console}/">Back to the console</a></p>
"""


def add_oidc_login(app: Starlette) -> None:
    """Add both routes where the settings name a client; without one they do not exist."""
    login = of_app(app).oidc_login
    if login is None:
        return

    async def away(request: Request) -> Response:
        return await run_in_threadpool(_told, _send_away, login, request)

    async def back(request: Request) -> Response:
        return await run_in_threadpool(_told, _take_back, login, request)

    app.add_route(OIDC_PATH, away, ["GET"], include_in_schema=False)
    app.add_route(OIDC_BACK_PATH, back, ["GET"], include_in_schema=False)


def _told(step: Callable[[OidcLogin, Request], Response], login: OidcLogin, request: Request) -> Response:
    """What fails is told as a page: a person is looking."""
    try:
        return step(login, request)
    except ApiError as error:
        state_of(request.scope).denied = error.status == 401
        page = FAILED.format(message=escape(error.message), console=CONSOLE)
        return HTMLResponse(page, error.status, PAGE_HEADERS)


def _send_away(login: OidcLogin, request: Request) -> Response:
    address, cookie = login.begin(_redirect_uri(request))
    response = RedirectResponse(address, 303)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=LOGIN_SECONDS,
        path=OIDC_PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # it must come back with the provider's redirect
    )
    return response


def _take_back(login: OidcLogin, request: Request) -> Response:
    given = request.query_params
    if "error" in given:
        raise ApiError(401, "unauthenticated", f"the identity provider says: {given['error'][:200]}; log in again")
    caller, label = login.finish(
        request.cookies.get(COOKIE, ""), given.get("state", ""), given.get("code", ""), _redirect_uri(request)
    )
    session, cookie = of_request(request).sessions.of_token(caller, label, datetime.now(UTC) + SESSION_LENGTH)
    state = state_of(request.scope)
    state.caller, state.audited, state.target = caller, True, caller.name
    response = RedirectResponse(f"{CONSOLE}/", 303)
    set_cookie(response, request, session, cookie)
    response.delete_cookie(COOKIE, path=OIDC_PATH)
    return response


def _redirect_uri(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{OIDC_BACK_PATH}"
