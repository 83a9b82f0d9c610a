"""Snapshots of the dense view: vectors, graph and slot table in a folder, joined by a manifest that is replaced last.

The vector file grows in place; a snapshot names how many of its rows count. Graph and slot table are new files each
time. What no manifest names is deleted after the next one is in place.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64

from retrieval.dense.state import DenseState
from retrieval.dense.vector_file import VectorFile
from retrieval.dense.vector_graph import VectorGraph
from retrieval.errors import OutageError, ViewError
from retrieval.types import Labels
from retrieval.views.folder import (
    LOCK_NAME,
    MANIFEST_NAME,
    Reached,
    lock_folder,
    read_manifest,
    replace_file,
    write_manifest,
)

FORMAT = 1
ATTEMPTS = 20  # a writer may replace the snapshot while it is read
CHECKSUM_BLOCK_BYTES = 2**22
COPIED_ROWS = 4096


class DenseSnapshots:
    """The folder of a view, held by its one writer. Raises `ViewLockedError` when another has it."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._lock = lock_folder(folder)
        self._folder = folder
        self._expected = _expected(dim)
        self._dim = dim
        self._saved: tuple[Reached, DenseState] | None = None
        self._upcoming = ""  # name of the vector file that a compaction is writing

    def load(self) -> tuple[Reached, DenseState]:
        """What the last snapshot reached, and its state; an empty one where there is none. Raises `ViewError`."""
        try:
            manifest = read_manifest(self._folder, self._expected)
            self._delete_all_but(_names(manifest) if manifest else ())
            if manifest is None:
                vectors = VectorFile(self.new_vectors_path(), self._dim)
                return Reached(), DenseState(vectors, np.empty(0, np.int64), np.empty(0, np.bool_), BitMap64())
            state = _read_state(self._folder, manifest, self._folder / manifest["vectors"]["name"])
        except BaseException as error:
            self._lock.release()
            if isinstance(error, FileNotFoundError):
                raise ViewError(f"{error}; delete {self._folder} and the view is rebuilt") from error
            raise
        return Reached.read(manifest), state

    def save(self, reached: Reached, state: DenseState) -> None:
        """Make this state the snapshot. In order: vectors, graph, slots, manifest, then delete what it replaced.

        Raises `OSError` or `OutageError` when the disk does not take it; the former snapshot counts on then.
        """
        if self._saved is not None and self._saved[0] == reached and self._saved[1] is state:
            return
        state.vectors.sync()
        try:
            manifest = self._write_files(reached, state)
            write_manifest(self._folder, manifest)
        except (OSError, OutageError):  # a full disk: what was begun would fill it further with each try
            former = read_manifest(self._folder, self._expected)
            assert state.vectors.path is not None
            self._delete_all_but([state.vectors.path.name, *(_names(former) if former else ())])
            raise
        self._delete_all_but(_names(manifest))
        self._saved = reached, state

    def new_vectors_path(self) -> Path:
        """Where a rewritten vector file goes; it counts from the next save on."""
        path = self._new_path("vectors", "f32")
        self._upcoming = path.name
        return path

    def close(self) -> None:
        """Give up the folder."""
        self._lock.release()

    def _write_files(self, reached: Reached, state: DenseState) -> dict[str, Any]:
        vectors = state.vectors
        assert vectors.path is not None
        manifest: dict[str, Any] = {**self._expected, **reached.written(), "indexed": state.indexed, "graph": None}
        manifest["vectors"] = {"name": vectors.path.name, "count": vectors.count, "checksum": vectors.checksum}
        if state.graph is not None:
            path = self._new_path("graph", "hnsw")
            state.graph.save(path)
            manifest["graph"] = {"name": path.name, "deleted": state.graph.deleted, "checksum": _sync_and_sum(path)}
        table = io.BytesIO()
        np.savez(table, labels=state.labels, alive=state.alive)
        path = self._new_path("slots", "npz")
        replace_file(path, table.getvalue())
        manifest["slots"] = {"name": path.name, "checksum": zlib.crc32(table.getvalue())}
        return manifest

    def _new_path(self, stem: str, suffix: str) -> Path:
        numbers = [int(path.stem.rpartition("-")[2]) for path in self._folder.glob(f"{stem}-*.{suffix}")]
        return self._folder / f"{stem}-{max(numbers, default=0) + 1}.{suffix}"

    def _delete_all_but(self, names: Sequence[str]) -> None:
        for path in self._folder.iterdir():
            if path.is_file() and path.name not in {*names, self._upcoming, MANIFEST_NAME, LOCK_NAME}:
                path.unlink()


def open_read_only(folder: Path, dim: int) -> tuple[Reached, DenseState]:
    """What the last snapshot in a folder that another process may maintain reached, and its state in memory of our own.

    Raises `ViewError` when it cannot be read.
    """
    for _ in range(ATTEMPTS):
        manifest = read_manifest(folder, _expected(dim))
        if manifest is None:
            return Reached(), DenseState.empty(dim)
        try:
            state = _read_state(folder, manifest, None)
        except FileNotFoundError:
            continue
        return Reached.read(manifest), state
    raise ViewError(
        f"snapshot in {folder} was replaced {ATTEMPTS} times while it was read; try again when it is quieter"
    )


def _read_state(folder: Path, manifest: dict[str, Any], path: Path | None) -> DenseState:
    """The state that the manifest names; its vectors stay in `path`, or go to an unnamed copy where that is None."""
    named = manifest["vectors"]
    labels, alive = _read_slots(folder, manifest)
    graph = _read_graph(folder, manifest)
    if path is None:
        vectors = VectorFile(None, manifest["dim"])
        _copy_rows(folder / named["name"], vectors, named["count"])
    else:
        vectors = VectorFile(path, manifest["dim"], named["count"], named["checksum"])
    return DenseState(vectors, labels, alive, BitMap64(labels[alive].tolist()), graph, manifest["indexed"])


def _read_slots(folder: Path, manifest: dict[str, Any]) -> tuple[Labels, NDArray[np.bool_]]:
    named = manifest["slots"]
    content = (folder / named["name"]).read_bytes()
    _compare(folder / named["name"], zlib.crc32(content), named["checksum"])
    table = np.load(io.BytesIO(content))
    return table["labels"], table["alive"]


def _read_graph(folder: Path, manifest: dict[str, Any]) -> VectorGraph | None:
    named = manifest["graph"]
    if named is None:
        return None
    path = folder / named["name"]
    _compare(path, _sum(path), named["checksum"])
    try:
        return VectorGraph(manifest["dim"], path=path, deleted=named["deleted"])
    except RuntimeError as error:  # hnswlib's only error; it was there a moment ago
        raise FileNotFoundError(f"{path} cannot be opened: {error}") from error


def _copy_rows(source: Path, vectors: VectorFile, count: int) -> None:
    with source.open("rb") as stream:
        while vectors.count < count:
            values = np.fromfile(stream, np.float32, min(COPIED_ROWS, count - vectors.count) * vectors.dim)
            if not len(values):
                raise ViewError(f"{source} ends after {vectors.count} of {count} vectors; delete the view's folder")
            vectors.append(values.reshape(-1, vectors.dim))


def _sync_and_sum(path: Path) -> int:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return _sum(path)


def _sum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(CHECKSUM_BLOCK_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _compare(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise ViewError(f"{path} has checksum {found}, expected {expected}; delete its folder and the view is rebuilt")


def _expected(dim: int) -> dict[str, Any]:
    return {"kind": "dense", "format": FORMAT, "dim": dim}


def _names(manifest: dict[str, Any]) -> list[str]:
    files = (manifest["vectors"], manifest["graph"], manifest["slots"])
    return [file["name"] for file in files if file is not None]
