"""Secrets in texts are replaced, whichever of them holds another."""

from __future__ import annotations

import pytest

from infra.hiding import hide
from ingest.connect.address import DatabaseAddress


@pytest.mark.parametrize(
    ("secrets", "shown"),
    [
        ((), "a key abcd and abcdef"),
        (("",), "a key abcd and abcdef"),
        (("abcd", "abcdef"), "a key *** and ***"),
        (("abcdef", "abcd"), "a key *** and ***"),
    ],
)
def test_the_longest_goes_first(secrets: tuple[str, ...], shown: str) -> None:
    assert hide("a key abcd and abcdef", secrets) == shown


def test_a_password_leaves_nothing_of_what_a_url_makes_of_it() -> None:
    address = DatabaseAddress.parse("postgresql://u@db/x").with_password("%")
    assert address.scrub("user:%25@db") == "user:***@db"
