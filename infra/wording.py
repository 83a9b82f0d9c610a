"""Numbers in sentences for a person: one thing, two things."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "", *, grouped: bool = False) -> str:
    """The number and the words that go with it: `one` of a single thing, else `many`, by default `one` with an s.

    `grouped` sets thousands apart by commas, as tables and totals have them.
    """
    return f"{count:,} {_words(count, one, many)}" if grouped else f"{count} {_words(count, one, many)}"


def _words(count: int, one: str, many: str) -> str:
    return one if count == 1 else many or f"{one}s"
