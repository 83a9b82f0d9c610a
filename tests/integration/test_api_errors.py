"""One shape for every kind of failure, with the status that tells the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_world import World, check_native_error, world
from httpx import Response
from waiting import eventually

from api.access.request_state import RequestState
from api.errors import ApiError
from api.http.errors import as_api_error, render
from infra.secrets import KEY_FILE
from ingest import errors as ingest_errors
from retrieval import errors as retrieval_errors

NO_RERANKER = {"rerank": {"name": "no such"}}
JSON = {"Content-Type": "application/json"}
DOCUMENT = "/v1/collections/docs/documents/public"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb"), max_body_bytes=4096) as opened:
        yield opened


Case = tuple[str, str, dict[str, Any], int, str]
CASES: list[Case] = [
    ("GET", "/v1/nowhere", {}, 404, "no_such_route"),
    ("PATCH", "/v1/search", {}, 405, "method_not_allowed"),
    ("POST", "/v1/search", {"content": b"{"}, 422, "invalid_request"),
    ("POST", "/v1/search", {"content": b"\xff\xfe"}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": []}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "surplus": 1}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "  ", "collection": "docs"}}, 422, "invalid_input"),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "absent"}}, 404, "not_found"),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "filter": {"$no": 1}}}, 422, "invalid_input"),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "plan": {"no": 1}}}, 422, "invalid_input"),
    (
        "POST",
        "/v1/search",
        {"json": {"query": "x", "collection": "docs", "plan": NO_RERANKER}},
        422,
        "invalid_input",
    ),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "plan": 99}}, 404, "not_found"),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "min_seq": 10**6}}, 422, "invalid_input"),
    ("GET", "/v1/collections/docs/documents/absent", {}, 404, "not_found"),
    ("GET", "/v1/collections/docs/documents", {"params": {"limit": 0}}, 422, "invalid_request"),
    ("POST", "/v1/collections", {"json": {"name": "docs"}}, 409, "conflict"),
    ("POST", "/v1/collections", {"json": {"name": "No Name"}}, 422, "invalid_request"),
    ("PUT", DOCUMENT, {"json": {"text": ""}}, 422, "invalid_request"),
    ("PUT", DOCUMENT, {"json": {"text": "x", "version": -1}}, 422, "invalid_request"),
    ("PUT", DOCUMENT, {"content": b'{"text": "lone \\ud800 surrogate"}'}, 422, "invalid_request"),
    ("PUT", DOCUMENT, {"json": {"text": "nul \x00"}}, 422, "invalid_request"),
    ("PUT", DOCUMENT, {"json": {"text": "x" * 5000}}, 413, "body_too_large"),
    ("PUT", "/v1/collections/docs/documents/M%FCller", {"json": {"text": "x"}}, 400, "malformed_request"),
    ("GET", "/v1/collections/docs/documents/M%ED%A0%80", {}, 400, "malformed_request"),
    ("GET", "/v1/collections/docs/documents/M%C3%BCller", {}, 404, "not_found"),
    ("DELETE", "/v1/keys/00000000", {}, 404, "not_found"),
    ("POST", "/v1/keys", {"json": {"expires_at": "2001-01-01T00:00:00Z"}}, 422, "invalid_request"),
    ("DELETE", "/v1/dead-letters/7", {"params": {"collection": "docs"}}, 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "arguments", "status", "code"), CASES)
def test_each_kind_of_failure(
    served: World, method: str, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    error = check_native_error(served.call(method, path, **arguments), status, code)
    assert "Traceback" not in json.dumps(error) and "sqlalchemy" not in json.dumps(error).lower()


def test_validation_names_each_field_and_echoes_no_value(served: World) -> None:
    body = {"query": 5, "collection": "docs", "top_k": "hush-hush"}
    error = check_native_error(served.call("POST", "/v1/search", json=body), 422)
    assert {problem["field"] for problem in error["detail"]} == {"body.query", "body.top_k"}
    assert "hush-hush" not in json.dumps(error)


@pytest.mark.parametrize(
    ("method", "path", "arguments", "words"),
    [
        ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "limit": 3}}, ["body.limit", "top_k"]),
        ("POST", "/v1/search", {"json": {"query": "x", "collection": "docs", "plan": {"no": 1}}}, ["plan", "no"]),
        ("POST", "/v1/jobs", {"json": {"kind": "verify", "argument": {}}}, ["body.argument", "arguments"]),
        ("POST", "/v1/search", {"content": b'{"query": x}', "headers": JSON}, ["not JSON", "character 10"]),
        ("POST", "/v1/search", {"content": b'{"query": "\xff"}', "headers": JSON}, ["not UTF-8", "byte 11"]),
        ("POST", "/v1/search", {"content": b'{"query": ' + b"[" * 4_000, "headers": JSON}, ["nested too deep"]),
        ("POST", "/v1/serch", {}, ["no route POST /v1/serch", "/openapi.json"]),
        ("POST", "/v1/responses", {}, ["no route POST /v1/responses"]),
    ],
)
def test_messages_say_what_was_expected(
    served: World, method: str, path: str, arguments: dict[str, Any], words: list[str]
) -> None:
    message = served.call(method, path, **arguments).json()["error"]["message"]
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/embeddings", {"model": "docs", "input": ["x"] * 3_000}, "body.input: List should have at most"),
        ("/v1/embeddings", {"model": "docs", "input": ["a", 1]}, "body.input.1: Input should be a valid string"),
        ("/v1/embeddings", {"model": "docs", "input": {"a": 1}}, "body.input: expected a text or a list"),
        ("/v1/embeddings", {"model": "docs", "input": ""}, "body.input: String should have at least 1 character"),
        ("/v1/search", {"query": "x", "collection": "docs", "plan": -5}, "body.plan: Input should be greater than"),
        (
            "/v1/search",
            {"query": "x", "collection": "docs", "plan": [1]},
            "body.plan: expected a whole number, 'default' or an object",
        ),
    ],
)
def test_a_field_of_several_kinds_is_told_what_is_wrong_with_the_one_that_came(
    tmp_path: Path, path: str, body: dict[str, Any], message: str
) -> None:
    with world(tmp_path, max_body_bytes=100_000) as served:
        told = served.call("POST", path, json=body).json()["error"]["message"]
    assert told.startswith(f"the request does not fit: {message}") and "more" not in told


def test_a_number_that_no_integer_holds_is_named_as_such(tmp_path: Path) -> None:
    with world(tmp_path, max_body_bytes=10_000) as served:
        content = b'{"query": "x", "collection": "docs", "top_k": ' + b"1" * 9_000 + b"}"
        answer = served.call("POST", "/v1/search", content=content, headers=JSON)
        check_native_error(answer, 400, "malformed_request")
        assert "number of thousands of digits" in answer.json()["error"]["message"]


def test_a_body_that_is_not_said_to_be_json_is_told_the_header(served: World) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain"):  # the first is what `curl -d` sends
        asked = {"content": b'{"query": "x", "collection": "docs"}', "headers": {"Content-Type": kind}}
        answer = served.call("POST", "/v1/search", **asked)
        check_native_error(answer, 422, "invalid_request")
        assert "Content-Type: application/json" in answer.json()["error"]["message"]


def test_a_search_that_waits_in_vain_is_a_timeout(tmp_path: Path) -> None:
    """The write is safe and says so: 202 for the writer, 504 for the search that insists on it."""
    with world(tmp_path, request_timeout_seconds=0.2) as served:
        with served.kb.runtime("docs").follower.paused():
            url = "/v1/collections/docs/documents/late"
            written = served.call("PUT", url, params={"wait_for": "searchable"}, json={"text": "late"})
            assert written.status_code == 202 and not written.json()["searchable"]
            waited = served.search("late", min_seq=written.json()["seq"])
            check_native_error(waited, 504, "not_yet_searchable")
        eventually(lambda: served.search("late", min_seq=written.json()["seq"]).status_code == 200)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/v1/collections", {"GET", "POST"}),
        ("PUT", "/v1/collections", {"GET", "POST"}),
        ("POST", "/v1/collections/docs", {"GET", "PATCH", "DELETE"}),
        ("POST", DOCUMENT, {"GET", "PUT", "PATCH", "DELETE"}),
        ("DELETE", "/v1/search", {"POST"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(served: World, method: str, path: str, allowed: set[str]) -> None:
    refused = served.call(method, path)
    assert refused.status_code == 405 and set(refused.headers["allow"].split(", ")) == allowed
    if method != "HEAD":
        message = check_native_error(refused, 405, "method_not_allowed")["message"]
        assert all(one in message for one in (method, *allowed))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_by_head(served: World, path: str) -> None:
    asked = served.client.head(path)
    assert (asked.status_code, asked.headers["content-type"]) == (200, "application/json")


def test_a_key_file_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    with world(tmp_path) as served:
        (tmp_path / KEY_FILE).mkdir()
        login = served.client.post("/console/session", json={"key": served.keys["reader"]})
        error = check_native_error(login, 503, "not_set_up")
        assert KEY_FILE in error["message"] and "KB_SECRET_KEY" in error["message"]


def raising(error: Exception) -> Callable[[], None]:
    def route() -> None:
        raise error

    return route


def respond(tmp_path: Path, error: Exception) -> Response:
    with world(tmp_path) as served:
        served.app.router.add_api_route("/v1/raising", raising(error), methods=["GET"])
        return served.call("GET", "/v1/raising")


def test_what_nobody_foresaw_tells_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    response = respond(tmp_path, ZeroDivisionError("the secret cause"))
    error = check_native_error(response, 500, "internal")
    assert "secret" not in response.text and "ZeroDivision" not in response.text
    assert "the secret cause" in caplog.text and error["request_id"] in caplog.text


def test_outages_say_when_to_come_back(tmp_path: Path) -> None:
    response = respond(tmp_path, retrieval_errors.OutageError("the catalog does not answer"))
    check_native_error(response, 503, "outage")
    assert int(response.headers["retry-after"]) >= 1


def test_every_error_of_ours_has_a_status() -> None:
    """A class added to the trees must be given one, or a parent that has one."""
    for module in (retrieval_errors, ingest_errors):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Exception) and not kind.__subclasses__():
                two = issubclass(kind, ingest_errors.ParseError | ingest_errors.EventError)
                error = kind("reason", "remedy") if two else kind("reason; remedy")
                if isinstance(error, retrieval_errors.EncoderError):
                    continue  # the server's own trouble: 500, its cause in the log
                assert as_api_error(error).status != 500, kind


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
def test_openai_routes_speak_openai(served: World, path: str) -> None:
    for response, status in (
        (served.call("POST", path, "wrong", json={}), 401),
        (served.call("POST", path, json={}), 400),
        (served.call("POST", path, content=b"{"), 400),
        (served.call("GET", path), 405),
        (served.call("POST", path, content=b"x" * 5000), 413),
    ):
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"} and error["message"]
        assert response.headers["x-request-id"]
        assert error["type"] == "invalid_request_error"
    assert served.call("POST", path, "wrong", json={}).json()["error"]["code"] == "invalid_api_key"
    assert served.call("GET", path).json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "code"),
    [("/v1/chat/nowhere", "no_such_route"), ("/v1/embeddings/x", "no_such_route"), ("/v1/models/x", "model_not_found")],
)
def test_openai_is_told_apart_a_route_and_a_model_that_are_not_there(served: World, path: str, code: str) -> None:
    refused = served.call("GET", path)
    assert refused.status_code == 404
    assert (refused.json()["error"]["type"], refused.json()["error"]["code"]) == ("invalid_request_error", code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "invalid_request_error") for status in (405, 408, 409, 415, 422)),
        (429, "requests"),
        (503, "server_error"),
    ],
)
def test_openai_is_told_whose_fault_it_is(status: int, kind: str) -> None:
    told = json.loads(bytes(render(RequestState("r"), "/v1/embeddings", ApiError(status, "own_code", "words")).body))
    assert told["error"]["type"] == kind
    assert told["error"]["code"] == {422: "invalid_request", 429: "rate_limit_exceeded"}.get(status, "own_code")


def test_dify_speaks_dify(served: World) -> None:
    denied = served.call("POST", "/v1/retrieval", "wrong", json={})
    assert (denied.status_code, denied.json()["error_code"]) == (401, 1002)
    malformed = served.client.post("/v1/retrieval", headers={"Authorization": "Basic x"}, json={})
    assert (malformed.status_code, malformed.json()["error_code"]) == (401, 1001)


def test_retry_after_is_whole_seconds() -> None:
    assert ApiError(429, "x", "y", retry_after=0.01).headers["Retry-After"] == "1"
    assert ApiError(429, "x", "y", retry_after=1.2).headers["Retry-After"] == "2"
