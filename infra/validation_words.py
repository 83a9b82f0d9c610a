"""What a pydantic rule of our own says, as it was written there."""

from __future__ import annotations


def rule_words(message: str) -> str:
    """The message of a problem without the class that pydantic puts before a `ValueError`'s words."""
    return message.removeprefix("Value error, ")
