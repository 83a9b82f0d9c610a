"""The console's login: cookies that no script reads, that name a key and die with it, and changes that need a token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import World, check_native_error, world
from fastapi.testclient import TestClient

from api.access.security import TRUST_SECONDS
from api.access.sessions import COOKIE, SESSION_LENGTH
from api.app import create_app
from retrieval.catalog.keys import Scope

DOCUMENT = "/v1/collections/docs/documents/written"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as opened:
        yield opened


def log_in(served: World, key: str = "admin") -> httpx.Response:
    response = served.call("POST", "/console/session", None, json={"key": served.keys.get(key, key)})
    assert response.status_code == 200, response.text
    return response


def cookie_of(response: httpx.Response) -> Morsel[str]:
    cookies: SimpleCookie = SimpleCookie(response.headers["set-cookie"])
    return cookies[COOKIE]


def test_a_key_becomes_a_cookie_that_holds_none_of_it(served: World) -> None:
    response = log_in(served, "staff")
    cookie = cookie_of(response)
    assert cookie["httponly"] and cookie["samesite"] == "strict" and cookie["path"] == "/"
    assert not cookie["secure"]  # plain HTTP on loopback; a browser would not send it back
    assert 0 < int(cookie["max-age"]) <= SESSION_LENGTH.total_seconds()
    _, key_id, secret = served.keys["staff"].split("_", 2)
    assert secret not in response.text + cookie.value and key_id not in cookie.value
    body = response.json()
    assert (body["name"], body["scope"], body["collections"]) == ("staff", "read", None)
    assert set(body["groups"]) == {"staff", "everyone"}
    assert served.call("GET", "/console/session", None).json() == body  # the client kept the cookie
    assert "4711" in served.call("GET", "/v1/collections/docs/documents/secret", None).text


def test_over_https_the_cookie_stays_there(served: World) -> None:
    with TestClient(create_app(served.kb, served.kb.settings), base_url="https://kb.example") as client:
        response = client.post("/console/session", json={"key": served.keys["reader"]})
    assert cookie_of(response)["secure"]


@pytest.mark.parametrize("key", ["wrong", "expired", "revoked", "kb_nonsense", "x"])
def test_a_key_that_is_not_good_opens_nothing(served: World, key: str) -> None:
    response = served.call("POST", "/console/session", None, json={"key": served.keys.get(key, key)})
    check_native_error(response, 401, "unauthenticated")
    assert "set-cookie" not in response.headers
    check_native_error(served.call("GET", "/console/session", None), 401)
    assert served.kb.catalog.audit.page(1)[0].detail["denied"]


def test_a_login_page_that_asks_who_is_there_is_refused_nothing(served: World) -> None:
    """It asks at every visit; an audit log full of that hides the refusals that somebody should look at."""
    served.client.cookies.clear()
    before = len(served.kb.catalog.audit.page(1000))
    check_native_error(served.client.get("/console/session"), 401)
    assert len(served.kb.catalog.audit.page(1000)) == before
    served.client.cookies.set(COOKIE, "made-up")
    check_native_error(served.client.get("/console/session"), 401)
    served.client.cookies.clear()
    assert len(served.kb.catalog.audit.page(1000)) == before + 1


def test_nobody_logs_another_in_from_a_foreign_form(served: World) -> None:
    """A form of another site cannot send JSON; what it can send must not be taken for it."""
    key = served.keys["reader"]
    for body in ({"data": {"key": key}}, {"content": f'{{"key": "{key}"}}', "headers": {"content-type": "text/plain"}}):
        response = served.call("POST", "/console/session", None, **body)
        assert response.status_code == 422 and "set-cookie" not in response.headers and key not in response.text


def test_changes_need_the_token_that_only_our_pages_know(served: World) -> None:
    csrf = log_in(served, "writer").json()["csrf"]
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf[:-1] + "0g"}, {"X-CSRF-Token": "ä".encode()}):
        refused = served.client.put(DOCUMENT, json={"text": "x"}, headers=headers)
        check_native_error(refused, 403, "csrf")
    assert served.call("GET", DOCUMENT).status_code == 404
    assert served.client.put(DOCUMENT, json={"text": "x"}, headers={"X-CSRF-Token": csrf}).is_success
    again = log_in(served, "writer").json()["csrf"]
    assert again != csrf  # each session has its own
    check_native_error(served.client.put(DOCUMENT, json={"text": "y"}, headers={"X-CSRF-Token": csrf}), 403, "csrf")


def test_a_search_by_cookie_is_a_change_too(served: World) -> None:
    """POST is POST: whatever it does, another site must not have our user's browser do it."""
    log_in(served, "reader")
    check_native_error(served.client.post("/v1/search", json={"query": "x", "collection": "docs"}), 403, "csrf")


def test_keys_need_no_token_and_win_over_a_cookie(served: World) -> None:
    log_in(served, "admin")
    assert served.call("PUT", DOCUMENT, "writer", json={"text": "x"}).is_success
    check_native_error(served.call("GET", "/v1/keys", "reader"), 403)
    check_native_error(served.call("GET", "/v1/collections", "wrong"), 401)


def test_rights_are_those_of_the_key(served: World) -> None:
    csrf = {"X-CSRF-Token": log_in(served, "reader").json()["csrf"]}
    check_native_error(served.client.put(DOCUMENT, json={"text": "x"}, headers=csrf), 403, "forbidden")
    check_native_error(served.client.get("/v1/keys"), 403, "forbidden")
    check_native_error(served.client.get("/v1/collections/docs/documents/secret"), 404)
    log_in(served, "elsewhere")
    check_native_error(served.client.get("/v1/collections/docs"), 404)


def test_logging_out_ends_the_session(served: World) -> None:
    response = log_in(served)
    csrf, kept = response.json()["csrf"], cookie_of(response).value
    check_native_error(served.client.delete("/console/session"), 403, "csrf")
    assert served.client.delete("/console/session", headers={"X-CSRF-Token": csrf}).status_code == 204
    assert COOKIE not in served.client.cookies
    for path in ("/console/session", "/v1/collections"):
        check_native_error(served.client.get(path, headers={"Cookie": f"{COOKIE}={kept}"}), 401)


def test_a_session_dies_with_its_key(served: World) -> None:
    record, key = served.kb.catalog.keys.create("short", Scope.READ)
    log_in(served, key)
    assert served.client.get("/v1/collections").is_success
    served.kb.catalog.keys.revoke(record.id)
    time.sleep(TRUST_SECONDS + 0.05)
    check_native_error(served.client.get("/v1/collections"), 401)


def test_a_session_lasts_no_longer_than_its_key(served: World) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    response = log_in(served, served.kb.catalog.keys.create("short", Scope.READ, expires_at=until)[1])
    assert int(cookie_of(response)["max-age"]) <= 300
    assert datetime.fromisoformat(response.json()["expires_at"]) <= until


def test_a_session_ends_by_itself(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.access.sessions.SESSION_LENGTH", timedelta(seconds=-1))
    kept = cookie_of(log_in(served)).value
    check_native_error(served.client.get("/v1/collections", headers={"Cookie": f"{COOKIE}={kept}"}), 401)


def test_every_process_of_a_cluster_knows_the_session(served: World) -> None:
    kept = cookie_of(log_in(served, "reader")).value
    with TestClient(create_app(served.kb, served.kb.settings)) as second:  # as another process has it
        assert second.get("/console/session", headers={"Cookie": f"{COOKIE}={kept}"}).json()["name"] == "reader"


@pytest.mark.parametrize("change", [lambda text: text[:-4] + "AAAA", lambda text: "", lambda text: "x" * 9_000])
def test_forged_cookies_are_refused(served: World, change: Any) -> None:
    kept = change(cookie_of(log_in(served)).value)
    served.client.cookies.clear()
    check_native_error(served.client.get("/v1/collections", headers={"Cookie": f"{COOKIE}={kept}"}), 401)


def test_what_the_catalog_encrypts_is_no_session(served: World) -> None:
    """A password that looks like a session, encrypted for the catalog with the same key, opens nothing."""
    from infra.secrets import SecretBox

    until = time.time() + 60
    forged = SecretBox.of(served.kb.settings).encrypt(
        f'{{"id": "1", "until": {until}, "name": "x", "label": "x", "groups": ["staff"]}}'
    )
    cookie = {"Cookie": f"{COOKIE}={forged.decode()}"}
    check_native_error(served.client.get("/v1/collections", headers=cookie), 401)
