"""What is asked of a run: a named task or a sentence becomes a TaskSpec that is shown before anything starts."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from search_core.errors import BudgetError, SearchCoreError
from search_core.proof.latency_bound import latency_bound
from search_core.request import ANSWER_TASK, MAX_LATENCY_MS

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}  # seconds
MAX_BUDGET = 7 * 24 * 3600.0  # seconds: a corpus of last week is another one
MIN_BUDGET = 5.0  # seconds: less does not suffice to read a corpus and to ask both legs
TASKS = {
    "text-to-graph": "build and fit the retrieval of a corpus",
    "retrieval": "build and fit the retrieval of a corpus",
    "answer": "find the passage that answers",
    "intent": "tell the class of a text",
    "node-classification": "tell the class of a node of a graph",
}
SEARCH_TASKS = ("text-to-graph", "retrieval", ANSWER_TASK)  # those about a collection, which a run can do
_KINDS = (  # a word of the sentence -> task; the first row of which one occurs decides
    (re.compile(r"\b(answers?|reply|replies|respond\w*)\b|回答|答案|回复", re.I), ANSWER_TASK),
    (re.compile(r"\b(find|search|retriev\w*|look ?up)\b|找|检索|搜索|查询", re.I), "retrieval"),
    (re.compile(r"\b(intents?|classif\w*|categor\w*)\b|意图|分类", re.I), "intent"),
    (re.compile(r"\b(documents?|passages?)\b", re.I), "retrieval"),
)


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """Objective, metric and constraints of a run; `latency_ms` None: no bound of its own."""

    task: str
    text: str
    metric: str
    latency_ms: float | None
    budget_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """How the task was understood, in a line."""
        bound = "" if self.latency_ms is None else f", at most {self.latency_ms:g} ms a query"
        return f"{self.text} ({self.task}), metric {self.metric}{bound}, budget {self.budget_seconds:g} s"


def parse_task(task: str, budget_seconds: float, metric: str = "", latency_ms: float | None = None) -> TaskSpec:
    """A name of `TASKS`, or a sentence in English or Chinese that says what is wanted; `metric` "": the task's own.

    `latency_ms` goes before the bound that the sentence names.
    Raises `SearchCoreError` where the sentence names nothing that can be done, or a bound that none can keep.
    """
    if task in TASKS:
        return TaskSpec(task, TASKS[task], metric or _metric(task), latency_ms, budget_seconds)
    for pattern, kind in _KINDS:
        if pattern.search(task):
            bound = _bound(task) if latency_ms is None else latency_ms
            return TaskSpec(kind, task, metric or _metric(kind), bound, budget_seconds)
    raise SearchCoreError(
        f"task {task!r} says nothing that is known here; name one of {', '.join(SEARCH_TASKS)}, or write a sentence "
        'such as "find the reply to a customer\'s question, under 20 ms"'
    )


def parse_budget(text: str | float) -> float:
    """Seconds of `90`, `90s`, `5m`, `1h` or `1h30m`. Raises `BudgetError`."""
    seconds = float(text) if isinstance(text, int | float) else _seconds(text.strip().lower())
    if not seconds >= MIN_BUDGET:
        raise BudgetError(f"budget {text!r} is {seconds:g} s; expected at least {MIN_BUDGET:g} s, better 5m")
    if seconds > MAX_BUDGET:
        raise BudgetError(f"budget {text!r} is {seconds / 3600:.4g} h; expected at most {MAX_BUDGET / 3600:g} h")
    return seconds


def _seconds(text: str) -> float:
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BudgetError(f"budget {text!r} is no time; expected something like 90s, 5m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _bound(sentence: str) -> float | None:
    bound = latency_bound(sentence)
    if bound is not None and not 0 < bound <= MAX_LATENCY_MS:
        raise SearchCoreError(
            f"task {sentence!r} asks for at most {bound:g} ms; expected above 0, at most {MAX_LATENCY_MS} ms"
        )
    return bound


def _metric(task: str) -> str:
    return "mrr@10" if task == "answer" else "ndcg@10"
