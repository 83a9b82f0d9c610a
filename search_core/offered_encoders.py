"""Which finished experiments have proven an encoder that may still come to serve, by what they left behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_core.proof.reasons import NOT_EMBEDDED, ReasonCode, codes_of

OFFERED = frozenset({ReasonCode.NOT_EMBEDDED, ReasonCode.NOT_ASKED, ReasonCode.NOT_STEP_BY_STEP})


def waits(result: Mapping[str, Any]) -> bool:
    """Whether a finished experiment has proven an encoder that only lacks its generation."""
    codes = codes_of(result)
    alone = list(result.get("reasons", ())) == [NOT_EMBEDDED] if codes is None else codes == (ReasonCode.NOT_EMBEDDED,)
    return bool(result.get("model")) and alone


def is_offered(result: Mapping[str, Any]) -> bool:
    """Whether its encoder may still come to serve: it waits, or a person is told how to let it."""
    model, codes = result.get("model"), codes_of(result)
    if codes is not None:
        return bool(model) and not OFFERED.isdisjoint(codes)
    return waits(result) or (bool(model) and any(str(model) in reason for reason in result.get("reasons", ())))
