"""An OpenID issuer for tests: its keys, what it publishes of them, and the tokens that it signs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "kb"


@dataclass
class Issuer:
    """An issuer with RSA and elliptic-curve keys; whoever serves `document` sets its `url`."""

    url: str = ""
    named: str = ""  # what the discovery document says; "" the truth
    fetched: list[str] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    algorithms: dict[str, str] = field(default_factory=dict)

    def make_key(self, key_id: str, kind: str) -> None:
        is_rsa = kind == "RS256"
        self.keys[key_id] = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
        self.algorithms[key_id] = kind

    def document(self, path: str) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            return {"issuer": self.named or self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [self._published(key_id) for key_id in self.keys]}

    def _published(self, key_id: str) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(self.algorithms[key_id])
        public = algorithm.to_jwk(self.keys[key_id].public_key(), as_dict=True)
        return {**public, "kid": key_id, "use": "sig", "alg": self.algorithms[key_id]}

    def token(self, key_id: str = "rsa", *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "exp": time.time() + 60,
            "groups": ["staff"],
        } | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.keys[key_id], self.algorithms[key_id], headers={"kid": key_id} | (headers or {}))
