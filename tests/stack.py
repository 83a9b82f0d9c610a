"""The servers of `kb stack` for tests: started once a run, shared by its workers, gone when the run is.

A test asks for `stack_of` and names what it needs; each makes databases, topics and indexes with names of its own:

    def test_a_row_becomes_an_event(stack_of: StackOf) -> None:
        stack = stack_of("postgres", "connect")
        url = stack.url("postgres")

`Stack.up` locks the folder, so a server that two workers need is started by one of them. Nobody counts who still uses
it: a watcher sees the run's process end, however it ends, then stops the servers and removes their folder.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stack_watcher import remove

from infra.settings import load_settings
from infra.stack.errors import FetchError, MissingProgramError
from infra.stack.stack import Stack

StackOf = Callable[..., Stack]
WATCHER = Path(__file__).with_name("stack_watcher.py")


@pytest.fixture(scope="session")
def stack_of() -> StackOf:
    """A function from names of servers (none: all) to the `Stack` of the run in which these answer.

    It skips the test with the reason where they cannot be had, and fails it where CI is set. Others use these servers
    at the same moment: a test that kills or pauses one asks for `own_stack_of`.
    """
    return starter(folder_of(this_run()))


@pytest.fixture(scope="session")
def stack(stack_of: StackOf) -> Stack:
    """All servers of the run."""
    return stack_of()


@pytest.fixture(scope="module")
def own_stack_of() -> Iterator[StackOf]:
    """As `stack_of`, with servers that only this module's tests use and may do anything to."""
    folder = own_folder_of(this_run())
    try:
        yield starter(folder)
    finally:
        remove(folder)


def starter(folder: Path) -> StackOf:
    """The function behind the fixtures."""
    cache = load_settings().cache_dir
    stack = Stack(folder, cache=Path(cache) if cache else None)

    def started(*names: str) -> Stack:
        watch(this_run(), stack.folder)
        try:
            stack.up(names) if names else stack.up()
        except (MissingProgramError, FetchError) as reason:
            if os.environ.get("CI"):
                pytest.fail(f"CI is set and the servers cannot be started: {reason}")
            pytest.skip(str(reason))
        return stack

    return started


def this_run() -> int:
    """The process of the whole run: this one, or the one that started this worker."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def own_folder_of(run: int) -> Path:
    """A folder beside the run's, with a random name."""
    return folder_of(run).with_name(f"kb-test-own-{secrets.token_hex(6)}")


def folder_of(run: int) -> Path:
    """The folder of a run's stack: not in pytest's own, which the servers' user may not enter."""
    return Path(tempfile.gettempdir()) / f"kb-test-stack-{os.geteuid()}-{run}"


def watch(run: int, folder: Path) -> None:
    """Start the watcher of a run, unless a sister worker has."""
    folder.mkdir(mode=0o755, exist_ok=True)
    try:
        (folder / "watcher").touch(exist_ok=False)
    except FileExistsError:
        return
    command = [sys.executable, str(WATCHER), str(run), str(folder)]
    with (folder / "watcher.log").open("wb") as log:
        watcher = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    watcher.returncode = 0  # it outlives us by design: no warning when this object goes
