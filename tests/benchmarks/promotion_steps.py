"""What is done to the plans and generations while searches run, in order, each with what may serve from then on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from retrieval.plan import Plan
from tests.benchmarks.machine import ROOT
from tests.benchmarks.promotion_judge import Served, Step
from tests.benchmarks.promotion_world import HYBRID, MEANING, OF_FIRST, OF_SECOND, WORDS, World
from tests.benchmarks.serving import COLLECTION

NOTICED_SECONDS = 1.0  # the server looks every half second for what another process did; on a busy machine later
OPENED_SECONDS = 5.0  # and opens the encoder and the views of another generation beside those that serve
NOTHING = "nothingofthiskind"  # words find nothing for it, vectors something for anything
ASKED_FOR_NOTHING = 40  # searches, each of a session of its own: enough to take a candidate back
ROLLED_BACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A step before it is taken; `after`: seconds until the server has noticed it."""

    name: str
    act: Callable[[], None]
    serves: frozenset[Served]
    passing: frozenset[Served] = frozenset()
    after: float = 0.0


class Operator:
    """Takes the steps, by REST and by the command line in a process of its own."""

    def __init__(self, world: World, client: httpx.Client, *, by_command: bool) -> None:
        self._world = world
        self._client = client
        self._by_command = by_command
        self.reason = ""  # why the candidate was taken back by itself

    def taken(self, pause: float) -> Iterator[Step]:
        """Each step when it has been taken; `pause` seconds pass before the next."""
        for planned in self._plan():
            called = time.time()
            planned.act()
            returned = time.time() + planned.after
            yield Step(planned.name, called, returned, planned.serves, planned.passing)
            time.sleep(planned.after + pause)

    def _plan(self) -> Iterator[Planned]:
        yield from self._plans()
        if self._by_command:
            yield from self._plans_by_command()
        yield from self._takeovers()
        if self._by_command:
            yield from self._takeover_by_command()

    def _plans(self) -> Iterator[Planned]:
        """One generation; plans are exchanged in every way."""
        hybrid, words, meaning = (self._only(self._world.first, plan) for plan in (HYBRID, WORDS, MEANING))
        begin = f"/plans/{self._world.plans['meaning']}/rollout"
        yield Planned("promote", self._promoting("words"), words)
        yield Planned("roll back", lambda: self._post("/plans:rollback"), hybrid)
        yield Planned("shadow", lambda: self._post(begin, share=0.5), hybrid)
        yield Planned("canary", lambda: self._post("/plans/rollout:advance", share=0.4), hybrid | meaning)
        yield Planned("larger share", lambda: self._post("/plans/rollout:advance", share=0.8), hybrid | meaning)
        yield Planned("full", lambda: self._post("/plans/rollout:advance"), meaning)
        yield Planned("stop", lambda: self._post("/plans/rollout:stop"), hybrid)
        yield Planned("canary that fails", self._fail, hybrid, words, NOTICED_SECONDS)

    def _plans_by_command(self) -> Iterator[Planned]:
        first, words = self._world.first, str(self._world.plans["words"])

        def act(*command: str) -> Callable[[], None]:
            return lambda: self._command("plans", *command)

        yield Planned("kb plans promote", act("promote", words), self._only(first, WORDS), after=NOTICED_SECONDS)
        yield Planned("kb plans roll-back", act("roll-back"), self._only(first, HYBRID), after=NOTICED_SECONDS)

    def _takeovers(self) -> Iterator[Planned]:
        """Another encoder, with plans whose adapter is of one of them, and the hybrid one that is of either."""
        first, second, only = self._world.first, self._world.second, self._only

        def forward() -> None:
            self._post(f"{GENERATIONS}/{second}/activate")

        def back() -> None:
            self._post(f"{GENERATIONS}:rollback")

        yield Planned("promote of first", self._promoting("of-first"), only(first, OF_FIRST))
        yield Planned("takeover", forward, only(second, MEANING), only(first, MEANING))
        yield Planned("promote of second", self._promoting("of-second"), only(second, OF_SECOND))
        yield Planned("takeover back", back, only(first, MEANING), only(second, MEANING))
        yield Planned("promote hybrid", self._promoting("hybrid"), only(first, HYBRID))
        yield Planned("takeover of hybrid", forward, only(second, HYBRID))
        yield Planned("takeover back at once", back, only(first, HYBRID))

    def _takeover_by_command(self) -> Iterator[Planned]:
        """The server has yet to open the generation when a plan of its encoder is promoted."""
        second = self._world.second

        def act() -> None:
            self._command("generations", "activate", str(second))
            self._command("plans", "promote", str(self._world.plans["of-second"]))

        passing = self._only(second, HYBRID)
        name = "kb generations activate, kb plans promote"
        yield Planned(name, act, self._only(second, OF_SECOND), passing, OPENED_SECONDS)

    def _only(self, generation: int, plan: Plan) -> frozenset[Served]:
        return frozenset({(generation, plan.digest)})

    def _promoting(self, plan: str) -> Callable[[], None]:
        return lambda: self._post(f"/plans/{self._world.plans[plan]}/promote")

    def _post(self, path: str, **body: Any) -> None:
        is_plan = path.startswith("/plans")
        answer = self._client.post(f"/v1{path}", json=body | ({"collection": COLLECTION} if is_plan else {}))
        if not answer.is_success:
            raise SystemExit(f"{path} is refused: {answer.text}")

    def _command(self, *words: str) -> None:
        """`kb` on the server's data folder."""
        environment = os.environ | {"KB_DATA_DIR": str(self._world.folder)}
        command = [sys.executable, "-m", "api.cli", *words, "-c", COLLECTION]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"kb {' '.join(words)} failed: {done.stdout}{done.stderr}")

    def _fail(self) -> None:
        """A canary whose candidate finds nothing where the other does, until it is taken back by itself."""
        self._post(f"/plans/{self._world.plans['words']}/rollout", stage="canary", share=0.5)
        for number in range(ASKED_FOR_NOTHING):
            body = {"query": NOTHING, "collection": COLLECTION, "correct": False, "top_k": 1}
            session = {"X-Session-Id": f"nothing-{number}"}
            self._client.post("/v1/search", json=body, headers=session).raise_for_status()
        until = time.time() + ROLLED_BACK_SECONDS
        while time.time() < until:
            rollout = self._client.get("/v1/plans/rollout", params={"collection": COLLECTION}).json()
            if rollout["stage"] == "rolled_back":
                self.reason = rollout["reason"]
                return
            time.sleep(0.1)
        raise SystemExit(f"a candidate that finds nothing still serves after {ROLLED_BACK_SECONDS:.0f} s: {rollout}")


GENERATIONS = f"/collections/{COLLECTION}/generations"
