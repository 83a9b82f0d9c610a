"""One server and its process: started, asked, signalled and stopped; the process outlives the command."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from infra.stack import processes
from infra.stack.errors import NotReadyError, StackError, StartError
from infra.stack.processes import Process
from infra.stack.progress import Progress
from infra.stack.servers.base import PATH, Server, tail
from infra.stack.site import Means, Site
from infra.stack.status import Status

POLL_SECONDS = 0.1
STOP_SECONDS = 20.0


class Unit:
    """A server in its folder."""

    def __init__(self, server: Server, site: Site) -> None:
        self.server = server
        self.site = site

    @property
    def folder(self) -> Path:
        """The server's own folder."""
        return self.site.server_folder(self.server.name)

    @property
    def has_address(self) -> bool:
        """Whether it was ever started, so that it has ports."""
        return all(port in self.site.ports for port in self.server.ports)

    @property
    def log(self) -> Path:
        """What it writes to standard output and error."""
        return self.folder / "log"

    @property
    def process(self) -> Process | None:
        """The recorded process; None where none was started."""
        return Process.load(self._pid_file)

    @property
    def _pid_file(self) -> Path:
        return self.site.folder / f"{self.server.name}.pid.json"  # in our folder: the server cannot change it

    def running(self) -> bool:
        """Whether the process that was started is still there."""
        process = self.process
        return process is not None and processes.alive(process)

    def members(self) -> list[int]:
        """Ids of all its processes, those included that outlived the one that was started."""
        return processes.family(self.process, self.folder) if self.process else []

    def start(self, means: Means, progress: Progress) -> None:
        """Configure, start, and wait until it answers. Raises `StartError` or another `StackError`."""
        began = time.monotonic()
        self.stop()  # what an earlier one left behind would hold its port and files
        means.account.folder(self.folder)
        progress.step(self.server.name, "starting")
        launch = self.server.prepare(self.site, means)
        environment = {"PATH": PATH, "LANG": "C.UTF-8", "TZ": os.environ.get("TZ", "UTC"), **launch.environment}
        command = [*means.account.prefix, *launch.command]
        process = processes.spawn(command, folder=self.folder, log=self.log, environment=environment)
        process.save(self._pid_file)
        self.wait_until_ready()
        progress.step(self.server.name, f"ready after {time.monotonic() - began:.1f} s")

    def wait_until_ready(self) -> None:
        """Come back once it answers. Raises `StartError` with the end of its log."""
        deadline = time.monotonic() + self.server.start_seconds
        reason = ""
        while self.running():
            try:
                return self.server.check(self.site)
            except NotReadyError as error:
                reason = str(error)
            if time.monotonic() > deadline:
                raise StartError(self._failure(f"does not answer after {self.server.start_seconds:.0f} s ({reason})"))
            time.sleep(POLL_SECONDS)
        raise StartError(self._failure("ended while it started"))

    def _failure(self, what: str) -> str:
        return (
            f"{self.server.name} {what}; its log is {self.log} and ends with:\n{tail(self.log)}\n"
            f"    mend that and run `kb stack up` again, or begin anew with `kb stack down --purge`"
        )

    def stop(self, *, politely: bool = True) -> bool:
        """End what we started, and kill it where it does not end in time; whether there was something to end."""
        process = self.process
        if process is None:
            return False
        found = bool(self.members())
        if found and politely:
            processes.stop(process, self.folder, self.server.stop_signal, STOP_SECONDS)
        elif found:
            self.kill()
        self._pid_file.unlink(missing_ok=True)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all its processes. Raises `StackError` where it does not run."""
        members = self.members()
        if not members:
            raise StackError(f"{self.server.name} does not run; start it with: kb stack up --only {self.server.name}")
        processes.send(members, number)

    def kill(self) -> None:
        """End it as a crash would, without a chance to write anything."""
        process = self.process
        self.signal(signal.SIGKILL)
        if process is not None:
            processes.wait_until_gone(process, self.folder, STOP_SECONDS)

    def status(self) -> Status:
        """Where it is, whether it answers, and what it takes."""
        process, name = self.process, self.server.name
        url = self.server.url(self.site) if self.has_address else ""
        if process is None or not processes.alive(process):
            reason = "not started" if process is None else "ended without being stopped; `kb stack up` starts it again"
            return Status(name, url, ready=False, reason=reason, log=self.log)
        taken = processes.memory(self.members())
        reason = ""
        try:
            self.server.check(self.site)
        except NotReadyError as error:
            reason = str(error)
        return Status(name, url, not reason, reason, self.log, process.pid, taken.rss, taken.pss)
