"""The processes under test: one `kb serve` and workers, on the servers of a stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from infra.stack.site import free_port
from infra.stack.stack import Stack

START_SECONDS = 240.0  # three processes start at once, on a machine that may be busy
END_SECONDS = 20.0
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Process:
    """One `kb …` that can be killed and started again."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "api.cli", *self.command]
            self.process = subprocess.Popen(command, env=self.environment, cwd=REPOSITORY, stdout=log, stderr=log)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(END_SECONDS)

    def end(self) -> int:
        """End it politely, else with SIGKILL; its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def resident_mb(self) -> float:
        """Resident memory, MB; 0 where it does not run."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass
class Processes:
    """The API and two workers, their settings and a key."""

    stack: Stack
    folder: Path
    key: str = ""
    all: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = free_port()
        others = {name: value for name, value in os.environ.items() if not name.startswith("KB_")}
        mine = {
            "KB_DATA_DIR": str(self.folder / "data"),
            "KB_ENCODER": "hash",
            "KB_JOBS": "embedded",
            "KB_ELASTICSEARCH_PREFIX": "chaos",
            "PYTHONPATH": str(REPOSITORY),
        }
        self.environment = others | self.stack.env() | mine
        self._add("serve", "serve", "--port", str(self.port))
        for number in (1, 2):
            self._add(f"worker {number}", "worker")

    def _add(self, name: str, *command: str) -> None:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        self.all[name] = Process(name, command, self.environment, log)

    def start(self) -> None:
        """Make a key, start everything, wait until the API answers."""
        command = ("keys", "create", "--scope", "admin", "--json")
        self.key = json.loads(self.run(*command))["key"]
        for one in self.all.values():
            one.start()
        self.wait_for_api()

    def wait_for_api(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, f"kb serve does not answer; see {self.all['serve'].log}"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def client(self) -> httpx.Client:
        """A client with all rights."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}/v1", headers=headers, timeout=60)

    def run(self, *command: str) -> str:
        """What `kb …` prints."""
        found = subprocess.run(
            [sys.executable, "-m", "api.cli", *command],
            env=self.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert found.stdout, f"kb {' '.join(command)} ended with {found.returncode}: {found.stderr[-2000:]}"
        return found.stdout

    def memory(self) -> dict[str, float]:
        return {name: round(one.resident_mb(), 1) for name, one in self.all.items()}

    def end(self) -> dict[str, Any]:
        return {name: one.end() for name, one in self.all.items()}
