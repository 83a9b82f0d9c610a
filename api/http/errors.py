"""The one shape of every failure: `{"error": {"code", "message", "detail"?, "request_id"}}`.

Three routes of foreign contracts wear their own clothes over the same error: OpenAI's on chat, models and embeddings,
Dify's on retrieval. Whatever fails becomes an `ApiError` first; `render` writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from api.access.request_state import RequestState, state_of
from api.errors import NO_SUCH_ROUTE, ApiError, internal, no_such_route, wrong_method
from api.http.alternatives import merged
from api.http.responses import JsonResponse
from infra import registry
from infra.settings import SettingsError
from infra.validation_words import rule_words
from ingest import errors as ingest_errors
from retrieval import errors as retrieval_errors
from retrieval.disk import refusal
from search_core import errors as search_core_errors

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
RETRY_AFTER_SECONDS = 1  # of conditions that pass by themselves, such as a busy server


def methods_of(app: FastAPI, scope: Scope) -> list[str]:
    """All methods that the request's path takes: each route of it knows its own alone."""
    asked = (dict(scope) | {"method": method} for method in METHODS)
    return [one["method"] for one in asked if any(route.matches(one)[0] is Match.FULL for route in app.routes)]


_BY_CLASS: Mapping[type[Exception], tuple[int, str]] = {
    retrieval_errors.NotFoundError: (404, "not_found"),
    retrieval_errors.ConflictError: (409, "conflict"),
    retrieval_errors.OvertakenError: (409, "overtaken"),
    retrieval_errors.InvalidInputError: (422, "invalid_input"),
    retrieval_errors.ReaderError: (422, "unusable_reader"),
    retrieval_errors.NotYetSearchableError: (504, "not_yet_searchable"),
    retrieval_errors.OutageError: (503, "outage"),
    retrieval_errors.LogPrunedError: (503, "index_unavailable"),
    retrieval_errors.ViewError: (503, "index_unavailable"),
    search_core_errors.SearchCoreError: (422, "cannot_tune"),
    registry.RegistryError: (422, "unknown_name"),
    ingest_errors.SourceOutageError: (503, "outage"),
    ingest_errors.UnsupportedError: (415, "unsupported_file_type"),
    ingest_errors.ParseError: (422, "unreadable_file"),
    ingest_errors.MappingError: (422, "invalid_mapping"),
    ingest_errors.EventError: (422, "invalid_event"),
    ingest_errors.SourceError: (422, "unreadable_source"),
    SettingsError: (503, "not_set_up"),  # such as a key file that cannot be made: the message says what to mend
}
_CODES: Mapping[int, str] = {404: NO_SUCH_ROUTE, 405: "method_not_allowed", 400: "malformed_request"}


def as_api_error(error: Exception) -> ApiError:
    """The failure in the caller's terms; what nobody foresaw is a 500 that tells nothing."""
    match error:
        case ApiError():
            return error
        case RequestValidationError():
            return _unfit(error)
        case HTTPException() if (refused := refusal(error.__cause__)) is not None:  # of the body, which was put aside
            return as_api_error(refused)
        case OSError() if (refused := refusal(error)) is not None:
            return as_api_error(refused)
        case HTTPException():
            code = _CODES.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "_"))
            return ApiError(error.status_code, code, _unread_words(error), headers=error.headers)
    known = _known(error)
    if known is None:
        return internal()
    status, code = known
    return ApiError(status, code, str(error), retry_after=RETRY_AFTER_SECONDS if status == 503 else None)


def known_code(error: Exception) -> str | None:
    """The code that callers get for an error of the inner folders; None where it is told as `internal`."""
    known = _known(error)
    return None if known is None else known[1]


def _known(error: Exception) -> tuple[int, str] | None:
    return next((_BY_CLASS[kind] for kind in type(error).__mro__ if kind in _BY_CLASS), None)


def _unread_words(error: HTTPException) -> str:
    """What FastAPI's `There was an error parsing the body` does not tell: why its JSON was not read."""
    match error.__cause__:
        case UnicodeDecodeError(start=at):
            return f"the body is not UTF-8: see byte {at}; encode its JSON as UTF-8"
        case RecursionError():
            return "the body is nested too deep; send it flatter"
        case ValueError():  # of `int`, the last thing that JSON which is well formed can fail for
            return "the body holds a number of thousands of digits; send it as text"
    return str(error.detail)


def render(state: RequestState, path: str, error: ApiError) -> Response:
    """The response, in the clothes of the route's contract."""
    if path.startswith(OPENAI_PATHS):
        return JsonResponse(_openai(error), _openai_status(error.status), error.headers)
    if path == DIFY_PATH:
        return JsonResponse(_dify(error), error.status, error.headers)
    return JsonResponse({"error": _native(error, state)}, error.status, error.headers)


def install(app: FastAPI) -> None:
    """Let every failure inside a route end in `render`."""

    async def handle(request: Request, error: Exception) -> Response:
        failure = as_api_error(error)
        if isinstance(error, RequestValidationError):
            failure = _unfit(error, request.scope.get("route"))
        if failure.status == 405:
            failure = wrong_method(request.method, methods_of(app, request.scope))
        if failure.code == NO_SUCH_ROUTE:
            failure = no_such_route(request.method, request.url.path)
        if failure.status >= 500:
            logger.warning("%s %s: %s", request.method, request.url.path, failure.message)
        return render(state_of(request.scope), request.url.path, failure)

    kinds = (ApiError, RequestValidationError, HTTPException)
    ours = (retrieval_errors.RetrievalError, ingest_errors.IngestError, registry.RegistryError, SettingsError)
    for kind in (*kinds, *ours):
        app.add_exception_handler(kind, handle)


def _native(error: ApiError, state: RequestState) -> dict[str, Any]:
    body = {"code": error.code, "message": error.message, "request_id": state.request_id}
    return body if error.detail is None else body | {"detail": error.detail}


OPENAI_PATHS = ("/v1/chat/", "/v1/models", "/v1/embeddings")
_OPENAI_CODES: Mapping[int, tuple[str, str]] = {  # status -> (type, code), as api.openai.com answers
    400: ("invalid_request_error", "invalid_request"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "insufficient_permissions"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
}


def _openai_status(status: int) -> int:
    return 400 if status == 422 else status  # OpenAI's word for a request that does not fit


def _openai_kind(status: int) -> str:
    return "invalid_request_error" if status < 500 else "server_error"


def _openai(error: ApiError) -> dict[str, Any]:
    kind, code = _OPENAI_CODES.get(_openai_status(error.status), (_openai_kind(error.status), error.code))
    if error.code == NO_SUCH_ROUTE:  # there is no model that could be missing
        code = error.code
    first = error.detail[0] if isinstance(error.detail, list) and error.detail else {}
    param = first.get("field") if isinstance(first, dict) else None
    return {
        "error": {
            "message": error.message,
            "type": kind,
            "param": param,
            "code": code,
        }
    }


DIFY_PATH = "/v1/retrieval"
DIFY_BAD_HEADER, DIFY_DENIED, DIFY_NO_KNOWLEDGE = 1001, 1002, 2001  # Dify, "External Knowledge API", error codes


def _dify(error: ApiError) -> dict[str, Any]:
    codes = {"malformed_authorization": DIFY_BAD_HEADER, "unauthenticated": DIFY_DENIED, "forbidden": DIFY_DENIED}
    codes["not_found"] = DIFY_NO_KNOWLEDGE
    return {"error_code": codes.get(error.code, error.status), "error_msg": error.message}


def _problems(error: RequestValidationError, body: type[BaseModel] | None) -> list[dict[str, str]]:
    """Field and message of each problem; never the input, which may be a secret."""
    return [
        {"field": ".".join(str(part) for part in problem["loc"]), "message": _problem(problem, body)}
        for problem in merged(error.errors())
    ]


def _problem(problem: Mapping[str, Any], body: type[BaseModel] | None) -> str:
    """One problem in words, whichever part of a request it is in."""
    return problem_words(problem, body if problem["loc"][0] == "body" else None, problem["loc"][1:])


def problem_words(problem: Mapping[str, Any], form: type[BaseModel] | None, path: Sequence[int | str]) -> str:
    """One problem at a path inside a form; a field that is not known is told those that are, where there are some."""
    if problem["type"] == "extra_forbidden":
        known = _fields_at(form, path[:-1])
        return "there is no such field" + (f"; expected {', '.join(known)}" if known else "")
    return rule_words(problem["msg"])


def _fields_at(form: Any, path: Sequence[int | str]) -> list[str]:
    """The names of the fields of the form that `path` leads to inside a form; none where several could be meant."""
    for name in path:
        field = form.model_fields.get(name) if _is_form(form) else None
        forms = [one for one in (get_args(field.annotation) or (field.annotation,)) if _is_form(one)] if field else []
        form = forms[0] if len(forms) == 1 else None
    return sorted(field.alias or name for name, field in form.model_fields.items()) if _is_form(form) else []


def _is_form(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _unfit(error: RequestValidationError, route: Any = None) -> ApiError:
    """422: a request that does not fit the form of its route."""
    body = getattr(route, "body_field", None)
    problems = _problems(error, body.field_info.annotation if body is not None else None)
    return ApiError(422, "invalid_request", _summary(error, problems), detail=problems)


def _summary(error: RequestValidationError, problems: Sequence[Mapping[str, str]]) -> str:
    if isinstance(error.body, bytes) and error.body:  # FastAPI parses it where the header says that it is JSON
        return "the body is not read as JSON; send the header Content-Type: application/json"
    broken = next((one for one in error.errors() if one["type"] == "json_invalid"), None)
    if broken is not None:
        return f"the body is not JSON: {broken['ctx']['error']} at character {broken['loc'][-1]}"
    first = f"{problems[0]['field']}: {problems[0]['message']}" if problems else "it does not fit"
    more = f" (and {len(problems) - 1} more, see detail)" if len(problems) > 1 else ""
    return f"the request does not fit: {first}{more}"
