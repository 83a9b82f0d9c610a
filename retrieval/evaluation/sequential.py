"""Tests that may be looked at after every observation and still err no more often than they say.

An e-value is a bet against a hypothesis: under it, the chance that it ever reaches 1/α is at most α (Ville's
inequality), however often one looks and whenever one stops. Each numerator is a mixture over alternatives (Jeffreys'
prior), each denominator the likelihood under the hypothesis at its best ("universal inference", Wasserman, Ramdas and
Balakrishnan 2020). Only sums go in, so that the counts of several processes can be added.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log


def e_more_often(events: float, of: float, other_events: float, other_of: float) -> float:
    """Against "the first's rate is no higher than the other's"; 1 where it is not higher in what was seen.

    Two independent groups: `events` out of `of` each.
    """
    if not of or not other_of or events * other_of <= other_events * of:
        return 1.0
    alternative = _mixture(events, of) + _mixture(other_events, other_of)
    return _exp(alternative - _best(events + other_events, of + other_of))


def e_mostly(events: float, of: float) -> float:
    """Against "such an event is no likelier than its opposite", as of pairs that differ; 1 where half or fewer are."""
    if 2 * events <= of:
        return 1.0
    return _exp(_mixture(events, of) - of * log(0.5))


def _mixture(events: float, of: float) -> float:
    """Log-likelihood of a sequence with so many events, the rate drawn from Beta(1/2, 1/2)."""
    return _log_beta(events + 0.5, of - events + 0.5) - _log_beta(0.5, 0.5)


def _best(events: float, of: float) -> float:
    """Log-likelihood at the rate that fits best."""
    rest = of - events
    return sum(count * log(count / of) for count in (events, rest) if count)


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)


def _exp(value: float) -> float:
    return exp(value) if value < 700 else inf
