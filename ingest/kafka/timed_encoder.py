"""An encoder that tells how long it was busy, so that a worker's time can be told by stage."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter

from retrieval.contracts import Encoder
from retrieval.types import Vectors


class TimedEncoder:
    """The encoder given, with `seconds` in which it was busy with passages so far, by however many callers."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.seconds = 0.0
        self._guard = threading.Lock()
        self._callers = 0
        self._began = 0.0

    @property
    def fingerprint(self) -> str:
        """See `Encoder`."""
        return self._encoder.fingerprint

    @property
    def dim(self) -> int:
        """See `Encoder`."""
        return self._encoder.dim

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder`."""
        return self._encoder.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder`."""
        with self._guard:
            if not self._callers:
                self._began = perf_counter()
            self._callers += 1
        try:
            return self._encoder.encode_passages(texts)
        finally:
            with self._guard:
                self._callers -= 1
                if not self._callers:
                    self.seconds += perf_counter() - self._began

    def coverage(self, text: str) -> float:
        """See `Encoder`."""
        return self._encoder.coverage(text)
