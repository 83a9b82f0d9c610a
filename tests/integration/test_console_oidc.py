"""Logging in through a provider that is really there: code, PKCE, nonce; and everything that must not pass."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import browser
import console_pages
import httpx
import loopback_server
import pytest
from api_world import World, world
from oidc_issuer import AUDIENCE, Issuer

from api.access.oidc_login import OidcLogin
from api.access.sessions import COOKIE
from infra.settings import SettingsError, load_settings

CLIENT, SECRET = "console of kb", "s3cret&more"


class Provider(Issuer):
    """An issuer that also gives codes and changes them for tokens, as RFC 6749 and 7636 say."""

    asked: dict[str, str]
    changes: dict[str, Any]

    def authorize(self, address: str) -> dict[str, str]:
        """What the browser brings back, once the person has logged in there."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (self.asked["response_type"], self.asked["client_id"]) == ("code", CLIENT)
        assert self.asked["code_challenge_method"] == "S256"
        return {"code": "a-code", "state": self.asked["state"]}

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        expected = {
            "code": "a-code",
            "redirect_uri": self.asked["redirect_uri"],
            "grant_type": "authorization_code",
        }
        user = base64.b64encode(b"console%20of%20kb:s3cret%26more").decode()
        proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.asked["code_challenge"]
        if not proven or authorization != f"Basic {user}" or any(form[name] != one for name, one in expected.items()):
            return {"error": "invalid_grant"}
        claims = {"aud": CLIENT, "nonce": self.asked["nonce"], "name": "Ada <b>", **self.changes}
        return {"id_token": self.token(**claims), "access_token": "x", "token_type": "Bearer"}

    def document(self, path: str) -> dict[str, Any]:
        self.fetched.append(path)
        found = super().document(path)
        if path.endswith("openid-configuration"):
            found |= {name: f"{self.url}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
        return found


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Provider()
    made.make_key("rsa", "RS256")
    made.changes = {}

    class Handler(loopback_server.QuietHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/authorization_endpoint"):
                self._send_back()  # the person is logged in there already
            else:
                self.reply(200, made.document(self.path))

        def _send_back(self) -> None:
            answer = urlencode(made.authorize(self.path))
            self.send_response(303)
            self.send_header("Location", f"{made.asked['redirect_uri']}?{answer}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            form = {name: values[0] for name, values in parse_qs(self.read_body().decode()).items()}
            said = made.exchange(form, self.headers.get("Authorization", ""))
            self.reply(400 if "error" in said else 200, said)

    with loopback_server.serving(Handler) as address:
        made.url = f"http://{address}"
        yield made


@pytest.fixture
def served(provider: Provider, tmp_path: Path) -> Iterator[World]:
    client = {"oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    with world(tmp_path, oidc_issuer=provider.url, oidc_audience=AUDIENCE, **client) as opened:
        yield opened


def away(served: World) -> str:
    response = served.client.get("/console/login/oidc", follow_redirects=False)
    assert response.status_code == 303, response.text
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/console/login/oidc" in cookie
    return response.headers["location"]


def back(served: World, answer: dict[str, str]) -> httpx.Response:
    return served.client.get("/console/login/oidc/callback", params=answer, follow_redirects=False)


def refused(response: httpx.Response, status: int = 401) -> None:
    assert response.status_code == status and COOKIE not in response.cookies, response.text
    assert "default-src 'self'" in response.headers["content-security-policy"] and "Not logged in" in response.text


def test_whom_the_provider_names_is_logged_in(served: World, provider: Provider) -> None:
    assert served.client.get("/console/login-ways").json() == {"key": True, "oidc": True}
    response = back(served, provider.authorize(away(served)))
    assert (response.status_code, response.headers["location"]) == (303, "/console/")
    session = served.client.get("/console/session").json()
    assert (session["name"], session["scope"]) == ("Ada <b>", "read")
    assert "4711" in served.client.get("/v1/collections/docs/documents/secret").text  # the group staff may
    csrf = {"X-CSRF-Token": session["csrf"]}
    write = served.client.put("/v1/collections/docs/documents/x", json={"text": "x"}, headers=csrf)
    assert write.status_code == 403
    assert served.kb.catalog.audit.page(2)[1].principal == "oidc:ada"


def test_the_provider_is_not_asked_anew_for_each_who_leaves_for_it(served: World, provider: Provider) -> None:
    assert away(served) != away(served)
    assert provider.fetched == ["/.well-known/openid-configuration"]


def test_a_browser_is_led_there_and_back(provider: Provider, tmp_path: Path) -> None:
    """Across two sites, as a browser sees them, so that the cookies' rules hold too."""
    settings = {"oidc_issuer": provider.url, "oidc_audience": AUDIENCE}
    settings |= {"oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
    with (
        browser.running() as chromium,
        console_pages.serving(tmp_path, **settings) as (_, address),
        browser.context(chromium, address.replace("127.0.0.1", "localhost")) as person,
    ):
        page = person.new_page()
        page.goto("/console/")
        page.get_by_role("link", name="Log in with your organisation").click()
        page.get_by_role("heading", level=1, name="Overview").wait_for()
        page.get_by_role("button", name="Account").click()
        page.get_by_text("Ada <b>").wait_for()
        page.get_by_role("menuitem", name="Log out").click()
        page.get_by_role("link", name="Log in with your organisation").wait_for()


def test_other_groups_see_other_documents(served: World, provider: Provider) -> None:
    provider.changes = {"groups": ["sales"]}
    assert back(served, provider.authorize(away(served))).status_code == 303
    assert served.client.get("/v1/collections/docs/documents/secret").status_code == 404


@pytest.mark.parametrize(
    "changes", [{"nonce": "another"}, {"nonce": None}, {"aud": AUDIENCE}, {"iss": "https://evil.example"}, {"exp": 1}]
)
def test_tokens_that_are_not_of_this_login_are_refused(
    served: World, provider: Provider, changes: dict[str, Any]
) -> None:
    provider.changes = changes
    refused(back(served, provider.authorize(away(served))))


def test_answers_for_another_browser_are_refused(served: World, provider: Provider) -> None:
    answer = provider.authorize(away(served))
    refused(back(served, answer | {"state": "guessed"}))
    served.client.cookies.clear()
    refused(back(served, answer))  # an attacker's own answer, in the victim's browser


def test_codes_that_the_provider_refuses_open_nothing(served: World, provider: Provider) -> None:
    refused(back(served, provider.authorize(away(served)) | {"code": "stolen"}))
    refused(back(served, {"error": "<script>alert(1)</script>"}))
    assert "<script>" not in back(served, {"error": "<script>alert(1)</script>"}).text


def test_too_many_groups_are_told(served: World, provider: Provider) -> None:
    provider.changes = {"groups": [f"group number {number}" for number in range(500)]}
    refused(back(served, provider.authorize(away(served))), 403)


def test_a_silent_provider_is_told(tmp_path: Path) -> None:
    with world(tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_audience="kb", oidc_client_id="x") as served:
        refused(served.client.get("/console/login/oidc", follow_redirects=False), 503)


def test_without_a_client_there_is_no_such_login(tmp_path: Path) -> None:
    assert OidcLogin.of(load_settings(data_dir=tmp_path)) is None
    with pytest.raises(SettingsError, match="oidc_issuer"):
        OidcLogin.of(load_settings(data_dir=tmp_path, oidc_client_id="x"))
