"""Every route of the app against callers who have no business there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from api_world import SECRET_WORD, World, check_native_error, world
from fastapi.routing import APIRoute
from httpx import Response
from route_walk import example, filled, operations

from api.access.audit import DENIALS_PER_MINUTE, MAX_TARGET, Auditor
from api.access.request_state import RequestState
from api.access.security import TRUST_SECONDS
from api.routes import UNVERSIONED, VERSIONED
from retrieval.catalog import Catalog, sqlite_url

OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/console/login-ways")}
# All that a key of scope read may do; whatever is not listed here must refuse it.
READ = {
    ("GET", "/metrics"),
    ("POST", "/v1/search"),
    ("POST", "/v1/search/why"),
    ("GET", "/v1/collections"),
    ("GET", "/v1/collections/{collection}"),
    ("GET", "/v1/collections/{collection}/documents"),
    ("GET", "/v1/collections/{collection}/documents:facets"),
    ("GET", "/v1/collections/{collection}/documents/{key}"),
    ("GET", "/v1/collections/{collection}/generations"),
    ("GET", "/v1/collections/{collection}/generations/{generation}"),
    ("GET", "/v1/sources"),
    ("POST", "/v1/answers"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/retrieval"),
    ("POST", "/v1/feedback"),
    ("GET", "/v1/eval-sets"),
    ("GET", "/v1/eval-sets/{name}/runs"),
    ("GET", "/v1/eval-sets/{name}/runs/{run}"),
    ("GET", "/v1/eval-sets/{name}/runs/{run}/comparison"),
    ("GET", "/v1/plans"),
    ("GET", "/v1/plans/{plan}"),
    ("GET", "/v1/plans/{plan}/diff"),
    ("GET", "/v1/plans/rollout"),
    ("GET", "/v1/plans/rollouts"),
    ("GET", "/v1/experiments"),
    ("GET", "/v1/experiments/{experiment}"),
    ("GET", "/v1/experiments/{experiment}/trials"),
    ("GET", "/v1/experiments/{experiment}/comparison"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job}"),
    ("GET", "/v1/jobs/{job}/events"),
    ("GET", "/v1/schedules"),
    ("GET", "/v1/schedules/{name}"),
    ("POST", "/mcp"),
    ("POST", "/console/session"),
    ("GET", "/console/session"),
    ("DELETE", "/console/session"),
    ("GET", "/v1/overview"),
    ("GET", "/v1/events"),
    ("GET", "/v1/modules"),
}
# What names no collection and shows a limited key only its own share, or nothing that any collection holds.
OWN_SHARE = {
    ("GET", "/v1/collections"),
    ("GET", "/v1/models"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/schedules"),
    ("POST", "/mcp"),
    ("POST", "/console/session"),
    ("GET", "/console/session"),
    ("DELETE", "/console/session"),
    ("GET", "/v1/overview"),
    ("GET", "/v1/modules"),
    # these look at the caller's own database, before there is a source or a collection
    ("POST", "/v1/sources/test"),
    ("POST", "/v1/sources/tables"),
    ("POST", "/v1/sources/preview"),
}
STREAMS = {("GET", "/v1/events")}  # goes on for minutes; tested where it is listened to
STRANGERS = (None, "", "wrong", "expired", "revoked", "kb_nonsense", "Bearer", "eyJhbGciOiJub25lIn0.e30.")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("kb")) as opened:
        yield opened


def check_refusal(path: str, response: Response, status: int) -> None:
    """The shape of the route's own contract."""
    if path.startswith(("/v1/chat/", "/v1/models", "/v1/embeddings")):
        assert response.status_code == status, response.text
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    elif path == "/v1/retrieval":
        assert response.status_code == status, response.text
        assert set(response.json()) == {"error_code", "error_msg"}
    else:
        check_native_error(response, status)


def test_every_route_is_described(served: World) -> None:
    """What the walk below does not see would not be tested."""
    described = {path for _, path, _ in operations(served)}
    routed = {f"/v1{route.path}" for router in VERSIONED for route in router.routes if isinstance(route, APIRoute)}
    routed |= {route.path for router in UNVERSIONED for route in router.routes if isinstance(route, APIRoute)}
    assert {path.replace(":path}", "}") for path in routed} == described


def test_every_route_is_documented(served: World, repository: Path) -> None:
    page = (repository / "docs/api.md").read_text("utf-8")
    assert [f"{m} {path}" for m, path, _ in operations(served) if f"`{m} {path}`" not in page] == []


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_are_refused_everywhere(served: World, stranger: str | None) -> None:
    walked = 0
    for method, path, operation in operations(served):
        if (method, path) in OPEN:
            assert served.call(method, filled(path), stranger).status_code == 200
            continue
        response = served.call(method, filled(path), stranger, **example(served, operation))
        check_refusal(path, response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
        walked += 1
    assert walked > 20
    check_native_error(served.call("GET", "/v1/no-such-route", stranger), 401)


def test_read_keys_write_nothing(served: World) -> None:
    before = served.kb.catalog.collections.last_seq(served.kb.catalog.collections.get("docs").id)
    refused = 0
    for method, path, operation in operations(served):
        if (method, path) in READ | OPEN:
            continue
        response = served.call(method, filled(path), "reader", **example(served, operation))
        assert response.status_code == 403, (method, path, response.text)
        check_refusal(path, response, 403)
        refused += 1
    assert refused > 10
    assert served.kb.catalog.collections.last_seq(served.kb.catalog.collections.get("docs").id) == before


def test_write_keys_administer_nothing(served: World) -> None:
    for method, path in (
        ("POST", "/v1/collections"),
        ("PATCH", "/v1/collections/docs"),
        ("DELETE", "/v1/collections/docs"),
        ("POST", "/v1/keys"),
        ("GET", "/v1/keys"),
        ("DELETE", "/v1/keys/0123456789ab"),
    ):
        check_native_error(served.call(method, path, "writer", json={}), 403, "forbidden")


def test_keys_of_another_collection_reach_nothing(served: World) -> None:
    """Even an admin key, where it is limited to another collection."""
    for method, path, operation in operations(served):
        if (method, path) in OPEN | OWN_SHARE | STREAMS:
            continue
        response = served.call(method, filled(path), "elsewhere", **example(served, operation))
        assert response.status_code in (403, 404, 422), (method, path, response.text)
        if "docs" in filled(path) or "docs" in str(example(served, operation)):
            assert response.status_code in (403, 404), (method, path, response.text)
            check_refusal(path, response, response.status_code)
    for path in ("/v1/collections", "/v1/models"):
        assert "docs" not in served.call("GET", path, "elsewhere").text
    assert served.kb.catalog.documents.keys(served.kb.catalog.collections.get("docs")) >= {"public", "secret"}


def test_absent_and_unreachable_collections_read_alike(served: World) -> None:
    """Nobody learns by asking which collections there are."""
    absent = check_native_error(served.call("GET", "/v1/collections/docsx", "elsewhere"), 404)
    beyond = check_native_error(served.call("GET", "/v1/collections/docs", "elsewhere"), 404)
    assert absent["message"].replace("docsx", "docs") == beyond["message"]
    assert "docs" not in check_native_error(served.call("GET", "/v1/collections/absent", "reader"), 404)["message"]


def test_callers_narrow_themselves_but_never_widen(served: World) -> None:
    assert "4711" not in served.search(SECRET_WORD, "staff", as_groups=[]).text
    assert "4711" not in served.search(SECRET_WORD, "admin", as_groups=["sales"]).text
    assert "4711" in served.search(SECRET_WORD, "admin", as_groups=["staff"]).text
    check_native_error(served.search(SECRET_WORD, "reader", as_groups=["staff"]), 403, "forbidden")


def test_revocation_is_prompt(served: World) -> None:
    created = served.call("POST", "/v1/keys", json={"name": "short-lived"}).json()
    assert served.search("warranty", created["key"]).status_code == 200
    assert served.call("DELETE", f"/v1/keys/{created['id']}").status_code == 200
    check_native_error(served.search("warranty", created["key"]), 401, "unauthenticated")

    other = served.call("POST", "/v1/keys", json={"name": "revoked by another process"}).json()
    assert served.search("warranty", other["key"]).status_code == 200
    served.kb.catalog.keys.revoke(other["id"])
    time.sleep(TRUST_SECONDS + 0.05)
    check_native_error(served.search("warranty", other["key"]), 401, "unauthenticated")


def test_two_authorization_headers_are_none(served: World) -> None:
    headers = [("Authorization", f"Bearer {served.keys['admin']}"), ("Authorization", "Bearer other")]
    refused = served.client.get("/v1/collections", headers=headers)
    error = check_native_error(refused, 401, "malformed_authorization")
    assert "2 Authorization headers came" in error["message"] and refused.headers["www-authenticate"] == "Bearer"


def test_key_texts_are_shown_once_and_never_logged(served: World) -> None:
    created = served.call("POST", "/v1/keys", json={"name": "once"}).json()
    secret = created["key"].split("_", 2)[2]  # the secret itself may hold underscores
    assert secret not in served.call("GET", "/v1/keys").text
    assert not any(secret in str(record) for record in served.kb.catalog.audit.page(1000))


def test_acts_and_refusals_are_audited(tmp_path: Path) -> None:
    path = "/v1/collections/docs/documents/audited"
    with world(tmp_path) as served:
        served.call("PUT", path, "writer", json={"text": "one"}, headers={"X-Request-Id": "act"})
        served.call("PUT", path, "reader", json={"text": "two"}, headers={"X-Request-Id": "denied"})
        served.call("POST", "/v1/search", "elsewhere", json={"query": "one", "collection": "docs"})
        beyond, denied, act = served.kb.catalog.audit.page()
    assert (act.request_id, act.action) == ("act", "PUT /v1/collections/{collection}/documents/{key:path}")
    assert act.target == path and act.detail["outcome"] == "created" and act.detail["status"] == 200
    assert denied.request_id == "denied" and denied.detail["denied"] and denied.detail["status"] == 403
    assert denied.principal.startswith("key:") and denied.principal != act.principal
    assert beyond.detail["denied"] and beyond.detail["status"] == 404


def test_refusals_cannot_flood_the_audit_log(tmp_path: Path) -> None:
    with world(tmp_path) as served:
        for _ in range(DENIALS_PER_MINUTE + 50):
            served.call("GET", "/v1/keys", "wrong")
        written = [record for record in served.kb.catalog.audit.page(1000) if record.detail.get("denied")]
    assert DENIALS_PER_MINUTE <= len(written) <= DENIALS_PER_MINUTE + 30  # a few more as the bucket refills


def test_a_refusal_writes_little(tmp_path: Path) -> None:
    with world(tmp_path) as served:
        served.call("GET", f"/v1/{'x' * 60_000}", "wrong")
        (record,) = served.kb.catalog.audit.page(1)
    assert record.detail["denied"] and len(record.target) == MAX_TARGET


def test_no_refusal_stays_out_of_the_audit_log_by_its_path(fresh_postgres: str) -> None:
    """PostgreSQL stores no NUL: a path with one left no record, and a stack trace in the server's log."""
    with closing(Catalog(fresh_postgres)) as catalog:
        Auditor(catalog.audit).record(RequestState("id"), "GET", "/v1/keys", "/v1/keys/a\0b", 403, "192.0.2.1")
        assert [record.target for record in catalog.audit.page()] == [r"/v1/keys/a\x00b"]


@pytest.mark.parametrize(
    ("address", "kept"), [("192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("10.0.0.1, x" * 9, ""), ("", "")]
)
def test_only_addresses_are_audited_as_such(tmp_path: Path, address: str, kept: str) -> None:
    with closing(Catalog(sqlite_url(tmp_path / "catalog.db"))) as catalog:
        Auditor(catalog.audit).record(RequestState("id"), "GET", "/v1/keys", "/v1/keys", 401, address)
        assert catalog.audit.page(1)[0].detail["address"] == kept
