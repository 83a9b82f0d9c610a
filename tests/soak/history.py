"""What is true when: every version of every row that was committed, and since when an older one is out of date.

A row that changes is a subject; its text carries a mark of subject and version, so that any text that a search shows
tells how old it is. Versions count on through updates and key changes and are never used twice.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

MARK = re.compile(r"subject(\d+)word release\d+x(\d+)")


def mark(subject: int, version: int) -> str:
    """The words by which a search finds a subject and sees its version."""
    return f"subject{subject}word release{subject}x{version}"


@dataclass(frozen=True, slots=True)
class Commit:
    """A version that took effect; at a deletion the subject is no longer there."""

    version: int
    at: float  # seconds of time.monotonic, after the commit was acknowledged
    alive: bool


@dataclass(slots=True)
class History:
    """The commits of all subjects; safe to read while it is written."""

    commits: dict[int, list[Commit]] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)  # subjects that are shown only where another row joins them
    discarded: set[tuple[int, int]] = field(default_factory=set)  # rolled back: must never be shown
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def committed(self, subject: int, commit: Commit) -> None:
        with self._guard:
            self.commits.setdefault(subject, []).append(commit)

    def rolled_back(self, subject: int, version: int) -> None:
        with self._guard:
            self.discarded.add((subject, version))

    def latest(self, subject: int) -> Commit | None:
        with self._guard:
            return self.commits[subject][-1] if subject in self.commits else None

    def out_of_date_since(self, subject: int, version: int) -> float | None:
        """When that version was replaced or deleted; None where it is the newest, or newer than is known."""
        with self._guard:
            return next((one.at for one in self.commits.get(subject, ()) if _ends(one, version)), None)

    def was_rolled_back(self, subject: int, version: int) -> bool:
        with self._guard:
            return (subject, version) in self.discarded


def _ends(commit: Commit, version: int) -> bool:
    return commit.version > version or (commit.version == version and not commit.alive)
