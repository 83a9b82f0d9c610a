"""Freshness over HTTP, a write that the next search must find, and metadata-only changes a second by ingestion."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from ingest.sources.jsonl import JsonlSource
from retrieval.catalog import Outcome
from tests.benchmarks.corpora import ENGLISH, corpus_file, write_jsonl
from tests.benchmarks.machine import data_hash, percentiles, timed
from tests.benchmarks.options import Options
from tests.benchmarks.serving import COLLECTION, built, search_body, serve

DOCUMENTS = f"/v1/collections/{COLLECTION}/documents"


def measure(options: Options) -> dict[str, Any]:
    """Latencies of create, update and delete with `wait_for=searchable`, alone and with the search after them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        shutil.copytree(built(options), folder)
        with serve(folder) as served, served.client() as client:
            row = {
                "create": _writes(options.writes, lambda number: _create(client, number)),
                "update": _writes(options.writes, lambda number: _update(client, number)),
                "delete": _writes(options.writes, lambda number: _delete(client, number)),
            }
        row["metadata_only"] = _metadata_changes(folder, options)
    return row | {"chunks": options.chunks, "data_sha256": data_hash([corpus_file(name) for name in ENGLISH])}


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    table = [f"{row['chunks']} chunks"]
    for kind in ("create", "update", "delete"):
        one = row[kind]
        table.append(
            f"{kind:8} answered p50 {one['write']['p50_ms']:.1f}  p95 {one['write']['p95_ms']:.1f} ms; with the search "
            f"p50 {one['write_and_search']['p50_ms']:.1f}  p95 {one['write_and_search']['p95_ms']:.1f} ms; "
            f"{one['missed']} of {one['count']} missed"
        )
    changes = row["metadata_only"]
    searchable = f"{changes['per_s']:.0f}/s until searchable, {changes['embedded']} embedded"
    return [*table, f"metadata-only changes: {changes['count']} in {changes['seconds']:.2f} s, {searchable}"]


def _writes(count: int, once: Callable[[int], tuple[float, float, bool]]) -> dict[str, Any]:
    found = [once(number) for number in range(count)]
    return {
        "write": percentiles([write for write, _, _ in found]),
        "write_and_search": percentiles([write + search for write, search, _ in found]),
        "missed": sum(not right for _, _, right in found),
        "count": count,
    }


def _create(client: httpx.Client, number: int) -> tuple[float, float, bool]:
    return _put_and_find(client, number, f"zq{number}new")


def _update(client: httpx.Client, number: int) -> tuple[float, float, bool]:
    return _put_and_find(client, number, f"zq{number}changed")


def _put_and_find(client: httpx.Client, number: int, word: str) -> tuple[float, float, bool]:
    """A short text with a word that no other has: seconds of the write, of the search, and whether it was found."""
    body = {"title": f"Note {number}", "text": f"The valve of unit {number} was replaced; its part number is {word}."}
    write, answer = timed(lambda: client.put(f"{DOCUMENTS}/fresh/{number}?wait_for=searchable", json=body))
    answer.raise_for_status()
    search, keys = timed(lambda: _found(client, word))
    return write, search, f"{COLLECTION}/fresh/{number}" in keys[:1]


def _delete(client: httpx.Client, number: int) -> tuple[float, float, bool]:
    write, answer = timed(lambda: client.delete(f"{DOCUMENTS}/fresh/{number}?wait_for=searchable"))
    answer.raise_for_status()
    search, keys = timed(lambda: _found(client, f"zq{number}changed"))
    return write, search, f"{COLLECTION}/fresh/{number}" not in keys


def _found(client: httpx.Client, word: str) -> list[str]:
    answer = client.post("/v1/search", json=search_body(word)).raise_for_status()
    return [hit["document_id"] for hit in answer.json()["hits"]]


def _metadata_changes(folder: Path, options: Options) -> dict[str, Any]:
    """The whole collection once more with another field in its metadata, by the ordinary ingestion of a file."""
    corpus = options.work / f"served-{options.chunks}.jsonl"
    with corpus.open(encoding="utf-8") as file:
        records = [json.loads(line) | {"metadata": {"reviewed": True}} for line in file]
    changed = write_jsonl(folder.parent / "changed.jsonl", records)
    with KnowledgeBase.open(Settings(data_dir=folder)) as kb:
        kb.runtime(COLLECTION)
        seconds, report = timed(lambda: kb.ingest(COLLECTION, JsonlSource(changed, "corpus")))
    count = report.outcomes[Outcome.METADATA]
    return {
        "count": count,
        "seconds": round(seconds, 3),
        "per_s": round(count / seconds, 1),
        "embedded": report.embedded,
    }
