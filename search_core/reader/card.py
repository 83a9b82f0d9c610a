"""The model card of a reader: what it is, what it learnt from and how right it is, in words a person can read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from search_core.reader.evaluation import ReaderScores


def write_card(facts: Mapping[str, Any], scores: ReaderScores | None) -> str:
    """Markdown."""
    return f"""# A span reader

Given a question and a passage it points at the words that answer, or says that there are none, with the probability
that it is right. It explains nothing and adds nothing: what it says stands in the passage.

{_origin(facts)}

{_figures(scores, bool(facts.get("held_out_crossed")))}

Texts of another kind than those it learnt from may be read worse: measure it on questions of your own
(`kb readers evaluate`, `kb tune --task answer`) before it serves.
"""


def _origin(facts: Mapping[str, Any]) -> str:
    if "questions_sha256" not in facts:
        return f"Installed from the folder {facts.get('base', '')}; what it learnt from is its maker's to say."
    pieces = f", its vocabulary extended by {facts['new_pieces']} pieces" if facts["new_pieces"] else ""
    return (
        f"Made from {facts['base']}{pieces}; learnt from {facts['questions']} questions, {facts['unanswerable']} of "
        f"them without an answer (SHA-256 {facts['questions_sha256'][:12]}), seed {facts['recipe']['seed']}. Its "
        f"confidence comes from {facts['held_out']} questions of articles that it did not learn from."
    )


def _figures(scores: ReaderScores | None, crossed: bool) -> str:
    if scores is None:
        return "Its confidence is not calibrated: there were too few questions, or none that it answered."
    rows = [
        ("questions", f"{scores.questions}"),
        ("exact match, the answer always given", _percent(scores.exact)),
        ("F1, the answer always given", _percent(scores.f1)),
        ("F1, refusing being an answer", _percent(scores.whole_f1)),
        ("refusals: F1", _percent(scores.refusal_f1)),
        ("confidence: expected calibration error", _percent(scores.calibration_error)),
    ]
    table = "| on questions that it did not learn from | |\n|---|---|\n"
    table += "\n".join(f"| {name} | {value} |" for name, value in rows)
    if crossed:
        return f"{table}\n\nRefusals and confidence are measured with those of the other half of the articles each."
    return f"{table}\n\nRefusals and confidence are set on the same questions, and look better here than they are."


def _percent(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:.1f} %"
