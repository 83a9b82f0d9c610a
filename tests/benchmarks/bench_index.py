"""Index throughput and default quality on NFCorpus, ours beside the peers, one after the other in one run.

Every system opens its model first; then the clock runs from documents in memory (ours: from the file) until they can
be searched. Peers cut a text at 256 tokens; ours indexes all of it in chunks ("whole"), and once more the same texts
that end at 256 tokens ("cut"), which is what compares. Scores are of the test questions, by retrieval.evaluation.runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from pyroaring import BitMap64

from api.knowledge_base import KnowledgeBase
from api.quality.evaluation import evaluate_collection
from infra.settings import Settings
from ingest.sources.jsonl import JsonlSource
from retrieval.encoder.model_folder import DEFAULT_MODEL, locate
from retrieval.evaluation.runs import evaluate
from retrieval.types import OPERATOR, passage_text
from tests.benchmarks.corpora import corpus_file, cut, documents, judged_questions, passage, token_count, write_jsonl
from tests.benchmarks.machine import DATA, ROOT, data_hash, percentiles, resident_mb
from tests.benchmarks.options import Options

SET = "nfcorpus"
QRELS = "qrels.test.tsv"
PEER_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
PEER_SCRIPTS = {
    "chroma": "chroma.py",
    "txtai": "txtai_.py",
    "haystack": "haystack_.py",
    "llamaindex": "llamaindex.py",
    "bm25s": "bm25s_.py",
}
SAME_MODEL = ("chroma", "txtai", "haystack", "llamaindex")
PEER_SECONDS = 3_600  # a peer that takes longer is stopped and said to have


def measure(options: Options) -> dict[str, Any]:
    """Rows by system, and how many times the fastest peer of the same model ours is."""
    records = documents(SET)[: options.documents or None]
    questions, qrels = judged_questions(SET, QRELS)
    questions = dict(list(questions.items())[: options.questions or None])
    qrels = {question: qrels[question] for question in questions}
    shortened = cut(records)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = write_jsonl(folder / "whole.jsonl", records)
        short = write_jsonl(folder / "cut.jsonl", shortened)
        asked = write_jsonl(folder / "questions.jsonl", [{"id": key, "text": questions[key]} for key in qrels])
        systems = {"ours, whole": _ours(whole, folder / "a", questions, qrels, options)}
        systems["ours, cut"] = _ours(short, folder / "b", questions, qrels, options)
        tokens = token_count([passage(record) for record in shortened])
        for peer in options.peers or PEER_SCRIPTS:
            systems[peer] = run_peer(peer, short, asked, folder, qrels, len(records), tokens)
    return {
        "documents": len(records),
        "questions": len(qrels),
        "data_sha256": data_hash([corpus_file(SET), DATA / SET / "queries.jsonl", DATA / SET / QRELS]),
        "systems": systems,
        "against_fastest_peer": _ratio(systems),
    }


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    head = f"{'':14}{'documents/s':>12}{'tokens/s':>10}{'nDCG@10':>9}{'p50 ms':>9}{'p95 ms':>9}{'RSS MB':>8}"
    table = [head]
    for name, one in row["systems"].items():
        if "failed" in one:
            table.append(f"{name:14}  {one['failed'].splitlines()[-1]}")
            continue
        table.append(
            f"{name:14}{one['documents_per_s']:12.1f}{one['tokens_per_s']:10.0f}{one['ndcg@10']:9.4f}"
            f"{one['p50_ms']:9.2f}{one['p95_ms']:9.2f}{one['resident_mb']:8.0f}"
        )
    return [*table, f"against the fastest peer with the same model: {row['against_fastest_peer']}"]


def _ours(corpus: Path, folder: Path, questions: Any, qrels: Any, options: Options) -> dict[str, Any]:
    """`KnowledgeBase.ingest` of the file into a new data folder: catalog, both indexes, searchable."""
    settings = Settings(data_dir=folder, encoder_threads=options.threads)
    with KnowledgeBase.open(settings) as kb:
        kb.create_collection(SET)
        kb.runtime(SET).encoder.encode_passages(["a first text"])
        began = time.perf_counter()
        report = kb.ingest(SET, JsonlSource(corpus))
        seconds = time.perf_counter() - began
        scored = evaluate_collection(kb, SET, questions, qrels, OPERATOR)
        passages = _passages(kb)
    return {
        "documents_per_s": round(report.documents / seconds, 2),
        "tokens_per_s": round(token_count(passages) / seconds),
        "chunks": len(passages),
        "index_seconds": round(seconds, 3),
        "ndcg@10": round(scored.evaluation.mean("ndcg@10"), 5),
        **percentiles([latency / 1000 for latency in scored.latencies_ms]),
        "resident_mb": resident_mb(),
    }


def _passages(kb: KnowledgeBase) -> list[str]:
    """What was encoded."""
    runtime = kb.runtime(SET)
    nothing = BitMap64()
    batches = kb.catalog.log.everything(runtime.collection, nothing, nothing)
    return [passage_text(chunk.title, chunk.heading, chunk.text) for batch in batches for chunk in batch.added]


def run_peer(
    name: str, corpus: Path, questions: Path, folder: Path, qrels: Any, count: int, tokens: int
) -> dict[str, Any]:
    """The peer in a process of its own; what it said, when it could not run."""
    if not PEER_PYTHON.exists():
        return {"failed": "no environment of the peers; make it with `make bench-peers`"}
    out = folder / f"{name}.json"
    model = locate(DEFAULT_MODEL)
    try:
        if name == "chroma":
            target = folder / "onnx"
            _run([ROOT / "tests/benchmarks/peers/export_onnx.py", model, target])
            model = target
        script = ROOT / "tests/benchmarks/peers" / PEER_SCRIPTS[name]
        _run([script, "--corpus", corpus, "--questions", questions, "--model", model, "--out", out])
    except subprocess.SubprocessError as error:
        return {"failed": (getattr(error, "stderr", None) or str(error))[-2000:]}
    return _peer_row(json.loads(out.read_text(encoding="utf-8")), qrels, count, tokens)


def _run(command: list[Any]) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    environment = os.environ | offline | {"HAYSTACK_TELEMETRY_ENABLED": "False", "TOKENIZERS_PARALLELISM": "true"}
    arguments = [str(PEER_PYTHON), *map(str, command)]
    subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True, timeout=PEER_SECONDS)


def _peer_row(found: dict[str, Any], qrels: Any, count: int, tokens: int) -> dict[str, Any]:
    run = {question: [(key, score) for key, score in scored] for question, scored in found["run"].items()}
    return {
        "documents_per_s": round(count / found["index_seconds"], 2),
        "tokens_per_s": round(tokens / found["index_seconds"]),
        "index_seconds": round(found["index_seconds"], 3),
        "ndcg@10": round(evaluate(run, qrels).mean("ndcg@10"), 5),
        **percentiles(found["latencies"]),
        "resident_mb": found["resident_mb"],
        "versions": found["versions"],
    }


def _ratio(systems: dict[str, Any]) -> str:
    measured = {
        name: systems[name]["documents_per_s"]
        for name in SAME_MODEL
        if "failed" not in systems.get(name, {"failed": 1})
    }
    if not measured:
        return "no peer was measured"
    fastest = max(measured, key=measured.__getitem__)
    ours = {name: systems[f"ours, {name}"]["documents_per_s"] / measured[fastest] for name in ("cut", "whole")}
    return f"{ours['cut']:.2f} times {fastest} at equal text, {ours['whole']:.2f} times with all text indexed"
