"""A greeting is greeted, and nothing that asks for something is taken for one."""

from __future__ import annotations

import pytest

from retrieval.answer.extractive import refusal_text
from retrieval.answer.small_talk import reply_to


@pytest.mark.parametrize(
    ("message", "begins"),
    [
        ("Hello!", "Hello."),
        ("  hi there :)", "Hello."),
        ("GOOD MORNING", "Hello."),
        ("Thanks a lot!!", "You are welcome."),
        ("What can you do?", "I answer questions"),
        ("bye", "Goodbye."),
        ("你好！", "你好！"),
        ("您好，在吗？", ""),  # two phrases at once are no phrase: it is refused as any other question
        ("谢谢。", "不客气。"),
        ("你能做什么？", "我根据知识库"),
        ("再见", "再见！"),
    ],
)
def test_small_talk_has_a_reply_in_its_language(message: str, begins: str) -> None:
    reply = reply_to(message)
    assert reply.startswith(begins) if begins else reply == ""


@pytest.mark.parametrize(
    "message",
    [
        "",
        "?!",
        "hello world tutorial",
        "Is help available at night?",
        "thanks to whom",
        "你好世界",
        "早餐",
        "who is Ann",
        "hi-fi",
    ],
)
def test_what_asks_for_something_is_no_small_talk(message: str) -> None:
    assert reply_to(message) == ""
    assert refusal_text(message) in (
        "The knowledge base holds nothing that supports an answer to this question.",
        "知识库中没有找到能够支持回答这个问题的内容。",
    )
