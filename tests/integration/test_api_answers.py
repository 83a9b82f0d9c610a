"""Answers over REST: our own stream, Dify's contract, and the Model Context Protocol, all under the caller's ACL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import served

from api.quality.evaluation import evaluate_collection
from retrieval.catalog.keys import Scope
from retrieval.types import OPERATOR

QUESTION = "How long is the warranty of all drives?"
SECRET = "What is the salary of the chief drive engineer?"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Served]:
    with served.in_process(tmp_path_factory.mktemp("answers")) as opened:
        served.fill(opened)
        yield opened


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_the_native_stream_tells_hits_then_pieces_then_evidence_then_the_whole(api: served.Served) -> None:
    response = api.client.post("/v1/answers", json={"question": QUESTION, "collection": "docs"}, headers=api.headers())
    assert response.headers["content-type"].startswith("text/event-stream")
    told = events(response.text)
    names = [name for name, _ in told]
    assert names[0] == "search_results" and names[-1] == "final_answer"
    final = told[-1][1]
    assert "".join(data["text"] for name, data in told if name == "message") == final["answer"]
    assert [data for name, data in told if name == "citation"] == final["citations"]
    assert not final["refused"] and "24 months" in final["answer"]


@pytest.mark.parametrize(
    ("body", "accept", "streams"),
    [
        ({}, "*/*", True),
        ({}, "application/json", False),
        ({}, "text/event-stream", True),
        ({"stream": False}, "text/event-stream", False),
        ({"stream": True}, "application/json", True),
    ],
)
def test_who_wants_the_whole_answer_gets_it(
    api: served.Served, body: dict[str, bool], accept: str, streams: bool
) -> None:
    asked = {"question": QUESTION, "collection": "docs", **body}
    response = api.client.post("/v1/answers", json=asked, headers=api.headers() | {"Accept": accept})
    assert response.headers["content-type"].startswith("text/event-stream") is streams
    if not streams:
        citation = response.json()["citations"][0]
        assert citation["quote"] == served.WARRANTY[citation["start"] : citation["end"]]


def test_an_answer_stands_on_readable_documents_only(api: served.Served) -> None:
    asked = {"question": SECRET, "collection": "docs", "stream": False}
    of_hr = api.client.post("/v1/answers", json=asked, headers=api.headers(groups=["hr"])).text
    of_outsider = api.client.post("/v1/answers", json=asked, headers=api.headers()).text
    narrowed = api.client.post(
        "/v1/answers", json=asked | {"as_groups": ["sales"]}, headers=api.headers(Scope.ADMIN)
    ).text
    assert "gold coins" in of_hr
    assert "gold coins" not in of_outsider and "gold coins" not in narrowed


def test_nobody_widens_his_rights(api: served.Served) -> None:
    asked = {"question": SECRET, "collection": "docs", "as_groups": ["hr"]}
    response = api.client.post("/v1/answers", json=asked, headers=api.headers(groups=["sales"]))
    assert response.status_code == 403 and response.json()["error"]["code"] == "forbidden"


def test_a_stream_to_an_absent_collection_fails_with_its_status(api: served.Served) -> None:
    response = api.client.post("/v1/answers", json={"question": "x", "collection": "absent"}, headers=api.headers())
    assert response.status_code == 404 and response.json()["error"]["code"] == "not_found"


def retrieve(api: served.Served, headers: dict[str, str], **change: Any) -> Any:
    body = {"knowledge_id": "docs", "query": "warranty of drives", "retrieval_setting": {"top_k": 3}} | change
    return api.client.post("/v1/retrieval", json=body, headers=headers)


def test_dify_gets_records_of_its_shape(api: served.Served) -> None:
    records = retrieve(api, api.headers()).json()["records"]
    assert records[0]["content"] == served.WARRANTY
    assert all(set(record) == {"content", "score", "title", "metadata"} for record in records)
    assert all(isinstance(record["metadata"], dict) and 0 <= record["score"] <= 1 for record in records)
    assert not any("gold coins" in record["content"] for record in records)


def test_difys_threshold_and_conditions_hold(api: served.Served) -> None:
    headers = api.headers()
    scores = [record["score"] for record in retrieve(api, headers).json()["records"]]
    above = retrieve(api, headers, retrieval_setting={"top_k": 3, "score_threshold": scores[0]}).json()["records"]
    assert [record["score"] for record in above] == [score for score in scores if score >= scores[0]]
    old = {"conditions": [{"name": ["year"], "comparison_operator": "<", "value": 2022}]}
    assert [r["metadata"]["year"] for r in retrieve(api, headers, metadata_condition=old).json()["records"]] == [2020]
    nothing = {"logical_operator": "and", "conditions": [{"name": "year", "comparison_operator": "is", "value": 1}]}
    assert retrieve(api, headers, metadata_condition=nothing).json() == {"records": []}


def test_difys_scores_are_absolute(api: served.Served) -> None:
    """The best of passages that have nothing to do with the query is as far from it as the others."""
    told = {
        query: [record["score"] for record in retrieve(api, api.headers(), query=query).json()["records"]]
        for query in ("warranty of all drives", "stellar nucleosynthesis", "盐水鸭的做法")
    }
    assert all(scores == sorted(scores, reverse=True) for scores in told.values())
    assert told["warranty of all drives"][0] > 0.5
    for query in ("stellar nucleosynthesis", "盐水鸭的做法"):
        assert told[query] and max(told[query]) < 0.3
        setting = {"top_k": 3, "score_threshold": 0.3}
        assert retrieve(api, api.headers(), query=query, retrieval_setting=setting).json() == {"records": []}


def test_dify_gets_all_passages_where_it_asks_for_no_threshold(api: served.Served) -> None:
    admin = api.headers(Scope.ADMIN)
    assert api.client.post("/v1/collections", json={"name": "spread"}, headers=admin).status_code == 201
    plan = {"collection": "spread", "name": "z", "plan": {"normalisation": "z-score"}}
    number = api.client.post("/v1/plans", json=plan, headers=admin).json()["id"]
    chosen = {"collection": "spread"}
    assert api.client.post(f"/v1/plans/{number}/promote", json=chosen, headers=admin).status_code == 200
    for count in range(6):
        path = f"/v1/collections/spread/documents/{count}?wait_for=searchable"
        text = "drive " * (count + 1) + "and something else " * (6 - count)
        assert api.client.put(path, json={"text": text}, headers=admin).status_code == 200
    for setting in ({"top_k": 9}, {"top_k": 9, "score_threshold": 0.0}):
        asked = {"knowledge_id": "spread", "query": "drive", "retrieval_setting": setting}
        records = retrieve(api, api.headers(), **asked).json()["records"]
        assert len(records) == 6 and all(0 <= record["score"] <= 1 for record in records)


def test_difys_error_codes(api: served.Served) -> None:
    assert retrieve(api, {"Authorization": "nonsense"}).json()["error_code"] == 1001
    assert retrieve(api, {"Authorization": "Bearer kb_0_wrong"}).json()["error_code"] == 1002
    absent = retrieve(api, api.headers(), knowledge_id="absent")
    out_of_reach = retrieve(api, api.headers(collections=["other"]))
    for response in (absent, out_of_reach):
        assert response.status_code == 404 and response.json()["error_code"] == 2001
    unknown = {"conditions": [{"name": "year", "comparison_operator": "resembles", "value": 1}]}
    assert "resembles" in retrieve(api, api.headers(), metadata_condition=unknown).json()["error_msg"]


def rpc(api: served.Served, method: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}}
    return api.client.post("/mcp", json=message, headers=api.headers() | headers)


def test_mcp_introduces_itself_and_its_tools(api: served.Served) -> None:
    hello = rpc(api, "initialize", {"protocolVersion": "2025-03-26"}).json()
    assert hello["id"] == 7 and hello["result"]["protocolVersion"] == "2025-03-26"
    assert rpc(api, "initialize", {"protocolVersion": "1999-01-01"}).json()["result"]["protocolVersion"] == "2025-06-18"
    tools = {tool["name"]: tool for tool in rpc(api, "tools/list").json()["result"]["tools"]}
    assert set(tools) == {"search", "fetch", "ask", "list_sources", "source_freshness"}
    assert tools["search"]["inputSchema"]["required"] == ["query", "collection"]
    noted = api.client.post(
        "/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=api.headers()
    )
    assert noted.status_code == 202 and not noted.content


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("search", {"query": "warranty", "collection": "docs"}, "24 months"),
        ("search", {"query": "stellar nucleosynthesis", "collection": "docs"}, '"relevance":0.0'),
        ("fetch", {"collection": "docs", "key": "faq/warranty"}, "24 months"),
        ("ask", {"question": QUESTION, "collection": "docs"}, "24 months"),
        ("list_sources", {}, "sources"),
        ("source_freshness", {"collection": "docs"}, "searchable_seq"),
    ],
)
def test_mcp_tools_find(api: served.Served, tool: str, arguments: dict[str, Any], expected: str) -> None:
    result = rpc(api, "tools/call", {"name": tool, "arguments": arguments}).json()["result"]
    assert result["isError"] is False
    assert expected in result["content"][0]["text"]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_mcp_keeps_the_acl_and_tells_the_model_what_failed(api: served.Served) -> None:
    hidden = rpc(api, "tools/call", {"name": "fetch", "arguments": {"collection": "docs", "key": "hr/salary"}})
    absent = rpc(api, "tools/call", {"name": "fetch", "arguments": {"collection": "docs", "key": "hr/absent"}})
    for response, key in ((hidden, "hr/salary"), (absent, "hr/absent")):
        result = response.json()["result"]
        assert result["isError"] and result["content"][0]["text"].replace(key, "KEY") == (
            "document 'KEY' does not exist in collection 'docs'"
        )
    found = rpc(api, "tools/call", {"name": "search", "arguments": {"query": SECRET, "collection": "docs"}}).text
    assert "gold coins" not in found


@pytest.mark.parametrize("name", [None, 7, ["search"], {"search": 1}])
def test_mcp_refuses_a_tool_whose_name_is_no_text(api: served.Served, name: Any) -> None:
    refused = rpc(api, "tools/call", {"name": name, "arguments": {}})
    assert refused.status_code == 200
    assert refused.json()["error"] == {"code": -32602, "message": f"tool {name!r} is not offered; see tools/list"}


def test_mcp_tells_what_has_the_wrong_type(api: served.Served) -> None:
    assert rpc(api, "tools/call", {"name": "search", "arguments": ["x"]}).json()["error"]["code"] == -32602
    wrong = rpc(api, "tools/call", {"name": "search", "arguments": {"query": ["x"], "collection": "docs"}}).json()
    assert wrong["result"]["isError"] and "argument query of search" in wrong["result"]["content"][0]["text"]
    hello = rpc(api, "initialize", {"protocolVersion": ["2025-03-26"]}).json()
    assert hello["result"]["protocolVersion"] == "2025-06-18"


def test_mcp_refuses_what_it_does_not_know(api: served.Served) -> None:
    assert rpc(api, "resources/list").json()["error"]["code"] == -32601
    assert rpc(api, "tools/call", {"name": "drop"}).json()["error"]["code"] == -32602
    wrong = rpc(api, "tools/call", {"name": "search", "arguments": {"query": "x", "collection": "docs", "typo": 1}})
    assert "typo" in wrong.json()["result"]["content"][0]["text"]
    assert rpc(api, "ping", origin="http://evil.example").status_code == 403
    assert rpc(api, "ping", origin="http://testserver").status_code == 200
    assert api.client.get("/mcp", headers=api.headers()).status_code == 405


def test_every_search_for_a_caller_is_counted_by_stage(api: served.Served) -> None:
    asked = {"question": QUESTION, "collection": "docs"}
    chat = {"model": "docs", "messages": [{"role": "user", "content": QUESTION}]}
    searched = {"query": "warranty", "collection": "docs"}
    doors: dict[str, Callable[[], Any]] = {
        "search": lambda: api.client.post("/v1/search", json=searched, headers=api.headers()),
        "a named plan": lambda: api.client.post("/v1/search", json=searched | {"plan": {}}, headers=api.headers()),
        "answer": lambda: api.client.post("/v1/answers", json=asked | {"stream": False}, headers=api.headers()),
        "stream": lambda: api.client.post("/v1/answers", json=asked, headers=api.headers()),
        "Dify": lambda: retrieve(api, api.headers()),
        "chat": lambda: api.client.post("/v1/chat/completions", json=chat, headers=api.headers()),
        "MCP search": lambda: rpc(api, "tools/call", {"name": "search", "arguments": searched}),
        "MCP ask": lambda: rpc(api, "tools/call", {"name": "ask", "arguments": asked}),
    }
    for door, enter in doors.items():
        before = dense_searches(api)
        response = enter()
        assert response.status_code == 200, response.text
        assert dense_searches(api) == before + 1, door
    before = dense_searches(api)
    evaluate_collection(api.kb, "docs", {"1": "warranty"}, {"1": {"faq/warranty": 1}}, OPERATOR)
    assert dense_searches(api) == before, "nobody waits for these"


def dense_searches(api: served.Served) -> float:
    text = api.client.get("/metrics", headers=api.headers()).text
    begin = 'kb_search_stage_seconds_count{stage="dense"} '
    return sum(float(line.removeprefix(begin)) for line in text.splitlines() if line.startswith(begin))
