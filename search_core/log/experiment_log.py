"""The log of one run: each trial once, in the catalog and as JSON lines in the run folder, in the order of the trials.

A killed run is resumed from it: policies are functions of their seed and what they were told, so the same trials come
again, in the same order, and what the log has of them stays. What a trial made, such as a plan's value on each question
or an adapter, is not in the log; stages make it anew, or keep its state themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from retrieval.catalog.experiments import Experiments
from search_core.errors import SearchCoreError, not_written
from search_core.spaces.architecture import Architecture
from search_core.spaces.space import SearchSpace

FILE = "trials.jsonl"
START = "0" * 64  # what the first line's hash stands on


class Events(Protocol):
    """Who is told of each trial besides."""

    def trial(self, body: Mapping[str, Any]) -> None:
        """One trial, in order."""

    def close(self) -> None:
        """That was all."""


class ExperimentLog:
    """Appends trials; each line of the file carries the hash of the one before, so that an alteration shows."""

    def __init__(
        self,
        experiments: Experiments,
        experiment_id: str,
        folder: Path,
        *,
        seed: int = 0,
        space: SearchSpace | None = None,
        events: Events | None = None,
    ) -> None:
        self._experiments = experiments
        self._seed = seed
        self._space = space
        self._events = events
        self._id = experiment_id
        self._path = folder / FILE
        self._known = {body["number"]: body for body in experiments.trials(experiment_id)}
        self._chain = self._write_known()
        for number in sorted(self._known):
            self._tell(self._known[number])
        self._next = 1

    @property
    def count(self) -> int:
        """Trials passed so far in this process, those found in the log included."""
        return self._next - 1

    def close(self) -> None:
        """Nothing more comes in this process."""
        if self._events is not None:
            self._events.close()

    def recall(self, digest: str, fidelity: float) -> dict[str, Any] | None:
        """The next trial, where the log has it already and it is this one; else None. It has passed then."""
        body = self.peek(digest, fidelity)
        if body is not None:
            self._next += 1
        return body

    def peek(self, digest: str, fidelity: float) -> dict[str, Any] | None:
        """What `recall` would give; the trial has not passed yet."""
        body = self._known.get(self._next)
        if body is None or (body["architecture"]["digest"], body["fidelity"]) != (digest, fidelity):
            return None
        return body

    def append(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Add a trial as the next one; it is durable in the catalog when this returns.

        Where a run that goes on has more time for a tier than it had before it was killed, it comes to another trial
        here than the log has: that one and all after it give way.
        """
        number = self._next
        body = dict(body) | {"seed": self._seed, "cost": self._cost(body["architecture"])}
        if number in self._known:
            self._forget(number)
        self._experiments.append(self._id, number, body)
        numbered = {"number": number} | body
        self._chain = self._write(numbered, self._chain)
        self._tell(numbered)
        self._next += 1
        return numbered

    def end(self) -> None:
        """The run ends here: what an earlier attempt tried beyond, and this one did not come to, gives way."""
        if self._next in self._known:
            self._forget(self._next)

    def _forget(self, number: int) -> None:
        """Drop that trial and all after it, in the catalog, which is the truth, before the file."""
        self._known = {known: body for known, body in self._known.items() if known < number}
        self._experiments.forget(self._id, number)
        self._chain = self._write_known()

    def _write_known(self) -> str:
        """The file as the catalog has it; what a killed process left half written is gone."""
        chain = START
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise not_written(f"log {self._path}", error) from error
        for number in sorted(self._known):
            chain = self._write(self._known[number], chain)
        return chain

    def _tell(self, body: Mapping[str, Any]) -> None:
        if self._events is not None:
            self._events.trial(body)

    def _cost(self, chosen: Mapping[str, Any]) -> dict[str, float] | None:
        """What the candidate would add to a search and to a trial, by the space's own estimate."""
        if self._space is None:
            return None
        try:
            cost = self._space.cost(Architecture(chosen["space"], chosen["choices"]))
        except SearchCoreError:  # of another space: a baseline's
            return None
        return {"serving_ms": cost.serving_milliseconds, "trial_seconds": cost.trial_seconds}

    def _write(self, body: Mapping[str, Any], chain: str) -> str:
        line = json.dumps({"previous": chain} | dict(body), sort_keys=True, ensure_ascii=False)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise not_written(f"log {self._path}", error) from error
        return hashlib.sha256(line.encode()).hexdigest()


def trajectory(trials: list[dict[str, Any]]) -> str:
    """SHA-256 over what was tried and what it earned, times left out: equal for runs that went the same way."""
    return hashlib.sha256(json.dumps([step(trial) for trial in trials]).encode()).hexdigest()


def step(trial: Mapping[str, Any]) -> tuple[str, float, float | None]:
    """What a trial was of, its share of the whole and what it earned; None where it failed."""
    reward = trial["reward"]
    return trial["architecture"]["digest"], trial["fidelity"], None if reward is None else round(reward, 9)
