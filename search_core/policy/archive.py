"""The archive of earlier runs, from which a policy starts warm: JSON Lines, one run a line, only ever appended."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from search_core.errors import PolicyError, not_written
from search_core.policy.contract import Briefing, Earlier, Trial

FORMAT = 1  # of a line; raised when a field changes its meaning


class Archive:
    """A file of runs, each with task, corpus, the embedding of their description, and its trials."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self,
        *,
        corpus: str,
        task: str,
        encoder: str,
        profile: Sequence[float],
        trials: Iterable[Trial],
        experiment: str = "",
        split: str = "",
    ) -> None:
        """Append one run. `encoder` says whose vector `profile` is; vectors of different encoders do not compare.

        `split` says which questions of the corpus were sealed, so that no run learns from what it is to be proven by.
        What an `experiment` left for the task already stays: it was killed later, and goes on.

        Raises `PolicyError` when the profile has numbers that are none, `ArtifactError` where it cannot be written.
        """
        if not all(math.isfinite(number) for number in profile):
            raise PolicyError(f"the profile of {corpus!r} has numbers that are not finite; expected an embedding")
        key = {"experiment": experiment, "task": task}
        told = {"format": FORMAT, **key, "corpus": corpus, "split": split, "encoder": encoder}
        line = told | {"profile": list(profile), "trials": [trial.to_dict() for trial in trials]}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"), self.path.open("ab+") as file:
                content = _whole(file)
                if experiment and json.dumps(key)[1:-1].encode() in content:  # as text: a broken line may be there
                    return
                file.truncate(len(content))  # of a writer that fell in the middle of a line
                file.write((json.dumps(line, allow_nan=False) + "\n").encode())
        except OSError as error:
            raise not_written(f"archive {self.path}", error) from error

    def __len__(self) -> int:
        """How many runs it holds, those in lines that cannot be read included."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            return sum(1 for line in _whole(file).splitlines() if line)

    def briefing(
        self,
        *,
        profile: Sequence[float],
        encoder: str,
        task: str = "",
        corpus: str = "",
        split: str = "",
        first: int | None = None,
    ) -> Briefing:
        """What a new run may know: the runs of this task (any, if empty) described by this encoder.

        Of runs on its own `corpus` those with the same `split` are told: others, and those that did not say theirs,
        may have been rewarded by questions that are sealed now. As a record, by which picks are counted against draws,
        all runs of the task are told: which of the two wins says nothing of any question.

        `first`: only so many of the oldest runs are looked at, as a run that is repeated needs it. A last line that was
        cut off by a crash is passed over; any other broken line raises `PolicyError` with its number.
        """
        runs = [run for run in self._runs()[:first] if task in {"", run["task"]}]
        chosen = [
            Earlier(tuple(run["profile"]), _trials(run))
            for run in runs
            if run["encoder"] == encoder and (run["corpus"] != corpus or (split and run.get("split") == split))
        ]
        return Briefing(tuple(profile), tuple(chosen), tuple(_trials(run) for run in runs))

    def _runs(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            lines = _whole(file).splitlines()
        return [self._run(number, line) for number, line in enumerate(lines, 1) if line]

    def _run(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            run = json.loads(line)
        except ValueError as error:  # no JSON, or no text at all
            raise PolicyError(f"{self.path}:{number} is not JSON ({error}); remove that line") from error
        if not isinstance(run, dict) or run.get("format") != FORMAT:
            raise PolicyError(f"{self.path}:{number} is not of format {FORMAT}; remove that line, or the file")
        return run


def _trials(run: Mapping[str, Any]) -> tuple[Trial, ...]:
    return tuple(Trial.from_dict(trial) for trial in run["trials"])


def _whole(file: BinaryIO) -> bytes:
    """All up to the end of the last whole line; what comes after it is of a writer that fell."""
    file.seek(0)
    content = file.read()
    return content[: content.rfind(b"\n") + 1]
