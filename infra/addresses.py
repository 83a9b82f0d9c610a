"""Addresses of servers as they may be shown."""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")


def without_login(text: str) -> str:
    """The text with user and password taken out of each URL in it."""
    return _LOGIN.sub("", text)
