"""Query adapters: a small learned map of query vectors, served without touching the index.

A folder `<data_dir>/artifacts/<id>/` holds `adapter.safetensors` and `adapter.json`, which says for which encoder the
map was learned and what the tensors hash to. A plan names the id. Loading verifies; nothing is unpickled.

The map of a unit vector x: normalise(x + x·delta + bias), delta (dim, dim) or down (dim, rank) · up (rank, dim);
all zeros is the identity (Chroma's and LlamaIndex's query-only adapters are its unconstrained kin).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import InvalidInputError
from retrieval.types import Vectors

TENSORS_FILE, DESCRIPTION_FILE = "adapter.safetensors", "adapter.json"
FORMAT = 1
ARTIFACTS = "artifacts"  # folder of the data directory
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHORTEST = 1e-12  # a mapped vector shorter than that has no direction: the query stays as it was

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
            moved += vectors @ self.delta
        if self.down is not None and self.up is not None:
            moved += (vectors @ self.down) @ self.up
        if self.bias is not None:
            moved += self.bias
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.where(norms > _SHORTEST, moved / np.maximum(norms, _SHORTEST), vectors).astype(np.float32)


class OpenAdapters:
    """Loads the adapter of a plan's name at its first use and keeps it. Thread-safe.

    `encoder` and `dim` are those of the collection served: an adapter for another encoder is refused.
    """

    def __init__(self, artifacts: Path, encoder: str, dim: int) -> None:
        self._artifacts = artifacts
        self._encoder = encoder
        self._dim = dim
        self._open: dict[str, QueryAdapter] = {}
        self._opening = threading.Lock()

    def __call__(self, name: str) -> QueryAdapter:
        """The adapter of that artifact. Raises `InvalidInputError` where it is missing, altered or foreign."""
        with self._opening:
            if name not in self._open:
                self._open[name] = load_adapter(self._artifacts / check_name(name), self._encoder, self._dim)
            return self._open[name]


def no_adapters(name: str) -> QueryAdapter:
    """What a retriever without artifacts answers to a plan that names one: `InvalidInputError`."""
    raise InvalidInputError(
        f"plan.adapter is {name!r}, but this retriever was given no artifacts; give it OpenAdapters"
    )


def require_adapter(name: str | None, data_dir: Path, encoder: str) -> None:
    """Before a plan is promoted: that the adapter it names, if any, can serve a collection of that encoder.

    Raises `InvalidInputError` where it is missing, altered or foreign.
    """
    if name is not None:
        load_adapter(data_dir / ARTIFACTS / check_name(name), encoder, None)


def check_name(name: str) -> str:
    """The name, if it is one that stays inside the folder of artifacts. Raises `InvalidInputError` otherwise."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"plan.adapter is {name!r}; expected an artifact's id: letters, digits, '.', '_', '-'")
    return name


def write_adapter(folder: Path, adapter: QueryAdapter) -> None:
    """Write both files into `folder`, which is made if need be."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(array, np.float32) for name, array in adapter.tensors.items()})
    description = {
        "format": FORMAT,
        "encoder": adapter.encoder,
        "dim": adapter.dim,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TENSORS_FILE).write_bytes(content)
    (folder / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_adapter(folder: Path, encoder: str, dim: int | None) -> QueryAdapter:
    """The verified adapter of a folder, for vectors of `dim` (None: any) by the encoder of that fingerprint.

    Raises `InvalidInputError` naming the folder where it is missing, altered, or made for another encoder.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        description = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        content = (folder / TENSORS_FILE).read_bytes()
        tensors: Tensors = load(content)
    except (OSError, ValueError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error  # without the server's paths
        raise InvalidInputError(
            f"adapter {folder.name} cannot be read: {reason}; expected {DESCRIPTION_FILE} and {TENSORS_FILE} there; "
            "tune again or serve a plan without adapter"
        ) from error
    known = _check(folder, description, content, encoder, dim)
    try:
        return QueryAdapter(encoder, known, **tensors)
    except TypeError as error:
        raise InvalidInputError(f"adapter {folder.name} has unknown tensors: {', '.join(sorted(tensors))}") from error


def _check(folder: Path, description: object, content: bytes, encoder: str, dim: int | None) -> int:
    """The adapter's dimensions."""
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InvalidInputError(f"adapter {folder.name}: {DESCRIPTION_FILE} is no format {FORMAT}; tune again")
    if description.get("sha256") != hashlib.sha256(content).hexdigest():
        raise InvalidInputError(
            f"adapter {folder.name}: {TENSORS_FILE} is not what was written; restore it or tune again"
        )
    known = int(description.get("dim", 0))
    if description.get("encoder") != encoder or dim not in (None, known):
        raise InvalidInputError(
            f"adapter {folder.name} was learned for encoder {str(description.get('encoder'))[:12]} with "
            f"{known} dimensions, but the collection has {encoder[:12]} with {dim or known}: tune again"
        )
    return known
