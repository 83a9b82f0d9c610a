"""What runs left on the disk: which of it is needed, whether it is whole, and what may go.

Never removed: what serves, what is one rollback away, what a rollout is about, what any stored plan or any living
generation names, an encoder that was proven and waits or that a person is told how to let serve, and what a run that
can be resumed has so far. A model that runs share is made again where one is resumed. Logs of trials stay as long as
their collection.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retrieval.catalog import Catalog
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.errors import InvalidInputError
from retrieval.learned.files import ARTIFACTS, files_of
from retrieval.learned.plan_parts import LOADERS
from search_core.artifact.artifacts import RUN_ARTIFACT, RUNS, load_artifact
from search_core.errors import ArtifactError
from search_core.log.experiment_log import FILE
from search_core.log.run_lock import FILE as LOCK
from search_core.log.run_lock import is_running
from search_core.log.tensorboard_log import FOLDER
from search_core.offered_encoders import is_offered

STAYS = {FILE, FOLDER, LOCK}  # of a run's folder
_RUN = re.compile(r"[0-9a-f]{16}")  # a run's folder, by its experiment's id
YOUNG_SECONDS = 24 * 3600.0  # a model this young may belong to a run whose plan is not stored yet


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """One of them. `needed` says by whom, "" where it may go; `plan_id` is the plan that came of the run."""

    kind: str  # run, model
    name: str
    collection: str
    folder: Path
    size: int  # bytes
    plan_id: int | None
    needed: str
    trouble: str | None = None  # why it cannot serve; "" it can; None: it was not looked at

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        about = {"kind": self.kind, "name": self.name, "collection": self.collection, "folder": str(self.folder)}
        return about | {"bytes": self.size, "plan": self.plan_id, "needed": self.needed, "trouble": self.trouble}


def list_artifacts(catalog: Catalog, data_dir: Path) -> list[StoredArtifact]:
    """Runs by collection, newest first, then those of deleted collections, then shared models by name."""
    return [*_runs(catalog, data_dir), *_orphans(catalog, data_dir), *_models(catalog, data_dir)]


def verified(artifact: StoredArtifact) -> StoredArtifact:
    """The same with its trouble, naming the file; tuned encoders are verified in their run's folder."""
    try:
        if artifact.kind == "run" and (artifact.folder / RUN_ARTIFACT).exists():
            load_artifact(artifact.folder / RUN_ARTIFACT)
        else:
            kind = next((kind for kind in LOADERS if (artifact.folder / files_of(kind)[1]).exists()), None)
            if kind is None:
                return artifact
            LOADERS[kind](artifact.folder, _encoder_of(artifact.folder / files_of(kind)[1]), None)
    except (ArtifactError, InvalidInputError) as error:
        return replace(artifact, trouble=str(error))
    return replace(artifact, trouble="")


def prunable(catalog: Catalog, data_dir: Path, keep: int) -> list[StoredArtifact]:
    """What may go: nobody needs it, and of its collection's runs it is not among the newest `keep`."""
    seen: dict[str, int] = {}
    found = []
    for artifact in list_artifacts(catalog, data_dir):
        if artifact.kind == "run" and artifact.collection:
            seen[artifact.collection] = seen.get(artifact.collection, 0) + 1
            if seen[artifact.collection] <= keep:
                continue
        if not artifact.needed:
            found.append(artifact)
    return found


def remove(artifact: StoredArtifact) -> None:
    """Delete it; of a run everything but its log, but with its collection that went as well.

    Raises `ArtifactError` where the disk does not let it.
    """
    try:
        if artifact.kind == "model" or not artifact.collection:
            shutil.rmtree(artifact.folder)
            return
        for path in artifact.folder.iterdir():
            if path.name in STAYS:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise ArtifactError(f"artifact {artifact.folder} cannot be removed: {error.strerror}") from error


def _runs(catalog: Catalog, data_dir: Path) -> Iterator[StoredArtifact]:
    encoders = _living_encoders(catalog)
    for collection in catalog.collections.all():
        reach = catalog.plans.within_reach(collection)
        for record in catalog.experiments.all(collection):
            folder = data_dir / RUNS / record.id
            if not folder.is_dir() or not any(path.name not in STAYS for path in folder.iterdir()):
                continue
            plan_id = ((record.result or {}).get("plan") or {}).get("id")
            needed = _why_run(record, plan_id, reach) or _why_encoder(folder, encoders)
            yield StoredArtifact("run", record.id, collection.name, folder, _size(folder), plan_id, needed)


def _orphans(catalog: Catalog, data_dir: Path) -> Iterator[StoredArtifact]:
    """Folders of runs whose collection was deleted, and their records with it: all that they learned from is gone."""
    folders = [path for path in (data_dir / RUNS).glob("*") if path.is_dir() and _RUN.fullmatch(path.name)]
    known = {one.id for collection in catalog.collections.all() for one in catalog.experiments.all(collection)}
    encoders = _living_encoders(catalog)
    for folder in sorted(folders):
        if folder.name in known:
            continue
        needed = _why_encoder(folder, encoders) or ("it runs" if is_running(folder) else "")
        if not needed and time.time() - folder.stat().st_mtime < YOUNG_SECONDS:
            needed = "it is less than a day old"
        yield StoredArtifact("run", folder.name, "", folder, _size(folder), None, needed)


def _models(catalog: Catalog, data_dir: Path) -> Iterator[StoredArtifact]:
    folder = data_dir / ARTIFACTS
    if not folder.is_dir():
        return
    encoders = _living_encoders(catalog)
    plans = [
        (collection.name, plan.id, json.dumps(plan.body))
        for collection in catalog.collections.all()
        for plan in catalog.plans.all(collection)
    ]
    records = [one for collection in catalog.collections.all() for one in catalog.experiments.all(collection)]
    running = [one for one in records if one.state is ExperimentState.RUNNING and is_running(data_dir / RUNS / one.id)]
    for path in sorted(folder.iterdir()):
        young = time.time() - path.stat().st_mtime < YOUNG_SECONDS
        if young and path.name.startswith("."):
            continue  # it is being written; an old one was left by a process that was killed
        users = [(name, number) for name, number, body in plans if json.dumps(path.name)[1:-1] in body]
        needed = f"plan {users[0][1]} of {users[0][0]} names it" if users else _why_encoder(path, encoders)
        needed = needed or _why_model(path, records, running)
        if not needed and young:
            needed = "it is less than a day old"
        yield StoredArtifact("model", path.name, users[0][0] if users else "", path, _size(path), None, needed)


def _why_run(record: ExperimentRecord, plan_id: int | None, reach: dict[int | None, str]) -> str:
    if record.state is not ExperimentState.FINISHED:
        return "its run can be resumed"
    return "" if plan_id is None else reach.get(plan_id, "")


def _why_model(folder: Path, records: Sequence[ExperimentRecord], running: Sequence[ExperimentRecord]) -> str:
    for record in records:
        model = (record.result or {}).get("model")
        if model and _lies_in(model, folder) and is_offered(record.result or {}):
            return f"experiment {record.id} offers it"
    changed = folder.stat().st_mtime
    for record in running:
        if record.created_at.timestamp() <= changed:
            return f"experiment {record.id} runs and may have made it"
    return ""


def _why_encoder(folder: Path, encoders: dict[str, str]) -> str:
    for encoder, collection in encoders.items():
        if _lies_in(encoder, folder):
            return f"a generation of {collection} is embedded by it"
    return ""


def _lies_in(encoder: str, folder: Path) -> bool:
    """Whether that encoder may be of this folder of the data folder, however that was spelled or wherever it was."""
    parts = Path(encoder).parts
    return (folder.parent.name, folder.name) in zip(parts, parts[1:], strict=False)


def _living_encoders(catalog: Catalog) -> dict[str, str]:
    """The encoders of all generations that were not dropped, with a collection that they serve."""
    return {
        generation.encoder: collection.name
        for collection in catalog.collections.all()
        for generation in catalog.generations.all(collection)
        if generation.retired_at is None
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _encoder_of(manifest: Path) -> str:
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["encoder"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{manifest.stem} {manifest.parent}: {manifest.name} cannot be read: {error}") from error
