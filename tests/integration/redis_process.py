"""A real Redis of the test's own on a free loopback port, which it may kill and start again on the same one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time

import pytest

START_SECONDS = 10.0


class Redis:
    """Debian's redis-server without persistence: what it held is gone when it was killed."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            reason = "redis-server is not installed; install Debian's package redis-server"
            pytest.fail(f"CI is set: {reason}") if os.environ.get("CI") else pytest.skip(reason)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
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
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                assert time.monotonic() < deadline, "redis-server did not come up"
                time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
