"""What leaves of a language model's reply: verified statements, no thoughts, nothing after "no answer"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.generated import LanguageModelGenerator
from retrieval.answer.thoughts import may_open_thinking, without_thoughts
from retrieval.answer.types import (
    Answer,
    AnswerEvent,
    AnswerPiece,
    Ask,
    FinalAnswer,
    Passage,
    Standing,
    verify_citations,
)
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import OutageError

TEXT = "The warranty of the pump lasts 24 months. Call the service desk to claim it."
RULES = "A document that does not contain a signature is invalid. It must be signed by the controller."
RULES_ZH = "没有相关发票的费用不予报销。需补交发票后再申请。"
DOCUMENTS = {"pump": TEXT, "rules": RULES, "zh": RULES_ZH}
QUESTION = "How long is the warranty of the pump?"
SAID = "The warranty of the pump lasts 24 months. [1]"


class Model:
    """Writes the reply in pieces, then fails if it is to."""

    def __init__(self, reply: str, size: int, failure: str = "") -> None:
        self._pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        self._failure = failure
        self.left = 0  # pieces, to be written

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        for number, piece in enumerate(self._pieces, start=1):
            self.left = len(self._pieces) - number
            yield piece
        if self._failure:
            raise OutageError(self._failure)


def answer_of(reply: str, question: str = QUESTION, document: str = "pump", size: int = 5, failure: str = "") -> Answer:
    made = LanguageModelGenerator(Model(reply, size, failure), HashEncoder(), Analyzer())
    passages = [Passage(f"{document}#0", document, "", DOCUMENTS[document])]
    events = list(made.stream(Ask(question, passages)))
    last = events[-1]
    assert isinstance(last, FinalAnswer)
    if "<think>" in reply or "</think>" not in reply:
        assert "".join(one.text for one in events if isinstance(one, AnswerPiece)) == last.answer.text
    assert verify_citations(last.answer.citations, DOCUMENTS.get) == []
    return last.answer


@pytest.mark.parametrize("size", [1, 3, 500])
@pytest.mark.parametrize(
    "reply",
    [
        "<think>It lasts 24 months [1]. NO_ANSWER?</think>\n\nThe warranty of the pump lasts 24 months [1].",
        "Here is what I found:\n\nThe warranty of the pump lasts 24 months [1]. The moon is made of green cheese [1].",
        "The warranty of the pump lasts 24 months [1]. NO_ANSWER",
        "The warranty of the pump lasts 24 months [1]. NO_ANSWER. The moon is a pump.",
        "Let me look. Without it I must say NO_ANSWER.</think>\n\nThe warranty of the pump lasts 24 months [1].",
        "Is it there? NO_ANSWER. But see [1].</think>\n\nThe warranty of the pump lasts 24 months [1].",
        "Else I would say NO_ANSWER. The warranty of the pump lasts 24 months [1].",
    ],
)  # fmt: skip
def test_only_what_is_verified_leaves(reply: str, size: int) -> None:
    answer = answer_of(reply, size=size)
    assert (answer.text, answer.refused, answer.degraded) == (SAID, False, "")


@pytest.mark.parametrize(
    "reply",
    [
        "<think>Nothing about it.</think>\n\nNO_ANSWER",
        "I looked at all the passages. NO_ANSWER",
        "**NO_ANSWER** [1].\nThe warranty of the pump lasts 24 months [1].",
        "The warranty of the pump lasts 24 months [1]. Does it?</think>NO_ANSWER",
        "I cannot determine how long the warranty of the pump lasts.",
        "The passages do not mention the warranty. Please ask the manufacturer.",
    ],
)
def test_reply_that_has_no_answer_is_a_refusal(reply: str) -> None:
    answer = answer_of(reply)
    assert answer.refused and answer.generator == "openai"
    assert answer.reason.startswith("the model found no answer in the passages")


@pytest.mark.parametrize(
    ("reply", "question", "document", "said"),
    [
        (
            "A document that does not contain a signature is invalid. It must be signed by the controller [1].",
            "Which documents are invalid?",
            "rules",
            "A document that does not contain a signature is invalid. [1] It must be signed by the controller. [2]",
        ),
        (
            "没有相关发票的费用不予报销。需补交发票后再申请[1]。",
            "没有发票怎么报销？",
            "zh",
            "没有相关发票的费用不予报销。 [1]需补交发票后再申请。 [2]",
        ),
    ],
)
def test_statement_that_sounds_like_a_refusal_is_none(reply: str, question: str, document: str, said: str) -> None:
    answer = answer_of(reply, question, document)
    assert (answer.text, answer.refused) == (said, False)


def test_admission_after_an_answer_stays_and_counts_as_no_statement() -> None:
    answer = answer_of("The warranty of the pump lasts 24 months [1]. The passages do not mention the battery.")
    assert answer.text == f"{SAID} The passages do not mention the battery."
    assert answer.reason == ""


def test_what_breaks_off_without_more_to_say_keeps_what_was_written() -> None:
    for question in (QUESTION, "Who is the president of France?"):
        answer = answer_of(
            "The warranty of the pump lasts 24 months [1]. Call the service", question, failure="cut off"
        )
        assert (answer.text, answer.refused) == (SAID, False)
        assert answer.degraded == "cut off; the answer is what the model had written"


def test_thoughts_that_the_template_opened_are_corrected_once_and_held_afterwards() -> None:
    reply = (
        "The warranty of the pump lasts 24 months [1]. So I answer.</think>\n\nCall the service desk to claim it [1]."
    )
    said = "Call the service desk to claim it. [1]"
    learning = LanguageModelGenerator(Model(reply, 5), HashEncoder(), Analyzer())
    expecting = LanguageModelGenerator(Model(reply, 5), HashEncoder(), Analyzer(), may_open_thinking=True)
    for made, pieces in ((learning, [SAID, said]), (learning, [said]), (expecting, [said]), (expecting, [said])):
        events = list(made.stream(Ask(QUESTION, [Passage("pump#0", "pump", "", TEXT)])))
        assert [one.text for one in events if isinstance(one, AnswerPiece)] == pieces
        assert isinstance(last := events[-1], FinalAnswer)
        assert (last.answer.text, len(last.answer.citations), last.answer.reason) == (said, 1, "")


def test_thoughts_that_were_expected_and_did_not_come_hold_up_one_answer_only() -> None:
    """A server may have parsed them, and a template of that model may open nothing."""
    model = Model(BOTH, 5)
    made = LanguageModelGenerator(model, HashEncoder(), Analyzer(), may_open_thinking=True)
    for is_held in (True, False):
        answer = made.stream(Ask(QUESTION, TWO))
        assert next(answer) == AnswerPiece(SAID)
        assert (model.left == 0) is is_held
        assert last_of(list(answer)).text.startswith(SAID)


@pytest.mark.parametrize(
    ("name", "thinks"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", True),
        ("deepseek-r1:8b", True),
        ("Qwen/QwQ-32B", True),
        ("Qwen3-4B-Thinking-2507", True),
        ("gpt-4o-mini", False),
        ("qwen2.5:7b-instruct", False),
        ("solar1-mini", False),
    ],
)
def test_models_that_may_open_thinking_are_known_by_their_names(name: str, thinks: bool) -> None:
    assert may_open_thinking(name) is thinks


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (" <think>b</think>c", "c"),
        ("<think>a</think> <think>b</think> c", "c"),
        ("opened before</think> c", "c"),
        ("</think> c", "c"),
        ("Write <think> and </think> around it.", "Write <think> and </think> around it."),
        ("a < b <thin", "a < b <thin"),
        ("<think>never ends", ""),
    ],
)
def test_thoughts_are_taken_out(text: str, rest: str, hold: bool) -> None:
    for pieces in ([text], list(text)):
        left = list(without_thoughts(pieces, hold))
        if None in left:
            assert not hold or not any(left[: left.index(None)])
            left = left[left.index(None) + 1 :]
        assert "".join(filter(None, left)).strip() == rest
        assert None not in left


TWO = [Passage("pump#0", "pump", "", TEXT), Passage("rules#0", "rules", "", RULES)]
BOTH = "The warranty of the pump lasts 24 months [1]. A document that does not contain a signature is invalid [2]."


class Deleted:
    """What the catalog says: all passages stand when first asked, and from the `after`-th time on not that chunk."""

    def __init__(self, chunk: str, after: int) -> None:
        self._chunk, self._left = chunk, after

    def __call__(self, passages: Sequence[Passage]) -> list[Passage]:
        self._left -= 1
        return [one for one in passages if self._left >= 0 or one.chunk_id != self._chunk]


def events_of(
    reply: str, standing: Standing, failure: str = "", passages: Sequence[Passage] = TWO
) -> list[AnswerEvent]:
    made = LanguageModelGenerator(Model(reply, 5, failure), HashEncoder(), Analyzer())
    return list(made.stream(Ask(QUESTION, passages, standing=standing)))


def last_of(events: Sequence[AnswerEvent]) -> Answer:
    assert isinstance(last := events[-1], FinalAnswer)
    return last.answer


def test_what_is_deleted_before_its_sentence_is_written_never_leaves() -> None:
    events = events_of(BOTH, Deleted("pump#0", 0))
    assert "24 months" not in repr(events)
    assert "[1] can no longer be read" in last_of(events).reason
    assert last_of(events).text == "A document that does not contain a signature is invalid. [1]"


@pytest.mark.parametrize(
    ("chunk", "left", "quoted"),
    [
        ("pump#0", "A document that does not contain a signature is invalid. [2]", "rules"),
        ("rules#0", SAID, "pump"),
    ],
)
def test_what_is_deleted_after_its_sentence_left_is_taken_back(chunk: str, left: str, quoted: str) -> None:
    events = events_of(BOTH, Deleted(chunk, 2))
    assert len([one for one in events if isinstance(one, AnswerPiece)]) == 2  # both were true when they left
    answer = last_of(events)
    assert (answer.text, [one.document_id for one in answer.citations]) == (left, [quoted])
    assert "deleted meanwhile" in answer.reason and "no verified source" not in answer.reason


def test_a_catalog_that_is_away_is_not_taken_for_the_model() -> None:
    def standing(passages: Sequence[Passage]) -> Sequence[Passage]:
        raise OutageError("the catalog is away")

    made = LanguageModelGenerator(Model(BOTH, 500), HashEncoder(), Analyzer())
    with pytest.raises(OutageError, match="the catalog is away"):
        list(made.stream(Ask(QUESTION, TWO, standing=standing)))


def test_an_answer_of_which_nothing_stands_any_more_is_refused() -> None:
    [_, _, *rest] = events_of("The warranty of the pump lasts 24 months [1].", Deleted("pump#0", 1), "", TWO[:1])
    assert [type(one) for one in rest] == [FinalAnswer]  # no pieces: what was said is corrected
    answer = last_of(rest)
    assert answer.refused and answer.citations == () and "24 months" not in answer.text
    assert "deleted meanwhile" in answer.reason


def test_sentences_in_place_of_a_late_model_quote_what_is_stored_then() -> None:
    assert "24 months" in last_of(events_of("", Deleted("pump#0", 9), "late")).text
    events = events_of("", Deleted("pump#0", 0), "late")
    assert "24 months" not in repr(events) and last_of(events).degraded == "late; answered extractively"


def test_citations_go_on_after_the_highest_number_that_still_stands() -> None:
    pumps = Passage("blue#0", "blue", "", "All pumps of the factory are painted blue.")
    reply = (
        "All pumps of the factory are painted blue [3]. A document that does not contain a signature is invalid [2]."
    )
    answer = last_of(events_of(f"{reply} Call the service", Deleted("blue#0", 2), "cut off", [*TWO, pumps]))
    assert [one.number for one in answer.citations] == [2, 3]
    assert [one.document_id for one in answer.citations] == ["rules", "pump"]
    assert answer.text.startswith("A document") and "24 months. [3]" in answer.text
