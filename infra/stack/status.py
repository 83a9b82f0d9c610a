"""What can be told of a server at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Status:
    """One server: where it is, and whether it answers. `reason` says why it does not; memory is in bytes.

    `url` is empty where it was never started.
    """

    name: str
    url: str
    ready: bool
    reason: str
    log: Path
    pid: int | None = None
    rss: int = 0
    pss: int = 0
