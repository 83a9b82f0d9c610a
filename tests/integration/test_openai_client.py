"""An unmodified OpenAI client against a real server: chat, streaming, models, embeddings, and errors it understands."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import openai
import pytest
import served

from retrieval.catalog.keys import Scope

QUESTION = "How long is the warranty of all drives?"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[served.Served, str]]:
    with served.in_process(tmp_path_factory.mktemp("openai")) as opened, served.on_port(opened) as url:
        served.fill(opened)
        yield opened, url


@pytest.fixture
def client(api: tuple[served.Served, str]) -> Iterator[openai.OpenAI]:
    opened, url = api
    with openai.OpenAI(base_url=f"{url}/v1", api_key=opened.key(), max_retries=0) as made:
        yield made


def test_chat_answers_with_inline_citations_and_their_evidence(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(model="docs", messages=[{"role": "user", "content": QUESTION}])
    said = found.choices[0].message.content
    assert said is not None and "24 months" in said and "[1]" in said
    assert found.choices[0].finish_reason == "stop"
    citation = found.model_extra["citations"][0] if found.model_extra else {}
    assert citation["document_id"] == "docs/faq/warranty"
    assert served.WARRANTY[citation["start"] : citation["end"]] == citation["quote"]


def test_a_stream_says_the_same_and_ends(client: openai.OpenAI) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="docs", messages=messages).choices[0].message.content
    options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": True}
    stream = client.chat.completions.create(model="docs", messages=messages, stream=True, stream_options=options)
    chunks = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    ends = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason == "stop"]
    assert said == whole
    assert len(ends) == 1 and ends[0].model_extra and ends[0].model_extra["citations"]
    assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_stream_ends_with_done(client: openai.OpenAI) -> None:
    body = {"model": "docs", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    with client.chat.completions.with_streaming_response.create(**body) as response:  # type: ignore[call-overload]
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


def test_a_follow_up_is_answered_after_a_very_long_word(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="docs",
        messages=[
            {"role": "user", "content": f"{QUESTION} My key is {'x' * 24_000}."},
            {"role": "assistant", "content": "24 months [1]."},
            {"role": "user", "content": "And how long is that one of all drives?"},
        ],
    )
    assert "24 months" in (found.choices[0].message.content or "")


def test_content_in_parts_and_settings_without_use_are_taken(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="docs",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ],
        temperature=0.1,
        max_tokens=100,
        user="someone",
    )
    assert "24 months" in (found.choices[0].message.content or "")


def test_chat_never_tells_what_the_key_may_not_read(api: tuple[served.Served, str]) -> None:
    opened, url = api
    question = "What is the salary of the chief drive engineer?"
    said = {}
    for name, groups in (("hr", ["hr"]), ("outsider", [])):
        with openai.OpenAI(base_url=f"{url}/v1", api_key=opened.key(groups=groups), max_retries=0) as asking:
            found = asking.chat.completions.create(model="docs", messages=[{"role": "user", "content": question}])
            said[name] = found.model_dump_json()
    assert "gold coins" in said["hr"]
    assert "gold coins" not in said["outsider"] and "hr/salary" not in said["outsider"]


def test_models_are_the_collections_of_the_key(api: tuple[served.Served, str]) -> None:
    opened, url = api
    for collections, expected in ((None, ["docs"]), (["other"], [])):
        key = opened.key(collections=collections)
        with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as asking:
            assert [model.id for model in asking.models.list()] == expected


def test_embeddings_are_the_encoders_in_both_encodings(api: tuple[served.Served, str], client: openai.OpenAI) -> None:
    texts = ["the warranty", "驱动器"]
    expected = api[0].kb.encoder("docs").encode_passages(texts)
    by_default = client.embeddings.create(model="docs", input=texts)  # the client asks for base64
    as_numbers = client.embeddings.create(model="docs", input=texts, encoding_format="float")
    for found in (by_default, as_numbers):
        assert [item.index for item in found.data] == [0, 1]
        np.testing.assert_allclose([item.embedding for item in found.data], expected, rtol=1e-6)


def test_a_conversation_that_ends_with_another_role_is_told_so(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Hello"}]
    with pytest.raises(openai.BadRequestError, match="the last one is not a user's"):
        client.chat.completions.create(model="docs", messages=messages)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "expected", "code"),
    [
        ({"model": "absent"}, openai.NotFoundError, "model_not_found"),
        ({"messages": []}, openai.BadRequestError, "invalid_request"),
        ({"messages": [{"role": "user", "content": "  "}]}, openai.BadRequestError, "invalid_request"),
    ],
)
def test_failures_are_the_clients_own_classes(
    client: openai.OpenAI, change: dict[str, object], expected: type[openai.APIStatusError], code: str
) -> None:
    for stream in (False, True):
        body = {"model": "docs", "messages": [{"role": "user", "content": QUESTION}], "stream": stream, **change}
        with pytest.raises(expected) as raised:
            client.chat.completions.create(**body)  # type: ignore[call-overload]
        assert raised.value.code == code
        assert raised.value.request_id


def test_a_wrong_key_and_a_key_of_another_collection(api: tuple[served.Served, str]) -> None:
    opened, url = api
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="kb_000000000000_wrong", max_retries=0) as asking:
        with pytest.raises(openai.AuthenticationError):
            asking.chat.completions.create(model="docs", messages=messages)
    elsewhere = opened.key(Scope.ADMIN, collections=["other"])
    with openai.OpenAI(base_url=f"{url}/v1", api_key=elsewhere, max_retries=0) as asking:
        with pytest.raises(openai.NotFoundError):
            asking.chat.completions.create(model="docs", messages=messages)
        with pytest.raises(openai.NotFoundError):
            asking.embeddings.create(model="docs", input="x")
