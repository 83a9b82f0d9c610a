"""Enters a trial of a dear tier in the experiment log, once, and tells how the run goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from retrieval.plan import Plan
from search_core.candidate import StageReport
from search_core.conditions import Conditions
from search_core.policy.contract import Trial
from search_core.spaces.architecture import Architecture
from search_core.stages.plan_tier import Progress


@dataclass(slots=True)
class Stopwatch:
    """Wall and processor seconds since it was made."""

    began: float = field(default_factory=time.perf_counter)
    cpu_began: float = field(default_factory=time.process_time)

    @property
    def seconds(self) -> float:
        """Wall seconds."""
        return time.perf_counter() - self.began

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds of this process, for trainings and encoders have threads; others' work in it counts in."""
        return time.process_time() - self.cpu_began


@dataclass(slots=True)
class Recorder:
    """Of one stage. Rewards are on one scale with the stages before: their best mean plus the paired gain."""

    conditions: Conditions
    tier: str
    policy: str
    progress: Progress
    best: float
    trials: int = 0

    def add(
        self,
        architecture: Architecture,
        plan: Plan,
        fidelity: float,
        reward: float | None,
        watch: Stopwatch,
        asked: Architecture | None = None,
    ) -> Trial:
        """Log the trial, tell the progress, and give what the policy is to be told of what it `asked`.

        `reward` None: it failed.
        """
        log = self.conditions.log
        body = log.recall(architecture.digest, fidelity)
        if body is None:
            body = log.append(
                {
                    "tier": self.tier,
                    "policy": self.policy,
                    "architecture": architecture.to_dict() | {"digest": architecture.digest},
                    "plan": plan.digest,
                    "fidelity": fidelity,
                    "reward": reward,
                    "whole": reward if fidelity == 1.0 else None,
                    "seconds": round(watch.seconds, 4),
                    "cpu_seconds": round(watch.cpu_seconds, 4),
                }
            )
        self.trials += 1
        if reward is not None:
            self.best = max(self.best, reward)
        self.progress(
            {"tier": self.tier, "trial": body["number"], "best": self.best, "left": self.conditions.clock.left()}
        )
        value = float("nan") if reward is None else reward
        return Trial(asked or architecture, value, float(body["cpu_seconds"]), fidelity)

    def report(self, watch: Stopwatch, *, kept: bool = False, reason: str = "", **more: Any) -> StageReport:
        """What the stage did since the watch was made; `more`: other fields of the report."""
        return StageReport(
            tier=self.tier,
            trials=self.trials,
            seconds=watch.seconds,
            cpu_seconds=watch.cpu_seconds,
            kept=kept,
            reason=reason,
            **more,
        )
