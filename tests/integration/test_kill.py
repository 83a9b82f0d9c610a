"""kill -9 of the real process at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from api.maintenance import verify_collection
from infra.settings import Settings
from retrieval.types import OPERATOR

MOST_KILLS = 5
FEWEST_KILLS = 2
PATIENCE_SECONDS = 120


def ingest(corpus: Path, data: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"KB_DATA_DIR": str(data), "KB_ENCODER": "hash", "KB_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "api.cli", "ingest", str(corpus), "-c", "killed", "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def committed(data: Path) -> int:
    """Operations in the catalog, seen from outside; 0 while there is none."""
    import sqlite3

    try:
        with sqlite3.connect(f"file:{data / 'catalog.db'}?mode=ro", uri=True, timeout=10) as connection:
            row = connection.execute("SELECT last_seq FROM collections").fetchone()
    except sqlite3.OperationalError:
        return 0
    return row[0] if row else 0


@pytest.mark.data
@pytest.mark.slow
def test_killed_ingestion_of_a_real_set_ends_complete(tmp_path: Path, data_dir_public: Path) -> None:
    corpus, data = data_dir_public / "nfcorpus" / "corpus.jsonl.gz", tmp_path / "kb"
    dice = random.Random(7)
    seen = []
    while len(seen) < MOST_KILLS:
        process = ingest(corpus, data)
        before, deadline = committed(data), time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and committed(data) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(dice.random() * 0.3)  # somewhere in the middle of a batch, a commit or a view's write
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        seen.append(committed(data))
    assert len(seen) >= FEWEST_KILLS, f"only {len(seen)} kills hit a running ingestion: the test proves too little"
    output, _ = (last := ingest(corpus, data)).communicate(timeout=PATIENCE_SECONDS)
    assert last.returncode == 0
    report = json.loads(output)
    assert report["unchanged"] + report["stale"] >= max(seen)

    with gzip.open(corpus, "rt", encoding="utf-8") as lines:
        truth = {row["id"]: row["text"] for row in map(json.loads, lines)}
    with KnowledgeBase.open(Settings(data_dir=data, encoder="hash")) as kb:
        collection = kb.catalog.collections.get("killed")
        assert kb.catalog.documents.keys(collection) == set(truth)
        for key in dice.sample(sorted(truth), 50):
            stored = kb.catalog.documents.get(collection, key, OPERATOR).document.text
            assert stored.split() == unicodedata.normalize("NFC", truth[key]).split()
        verdict = verify_collection(kb, "killed")
        assert verdict.in_step, verdict.sentence()
        assert verdict.documents == len(truth)
