"""A good key is not looked up again for a second, but never after its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from api.access.security import Authenticator, Presented
from retrieval.catalog.keys import KeyRecord, Scope

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("expires_at", "is_remembered"),
    [(None, True), (NOW + timedelta(days=1), True), (NOW - timedelta(microseconds=1), False)],
)
def test_a_key_is_remembered_until_it_expires(expires_at: datetime | None, is_remembered: bool) -> None:
    record = KeyRecord("id", "name", Scope.READ, None, (), NOW, expires_at, None)
    keys: Any = SimpleNamespace(check=lambda _: record)  # it was still good when it was looked up
    sessions: Any = None
    authenticator, presented = Authenticator(keys, sessions), Presented("Bearer kb_0_secret")
    assert authenticator.check(presented).caller.name == "key:id"
    assert (authenticator.remembered(presented) is not None) is is_remembered


def test_a_key_that_is_revoked_while_it_is_looked_up_is_not_remembered() -> None:
    record = KeyRecord("id", "name", Scope.READ, None, (), NOW, None, None)

    def read_before_it_is_revoked(_: str) -> KeyRecord:
        authenticator.forget()  # as by the request that revokes it, once the catalog was read
        return record

    keys: Any = SimpleNamespace(check=read_before_it_is_revoked)
    sessions: Any = None
    authenticator, presented = Authenticator(keys, sessions), Presented("Bearer kb_0_secret")
    authenticator.check(presented)
    assert authenticator.remembered(presented) is None
