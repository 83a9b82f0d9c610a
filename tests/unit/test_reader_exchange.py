"""A reader is exchanged for another: whoever is killed in the midst leaves one of both, never none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from api.serving.readers import list_readers
from infra.settings import Settings
from retrieval.answer.choice import READERS
from retrieval.folder_exchange import put_in_place

# Ends as a kill does after so many renames; no other line of the exchange is run.
FALLING = """
import os, signal, sys
from pathlib import Path
from retrieval.folder_exchange import put_in_place

folder, target, renames, whole = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), os.replace

def replace(source, goal):
    global renames
    if renames == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    renames -= 1
    whole(source, goal)
    if renames == 0 and str(source) == str(folder):
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
put_in_place(folder, target)
"""


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
    fallen = subprocess.run([sys.executable, "-c", FALLING, str(made), str(target), str(renames)], check=False)
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
