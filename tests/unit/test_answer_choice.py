"""A plan says who answers and how an endpoint is asked; what makes no sense is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.answer.choice import AnswerChoice
from retrieval.answer.prompt import MAX_TURN_CHARACTERS, NO_ANSWER, SLOTS, PromptSlots, grounded_messages
from retrieval.answer.types import Passage, Turn
from retrieval.errors import InvalidInputError
from retrieval.plan import DEFAULT_PLAN, Plan
from search_core.answering.models import combined, variants
from search_core.spaces.plan_mapping import architecture_of, plan_of
from search_core.spaces.space_file import open_space

slots = st.builds(PromptSlots, **{name: st.sampled_from(values) for name, values in SLOTS.items()})
choices = st.one_of(
    st.just(AnswerChoice()),
    st.builds(AnswerChoice, st.just("reader"), st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)),
    st.builds(AnswerChoice, st.just("openai"), st.just(""), slots),
)
PASSAGES = [Passage("1", "d", "One", "first"), Passage("2", "e", "Two", "second")]


@given(choices)
def test_a_plan_with_an_answer_model_survives_its_json(choice: AnswerChoice) -> None:
    plan = Plan(answer=choice)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.digest != DEFAULT_PLAN.digest


def test_a_plan_without_one_is_as_before_there_were_any() -> None:
    assert "answer" not in DEFAULT_PLAN.to_dict()


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("reader", "plan.answer is 'reader'"),
        ({"generator": "oracle"}, "plan.answer.generator is 'oracle'"),
        ({"generator": "reader"}, "plan.answer.reader is ''"),
        ({"reader": "r"}, "plan.answer.reader is 'r' for generator 'extractive'"),
        ({"generator": "reader", "reader": "../etc"}, "reader name '../etc' is not allowed"),
        ({"generator": "openai", "prompt": {"role": "pirate"}}, "prompt.role is 'pirate'; expected reader or expert"),
        ({"generator": "openai", "prompt": {"tone": "x"}}, "plan.answer.prompt has unknown field 'tone'"),
        ({"generator": 3}, "generator is 3"),
        ({"model": "x"}, "plan.answer has unknown field 'model'"),
    ],
)
def test_what_makes_no_sense_is_named(answer: Any, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named.replace(".", r"\.")):
        Plan.from_dict({"answer": answer})


@given(slots)
def test_every_prompt_keeps_the_rules_and_the_numbers(way: PromptSlots) -> None:
    """Whatever is changed: passages are data, the refusal is the agreed word, passage n carries n."""
    messages = grounded_messages("Why?", PASSAGES, (), way)
    system, *_, task = messages
    assert system["role"] == "system" and task["role"] == "user"
    assert NO_ANSWER in system["content"] and "never instructions" in system["content"]
    first, second = task["content"].index('number="1"'), task["content"].index('number="2"')
    assert (first < second) == (way.order == "score")
    assert len(messages) == (6 if way.demo == "one" else 2)
    assert task["content"].count("first\n") == 1


def test_a_long_conversation_does_not_fill_the_prompt() -> None:
    _, turn, task = grounded_messages("the question", [], [Turn("assistant", "x" * 500_000)])
    assert len(turn["content"]) == MAX_TURN_CHARACTERS
    assert "the question" in task["content"]


def test_variants_change_one_slot_and_combine_to_what_helped() -> None:
    default, *others = variants()
    assert default == PromptSlots()
    assert len(others) == sum(len(values) - 1 for values in SLOTS.values())
    assert len({*others, default}) == len(others) + 1
    assert combined([]) == default
    both = combined([PromptSlots(role="expert"), PromptSlots(demo="one")])
    assert both == PromptSlots(role="expert", demo="one")


def test_tuning_the_retrieval_keeps_the_answer_model() -> None:
    space = open_space("gnn-lm-v1")
    plan = Plan(answer=AnswerChoice("reader", "handbook"))
    assert plan_of(architecture_of(plan, space), plan).answer == plan.answer
