"""Puts learned models where serving looks for them, and beside the plan in the run's own artifact folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from retrieval.learned.adapter import write_adapter
from retrieval.learned.files import ARTIFACTS, Part
from retrieval.learned.precedents import write_precedents
from retrieval.learned.ranker import write_ranker
from search_core.artifact.artifacts import RUN_ARTIFACT
from search_core.candidate import Candidate, adapter_name, precedents_name, ranker_name
from search_core.conditions import Conditions
from search_core.errors import not_written

ENCODER = "encoder"  # folder of a tuned encoder inside the artifact


def publish(conditions: Conditions, candidate: Candidate) -> None:
    """Write what the candidate's plan names. Raises `ArtifactError` where the disk does not take it.

    It serves nothing yet. A name says what the model holds, so what is there already is the same, may serve, and stays.
    """
    try:
        if candidate.adapter is not None:
            _written(conditions, adapter_name(candidate.adapter), write_adapter, candidate.adapter)
        if candidate.ranker is not None and candidate.plan.ranker is not None:
            _written(conditions, ranker_name(candidate.ranker), write_ranker, candidate.ranker)
        if candidate.precedents is not None and candidate.plan.precedents is not None:
            _written(conditions, precedents_name(candidate.precedents), write_precedents, candidate.precedents)
        if candidate.model is not None:
            _copied(candidate.model.folder, conditions.folder / RUN_ARTIFACT / ENCODER)
    except OSError as error:
        raise not_written(f"a model of experiment {conditions.record.id}", error) from error


def model_name(conditions: Conditions, candidate: Candidate) -> str | None:
    """The folder of the tuned encoder in the data folder, for `open_encoder`: it is found there also once moved."""
    if candidate.model is None:
        return None
    return candidate.model.folder.relative_to(conditions.data_dir).as_posix()


def _written(conditions: Conditions, name: str, write: Callable[[Path, Part], None], part: Part) -> None:
    for folder in (conditions.data_dir / ARTIFACTS / name, conditions.folder / RUN_ARTIFACT):
        write(folder, part)


def _copied(source: Path, target: Path) -> None:
    """By hard links where the file system has them: a model is 90 MB."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=_link)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
    return target
