"""Searches with a mistyped word: what each leg and both together lose by it, and what corrections give back.

    python -m tests.benchmarks.bench_typos --work /tmp/quality [--sets nfcorpus,cranfield,techqa]

In each judged question the rarest word of five letters or more gets one slip of the keyboard, drawn by seed: two
letters swapped, one left out, doubled, or its neighbour on the keyboard. Prints nDCG@10 as asked, mistyped, and
mistyped and corrected; what corrections change where nothing was mistyped; and what they cost then. Writes typos.json
beside this file. The work folder is that of bench_quality.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from api.knowledge_base import KnowledgeBase
from api.quality.evaluation import EvaluatedRun, evaluate_search
from infra.settings import Settings
from retrieval.evaluation.runs import Qrels, read_qrels, read_queries
from retrieval.plan import Plan
from retrieval.search.spelling import suspects
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import OPERATOR
from tests.benchmarks.bench_quality import DATA, PLANS, SEED, SETS, circumstances, compare, data_hash, ingest, one_of

RESULTS = Path(__file__).with_name("typos.json")
LEGS = {"words": PLANS["sparse"], "vectors": PLANS["dense"], "fused": PLANS["default"]}
RARE = 0.05  # share of the chunks that hold a mistyped word, at most: it is terms that people mistype
ROUNDS = 5  # timings of a question, of which the least counts
KEYS = "qwertyuiopasdfghjklzxcvbnm"
BESIDE = "wa qes wrd etf ryg tuh yij uok ipl ol qsz adwx sfec dgrv fhtb gjyn hkum jli ko xsa zcd xvf cbg vnh bmj nk"
NEIGHBOURS = dict(zip(KEYS, BESIDE.split(), strict=True))

Typed = tuple[str, str, str]  # the question with the slip, the word, the word with the slip


def main() -> None:
    """Measure the sets, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="data folder to build in and to reuse")
    parser.add_argument("--sets", default="nfcorpus,cranfield,techqa")
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"sets": {}}
    for name in asked.sets.split(","):
        folder, judgements = SETS[name]
        ingest(name, one_of(DATA / folder / "corpus.jsonl"), asked.work)
        questions = read_queries(one_of(DATA / folder / "queries.jsonl"))
        with KnowledgeBase.open(Settings(data_dir=asked.work)) as kb:
            row = measure(kb, name, questions, read_qrels(DATA / folder / judgements))
        results["sets"][name] = row | {"data_sha256": data_hash(DATA / folder)}
        results |= circumstances() | {"command": "python -m tests.benchmarks.bench_typos"}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(json.dumps({name: row}, indent=1), flush=True)


def measure(kb: KnowledgeBase, name: str, questions: Mapping[str, str], qrels: Qrels) -> dict[str, Any]:
    """The set's row."""
    typed = mistyped(kb, name, {key: questions[key] for key in qrels})
    judged = {key: qrels[key] for key in typed}
    row: dict[str, Any] = {"queries": len(qrels), "mistyped": len(typed), **choices(kb, name, typed)}
    for leg, plan in LEGS.items():
        clean = asked(kb, name, plan, questions, judged, correct=False)
        wrong, right = (
            asked(kb, name, plan, {key: one[0] for key, one in typed.items()}, judged, correct=correct)
            for correct in (False, True)
        )
        row[leg] = {"clean": mean(clean), "mistyped": mean(wrong), "corrected": mean(right)}
        row[leg] |= {"corrected_against_mistyped": compare(right, wrong)}
    return row | untouched(kb, name, questions, qrels)


def untouched(kb: KnowledgeBase, name: str, questions: Mapping[str, str], qrels: Qrels) -> dict[str, Any]:
    """What corrections do to the questions as they were asked."""
    without, with_them = (asked(kb, name, LEGS["fused"], questions, qrels, correct=c) for c in (False, True))
    told = {key: search(kb, name, questions[key], correct=True) for key in qrels}
    changed = {key: [(one.typed, one.meant) for one in result.corrections] for key, result in told.items()}
    micros = [spelling_micros(kb, name, questions[key]) for key, result in told.items() if not result.corrections]
    return {
        "clean": {"without": mean(without), "with": mean(with_them), **compare(with_them, without)},
        "clean_corrections": {key: pairs for key, pairs in changed.items() if pairs},
        "clean_micros": percentiles(micros),
    }


def choices(kb: KnowledgeBase, name: str, typed: Mapping[str, Typed]) -> dict[str, Any]:
    """How often the word that was meant was found, another, or none; and milliseconds of the search stage."""
    analyzer = kb.runtime(name).analyzer
    counts, stage = {"right": 0, "other": 0, "none": 0, "is a word": 0}, []
    missed: dict[str, tuple[str, str | None]] = {}
    for text, word, slip in typed.values():
        if kb.runtime(name).follower.views.sparse.document_frequency(analyzer.tokens(slip)[0]):
            counts["is a word"] += 1
            continue
        result = search(kb, name, text, correct=True)
        stage.append(result.stages["spelling"])
        meant = {one.typed: one.meant for one in result.corrections}.get(slip)
        same = meant is not None and analyzer.tokens(meant) == analyzer.tokens(word)
        counts["none" if meant is None else "right" if same else "other"] += 1
        if not same:
            missed[slip] = word, meant
    return {"choices": counts, "missed": missed, "correcting_ms": percentiles(stage)}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The median and the slow ones."""
    return {f"p{share}": round(float(np.percentile(values, share)), 2) for share in (50, 95)}


def asked(
    kb: KnowledgeBase, name: str, plan: Plan, questions: Mapping[str, str], qrels: Qrels, *, correct: bool
) -> EvaluatedRun:
    """The questions by that plan, with corrections or without."""

    def searching(request: SearchRequest) -> SearchResult:
        return kb.search(name, replace(request, correct=correct), OPERATOR, plan=plan)

    return evaluate_search(searching, plan, questions, qrels)


def search(kb: KnowledgeBase, name: str, text: str, *, correct: bool) -> SearchResult:
    """One search by the default plan."""
    return kb.search(name, SearchRequest(text, highlight=False, correct=correct), OPERATOR, plan=LEGS["fused"])


def spelling_micros(kb: KnowledgeBase, name: str, text: str) -> float:
    """What looking at a question's words costs, in microseconds."""
    return min(search(kb, name, text, correct=True).stages["spelling"] for _ in range(ROUNDS)) * 1000


def mistyped(kb: KnowledgeBase, name: str, questions: Mapping[str, str]) -> dict[str, Typed]:
    """The questions that have a rare word, with a slip in the rarest."""
    runtime, choose = kb.runtime(name), random.Random(SEED)
    words = runtime.follower.views.sparse
    found = {}
    for key, text in questions.items():
        rare = []
        for start, end in suspects(text):
            count = words.document_frequency(runtime.analyzer.tokens(text[start:end])[0])
            if 0 < count <= RARE * len(words) and text[start:end].isascii():
                rare.append((count, start, end))
        if rare:
            _, start, end = min(rare)
            typed = slip(text[start:end], choose)
            found[key] = (text[:start] + typed + text[end:], text[start:end], typed)
    return found


def slip(word: str, choose: random.Random) -> str:
    """The word with one slip after its first letter."""
    at = choose.randrange(1, len(word) - 1)
    kind = choose.choice(("swap", "drop", "double", "neighbour"))
    if kind == "swap" and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "double":
        return word[:at] + word[at] + word[at:]
    if kind == "neighbour":
        return word[:at] + choose.choice(NEIGHBOURS[word[at].lower()]) + word[at + 1 :]
    return word[:at] + word[at + 1 :]


def mean(run: EvaluatedRun) -> float:
    """nDCG@10."""
    return round(run.evaluation.mean("ndcg@10"), 4)


if __name__ == "__main__":
    main()
