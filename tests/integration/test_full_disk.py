"""A disk that fills up or cannot be written to: a clear message, nothing lost, nothing corrupt."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_disk
from tuning_world import documents, questions

from api.knowledge_base import KnowledgeBase
from infra.settings import load_settings

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


@pytest.fixture
def tunable(disk: Path, tmp_path: Path) -> list[str]:
    """How a collection on that disk is tuned that gains by it."""
    small_disk.remount(disk, f"size={LARGE}")
    with KnowledgeBase.open(load_settings(data_dir=disk / "data", encoder="hash")) as opened:
        opened.create_collection("c")
        opened.write("c", documents(), wait=True, timeout=60.0)
    texts, qrels = questions()
    lines = [json.dumps({"id": name, "text": text}) for name, text in texts.items()]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    rows = [f"{name}\t{key}\t{grade}" for name, keys in qrels.items() for key, grade in keys.items()]
    (tmp_path / "qrels.tsv").write_text("\n".join(rows))
    files = ["--queries", str(tmp_path / "q.jsonl"), "--qrels", str(tmp_path / "qrels.tsv")]
    return ["tune", "-c", "c", *files, "--budget", "60s", "--max-epochs", "2", "--tiers", "plan"]


def serving(disk: Path) -> int | None:
    with KnowledgeBase.open(load_settings(data_dir=disk / "data", encoder="hash")) as opened:
        return opened.catalog.collections.get("c").plan_id


@pytest.mark.parametrize("kilobytes", [8, 64, 160])  # the catalog does not open; no experiment; in the midst of trials
def test_a_run_on_a_full_disk_ends_with_what_to_do_and_nothing_new_serves(
    disk: Path, tunable: list[str], kilobytes: int
) -> None:
    filler = small_disk.fill(disk, leave=kilobytes * 1024)
    ended = kb(disk, *tunable)
    assert ended.returncode == 1
    assert re.search("free space on the d|the data folder's disk is full", said(ended)), said(ended)
    assert "Traceback" not in said(ended)
    filler.unlink()
    assert serving(disk) is None
    begun = loads(kb(disk, "experiments", "list", "-c", "c", "--json"))["experiments"]
    assert all(one["state"] == "stopped" for one in begun)
    assert loads(kb(disk, *tunable, "--json"))["promoted"]


@pytest.mark.parametrize("room", ["size=4k", "size=32k", "ro"])  # full in the log, in the artifact; not writable
def test_a_run_whose_folder_the_disk_does_not_take_goes_on_once_it_does(
    disk: Path, tunable: list[str], room: str
) -> None:
    runs = disk / "data" / "experiments"
    runs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "kb-test", str(runs)], check=True)
    small_disk.remount(runs, room)
    ended = kb(disk, *tunable)
    assert ended.returncode == 1
    assert ("make it writable" if room == "ro" else "free some space") in said(ended), said(ended)
    assert "Traceback" not in said(ended)
    small_disk.remount(runs, f"rw,size={LARGE}")
    assert serving(disk) is None
    [record] = loads(kb(disk, "experiments", "list", "-c", "c", "--json"))["experiments"]
    assert record["state"] == "failed"
    assert f"--resume {record['id']}` goes on" in said(ended)
    assert loads(kb(disk, "tune", "-c", "c", "--resume", record["id"], "--json"))["promoted"]
