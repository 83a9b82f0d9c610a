"""TensorBoard's event files of a run: reward, best so far, cost and time by trial. Needs the `train` extra."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search_core.errors import ArtifactError

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes what `tensorboard --logdir EXPERIMENTS` shows. Raises `ArtifactError` without the extra."""

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ArtifactError(
                "TensorBoard's package is not installed; install the extra: pip install 'autoglm-kb[train]'"
            ) from error
        self._event, self._summary = Event, Summary
        for earlier in (folder / FOLDER).glob("events.out.tfevents.*"):
            earlier.unlink()  # a run that goes on tells all its trials again
        self._writer = EventFileWriter(str(folder / FOLDER))
        self._best: dict[str, float] = {}

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
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=self._summary(value=told)))
        self._writer.flush()

    def close(self) -> None:
        """Write the rest and end the writer's thread."""
        self._writer.close()
