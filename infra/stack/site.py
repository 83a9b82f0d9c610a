"""The stack's folder: ports and passwords that outlive a restart, and a folder for every server."""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from infra.stack.account import Account
from infra.stack.errors import StackError
from infra.stack.java import Java

LOOPBACK = "127.0.0.1"
# Below the range from which systems take ports for outgoing connections (Linux: 32768), so a restart finds it free.
PORTS = range(20_000, 32_000)
TRIES = 200
PASSWORD_BYTES = 18
CLOSING_SECONDS = 3.0
POLL_SECONDS = 0.05


@dataclass(slots=True)
class Site:
    """What is remembered of a stack, and where it lies. Every address is on loopback."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    secure: bool = False

    @staticmethod
    def open(folder: Path) -> Site:
        """The site of a folder, as it was saved; a new one where nothing is there. Raises `StackError`."""
        path = folder / "stack.json"
        try:
            remembered = json.loads(path.read_text(encoding="utf-8"))
            return Site(folder, remembered["ports"], remembered["passwords"], remembered["secure"])
        except FileNotFoundError:
            return Site(folder)
        except OSError as error:
            raise StackError(
                f"{path} cannot be read ({error.strerror}); run this as who started the stack, or name another --folder"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(f"{path} cannot be read ({error!r}); `kb stack down --purge` begins anew") from error

    def save(self) -> None:
        """Write it down, readable by nobody else, whole or not at all."""
        partial = self.folder / "stack.json.partial"
        partial.touch(0o600)
        remembered = {"ports": self.ports, "passwords": self.passwords, "secure": self.secure}
        partial.write_text(json.dumps(remembered, indent=1), encoding="utf-8")
        partial.replace(self.folder / "stack.json")

    def server_folder(self, name: str) -> Path:
        """The folder of one server."""
        return self.folder / name

    def address(self, port: str) -> str:
        """`127.0.0.1:<port>` of a named port; port 0 where the server was never started."""
        return f"{LOOPBACK}:{self.ports.get(port, 0)}"

    def password(self, name: str) -> str:
        """The password of a server's account, made at the first call."""
        return self.passwords.setdefault(name, secrets.token_hex(PASSWORD_BYTES))

    def take_ports(self, names: Iterable[str]) -> dict[str, int]:
        """Give each name a free port, the remembered one where it is free; what comes back are the changed ones."""
        moved = {}
        for name in names:
            before = self.ports.get(name)
            if before is None or not becomes_free(before):
                self.ports[name] = free_port(taken=self.ports.values())
                if before is not None:
                    moved[name] = before
        return moved


@dataclass(frozen=True, slots=True)
class Means:
    """What servers are run with: who they run as, the Java, and the fetched programs by name."""

    account: Account
    java: Java | None = None
    programs: dict[str, Path] = field(default_factory=dict)

    def launcher(self) -> str:
        """The path of the Java launcher."""
        assert self.java is not None, "a server that needs Java says so in `needs_java`"
        return self.java.program


def becomes_free(port: int) -> bool:
    """Whether a port is free, or soon is: the kernel closes a killed process's sockets a moment after it died."""
    deadline = time.monotonic() + CLOSING_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: Iterable[int] = ()) -> int:
    """A port nobody listens on. Raises `StackError` where none was found."""
    avoid = set(taken)
    for port in random.SystemRandom().sample(PORTS, TRIES):
        if port not in avoid and is_free(port):
            return port
    raise StackError(f"no free port among {TRIES} tried of {PORTS.start}-{PORTS.stop - 1}; stop what listens there")


def link_tree(source: Path, target: Path) -> Path:
    """`target` with the files of `source`: hard links where the file system allows, else copies. Made once, whole.

    The servers may run as a user who cannot enter the cache.
    """
    if not target.is_dir():
        partial = target.with_name(target.name + ".partial")
        for folder, _, names in os.walk(source):
            place = partial / Path(folder).relative_to(source)
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                _link(Path(folder) / name, place / name)
        partial.rename(target)
    return target


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        target.write_bytes(source.read_bytes())
        target.chmod(source.stat().st_mode)
