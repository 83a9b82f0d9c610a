"""The manifest of an exported encoder: what it was made from, how, and how closely it agrees with its source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from retrieval.errors import EncoderError

MANIFEST_FILE = "manifest.json"
EXPORT_SCHEME = 2  # part of the fingerprint; raise it when an export of the same model gives other vectors


@dataclass(frozen=True, slots=True)
class TowerManifest:
    """One tower. Parity figures are the smallest cosine over the probe texts; None where not measured."""

    folder: str  # relative to the manifest
    dim: int
    max_length: int  # tokens
    pooling: str
    prefix: str
    precision: str  # what the file really is: "int8" or "fp32"
    reference: str  # what the fp32 graph was compared with
    fp32_parity: float
    int8_parity: float | None
    note: str  # why int8 was refused, else ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole encoder; `passage` and `query` may be the same tower with another prefix."""

    model: str
    fingerprint: str
    passage: TowerManifest
    query: TowerManifest
    identity: Mapping[str, Any] = field(default_factory=dict)  # hashes of what went in
    versions: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `folder`/manifest.json."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an exported encoder. Raises `EncoderError` when it is absent or does not fit."""
    file = folder / MANIFEST_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        passage, query = (TowerManifest(**content.pop(name)) for name in ("passage", "query"))
        return Manifest(passage=passage, query=query, **content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EncoderError(
            f"encoder manifest {file} cannot be read: {error}; delete the folder to export again"
        ) from error


def fingerprint_of(identity: Mapping[str, Any]) -> str:
    """32 hexadecimal digits over everything that shapes the vectors."""
    text = json.dumps({"scheme": EXPORT_SCHEME, **identity}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
