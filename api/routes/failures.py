"""The failures that routes document in OpenAPI."""

from __future__ import annotations

from typing import Any

from api.wire.base import DifyError, Error, OpenAIError

_WORDS = {
    400: "The request cannot be understood.",
    401: "No key, or a wrong, expired or revoked one.",
    403: "The key's scope or groups do not allow this.",
    404: "Absent, or not for this caller.",
    408: "The body did not come in time.",
    409: "It contradicts what is stored.",
    413: "The body is too large.",
    415: "A file type that no parser reads.",
    422: "The request does not fit; `detail` names each field.",
    429: "Too many requests; see Retry-After.",
    500: "Something went wrong here.",
    503: "Busy, or something we depend on does not answer; see Retry-After.",
    504: "Searches did not see the write in time; it is safe.",
}
_ALWAYS = (400, 401, 403, 404, 408, 413, 422, 429, 500, 503)

Responses = dict[int | str, dict[str, Any]]


def failures(*more: int, model: type[Any] = Error) -> Responses:
    """What every guarded route may answer, and what this one may answer besides."""
    return {status: {"model": model, "description": _WORDS[status]} for status in sorted({*_ALWAYS, *more})}


GUARDED = failures()
OPENAI_FAILURES = failures(model=OpenAIError)
DIFY_FAILURES = failures(model=DifyError)
