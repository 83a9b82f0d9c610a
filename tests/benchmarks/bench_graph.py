"""What the corpus graph is worth and what it costs: the default plan against diffusion over each kind of edge.

    python -m tests.benchmarks.bench_graph --work /tmp/quality [--sets cranfield,musique_hipporag]

Documents go in by `kb ingest` and stay in the work folder, as in bench_quality. Prints the tables of docs/graph.md and
writes graph.json beside this file, one entry a set; sets not asked for keep their entries. For MuSiQue the settings
are chosen on every second question and reported on the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from api.knowledge_base import KnowledgeBase
from infra.sample.company import write_company
from infra.settings import Settings
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.evaluation.metrics import bootstrap_interval, randomisation_test
from retrieval.evaluation.runs import METRICS, read_qrels, read_queries
from retrieval.graph.build import build_graph
from retrieval.graph.view import GraphView
from retrieval.plan import DEFAULT_PLAN, DiffusionEdges, DiffusionStep, FusionMethod, Plan
from retrieval.types import ViewBatch
from search_core.corpus.legs import CachedLegs, Values, ask_legs
from search_core.corpus.snapshot import read_snapshot
from tests.benchmarks.bench_quality import SEED, SETS, data_hash, ingest, one_of
from tests.benchmarks.machine import DATA, circumstances

RESULTS = Path(__file__).with_name("graph.json")
COMPANY = "company"
MULTI_HOP = "musique_hipporag"
TIMED_QUESTIONS = 100
MAX_QUESTIONS = 400  # of a set, spread evenly over it
STRENGTHS = {edges: 0.5 if edges is DiffusionEdges.LINKS else 0.2 for edges in DiffusionEdges}
Score = Callable[[Sequence[str], EvalQuery], float]


def main() -> None:
    """Ingest what is missing, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="data folder to build in and to reuse")
    parser.add_argument(
        "--sets", default="cranfield,nfcorpus,cmrc2018,msmarco_sample,fiqa_pool,musique_hipporag,company"
    )
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    for name in asked.sets.split(","):
        results["sets"][name] = measure(name, asked.work)
        results["circumstances"] = circumstances() | {"command": "python -m tests.benchmarks.bench_graph"}
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(name, json.dumps(results["sets"][name], ensure_ascii=False), flush=True)


def measure(name: str, work: Path) -> dict[str, Any]:
    """The set's entry."""
    if name == COMPANY:
        folder, judgements = ingest_company(work), "qrels.tsv"
        texts = read_queries(folder / "questions.jsonl")
    else:
        folder, judgements = DATA / SETS[name][0], SETS[name][1]
        ingest(name, one_of(folder / "corpus.jsonl"), work)
        texts = read_queries(one_of(folder / "queries.jsonl"))
    qrels = read_qrels(folder / judgements)
    questions = [EvalQuery(number, texts[number], judged) for number, judged in qrels.items()]
    spread = np.linspace(0, len(questions) - 1, min(MAX_QUESTIONS, len(questions))).astype(int)
    questions = [questions[place] for place in spread]
    with KnowledgeBase.open(Settings(data_dir=work)) as kb, kb.runtimes.use(name) as runtime:
        snapshot = read_snapshot(kb.catalog, runtime.collection)
        try:
            legs = ask_legs(snapshot, runtime.encoder, questions)
            entry = {"questions": len(questions), "chunks": len(snapshot.chunks), "cost": cost(legs)}
            entry["data_sha256"] = data_hash(folder)
            entry["ndcg@10"] = compare(legs, ndcg)
            if name == MULTI_HOP:
                entry["recall@5"] = compare(legs, recall_at_5)
                entry["multi_hop"] = multi_hop(legs)
        finally:
            snapshot.close()
    return entry


def ingest_company(work: Path) -> Path:
    """The folder of the sample company, whose tables and documents are ingested by `kb ingest`, each group's as its."""
    company = write_company(work / COMPANY)
    commands = [[f"sqlite:///{company.database}", "--mapping", str(company.mapping)]]
    commands += [[str(folder), "--acl", folder.name] for folder in sorted(company.documents.iterdir())]
    for command in commands:
        whole = [sys.executable, "-m", "api.cli", "ingest", *command, "--collection", COMPANY]
        subprocess.run(whole, env=os.environ | {"KB_DATA_DIR": str(work)}, check=True, capture_output=True)
    return work / COMPANY


def compare(legs: CachedLegs, score: Score) -> dict[str, Any]:
    """The default plan, and what each kind of edge adds to it."""
    base = scored(legs, DEFAULT_PLAN, score)
    found: dict[str, Any] = {"default": round(float(base.mean()), 4)}
    for edges, strength in STRENGTHS.items():
        plan = replace(DEFAULT_PLAN, diffusion=DiffusionStep(edges, strength=strength))
        found[edges.value] = difference(scored(legs, plan, score), base)
    return found


def multi_hop(legs: CachedLegs) -> dict[str, Any]:
    """Recall@5 of links on the questions that chose nothing, beside vectors alone and the default plan."""
    grid = [
        replace(DEFAULT_PLAN, diffusion=DiffusionStep(DiffusionEdges.LINKS, neighbours, strength, steps))
        for neighbours, strength, steps in product((5, 10), (0.2, 0.35, 0.5, 0.65), (1, 2))
    ]
    tried = [scored(legs, plan, recall_at_5) for plan in grid]
    best = max(range(len(grid)), key=lambda at: (tried[at][::2].mean(), -at))
    held_out: dict[str, Any] = {"questions": len(tried[best][1::2]), "chosen": grid[best].to_dict()["diffusion"]}
    for name, plan in (("dense", replace(DEFAULT_PLAN, fusion=FusionMethod.DENSE)), ("default", DEFAULT_PLAN)):
        base = scored(legs, plan, recall_at_5)[1::2]
        held_out[f"against_{name}"] = difference(tried[best][1::2], base) | {"base": round(float(base.mean()), 4)}
    return held_out


def scored(legs: CachedLegs, plan: Plan, score: Score) -> Values:
    """(questions,) what the plan is worth."""
    return np.array([score(legs.rank(plan, place), question) for place, question in enumerate(legs.questions)])


def ndcg(keys: Sequence[str], question: EvalQuery) -> float:
    """NDCG@10."""
    return METRICS["ndcg@10"](keys, question.judgements)


def recall_at_5(keys: Sequence[str], question: EvalQuery) -> float:
    """The share of the right documents among the first five."""
    right = {key for key, grade in question.judgements.items() if grade > 0}
    return len(right & set(keys[:5])) / len(right)


def difference(values: Values, base: Values) -> dict[str, Any]:
    """Mean, and the difference with its paired 95 % bootstrap interval and p of the randomisation test."""
    low, high = bootstrap_interval((values - base).tolist(), seed=SEED)
    return {
        "mean": round(float(values.mean()), 4),
        "difference": round(float((values - base).mean()), 4),
        "interval": [round(low, 4), round(high, 4)],
        "p": round(randomisation_test(values.tolist(), base.tolist(), seed=SEED), 4),
    }


def cost(legs: CachedLegs) -> dict[str, Any]:
    """Processor time to build for 10,000 chunks, bytes a chunk, and milliseconds each kind of edge adds to a search.

    Processor time, for the machine may have other work.
    """
    chunks = legs.snapshot.chunks
    began = time.process_time()
    view = GraphView(None, Analyzer())
    view.apply(ViewBatch(1, [], chunks))
    built = time.process_time() - began
    began = time.process_time()
    build_graph(chunks, legs.snapshot.vectors)
    explicit = time.process_time() - began
    base = view.state.compacted().base
    size = sum(getattr(base, name).nbytes for name in base.__slots__)
    began = time.process_time()
    for chunk in chunks[:100]:
        view.apply(ViewBatch(2, [chunk.label], []))
        view.apply(ViewBatch(3, [], [chunk]))
    return {
        "view_seconds_10k": round(built / len(chunks) * 10_000, 2),
        "edges_seconds_10k": round(explicit / len(chunks) * 10_000, 2),
        "bytes_a_chunk": round(size / len(chunks)),
        "update_ms": round((time.process_time() - began) * 1000 / min(len(chunks), 100), 2),
        "search_ms": {edges.value: added_ms(legs, edges) for edges in DiffusionEdges},
    }


def added_ms(legs: CachedLegs, edges: DiffusionEdges) -> float:
    """Median milliseconds of processor time that the step adds for one question with both legs' 200 candidates."""
    legs.snapshot.graph()
    wide = replace(DEFAULT_PLAN, sparse_depth=100, dense_depth=100)
    with_step = replace(wide, diffusion=DiffusionStep(edges))
    taken: dict[bool, list[float]] = {False: [], True: []}
    for place in range(min(TIMED_QUESTIONS, len(legs.questions))):
        for is_with, plan in ((False, wide), (True, with_step)):
            began = time.process_time()
            legs.rank(plan, place)
            taken[is_with].append((time.process_time() - began) * 1000)
    return round(float(np.median(taken[True]) - np.median(taken[False])), 2)


if __name__ == "__main__":
    main()
