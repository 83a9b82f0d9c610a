"""The tools that `/mcp` offers, each a function over the knowledge base with the caller's rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from api.access.callers import Caller
from api.access.request_state import RequestState
from api.dependencies import check_reach, existing
from api.errors import ApiError
from api.knowledge_base import KnowledgeBase
from api.wire.mcp import AskArguments, CollectionArguments, FetchArguments, SearchArguments
from api.wire.presentation import answer_json, result_json
from retrieval.catalog import Collection
from retrieval.catalog.documents import document_id
from retrieval.search.types import SearchRequest


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Who calls, on what."""

    kb: KnowledgeBase
    caller: Caller
    state: RequestState
    session: str  # what keeps to one plan while one is rolled out

    def collection(self, name: str) -> Collection:
        """The collection, where the caller's key covers it."""
        return existing(self.kb, check_reach(self.state, name))

    def collections(self, name: str | None) -> list[Collection]:
        """The one of that name, or all that the key covers."""
        if name is not None:
            return [self.collection(name)]
        return [one for one in self.kb.catalog.collections.all() if self.caller.reaches(one.name)]


@dataclass(frozen=True, slots=True)
class _Tool:
    summary: str
    arguments: type[BaseModel]
    run: Callable[[ToolCall, Any], dict[str, Any]]


def call_tool(call: ToolCall, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the tool found. Raises `ApiError` 422 for arguments that do not fit."""
    tool = _TABLE[name]
    try:
        checked = tool.arguments.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ApiError(422, "invalid_arguments", f"argument {place} of {name}: {first['msg']}") from error
    return tool.run(call, checked)


def _search(call: ToolCall, asked: SearchArguments) -> dict[str, Any]:
    call.collection(asked.collection)
    request = SearchRequest(asked.query, asked.top_k, highlight=False, relevance=True)
    return result_json(
        call.kb.search(asked.collection, request, call.caller.principal, session=call.session), explain=False
    )


def _fetch(call: ToolCall, asked: FetchArguments) -> dict[str, Any]:
    stored = call.kb.catalog.documents.get(call.collection(asked.collection), asked.key, call.caller.principal)
    document = stored.document
    return {
        "document_id": document_id(asked.collection, document.key),
        "title": document.title,
        "text": document.text,
        "uri": document.uri,
        "metadata": dict(document.metadata),
        "as_of": (document.committed_at or stored.cataloged_at).isoformat(),
    }


def _ask(call: ToolCall, asked: AskArguments) -> dict[str, Any]:
    call.collection(asked.collection)
    found = call.kb.answer(asked.collection, asked.question, call.caller.principal, session=call.session)
    return answer_json(found.answer, found.search)


def _list_sources(call: ToolCall, asked: CollectionArguments) -> dict[str, Any]:
    sources = [
        {"collection": collection.name, "name": source.name, "kind": source.kind}
        for collection in call.collections(asked.collection)
        for source in call.kb.catalog.sources.all(collection)
    ]
    return {"sources": sources}


def _source_freshness(call: ToolCall, asked: CollectionArguments) -> dict[str, Any]:
    shown = []
    for collection in call.collections(asked.collection):
        read = [
            {"name": source.name, "updated_at": source.updated_at.isoformat()}
            for source in call.kb.catalog.sources.all(collection)
        ]
        shown.append({"collection": collection.name, **call.kb.freshness(collection.name), "sources": read})
    return {"collections": shown}


_TABLE: Mapping[str, _Tool] = {
    "search": _Tool(
        "Passages that match a query by words and by meaning, best first. `relevance`, 0 to 1, says how likely they "
        "are about the query at all; below 0.3 probably not.",
        SearchArguments,
        _search,
    ),
    "fetch": _Tool("A whole document by its key.", FetchArguments, _fetch),
    "ask": _Tool("An answer with citations, or a refusal when the documents hold none.", AskArguments, _ask),
    "list_sources": _Tool("Where the documents come from.", CollectionArguments, _list_sources),
    "source_freshness": _Tool("How far searches are behind.", CollectionArguments, _source_freshness),
}

TOOLS: list[dict[str, Any]] = [
    {
        "name": name,
        "description": tool.summary,
        "inputSchema": tool.arguments.model_json_schema(),
        "annotations": {"readOnlyHint": True},
    }
    for name, tool in _TABLE.items()
]
