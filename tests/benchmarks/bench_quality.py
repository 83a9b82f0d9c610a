"""Quality of search on every public retrieval set: each leg alone, reciprocal ranks, and the default plan.

    python -m tests.benchmarks.bench_quality --work /tmp/quality [--sets nfcorpus,cranfield] [--encoder NAME]

Documents go in by `kb ingest` and stay in the work folder, so that a second run only searches. Prints the table of
docs/quality.md and writes quality.json beside this file, one entry a set (and encoder other than the default); what was
not asked for keeps its entry.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from api.knowledge_base import KnowledgeBase
from api.quality.evaluation import EvaluatedRun, evaluate_collection
from infra.settings import Settings
from retrieval.encoder.model_folder import DEFAULT_MODEL
from retrieval.evaluation.metrics import bootstrap_interval, randomisation_test
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.plan import DEFAULT_PLAN, FusionMethod, Plan
from retrieval.types import OPERATOR

RESULTS = Path(__file__).with_name("quality.json")
DATA = Path(os.environ.get("KB_TEST_DATA_DIR", Path(__file__).parents[3] / "shared" / "data"))
SEED = 0
SETS = {  # name: folder, judgements
    "nfcorpus": ("nfcorpus", "qrels.test.tsv"),
    "cranfield": ("cranfield", "qrels.tsv"),
    "cmrc2018": ("cmrc2018/retrieval", "qrels.tsv"),
    "scifact_reduced": ("scifact_reduced", "qrels.tsv"),
    "fiqa_pool": ("fiqa_pool", "qrels.tsv"),
    "msmarco_sample": ("msmarco_sample", "qrels.tsv"),
    "musique_hipporag": ("musique_hipporag", "qrels.tsv"),
    "baoxian_faq_zh": ("baoxian_faq_zh", "qrels.tsv"),
    "techqa": ("techqa", "qrels.tsv"),
}
RECIPROCAL = replace(DEFAULT_PLAN, fusion=FusionMethod.RRF, dense_weight=0.5, adaptive=False, feedback=0.0)
PLANS = {
    "sparse": replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE),
    "dense": replace(DEFAULT_PLAN, fusion=FusionMethod.DENSE),
    "rrf": RECIPROCAL,
    "no feedback": replace(DEFAULT_PLAN, feedback=0.0),
    "default": DEFAULT_PLAN,
}


def main() -> None:
    """Ingest what is missing, evaluate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="data folder to build in and to reuse")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--encoder", default=DEFAULT_MODEL)
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    print(f"{'':18}" + "".join(f"{name:>13}" for name in PLANS) + f"{'interval':>20}{'p':>8}")
    for name in asked.sets.split(","):
        key = name if asked.encoder == DEFAULT_MODEL else f"{name}, {asked.encoder}"
        results["sets"][key] = measure(name, asked.work, asked.encoder)
        results |= circumstances()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(line(name, results["sets"][key]), flush=True)


def measure(name: str, work: Path, encoder: str) -> dict[str, Any]:
    """The set's row: metrics of every plan, and the default plan against the better leg."""
    folder, judgements = SETS[name]
    ingest(name, one_of(DATA / folder / "corpus.jsonl"), work, encoder)
    questions = read_queries(one_of(DATA / folder / "queries.jsonl"))
    qrels = read_qrels(DATA / folder / judgements)
    settings = Settings(data_dir=work, encoder=encoder)
    with KnowledgeBase.open(settings) as kb:
        if kb.catalog.collections.get(name).encoder != encoder:
            raise SystemExit(
                f"collection {name} in {work} was made with another encoder than {encoder}; name another --work"
            )
        runs = {plan: evaluate_collection(kb, name, questions, qrels, OPERATOR, PLANS[plan]) for plan in PLANS}
    better = max(("sparse", "dense"), key=lambda leg: runs[leg].evaluation.mean("ndcg@10"))
    return {
        "queries": len(qrels),
        "data_sha256": data_hash(DATA / folder),
        "plans": {plan: run.to_dict() for plan, run in runs.items()},
        "against_better_leg": compare(runs["default"], runs[better]) | {"leg": better},
        "against_rrf": compare(runs["default"], runs["rrf"]),
    }


def ingest(name: str, corpus: Path, work: Path, encoder: str = DEFAULT_MODEL) -> None:
    """`kb ingest` in a process of its own, as a user runs it; embeds nothing that is there already."""
    command = [sys.executable, "-m", "api.cli", "ingest", str(corpus), "--collection", name]
    environment = os.environ | {"KB_DATA_DIR": str(work), "KB_ENCODER": encoder}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def compare(one: EvaluatedRun, other: EvaluatedRun) -> dict[str, Any]:
    """Difference of nDCG@10, its paired 95 % bootstrap interval, and the p-value of the randomisation test."""
    values, others = one.evaluation.values["ndcg@10"], other.evaluation.values["ndcg@10"]
    differences = [a - b for a, b in zip(values, others, strict=True)]
    low, high = bootstrap_interval(differences, seed=SEED)
    return {
        "difference": round(sum(differences) / len(differences), 5),
        "interval": [round(low, 5), round(high, 5)],
        "p": round(randomisation_test(values, others, seed=SEED), 5),
    }


def line(name: str, row: dict[str, Any]) -> str:
    """The set's line of the table; interval and p are of the default plan, p against the better leg."""
    means = "".join(f"{plan['ndcg@10']:13.4f}" for plan in row["plans"].values())
    low, high = row["plans"]["default"]["intervals"]["ndcg@10"]
    return f"{name:18}{means}{f'{low:.4f} to {high:.4f}':>20}{row['against_better_leg']['p']:8.4f}"


def one_of(path: Path) -> Path:
    """The file, or its gzip form."""
    return path if path.exists() else path.with_name(path.name + ".gz")


def data_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of the set's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def circumstances() -> dict[str, Any]:
    """What a reader needs in order to repeat the run."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "command": "python -m tests.benchmarks.bench_quality",
        "commit": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seed": SEED,
        "plan": Plan.to_dict(DEFAULT_PLAN),
    }


if __name__ == "__main__":
    main()
