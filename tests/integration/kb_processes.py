"""Real `kb …` processes over a data folder, which tests kill, stop and start again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from waiting import PATIENCE_SECONDS

WORK_SECONDS = 200.0  # for a command's whole work, on a machine that does much else


class Kb:
    """Runs `kb …` to its end, in a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"KB_DATA_DIR": str(folder / "data"), "KB_ENCODER": "hash"}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "api.cli", *arguments]
        return subprocess.run(
            command,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=WORK_SECONDS,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Process:
    """One `kb …` over the data folder `kb`, with what is installed in the folder `plugin` beside it."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        path = f"{folder / 'plugin'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        settings = {"KB_DATA_DIR": str(folder / "kb"), "KB_ENCODER": "hash", "PYTHONPATH": path}
        self.log = folder / f"{command[0]}-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", *command],
                env=os.environ | settings | environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it with that signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


class Server(Process):
    """A real `kb serve` on a free port."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder, "serve", "--port", "0", **environment)
        self.key = self.url = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:  # the key, the first time, comes before the address
            self.key = next((word for word in line.split() if word.startswith("kb_")), self.key)
            if found := re.search(r"http://[\d.]+:\d+", line):
                self.url = found.group()
                break

    def client(self, key: str) -> httpx.Client:
        """A client with that key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def end_all(processes: Sequence[Process]) -> None:
    """None outlives its test."""
    for one in processes:
        one.kill()


def printed_by(process: subprocess.Popen[bytes]) -> bytes:
    """What a command has printed by its end, which must be a good one; it is killed where it does not come to it."""
    try:
        output, _ = process.communicate(timeout=WORK_SECONDS)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    return output
