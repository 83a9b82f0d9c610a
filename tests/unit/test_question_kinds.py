"""Kinds of questions: the language of what people write in few words, and rare languages together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from retrieval.analysis.language import LANGUAGES as GUESSED
from retrieval.catalog.eval_sets import EvalQuery
from search_core.proof.gate import judge
from search_core.questions.question_kinds import LANGUAGES, NAMES, OTHER, kinds_of, merged

GERMAN = "Wie hoch ist die Deckungssumme der Haftpflicht?"
ENGLISH = "How high is the sum that the insurance covers?"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (ENGLISH, ("english", "long")),
        ("vacation days", ("english", "short")),
        (GERMAN, ("german", "long")),
        ("Was kostet der Versand nach Österreich?", ("german", "long")),
        ("Quel est le délai de livraison ?", ("french", "long")),
        ("Как вернуть товар?", ("russian", "short")),
        ("срок гарантии", ("russian", "short")),
        ("返品はできますか", ("japanese", "short")),
        ("保証期間はどのくらいですか", ("japanese", "long")),
        ("배송비는 얼마인가요", ("korean", "short")),
        ("كم تكلفة الشحن", ("arabic", "short")),
        ("怎么重置密码", ("chinese", "short")),
        ("这份保险的赔付金额最高是多少", ("chinese", "long")),
        ("使用 Kubernetes 部署 PostgreSQL 的方法", ("chinese", "long")),
        ("reset password of the admin console 密码", ("mixed", "long")),
        ("AX-1200", (OTHER, "short")),
        ("42", (OTHER, "short")),
    ],
)
def test_a_question_has_the_language_that_it_is_asked_in(text: str, kinds: tuple[str, str]) -> None:
    assert kinds_of(EvalQuery("q", text, {})) == kinds


def kinds_of_all(*texts: str) -> list[tuple[str, ...]]:
    return [kinds_of(EvalQuery(str(place), text, {})) for place, text in enumerate(texts)]


def test_a_loss_on_german_is_seen_among_english() -> None:
    kinds = kinds_of_all(*[ENGLISH] * 150, *[GERMAN] * 50)
    before = np.full(200, 0.5)
    after = before + np.concatenate((np.linspace(0.1, 0.3, 150), np.linspace(-0.2, -0.1, 50)))
    verdict = judge(before, after, kinds, seed=0)
    assert verdict.lift > 0
    assert [str(reason) for reason in verdict.reasons] == ["50 questions of kind german become worse (-0.1500)"]


def test_languages_of_few_questions_are_one_kind_and_their_lengths_stay() -> None:
    few = kinds_of_all(*[GERMAN] * 6, *["Как вернуть товар?"] * 6)
    kinds = [*kinds_of_all(*[ENGLISH] * 60), *few]
    before = np.full(72, 0.5)
    after = before + np.concatenate((np.linspace(0.2, 0.3, 60), np.linspace(-0.2, -0.1, 12)))
    verdict = judge(before, after, kinds, seed=0)
    assert [(one.name, one.questions) for one in verdict.strata] == [("english", 60), ("long", 66), (OTHER, 12)]
    assert [str(reason) for reason in verdict.reasons] == ["12 questions of kind other become worse (-0.1500)"]
    assert merged(few, 6) == few and merged([("unanswerable",)], 10) == [("unanswerable",)]


def test_every_language_has_a_name_and_the_console_has_words_for_it(repository: Path) -> None:
    assert set(GUESSED) == NAMES.keys()
    wanted = {f"kind.{name}" for name in LANGUAGES | {OTHER, "short", "long", "answerable", "unanswerable"}}
    for language in ("en", "zh"):
        folder = repository / "api/console/src/i18n" / language
        texts = {
            key for path in folder.glob("*.ts") for key in re.findall(r'"(kind\.[\w-]+)":', path.read_text("utf-8"))
        }
        assert wanted - texts == set()
