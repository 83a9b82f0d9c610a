"""What every peer does alike, in the peers' own environment: read, index by the clock, ask, write what it found.

    .venv-peers/bin/python tests/benchmarks/peers/chroma.py --corpus C.jsonl --questions Q.jsonl --model FOLDER --out O

Each peer is opened (model loaded, one text encoded) before its clock starts. Nothing of ours is imported here.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Protocol

TOP = 10
Scored = list[tuple[str, float]]  # document, score; best first


class Peer(Protocol):
    """A search library as its own guide sets it up."""

    def index(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        """Make these documents searchable."""
        ...

    def search(self, question: str) -> Scored:
        """The best `TOP` documents."""
        ...


def measure(open_peer: Callable[[Path], Peer], packages: Sequence[str]) -> None:
    """Index and ask as the command line says; write times, ranking and versions as JSON."""
    parser = argparse.ArgumentParser()
    for name in ("corpus", "questions", "model", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    asked = parser.parse_args()
    documents, questions = _read(asked.corpus), _read(asked.questions)
    peer = open_peer(asked.model)
    texts = ["\n".join(part for part in (one["title"], one["text"]) if part) for one in documents]
    began = time.perf_counter()
    peer.index([one["id"] for one in documents], texts)
    index_seconds = time.perf_counter() - began
    run, latencies = {}, []
    for one in questions:
        began = time.perf_counter()
        # Some systems refuse a question without words, of which cmrc2018 has two; nobody finds anything by them.
        run[one["id"]] = peer.search(one["text"]) if one["text"].strip() else []
        latencies.append(time.perf_counter() - began)
    found = {
        "index_seconds": index_seconds,
        "latencies": latencies,
        "run": run,
        "versions": {name: metadata.version(name) for name in packages},
        "resident_mb": _resident_mb(),
    }
    asked.out.write_text(json.dumps(found))
    sys.stdout.write(f"{Path(sys.argv[0]).stem}: {len(documents) / index_seconds:.1f} documents/s\n")


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)
