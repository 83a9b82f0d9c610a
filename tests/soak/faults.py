"""What goes wrong: servers and processes are killed with SIGKILL or frozen, one after the other, and come back."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from infra.stack.stack import Stack

from .databases import CHINOOK, NORTHWIND
from .history import MARK, Commit, History, mark
from .processes import Processes
from .rereading import Rereading
from .searcher import Calm, Searcher

RECOVERY_SECONDS = 180.0  # longest until a row written after a fault is found by all legs; more is a failure
ROWS = 12  # canaries of a database, so that each worker has some among its partitions
CANARIES = {NORTHWIND: 900_000, CHINOOK: 900_100}  # first subjects of rows that the random changes leave alone
KEYS = {NORTHWIND: 19_900, CHINOOK: 99_900}  # of their rows
FROZEN_SECONDS = 4.0
SERVERS = ("kafka", "connect", "elasticsearch", "postgres")
PROCESSES = ("worker 1", "serve", "worker 2")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to whom; a killed one is away for so many seconds before it is started again."""

    kind: str  # kill, freeze
    target: str
    seconds: float = 0.0


ROUND: tuple[Fault, ...] = tuple(
    Fault(kind, target, FROZEN_SECONDS if kind == "freeze" else 1.0)
    for kind in ("kill", "freeze")
    for target in (SERVERS[0], PROCESSES[0], SERVERS[1], SERVERS[2], PROCESSES[1], SERVERS[3])
)
SMALL: tuple[Fault, ...] = (Fault("kill", "worker 1"), Fault("kill", "connect"), Fault("kill", "elasticsearch", 3.0))
LONG_OUTAGE = Fault("kill", "elasticsearch", 120.0)


@dataclass
class Chaos:
    """Carries faults out. After each, rows are written in both databases; the fault is over when all are found.

    An answer that says that it went without a leg, or found one behind, does not end it.
    """

    stack: Stack
    processes: Processes
    engines: Mapping[str, sa.Engine]
    history: History
    searcher: Searcher
    calm: Calm
    rereading: Rereading | None = None  # so that every fault meets one
    told: list[dict[str, Any]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    problems: list[str] = field(default_factory=list)
    _version: int = 0

    def run(self, faults: Sequence[Fault], pause: float, *, over: Callable[[], bool]) -> None:
        """All faults, then again from the first until the writer is done."""
        done = 0
        while done < len(faults) or not over():
            if self.stop.wait(pause):
                return
            self.carry_out(faults[done % len(faults)])
            done += 1

    def carry_out(self, fault: Fault) -> None:
        """One fault from its beginning to its end."""
        self.calm.began()
        degraded: dict[str, Any] = {}
        if self.rereading is not None:
            self.rereading.ask()
        began = time.monotonic()
        self._begin(fault)
        if fault.target == "elasticsearch" and fault.kind == "kill" and fault.seconds > 60:
            degraded = self._while_words_are_away(began + fault.seconds)
        self.stop.wait(max(0.0, began + fault.seconds - time.monotonic()))
        self._end(fault)
        back = time.monotonic()
        if self.rereading is not None and not self.rereading.wait_until_applied(RECOVERY_SECONDS):
            self.problems.append(f"{RECOVERY_SECONDS:.0f} s after {fault} the tables were not read again")
        found = self.wait_for_canary(RECOVERY_SECONDS)
        self.calm.ended()
        if not found:
            self.problems.append(f"{RECOVERY_SECONDS:.0f} s after {fault} a new row was not found")
        recovered = round(time.monotonic() - back, 2)
        away = round(back - began, 2)
        self.told.append(
            {"fault": f"{fault.kind} {fault.target}", "away": away, "recovered_after": recovered, **degraded}
        )

    def _begin(self, fault: Fault) -> None:
        one = self.processes.all.get(fault.target)
        if fault.kind == "kill":
            one.kill() if one else self.stack.kill(fault.target)
        else:
            one.send(signal.SIGSTOP) if one else self.stack.pause(fault.target)

    def _end(self, fault: Fault) -> None:
        one = self.processes.all.get(fault.target)
        if fault.kind == "freeze":
            one.send(signal.SIGCONT) if one else self.stack.resume(fault.target)
        elif one:
            one.start()
            if fault.target == "serve":
                self.processes.wait_for_api()
        else:
            self.stack.up([fault.target])

    def _while_words_are_away(self, until: float) -> dict[str, Any]:
        """New rows must be found by the other leg, and the answer must say so."""
        found = self.wait_for_canary(max(1.0, until - time.monotonic() - 5.0), without=["sparse"])
        answer = self.searcher.ask(CANARIES[NORTHWIND]) or {}
        if not found or answer.get("degraded") != ["sparse"]:
            self.problems.append(f"without Elasticsearch: found {found}, degraded {answer.get('degraded')}")
        return {"found_by_the_other_leg": found, "degraded": answer.get("degraded")}

    def wait_for_canary(self, seconds: float, without: Sequence[str] = ()) -> bool:
        """Write a new version of rows of each database; whether all are found in time, without those legs only."""
        deadline = time.monotonic() + seconds
        self._version += 1
        missing = [CANARIES[name] + number for name in self.engines for number in range(ROWS)]
        for name, engine in self.engines.items():
            self._write(engine, name, deadline)
        while time.monotonic() < deadline and not self.stop.is_set():
            missing = [subject for subject in missing if self._newest(subject, without) != self._version]
            if not missing:
                return True
            time.sleep(0.05)
        return False

    def _write(self, engine: sa.Engine, name: str, deadline: float) -> None:
        subjects = {KEYS[name] + number: CANARIES[name] + number for number in range(ROWS)}
        rows = [{"key": key, "text": f"{mark(one, self._version)} of a canary"} for key, one in subjects.items()]
        while True:
            try:
                with engine.begin() as connection:
                    connection.execute(sa.text(STATEMENTS[name]), rows)
                break
            except sa.exc.DBAPIError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        for subject in subjects.values():
            self.history.committed(subject, Commit(self._version, time.monotonic(), True))

    def _newest(self, subject: int, without: Sequence[str]) -> int:
        """The version found; 0 where there is none, or the answer went without other legs than those."""
        found = self.searcher.ask(subject)
        if found is None or found["degraded"] != list(without):
            return 0
        seen = [MARK.findall(hit["text"]) for hit in found["hits"]]
        return max((int(version) for marks in seen for one, version in marks if int(one) == subject), default=0)


STATEMENTS = {
    NORTHWIND: "INSERT INTO orders (order_id, ship_name) VALUES (:key, :text) "
    "ON CONFLICT (order_id) DO UPDATE SET ship_name = excluded.ship_name",
    CHINOOK: "INSERT INTO Album (AlbumId, Title, ArtistId) VALUES (:key, :text, 1) "
    "ON DUPLICATE KEY UPDATE Title = VALUES(Title)",
}
