"""A log handler that does not repeat itself: what goes on for an hour fills no disk, and buries nothing else."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass
from typing import TextIO

from infra.wording import counted

SECONDS = 60.0  # in which the same line is written once
LOOK_SECONDS = 1.0  # how late that minute's end is noticed
MOST_LINES = 1_000  # that are remembered


@dataclass(slots=True)
class _Line:
    """A record as it was written, and how often it came since."""

    record: logging.LogRecord
    written_at: float
    more: int = 0


class RepeatCounter(logging.StreamHandler[TextIO]):
    """Writes a warning or an error at once, and what repeats it word for word once a minute, with how often it came.

    What came last is written by the next line of any kind after that minute, or at the end.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._lines: dict[tuple[str, str, str], _Line] = {}
        self._looked_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it. Called under the handler's lock."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._tell(now - SECONDS, now)
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit the message are no reason to fail whoever logs
            self.handleError(record)
            return
        key = (record.name, message, repr(record.exc_info[1]) if record.exc_info else "")
        known = self._lines.get(key)
        if known is not None:
            known.record, known.more = record, known.more + 1
            return
        if len(self._lines) < MOST_LINES:
            self._lines[key] = _Line(record, now)
        super().emit(record)

    def close(self) -> None:
        """Write what was only counted."""
        self.acquire()
        try:
            self._tell(float("inf"), 0.0)
        finally:
            self.release()
        super().close()

    def _tell(self, until: float, now: float) -> None:
        """Write once more what was written by `until` and came again since; forget what did not."""
        for key, line in list(self._lines.items()):
            if line.written_at > until:
                continue
            if not line.more:
                del self._lines[key]
                continue
            told = copy.copy(line.record)
            told.msg = f"{line.record.getMessage()} ({counted(line.more, 'more time')})"
            told.args = told.exc_info = told.exc_text = None
            line.written_at, line.more = now, 0
            super().emit(told)
