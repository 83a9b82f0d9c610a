"""The stages of the search core on public sets: what each tier adds on questions that nothing was chosen by.

    make bench-search-core                        # or, a part of it:
    python -m tests.benchmarks.bench_search_core --work FOLDER --sets cranfield --tiers plan,adapter,graph

Documents go in by `kb ingest` and stay in the work folder. nfcorpus keeps its own split (train to fit, dev to choose,
test sealed), cranfield is run five times with another fifth sealed, every other set is dealt by the seed. Each row is
written to search_core.json beside this file as soon as it is known; what is there already is run again only with
`--again`. Of cranfield, nDCG@100 is kept too (`deep`), by the searches that serve, beside plain reciprocal ranks.
By `--metric recall@5` plans are chosen and proven by another metric; such rows have a table of their own. `--page`
writes the tables of docs/search-core.md from that file and runs nothing. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
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

RESULTS = Path(__file__).with_name("search_core.json")
PAGE = Path(__file__).parents[2] / "docs" / "search-core.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FOLDED = "cranfield"
FOLDS = 5  # of it
DEEP = 100  # documents: the design's figures for cranfield agree with nDCG@100 (docs/search-core.md)
BY, WITH = "by ", "with "  # before a metric, and other encoders, in the key of a row
LEVEL = 0.05
NORMAL = 1.96  # standard errors to either side of a mean, of a 95 % interval
PARTS = {"train": "fit", "dev": "choose", "test": "sealed"}  # of nfcorpus
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
NAMES = {
    "plan": "plan",
    "adapter": "+ adapter",
    "graph": "+ graph network",
    "encoder": "+ encoder",
    "ranker": "+ ranker",
    "precedents": "+ precedents",
}

Judged = dict[str, dict[str, int]]


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "kb-bench-search-core")
    parser.add_argument("--sets", default=",".join(ALL))
    parser.add_argument("--tiers", default="plan,adapter,graph")
    parser.add_argument("--budget", default="30m")
    parser.add_argument(
        "--epochs", type=int, default=50, help="how often the policy of the plan tier is asked for eight"
    )
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--metric", default="", help="what is chosen and proven by, instead of nDCG@10")
    parser.add_argument("--threads", type=int, default=1, help="that train encoders")
    parser.add_argument("--fast", action="store_true", help="train encoders in bf16 where that is faster")
    parser.add_argument("--encoders", default="", help="considered beside the default, as `kb tune --encoders`")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    rows = known()
    for name in [] if asked.page else asked.sets.split(","):
        for seed in map(int, asked.seeds.split(",")):
            for label, more in runs(name, seed):
                key = f"{label} {asked.tiers} seed {seed}" + (f" {BY}{asked.metric}" if asked.metric else "")
                key += f" {WITH}{asked.encoders}" if asked.encoders else ""
                if key not in rows or asked.again:
                    row = measured(name, asked, seed, more)
                    rows = known() | {key: row}  # another process may have written meanwhile
                    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
                    print(key, line(rows[key]), flush=True)
    write_page(rows)


def known() -> dict[str, Any]:
    """The rows so far."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


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


def measured(name: str, asked: argparse.Namespace, seed: int, more: dict[str, Any]) -> dict[str, Any]:
    """One run, promoting nothing, with where and when it was made."""
    ingested(name, asked.work)
    about = {"tiers": asked.tiers, "budget": asked.budget, "max_epochs": asked.epochs, "seed": seed}
    about |= {"threads": asked.threads, "fast": asked.fast, "metric": asked.metric, "encoders": asked.encoders}
    settings = Settings(data_dir=asked.work, encoder_threads=1)
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


def write_page(rows: dict[str, Any]) -> None:
    """Put the tables between the marks of the page."""
    others = {key: row for key, row in rows.items() if row.get("metric")}
    rows = {key: row for key, row in rows.items() if key not in others}
    page = PAGE.read_text(encoding="utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    shown = "\n".join([*tables(rows), *other_metrics(others)])
    PAGE.write_text(f"{head}{BEGIN}\n\n{shown}\n\n{END}{tail}", encoding="utf-8")


def tables(rows: dict[str, Any]) -> list[str]:
    """nDCG@10 on sealed questions: the default plan, the best of each tier, what would be promoted, and all in all."""
    named = {key: row for key, row in rows.items() if row.get("encoders")}
    rows = {key: row for key, row in rows.items() if key not in named}
    first = {key: row for key, row in rows.items() if not row["seed"]}  # other seeds have a table of their own
    found = [*tier_table(first), "", *whole(first), *seed_table(rows), *deep_table(first)]
    return [*found, *with_encoders(named, first)] if named else found


def with_encoders(named: dict[str, Any], first: dict[str, Any]) -> list[str]:
    """Runs that might begin from other encoders, and the mean over all sets with them in place of those without."""
    sets = by_set(named)
    others = {key: row for key, row in first.items() if key.split(" ")[0] not in sets}
    return [
        "",
        "With an encoder for the language of the set to begin from (`--encoders`):",
        "",
        *tier_table(named),
        "",
        *whole(others | {key: row for key, row in named.items() if not row["seed"]}),
    ]


def tier_table(rows: dict[str, Any]) -> list[str]:
    """A row for each run."""
    heads = ["set, sealed questions", "default", *NAMES.values(), "chosen", "gain (95 %), p", "CPU s", "MiB"]
    found = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key, row in sorted(rows.items()):
        stages = {stage["tier"]: stage for stage in row["stages"]}
        cells = [cell(stages.get(tier)) for tier in NAMES]
        low, high = row["lift_interval"]
        gain = f"{row['lift']:+.4f} ({low:+.4f} to {high:+.4f}), {row['p_value']:.3f}"
        label = key.partition(" plan")[0] + (f" with {row['encoders']}" if row.get("encoders") else "")
        cost = f"{row['cpu_seconds']:.0f} | {row.get('peak_mib', '')}"
        head = [f"{label}, {row['sealed']}", f"{row['default']['ndcg@10']:.4f}"]
        found.append("| " + " | ".join([*head, *cells, f"**{row['tuned']['ndcg@10']:.4f}**", gain, cost]) + " |")
    return found


def whole(rows: dict[str, Any]) -> list[str]:
    """The mean relative lift over sets, folds of a set first averaged, and how many of all rows prove something."""
    lifts = {name: relative(mine) for name, mine in by_set(rows).items()}
    better = sum(row["p_value"] < LEVEL and row["lift"] > 0 for row in rows.values())
    worse = sum(row["p_value"] < LEVEL and row["lift"] < 0 for row in rows.values())
    told = ", ".join(f"{name} {lift:+.1%}" for name, lift in lifts.items())
    return [
        f"Mean relative lift over {len(lifts)} sets: **{np.mean(list(lifts.values())):+.1%}** ({told}). Of {len(rows)} "
        f"rows {better} are significantly better (p < {LEVEL}), {worse} significantly worse."
    ]


def by_set(rows: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each set, in alphabetical order: folds and seeds together."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for key, row in sorted(rows.items()):
        sets.setdefault(key.split(" ")[0], []).append(row)
    return sets


def seed_table(rows: dict[str, Any]) -> list[str]:
    """How far the gain of a set depends on the seed, which deals the questions and draws what is tried."""
    found = []
    for name, mine in by_set(rows).items():
        seeds = {row["seed"]: [one for one in mine if one["seed"] == row["seed"]] for row in mine}
        if len(seeds) < 2:
            continue
        before, after = (float(np.mean([row[label]["ndcg@10"] for row in mine])) for label in ("default", "tuned"))
        gains = [float(np.mean([row["lift"] for row in same])) for _, same in sorted(seeds.items())]
        told = ", ".join(f"{gain:+.4f}" for gain in gains)
        spread = float(np.std(gains, ddof=1))
        means = f"{before:.4f} | **{after:.4f}** ({after / before - 1:+.1%})"
        found.append(f"| {name} | {len(seeds)} | {means} | {told} | {spread:.4f} |")
    heads = ["set", "seeds", "default, mean", "tuned, mean", "gain with each seed", "standard deviation"]
    return ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *found] if found else []


def relative(rows: list[dict[str, Any]]) -> float:
    """The lift of these rows' means."""
    before, after = (float(np.mean([row[label]["ndcg@10"] for row in rows])) for label in ("default", "tuned"))
    return after / before - 1


def deep_table(rows: dict[str, Any]) -> list[str]:
    """Both measures of the folds of cranfield; the interval is that of their mean, from the folds' own intervals."""
    folds = [row for _, row in sorted(rows.items()) if "deep" in row]
    if not folds:
        return []
    lift, reach = pooled(folds)
    at_ten = {label: np.mean([row[label]["ndcg@10"] for row in folds]) for label in ("default", "tuned")}
    at_depth = {label: np.mean([row["deep"][label] for row in folds]) for label in ("rrf", "default", "tuned")}
    return [
        "",
        f"| cranfield, mean of {len(folds)} held-out folds | reciprocal ranks | default | tuned |",
        "|---|---|---|---|",
        f"| nDCG@10 | | {at_ten['default']:.4f} | **{at_ten['tuned']:.4f}** "
        f"({lift - reach:+.4f} to {lift + reach:+.4f}) |",
        f"| nDCG@{DEEP} | " + " | ".join(f"{value:.4f}" for value in at_depth.values()) + " |",
    ]


def other_metrics(rows: dict[str, Any]) -> list[str]:
    """What runs by other metrics gained in theirs; folds of a set are one row."""
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, row in sorted(rows.items()):
        runs.setdefault((key.split(" ")[0], row["metric"]), []).append(row)
    if not runs:
        return []
    found = ["", "| chosen and proven by another metric | sealed questions | default | tuned | gain (95 %) |"]
    found.append("|---|---|---|---|---|")
    for (name, metric), mine in runs.items():
        before, after = (np.mean([row[label][metric] for row in mine]) for label in ("default", "tuned"))
        lift, reach = pooled(mine)
        gain = f"{lift:+.4f} ({lift - reach:+.4f} to {lift + reach:+.4f})"
        folds = f", {len(mine)} folds" if len(mine) > 1 else ""
        sealed = sum(row["sealed"] for row in mine)
        found.append(f"| {name}{folds}, {metric} | {sealed} | {before:.4f} | **{after:.4f}** | {gain} |")
    return found


def pooled(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Mean gain of the rows, and how far its 95 % interval reaches, from their own."""
    errors = [(row["lift_interval"][1] - row["lift_interval"][0]) / (2 * NORMAL) for row in rows]
    return float(np.mean([row["lift"] for row in rows])), NORMAL * float(np.linalg.norm(errors)) / len(rows)


def cell(stage: dict[str, Any] | None) -> str:
    """The tier's best on sealed questions; in brackets where it was not kept, a dash where it was not run."""
    if stage is None:
        return ""
    if "sealed" not in stage:
        return "–"
    value = f"{stage['sealed']:.4f}"
    return value if stage["kept"] else f"({value})"


if __name__ == "__main__":
    main()
