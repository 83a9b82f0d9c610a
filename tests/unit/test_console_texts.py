"""The console's texts: what is chosen by a number names the parameter that chooses; reasons are told by their codes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from api.http import errors
from api.jobs.failure_codes import OF_JOBS
from search_core.proof.gate import Latency, judge, why_too_slow
from search_core.proof.reasons import NOT_BEATEN, NOT_JUDGED, OTHER_ENCODER, OTHER_PLAN, Reason, ReasonCode, not_asked
from search_core.questions.supervision import GIVEN, MADE, origin_of

TEXT = re.compile(r'"([\w.-]+)":\s*"((?:[^"\\]|\\.)*)"')


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_and_many_are_told_apart_by_count(repository: Path, language: str) -> None:
    """`i18n/format.ts` looks at `count` alone; with another parameter the text would always be that of many."""
    folder = repository / "api/console/src/i18n" / language
    texts = {key: text for path in folder.glob("*.ts") for key, text in TEXT.findall(path.read_text("utf-8"))}
    assert len(texts) > 500
    wrong = {key: text for key, text in texts.items() if "|" in text and "{count}" not in text}
    assert wrong == {}


ROW = re.compile(r'\["(\w+)", /(.+)/\],')
FORMER = {  # sentences of results that have no codes
    "not_asked": "it was not to be promoted; `kb plans promote 3` does it",
    "not_judged": "the questions were made from the corpus and nobody judged them; promote the plan yourself",
    "not_beaten": "what serves already was not beaten by more than chance on the working questions",
    "no_gain": "the sealed questions show no gain (-0.0100)",
    "chance": "a gain of +0.0100 may be chance (p = 0.210; expected below 0.05)",
    "kind_worse": "12 questions of kind chinese become worse (-0.1000)",
    "slower": "searches would take 1.80 times as long (1.70 to 1.90); expected at most 1.3",
    "over_latency": "searches would take 12.5 ms; the task says at most 10 ms",
    "overtaken": "another plan began to serve during the run, so the comparison is of yesterday; run it again",
}


def test_reasons_of_a_run_are_told_by_their_codes(repository: Path) -> None:
    """The words that a text takes from the sentence are in today's sentences, and older ones are still understood."""
    console = repository / "api/console/src"
    rows = ROW.findall((console / "pages/tuning/words.ts").read_text("utf-8"))
    patterns = {code: re.compile(pattern.replace("(?<", "(?P<")) for code, pattern in rows}
    assert patterns.keys() == FORMER.keys() <= set(ReasonCode)
    for code, sentence in FORMER.items():
        assert next(one for one, pattern in patterns.items() if pattern.search(sentence)) == code
    told = _reasons()
    assert {reason.code for reason in told} == patterns.keys()
    for language in ("en", "zh"):
        texts = dict(TEXT.findall((console / "i18n" / language / "tuning.ts").read_text("utf-8")))
        for reason in told:
            found = patterns[reason.code].search(reason)
            words = set(re.findall(r"\{(\w+)\}", texts[f"reason.{reason.code}"]))
            assert found and words <= found.groupdict().keys(), reason
            assert all(found[word] for word in words)


def test_every_reason_and_every_failure_has_words_of_its_own(repository: Path) -> None:
    """By its code, which is stable; where the server's own sentence stands alone, it is English."""
    wanted = {f"failure.{code}" for code in _failure_codes(repository)} | {f"reason.{code}" for code in ReasonCode}
    assert len(wanted) > 40
    for language in ("en", "zh"):
        folder = repository / "api/console/src/i18n" / language
        texts = {key for path in folder.glob("*.ts") for key, _ in TEXT.findall(path.read_text("utf-8"))}
        assert wanted - texts == set()


def _failure_codes(repository: Path) -> set[str]:
    """The codes of errors that the API and jobs make."""
    found = {code for _, code in errors._BY_CLASS.values()} | set(errors._CODES.values()) | set(OF_JOBS)
    for path in (repository / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ApiError" and len(node.args) > 1:
                code = node.args[1]
                found |= {code.value} if isinstance(code, ast.Constant) else set()
    return found


ORIGIN = re.compile(r'\[/(\^.+\$)/, "(origin\.\w+)"\],')


def test_where_questions_come_from_is_told_in_both_languages(repository: Path) -> None:
    console = repository / "api/console/src"
    patterns = {key: pattern for pattern, key in ORIGIN.findall((console / "pages/tuning/words.ts").read_text("utf-8"))}
    for key, told in (("origin.set", origin_of("support-2026")), ("origin.given", GIVEN), ("origin.made", MADE)):
        found = re.fullmatch(patterns.pop(key).replace("(?<", "(?P<").replace(r"\k<quote>", "(?P=quote)"), told)
        assert found is not None, told
        for language in ("en", "zh"):
            text = dict(TEXT.findall((console / "i18n" / language / "tuning.ts").read_text("utf-8")))[key]
            assert set(re.findall(r"\{(\w+)\}", text)) <= found.groupdict().keys()
    assert patterns == {}


def _reasons() -> list[Reason]:
    """What the console translates, as runs say it now."""
    before, kinds = np.zeros(40), [("short",)] * 20 + [("long",)] * 20
    worse = judge(before, before - np.repeat([0.1, 0.0], 20), kinds, seed=0)
    chance = judge(before, np.tile([0.5, -0.4], 20), [()] * 40, seed=0)
    slow = why_too_slow(Latency(5.0, 9.0, 1.7, 1.9), None) + why_too_slow(Latency(5.0, 6.0, 1.1, 1.25), 5.5)
    known = (
        NOT_BEATEN,
        NOT_JUDGED,
        OTHER_PLAN,
        OTHER_ENCODER,
        not_asked(3, "c"),
        not_asked(3, "c", "artifacts/encoder-a"),
    )
    return [*worse.reasons, *chance.reasons, *slow, *known]
