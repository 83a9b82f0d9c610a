"""Why a run let nothing serve: sentences for people, each with a code that programs go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any


class ReasonCode(StrEnum):
    """Stable words; `reason_codes` of a result has them, in the order of its `reasons`."""

    UNTRIED = "untried"  # the budget sufficed for no trial
    NOT_COMPARED = "not_compared"  # nor for a question to every answer model
    NOT_BEATEN = "not_beaten"
    ANSWERER_NOT_BEATEN = "answerer_not_beaten"
    NOT_JUDGED = "not_judged"
    NO_GAIN = "no_gain"
    CHANCE = "chance"
    KIND_WORSE = "kind_worse"
    SLOWER = "slower"  # than what serves, by more than is allowed
    OVER_LATENCY = "over_latency"  # slower than the task allows
    OVER_COST = "over_cost"
    ENDPOINT_FAILED = "endpoint_failed"
    NOT_ASKED = "not_asked"
    NOT_EMBEDDED = "not_embedded"
    NOT_STEP_BY_STEP = "not_step_by_step"
    OVERTAKEN = "overtaken"
    ROLLOUT_BEGAN = "rollout_began"
    ROLLOUT_REFUSED = "rollout_refused"
    PART_UNFIT = "part_unfit"  # what the plan names cannot be served with the tuned encoder


class Reason(str):
    """The sentence, with its code."""

    __slots__ = ("code",)
    code: ReasonCode

    def __new__(cls, code: ReasonCode, sentence: str) -> Reason:
        """A string like any other, which knows its code."""
        reason = super().__new__(cls, sentence)
        reason.code = code
        return reason

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # of what `__new__` takes, for copies
        return self.code, str(self)


NOT_EMBEDDED = Reason(
    ReasonCode.NOT_EMBEDDED,
    "the collection is to be embedded anew by the tuned encoder first, as a generation beside the one that serves",
)
NOT_JUDGED = Reason(
    ReasonCode.NOT_JUDGED,
    "the questions were made from the corpus and nobody judged them; promote the plan yourself if you trust them",
)
NOT_BEATEN = Reason(
    ReasonCode.NOT_BEATEN, "what serves already was not beaten by more than chance on the working questions"
)
ANSWERER_NOT_BEATEN = Reason(
    ReasonCode.ANSWERER_NOT_BEATEN, "what answers already was not beaten on the working questions"
)
OVERTAKEN = "{} began to serve during the run, so this comparison is out of date; run it again"
OTHER_PLAN = Reason(ReasonCode.OVERTAKEN, OVERTAKEN.format("another plan"))
OTHER_PLAN_OR_ENCODER = Reason(ReasonCode.OVERTAKEN, OVERTAKEN.format("another plan or encoder"))
OTHER_ENCODER = Reason(ReasonCode.OVERTAKEN, "another encoder began to serve during the run; run it again")


def not_asked(plan_id: int, collection: str, model: str | None = None) -> Reason:
    """What a person can do instead; `model`: the tuned encoder that must embed the collection before."""
    first = "" if model is None else f"`kb reindex -c {collection} --encoder {model}`, then "
    promote = f"`kb plans promote {plan_id} -c {collection}`"
    return Reason(ReasonCode.NOT_ASKED, f"promotion was not asked for; {first}{promote} does it")


def to_fields(reasons: Sequence[Reason]) -> dict[str, Any]:
    """The fields of a result that tell them."""
    return {"reasons": [str(reason) for reason in reasons], "reason_codes": [reason.code.value for reason in reasons]}


def codes_of(result: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The codes that `to_fields` told; None in results of earlier versions, which have sentences only."""
    codes = result.get("reason_codes")
    return None if codes is None else tuple(codes)
