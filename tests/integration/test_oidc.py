"""Tokens of an issuer that is really there: discovery and keys over HTTP, good tokens in, every other kind out."""

from __future__ import annotations

import itertools
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx
import jwt
import loopback_server
import pytest
import served as served_world
from api_world import World, check_native_error, world
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oidc_issuer import AUDIENCE, Issuer

from api.access.security import TRUST_SECONDS
from api.access.tokens import CLOCK_SKEW_SECONDS, MAX_WAITING, Published, SigningKeys, TokenVerifier
from api.errors import ApiError
from infra.settings import SettingsError


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Issuer()
    made.make_key("rsa", "RS256")
    made.make_key("curve", "ES256")

    class Handler(loopback_server.QuietHandler):
        def do_GET(self) -> None:
            made.fetched.append(self.path)
            self.reply(200, made.document(self.path))

    with loopback_server.serving(Handler) as address:
        made.url = f"http://{address}"
        yield made


@pytest.fixture
def served(issuer: Issuer, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, oidc_issuer=issuer.url, oidc_audience=AUDIENCE) as opened:
        yield opened


def test_good_tokens_see_what_their_groups_may(served: World, issuer: Issuer) -> None:
    for key_id in ("rsa", "curve"):
        assert "4711" in served.search("xylophonist", issuer.token(key_id)).text
        for groups in (["sales"], [], None):
            response = served.search("xylophonist", issuer.token(key_id, groups=groups))
            assert response.status_code == 200 and "4711" not in response.text
            assert served.search("warranty", issuer.token(key_id, groups=groups)).json()["hits"]
    assert served.search("warranty", issuer.token(exp=time.time() - CLOCK_SKEW_SECONDS / 2)).status_code == 200


def test_tokens_read_and_do_nothing_else(served: World, issuer: Issuer) -> None:
    token = issuer.token(scope="kb:admin admin write")
    path = "/v1/collections/docs/documents/x"
    check_native_error(served.call("PUT", path, token, json={"text": "x"}), 403, "forbidden")
    check_native_error(served.call("GET", "/v1/keys", token), 403, "forbidden")


def test_keys_go_on_beside_tokens(served: World) -> None:
    assert served.search("warranty", "reader").status_code == 200
    check_native_error(served.search("warranty", "wrong"), 401)


def signed_with(algorithm: str, secret: Any) -> Callable[[Issuer], str]:
    def make(issuer: Issuer) -> str:
        claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "eve", "exp": time.time() + 60, "groups": ["staff"]}
        return jwt.encode(claims, secret, algorithm, headers={"kid": "rsa"})

    return make


def signed_with_the_public_key(issuer: Issuer) -> str:
    """The classic: HMAC keyed with what everybody knows, by hand since the library refuses to make it."""
    import base64
    import hashlib
    import hmac

    public = issuer.keys["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "eve", "exp": time.time() + 60, "groups": ["staff"]}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims)
    ]
    signature = hmac.new(public, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


BAD: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=time.time() - CLOCK_SKEW_SECONDS - 5),
    "not yet": lambda issuer: issuer.token(nbf=time.time() + CLOCK_SKEW_SECONDS + 60),
    "never expires": lambda issuer: issuer.token(exp=None),
    "other audience": lambda issuer: issuer.token(aud="mail"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "other issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "nobody": lambda issuer: issuer.token(sub=None),
    "groups as text": lambda issuer: issuer.token(groups="staff"),
    "groups of numbers": lambda issuer: issuer.token(groups=["staff", 1]),
    "unknown key": lambda issuer: issuer.token(headers={"kid": "unknown"}),
    "another's key id": lambda issuer: issuer.token("rsa", headers={"kid": "curve"}),
    "unsigned": signed_with("none", None),
    "shared secret": signed_with("HS256", "s" * 32),
    "public key as secret": signed_with_the_public_key,
    "stranger's key": signed_with("RS256", rsa.generate_private_key(65537, 2048)),
    "tampered": lambda issuer: issuer.token()[:-4] + "AAAA",
    "cut": lambda issuer: issuer.token().rpartition(".")[0],
    "garbage": lambda issuer: "a.b.c",
}


@pytest.mark.parametrize("kind", BAD)
def test_other_tokens_stay_out(served: World, issuer: Issuer, kind: str) -> None:
    check_native_error(served.search("xylophonist", BAD[kind](issuer)), 401, "unauthenticated")
    assert served.search("warranty", issuer.token()).status_code == 200


def test_made_up_key_ids_do_not_flood_the_issuer(served: World, issuer: Issuer) -> None:
    for number in range(20):
        served.search("warranty", issuer.token(headers={"kid": f"made up {number}"}))
    assert len(issuer.fetched) <= 4  # discovery and keys, at most twice


def test_new_keys_are_found_and_withdrawn_ones_refused(
    served: World, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.access.tokens.REFETCH_SECONDS", 0)
    old = issuer.token()
    assert served.search("warranty", old).status_code == 200
    issuer.make_key("newer", "ES256")
    assert served.search("warranty", issuer.token("newer")).status_code == 200
    del issuer.keys["rsa"]
    monkeypatch.setattr("api.access.tokens.KEYS_LAST_SECONDS", 0)
    monkeypatch.setattr("api.access.security.TRUST_SECONDS", 0)
    check_native_error(served.search("warranty", old), 401)


def test_a_silent_issuer_is_an_outage_not_a_refusal(tmp_path: Path) -> None:
    with world(tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_audience=AUDIENCE) as served:
        token = jwt.encode({"sub": "ada"}, "s" * 32, "HS256", headers={"kid": "x"})
        response = served.search("warranty", token)
        check_native_error(response, 503, "issuer_unavailable")
        assert response.headers["retry-after"]
        assert served.search("warranty", "reader").status_code == 200


def test_discovery_must_name_the_very_issuer(served: World, issuer: Issuer) -> None:
    issuer.named = "https://evil.example"
    check_native_error(served.search("warranty", issuer.token()), 503, "issuer_unavailable")


def test_an_explicit_key_url_needs_no_discovery(issuer: Issuer) -> None:
    assert SigningKeys("https://elsewhere.example", f"{issuer.url}/keys").get("rsa").key_id == "rsa"
    assert issuer.fetched == ["/keys"]


@pytest.mark.parametrize(
    ("url", "audience", "jwks_url"),
    [
        ("https://id.example", "", ""),
        ("http://id.example", AUDIENCE, ""),
        ("https://id.example", AUDIENCE, "http://id.example/keys"),
        ("ftp://id.example", AUDIENCE, ""),
    ],
)
def test_unsafe_settings_stop_the_start(url: str, audience: str, jwks_url: str) -> None:
    with pytest.raises(SettingsError):
        TokenVerifier(url, audience, jwks_url)


@pytest.mark.parametrize("asked", ["token", "login"])
def test_a_slow_issuer_leaves_threads_for_keys(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More requests wait for it than the server has threads; who comes with a key meanwhile is served at once."""
    monkeypatch.setattr("api.access.tokens.FETCH_TIMEOUT_SECONDS", 6)
    monkeypatch.setattr("api.access.oidc_login.FETCH_TIMEOUT_SECONDS", 6)
    token = {"Authorization": f"Bearer {jwt.encode({'sub': 'eve'}, 's' * 32, 'HS256', headers={'kid': 'made up'})}"}
    path, headers = ("/v1/collections", token) if asked == "token" else ("/console/login/oidc", {})
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:  # it listens, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            served_world.in_process(tmp_path, oidc_issuer=url, oidc_audience=AUDIENCE, oidc_client_id="c") as served,
            served_world.on_port(served) as base,
            httpx.Client(base_url=base, timeout=30, trust_env=False) as client,
            ThreadPoolExecutor(60) as many,
        ):
            key = served.headers()
            assert client.get("/v1/collections", headers=key).status_code == 200
            waiting = [many.submit(client.get, path, headers=headers) for _ in range(60)]
            time.sleep(TRUST_SECONDS + 0.2)  # the key is no longer remembered
            assert client.get("/v1/collections", headers=key).status_code == 200
            assert not all(one.done() for one in waiting)
            assert {one.result().status_code for one in waiting} == {503}
            came = accepted(silent)
            assert client.get(path, headers=headers).status_code == 503
            assert came > 0 and accepted(silent) == 0, "it is not asked again at once"


def accepted(listening: socket.socket) -> int:
    """How many connections came since this was asked last; they are closed."""
    count = 0
    while select.select([listening], [], [], 0)[0]:
        listening.accept()[0].close()
        count += 1
    return count


def test_one_asks_the_issuer_and_few_wait() -> None:
    asked, answer = [], threading.Event()

    def fetch() -> str:
        asked.append("once")
        answer.wait(30)
        raise ValueError("it talks nonsense")

    published = Published(fetch, lambda why: ApiError(503, "issuer_unavailable", why))

    def told() -> str:
        with pytest.raises(ApiError) as error:
            published.get(lambda value, age: True)
        return error.value.message

    with ThreadPoolExecutor(MAX_WAITING + 5) as many:
        all_of_them = [many.submit(told) for _ in range(MAX_WAITING + 5)]
        at_once = [one.result() for one in itertools.islice(as_completed(all_of_them, timeout=30), 5)]
        assert at_once == ["many requests wait for it already"] * 5
        answer.set()
        assert [one.result() for one in all_of_them].count("it talks nonsense") == MAX_WAITING
    assert told() == "it talks nonsense" and asked == ["once"]


def test_while_one_asks_anew_what_was_good_a_moment_ago_goes_on() -> None:
    """The issuer is well: nobody is refused because its keys are read again every five minutes."""
    begun, answer = threading.Event(), threading.Event()
    answers = iter(("old", "new"))

    def fetch() -> str:
        value = next(answers)
        if value == "new":
            begun.set()
            answer.wait(30)
        return value

    published = Published(fetch, lambda why: ApiError(503, "issuer_unavailable", why))
    assert published.get(lambda value, age: True) == "old"
    with ThreadPoolExecutor(1) as other:
        anew = other.submit(published.get, lambda value, age: value == "new")
        assert begun.wait(30)
        said = [published.get(lambda value, age: value == "new", lambda value, age: True) for _ in range(40)]
        answer.set()
        assert (said, anew.result()) == (["old"] * 40, "new")
