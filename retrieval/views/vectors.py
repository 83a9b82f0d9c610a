"""Vectors as the dense views take them, wherever they are kept."""

from __future__ import annotations

import numpy as np

from retrieval.errors import InvalidInputError
from retrieval.types import Vector


def checked_vector(vector: Vector, dim: int) -> Vector:
    """The vector as contiguous float32, of shape (dim,). Raises `InvalidInputError` where it has another shape."""
    vector = np.ascontiguousarray(vector, np.float32)
    if vector.shape != (dim,):
        raise InvalidInputError(f"vector has shape {vector.shape}, expected ({dim},): is it the same encoder?")
    return vector
