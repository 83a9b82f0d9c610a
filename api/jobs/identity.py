"""What a process that runs jobs is called, and how another on the same machine sees that it has died."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache


def this_process() -> str:
    """`host:pid:token`; the token tells it from a later process with the same number."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_token(pid)}"


def is_gone(runner: str) -> bool:
    """Whether the process of that name is surely dead: it ran here, and its number is free or somebody else's.

    False says nothing: of a process elsewhere only the missing heartbeat tells.
    """
    host, _, rest = runner.partition("/")[0].partition(":")
    pid, _, token = rest.partition(":")
    if not _namespace() or host != _host() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return token != _token(os.getpid())
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as another user
        return False
    return False


def _host() -> str:
    """The machine, and the container on it: two of them may have processes of one number."""
    return f"{socket.gethostname()}.{_namespace()}".replace(":", "-").replace("/", "-")


@cache
def _namespace() -> str:
    """Number of the process-id namespace; empty where the system has none to tell."""
    try:
        return "".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))
    except OSError:
        return ""


@cache
def _token(pid: int) -> str:
    return secrets.token_hex(4)  # by number, so that a forked child has one of its own
