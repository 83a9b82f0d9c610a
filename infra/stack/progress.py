"""How the stack tells what it does, so that a terminal, a pipe and a test each show it in their own way."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where steps are told; called from several threads."""

    def step(self, name: str, text: str) -> None:
        """`name` (a server or an artifact) has come to a new step."""

    def fetched(self, name: str, size: int) -> None:
        """So many bytes of `name` have come in so far."""


class Silent:
    """Tells nobody."""

    def step(self, name: str, text: str) -> None:
        """Nothing."""

    def fetched(self, name: str, size: int) -> None:
        """Nothing."""
