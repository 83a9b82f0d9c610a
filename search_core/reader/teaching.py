"""Teachers: readers trained before, whose mean opinion a reader learns from beside the answers (Hinton et al. 2015).

Where an answer may begin and end is rarely as sure as one marked span says; several readers disagree there, and that
disagreement is worth learning. Only answered questions are taught: teachers that never saw a question without an
answer know nothing of refusing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from search_core.reader.data import NO_ANSWER, Example
from search_core.reader.model import collate, open_model, scores_of
from search_core.reader.training import TrainingOptions, train

TEACHER_EPOCHS = 5
TEACHER_SEEDS = 1000  # beyond those of the runs
BATCH = 64


def taught(
    start: Path,
    found: Sequence[Example],
    options: TrainingOptions,
    teachers: int,
    wanted: Callable[[], None] = lambda: None,
) -> list[Example]:
    """The examples, the answered ones with what so many teachers, trained from `start`, think of them.

    `wanted` is called before each step; what it raises ends the training.
    """
    answered = [row for row, one in enumerate(found) if NO_ANSWER not in one.golds]
    told: dict[int, Any] = {}
    for number in range(teachers):
        seed = options.seed + TEACHER_SEEDS + number
        teacher = open_model(start, seed)
        lessons = [[found[row] for row in answered]] * TEACHER_EPOCHS
        train(teacher, lessons, replace(options, seed=seed), wanted=wanted)
        for row, opinion in zip(answered, opinions(teacher, lessons[0], options.device), strict=True):
            told[row] = told.get(row, 0) + opinion.astype(np.float32) / teachers
    return [replace(one, soft=told[row].astype(np.float16)) if row in told else one for row, one in enumerate(found)]


def opinions(teacher: Any, found: Sequence[Example], device: str) -> list[Any]:
    """(tokens, 2) of each example: the probability of each row as start and as end."""
    import torch

    teacher.to(device).eval()
    made: dict[int, Any] = {}
    order = sorted(range(len(found)), key=lambda row: len(found[row].ids))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        with torch.no_grad():
            batch = collate([found[row] for row in rows], teacher.config.pad_token_id, device)
            starts, ends = scores_of(teacher, batch)
            both = torch.stack([starts.softmax(1), ends.softmax(1)], dim=2).cpu().numpy()
        made |= {row: both[place, : len(found[row].ids)] for place, row in enumerate(rows)}
    teacher.to("cpu")
    return [made[row] for row in range(len(found))]
