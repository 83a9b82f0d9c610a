"""Plans and encoders exchanged in every way under 50 searches a second over HTTP, while documents change.

The load is open: a search is due every 20 ms, and what it waits for its predecessors counts. Every answer is kept. When
the load has ended, what the plans give in peace judges each of them, and the row fails where one was wrong.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from retrieval.plan import FusionMethod
from tests.benchmarks.corpora import ENGLISH, all_questions, corpus_file
from tests.benchmarks.machine import ROOT, data_hash, percentiles
from tests.benchmarks.options import Options
from tests.benchmarks.promotion_changes import READERS, Change, Changes
from tests.benchmarks.promotion_judge import (
    Answer,
    Hits,
    Step,
    Verdict,
    changed_sessions,
    explaining,
    judged,
    judged_change,
    serving,
)
from tests.benchmarks.promotion_steps import Operator
from tests.benchmarks.promotion_truth import Truth, passage, truth_of
from tests.benchmarks.promotion_world import HYBRID, PLANS, World, world_of
from tests.benchmarks.serving import Served, search_body, serve

RATE = 50  # searches a second
SESSIONS = 24
PAUSES_BEFORE = 5  # of those between two steps, before the first
TOLD_EVERY = 10  # answers, of which one is compared with all plans
BY_COMMAND = 1.0  # seconds between two steps, from which on some are taken by `kb`: each starts a process
OF_VECTORS = 0.001  # between two scores of the same vectors; the best is about 1
DRIFT = 0.02  # of scores by words: their statistics count what changed until the index is compacted
DRIFT_OF_FEW = 2.0  # divided by the chunks, where these are few
MIN_TOLD = 0.9  # share of the answers that could be of one generation only, and of the changes that are shown

Kept = dict[str, Any]  # a line of `kept_load`


def measure(options: Options) -> dict[str, Any]:
    """Latencies before and during the steps, and what was wrong. Raises `SystemExit` where anything was."""
    questions = all_questions("nfcorpus")[: options.questions or None]
    row: dict[str, Any] = {"data_sha256": data_hash([corpus_file(name) for name in ENGLISH]), "rate": RATE}
    kept_world = world_of(options)
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        world = replace(kept_world, folder=Path(name) / "kb")
        shutil.copytree(kept_world.folder, world.folder)
        with serve(world.folder) as served:
            steps, kept, changes, reason = _exchanged(served, world, questions, options.pause, Path(name))
        row |= {"chunks": options.chunks, "rolled_back": reason}
        row |= {"step_seconds": {step.name: round(step.returned - step.called, 3) for step in steps[1:]}}
        row |= _latencies(kept, steps)
        with truth_of(world) as truth:
            row |= judged_row(kept, steps, changes, truth, max(DRIFT, DRIFT_OF_FEW / options.chunks))
    if any(row["wrong"].values()):
        raise SystemExit(f"promotion: {json.dumps(row, ensure_ascii=False)}")
    del row["first"]
    return row


def lines(row: dict[str, Any]) -> list[str]:
    """The table for people."""
    table = [
        f"{row['chunks']} chunks, {row['searches']} searches at {RATE} a second, {row['changes']} changes meanwhile"
    ]
    for name in ("before", "during", "while a step is taken"):
        one = row[name]
        table.append(
            f"{name:21} {one['searches']:6} searches  p50 {one['p50_ms']:.2f}  p95 {one['p95_ms']:.2f}  "
            f"p99 {one['p99_ms']:.2f} ms"
        )
    table.append(", ".join(f"{name}: {count}" for name, count in row["wrong"].items()))
    told = f"of a sample {json.dumps(row['told'])} could be of one only"
    table.append(f"{row['judged']} answers judged; {told}")
    steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["step_seconds"].items())
    return [*table, f"seconds: {steps}", f"rolled back: {row['rolled_back']}"]


def _exchanged(
    served: Served, world: World, questions: Sequence[str], pause: float, folder: Path
) -> tuple[list[Step], list[Kept], list[Change], str]:
    """The steps as they were taken, every answer of the load, every change, and why a candidate was taken back."""
    with served.client() as client, served.client() as writer:
        changes = Changes(writer)
        changes.prepare()
        load = _start_load(served, questions, kept := folder / "answers.jsonl")
        writing = threading.Thread(target=changes.run, name="changes")
        steps = [Step("before", 0.0, 0.0, frozenset({(world.first, HYBRID.digest)}))]
        operator = Operator(world, client, by_command=pause >= BY_COMMAND)
        try:
            writing.start()
            time.sleep(PAUSES_BEFORE * pause)
            steps += operator.taken(pause)
        finally:
            changes.end()
            writing.join()
            _, errors = load.communicate()
    if load.returncode != 0:
        raise SystemExit(f"the load ended: {errors[-2000:]}")
    return steps, [json.loads(line) for line in kept.open(encoding="utf-8")], changes.made, operator.reason


def _start_load(served: Served, questions: Sequence[str], kept: Path) -> subprocess.Popen[str]:
    plan = {"port": served.port, "key": served.key, "rate": RATE, "sessions": SESSIONS}
    command = [sys.executable, "-m", "tests.benchmarks.kept_load", str(kept)]
    load = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert load.stdin is not None
    load.stdin.write(json.dumps(plan | {"bodies": [_body(one) for one in questions]}) + "\n")
    load.stdin.flush()
    return load


def _body(question: str) -> dict[str, Any]:
    """Every passage by itself: of two of a document that are equally good, either may stand for it."""
    return search_body(question) | {"as_groups": [READERS], "group_by": "chunk"}


def judged_row(
    kept: Sequence[Kept], steps: Sequence[Step], changes: Sequence[Change], truth: Truth, drift: float
) -> dict[str, Any]:
    """Counts of what was wrong, the first of each kind, and how much of it could have been told apart."""
    verdicts: Counter[Verdict] = Counter()
    apart, first, answers = defaultdict[str, list[bool]](list), dict[str, Any](), []
    for line in kept:
        if "error" in line:
            first.setdefault("failed", line)
            continue
        answer = answer_of(line)
        answers.append((line["session"], answer))
        verdict, expected = _verdict(answer, line["query"], steps, truth, drift)
        verdicts[verdict] += 1
        if verdict is not Verdict.RIGHT:
            first.setdefault(verdict, line | {"expected": expected})
        elif line["number"] % TOLD_EVERY == 0:
            for what, told in is_told(answer, line["query"], truth, drift):
                apart[what].append(told)
    shown = sum(change.found.is_hit for change in changes) / max(1, len(changes))
    shares = {what: sum(told) / len(told) for what, told in apart.items()}
    wrong = {
        "failed": sum("error" in line for line in kept),
        "mixed": verdicts[Verdict.MIXED],
        "without a part": verdicts[Verdict.DEGRADED],
        "late": verdicts[Verdict.LATE],
        "sessions that changed plans": len(list(_changed(answers, steps))),
        **_of_changes(changes, steps, truth, first),
        "too many that prove too little": int(min(shares.get("generation", 0.0), shown) < MIN_TOLD),
    }
    found = {"searches": len(kept), "changes": len(changes), "judged": len(answers), "drift": drift}
    return found | {
        "told": {what: round(share, 4) for what, share in shares.items()},
        "changes_shown": round(shown, 4),
        "wrong": wrong,
        "first": first,
    }


def _verdict(
    answer: Answer, query: str, steps: Sequence[Step], truth: Truth, drift: float
) -> tuple[Verdict, dict[int, Hits]]:
    """And what the plan gives in peace: over what served first, which mostly is enough."""
    tolerance = tolerance_of(answer.plan, drift)
    served = {generation for generation, plan in serving(steps, answer.asked, answer.came) if plan == answer.plan}
    expected = truth.expected(query, answer.plan, served)
    verdict = judged(answer, expected, steps, tolerance)
    if verdict is not Verdict.RIGHT:
        expected = truth.expected(query, answer.plan)
        verdict = judged(answer, expected, steps, tolerance)
    return verdict, expected


def answer_of(line: Kept) -> Answer:
    """A kept answer as the judge takes it."""
    answer = line["answer"]
    hits = [(passage(hit["key"], hit["text"]), hit["score"]) for hit in answer["hits"]]
    return Answer(line["asked"], line["came"], answer["plan"], hits, bool(answer["degraded"]))


def is_told(answer: Answer, query: str, truth: Truth, drift: float) -> Iterator[tuple[str, bool]]:
    """Whether the other generation gives other hits by this plan, words aside; whether every other plan does."""

    def by(plan: str) -> set[int]:
        return explaining(answer.hits, truth.expected(query, plan), tolerance_of(plan, drift))

    if PLANS[answer.plan].fusion is not FusionMethod.SPARSE:
        yield "generation", len(by(answer.plan)) == 1
    yield "plan", not any(by(plan) for plan in PLANS if plan != answer.plan)


def tolerance_of(plan: str, drift: float) -> float:
    """How far scores of that plan may be from those in peace."""
    return OF_VECTORS if PLANS[plan].fusion is FusionMethod.DENSE else drift


def _changed(answers: Sequence[tuple[str, Answer]], steps: Sequence[Step]) -> Iterator[str]:
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        yield from changed_sessions(answers, step, float("inf") if following is None else following.called)


def _of_changes(
    changes: Sequence[Change], steps: Sequence[Step], truth: Truth, first: dict[str, Any]
) -> dict[str, int]:
    """What was wrong with the searches right after changes."""
    verdicts: Counter[Verdict] = Counter()
    for change in changes:
        cosines = truth.cosines(change)
        verdict = judged_change(change.found, cosines, steps)
        verdicts[verdict] += 1
        if verdict is not Verdict.RIGHT:
            first.setdefault(f"change {verdict}", asdict(change) | {"cosines": cosines})
    return {
        "changes missing": verdicts[Verdict.MISSING],
        "changes mixed": verdicts[Verdict.MIXED],
        "changes late": verdicts[Verdict.LATE],
    }


def _latencies(kept: Sequence[Kept], steps: Sequence[Step]) -> dict[str, Any]:
    """Before the first step, from it to the end, and of the searches that came while one was taken."""
    began, taken = steps[1].called, steps[1:]
    parts: dict[str, list[float]] = {"before": [], "during": [], "while a step is taken": []}
    for line in kept:
        latency = line["came"] - line["due"]
        parts["before" if line["came"] < began else "during"].append(latency)
        if any(step.called <= line["came"] and line["due"] <= step.returned for step in taken):
            parts["while a step is taken"].append(latency)
    return {name: percentiles(part) | {"searches": len(part)} for name, part in parts.items()}
