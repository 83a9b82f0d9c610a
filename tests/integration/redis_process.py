"""A real Redis of the test's own on a free loopback port, which it may kill and start again on the same one."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from waiting import eventually, listens_on

from infra.stack.site import free_port


class Redis:
    """Debian's redis-server without persistence: what it held is gone when it was killed."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            reason = "redis-server is not installed; install Debian's package redis-server"
            pytest.fail(f"CI is set: {reason}") if os.environ.get("CI") else pytest.skip(reason)
        self.port = free_port()
        settings = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._command = [program, *settings]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it is, or will be again."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Run it, and return when it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: listens_on(self.port), what="redis-server's start")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
