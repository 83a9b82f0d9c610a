"""The folder a run leaves: plan, models, manifest and model card. Loading it verifies it; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.plan import Plan
from search_core.errors import ArtifactError, not_written

RUNS = "experiments"  # in the data folder: a folder for each run
RUN_ARTIFACT = "artifact"  # in a run's folder
FORMAT = 1
PICKLED = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}  # nothing of the kind is ever written
MANIFEST, PLAN, CARD = "manifest.json", "plan.json", "README.md"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified artifact folder. `digest` is the SHA-256 over plan and models: equal artifacts serve equally."""

    folder: Path
    digest: str
    plan: Plan
    manifest: dict[str, Any]


def write_artifact(folder: Path, plan: Plan, manifest: Mapping[str, Any], card: str) -> Artifact:
    """Complete a folder that may hold model files already. Raises `ArtifactError` where the disk does not take it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PLAN).write_text(plan.to_json() + "\n", encoding="utf-8")
        (folder / CARD).write_text(card, encoding="utf-8")
        files = _hashes(folder)
        body = json.loads(json.dumps({"format": FORMAT, **manifest, "files": files, "digest": _digest(files)}))
        body["manifest_sha256"] = _own_hash(body)
        (folder / MANIFEST).write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise not_written(f"artifact {folder}", error) from error
    return load_artifact(folder)


def load_artifact(folder: Path) -> Artifact:
    """The artifact of that folder. Raises `ArtifactError` where it is incomplete or altered."""
    try:
        manifest = json.loads(_text(folder, MANIFEST))
        plan = Plan.from_json(_text(folder, PLAN))
        files = _hashes(folder)
    except (OSError, json.JSONDecodeError) as error:
        raise ArtifactError(f"artifact {folder} cannot be read: {error}; make it again with `kb tune`") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        seen = manifest.get("format") if isinstance(manifest, dict) else None
        raise ArtifactError(f"artifact {folder} has format {seen!r}; this release reads {FORMAT}")
    if manifest.get("manifest_sha256") != _own_hash(manifest) or not isinstance(manifest.get("files"), dict):
        raise ArtifactError(f"artifact {folder}: {MANIFEST} is not what was written; make it anew with `kb tune`")
    for name in sorted({*files, *manifest["files"]}):
        if files.get(name) != manifest["files"].get(name):
            raise ArtifactError(f"artifact {folder}: {name} is not what its manifest says; make it anew with `kb tune`")
        if Path(name).suffix in PICKLED:
            raise ArtifactError(f"artifact {folder}: {name} may run code when opened; expected safetensors or ONNX")
    return Artifact(folder, manifest["digest"], plan, manifest)


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"artifact {folder}: {name} is no text ({error}); make it anew with `kb tune`") from error


def _hashes(folder: Path) -> dict[str, str]:
    found = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    for path in found:
        if not path.is_file():
            raise ArtifactError(f"artifact {folder}: {path.relative_to(folder)} is no plain file; remove it")
    paths = sorted(path for path in found if path.name != MANIFEST)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _own_hash(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of all else that the manifest says."""
    rest = {name: value for name, value in manifest.items() if name != "manifest_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _digest(files: Mapping[str, str]) -> str:
    """The model card is words about the rest."""
    served = {name: value for name, value in files.items() if name != CARD}
    return hashlib.sha256(json.dumps(served, sort_keys=True).encode()).hexdigest()
