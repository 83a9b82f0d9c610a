"""The stages of the search core on public sets: what each tier adds on questions that nothing was chosen by.

    make bench-search-core                        # or, a part of it:
    python -m tests.benchmarks.bench_search_core --work FOLDER --sets cranfield --tiers plan,graph

Documents go in by `kb ingest` and stay in the work folder. nfcorpus keeps its own split (train to fit, dev to choose,
test sealed), cranfield is run five times with another fifth sealed, every other set is dealt by the seed. Each row is
written to search_core.json beside this file as soon as it is known; what is there already is run again only with
`--again`. Of cranfield, nDCG@100 is kept too (`deep`), by the searches that serve, beside plain reciprocal ranks.
By `--metric recall@5` plans are chosen and proven by another metric. `--page` writes the tables of
docs/search-core-measured.md from that file and runs nothing. One thread, but where an encoder learns Chinese.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from api.knowledge_base import KnowledgeBase
from api.quality.evaluation import evaluate_collection
from infra.settings import Settings
from retrieval.encoder.model_folder import DEFAULT_MODEL
from retrieval.evaluation.metrics import ndcg
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.plan import DEFAULT_PLAN, Plan
from retrieval.types import OPERATOR
from search_core.trainer import AutoModelTrainer
from tests.benchmarks.bench_quality import DATA, RECIPROCAL, SETS, ingest, one_of
from tests.benchmarks.machine import circumstances
from tests.benchmarks.search_core_page import DEEP, write_page

RESULTS = Path(__file__).with_name("search_core.json")
FOLDED = "cranfield"
FOLDS = 5  # of it
BY, WITH = "by ", "with "  # before a metric, and other encoders, in the key of a row
PARTS = {"train": "fit", "dev": "choose", "test": "sealed"}  # of nfcorpus
CHINESE = ("baoxian_faq_zh", "cmrc2018")  # which the default encoder does not know
LANGUAGE = {"tiers": "plan,adapter,encoder,ranker", "budget": "25m", "epochs": 10, "threads": 2, "fast": True}
USUAL = {"tiers": "plan,adapter,ranker,precedents", "budget": "30m", "epochs": 50, "threads": 1, "fast": False}
ALL = (
    "nfcorpus",
    "cranfield",
    "techqa",
    "fiqa_pool",
    "msmarco_sample",
    "cmrc2018",
    "baoxian_faq_zh",
    "musique_hipporag",
)

Judged = dict[str, dict[str, int]]


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "kb-bench-search-core")
    parser.add_argument("--sets", default=",".join(ALL))
    parser.add_argument("--tiers", help="instead of the set's own; such rows have a table of their own")
    parser.add_argument("--budget")
    parser.add_argument("--epochs", type=int, help="how often the policy of the plan tier is asked for eight")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--metric", default="", help="what is chosen and proven by, instead of nDCG@10")
    parser.add_argument("--threads", type=int, help="that train encoders")
    parser.add_argument("--fast", action="store_true", default=None, help="train encoders in bf16 where that is faster")
    parser.add_argument("--encoders", default="", help="considered beside the default, as `kb tune --encoders`")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    rows = known()
    for name in [] if asked.page else asked.sets.split(","):
        about = usual(name) | {key: value for key, value in vars(asked).items() if value is not None}
        for seed in map(int, asked.seeds.split(",")):
            for label, more in runs(name, seed):
                key = f"{label} {about['tiers']} seed {seed}" + (f" {BY}{asked.metric}" if asked.metric else "")
                key += f" {WITH}{asked.encoders}" if asked.encoders else ""
                if key not in rows or asked.again:
                    row = measured(name, about, seed, more)
                    rows = known() | {key: row}  # another process may have written meanwhile
                    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
                    print(key, line(rows[key]), flush=True)
    write_page(rows, {name: str(usual(name)["tiers"]) for name in ALL})


def known() -> dict[str, Any]:
    """The rows so far."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def usual(name: str) -> dict[str, Any]:
    """What a set is measured by, unless something else is asked."""
    return LANGUAGE if name in CHINESE else USUAL


def runs(name: str, seed: int) -> list[tuple[str, dict[str, Any]]]:
    """What a set is asked: a label, and questions with judgements and their parts."""
    folder, judgements = DATA / SETS[name][0], SETS[name][1]
    texts = read_queries(one_of(folder / "queries.jsonl"))
    if name == "nfcorpus":
        named = {part: read_qrels(one_of(folder / f"qrels.{split}.tsv")) for split, part in PARTS.items()}
        qrels = {query: judged for part in named.values() for query, judged in part.items()}
        parts = {query: part for part, judged in named.items() for query in judged}
        return [(name, {"queries": only(texts, qrels), "qrels": qrels, "parts": parts})]
    qrels = read_qrels(one_of(folder / judgements))
    if name != FOLDED:
        return [(name, {"queries": only(texts, qrels), "qrels": qrels})]
    return [
        (f"{name} fold {fold + 1}", {"queries": only(texts, qrels), "qrels": qrels, "parts": folded(qrels, fold, seed)})
        for fold in range(FOLDS)
    ]


def only(texts: dict[str, str], qrels: Judged) -> dict[str, str]:
    """The questions that are judged."""
    return {query: texts[query] for query in qrels}


def folded(qrels: Judged, fold: int, seed: int) -> dict[str, str]:
    """A fifth is sealed, of the rest three in five are to fit."""
    order = np.random.default_rng(seed).permutation(sorted(qrels))
    rest = [str(query) for at, query in enumerate(order) if at % FOLDS != fold]
    parts = {str(query): "sealed" for at, query in enumerate(order) if at % FOLDS == fold}
    return parts | {query: "fit" if at % 5 < 3 else "choose" for at, query in enumerate(rest)}


def measured(name: str, asked: Mapping[str, Any], seed: int, more: dict[str, Any]) -> dict[str, Any]:
    """One run, promoting nothing, with where and when it was made."""
    ingested(name, asked["work"])
    about = {key: asked[key] for key in ("tiers", "budget", "threads", "fast", "metric", "encoders")}
    about |= {"max_epochs": asked["epochs"], "seed": seed}
    settings = Settings(data_dir=asked["work"], encoder_threads=1)
    trainer = AutoModelTrainer(collection=name, promote=False, settings=settings, **about, **more)
    result = trainer.run().to_dict()
    kept = (
        "default",
        "tuned",
        "lift",
        "lift_interval",
        "p_value",
        "stages",
        "trials",
        "seconds",
        "cpu_seconds",
        "plan",
    )
    row = circumstances() | {key: result[key] for key in kept} | about
    row |= {"sealed": result["sealed_questions"], "peak_mib": peak_mib()}
    return row | ({"deep": deep(name, settings, more, result["plan"])} if "parts" in more and name == FOLDED else {})


def deep(name: str, settings: Settings, more: dict[str, Any], tuned: dict[str, Any]) -> dict[str, float]:
    """nDCG@100 on the sealed questions by whole searches: plain reciprocal ranks, the default plan, the tuned one."""
    sealed = [query for query, part in more["parts"].items() if part == "sealed"]
    questions, qrels = ({query: more[kind][query] for query in sealed} for kind in ("queries", "qrels"))
    chosen = Plan.from_dict({key: value for key, value in tuned.items() if key not in ("id", "digest")})
    with KnowledgeBase.open(settings) as kb:
        runs = {
            label: evaluate_collection(kb, name, questions, qrels, OPERATOR, plan).run
            for label, plan in (("rrf", RECIPROCAL), ("default", DEFAULT_PLAN), ("tuned", chosen))
        }
    return {
        label: round(sum(ndcg([key for key, _ in run[one]], qrels[one], DEEP) for one in sealed) / len(sealed), 5)
        for label, run in runs.items()
    }


def peak_mib() -> int:
    """The most memory this process has held so far, files mapped into it included: runs before this one count too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux tells KiB


@cache
def ingested(name: str, work: Path) -> None:
    """The set's documents are in the work folder."""
    os.environ["KB_ENCODER_THREADS"] = "1"
    ingest(name, one_of(DATA / SETS[name][0] / "corpus.jsonl"), work, DEFAULT_MODEL)


def line(row: dict[str, Any]) -> str:
    """What a reader at the terminal sees of a run."""
    before, after, (low, high) = row["default"]["ndcg@10"], row["tuned"]["ndcg@10"], row["lift_interval"]
    gain = f"({low:+.4f} to {high:+.4f}, p {row['p_value']:.4f})"
    return f"{before:.4f} -> {after:.4f} {gain}, {row['cpu_seconds']:.0f} CPU s"


if __name__ == "__main__":
    main()
