"""The pinned artifacts of versions.yaml: what each is, and what its bytes must hash to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Artifact:
    """One thing to fetch. `keep` maps names in its archive to names on disk; empty: everything as it is."""

    name: str
    version: str
    kind: Literal["jars", "archive"]
    coordinates: tuple[str, ...]
    sha256: str
    keep: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.name}-{self.version}"


@dataclass(frozen=True, slots=True)
class Versions:
    """All pinned versions."""

    maven_dependency_plugin: str
    artifacts: dict[str, Artifact]


def load_versions() -> Versions:
    """The table of versions.yaml."""
    table: dict[str, Any] = yaml.safe_load(files("infra.stack").joinpath("versions.yaml").read_text("utf-8"))
    artifacts = {
        name: Artifact(name=name, **{**entry, "coordinates": tuple(entry["coordinates"])})
        for name, entry in table["artifacts"].items()
    }
    return Versions(table["maven_dependency_plugin"], artifacts)


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def digest_of_folder(folder: Path) -> str:
    """The SHA-256 of the list "<sha256>  <name>" of a folder's files, in order of their names."""
    lines = [f"{digest_of_file(path)}  {path.name}\n" for path in sorted(folder.iterdir(), key=lambda path: path.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
