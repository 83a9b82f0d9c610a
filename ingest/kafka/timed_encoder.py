"""An encoder that tells how long it was busy, so that a worker's time can be told by stage."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from retrieval.contracts import Encoder
from retrieval.types import Vectors


class TimedEncoder:
    """The encoder given, with `seconds` spent on passages so far."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.seconds = 0.0

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
        began = perf_counter()
        try:
            return self._encoder.encode_passages(texts)
        finally:
            self.seconds += perf_counter() - began

    def coverage(self, text: str) -> float:
        """See `Encoder`."""
        return self._encoder.coverage(text)
