"""Traces: spans told after the fact, under names that two processes can derive without having met.

Nothing here needs OpenTelemetry; `infra.otlp` does, which `infra.tracing` opens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

Attribute = str | int | float | bool
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)  # W3C, level 1 and on
_SAMPLED = 0x01  # flag of a traceparent


@dataclass(frozen=True, slots=True)
class Place:
    """Names one span among all traces. `sampled` is what its beginner decided; None: the ratio decides, by the name."""

    trace_id: int  # 128 bits, not 0
    span_id: int  # 64 bits, not 0
    sampled: bool | None = None

    @classmethod
    def derived(cls, *parts: object) -> Place:
        """The place that whoever knows these parts derives too; they are told apart by their text."""
        digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=24).digest()
        return cls(int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1)

    @classmethod
    def parse(cls, traceparent: str) -> Place | None:
        """That of a `traceparent` header (W3C Trace Context); None where it is none."""
        found = _TRACEPARENT.fullmatch(traceparent)
        if found is None:
            return None
        trace_id, span_id, flags = (int(part, 16) for part in found.groups())
        return cls(trace_id, span_id, bool(flags & _SAMPLED)) if trace_id and span_id else None


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from `began` to `ended`, in seconds since 1970, and what it consisted of."""

    name: str
    began: float
    ended: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    children: Sequence[Span] = ()
    failed: bool = False
    serves: bool = False  # it answered a request from outside


class Traces(Protocol):
    """Where spans are told to. Thread-safe; telling never waits for whoever collects them."""

    def keeps(self, place: Place) -> bool:
        """Whether a span there, or under it, would be kept."""
        ...

    def record(
        self, span: Span, *, place: Place | None = None, parent: Place | None = None, link: Place | None = None
    ) -> Place:
        """Tell a span with its children, at that place or under that parent; where it is.

        A `link` to what is not kept is left out.
        """
        ...

    def close(self) -> None:
        """Send what is left, for some seconds at most."""
        ...


def end_to_end(began: float, seconds: Mapping[str, float]) -> list[Span]:
    """Stages of which only the length is known, as spans that follow each other."""
    spans = []
    for name, length in seconds.items():
        spans.append(Span(name, began, began + max(0.0, length)))
        began = spans[-1].ended
    return spans
