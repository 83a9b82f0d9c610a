"""Texts as they may be shown: with `***` where a secret stood."""

from __future__ import annotations

from collections.abc import Iterable

HIDDEN = "***"


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets, however often they stand in it; empty ones are none.

    The longest first: one that is a part of another must not leave the rest of that.
    """
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
