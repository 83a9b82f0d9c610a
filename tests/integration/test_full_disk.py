"""A disk that fills up or cannot be written to: a clear message, nothing lost, nothing corrupt."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_disk

pytestmark = pytest.mark.slow

SMALL, LARGE = "12m", "200m"  # of the disk
DOCUMENTS = 3_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk.mounted(tmp_path / "disk", SMALL) as mounted:
        yield mounted


def kb(disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KB_DATA_DIR": str(disk / "data"), "KB_ENCODER": "hash", "COLUMNS": "200"}
    command = [sys.executable, "-m", "api.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


def said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def loads(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, said(done)
    return json.loads(done.stdout)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    choose = random.Random(0)
    path = tmp_path / "corpus.jsonl"
    with path.open("w") as file:
        for number in range(DOCUMENTS):
            text = " ".join(f"w{choose.randrange(5_000)}" for _ in range(120))
            file.write(json.dumps({"id": str(number), "title": f"Title {number}", "text": text}) + "\n")
    return path


def test_a_full_disk_is_said_and_survived(disk: Path, corpus: Path) -> None:
    failed = kb(disk, "ingest", str(corpus), "-c", "c")
    assert failed.returncode != 0
    assert "free space" in said(failed) or "free the disk" in said(failed), said(failed)
    assert "Traceback" not in said(failed)
    small_disk.remount(disk, f"size={LARGE}")
    report = loads(kb(disk, "ingest", str(corpus), "-c", "c", "--json"))
    assert report["failed"] == 0
    verdict = loads(kb(disk, "verify", "-c", "c", "--json"))
    assert (verdict["in_step"], verdict["documents"]) == (True, DOCUMENTS)


def test_a_disk_that_cannot_be_written_to_is_said(disk: Path, corpus: Path) -> None:
    small_disk.remount(disk, f"size={LARGE}")
    loads(kb(disk, "ingest", str(corpus), "-c", "c", "--json"))
    small_disk.remount(disk, "ro")
    for arguments in (("ingest", str(corpus), "-c", "c"), ("search", "-c", "c", "w17")):
        refused = kb(disk, *arguments)
        if arguments[0] == "ingest" or refused.returncode != 0:
            assert refused.returncode != 0
            assert "writable" in said(refused), said(refused)
        assert "Traceback" not in said(refused)
    small_disk.remount(disk, "rw")
    verdict = loads(kb(disk, "verify", "-c", "c", "--json"))
    assert (verdict["in_step"], verdict["documents"]) == (True, DOCUMENTS)
