"""What a run came to: before and after on sealed questions, what was promoted or why not, where the artifact lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.plan import Plan
from search_core.artifact.artifacts import RUNS, Artifact
from search_core.proof.gate import Verdict
from search_core.proof.reasons import Reason, to_fields
from search_core.spaces.architecture import Architecture
from search_core.spaces.drawing import describe
from search_core.spaces.space import SearchSpace
from search_core.time_decisions import TIMED


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome. `best` may be what serves already: keeping the incumbent is a normal end."""

    experiment: str
    best: Architecture
    space: SearchSpace
    plan: Plan
    incumbent: Plan
    artifact: Artifact
    verdict: Verdict
    # "default", "tuned", and "serving" where another plan served -> metric -> mean on sealed questions
    metrics: Mapping[str, Mapping[str, float]]
    leaderboard: tuple[Mapping[str, Any], ...]
    promoted: bool
    plan_id: int | None  # of the stored plan; None where the incumbent stays
    reasons: tuple[Reason, ...]  # why nothing was promoted; empty where it was
    supervision: Mapping[str, Any]
    stages: tuple[Mapping[str, Any], ...]  # what each tier did, with its sealed mean
    earlier_runs: int  # of the archive, that the policies were told
    timed: Mapping[str, Any]  # what the clock decided, which a replay is told
    model: str | None  # a tuned encoder of the data folder, that must embed the collection before the plan can serve
    trials: int
    trajectory: str
    seconds: float
    cpu_seconds: float
    folder: Path

    @property
    def lift(self) -> float:
        """Gain over what served, in the metric, on sealed questions."""
        return self.verdict.lift

    def to_dict(self) -> dict[str, Any]:
        """The pinned form of `kb tune --json`, with more beside it. Folders are told from the data folder."""
        verdict, described = self.verdict, describe(self.best, self.space)
        return {
            "experiment": self.experiment,
            **{name: dict(values) for name, values in self.metrics.items()},
            "metric": self.artifact.manifest["metric"],
            "lift": round(verdict.lift, 5),
            "lift_interval": [round(verdict.low, 5), round(verdict.high, 5)],
            "p_value": round(verdict.p_value, 5),
            "level": round(verdict.level, 5),  # that p had to be below
            "earlier_tests": verdict.earlier_tests,
            "promoted": self.promoted,
            **to_fields(self.reasons),
            "trials": self.trials,
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "plan": self.plan.to_dict() | {"digest": self.plan.digest, "id": self.plan_id},
            "incumbent": self.incumbent.to_dict() | {"digest": self.incumbent.digest},
            "compared_encoder": self.artifact.manifest.get("encoder_fingerprint"),  # what the incumbent served with
            "architecture": self.best.to_dict() | {"digest": self.best.digest, "description": described},
            "sealed_questions": verdict.questions,
            "strata": verdict.to_dict()["strata"],
            "latency_ms": None if verdict.latency is None else asdict(verdict.latency),
            "supervision": dict(self.supervision),
            "stages": [dict(stage) for stage in self.stages],
            "earlier_runs": self.earlier_runs,
            TIMED: dict(self.timed),
            "model": self.model,
            "leaderboard": [dict(row) for row in self.leaderboard],
            "trajectory": self.trajectory,
            "artifact": {"digest": self.artifact.digest, "folder": f"{RUNS}/{self.experiment}/{self.folder.name}"},
        }
