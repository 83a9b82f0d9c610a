"""Query adapters: a small learned map of query vectors, served without touching the index.

Kept as `retrieval.learned.files` keeps learned parts: `adapter.safetensors` and `adapter.json`.

The map of a unit vector x: normalise(x + x·delta + bias), delta (dim, dim) or down (dim, rank) · up (rank, dim);
all zeros is the identity (Chroma's and LlamaIndex's query-only adapters are its unconstrained kin).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.dense.products import each_times
from retrieval.errors import InvalidInputError
from retrieval.learned.files import LearnedFile, read_learned, write_learned
from retrieval.types import Vectors

KIND = "adapter"  # of learned part
_MIN_NORM = 1e-12  # a mapped vector shorter than that has no direction: the query stays as it was

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class QueryAdapter:
    """A learned map of query vectors; what is None is not part of it. `encoder` is the fingerprint it belongs to."""

    encoder: str
    dim: int
    bias: NDArray[np.float32] | None = None  # (dim,)
    delta: NDArray[np.float32] | None = None  # (dim, dim)
    down: NDArray[np.float32] | None = None  # (dim, rank)
    up: NDArray[np.float32] | None = None  # (rank, dim)
    taught: tuple[str, ...] | None = None  # hashes of the questions it was learned from; None: not known

    def __post_init__(self) -> None:
        rank = 0 if self.down is None else int(self.down.shape[-1])
        expected = {
            "bias": (self.dim,),
            "delta": (self.dim, self.dim),
            "down": (self.dim, rank),
            "up": (rank, self.dim),
        }
        for name, array in self.tensors.items():
            if array.shape != expected[name]:
                raise InvalidInputError(f"adapter tensor {name} has shape {array.shape}; expected {expected[name]}")
            if not np.isfinite(array).all():
                raise InvalidInputError(f"adapter tensor {name} has values that are no numbers; train it again")
        if (self.down is None) != (self.up is None):
            raise InvalidInputError("an adapter has one of the tensors down and up; expected both or none")

    @property
    def tensors(self) -> Tensors:
        """Those it has, by name."""
        named = (("bias", self.bias), ("delta", self.delta), ("down", self.down), ("up", self.up))
        return {name: array for name, array in named if array is not None}

    def apply(self, vectors: Vectors) -> Vectors:
        """(n, dim) unit vectors from (n, dim) unit vectors."""
        moved = vectors.copy()
        if self.delta is not None:
            moved += each_times(vectors, self.delta)
        if self.down is not None and self.up is not None:
            moved += (vectors @ self.down) @ self.up
        if self.bias is not None:
            moved += self.bias
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.where(norms > _MIN_NORM, moved / np.maximum(norms, _MIN_NORM), vectors).astype(np.float32)


def write_adapter(folder: Path, adapter: QueryAdapter) -> None:
    """Write both files into `folder`, which is made if need be."""
    about = {} if adapter.taught is None else {"taught": list(adapter.taught)}
    write_learned(folder, KIND, LearnedFile(adapter.tensors, adapter.encoder, adapter.dim, about))


def load_adapter(folder: Path, encoder: str, dim: int | None) -> QueryAdapter:
    """The verified adapter of a folder, for vectors of `dim` (None: any) by the encoder of that fingerprint.

    Raises `InvalidInputError` naming the folder where it is missing, altered, or made for another encoder.
    """
    read = read_learned(folder, KIND, encoder, dim)
    known = read.about.get("taught")
    taught = tuple(map(str, known)) if isinstance(known, list) else None
    try:
        return QueryAdapter(encoder, read.dim, **read.tensors, taught=taught)
    except TypeError as error:
        unknown = ", ".join(sorted(read.tensors))
        raise InvalidInputError(f"adapter {folder.name} has unknown tensors: {unknown}") from error
