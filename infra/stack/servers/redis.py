"""Redis from Debian's package, with a password and an append-only file."""

from __future__ import annotations

import shutil
import signal
import socket
from typing import ClassVar

from infra.stack.errors import MissingProgramError, NotReadyError
from infra.stack.java import Java
from infra.stack.servers.base import CHECK_SECONDS, Launch
from infra.stack.site import LOOPBACK, Means, Site

ANSWER_BYTES = 1024
CONFIGURATION = """\
bind {host}
port {port}
dir {folder}
requirepass {password}
appendonly yes
daemonize no
maxmemory-policy noeviction
"""


class Redis:
    """The broker of jobs."""

    name: ClassVar[str] = "redis"
    ports: ClassVar[tuple[str, ...]] = ("redis",)
    needs: ClassVar[tuple[str, ...]] = ()
    needs_java: ClassVar[bool] = False
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 60.0

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Nothing: it comes with the system."""
        return ()

    def prepare(self, site: Site, means: Means) -> Launch:
        """Its whole configuration is one file, which only its account reads."""
        program = shutil.which("redis-server")
        if program is None:
            raise MissingProgramError("`redis-server` is not there; install it: sudo infra/setup/debian.sh servers")
        folder = site.server_folder(self.name)
        data = means.account.folder(folder / "data")
        text = CONFIGURATION.format(
            host=LOOPBACK, port=site.ports["redis"], folder=data, password=site.password(self.name)
        )
        return Launch([program, str(means.account.write(folder / "redis.conf", text))])

    def check(self, site: Site) -> None:
        """PING, with the password."""
        request = f"AUTH {site.password(self.name)}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((LOOPBACK, site.ports["redis"]), timeout=CHECK_SECONDS) as connection:
                connection.sendall(request)
                answer = b""
                while answer.count(b"\r\n") < request.count(b"\r\n"):
                    if not (block := connection.recv(ANSWER_BYTES)):
                        break
                    answer += block
        except OSError as error:
            raise NotReadyError(f"Redis at {site.address('redis')}: {error}") from error
        if answer != b"+OK\r\n+PONG\r\n":
            raise NotReadyError(f"Redis at {site.address('redis')} answered {answer!r} to AUTH and PING")

    def url(self, site: Site) -> str:
        """Database 0, with the password."""
        return f"redis://:{site.password(self.name)}@{site.address('redis')}/0"
