"""The folder a run leaves: plan, models, manifest and model card. Loading it verifies it; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.plan import Plan
from search_core.errors import ArtifactError

FORMAT = 1
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
        body = {"format": FORMAT, **manifest, "files": files, "digest": _digest(files)}
        (folder / MANIFEST).write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"artifact {folder} cannot be written: {error.strerror}; free some space") from error
    return load_artifact(folder)


def load_artifact(folder: Path) -> Artifact:
    """The artifact of that folder. Raises `ArtifactError` where it is incomplete or altered."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        plan = Plan.from_json((folder / PLAN).read_text(encoding="utf-8"))
        files = _hashes(folder)
    except (OSError, json.JSONDecodeError) as error:
        raise ArtifactError(f"artifact {folder} cannot be read: {error}; make it again with `kb tune`") from error
    if manifest.get("format") != FORMAT:
        raise ArtifactError(f"artifact {folder} has format {manifest.get('format')!r}; this release reads {FORMAT}")
    for name in sorted({*files, *manifest["files"]}):
        if files.get(name) != manifest["files"].get(name):
            raise ArtifactError(f"artifact {folder}: {name} is not what its manifest says; make it anew with `kb tune`")
    return Artifact(folder, manifest["digest"], plan, manifest)


def _hashes(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _digest(files: Mapping[str, str]) -> str:
    """The model card is words about the rest."""
    served = {name: value for name, value in files.items() if name != CARD}
    return hashlib.sha256(json.dumps(served, sort_keys=True).encode()).hexdigest()
