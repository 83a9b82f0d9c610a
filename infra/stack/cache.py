"""Fetched programs, kept outside the checkout: each whole and of the pinned digest, or not there at all."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from infra.stack.artifacts import Artifact, Versions, digest_of_file, digest_of_folder
from infra.stack.errors import FetchError
from infra.stack.maven import Maven
from infra.stack.progress import Progress


def default_cache_folder() -> Path:
    """autoglm-kb in the user's cache folder (`XDG_CACHE_HOME`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autoglm-kb"


class Cache:
    """The folder of fetched artifacts. An artifact's folder appears by one rename, when it is whole and checked."""

    def __init__(self, folder: Path, versions: Versions, progress: Progress) -> None:
        self._folder = folder
        self._versions = versions
        self._progress = progress

    def get(self, names: Iterable[str]) -> dict[str, Path]:
        """The folder of each artifact, fetched where it is not there yet. Raises `FetchError`."""
        artifacts = [self._versions.artifacts[name] for name in names]
        if any(not self._home(artifact).is_dir() for artifact in artifacts):
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "lock"):
                self._fetch_missing(artifacts)
        return {artifact.name: self._home(artifact) for artifact in artifacts}

    def _home(self, artifact: Artifact) -> Path:
        return self._folder / artifact.folder

    def _fetch_missing(self, artifacts: list[Artifact]) -> None:
        repository = self._folder / "maven"  # outlives an interruption, so that what came in is not fetched again
        maven = Maven(repository, self._versions.maven_dependency_plugin, self._progress)
        for artifact in artifacts:
            if not self._home(artifact).is_dir():
                self._fetch(artifact, maven)
        shutil.rmtree(repository, ignore_errors=True)

    def _fetch(self, artifact: Artifact, maven: Maven) -> None:
        partial = self._folder / "partial" / artifact.folder
        shutil.rmtree(partial, ignore_errors=True)
        try:
            fetched = maven.fetch(artifact, partial / "fetched")
            self._progress.step(artifact.name, "checking and unpacking")
            check(artifact, fetched)
            whole = unpack(artifact, fetched, partial / "whole")
            whole.rename(self._home(artifact))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._progress.step(artifact.name, f"version {artifact.version} is in {self._home(artifact)}")


def check(artifact: Artifact, fetched: Path) -> None:
    """Raises `FetchError` where the bytes are not the pinned ones."""
    found = digest_of_folder(fetched) if artifact.kind == "jars" else digest_of_file(only_file(fetched))
    if found != artifact.sha256:
        raise FetchError(
            f"{artifact.name} {artifact.version} has SHA-256 {found}, expected {artifact.sha256}: it is not the pinned "
            "one and was thrown away; check the Maven mirror, or pin the new digest in infra/stack/versions.yaml"
        )


def only_file(folder: Path) -> Path:
    """The one file that a folder holds."""
    found = sorted(folder.iterdir())
    if len(found) != 1:
        raise FetchError(f"{folder} holds {[path.name for path in found]}, expected one archive")
    return found[0]


def unpack(artifact: Artifact, fetched: Path, target: Path) -> Path:
    """The folder with the artifact's files as they are used."""
    if artifact.kind == "jars":
        return fetched
    archive = only_file(fetched)
    target.mkdir(parents=True)
    if archive.suffix in (".zip", ".jar"):
        _unpack_zip(archive, artifact.keep, target)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
    return target


def _unpack_zip(archive: Path, keep: dict[str, str], target: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            name = _kept_name(entry.filename, keep)
            if name is None or entry.is_dir():
                continue
            path = target / name
            if ".." in path.parts:
                raise FetchError(f"{archive.name} holds {entry.filename!r}, which leaves its folder; nothing was kept")
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(entry) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            if path.parent.name == "bin":
                path.chmod(0o755)


def _kept_name(name: str, keep: dict[str, str]) -> str | None:
    if not keep:
        return name
    for prefix, place in keep.items():
        if prefix.endswith("/") and name.startswith(prefix):
            return place + name[len(prefix) :]
        if name == prefix:
            return place
    return None
