"""JSON-RPC over the wire, as the Model Context Protocol uses it; and the arguments of its tools."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.wire.base import CollectionName, Key, Request, Text
from retrieval.types import MAX_QUERY_LENGTH


class RpcMessage(BaseModel):
    """One JSON-RPC 2.0 message; without an id it is a notification."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={"examples": [{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}]},
    )

    jsonrpc: Literal["2.0"]
    id: Annotated[int, Field(ge=-(2**53), le=2**53)] | Annotated[str, Field(max_length=200)] | None = None
    method: Annotated[str, Field(max_length=200)] = ""  # empty: an answer of the client's, which needs none
    params: dict[str, Any] = Field(default_factory=dict)


class SearchArguments(Request):
    """Arguments of `search`."""

    query: Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH, description="Words or a question.")]
    collection: CollectionName
    top_k: Annotated[int, Field(ge=1, le=50, description="Most passages.")] = 10


class FetchArguments(Request):
    """Arguments of `fetch`."""

    collection: CollectionName
    key: Annotated[Key, Field(description="The document's key, as search shows it.")]


class AskArguments(Request):
    """Arguments of `ask`."""

    question: Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH)]
    collection: CollectionName


class CollectionArguments(Request):
    """Arguments of `list_sources` and `source_freshness`; without a collection, all that the key covers."""

    collection: CollectionName | None = None
