"""Whether the log of a run is what was written: its chain of hashes, and the catalog's own copy of each trial."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from infra.wording import counted
from search_core.log.experiment_log import FILE, START


def log_troubles(folder: Path, trials: Sequence[dict[str, Any]], *, grows: bool = False) -> list[str]:
    """What is wrong with the log of that run folder, line by line; empty where it is as it was written.

    `trials` are the catalog's, in order. A line that was altered breaks the hash that the next one carries; the last
    line, and one whose followers were altered too, is still compared with the catalog. `grows`: the run goes on, so
    that only what both have is compared. A run that tried nothing has no log.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and (grows or not trials):
            return []
        return [f"{path} cannot be read: {error.strerror}; resuming the experiment writes it again from the catalog"]
    if grows:
        whole = len(lines) if text.endswith("\n") else len(lines) - 1  # the last one is being written
        both = max(0, min(whole, len(trials)))
        lines, trials = lines[:both], trials[:both]
    return list(_troubles(path, lines, trials))


def _troubles(path: Path, lines: Sequence[str], trials: Sequence[dict[str, Any]]) -> Iterator[str]:
    chain = START
    for number, line in enumerate(lines, 1):
        where = f"{path.name} line {number}"
        try:
            body = json.loads(line)
            previous = body.pop("previous")
        except (ValueError, KeyError, AttributeError):
            yield f"{where} is no trial: {line[:80]!r}; expected a JSON object with the hash of the line before"
            return
        if previous != chain:
            before = f"line {number - 1} was altered, or one was removed or added before" if number > 1 else "it is not"
            yield f"{where} does not follow on the line before: {before} (trial {body.get('number')})"
        chain = hashlib.sha256(line.encode()).hexdigest()
        if number > len(trials):
            yield f"{where} has trial {body.get('number')}, which the catalog does not know"
        elif wrong := _differing(body, trials[number - 1]):
            yield f"{where} (trial {trials[number - 1]['number']}) differs from the catalog in {', '.join(wrong)}"
    if len(lines) < len(trials):
        yield f"{path.name} ends after {counted(len(lines), 'trial')}; the catalog has {len(trials)}"


def _differing(body: dict[str, Any], trial: dict[str, Any]) -> list[str]:
    plain = json.loads(json.dumps(trial))
    return sorted(name for name in body.keys() | plain.keys() if body.get(name) != plain.get(name))
