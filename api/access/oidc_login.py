"""Logging in through an identity provider: the authorization code flow with PKCE (RFC 6749, 7636; OpenID Connect Core).

What must be remembered between leaving for the provider and coming back is in an encrypted cookie, so any process of a
cluster can take the caller back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import orjson

from api.access.callers import Caller
from api.access.tokens import (
    FETCH_TIMEOUT_SECONDS,
    KEYS_LAST_SECONDS,
    REFETCH_SECONDS,
    Published,
    TokenVerifier,
    discover,
)
from api.errors import ApiError, unauthenticated
from infra.addresses import without_login
from infra.secrets import CONSOLE_LOGINS, SecretBox
from infra.settings import Settings, SettingsError

LOGIN_SECONDS = 600  # to type a password and find a second factor
SCOPE = "openid profile email groups"
NAMES = ("name", "preferred_username", "email", "sub")  # claims, the most readable first


class OidcLogin:
    """Sends callers to the issuer and takes them back. Nothing is asked of it before somebody wants to log in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        # an identity token is for the client that asked for it (OpenID Connect Core, 3.1.3.7)
        self._tokens = TokenVerifier(self._issuer, self._client_id, settings.oidc_jwks_url, settings.oidc_groups_claim)
        self._addresses = Published(self._discover, self._silent)

    @classmethod
    def of(cls, settings: Settings) -> OidcLogin | None:
        """The login that the settings ask for; None where they name no client. Raises `SettingsError`."""
        if not settings.oidc_client_id:
            return None
        if not settings.oidc_issuer:
            raise SettingsError(
                "setting oidc_client_id (KB_OIDC_CLIENT_ID) is set without oidc_issuer; name the issuer"
            )
        return cls(settings)

    def begin(self, redirect_uri: str) -> tuple[str, str]:
        """Where to send the caller, and the cookie to bring back. Raises `ApiError` 503 where the issuer is silent."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        until = time.time() + LOGIN_SECONDS
        kept = orjson.dumps({"state": state, "nonce": nonce, "verifier": verifier, "until": until}).decode()
        address, _ = self._addresses.get(_is_fresh)
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", self._box().encrypt(kept).decode()

    def finish(self, cookie: str, state: str, code: str, redirect_uri: str) -> tuple[Caller, str]:
        """Who came back, and the name to show. Raises `ApiError`: 401 for what does not fit, 503 for silence."""
        kept = self._kept(cookie)
        if not hmac.compare_digest(kept["state"].encode(), state.encode()):
            raise unauthenticated("this answer of the identity provider is not for this browser; log in again")
        token = self._exchange(code, kept["verifier"], redirect_uri)
        claims = self._tokens.claims(token)
        if not hmac.compare_digest(kept["nonce"].encode(), str(claims.get("nonce", "")).encode()):
            raise unauthenticated("the identity provider's token is not of this login; log in again")
        label = next(str(claims[name]) for name in NAMES if claims.get(name))
        return self._tokens.caller_of(claims), label

    def _kept(self, cookie: str) -> dict[str, Any]:
        text = self._box().opened(cookie.encode()) if cookie.isascii() else None
        kept: dict[str, Any] = orjson.loads(text) if text is not None else {"until": 0.0}
        if kept["until"] < time.time():
            raise unauthenticated("this login was begun too long ago, or in another browser; log in again")
        return kept

    def _exchange(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The identity token for the code."""
        _, address = self._addresses.get(_is_fresh)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"client_id": self._client_id, "code_verifier": verifier}
        secret = self._settings.oidc_client_secret.get_secret_value()
        quoted = (quote(self._client_id, safe=""), quote(secret, safe=""))  # RFC 6749, 2.3.1
        try:
            with httpx.Client(timeout=FETCH_TIMEOUT_SECONDS, auth=quoted if secret else None) as client:
                answer = client.post(address, data=form, headers={"Accept": "application/json"})
                said = answer.json() if answer.status_code in (200, 400, 401) else {}
        except (httpx.HTTPError, ValueError) as error:
            raise self._silent(str(error)) from error
        token = said.get("id_token") if isinstance(said, dict) and answer.status_code == 200 else None
        if not isinstance(token, str):
            why = said.get("error", answer.status_code) if isinstance(said, dict) else answer.status_code
            raise unauthenticated(f"the identity provider gave no token ({why}); log in again, or ask an operator")
        return token

    def _discover(self) -> list[str]:
        with httpx.Client(timeout=FETCH_TIMEOUT_SECONDS) as client:
            return discover(client, self._issuer, "authorization_endpoint", "token_endpoint")

    def _silent(self, why: str) -> ApiError:
        return ApiError(
            503,
            "issuer_unavailable",
            without_login(
                f"the identity provider {self._issuer} cannot be asked ({why}); try again, or log in with a key"
            ),
            retry_after=REFETCH_SECONDS,
        )

    def _box(self) -> SecretBox:
        return SecretBox.of(self._settings, CONSOLE_LOGINS)


def _is_fresh(_: list[str], age: float) -> bool:
    return age <= KEYS_LAST_SECONDS
