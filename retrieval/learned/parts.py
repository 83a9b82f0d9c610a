"""The learned parts of a plan while searches run: one that cannot be read is gone without, and said once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from retrieval.errors import InvalidInputError
from retrieval.learned.adapter import QueryAdapter
from retrieval.learned.plan_parts import named_parts
from retrieval.learned.precedents import Precedents
from retrieval.learned.ranker import Ranker
from retrieval.plan import FusionMethod, Plan

logger = logging.getLogger(__name__)

Part = TypeVar("Part")


class LearnedParts:
    """Opens what plans name; `None` stands for what cannot be read."""

    def __init__(
        self,
        open_adapter: Callable[[str], QueryAdapter],
        open_precedents: Callable[[str], Precedents],
        open_ranker: Callable[[str], Ranker],
    ) -> None:
        self._open_adapter = open_adapter
        self._open_precedents = open_precedents
        self._open_ranker = open_ranker
        self._unreadable: dict[tuple[str, str], str] = {}  # kind and name of a learned part -> why

    def adapter(self, name: str) -> QueryAdapter | None:
        """What turns the query's vector."""
        return self._part("adapter", self._open_adapter, name)

    def precedents(self, name: str) -> Precedents | None:
        """What answered earlier questions."""
        return self._part("precedents", self._open_precedents, name)

    def ranker(self, name: str) -> Ranker | None:
        """What orders the candidates."""
        return self._part("ranker", self._open_ranker, name)

    def unreadable(self, plan: Plan) -> dict[str, str]:
        """Kinds of the plan's learned parts that searches went without of late, with the reason."""
        named = named_parts(plan)
        unused = ("adapter", "ranker") if plan.fusion is FusionMethod.SPARSE else ()  # they need the query's vector
        known = ((kind, self._unreadable.get((kind, name))) for kind, name in named.items() if kind not in unused)
        return {kind: why for kind, why in known if why is not None}

    def _part(self, kind: str, open_part: Callable[[str], Part], name: str) -> Part | None:
        try:
            part = open_part(name)
        except InvalidInputError as error:
            if (kind, name) not in self._unreadable:
                self._unreadable[kind, name] = str(error)
                logger.error("searches go on without %s: %s", kind, error)
            return None
        self._unreadable.pop((kind, name), None)
        return part
