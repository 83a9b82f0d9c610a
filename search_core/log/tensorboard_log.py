"""TensorBoard's event files of a run: reward, best so far, cost and time by trial. Needs the `train` extra."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from retrieval.disk import refusal
from search_core.errors import ArtifactError

FOLDER = "tensorboard"
PATTERN = "events.out.tfevents.*"  # the names that TensorBoard looks for
VERSION = "brain.Event:2"  # of the format, which the first event of a file tells

logger = logging.getLogger(__name__)


class TensorBoardLog:
    """Writes what `tensorboard --logdir EXPERIMENTS` shows. Raises `ArtifactError` without the extra.

    A disk that takes no event files is told once and ends them; the run goes on, as its trials are kept elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise ArtifactError(
                "TensorBoard's package is not installed; install the extra: pip install 'autoglm-kb[train]'"
            ) from error
        self._event, self._summary, self._records = Event, Summary, RecordWriter
        self._folder = folder / FOLDER
        self._best: dict[str, float] = {}
        self._file: BinaryIO | None = None
        try:
            self._file = self._open()
        except OSError as error:
            self._give_up(error)
        self._write(self._event(wall_time=time.time(), file_version=VERSION))

    def trial(self, body: Mapping[str, Any]) -> None:
        """One trial, in the order of the log."""
        tier, step = str(body["tier"]), int(body["number"])
        values = {"seconds": body["seconds"], "cpu_seconds": body["cpu_seconds"], "fidelity": body["fidelity"]}
        if body["reward"] is not None:
            values["reward"] = body["reward"]
        if body.get("whole") is not None:
            self._best[tier] = max(self._best.get(tier, body["whole"]), body["whole"])
            values |= {"all_questions": body["whole"], "best": self._best[tier]}
        if body.get("cost"):
            values["serving_ms"] = body["cost"]["serving_ms"]
        told = [self._summary.Value(tag=f"{tier}/{name}", simple_value=float(value)) for name, value in values.items()]
        self._write(self._event(wall_time=time.time(), step=step, summary=self._summary(value=told)))

    def close(self) -> None:
        """End the file."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # each event was written as it came; one that was not has been told of
                file.close()

    def _open(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        for earlier in self._folder.glob(PATTERN):
            earlier.unlink()  # a run that goes on tells all its trials again
        name = f"{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.0"
        return (self._folder / PATTERN.replace("*", name)).open("wb")

    def _write(self, event: Any) -> None:
        """By this thread, not by one of the library's own, whose errors come late and with a traceback."""
        if self._file is None:
            return
        try:
            self._records(self._file).write(event.SerializeToString())
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.close()
        reason = refusal(error) or error.strerror
        logger.warning("TensorBoard's event files in %s end: %s; the run goes on without them", self._folder, reason)
