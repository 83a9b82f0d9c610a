"""A language model takes seconds: what is deleted or forbidden meanwhile leaves neither in its answer nor instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import served

from retrieval.answer.endpoint import ChatEndpoint
from retrieval.catalog.keys import Scope
from retrieval.errors import OutageError

QUESTION = "How long is the warranty of all drives?"
PATH = "/v1/collections/docs/documents/faq/warranty?wait_for=searchable"
Change = Callable[[], None]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[served.Served]:
    endpoint = {"llm_base_url": "http://127.0.0.1:9/v1", "llm_model": "m"}
    with served.in_process(tmp_path, generator="openai", **endpoint) as opened:
        served.fill(opened)
        yield opened


@pytest.fixture(params=["deleted", "forbidden"])
def change(api: served.Served, request: pytest.FixtureRequest) -> Change:
    """Has happened, and is acknowledged, when it returns."""
    headers = api.headers(Scope.ADMIN)

    def delete() -> None:
        api.client.delete(PATH, headers=headers).raise_for_status()

    def forbid() -> None:
        api.client.patch(PATH, json={"acl": ["board"]}, headers=headers).raise_for_status()

    return delete if request.param == "deleted" else forbid


@pytest.mark.parametrize("answers", [True, False])
def test_what_is_gone_when_the_model_has_done_is_not_said(
    api: served.Served, change: Change, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    def stream(self: ChatEndpoint, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        change()
        if not answers:
            raise OutageError("the endpoint is late")
        yield f"{served.WARRANTY} [1]"

    headers = api.headers()
    body = {"question": QUESTION, "collection": "docs", "stream": False}
    monkeypatch.setattr(ChatEndpoint, "stream", lambda *_: iter([f"{served.WARRANTY} [1]"]))
    assert served.WARRANTY in api.client.post("/v1/answers", json=body, headers=headers).json()["answer"]
    monkeypatch.setattr(ChatEndpoint, "stream", stream)
    answer = api.client.post("/v1/answers", json=body, headers=headers).json()
    assert "24 months" not in json.dumps(answer)
    assert [one["document_id"] for one in answer["citations"]] in ([], ["docs/faq/zh"])


def test_a_stream_whose_text_is_deleted_ends_without_it(
    api: served.Served, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(self: ChatEndpoint, messages: Sequence[dict[str, str]]) -> Iterator[str]:
        yield f"{served.WARRANTY} [1] And a second sentence that"
        change()
        yield " says nothing."

    monkeypatch.setattr(ChatEndpoint, "stream", stream)
    headers = api.headers()
    response = api.client.post("/v1/answers", json={"question": QUESTION, "collection": "docs"}, headers=headers)
    events = [block.split("\n") for block in response.text.strip().split("\n\n")]
    assert ["event: message", "event: citation"] == [name for name, _ in events[1:3]]  # true when they left
    final = json.loads(events[-1][1].removeprefix("data: "))
    assert "24 months" not in json.dumps(final)
    assert "deleted meanwhile" in final["reason"]
