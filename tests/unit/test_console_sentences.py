"""What the search core says of stages and questions is told in both languages, with what stands in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from infra.wording import counted
from search_core.proof.earlier_tests import notes_of
from search_core.proof.gate import Latency, why_too_slow
from search_core.questions.taught_questions import UNKNOWN
from search_core.stages.encoder_stage import STOPPED
from search_core.stages.graph_stage import NOT_SERVED

ROW = re.compile(r'^  \[/(.+)/, "(said\.[\w-]+)"\],$', re.MULTILINE)
TEXT = re.compile(r'"(said\.[\w-]+)":\s*"((?:[^"\\]|\\.)*)"')
FUNCTIONS = {  # whose sentences people read, by file; all that they return, and what is put into `reason`
    "adapter_stage.py": {"adapter_stage", "_why_not"},
    "graph_stage.py": {"graph_stage", "_why_not"},
    "ranker_stage.py": {"ranker_stage", "_why_not"},
    "precedent_stage.py": {"precedent_stage", "_why_not"},
    "encoder_stage.py": {"encoder_stage", "_nothing_calls"},
}
VALUES = {  # of what is written into a sentence; any other is a count
    "gain": "+0.0123",
    "error": "no such decision",
    "1 - ground.unknown_share": "98%",
    "few": "30 questions are",
}
OTHERS = (
    "the time suffices for 12 steps of training at 3.4 s each, expected at least 50; give a longer budget, more "
    "threads, bf16 (fast) or a GPU (device)",
    "what serves already was not beaten by more than chance",
    "3 questions without text were left out",
    "3 questions without judged documents were left out",
    "3 questions whose relevant documents are not in the collection were left out",
    "1 question without text was left out",
    "1 question without judged documents was left out",
    "1 question whose relevant documents are not in the collection was left out",
    "1 question is too few to learn from; expected 30 or more",
    "+0.0123 on 1 question that did not choose it",
    "+0.0123 on 1 question is no gain beyond chance",
    "the encoder knows 98% of the words, and 1 judged question is too few to learn from (expected 200); without labels",
    "3 questions that contradict each other were left out",
    "evaluation set 'old ones' was passed over: it has 7 judged questions, at least 20 are needed",
    "what serves learned from 31 of the questions, or their documents: none of them is used as proof",
    "the corpus, the questions or what serves changed before the run went on: its 9 trials were forgotten, and it "
    "began anew",
    UNKNOWN.format("the serving adapter"),
    STOPPED,
    "4 of the documents that are judged relevant, to 3 of the questions, are not in the collection; no search finds "
    "them",
    *(f"in place of the {part}, beside which searches would be too slow" for part in ("diffusion", "ranker")),
    NOT_SERVED,
    *notes_of(1),
    *notes_of(4),
    *why_too_slow(Latency(5.0, 9.0, 1.7, 1.9), None),
)


@pytest.fixture(scope="module")
def patterns(repository: Path) -> dict[str, re.Pattern[str]]:
    rows = ROW.findall((repository / "api/console/src/pages/tuning/sentences.ts").read_text("utf-8"))
    return {
        key: re.compile(pattern.replace("(?<", "(?P<").replace(r"\k<quote>", "(?P=quote)")) for pattern, key in rows
    }


def sentences(repository: Path) -> set[str]:
    found = set(OTHERS)
    for file, functions in FUNCTIONS.items():
        tree = ast.parse((repository / "search_core/stages" / file).read_text("utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name in functions:
                found |= {text for node in ast.walk(function) if (text := sentence_of(node)) is not None}
    return {text for text in found if " " in text}


def sentence_of(node: ast.AST) -> str | None:
    """What a `return` or a `reason` says, with values in it."""
    told = None
    if isinstance(node, ast.Return):
        told = node.value
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("reason", "chance"):
        told = node.value
    elif isinstance(node, ast.keyword) and node.arg == "reason":
        told = node.value
    while isinstance(told, ast.IfExp | ast.BoolOp):
        told = told.orelse if isinstance(told, ast.IfExp) else told.values[-1]
    if isinstance(told, ast.Constant) and isinstance(told.value, str):
        return told.value
    if isinstance(told, ast.JoinedStr):
        return "".join(
            str(one.value) if isinstance(one, ast.Constant) else value_of(one.value)
            for one in told.values
            if isinstance(one, ast.Constant | ast.FormattedValue)
        )
    return None


def value_of(node: ast.expr) -> str:
    """What stands there in an example; what is counted has its words with it."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "counted":
        return counted(30, *(ast.literal_eval(words) for words in node.args[1:]))
    return VALUES.get(ast.unparse(node), "30")


def test_every_sentence_is_told_with_what_stands_in_it(repository: Path, patterns: dict[str, re.Pattern[str]]) -> None:
    said = sentences(repository)
    assert len(said) > len(OTHERS) + 8
    texts = {
        language: dict(TEXT.findall((repository / f"api/console/src/i18n/{language}/tuning.ts").read_text("utf-8")))
        for language in ("en", "zh")
    }
    met = set()
    for sentence in said:
        found = {key: match for key, pattern in patterns.items() if (match := pattern.search(sentence))}
        assert len(found) == 1, (sentence, list(found))
        [(key, match)] = found.items()
        met.add(key)
        for language, known in texts.items():
            words = set(re.findall(r"\{(\w+)\}", known[key]))
            assert words <= match.groupdict().keys(), (language, key)
            assert all(match[word] for word in words), (language, sentence)
    assert patterns.keys() - met == set()
