"""Replies that an endpoint was paid for are found again, whatever they hold and however a run before ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.completion import texts_of
from retrieval.answer.generated import LanguageModelGenerator
from retrieval.answer.thoughts import Thought
from retrieval.answer.types import Passage
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import OutageError
from search_core.answering.prices import Prices
from search_core.answering.questions import AskedQuestion
from search_core.answering.replies import Replies, RepliesOf, Reply, tokens_about
from search_core.answering.scoring import score


@pytest.mark.parametrize("reply", ["one\u2028two", "one\u0085two", "one\ntwo", "保修期", "\ud83d\ude00", "\ud83d"])
def test_a_reply_is_found_again(tmp_path: Path, reply: str) -> None:
    Replies(tmp_path / "r.jsonl").add("key", Reply(reply, 1.0), 1.0)
    found = Replies(tmp_path / "r.jsonl").get("key")
    assert found is not None
    assert json.dumps(found.text) == json.dumps(reply)
    assert found.seconds == 1.0


def test_replies_kept_as_they_were_written_before_are_read(tmp_path: Path) -> None:
    lines = [{"key": "a", "reply": "one\u2028two", "seconds": 1}, {"key": "b", "reply": "保修期", "seconds": 2}]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "r.jsonl").write_text(text, encoding="utf-8")
    replies = Replies(tmp_path / "r.jsonl")
    assert (replies.get("a"), replies.get("b")) == (Reply("one\u2028two", 1.0), Reply("保修期", 2.0))


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 20])
def test_a_line_that_was_cut_off_costs_one_reply(tmp_path: Path, cut: int) -> None:
    """Also within a character of several bytes; the next reply gets a line of its own."""
    file = tmp_path / "r.jsonl"
    whole = json.dumps({"key": "a", "reply": "保修", "seconds": 1}, ensure_ascii=False)
    half = json.dumps({"seconds": 1, "key": "b", "reply": "保修"}, ensure_ascii=False)
    file.write_bytes((whole + "\n" + half).encode()[:-cut])
    replies = Replies(file)
    assert replies.get("a") is not None and replies.get("b") is None
    replies.add("c", Reply("months", 1.0), 1.0)
    replies.add("d", Reply("years", 1.0), 1.0)
    again = Replies(file)
    assert [again.get(key) is not None for key in "abcd"] == [True, False, True, True]


class Thinker:
    """A chat model whose server tells thoughts apart; the reply is read as an endpoint's is."""

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        deltas = [{"reasoning_content": "Let me see. "}, {"reasoning": "Two years.", "reasoning_content": "Two years."}]
        deltas += [{"content": "Two years [1]."}]
        events = (json.dumps({"choices": [{"delta": delta, "finish_reason": "stop"}]}) for delta in deltas)
        return texts_of(httpx.Response(200), [f"data: {event}\n\n".encode() for event in events])


def test_thoughts_that_the_server_tells_apart_are_paid_for(tmp_path: Path) -> None:
    """When they are written, and in what each question costs once the reply is known."""
    spent = tokens_about("How long?") + tokens_about("Let me see. Two years.") + tokens_about("Two years [1].")
    for paid in (spent, 0.0):
        replies = Replies(tmp_path / "r.jsonl")
        *_, last = RepliesOf(Thinker(), "m", replies).stream([{"role": "user", "content": "How long?"}])
        assert last == "Two years [1]."
        assert replies.tokens_paid == pytest.approx(paid)
        assert replies.prompt_tokens + replies.completion_tokens == pytest.approx(spent, abs=0.1)


@dataclass
class Breaking:
    """A chat model that breaks off after these pieces, as one does that reaches its limit of tokens."""

    pieces: Sequence[str]

    def stream(self, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        yield from self.pieces
        raise OutageError("reached its limit of tokens before the end of the answer")


ASKED = [{"role": "user", "content": "How long?"}]
THOUGHT = Thought("Let me see. Let me see. Let me see.")


@pytest.mark.parametrize(
    ("pieces", "received"), [([THOUGHT], THOUGHT), ([THOUGHT, "Two years"], THOUGHT + "Two years"), ([], None)]
)
def test_a_reply_that_breaks_off_is_paid_for_as_far_as_it_came(
    tmp_path: Path, pieces: Sequence[str], received: str | None
) -> None:
    """And again when it is asked for again, for it is not kept; what never began has cost nothing."""
    replies = Replies(tmp_path / "r.jsonl")
    spent = 0.0 if received is None else tokens_about("How long?") + tokens_about(received)
    for times in (1, 2):
        with pytest.raises(OutageError):
            list(RepliesOf(Breaking(pieces), "m", replies).stream(ASKED))
        assert (replies.asked, replies.tokens_paid) == (times, pytest.approx(times * spent))
        assert replies.prompt_tokens + replies.completion_tokens == pytest.approx(times * spent)
    assert not (tmp_path / "r.jsonl").exists()


def test_a_reply_that_nobody_reads_to_its_end_is_paid_for(tmp_path: Path) -> None:
    replies = Replies(tmp_path / "r.jsonl")
    stream = RepliesOf(Breaking(["Two ", "years"]), "m", replies).stream(ASKED)
    assert next(iter(stream)) == "Two "
    del stream
    assert replies.tokens_paid == pytest.approx(tokens_about("How long?") + tokens_about("Two "))


def test_a_model_that_thinks_until_its_limit_is_dear_though_sentences_answer(tmp_path: Path) -> None:
    replies, encoder = Replies(tmp_path / "r.jsonl"), HashEncoder()
    passage = Passage("1", "manual", "Warranty", "The warranty of the pump lasts two years.", score=1.0)
    question = AskedQuestion("q", "How long does the warranty of the pump last?", ("two years",), (passage,), "manual")
    generator = LanguageModelGenerator(RepliesOf(Breaking([THOUGHT] * 100), "m", replies), encoder, Analyzer())
    found = score(generator, question, replies)
    assert found.failed and found.completion_tokens == pytest.approx(100 * tokens_about(THOUGHT))
    assert found.prompt_tokens > tokens_about(passage.text)
    assert Prices(0, 10.0, 0.5).too_dear([found])
