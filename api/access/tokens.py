"""JSON Web Tokens of one OIDC issuer: signature, issuer, audience and expiry are verified, then groups are read.

A token's holder may read; what he reads, his groups decide. To write, use a key.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx
import jwt

from api.access.callers import Caller
from api.access.loopback import is_loopback
from api.errors import ApiError, unauthenticated
from infra.addresses import without_login
from infra.settings import Settings, SettingsError
from retrieval.catalog.keys import Scope
from retrieval.types import EVERYONE

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub")
CLOCK_SKEW_SECONDS = 30  # between the issuer's clock and ours
KEYS_LAST_SECONDS = 300  # so that a key the issuer withdraws is soon refused
REFETCH_SECONDS = 10  # at most this often after a failure, and for key ids we do not know: anybody can make those up
FETCH_TIMEOUT_SECONDS = 5
FETCH_GRACE_SECONDS = 2 * FETCH_TIMEOUT_SECONDS  # that known keys go on while one thread asks for them anew
MAX_WAITING = 10  # threads at once that ask or wait for one thing that the issuer says: others go on working
FAILURES = (httpx.HTTPError, jwt.PyJWTError, ValueError)  # of an issuer that is silent or talks nonsense

T = TypeVar("T")
IsGood = Callable[[T, float], bool]  # of what is kept, and its age in seconds


class TokenVerifier:
    """Turns tokens into callers. Raises `SettingsError` when the issuer's settings do not fit together."""

    def __init__(self, issuer: str, audience: str, jwks_url: str = "", groups_claim: str = "groups") -> None:
        if not audience:
            raise SettingsError("setting oidc_audience (KB_OIDC_AUDIENCE) is empty; name the audience of your tokens")
        for name, url in (("oidc_issuer", issuer), ("oidc_jwks_url", jwks_url)):
            if url and not _is_safe(url):
                shown = f"setting {name} (KB_{name.upper()}) = {without_login(url)!r}"
                raise SettingsError(f"{shown}: expected https:// (http:// on loopback only)")
        self._issuer = issuer
        self._audience = audience
        self._groups_claim = groups_claim
        self._signing_keys = SigningKeys(issuer, jwks_url)

    @classmethod
    def of(cls, settings: Settings) -> TokenVerifier | None:
        """The verifier the settings ask for; None where they name no issuer."""
        if not settings.oidc_issuer:
            return None
        return cls(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url, settings.oidc_groups_claim)

    def verify(self, token: str) -> Caller:
        """The token's holder. Raises `ApiError`: 401 for a token that is not good, 503 when the issuer is silent."""
        return self.caller_of(self.claims(token))

    def claims(self, token: str) -> dict[str, Any]:
        """What a token says, once it was verified; raises as `verify`."""
        try:
            key = self._signing_keys.get(jwt.get_unverified_header(token).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": list(REQUIRED_CLAIMS)},
            )
        except jwt.PyJWTError as error:
            raise unauthenticated(f"the token is not accepted: {error}; sign in again") from error
        return claims

    def caller_of(self, claims: Mapping[str, Any]) -> Caller:
        """Whom verified claims name: he may read what his groups may."""
        return Caller(f"oidc:{claims['sub']}", Scope.READ, self._groups(claims) | {EVERYONE})

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """No claim means no groups; a claim of another shape is refused, lest it be read wrongly."""
        groups = claims.get(self._groups_claim, [])
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise unauthenticated(f"the token's claim {self._groups_claim!r} is not a list of texts; ask the issuer")
        return frozenset(groups)


class SigningKeys:
    """The issuer's public keys, fetched when first needed and again when they are old or one is missing."""

    def __init__(self, issuer: str, jwks_url: str) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._published = Published(self._fetch, self._silent)

    def get(self, key_id: str | None) -> jwt.PyJWK:
        """The key of that id, or the only key for a token that names none.

        Raises `jwt.InvalidKeyError` where there is none, `ApiError` 503 where the issuer does not tell.
        """

        def is_good(keys: list[jwt.PyJWK], age: float) -> bool:
            return age <= (KEYS_LAST_SECONDS if _find(keys, key_id) is not None else REFETCH_SECONDS)

        def is_usable(keys: list[jwt.PyJWK], age: float) -> bool:
            return _find(keys, key_id) is not None and age <= KEYS_LAST_SECONDS + FETCH_GRACE_SECONDS

        found = _find(self._published.get(is_good, is_usable), key_id)
        if found is None:
            raise jwt.InvalidKeyError(f"the issuer has no signing key {key_id!r}")
        return found

    def _fetch(self) -> list[jwt.PyJWK]:
        with httpx.Client(timeout=FETCH_TIMEOUT_SECONDS) as client:
            url = self._jwks_url or discover(client, self._issuer, "jwks_uri")[0]
            published = jwt.PyJWKSet.from_dict(_json(client, url)).keys
        return [key for key in published if key.public_key_use in (None, "sig")]

    def _silent(self, why: str) -> ApiError:
        return ApiError(
            503,
            "issuer_unavailable",
            without_login(f"the signing keys of {self._issuer} cannot be read ({why}); try again, or use a key"),
            retry_after=REFETCH_SECONDS,
        )


class Published(Generic[T]):
    """What the issuer says and we keep: one thread asks, few wait for it, and a failure is not tried again at once.

    Anybody can make us ask, without a key, and the threads that wait are those that serve everybody.
    """

    def __init__(self, fetch: Callable[[], T], silent: Callable[[str], ApiError]) -> None:
        """`fetch` asks, and raises one of `FAILURES`; `silent` makes the error that its reason is told by."""
        self._fetch = fetch
        self._silent = silent
        self._kept: tuple[T, float] | None = None  # and when it was fetched
        self._failure = ("", -float("inf"))  # likewise
        self._fetching = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)

    def get(self, is_good: IsGood[T], is_usable: IsGood[T] = lambda value, age: False) -> T:
        """What is kept, if that is good by its age in seconds, else what the issuer says now. Raises `ApiError` 503.

        While another thread asks, what `is_usable` does instead, without a wait.
        """
        kept = self._good(is_good)
        if kept is not None:
            return kept[0]
        is_free = not self._fetching.locked() and self._waiting.acquire(blocking=False)
        if not is_free and (kept := self._good(is_usable)) is not None:
            return kept[0]
        if not is_free and not self._waiting.acquire(blocking=False):
            raise self._silent("many requests wait for it already")
        try:
            with self._fetching:
                kept = self._good(is_good)  # another thread may have been first
                return self._fetched() if kept is None else kept[0]
        finally:
            self._waiting.release()

    def _good(self, is_good: IsGood[T]) -> tuple[T, float] | None:
        kept = self._kept
        return kept if kept is not None and is_good(kept[0], time.monotonic() - kept[1]) else None

    def _fetched(self) -> T:
        why, at = self._failure
        if time.monotonic() - at <= REFETCH_SECONDS:
            raise self._silent(why)
        try:
            value = self._fetch()
        except FAILURES as error:
            self._failure = (str(error), time.monotonic())
            raise self._silent(str(error)) from error
        self._kept = (value, time.monotonic())
        return value


def _find(keys: list[jwt.PyJWK], key_id: str | None) -> jwt.PyJWK | None:
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.key_id == key_id), None)


def discover(client: httpx.Client, issuer: str, *names: str) -> list[str]:
    """The addresses of those names (OpenID Connect Discovery 1.0, section 4: the document must name the very issuer).

    Raises `ValueError` where it does not, or an address is not safe; `httpx.HTTPError` where the issuer is silent.
    """
    found = _json(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    urls = [found.get(name) for name in names]
    if found.get("issuer") != issuer or not all(isinstance(url, str) and _is_safe(url) for url in urls):
        raise ValueError(f"its discovery document names another issuer or no safe {', '.join(names)}")
    return [str(url) for url in urls]


def _json(client: httpx.Client, url: str) -> dict[str, Any]:
    answer = client.get(url).raise_for_status().json()
    if not isinstance(answer, dict):
        raise ValueError(f"{url} answers no JSON object")
    return answer


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
