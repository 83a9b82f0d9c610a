"""Trains and measures extractive answers and refusals on public questions (see `answer_sets`).

    python -m tests.benchmarks.bench_answers train      # writes retrieval/answer/weights.py
    python -m tests.benchmarks.bench_answers evaluate   # prints the table of docs/answers.md, writes answers.json
    python -m tests.benchmarks.bench_answers evaluate --encoder bge-small-zh-v1.5   # only prints
    python -m tests.benchmarks.bench_answers time       # milliseconds an answer over five passages

Training sees squad_dev's train articles, cmrc2018 trial, half of techqa and the off-corpus questions of the train side;
evaluation the other articles, cmrc2018 dev, the other half of techqa, and off-corpus questions of other sources.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer import weights
from retrieval.answer.evidence import SENTENCE_FEATURES, Evidence
from retrieval.answer.extractive import ExtractiveGenerator
from retrieval.answer.selection import choose, citation_of, stretches
from retrieval.answer.support import SUPPORT_FEATURES, confidence, score_sentences, support_features
from retrieval.answer.types import Ask
from retrieval.encoder import open_encoder
from retrieval.encoder.model_folder import DEFAULT_MODEL
from tests.benchmarks.answer_sets import AnswerSet, Asked, Collection, Remembering, load_sets, squeezed

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
WEIGHTS_FILE = REPOSITORY / "retrieval" / "answer" / "weights.py"
RESULTS_FILE = HERE / "answers.json"
DATA_FILES = (
    "squad_dev/dev-v1.1.json.gz", "squad_dev/dev-v2.0.json.gz", "squad_dev/article_split.json",
    "cmrc2018/cmrc2018_dev.json.gz", "cmrc2018/cmrc2018_trial.json",
    "techqa/corpus.jsonl.gz", "techqa/queries.jsonl", "techqa/qrels.tsv",
)  # fmt: skip
RIDGE = 1e-3  # on standardised features; enough to keep collinear weights small
MAX_RIGHT_REFUSED = 0.04  # of right answers, over the training sets: one in twenty-five is what a user would forgive
# What the domain dictates: these weights may not have the other sign, whatever few examples (FAQ pages, say) suggest.
NEVER_POSITIVE = {"fragment", "label", "asks", "keys_missing", "heaviest_missing", "unseen", "kind_missed"}
ANY_SIGN = {"length", "rank", "first", "unknown", "unknown_passage", "terms"}
# Set by hand, for these data hold hardly a heading within a passage and hardly a FAQ page (scores of one sentence).
BY_HAND = {"label": -2.0, "after_question": 1.0, "asked_title": 4.0, "problem": -0.5}
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One question with the evidence that was retrieved for it."""

    set_name: str
    asked: Asked
    evidence: Evidence
    has_statistics: bool


def cases(sets: Sequence[AnswerSet], encoder: Remembering, analyzer: Analyzer) -> Iterator[Case]:
    """Every question twice: its evidence weighed by the collection's term statistics, and without them."""
    generator = ExtractiveGenerator(encoder, analyzer)
    for one in sets:
        collection = Collection(one, encoder, analyzer)
        print(f"{one.name}: {len(collection.passages)} chunks, {len(one.questions)} questions", flush=True)
        for asked in one.questions:
            found = collection.retrieve(asked.text)
            for statistics in (collection.statistics, None):
                evidence = generator.evidence(Ask(asked.text, found, (), statistics))
                yield Case(one.name, asked, evidence, statistics is not None)


def is_right(case: Case) -> bool:
    """Whether the answer, refusals aside, is right."""
    if not case.evidence.candidates:
        return False
    chosen = stretches(choose(case.evidence, score_sentences(case.evidence)))
    return case.asked.is_right([citation_of(1, stretch, case.evidence) for stretch in chosen])


def fit_ranker(found: Sequence[Case]) -> Floats:
    """Weights of the sentence model: softmax over a question's sentences, right ones against the rest."""
    groups = [(case.evidence.features, right) for case in found if (right := _right_sentences(case)) is not None]
    features = np.concatenate([group for group, _ in groups])
    right = np.concatenate([flags for _, flags in groups])
    sizes = np.array([len(flags) for _, flags in groups])
    starts, owner = np.concatenate([[0], np.cumsum(sizes)[:-1]]), np.repeat(np.arange(len(groups)), sizes)
    scale = features.std(axis=0) + 1e-9
    features = features / scale

    def loss(w: Floats) -> tuple[float, Floats]:
        scores = features @ w
        grown = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        total, hit = np.add.reduceat(grown, starts), np.add.reduceat(grown * right, starts)
        pull = grown / total[owner] - grown * right / hit[owner]
        value = -np.log(hit / total).mean() + RIDGE * w @ w
        return float(value), features.T @ pull / len(groups) + 2 * RIDGE * w

    start = np.zeros(features.shape[1])
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=_bounds(SENTENCE_FEATURES)).x / scale


def _right_sentences(case: Case) -> NDArray[np.bool_] | None:
    """Which candidates hold a right answer in the right document; None where all or none do."""
    golds = [squeezed(gold) for gold in case.asked.golds]
    documents = [case.evidence.passages[one.passage].document_id for one in case.evidence.candidates]
    flags = np.array(
        [
            document == case.asked.gold_document and any(gold in squeezed(one.text) for gold in golds)
            for one, document in zip(case.evidence.candidates, documents, strict=True)
        ]
    )
    return flags if flags.any() and not flags.all() else None


def fit_support(features: Floats, right: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and bias of the logistic support model."""
    scale = features.std(axis=0) + 1e-9
    x = np.c_[features / scale, np.ones(len(features))]

    def loss(w: Floats) -> tuple[float, Floats]:
        z = x @ w
        value = np.logaddexp(0, z).mean() - (z * right).mean() + RIDGE * w[:-1] @ w[:-1]
        return float(value), x.T @ (1 / (1 + np.exp(-z)) - right) / len(x) + 2 * RIDGE * np.r_[w[:-1], 0]

    bounds = [*_bounds(SUPPORT_FEATURES), (None, None)]
    w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return w[:-1] / scale, float(w[-1])


def _bounds(names: Sequence[str]) -> list[tuple[float | None, float | None]]:
    """Lowest and highest value of each weight."""
    return [
        (None, None) if name in ANY_SIGN else (None, 0.0) if name in NEVER_POSITIVE else (0.0, None) for name in names
    ]


def train(folder: Path, limit: int) -> None:
    """Fit both models and write `weights.py`. The threshold is the highest that refuses few right answers."""
    encoder, analyzer = _encoder(), Analyzer()
    found = list(cases(load_sets(folder, "train", limit), encoder, analyzer))
    weights.SENTENCE.update(zip(SENTENCE_FEATURES, map(float, fit_ranker(found)), strict=True))
    weights.SENTENCE.update(BY_HAND)
    answered = [case for case in found if case.evidence.candidates]
    features = np.array([support_features(case.evidence, score_sentences(case.evidence)) for case in answered])
    right = np.array([is_right(case) for case in answered])
    fitted, bias = fit_support(features, right)
    sure = 1 / (1 + np.exp(-(features @ fitted + bias)))
    threshold = round(float(np.quantile(sure[right], MAX_RIGHT_REFUSED)), 2)
    WEIGHTS_FILE.write_text(_weights_module(threshold, fitted, bias, folder, limit), encoding="utf-8")
    print(f"{len(answered)} cases, {right.mean():.3f} right; refuse below {threshold}; wrote {WEIGHTS_FILE.name}")


def _weights_module(threshold: float, fitted: Floats, bias: float, folder: Path, limit: int) -> str:
    tables = ("SENTENCE", weights.SENTENCE), ("SUPPORT", dict(zip(SUPPORT_FEATURES, fitted, strict=True)))
    lines = [
        '"""Weights of the two models of `support.py`, trained on public questions; docs/answers.md has the figures.',
        "",
        f"Written by `python -m tests.benchmarks.bench_answers train --limit {limit}`.",
        f"SHA-256 of the data: {data_hash(folder)[:16]}",
        '"""',
        "",
        f"REFUSE_BELOW = {threshold}  # probability of a right answer",
        f"SUPPORT_BIAS = {bias:.4f}",
    ]
    for name, table in tables:
        lines += ["", f"{name}: dict[str, float] = {{"]
        lines += [f'    "{key}": {float(value):.4f},' for key, value in table.items()] + ["}"]
    return "\n".join(lines) + "\n"


def evaluate(folder: Path, limit: int, model: str = DEFAULT_MODEL) -> None:
    """Right answers and refusals of each evaluation set, at the committed threshold and around it."""
    encoder, analyzer = _encoder(model), Analyzer()
    outcomes: dict[tuple[str, bool], list[tuple[str, bool, float]]] = {}
    for case in cases(load_sets(folder, "eval", limit), encoder, analyzer):
        sure = confidence(case.evidence, score_sentences(case.evidence))
        key = case.set_name, case.has_statistics
        outcomes.setdefault(key, []).append((case.asked.kind, is_right(case), sure))
    thresholds = sorted({*THRESHOLDS, weights.REFUSE_BELOW})
    rows = [_row(*key, found, threshold) for key, found in outcomes.items() for threshold in thresholds]
    for row in rows:
        if row["refuse_below"] == weights.REFUSE_BELOW:
            print(json.dumps(row))
    if model != DEFAULT_MODEL:
        return
    report = {"command": f"python -m tests.benchmarks.bench_answers evaluate --limit {limit}", "seed": 0, "rows": rows}
    RESULTS_FILE.write_text(json.dumps({**report, "data_sha256": data_hash(folder)}, indent=1) + "\n")


def _row(
    name: str, has_statistics: bool, outcomes: Sequence[tuple[str, bool, float]], threshold: float
) -> dict[str, object]:
    kinds = np.array([kind for kind, _, _ in outcomes])
    right = np.array([is_right for _, is_right, _ in outcomes])
    refused = np.array([sure for _, _, sure in outcomes]) < threshold
    answerable = kinds == "answerable"

    def share(flags: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
        return round(float(flags[among].mean()), 3) if among.any() else None

    return {
        "set": name, "statistics": has_statistics, "refuse_below": threshold, "questions": len(outcomes),
        "right_without_refusal": share(right, answerable),
        "right_answers_refused": share(refused, right),
        "wrong_answers_refused": share(refused, answerable & ~right),
        "unanswerable_refused": share(refused, kinds == "unanswerable"),
        "off_corpus_refused": share(refused, kinds == "off-corpus"),
        "refusal_recall": share(refused, ~answerable),
        "refusal_precision": share(~answerable, refused),
        "refusal_justified": share(~right, refused),
    }  # fmt: skip


def measure_time(folder: Path, limit: int) -> None:
    """Milliseconds an answer over five passages, encoding included."""
    encoder, analyzer = open_encoder(DEFAULT_MODEL, _cache()), Analyzer()
    for answer_set in load_sets(folder, "eval", limit):
        if not answer_set.is_dense:
            continue
        collection = Collection(answer_set, encoder, analyzer)
        generator, took = ExtractiveGenerator(encoder, analyzer), []
        for asked in answer_set.questions[:limit]:
            ask = Ask(asked.text, collection.retrieve(asked.text), (), collection.statistics)
            began = time.perf_counter()
            list(generator.stream(ask))
            took.append((time.perf_counter() - began) * 1000)
        p50, p95 = np.percentile(took, [50, 95])
        print(f"{answer_set.name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms over {len(took)} answers")


def data_hash(folder: Path) -> str:
    """SHA-256 over the data files, in order."""
    digest = hashlib.sha256()
    for name in DATA_FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _encoder(model: str = DEFAULT_MODEL) -> Remembering:
    return Remembering(open_encoder(model, _cache()))


def _cache() -> Path:
    return Path(os.environ.get("KB_TEST_CACHE_DIR", Path(tempfile.gettempdir(), "kb-bench")))


def main() -> None:
    """Read the command line and run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("train", "evaluate", "time"))
    parser.add_argument("--limit", type=int, default=2500, help="most questions of a set, its off-corpus ones aside")
    parser.add_argument("--encoder", default=DEFAULT_MODEL, help="that `evaluate` asks; only the default's is written")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("KB_TEST_DATA_DIR", REPOSITORY.parent / "shared" / "data"))
    if arguments.action == "evaluate":
        evaluate(folder, arguments.limit, arguments.encoder)
    else:
        {"train": train, "time": measure_time}[arguments.action](folder, arguments.limit)


if __name__ == "__main__":
    main()
