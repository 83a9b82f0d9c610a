"""How well `relevance` of a search tells questions of a collection from questions that are about something else.

    python -m tests.benchmarks.bench_relevance --work /tmp/quality [--sets nfcorpus,cranfield,fiqa_pool]

Of each set, questions for which a relevant document is among the first three hits, and as many of the other sets. For
each set the logistic model is fitted on the others alone, and printed: the area under the ROC curve, and which share
of both kinds is told rightly at 0.5; then the same of the weights that serve, and the weights that all sets together
give. Writes relevance.json beside this file. The work folder is that of bench_quality.
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
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.evaluation.runs import read_qrels, read_queries
from retrieval.search.relevance import FEW, Evidence
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR
from tests.benchmarks.bench_quality import DATA, SEED, SETS, circumstances, ingest, one_of

RESULTS = Path(__file__).with_name("relevance.json")
QUESTIONS = 250  # of each kind and set
FIRST = 3  # hits among which a relevant document is found
KINDS: Mapping[str, tuple[tuple[str, ...], Mapping[str, None]]] = {  # features, and what is not known of it then
    "both legs": (("cosine", "words", "unread_words", "held"), {}),
    "words alone": (("words", "held"), {"cosine": None}),
    "vectors alone": (("cosine",), {"words": None}),
}
Row = tuple[str, bool, Evidence]  # set, whether it is one of its questions


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="data folder to build in and to reuse")
    parser.add_argument("--sets", default="nfcorpus,cranfield,fiqa_pool,msmarco_sample,musique_hipporag,cmrc2018")
    asked = parser.parse_args()
    names = asked.sets.split(",")
    for name in names:
        ingest(name, one_of(DATA / SETS[name][0] / "corpus.jsonl"), asked.work)
    with KnowledgeBase.open(Settings(data_dir=asked.work)) as kb:
        rows = [row for name in names for row in _asked(kb, name, names)]
    found = {
        kind: _measured([(name, own, replace(told, **unknown)) for name, own, told in rows], features)
        for kind, (features, unknown) in KINDS.items()
    }
    RESULTS.write_text(json.dumps(circumstances() | {"seed": SEED, "legs": found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _asked(kb: KnowledgeBase, name: str, names: Sequence[str]) -> list[Row]:
    """Questions of the set that it answers, and questions of the others."""
    draw, texts = random.Random(SEED), {one: _questions(one) for one in names}
    judged = read_qrels(DATA / SETS[name][0] / SETS[name][1])
    own = [key for key in texts[name] if any(grade > 0 for grade in judged.get(key, {}).values())]
    foreign = [text for one in names if one != name for text in texts[one].values()]
    rows: list[Row] = []
    for key in draw.sample(own, min(QUESTIONS, len(own))):
        hits, evidence = _evidence(kb, name, texts[name][key])
        if any(judged[key].get(hit, 0) > 0 for hit in hits[:FIRST]):
            rows.append((name, True, evidence))
    return rows + [(name, False, _evidence(kb, name, text)[1]) for text in draw.sample(foreign, QUESTIONS)]


def _questions(name: str) -> dict[str, str]:
    found = read_queries(one_of(DATA / SETS[name][0] / "queries.jsonl"))
    return {key: text for key, text in found.items() if text.strip()}


def _evidence(kb: KnowledgeBase, name: str, text: str) -> tuple[list[str], Evidence]:
    result = kb.search(name, SearchRequest(text, 10, highlight=False, relevance=True), OPERATOR)
    assert result.evidence is not None
    return [hit.chunk.key for hit in result.hits], result.evidence


def _features(evidence: Evidence, names: Sequence[str]) -> list[float]:
    words = evidence.words or 0.0
    known = {
        "cosine": max(evidence.cosine or 0.0, 0.0) * evidence.coverage,
        "words": words,
        "unread_words": words * (1.0 - evidence.coverage),
        "held": evidence.held,
    }
    return [known[name] for name in names]


def _measured(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Any]:
    held_out, served = {}, {}
    for name in dict.fromkeys(name for name, _, _ in rows):
        others, mine = [row for row in rows if row[0] != name], [row for row in rows if row[0] == name]
        told = _fitted(others, names).predict_proba([_features(row[2], names) for row in mine])[:, 1]
        is_own = np.array([row[1] for row in mine])
        held_out[name] = _told(told, is_own)
        served[name] = _told(np.array([row[2].relevance for row in mine]), is_own)
    model = _fitted(rows, names)
    weights = dict(zip(names, np.round(model.coef_[0], 1).tolist(), strict=True)) | {
        "bias": round(model.intercept_[0], 1)
    }
    return {"held out": held_out, "as it serves": served, "fitted": weights}


def _fitted(rows: Sequence[Row], names: Sequence[str]) -> LogisticRegression:
    model = LogisticRegression(C=10.0, class_weight="balanced")
    return model.fit([_features(row[2], names) for row in rows], [row[1] for row in rows])


def _told(relevance: np.ndarray[Any, Any], is_own: np.ndarray[Any, Any]) -> dict[str, float]:
    own, foreign = relevance[is_own], relevance[~is_own]
    shares = {
        "own from 0.5": (own >= 0.5).mean(),
        "foreign below 0.5": (foreign < 0.5).mean(),
        f"own below {FEW}": (own < FEW).mean(),
        f"foreign below {FEW}": (foreign < FEW).mean(),
    }
    return {"auc": round(float(roc_auc_score(is_own, relevance)), 3)} | {
        k: round(float(v), 3) for k, v in shares.items()
    }


if __name__ == "__main__":
    main()
