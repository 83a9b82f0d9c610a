"""Exports a model once and keeps it: one folder in the cache, made by one process, seen whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from retrieval.encoder.manifest import MANIFEST_FILE, Manifest, TowerManifest, fingerprint_of, read_manifest
from retrieval.encoder.model_folder import ModelFolder, read_folder
from retrieval.errors import EncoderError, OutageError

LOCK_TIMEOUT_SECONDS = 900.0  # a large model on a slow disk; a second process waits this long for the first
PASSAGE = "passage"
TOWER_FILE = "tower.json"  # what the export process hands back
DISK_REFUSED = 3  # its exit code where the disk takes nothing more; 2 is that of wrong arguments
QUERY = "query"  # sub-folders of a model folder whose towers differ

log = logging.getLogger(__name__)


def exported(model: str, folder: Path, cache: Path, precision: str, max_length: int | None = None) -> Path:
    """The folder of the exported encoder, made now if the cache lacks it. `precision` is "int8" or "fp32".

    Raises `EncoderError` when the model cannot be exported or trusted, `OutageError` when the disk has no room for it.
    """
    towers = _read_towers(folder, max_length)
    identity = {name: tower.identity() for name, tower in towers.items()}
    target = cache / f"{_safe(model)}-{fingerprint_of({**identity, 'precision': precision})}"
    if (target / MANIFEST_FILE).exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{target}.lock", timeout=LOCK_TIMEOUT_SECONDS):
            if not (target / MANIFEST_FILE).exists():  # another process may have made it while this one waited
                _export(model, towers, identity, target, precision)
    except Timeout:
        raise EncoderError(
            f"export of {model}: {target}.lock was held for {LOCK_TIMEOUT_SECONDS:.0f} s; end the process that holds it"
        ) from None
    return target


def _read_towers(folder: Path, max_length: int | None) -> dict[str, ModelFolder]:
    if (folder / PASSAGE).is_dir() and (folder / QUERY).is_dir():
        return {name: read_folder(folder / name, max_length) for name in (PASSAGE, QUERY)}
    return {PASSAGE: read_folder(folder, max_length)}


def _export(model: str, towers: dict[str, ModelFolder], identity: dict[str, Any], target: Path, precision: str) -> None:
    """Into a scratch folder beside the target, then one rename: nobody sees half an export."""
    log.info("exporting encoder %s (%s), once, to %s", model, precision, target)
    scratch = Path(tempfile.mkdtemp(prefix=".export-", dir=target.parent))
    try:
        made = {name: _convert(tower, scratch / name, precision) for name, tower in towers.items()}
        _manifest(model, towers, made, identity).write(scratch)
        os.replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _report(read_manifest(target))


def _convert(tower: ModelFolder, target: Path, precision: str) -> TowerManifest:
    """In a process of its own: export libraries and the float weights never enter this one's memory."""
    target.mkdir()
    command = [sys.executable, "-m", "retrieval.encoder.convert", str(tower.path), str(target)]
    command += ["--precision", precision, "--max-length", str(tower.max_length)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    if done.returncode == DISK_REFUSED:
        raise OutageError(f"export of {tower.path}: {done.stderr.strip()}")
    if done.returncode != 0:
        raise EncoderError(f"export of {tower.path} failed: {done.stderr.strip()[-2000:]}")
    return TowerManifest(**json.loads((target / TOWER_FILE).read_text(encoding="utf-8")))


def _manifest(
    model: str, towers: dict[str, ModelFolder], made: dict[str, TowerManifest], identity: dict[str, Any]
) -> Manifest:
    """Without a query tower of its own, queries go through the passage tower with the query prefix."""
    query_tower = QUERY if QUERY in made else PASSAGE
    precisions = {name: tower.precision for name, tower in made.items()}
    return Manifest(
        model=model,
        fingerprint=fingerprint_of({**identity, "precision": precisions}),
        passage=replace(made[PASSAGE], prefix=towers[PASSAGE].passage_prefix),
        query=replace(made[query_tower], prefix=towers[query_tower].query_prefix),
        identity=identity,
        versions={name: metadata.version(name) for name in ("onnx", "onnxruntime", "tokenizers", "numpy")},
    )


def _report(manifest: Manifest) -> None:
    for tower in {manifest.passage.folder: manifest.passage, manifest.query.folder: manifest.query}.values():
        log.info(
            "encoder %s/%s: fp32 parity %s, int8 parity %s",
            manifest.model,
            tower.folder,
            tower.fp32_parity,
            tower.int8_parity,
        )
        if tower.note:
            log.warning("encoder %s/%s: %s", manifest.model, tower.folder, tower.note)


def _safe(model: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in Path(model).name)
