"""Policies choose what to try next: random, grid, TPE, evolution, the learned controller; begin at `contract.py`."""

from __future__ import annotations

from search_core.policy import builtin
from search_core.policy.contract import NO_BRIEFING, POLICIES, Briefing, Earlier, Policy, Trial, check_policy

__all__ = ["NO_BRIEFING", "POLICIES", "Briefing", "Earlier", "Policy", "Trial", "check_policy"]

builtin.register()
