"""OpenAI's contract: chat, models, embeddings. A model is a collection's assistant.

Shapes follow the OpenAI API reference for chat completions, models and embeddings; `citations` is our one addition.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access.request_state import session_of
from api.dependencies import Kb, ReadCaller, State, Threads, check_reach, existing
from api.errors import ApiError
from api.http.responses import JsonResponse
from api.http.sse import Event, stream
from api.knowledge_base import KnowledgeBase
from api.routes.failures import OPENAI_FAILURES
from api.wire.answers import ChatBody, ChatCompletion, EmbeddingList, EmbeddingsBody, Model, ModelList
from api.wire.presentation import citation_json
from retrieval.answer.types import Answer, AnswerPiece, FinalAnswer, Turn
from retrieval.catalog import Collection
from retrieval.types import MAX_QUERY_LENGTH, Principal, Vectors

DONE = b"data: [DONE]\n\n"
OWNER = "autoglm-kb"
HISTORY_TURNS = 20  # of a conversation, the newest; a question seldom leans on older ones
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|[^\w\s]")

router = APIRouter(tags=["openai"], responses=OPENAI_FAILURES)


@router.post("/chat/completions", response_model=ChatCompletion, summary="Chat with a collection's assistant")
async def create_chat_completion(
    body: ChatBody, request: Request, kb: Kb, caller: ReadCaller, state: State, threads: Threads
) -> Response:
    """The last user message answered from the collection: `[n]` in the text points to entry n of `citations`."""
    check_reach(state, body.model)
    chat = _chat(kb, caller.principal, body, session_of(request, body.user))
    if body.stream:
        with_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
        return await stream(threads, chat.chunks(with_usage), _failed, DONE)
    return JsonResponse(await threads.answer(chat.completion))


@router.get("/models", response_model=ModelList, summary="List the assistants")
def list_models(kb: Kb, caller: ReadCaller) -> dict[str, Any]:
    """The collections that the key covers, as models."""
    found = [_model(one) for one in kb.catalog.collections.all() if caller.reaches(one.name)]
    return {"object": "list", "data": found}


@router.get("/models/{model}", response_model=Model, summary="One assistant")
def get_model(model: str, kb: Kb, caller: ReadCaller, state: State) -> dict[str, Any]:
    """One collection, as a model."""
    return _model(existing(kb, check_reach(state, model)))


@router.post("/embeddings", response_model=EmbeddingList, summary="Encode texts")
async def create_embeddings(
    body: EmbeddingsBody, kb: Kb, caller: ReadCaller, state: State, threads: Threads
) -> Response:
    """Unit vectors of the texts, from the encoder of the collection that `model` names."""
    check_reach(state, body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors = await threads.answer(lambda: _encode(kb, body, texts))
    shown = [
        {"object": "embedding", "index": index, "embedding": _written(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(map(_tokens, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JsonResponse({"object": "list", "data": shown, "model": body.model, "usage": usage})


@dataclass(frozen=True, slots=True)
class _Chat:
    """A conversation to be answered, in the frame that all its chunks share."""

    kb: KnowledgeBase
    principal: Principal
    session: str
    model: str
    question: str
    history: tuple[Turn, ...]
    id: str
    created: int

    def completion(self) -> dict[str, Any]:
        existing(self.kb, self.model)
        answer = self.kb.answer(
            self.model, self.question, self.principal, history=self.history, session=self.session
        ).answer
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        frame = self._frame("chat.completion") | {"choices": [choice], "usage": self._usage(answer.text)}
        return frame | _evidence(answer)

    def chunks(self, with_usage: bool) -> Iterator[Event]:
        """The role, the text in pieces, then the end with its citations; with usage where it was asked for."""
        existing(self.kb, self.model)
        written = ""
        answer = Answer("")
        items = self.kb.stream_answer(
            self.model, self.question, self.principal, history=self.history, session=self.session
        )
        for item in items:
            if isinstance(item, AnswerPiece):
                yield "", self._chunk({"role": "assistant", "content": item.text} if not written else _said(item.text))
                written += item.text
            elif isinstance(item, FinalAnswer):
                answer = item.answer
        rest = _rest(written, answer.text)
        if rest:
            yield "", self._chunk(_said(rest) if written else {"role": "assistant", "content": rest})
        yield "", self._chunk({}, finish="stop") | _evidence(answer)
        if with_usage:
            yield "", self._frame("chat.completion.chunk") | {"choices": [], "usage": self._usage(answer.text)}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def _usage(self, text: str) -> dict[str, int]:
        asked = _tokens(self.question) + sum(_tokens(turn.text) for turn in self.history)
        said = _tokens(text)
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _chat(kb: KnowledgeBase, principal: Principal, body: ChatBody, session: str) -> _Chat:
    turns = [Turn(m.role, m.plain_text()) for m in body.messages if m.role in ("user", "assistant")]
    if not turns or turns[-1].role != "user":
        raise ApiError(422, "invalid_request", "messages: the last one is not a user's; expected a question at the end")
    if not turns[-1].text.strip():
        raise ApiError(
            422, "invalid_request", "messages: the last user message is empty; expected a question at the end"
        )
    if len(turns[-1].text) > MAX_QUERY_LENGTH:
        raise ApiError(422, "invalid_request", f"messages: the question has more than {MAX_QUERY_LENGTH} characters")
    history = tuple(turn for turn in turns[:-1] if turn.text.strip())[-HISTORY_TURNS:]
    chat_id = f"chatcmpl-{secrets.token_hex(12)}"
    return _Chat(kb, principal, session, body.model, turns[-1].text, history, chat_id, int(time.time()))


def _evidence(answer: Answer) -> dict[str, Any]:
    return {
        "citations": [citation_json(citation) for citation in answer.citations],
        "confidence": round(answer.confidence, 4),
        "refused": answer.refused,
    }


def _rest(written: str, final: str) -> str:
    """What is still to be said: the contract cannot take words back, so a correction follows them."""
    return final.removeprefix(written) if final.startswith(written) else f"\n\n{final}"


def _said(text: str) -> dict[str, str]:
    return {"content": text}


def _encode(kb: KnowledgeBase, body: EmbeddingsBody, texts: list[str]) -> Vectors:
    existing(kb, body.model)
    encoder = kb.encoder(body.model)
    if body.dimensions not in (None, encoder.dim):
        message = f"dimensions is {body.dimensions}; the encoder of {body.model!r} gives {encoder.dim}"
        raise ApiError(422, "invalid_request", message)
    return encoder.encode_queries(texts) if body.input_type == "query" else encoder.encode_passages(texts)


def _written(vector: Any, encoding: str | None) -> Any:
    """Numbers, or base64 of little-endian float32, which is what OpenAI's Python client asks for."""
    values = np.asarray(vector, dtype="<f4")
    return base64.b64encode(values.tobytes()).decode() if encoding == "base64" else values.tolist()


def _tokens(text: str) -> int:
    """An estimate: words, CJK characters and punctuation marks. Nothing is billed by it."""
    return len(_TOKEN.findall(text))


def _model(collection: Collection) -> dict[str, Any]:
    created = int(collection.created_at.timestamp())
    return {"id": collection.name, "object": "model", "created": created, "owned_by": OWNER}


def _failed(error: ApiError) -> Event:
    return "", {"error": {"message": error.message, "type": "server_error", "param": None, "code": error.code}}
