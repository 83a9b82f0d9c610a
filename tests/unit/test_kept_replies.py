"""Replies that an endpoint was paid for are found again, whatever they hold and however a run before ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from retrieval.answer.completion import texts_of
from search_core.answering.replies import Replies, RepliesOf, Reply, tokens_about


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
