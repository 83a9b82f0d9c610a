"""The folder of a span reader: graph, tokenizer, manifest and model card. Loading verifies it; nothing is unpickled."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from retrieval.answer.reader_input import KINDS, SCHEME, Layout
from retrieval.encoder.model_folder import sha256_of
from retrieval.errors import ReaderError
from retrieval.folder_exchange import put_in_place

FORMAT = 1
MANIFEST_FILE, GRAPH_FILE, TOKENIZER_FILE, CARD_FILE = "manifest.json", "model.onnx", "tokenizer.json", "README.md"
NEEDED = (GRAPH_FILE, TOKENIZER_FILE)


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a span's margin over "no answer" (a difference of logits) to the probability that it is right.

    `slope * margin + offset` is its log-odds; below `least` (a probability) the reader does not answer.
    """

    slope: float = 1.0
    offset: float = 0.0
    least: float = 0.5


@dataclass(frozen=True, slots=True)
class ReaderManifest:
    """What serves, and where it comes from: `origin` holds data hashes, seeds, options and metrics."""

    layout: Layout
    calibration: Calibration
    precision: str  # "int8" or "fp32"
    answer_tokens: int = 30  # the longest answer
    scheme: int = SCHEME
    origin: Mapping[str, Any] = field(default_factory=dict)


def write_folder(target: Path, manifest: ReaderManifest, card: str, fill: Callable[[Path], None]) -> None:
    """Make `target`, seen whole or not at all; `fill` writes the model's files into a folder. An old one is replaced.

    Raises `ReaderError` where the disk does not take it.
    """
    scratch = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".reader-", dir=target.parent))
        fill(scratch)
        (scratch / CARD_FILE).write_text(card, encoding="utf-8")
        body = {"format": FORMAT, **asdict(manifest), "files": _hashes(scratch)}
        (scratch / MANIFEST_FILE).write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.chmod(0o755)  # mkdtemp's folder is its owner's alone
        put_in_place(scratch, target)
    except OSError as error:
        raise ReaderError(f"reader {target} cannot be written: {error}; free some space or name another one") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def read_folder(folder: Path) -> ReaderManifest:
    """The manifest of a folder whose files all are what it says. Raises `ReaderError`."""
    try:
        body = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        manifest = _manifest(body)
        found, promised = _hashes(folder), dict(body["files"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReaderError(
            f"reader {folder} cannot be read: {error!r}; expected a folder made by `kb readers train` or `install`"
        ) from error
    _check(folder, body, manifest)
    for name in sorted({*found, *promised, *NEEDED}):
        if name not in promised or found.get(name) != promised[name]:
            raise ReaderError(f"reader {folder}: {name} is not what its manifest says; make the folder anew")
    return manifest


def _manifest(body: dict[str, Any]) -> ReaderManifest:
    layout = dict(body["layout"])
    for part in ("before", "between", "after"):
        layout[part] = tuple(layout[part])
    return ReaderManifest(
        layout=Layout(**layout),
        calibration=Calibration(**body["calibration"]),
        precision=str(body["precision"]),
        answer_tokens=int(body["answer_tokens"]),
        scheme=int(body["scheme"]),
        origin=body["origin"],
    )


def _check(folder: Path, body: Mapping[str, Any], manifest: ReaderManifest) -> None:
    if (body.get("format"), manifest.scheme) != (FORMAT, SCHEME) or manifest.layout.kinds not in KINDS:
        raise ReaderError(
            f"reader {folder} has format {body.get('format')!r}, scheme {manifest.scheme} and token types "
            f"{manifest.layout.kinds!r}; this release reads {FORMAT}, {SCHEME} and {', '.join(KINDS)}: train it again"
        )


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the manifest, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST_FILE)
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}
