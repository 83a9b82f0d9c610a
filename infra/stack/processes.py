"""Processes that outlive the command that starts them, and are never mistaken for another's.

A process is its id, the moment it started (in clock ticks since the machine came up) and the machine's boot id: after
a crash or a reboot the id may be a stranger's, the other two cannot be.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

MARKER = "KB_STACK_SERVER"  # in the environment of what we start: names the server's folder
PROC = Path("/proc")
LARGEST_LOG_BYTES = 32 * 2**20  # past this a start keeps the old log as `.1` and begins a new one
POLL_SECONDS = 0.05
KILLED_SECONDS = 5.0  # the kernel takes a moment to end a killed one on a busy machine


@dataclass(frozen=True, slots=True)
class Process:
    """One started process; it leads a session and a process group of its own."""

    pid: int
    started: int
    boot: str

    def save(self, path: Path) -> None:
        """Write it as the pid file `path`, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> Process | None:
        """The process of a pid file; None where there is none, or it cannot be read."""
        try:
            return Process(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process and its children, bytes; `pss` counts shared pages once."""

    rss: int
    pss: int


def spawn(command: list[str], *, folder: Path, log: Path, environment: Mapping[str, str]) -> Process:
    """Start `command` in a session of its own, writing to `log`; what it inherits is this environment only."""
    if log.exists() and log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    with log.open("ab") as sink:
        child = subprocess.Popen(  # noqa: S603 - the commands are the stack's own
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=folder,
            env={**environment, MARKER: str(folder)},
            start_new_session=True,
        )
    child.returncode = 0  # it outlives us by design: no warning when this object goes
    return identify(child.pid) or Process(child.pid, 0, _boot())


def identify(pid: int) -> Process | None:
    """The process that has this id now; None where there is none."""
    started = _started(pid)
    return None if started is None else Process(pid, started, _boot())


def alive(process: Process) -> bool:
    """Whether that very process still runs (a zombie does not)."""
    _reap(process.pid)
    return process.boot == _boot() and _started(process.pid) == process.started


def family(process: Process, marker: Path) -> list[int]:
    """Ids of the process and all below it; where it died, of the ones it left that still carry our mark."""
    table = _table()
    if alive(process):
        return _below(process.pid, table)
    if process.boot != _boot():
        return []
    return [pid for pid, (_, group) in table.items() if group == process.pid and _carries(pid, marker)]


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def stop(process: Process, marker: Path, number: signal.Signals, timeout: float) -> bool:
    """Ask the process to end, and kill what is left of it after `timeout` seconds. False where it had to be killed."""
    members = family(process, marker)
    send(members, signal.SIGCONT)  # a paused one hears nothing else
    if alive(process):
        send([process.pid], number)
    obeyed = wait_until_gone(process, marker, timeout)
    if not obeyed:
        send(family(process, marker), signal.SIGKILL)
        wait_until_gone(process, marker, max(timeout, KILLED_SECONDS))
    return obeyed


def wait_until_gone(process: Process, marker: Path, timeout: float) -> bool:
    """Whether the process and all it left are gone within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while family(process, marker):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def memory(pids: list[int]) -> Memory:
    """The memory of these processes together; what may not be read counts as nothing."""
    rss = pss = 0
    for pid in pids:
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
        rss, pss = rss + sizes["Rss"] * 1024, pss + sizes["Pss"] * 1024
    return Memory(rss, pss)


def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the program's name: state, parent, group, …; see proc(5)."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _started(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _reap(pid: int) -> None:
    """Take the exit status of a child of this very process, so that no zombie stays."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _table() -> dict[int, tuple[int, int]]:
    """Every living process: its parent and its group."""
    table = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and fields[0] not in "ZX":
            table[int(entry.name)] = (int(fields[1]), int(fields[2]))
    return table


def _below(root: int, table: dict[int, tuple[int, int]]) -> list[int]:
    found, last = [root], [root]
    while last:
        last = [pid for pid, (parent, _) in table.items() if parent in last]
        found += last
    return found


def _carries(pid: int, marker: Path) -> bool:
    try:
        return f"{MARKER}={marker}".encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False
