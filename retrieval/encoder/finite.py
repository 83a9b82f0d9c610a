"""Refuses models that do not compute with numbers: NaN or infinite weights, as a failed training or copy leaves them.

A single such weight may spoil a few words alone, which the probe texts need not have; so weights are looked at as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EncoderError
from retrieval.types import Vectors

_ADVICE = (
    "no text can be found by such vectors. Copy the folder again from its origin, train the model again, or choose "
    "another encoder (KB_ENCODER; `kb encoders list`)"
)


def check_weights(folder: Path, name: str, weights: NDArray[Any]) -> None:
    """Raises `EncoderError` where one of the tensor's values is NaN or infinite."""
    spoilt = weights.size - np.count_nonzero(np.isfinite(weights))
    if spoilt:
        raise EncoderError(
            f"model folder {folder}: weights of {name!r} are NaN or infinite ({spoilt} of {weights.size}), expected "
            f"finite numbers; {_ADVICE}"
        )


def check_vectors(folder: Path, vectors: Vectors) -> None:
    """Raises `EncoderError` where one of the probe texts' vectors (n, dim) has a NaN or an infinite number."""
    spoilt = len(vectors) - np.count_nonzero(np.isfinite(vectors).all(axis=1))
    if spoilt:
        raise EncoderError(
            f"model folder {folder}: the vectors of {spoilt} of {len(vectors)} probe texts have NaN or infinite "
            f"numbers, though its weights are finite, so they are too large or broken; {_ADVICE}"
        )
