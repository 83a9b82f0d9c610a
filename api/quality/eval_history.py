"""Keeps what an evaluation run found, and says what changed between two runs, question by question."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from api.knowledge_base import KnowledgeBase
from api.quality.evaluation import EvaluatedRun
from retrieval.catalog import Collection
from retrieval.catalog.eval_runs import EvalRunRecord, NewEvalRun
from retrieval.catalog.eval_sets import EvalQuery, EvalSetRecord
from retrieval.evaluation.metrics import bootstrap_interval, randomisation_test
from retrieval.evaluation.runs import METRICS
from retrieval.plan import DEFAULT_PLAN
from retrieval.types import Principal
from search_core.questions.question_kinds import kinds_of

MAIN_METRIC = "ndcg@10"  # what slices are compared by
MAX_TESTED = 20_000  # questions; the randomisation test of more takes longer than anybody waits
SEED, DIGITS, RIGHTS_DIGITS = 0, 5, 12

Row = Mapping[str, Any]  # a question of a kept run


def keep_run(
    kb: KnowledgeBase,
    collection: Collection,
    eval_set: EvalSetRecord,
    queries: Sequence[EvalQuery],
    run: EvaluatedRun,
    principal: Principal,
    asked_at: datetime | None = None,
) -> EvalRunRecord:
    """Add the run to the set's history, with what changed since the newest that saw the same documents.

    `collection` is as it was when the run began. The same run that was kept since `asked_at` stands for it: that job's
    process died, or the job was cancelled, when all but its end was written. Raises `NotFoundError` where the set was
    deleted meanwhile.
    """
    rows = question_rows(queries, run)
    rights = rights_of(principal)
    former = kb.catalog.eval_runs.former(eval_set, rights)
    plan, fingerprint = run.plan, collection.encoder_fingerprint
    if former is not None and asked_at is not None and former.at >= asked_at:
        known = (former.principal, former.digest, former.fingerprint, former.seq)
        if known == (principal.name, plan.digest, fingerprint, collection.last_seq):
            return former
    found = run.to_dict()
    summary = {
        "metrics": {name: found[name] for name in METRICS},
        "intervals": found["intervals"],
        "queries": found["queries"],
        "p50_ms": found["p50_ms"],
        "p95_ms": found["p95_ms"],
        "slices": slices(rows),
        "change": None if former is None else _change(former, kb.catalog.eval_runs.questions(former), rows),
    }
    new = NewEvalRun(
        principal.name, rights, plan.to_dict(), plan.digest, fingerprint, collection.last_seq, summary, rows
    )
    return kb.catalog.eval_runs.add(eval_set, new)


def rights_of(principal: Principal) -> str:
    """`all`, or a digest of the groups: equal where two callers see the same documents."""
    if principal.sees_all:
        return "all"
    groups = "\n".join(sorted(principal.groups))
    return hashlib.sha256(groups.encode()).hexdigest()[:RIGHTS_DIGITS]


def question_rows(queries: Sequence[EvalQuery], run: EvaluatedRun) -> list[dict[str, Any]]:
    """For each question its text, kinds, metrics, grades, and where each relevant document stood.

    A rank of None: not among the hits.
    """
    known = {query.id: query for query in queries}
    rows = []
    for place, name in enumerate(run.evaluation.questions):
        query = known[name]
        ranks = {key: rank for rank, (key, _) in enumerate(run.run.get(name, ()), start=1)}
        relevant = {key: grade for key, grade in query.judgements.items() if grade > 0}
        values = {metric: round(run.evaluation.values[metric][place], DIGITS) for metric in METRICS}
        rows.append(
            {
                "id": name,
                "text": query.text,
                "kinds": list(kinds_of(query)),
                "values": values,
                "grades": relevant,
                "ranks": {key: ranks.get(key) for key in relevant},
            }
        )
    return rows


def slices(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Means for each kind of question, such as its language, with the main metric's interval."""
    found = []
    for kind, mine in _by_kind(rows).items():
        means = {metric: round(float(_column(mine, metric).mean()), DIGITS) for metric in METRICS}
        low, high = bootstrap_interval(_column(mine, MAIN_METRIC), seed=SEED)
        found.append({"name": kind, "queries": len(mine), "metrics": means, "interval": _rounded(low, high)})
    return found


def compare_runs(before: Sequence[Row], after: Sequence[Row], *, test: bool = True) -> dict[str, Any]:
    """What changed on the questions that both runs asked: later less earlier, with paired 95 % bootstrap intervals.

    `left_out`: questions of both that were worded or judged anew, which says nothing of the search. A metric is
    `worse` or `better` where its interval lies wholly on that side of 0. `test` adds the p-value of the paired
    randomisation test.
    """
    earlier = {row["id"]: row for row in before}
    known = [(earlier[row["id"]], row) for row in after if row["id"] in earlier]
    pairs = [(one, row) for one, row in known if _asks_the_same(one, row)]
    left_out = len(known) - len(pairs)
    old, new = [one for one, _ in pairs], [one for _, one in pairs]
    if not pairs:
        return {"questions": 0, "left_out": left_out, "metrics": {}, "slices": [], "won": 0, "lost": 0}
    main = _column(new, MAIN_METRIC) - _column(old, MAIN_METRIC)
    metrics = {
        metric: _changed(old, new, metric) | ({"p_value": _p_value(old, new, metric)} if test else {})
        for metric in METRICS
    }
    return {
        "questions": len(pairs),
        "left_out": left_out,
        "metrics": metrics,
        "slices": [
            {"name": kind, "queries": len(mine)} | _changed([earlier[row["id"]] for row in mine], mine, MAIN_METRIC)
            for kind, mine in _by_kind(new).items()
        ],
        "won": int((main > 0).sum()),
        "lost": int((main < 0).sum()),
    }


def changed_questions(before: Sequence[Row] | None, after: Sequence[Row], metric: str) -> list[dict[str, Any]]:
    """The later run's questions, the worst first: by what they lost against `before`, else by what they reach."""
    earlier = {row["id"]: row for row in before or ()}
    rows = []
    for row in after:
        old = earlier.get(row["id"])
        old = old if old is not None and _asks_the_same(old, row) else None
        difference = None if old is None else round(row["values"][metric] - old["values"][metric], DIGITS)
        rows.append(
            dict(row)
            | {
                "before": None if old is None else old["values"],
                "ranks_before": None if old is None else old["ranks"],
                "difference": difference,
            }
        )
    return sorted(rows, key=lambda row: (row["difference"] or 0.0, row["values"][metric], row["id"]))


def run_json(run: EvalRunRecord, plans: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """A run over the wire; `plans`: number and name of the stored plans by their digest."""
    number, name = plans.get(run.digest, (None, ""))
    return {
        "id": run.id,
        "at": run.at.isoformat().replace("+00:00", "Z"),  # as every other answer writes it
        "principal": run.principal,
        "rights": run.rights,
        "plan": run.plan | {"digest": run.digest},
        "plan_id": number,
        "plan_name": "default" if run.digest == DEFAULT_PLAN.digest else name,
        "encoder_fingerprint": run.fingerprint,
        "seq": run.seq,
        **run.summary,
    }


def plan_names(kb: KnowledgeBase, collection: Collection) -> dict[str, tuple[int, str]]:
    """Number and name of the stored plans by digest; of equal ones the newest."""
    return {plan.digest: (plan.id, plan.name) for plan in kb.catalog.plans.all(collection)}


def _change(former: EvalRunRecord, before: Sequence[Row], after: Sequence[Row]) -> dict[str, Any]:
    compared = compare_runs(before, after, test=False)
    verdicts = {metric: one["verdict"] for metric, one in compared["metrics"].items()}
    return {
        "against": former.id,
        "questions": compared["questions"],
        "left_out": compared["left_out"],
        "difference": compared["metrics"].get(MAIN_METRIC, {}).get("mean"),
        "worse": [metric for metric, verdict in verdicts.items() if verdict == "worse"],
        "better": [metric for metric, verdict in verdicts.items() if verdict == "better"],
        "worse_slices": [one["name"] for one in compared["slices"] if one["verdict"] == "worse"],
    }


def _asks_the_same(one: Row, other: Row) -> bool:
    """Equal words and judgements; runs of earlier versions tell which documents are relevant and not how much."""
    grades = one.get("grades"), other.get("grades")
    graded_alike = None in grades or grades[0] == grades[1]
    return bool(one["text"] == other["text"] and one["ranks"].keys() == other["ranks"].keys() and graded_alike)


def _changed(before: Sequence[Row], after: Sequence[Row], metric: str) -> dict[str, Any]:
    """Both means of the same questions, their difference, its interval and what that says."""
    values = _column(after, metric) - _column(before, metric)
    low, high = bootstrap_interval(values, seed=SEED)
    return {
        "before": _mean(before, metric),
        "after": _mean(after, metric),
        "mean": round(float(values.mean()), DIGITS),
        "interval": _rounded(low, high),
        "verdict": "worse" if high < 0 else "better" if low > 0 else "alike",
    }


def _p_value(before: Sequence[Row], after: Sequence[Row], metric: str) -> float | None:
    if len(after) > MAX_TESTED:
        return None
    one, other = _column(after, metric), _column(before, metric)
    return round(randomisation_test(one, other, seed=SEED), DIGITS) if np.any(one != other) else 1.0


def _by_kind(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        for kind in row["kinds"]:
            found.setdefault(kind, []).append(row)
    return dict(sorted(found.items()))


def _column(rows: Sequence[Row], metric: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([row["values"][metric] for row in rows], dtype=np.float64)


def _mean(rows: Sequence[Row], metric: str) -> float:
    return round(float(_column(rows, metric).mean()), DIGITS)


def _rounded(low: float, high: float) -> list[float]:
    return [round(low, DIGITS), round(high, DIGITS)]
