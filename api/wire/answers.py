"""Answers over the wire: our own stream, OpenAI's contract and Dify's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.wire.base import CollectionName, Line, Request, Response, Text, storable
from api.wire.search import AsGroups, CorrectedWord, FilterField, SourcePlace
from retrieval.filters import MAX_CONDITIONS
from retrieval.types import MAX_QUERY_LENGTH

Question = Annotated[Text, Field(min_length=1, max_length=MAX_QUERY_LENGTH)]
MAX_PASSAGES = 50  # an answer is read from; more is a report


class TurnBody(Request):
    """One message of the conversation before the question."""

    role: Literal["user", "assistant"]
    text: Annotated[Text, Field(max_length=MAX_QUERY_LENGTH)]


class AnswerBody(Request):
    """A question to be answered from the collection."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"question": "How long is the warranty?", "collection": "docs", "stream": False}]
        },
    )

    question: Question
    collection: CollectionName
    history: Annotated[list[TurnBody], Field(max_length=100)] = Field(default_factory=list)
    filter: FilterField = None
    top_k: Annotated[int | None, Field(ge=1, le=MAX_PASSAGES, description="Passages the answer is read from.")] = None
    stream: Annotated[
        bool | None, Field(description="Without it: a stream, unless `Accept` asks for application/json only.")
    ] = None
    as_groups: AsGroups = None


class Citation(Response):
    """Evidence `[number]`: the document's stored text from `start` to `end`."""

    number: int
    document_id: str
    chunk_id: str
    start: int
    end: int
    quote: str
    title: str
    heading: str = Field(description='The headings above the quote, as in "Chapter › Section".')
    page: int | None = Field(description="The page that the quote begins on, from 1; null: no pages.")
    uri: str | None
    source: SourcePlace
    as_of: str | None


class AnswerResponse(Response):
    """The answer with its evidence; `refused` when the documents do not support one."""

    answer: str
    citations: list[Citation]
    confidence: float
    refused: bool
    reason: str
    generator: str
    degraded: str = Field(description="Empty, or why something less than what is configured answered.")
    corrections: list[CorrectedWord] = Field([], description="Mistyped words of the question.")
    seq: int
    as_of: str
    took_ms: float
    plan: str


class OpenAIRequest(BaseModel):
    """A request of the OpenAI contract; settings we have no use for are ignored, as other servers do."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(OpenAIRequest):
    """A part of a message; only text is read."""

    type: str
    text: Text | None = None


class ChatMessage(OpenAIRequest):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[TextPart] | None = None

    def plain_text(self) -> str:
        """The message's text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text" and part.text)
        return self.content or ""


class StreamOptions(OpenAIRequest):
    """Extras of a stream."""

    include_usage: bool | None = None


class ChatBody(OpenAIRequest):
    """Chat with a collection's assistant: the last user message is answered from the collection."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "examples": [{"model": "docs", "messages": [{"role": "user", "content": "How long is the warranty?"}]}]
        },
    )

    model: Annotated[Line, Field(min_length=1, description="Name of a collection.")]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1000)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    user: Text | None = Field(
        None, description="Your end user, who keeps to one plan while one is rolled out; X-Session-Id goes before it."
    )


class EmbeddingsBody(OpenAIRequest):
    """Texts to be encoded as the collection's passages are."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={"examples": [{"model": "docs", "input": ["How long is the warranty?"]}]},
    )

    model: Annotated[Line, Field(min_length=1, description="Name of a collection.")]
    input: (
        Annotated[Text, Field(min_length=1)]
        | Annotated[list[Annotated[Text, Field(min_length=1)]], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Annotated[int | None, Field(ge=1)] = None
    input_type: Literal["query", "passage"] | None = Field(None, description="Which tower encodes; passage without it.")


class OpenAIResponse(BaseModel):
    """A response of the OpenAI contract."""

    model_config = ConfigDict(frozen=True)


class AssistantMessage(OpenAIResponse):
    """What the assistant said."""

    role: Literal["assistant"]
    content: str
    refusal: None = None


class Choice(OpenAIResponse):
    """The one alternative there is."""

    index: int
    message: AssistantMessage
    finish_reason: str
    logprobs: None = None


class Usage(OpenAIResponse):
    """Estimated counts; nothing is billed by them."""

    prompt_tokens: int
    completion_tokens: int | None = None
    total_tokens: int


class ChatCompletion(OpenAIResponse):
    """An answer; with `stream` it comes as chunks that end with `data: [DONE]`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    citations: list[Citation] = Field(description="Entry n is what `[n]` in the text points to.")
    confidence: float
    refused: bool


class Model(OpenAIResponse):
    """A collection's assistant."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(OpenAIResponse):
    """The assistants."""

    object: Literal["list"]
    data: list[Model]


class Embedding(OpenAIResponse):
    """One text's vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="Numbers, or base64 of little-endian float32.")


class EmbeddingList(OpenAIResponse):
    """The vectors, in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class RetrievalSetting(OpenAIRequest):
    """How much Dify wants."""

    top_k: Annotated[int, Field(ge=1, le=1000)] = 5
    score_threshold: float | None = None


class MetadataCondition(OpenAIRequest):
    """One condition of Dify's filter."""

    name: Annotated[list[Line], Field(max_length=MAX_CONDITIONS)] | Line
    comparison_operator: str
    value: Any = None


class MetadataConditions(OpenAIRequest):
    """Dify's filter."""

    logical_operator: Literal["and", "or"] | None = "and"
    conditions: Annotated[list[MetadataCondition], Field(max_length=MAX_CONDITIONS)] | None = None


class RetrievalBody(OpenAIRequest):
    """Dify's external-knowledge request."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "knowledge_id": "docs",
                    "query": "warranty",
                    "retrieval_setting": {"top_k": 3, "score_threshold": 0.2},
                }
            ]
        },
    )

    knowledge_id: Annotated[Line, Field(description="Name of a collection.")]
    query: Question
    retrieval_setting: RetrievalSetting
    metadata_condition: Annotated[MetadataConditions | None, BeforeValidator(storable)] = None


class Record(Response):
    """A passage for Dify."""

    content: str
    score: float
    title: str
    metadata: dict[str, Any]


class RetrievalResponse(Response):
    """Passages for Dify, best first."""

    records: list[Record]
