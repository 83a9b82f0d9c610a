"""A time limit that parsers ask between pages, sheets and slides, and for all types between blocks and rows."""

from __future__ import annotations

import time

from ingest.errors import ParseError

PARSE_SECONDS = 60.0  # of processor time, so that a busy machine refuses nothing; an ordinary page takes milliseconds


class Deadline:
    """Ends the parsing of a file that takes too long; asked in the thread that made it."""

    def __init__(self, name: str, seconds: float = PARSE_SECONDS) -> None:
        self._name = name
        self._seconds = seconds
        self._end = time.thread_time() + seconds

    @property
    def left(self) -> float:
        """Seconds of processor time until it ends; negative afterwards."""
        return self._end - time.thread_time()

    def check(self) -> None:
        """Raises `ParseError` once the time is over."""
        if self.left < 0:
            raise ParseError(
                f"{self._name} takes more than {self._seconds:.0f} s of processor time to read",
                "split it, or print it to a new file: its structure may be damaged",
            )
