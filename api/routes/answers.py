"""`POST /v1/answers`: our own stream of events, or the whole answer at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from api.access.callers import Caller
from api.access.request_state import session_of
from api.dependencies import Kb, ReadCaller, State, Threads, check_reach, existing, principal_of
from api.errors import ApiError
from api.http.responses import JsonResponse
from api.http.sse import Event, stream
from api.knowledge_base import AnswerResult, KnowledgeBase
from api.routes.failures import GUARDED, Responses
from api.wire.answers import AnswerBody, AnswerResponse
from api.wire.presentation import answer_json, citation_json, result_json
from retrieval.answer.types import AnswerPiece, CitationEvent, FinalAnswer, Turn
from retrieval.filters import Filter, parse_filter
from retrieval.search.types import SearchResult
from retrieval.types import Principal

_STREAM: Responses = {
    200: {
        "model": AnswerResponse,
        "description": "The answer; or a stream of `search_results`, `message`, `citation` and `final_answer` events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

router = APIRouter(tags=["answers"], responses=GUARDED)


@router.post("/answers", response_model=AnswerResponse, responses=_STREAM, summary="Ask a collection")
async def answer(
    body: AnswerBody,
    kb: Kb,
    caller: ReadCaller,
    state: State,
    threads: Threads,
    request: Request,
    accept: Annotated[str, Header(description="application/json alone asks for the whole answer at once.")] = "*/*",
) -> Response:
    """An answer from the documents that the caller may read, with citations; refused where they do not hold one."""
    check_reach(state, body.collection)
    question = _Question(kb, caller, body, session_of(request))
    if _streams(body, accept):
        return await stream(threads, question.events(), _failed)
    found = await threads.answer(question.answer)
    state.searched = found.search
    return JsonResponse(answer_json(found.answer, found.search))


class _Question:
    """A checked request, ready to be answered either way."""

    def __init__(self, kb: KnowledgeBase, caller: Caller, body: AnswerBody, session: str) -> None:
        self._kb = kb
        self._session = session
        self._body = body
        self._principal: Principal = principal_of(caller, body.as_groups)
        self._filter: Filter | None = None if body.filter is None else parse_filter(body.filter)
        self._history = [Turn(turn.role, turn.text) for turn in body.history]

    def answer(self) -> AnswerResult:
        body = self._body
        existing(self._kb, body.collection)
        return self._kb.answer(
            body.collection,
            body.question,
            self._principal,
            history=self._history,
            filter=self._filter,
            top_k=body.top_k,
            session=self._session,
        )

    def events(self) -> Iterator[Event]:
        body = self._body
        existing(self._kb, body.collection)
        search: SearchResult | None = None
        for item in self._kb.stream_answer(
            body.collection,
            body.question,
            self._principal,
            history=self._history,
            filter=self._filter,
            top_k=body.top_k,
            session=self._session,
        ):
            match item:
                case SearchResult():
                    search = item
                    yield "search_results", result_json(item, explain=False)
                case AnswerPiece(text):
                    yield "message", {"text": text}
                case CitationEvent(citation):
                    yield "citation", citation_json(citation)
                case FinalAnswer(written):
                    assert search is not None
                    yield "final_answer", answer_json(written, search)


def _streams(body: AnswerBody, accept: str) -> bool:
    if body.stream is not None:
        return body.stream
    return "text/event-stream" in accept or "application/json" not in accept


def _failed(error: ApiError) -> Event:
    return "error", {"code": error.code, "message": error.message}
