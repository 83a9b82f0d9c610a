"""What answers of an endpoint cost in money, by the prices that the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.settings import Settings
from search_core.answering.scoring import Scored

QUESTIONS = 1_000  # that a cost is told for
MILLION = 1e6  # tokens that a price is told for


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million tokens sent and received, in any currency; `most`: what 1,000 questions may cost, 0: anything."""

    prompt: float
    completion: float
    most: float

    @classmethod
    def of(cls, settings: Settings) -> Prices:
        """Those of the settings."""
        return cls(settings.llm_prompt_price, settings.llm_completion_price, settings.llm_most_cost)

    def of_questions(self, scored: Sequence[Scored]) -> float:
        """What 1,000 such questions cost; 0 where nothing was sent to an endpoint, or no prices are known."""
        if not scored:
            return 0.0
        total = sum(self.prompt * one.prompt_tokens + self.completion * one.completion_tokens for one in scored)
        return round(QUESTIONS * total / MILLION / len(scored), 6)

    def too_dear(self, scored: Sequence[Scored]) -> bool:
        """Whether such questions cost more than they may."""
        return bool(self.most) and self.of_questions(scored) > self.most
