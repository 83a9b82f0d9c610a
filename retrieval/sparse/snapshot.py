"""A private copy of a tantivy index that another process keeps writing: its committed segments, as hard links."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from retrieval.errors import ViewError
from retrieval.views.folder import MANIFEST_NAME

ATTEMPTS = 20  # a merge may remove a segment while it is linked; the next commit file names its successor
META_NAME = "meta.json"


def copy_snapshot(source: Path, target: Path) -> Path:
    """Copy the last committed state of the view in `source` to `target`, and return it.

    The manifest is read first: it may be older than the segments, never newer, and replaying operations is harmless.
    Raises `ViewError` when the index changes faster than it can be linked.
    """
    if not (source / MANIFEST_NAME).exists():
        return target
    for _ in range(ATTEMPTS):
        try:
            manifest = (source / MANIFEST_NAME).read_bytes()
            _link_segments(source / "index", target / "index")
        except FileNotFoundError:
            shutil.rmtree(target / "index", ignore_errors=True)
            continue
        (target / MANIFEST_NAME).write_bytes(manifest)
        return target
    raise ViewError(f"index in {source} changed {ATTEMPTS} times while it was copied; try again when it is quieter")


def _link_segments(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    content = (source / META_NAME).read_bytes()
    names: list[str] = [META_NAME]
    for segment in json.loads(content)["segments"]:
        prefix = segment["segment_id"].replace("-", "")
        files = [path.name for path in source.iterdir() if path.name.startswith(prefix)]
        if not files:
            raise FileNotFoundError(f"segment {prefix} of {source} is gone")
        for name in files:
            _link(source / name, target / name)
        names += files
    (target / META_NAME).write_bytes(content)
    (target / ".managed.json").write_text(json.dumps(names))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        shutil.copyfile(source, target)  # another file system, or one without hard links
