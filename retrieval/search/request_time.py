"""What makes a plan too slow: how much longer a request takes by it than by another.

Who asks for a search waits for the whole request. What surrounds the search is the same for every plan, and in a small
collection it is most of the time: a search of a third of a millisecond may become twice as long unnoticed.
"""

from __future__ import annotations

LATENCY_RATIO = 1.3  # a plan may take this much longer than the one it replaces
# Processor time of `POST /v1/search` beyond its search (authentication, rights, JSON, HTTP): 0.8 to 0.95 ms on an idle
# AMD EPYC (Zen 5). Slower processors take longer for both, so what is left out there only makes the check stricter.
REQUEST_MS = 0.75


def is_slower(after_ms: float, before_ms: float) -> bool:
    """Whether requests with searches of `after_ms` take too much longer than those with `before_ms`."""
    return after_ms + REQUEST_MS > LATENCY_RATIO * (before_ms + REQUEST_MS)
