"""Uploaded files: kept in the data folder until they are documents, so that a restart goes on where it was."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from api.jobs.tasks import Report
from api.knowledge_base import KnowledgeBase
from api.wire.base import NewDocumentKey
from infra.settings import Settings
from ingest.errors import ParseError, UnsupportedError
from ingest.parsers import parse_file
from retrieval.catalog import Collection
from retrieval.errors import NotFoundError, OutageError
from retrieval.types import Document

_ABOUT = "about.json"
_KEY: TypeAdapter[str] = TypeAdapter(NewDocumentKey)


@dataclass(frozen=True, slots=True)
class About:
    """What is said of all files of one upload; `acl` None means the collection's default."""

    prefix: str
    metadata: dict[str, Any]
    acl: tuple[str, ...] | None


def read_upload(
    about: About, name: str, data: bytes, earlier: Sequence[str], ocr: bool = True
) -> Document | dict[str, str]:
    """The document of a file, or what is wrong with it; a file of a type that nothing here reads is skipped.

    A name that is also among the `earlier` ones of the upload is refused: the document would replace theirs.
    """
    if name in earlier:
        return {
            "file": name,
            "error": f"an earlier file of this upload is also called {name}; rename it, or keep folders (folders=true)",
        }
    try:
        key = _KEY.validate_python(f"{about.prefix}{name}")  # as every route that reads or deletes it takes one
    except ValidationError as error:
        return {"file": name, "error": f"prefix and name do not fit as a key: {error.errors()[0]['msg']}"}
    try:
        parsed = parse_file(data, PurePosixPath(name).name, ocr=ocr)
    except UnsupportedError as error:
        return {"file": name, "outcome": "skipped", "error": str(error)}
    except ParseError as error:
        return {"file": name, "error": str(error)}
    return Document(
        key=key,
        text=parsed.text,
        title=parsed.title,
        language=parsed.language,
        metadata={"file_name": PurePosixPath(name).name, **parsed.metadata, **about.metadata},
        acl=about.acl,
        outline=parsed.outline,
    )


def keep(settings: Settings, collection: Collection, files: Sequence[tuple[str, bytes]], about: About) -> str:
    """Store files, all or none; the upload's id. No name from outside becomes part of a path. Raises `OutageError`."""
    upload, uploads = uuid.uuid4().hex, _uploads(settings)
    described: dict[str, Any] = {"collection": collection.name, "collection_id": collection.id}
    described |= {"names": [name for name, _ in files], "prefix": about.prefix}
    described |= {"metadata": about.metadata, "acl": about.acl}
    folder: Path | None = None
    try:
        uploads.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=uploads))
        for number, (_, data) in enumerate(files):
            _write(folder / str(number), data)
        _write(folder / _ABOUT, orjson.dumps(described))
        folder.rename(uploads / upload)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)  # a full disk needs the room
        raise OutageError(
            f"the files cannot be kept in the data folder ({error}); free the disk, then repeat"
        ) from error
    return upload


def upload(kb: KnowledgeBase, collection: str, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Store each file as a document; a file that was stored before an interruption is not stored again.

    Raises `NotFoundError` where the files are gone, or were for a collection of that name that was deleted.
    """
    folder, target = _uploads(kb.settings) / arguments["upload"], kb.catalog.collections.get(collection)
    names, about = _read_about(folder, target)
    outcomes = []
    for number, name in enumerate(names):
        report(number, len(names))
        outcomes.append(_stored_once(kb, target, about, name, folder / str(number), names[:number]))
    report(len(names), len(names))
    return {"seq": max((one.get("seq", 0) for one in outcomes), default=0), "files": outcomes}


def prune_uploads(settings: Settings, before: datetime) -> int:
    """Delete what is left of uploads from before that time; how many."""
    uploads = _uploads(settings)
    old = [one for one in uploads.iterdir() if _is_from_before(before, one)] if uploads.is_dir() else []
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _is_from_before(moment: datetime, folder: Path) -> bool:
    try:
        return folder.stat().st_mtime < moment.timestamp()
    except FileNotFoundError:  # an upload that arrives in this moment gets its name
        return False


def _stored_once(
    kb: KnowledgeBase, target: Collection, about: About, name: str, path: Path, earlier: Sequence[str]
) -> dict[str, Any]:
    """What became of the file, now or before an interruption."""
    remembered = path.with_suffix(".outcome")
    if remembered.exists():
        known: dict[str, Any] = orjson.loads(remembered.read_bytes())
        return known
    read = read_upload(about, name, path.read_bytes(), earlier, kb.settings.reads_pictures)
    outcome = _store(kb, target, name, read) if isinstance(read, Document) else read
    _write(unfinished := path.with_suffix(".new"), orjson.dumps(outcome))
    unfinished.rename(remembered)
    path.unlink(missing_ok=True)  # the outcomes stay until `retention`: the job may be asked again how it went
    return outcome


def _store(kb: KnowledgeBase, target: Collection, name: str, read: Document) -> dict[str, Any]:
    with kb.runtimes.use(target.name) as runtime:
        if runtime.collection.id != target.id:  # a namesake has other readers
            raise NotFoundError(
                f"collection {target.name!r} was deleted while files were stored in it; upload them again"
            )
        receipt = runtime.pipeline.write([read])
        runtime.follower.nudge()
    return {"file": name, "key": read.key, "outcome": receipt.outcomes[0].value, "seq": receipt.seq}


def _read_about(folder: Path, target: Collection) -> tuple[list[str], About]:
    try:
        described = orjson.loads((folder / _ABOUT).read_bytes())
    except FileNotFoundError:
        described = {}
    if described.get("collection") != target.name:
        raise NotFoundError(
            f"the files of upload {folder.name} to {target.name!r} are not in the data folder: deleted, or kept "
            "by a server with another data folder, which workers must share; upload them again"
        )
    if described.get("collection_id", target.id) != target.id:  # uploads of former versions name none
        raise NotFoundError(
            f"upload {folder.name} was for a collection {target.name!r} that was deleted; upload its files again"
        )
    acl = described["acl"]
    return described["names"], About(described["prefix"], described["metadata"], None if acl is None else tuple(acl))


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _uploads(settings: Settings) -> Path:
    return settings.data_dir / "uploads"
