"""A reader is exchanged for another: whoever is killed in the midst leaves one of both, never none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from api.readers import list_readers
from infra.settings import Settings
from retrieval.answer.choice import READERS
from retrieval.folder_exchange import put_in_place

FALLING = """
import sys
from pathlib import Path
from retrieval.folder_exchange import put_in_place
from tests.killed_renames import kill_at

folder, target = map(Path, sys.argv[1:3])
kill_at(int(sys.argv[3]), folder)
put_in_place(folder, target)
"""
ROOT = Path(__file__).parents[2]


def reader(folder: Path, words: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"words": words}))
    return folder


def words_of(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_text())["words"])


@pytest.mark.parametrize(("renames", "words"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_kill_leaves_a_whole_reader_for_the_next_start(tmp_path: Path, renames: int, words: str) -> None:
    readers = tmp_path / READERS
    target, made = reader(readers / "mine", "old"), reader(readers / ".reader-x", "new")
    command = [sys.executable, "-c", FALLING, str(made), str(target), str(renames)]
    fallen = subprocess.run(command, cwd=ROOT, check=False)
    assert fallen.returncode == -signal.SIGKILL
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb:
        assert words_of(target) == words
        assert [one["name"] for one in list_readers(kb)] == ["mine"]
    put_in_place(reader(readers / ".reader-y", "newest"), target)
    assert words_of(target) == "newest"
    assert {path.name for path in readers.iterdir()} <= {"mine", ".reader-x"}  # what was never put in place


def test_a_reader_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path: Path) -> None:
    target = reader(tmp_path / "mine", "old")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "absent", target)
    assert words_of(target) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
