"""A real PostgreSQL for the tests: Debian's programs on a temporary data folder and a free loopback port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from infra.stack.site import free_port

START_TIMEOUT_SECONDS = 30.0
SUPERUSER = "kb"
# Durability is of no use to a folder that is removed afterwards, and costs most of the run time.
FAST = ("-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "shared_buffers=64MB")


class CannotStartError(RuntimeError):
    """PostgreSQL is not installed, or did not come up; the message says which and what to do."""


def programs() -> Path:
    """The folder with the newest initdb and postgres. Raises `CannotStartError` when there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    if not found or shutil.which("setpriv") is None:
        raise CannotStartError("PostgreSQL is not installed; run: sudo infra/setup/debian.sh postgres")
    return found[-1]


@contextlib.contextmanager
def running(parent: Path | None = None) -> Iterator[str]:
    """The URL of a server's maintenance database; the server and its folder, in `parent`, are gone afterwards."""
    binaries, folder = programs(), Path(tempfile.mkdtemp(prefix="kb-postgres-", dir=parent))
    try:
        as_owner = _as_owner_of(folder)
        _initialise(binaries, folder, as_owner)
        port = free_port()
        with (folder / "log").open("wb") as log:
            command = [*as_owner, str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *FAST]
            command += ["-c", "listen_addresses=127.0.0.1", "-p", str(port)]
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            url = f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres"
            _wait_until_ready(url, server, folder / "log")
            yield url
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def end_connections(admin: psycopg.Connection, database: str) -> None:
    """End all connections to the database, as a restart of the server does, and wait until they have ended."""
    milliseconds = 10_000
    ended = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s"
    assert all(row[0] for row in admin.execute(ended, [milliseconds, database]))


def _as_owner_of(folder: Path) -> list[str]:
    """The start of a command that may own a data folder: PostgreSQL refuses root, and must end with its parent."""
    guard = ["setpriv", "--pdeathsig", "INT"]  # a killed test run leaves no server behind
    if os.geteuid() != 0:
        return [*guard, "--"]
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [*guard, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


def _initialise(binaries: Path, folder: Path, as_owner: list[str]) -> None:
    command = [*as_owner, str(binaries / "initdb"), "-D", str(folder / "data"), "-U", SUPERUSER, "--auth=trust"]
    command += ["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        raise CannotStartError(f"initdb ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise CannotStartError(f"PostgreSQL did not come up: {log.read_text(errors='replace').strip()[-500:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """SIGINT is PostgreSQL's fast shutdown: sessions are cut, files are closed."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
