"""What every server offers to the stack, and what helps in writing one."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from infra.stack.account import Account
from infra.stack.errors import StackError
from infra.stack.java import Java
from infra.stack.site import Means, Site

CHECK_SECONDS = 10.0  # longest wait inside one check
TAIL_LINES = 15
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command ready to be run, with the variables it gets."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Server(Protocol):
    """One server of the stack. Its own folder is `site.server_folder(name)`."""

    name: ClassVar[str]
    ports: ClassVar[tuple[str, ...]]  # names of the ports it listens on
    needs: ClassVar[tuple[str, ...]]  # servers that must answer before it starts
    needs_java: ClassVar[bool]
    stop_signal: ClassVar[signal.Signals]
    start_seconds: ClassVar[float]  # longest wait until it answers

    def artifacts(self, java: Java | None) -> tuple[str, ...]:
        """Names of what it needs fetched."""

    def prepare(self, site: Site, means: Means) -> Launch:
        """Configure it, make its data folder at the first call, and say how it starts. Raises `StackError`."""

    def check(self, site: Site) -> None:
        """Ask it for real work. Raises `NotReadyError` where it does not answer."""

    def url(self, site: Site) -> str:
        """Where it is, with user and password where it has them."""


def run_once(command: list[str], account: Account, folder: Path, log: Path) -> None:
    """Run a set-up command as the account to its end, output to `log`. Raises `StackError` with its last lines."""
    with log.open("ab") as sink:
        done = subprocess.run(  # noqa: S603 - the commands are the servers' own
            [*account.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=folder,
            env={"PATH": PATH},
            check=False,
        )
    if done.returncode:
        raise StackError(f"{Path(command[0]).name} ended with {done.returncode}:\n{tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log, indented."""
    if not log.exists():
        return "    (no log)"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or f"    (nothing in {log})"


def jvm_options(heap_mb: int) -> list[str]:
    """Options of a small JVM that starts quickly: one collector thread, and the first compiler alone.

    The second one works for minutes on cores that all servers share, and pays off under loads this stack does not see.
    """
    options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]
    return [f"-Xmx{heap_mb}m", "-Xms64m", "-Xss512k", *options]
