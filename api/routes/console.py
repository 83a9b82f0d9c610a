"""The console's pages and files, at /console; they hold no data, so they are served to anybody.

What they show comes from the public routes, under the rights of who has logged in.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.open_paths import CONSOLE
from api.http.console_files import HASHED, ConsoleFile, ConsoleFiles

YEAR_SECONDS = 365 * 86_400
# No script, style, frame or connection but our own; React sets styles by the object model, which needs no exception.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The console is not built</title>
<h1>The console is not built</h1>
<p>Everything else works: the API answers under <code>/v1</code>. To build the pages, in a checkout:</p>
<pre>make console</pre>
<p>It needs npm's registry once, and Node 20 or newer, which it fetches where the machine has none. Then reload this
page; the server need not be started again.</p>
"""


class ConsoleAssets:
    """ASGI middleware: files named by their content are sent before any route is looked for or thread taken.

    A page asks for two dozen of them at once, on a machine that is about to draw it.
    """

    def __init__(self, app: ASGIApp, files: ConsoleFiles) -> None:
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or let the request pass."""
        path = scope.get("path", "")
        if scope["type"] == "http" and scope["method"] == "GET" and path.startswith(f"{CONSOLE}/{HASHED}"):
            found = self._files.kept(path[len(CONSOLE) + 1 :])
            if found is not None:
                return await _response(found, Headers(scope=scope))(scope, receive, send)
        await self._app(scope, receive, send)


def add_console(app: Starlette, files: ConsoleFiles) -> None:
    """Serve the pages; after all other routes, as a path that nobody else has is a page of the console."""

    async def serve(request: Request) -> Response:
        return await run_in_threadpool(_answer, files, request)

    async def to_console(request: Request) -> Response:
        return RedirectResponse(f"{CONSOLE}/", 307)

    app.add_route("/", to_console, ["GET"], include_in_schema=False)
    app.add_route(CONSOLE, to_console, ["GET"], include_in_schema=False)
    app.add_route(f"{CONSOLE}/{{path:path}}", serve, ["GET"], include_in_schema=False)


def _answer(files: ConsoleFiles, request: Request) -> Response:
    if not files.built:
        return HTMLResponse(NOT_BUILT, 503, PAGE_HEADERS)
    found = files.page(request.path_params["path"])
    if found is None:
        return PlainTextResponse("There is no such file; reload the console.\n", 404, PAGE_HEADERS)
    return _response(found, request.headers)


def _response(found: ConsoleFile, asked: Headers) -> Response:
    keep = f"public, max-age={YEAR_SECONDS}, immutable" if found.immutable else "no-cache"
    headers = PAGE_HEADERS | {"Cache-Control": keep, "ETag": found.etag, "Vary": "Accept-Encoding"}
    if asked.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    if found.gzipped is not None and "gzip" in asked.get("accept-encoding", ""):
        return Response(found.gzipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.body, headers=headers, media_type=found.media_type)
