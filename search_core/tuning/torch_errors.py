"""What PyTorch raises in the midst of a training, as an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from search_core.errors import TrainingError


@contextmanager
def training_errors() -> Iterator[None]:
    """Raises `TrainingError` in place of PyTorch's `RuntimeError`: no memory, or a rate beyond its numbers.

    For one step: a training that fails is a trial that failed, not the end of the run.
    """
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise TrainingError(f"PyTorch cannot train: {reason}; lower the learning rate, or free memory") from error
