"""The names of learned parts, which plans carry and which become names of folders."""

from __future__ import annotations

import re

from retrieval.errors import InvalidInputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_name(name: str, thing: str) -> str:
    """The name, if it is one that stays inside the folder of artifacts. Raises `InvalidInputError` otherwise."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"{thing} is {name!r}; expected an artifact's id: letters, digits, '.', '_', '-'")
    return name
