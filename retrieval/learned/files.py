"""Learned parts of a plan on the disk: named arrays and what they are of, verified when they are read.

A folder `<data_dir>/artifacts/<id>/` holds `<kind>.safetensors` and `<kind>.json`, which says for which encoder the
part was learned and what the arrays hash to. A plan names the id. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.artifact_name import check_name
from retrieval.errors import InvalidInputError
from retrieval.views.folder import replace_file, sync_folder

FORMAT = 1
ARTIFACTS = "artifacts"  # folder of the data directory
KEPT_OPEN = 16  # parts of one kind and collection

Tensors = Mapping[str, NDArray[Any]]
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class LearnedFile:
    """What a folder holds: the arrays, the encoder's fingerprint, its dimensions, and what else was said of them."""

    tensors: Tensors
    encoder: str
    dim: int
    about: Mapping[str, Any]


class OpenParts(Generic[Part]):
    """Loads the part of a plan's name at its first use and keeps it. Thread-safe.

    `load` gets the folder, the encoder's fingerprint and its dimensions: those of the collection served, so that a part
    of another encoder is refused.
    """

    def __init__(self, load: Callable[[Path, str, int | None], Part], artifacts: Path, encoder: str, dim: int) -> None:
        self._load = load
        self._artifacts = artifacts
        self._encoder = encoder
        self._dim = dim
        self._open: dict[str, Part] = {}
        self._opening = threading.Lock()

    def __call__(self, name: str) -> Part:
        """The part of that artifact. Raises `InvalidInputError` where it is missing, altered or foreign."""
        with self._opening:
            if name not in self._open:
                self._open[name] = self._load(self._artifacts / check_name(name, "artifact"), self._encoder, self._dim)
                while len(self._open) > KEPT_OPEN:
                    del self._open[next(iter(self._open))]  # a search may name any that there is
            return self._open[name]


def no_parts(name: str) -> Any:
    """What a retriever without artifacts answers to a plan that names one: `InvalidInputError`."""
    raise InvalidInputError(f"the plan names artifact {name!r}, but this retriever was given none; give it OpenParts")


def files_of(kind: str) -> tuple[str, str]:
    """The names of both files: arrays, description."""
    return f"{kind}.safetensors", f"{kind}.json"


def write_learned(folder: Path, kind: str, part: LearnedFile) -> None:
    """Write both files into `folder`, which is made if need be; what is there already and whole stays as it is.

    Raises `OSError` where the disk does not take it: nothing of the folder has changed then.
    """
    from safetensors.numpy import save

    if _holds(folder, kind, part):
        os.utime(folder)  # it is in use again: what is old and nobody names may be removed
        return
    arrays, description = files_of(kind)
    content = save({name: np.ascontiguousarray(array) for name, array in part.tensors.items()})
    told = {
        "format": FORMAT,
        "encoder": part.encoder,
        "dim": part.dim,
        **part.about,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        replace_file(scratch / arrays, content)
        replace_file(scratch / description, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
        for name in (arrays, description):
            os.replace(scratch / name, folder / name)
        sync_folder(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _holds(folder: Path, kind: str, part: LearnedFile) -> bool:
    """Whether that part is there, verified."""
    try:
        known = read_learned(folder, kind, part.encoder, part.dim)
    except InvalidInputError:
        return False
    same = known.tensors.keys() == part.tensors.keys() and part.about.items() <= known.about.items()
    return same and all(np.array_equal(known.tensors[name], array) for name, array in part.tensors.items())


def read_learned(folder: Path, kind: str, encoder: str, dim: int | None) -> LearnedFile:
    """The verified part of a folder, for vectors of `dim` (None: any) by the encoder of that fingerprint.

    Raises `InvalidInputError` naming the folder where it is missing, altered, or made for another encoder.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    arrays, described = files_of(kind)
    try:
        description = json.loads((folder / described).read_text(encoding="utf-8"))
        content = (folder / arrays).read_bytes()
        tensors = load(content)
    except (OSError, ValueError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error  # without the server's paths
        raise InvalidInputError(
            f"{kind} {folder.name} cannot be read: {reason}; expected {described} and {arrays} there; "
            f"restore them, or serve a plan without {kind} (`kb plans promote`)"
        ) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InvalidInputError(f"{kind} {folder.name}: {described} is no format {FORMAT}; tune again")
    if description.get("sha256") != hashlib.sha256(content).hexdigest():
        raise InvalidInputError(f"{kind} {folder.name}: {arrays} is not what was written; restore it or tune again")
    known = description.get("dim")
    if not isinstance(known, int):
        raise InvalidInputError(f"{kind} {folder.name}: {described} has dim {known!r}, no whole number; tune again")
    if description.get("encoder") != encoder or dim not in (None, known):
        raise InvalidInputError(
            f"{kind} {folder.name} was learned for encoder {str(description.get('encoder'))[:12]} with {known} "
            f"dimensions, but the collection has {encoder[:12]}{_of_dim(dim)}: tune again"
        )
    return LearnedFile(tensors, encoder, known, description)


def _of_dim(dim: int | None) -> str:
    return "" if dim is None else f" with {dim}"
