"""The promotion gate: a candidate serves only when sealed questions prove that it is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.wording import counted
from retrieval.evaluation.metrics import bootstrap_interval, randomisation_test
from retrieval.search.request_time import LATENCY_RATIO
from search_core.proof.reasons import Reason, ReasonCode
from search_core.questions.question_kinds import merged
from search_core.questions.splits import independent_groups
from search_core.repeats import groups_of, once

LEVEL = 0.05  # of the paired test, where nothing was tested on the questions before
MIN_STRATUM = 10  # questions; a smaller kind of question has no interval worth the name

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Latency:
    """Median of a request by the plan that serves, that times the median ratio, and the ratio's interval.

    Milliseconds of processor time, of the search and what surrounds it (`search_core.proof.latency`).
    """

    before_ms: float
    after_ms: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """How many times as long it takes."""
        return self.after_ms / self.before_ms

    @property
    def is_slow(self) -> bool:
        """Whether the ratio is beyond what a plan may take longer."""
        return self.ratio > LATENCY_RATIO


@dataclass(frozen=True, slots=True)
class Stratum:
    """The difference on one kind of question, with its paired 95 % bootstrap interval."""

    name: str
    questions: int
    lift: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sealed questions say: means before and after, the lift with its interval, and why it may not serve."""

    before: float
    after: float
    lift: float
    low: float
    high: float
    p_value: float
    questions: int
    strata: tuple[Stratum, ...]
    reasons: tuple[Reason, ...]  # why not; empty: it may serve
    latency: Latency | None = None  # of both plans, where it was measured
    earlier_tests: int = 0  # of other candidates on these questions

    @property
    def level(self) -> float:
        """What p had to be below."""
        return level_of(self.earlier_tests)

    @property
    def passes(self) -> bool:
        """Whether the candidate may serve."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self) | {"passes": self.passes, "level": self.level}
        del values["latency"]  # differs from run to run, and artifacts of equal runs are equal
        return values


def level_of(earlier_tests: int) -> float:
    """The level of a test on questions that so many tests were made on before: Bonferroni over all of them."""
    return LEVEL / (earlier_tests + 1)


def judge(
    before: Values,
    after: Values,
    kinds: Sequence[Sequence[str]],
    *,
    seed: int,
    texts: Sequence[str] | None = None,
    links: Sequence[Sequence[str]] | None = None,
    latency: Latency | None = None,
    bound_ms: float | None = None,
    earlier_tests: int = 0,
) -> Verdict:
    """Compare question by question; `kinds[i]` are the strata that question i belongs to, such as its language.

    Languages of fewer than `MIN_STRATUM` questions are one stratum, so that a loss on all of them is seen.
    `texts`: what the questions ask; those that ask the same count as one, by their mean. Without it all differ.
    `links`: what each question has in common with others, such as the documents that answer it; questions that are
    linked are no independent evidence, and are flipped and drawn together. Without it all are independent.
    `earlier_tests`: how many candidates these questions tested before (`search_core.proof.earlier_tests`).
    The test is the paired randomisation test (Smucker et al. 2007). Equal values are never better: p is 1 then.
    """
    if texts is not None:
        groups = groups_of(texts)
        before, after = once(before, groups), once(after, groups)
        kinds = [kinds[places[0]] for places in groups]
        links = None if links is None else [[link for place in places for link in links[place]] for places in groups]
    differences = after - before
    linked = None if links is None else independent_groups(links)
    low, high = bootstrap_interval(differences, seed=seed, groups=linked)
    p_value = randomisation_test(after, before, seed=seed, groups=linked) if np.any(differences) else 1.0
    strata = _strata(differences, kinds, seed, links)
    lift = float(differences.mean())
    proof = _reasons(lift, low, p_value, level_of(earlier_tests), strata)
    reasons = (*proof, *why_too_slow(latency, bound_ms))
    means = float(before.mean()), float(after.mean())
    return Verdict(*means, lift, low, high, p_value, len(differences), strata, reasons, latency, earlier_tests)


def _reasons(lift: float, low: float, p_value: float, level: float, strata: Sequence[Stratum]) -> tuple[Reason, ...]:
    found = []
    if lift <= 0:
        found.append(Reason(ReasonCode.NO_GAIN, f"the sealed questions show no gain ({lift:+.4f})"))
    elif p_value >= level or low <= 0:
        chance = f"a gain of {lift:+.4f} may be chance (p = {p_value:.3f}; expected below {level:.3g})"
        found.append(Reason(ReasonCode.CHANCE, chance))
    for stratum in strata:
        if stratum.high < 0:
            become = "becomes" if stratum.questions == 1 else "become"
            asked = counted(stratum.questions, "question")
            worse = f"{asked} of kind {stratum.name} {become} worse ({stratum.lift:+.4f})"
            found.append(Reason(ReasonCode.KIND_WORSE, worse))
    return tuple(found)


def why_too_slow(latency: Latency | None, bound_ms: float | None) -> tuple[Reason, ...]:
    """Why searches may not take so long, `bound_ms` being what the task says; empty where they may."""
    if latency is None:
        return ()
    if latency.is_slow:
        what = f"{latency.ratio:.2f} times as long ({latency.low:.2f} to {latency.high:.2f})"
        return (Reason(ReasonCode.SLOWER, f"searches would take {what}; expected at most {LATENCY_RATIO}"),)
    if bound_ms is not None and latency.after_ms > bound_ms:
        slow = f"searches would take {latency.after_ms:.1f} ms; the task says at most {bound_ms:g} ms"
        return (Reason(ReasonCode.OVER_LATENCY, slow),)
    return ()


def _strata(
    differences: Values, kinds: Sequence[Sequence[str]], seed: int, links: Sequence[Sequence[str]] | None
) -> tuple[Stratum, ...]:
    places: dict[str, list[int]] = {}
    for place, names in enumerate(merged(kinds, MIN_STRATUM)):
        for name in names:
            places.setdefault(name, []).append(place)
    found = []
    for name, mine in sorted(places.items()):
        if MIN_STRATUM <= len(mine) < len(differences):
            values = differences[mine]
            groups = None if links is None else independent_groups([links[place] for place in mine])
            interval = bootstrap_interval(values, seed=seed, groups=groups)
            found.append(Stratum(name, len(mine), float(values.mean()), *interval))
    return tuple(found)
