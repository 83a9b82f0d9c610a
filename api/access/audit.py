"""The audit log of the API: every write, every operator's act, and every refusal for want of rights."""

from __future__ import annotations

import logging
import threading
from ipaddress import ip_address

from api.access.limits import TokenBuckets
from api.access.request_state import RequestState
from retrieval.catalog.journal import Audit
from retrieval.errors import RetrievalError

logger = logging.getLogger(__name__)

DENIALS_PER_MINUTE = 120  # more say nothing new, and would let anybody fill the disk
MAX_TARGET = 500  # characters; a path may have 65,536
DENIED_STATUSES = (401, 403)


class Auditor:
    """Writes what requests did."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._denials = TokenBuckets(DENIALS_PER_MINUTE)
        self._left_out = 0
        self._counting = threading.Lock()

    def concerns(self, state: RequestState, status: int) -> bool:
        """Whether that request belongs into the log. Who only asks whether he is logged in is refused nothing."""
        return state.audited or state.denied or (status in DENIED_STATUSES and not state.asks_who)

    def record(self, state: RequestState, method: str, route: str, path: str, status: int, address: str) -> None:
        """Write one act or refusal; a catalog that does not answer is logged, since the act has been done."""
        denied = state.denied or status in DENIED_STATUSES
        detail = {"status": status, "address": _plain_address(address), **state.detail}
        if denied:
            left_out = self._left_out_before()
            if left_out is None:
                return
            detail |= {"denied": True} | ({"denials_left_out": left_out} if left_out else {})
        target = (state.target or path).replace("\0", r"\x00")[:MAX_TARGET]  # PostgreSQL stores no NUL
        who = state.caller.name if state.caller is not None else "anonymous"
        try:
            self._audit.record(who, f"{method} {route}", target, detail, state.request_id)
        except RetrievalError as error:
            logger.error("%s %s by %s (status %d) is missing in the audit log: %s", method, path, who, status, error)

    def _left_out_before(self) -> int | None:
        """How many refusals were left out since the last one written; None where this one is left out too."""
        with self._counting:
            if self._denials.take("denials"):
                self._left_out += 1
                return None
            left_out, self._left_out = self._left_out, 0
            return left_out


def _plain_address(address: str) -> str:
    """The address; "" for what is none, which a proxy may have passed on from its client."""
    try:
        return str(ip_address(address))
    except ValueError:
        return ""
