"""Files of one upload: each name once. Those of old ones are deleted while others arrive."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from api.jobs.uploads import About, prune_uploads, read_upload
from infra.settings import Settings
from retrieval.catalog.schema import utc_now
from retrieval.types import Document

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_second_file_of_a_name_does_not_replace_the_first() -> None:
    about, names = About("up/", {}, None), ["a.txt", "b/a.txt", "a.txt"]
    first, other, again = (read_upload(about, name, b"words", names[:at]) for at, name in enumerate(names))
    assert isinstance(first, Document) and first.key == "up/a.txt"
    assert isinstance(other, Document) and other.key == "up/b/a.txt"
    assert isinstance(again, dict) and again["file"] == "a.txt" and "rename it" in again["error"]


def test_old_uploads_are_deleted_while_others_get_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads, moment = tmp_path / "uploads", utc_now() - timedelta(days=1)
    for name in (".new-x", "old"):
        (uploads / name).mkdir(parents=True)
    os.utime(uploads / "old", (0, 0))
    look = Path.iterdir

    def seen_before_it_is_renamed(folder: Path) -> list[Path]:
        found = list(look(folder))
        (uploads / ".new-x").rename(uploads / "new")
        return found

    monkeypatch.setattr(Path, "iterdir", seen_before_it_is_renamed)
    assert prune_uploads(Settings(data_dir=tmp_path), moment) == 1
    monkeypatch.undo()
    assert [path.name for path in uploads.iterdir()] == ["new"]


def test_a_picture_is_skipped_where_text_recognition_is_off() -> None:
    refused = read_upload(About("", {}, None), "a.png", PNG, (), ocr=False)
    assert isinstance(refused, dict) and refused["outcome"] == "skipped" and "KB_OCR=auto" in refused["error"]
