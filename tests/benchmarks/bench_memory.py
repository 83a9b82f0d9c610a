"""Resident memory of a server at 10,000 chunks, after a first answer and after a load; whether torch was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmarks.corpora import ENGLISH, all_questions, corpus_file
from tests.benchmarks.machine import data_hash, resident_mb
from tests.benchmarks.options import Options
from tests.benchmarks.serving import built, search_body, serve


def measure(options: Options) -> dict[str, Any]:
    """VmRSS in MB, of which anonymous, and whether a library of torch is mapped."""
    folder = built(options)
    with serve(folder) as served, served.client() as client:
        row: dict[str, Any] = {"after_first_answer_mb": resident_mb(served.pid)}
        for question in all_questions("nfcorpus")[: options.requests]:
            client.post("/v1/search", json=search_body(question)).raise_for_status()
        row["after_load_mb"] = resident_mb(served.pid)
        row["anonymous_mb"] = _anonymous_mb(served.pid)
        row["torch_loaded"] = "libtorch" in Path(f"/proc/{served.pid}/maps").read_text(encoding="utf-8")
    return row | {"chunks": options.chunks, "data_sha256": data_hash([corpus_file(name) for name in ENGLISH])}


def lines(row: dict[str, Any]) -> list[str]:
    """The row for people."""
    return [
        f"{row['chunks']} chunks: {row['after_first_answer_mb']:.0f} MB after the first answer, "
        f"{row['after_load_mb']:.0f} MB after the load ({row['anonymous_mb']:.0f} MB anonymous), "
        f"torch {'LOADED' if row['torch_loaded'] else 'not loaded'}"
    ]


def _anonymous_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return round(int(status.split("RssAnon:")[1].split()[0]) / 1024, 1)
