"""Which plan serves whom while a share of the searches is served by a candidate."""

from __future__ import annotations

import hashlib
from enum import StrEnum

SPAN = 2**64


class Unit(StrEnum):
    """What always gets the same plan."""

    SESSION = "session"  # a session where the request names one, else the caller
    QUERY = "query"  # a query of a caller: where all requests come with one key


def unit_of(unit: Unit, caller: str, session: str, query: str) -> str:
    """What the request is assigned by."""
    if unit is Unit.QUERY:
        return f"query\n{caller}\n{query}"
    return f"session\n{caller}\n{session}" if session else f"caller\n{caller}"


def is_chosen(rollout: int, unit: str, share: float) -> bool:
    """Whether the candidate serves it: the same answer in every process, and still yes when the share grows."""
    digest = hashlib.sha256(f"{rollout}\n{unit}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / SPAN < share
