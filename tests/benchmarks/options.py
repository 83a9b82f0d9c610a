"""How large a measurement is; the defaults are what is reported, tests and first tries make it small."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Zero and empty mean all. `work` keeps what takes long to build, so that a second run only measures."""

    work: Path = Path(tempfile.gettempdir()) / "kb-bench"
    documents: int = 0
    questions: int = 0
    peers: tuple[str, ...] = ()
    threads: int = 0  # of our encoder; 0: one a core
    chunks: int = 10_000  # behind the server
    reindexed: int = 10_000  # chunks of the collection that is reindexed
    pause: float = 4.0  # seconds between two steps of a promotion
    requests: int = 2_000  # a number of clients
    writes: int = 200
    growth: tuple[int, int] = (10_000, 100_000)
    scanned: int = 3  # pages of each PDF that are drawn and recognised
