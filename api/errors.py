"""A failure as the caller sees it, and the ones that several rooms tell alike; `api.http.errors` writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MAX_SHOWN = 200  # characters of a path in a message
NO_SUCH_ROUTE = "no_such_route"  # a code


class ApiError(Exception):
    """A failure as the caller sees it; the message says what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: Any = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))


def unauthenticated(message: str) -> ApiError:
    """401: who asks is not known."""
    return ApiError(401, "unauthenticated", message, headers={"WWW-Authenticate": "Bearer"})


def forbidden(message: str) -> ApiError:
    """403: who asks is known and may not do this."""
    return ApiError(403, "forbidden", message)


def no_such_collection(name: str) -> ApiError:
    """404: the same words whether the collection is absent or the caller's key does not cover it."""
    return ApiError(
        404, "not_found", f"collection {name!r} does not exist or your key does not cover it; see GET /v1/collections"
    )


def no_such_route(method: str, path: str) -> ApiError:
    """404: no route has this path."""
    shown = path if len(path) <= MAX_SHOWN else f"{path[:MAX_SHOWN]}…"
    return ApiError(404, NO_SUCH_ROUTE, f"there is no route {method} {shown}; see GET /openapi.json")


def wrong_method(method: str, allowed: Sequence[str]) -> ApiError:
    """405: the path exists, for other methods."""
    listed = ", ".join(allowed)
    message = f"this path does not take {method}; expected {listed}"
    return ApiError(405, "method_not_allowed", message, headers={"Allow": listed})


def internal() -> ApiError:
    """500: nothing of the cause leaves the house; the log has it under the request id."""
    return ApiError(500, "internal", "something went wrong here; the server's log has it under this request id")
