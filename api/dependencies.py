"""What routes ask for, as one vocabulary of annotated types.

    @router.post("/collections/{collection}/things")
    def make(kb: Kb, caller: WriteCaller, collection: CollectionName, page: PageQuery) -> JsonResponse: ...

Who asks was settled by the middleware before any route runs (api/access/security.py); here it is only asked for.
`ReadCaller`, `WriteCaller` and `AdminCaller` demand a scope; what a `WriteCaller` or `AdminCaller` route does goes to
the audit log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeAlias

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import HTTPBearer

from api.access.callers import Caller
from api.access.request_state import RequestState, state_of
from api.access.security import Authenticator
from api.errors import forbidden, no_such_collection, unauthenticated
from api.http.paging import DEFAULT_PAGE, MAX_PAGE, Page
from api.http.workers import Workers
from api.jobs.contract import JobRunner
from api.knowledge_base import KnowledgeBase
from api.readiness import Readiness
from api.services import of_request
from api.telemetry.observation import Metrics
from api.wire.base import COLLECTION_PATTERN
from retrieval.catalog import Collection
from retrieval.catalog.keys import Scope
from retrieval.errors import NotFoundError
from retrieval.types import Principal

BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key `kb_…`, or a JWT of the issuer.")


async def _knowledge_base(request: Request) -> KnowledgeBase:
    return of_request(request).kb


async def _state(request: Request) -> RequestState:
    return state_of(request.scope)


async def _authenticator(request: Request) -> Authenticator:
    return of_request(request).authenticator


async def _metrics(request: Request) -> Metrics:
    return of_request(request).metrics


async def _readiness(request: Request) -> Readiness:
    return of_request(request).readiness


async def _jobs(request: Request) -> JobRunner:
    return of_request(request).jobs


async def _workers(request: Request) -> Workers:
    return of_request(request).workers


Kb: TypeAlias = Annotated[KnowledgeBase, Depends(_knowledge_base)]
State: TypeAlias = Annotated[RequestState, Depends(_state)]
Authentication: TypeAlias = Annotated[Authenticator, Depends(_authenticator)]
Meters: TypeAlias = Annotated[Metrics, Depends(_metrics)]
Ready: TypeAlias = Annotated[Readiness, Depends(_readiness)]
Runner: TypeAlias = Annotated[JobRunner, Depends(_jobs)]
Threads: TypeAlias = Annotated[Workers, Depends(_workers)]


def _requires(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def check(state: State, _: Annotated[object, Security(BEARER)]) -> Caller:
        caller = state.caller
        if caller is None:
            raise unauthenticated("this route needs a key; send it as `Authorization: Bearer kb_…`")
        state.audited = scope is not Scope.READ
        if not caller.scope.includes(scope):
            raise forbidden(f"your key has scope {caller.scope}, this needs {scope}; ask an operator for such a key")
        return caller

    check.__name__ = f"requires_{scope}"
    return check


ReadCaller: TypeAlias = Annotated[Caller, Depends(_requires(Scope.READ))]
WriteCaller: TypeAlias = Annotated[Caller, Depends(_requires(Scope.WRITE))]
AdminCaller: TypeAlias = Annotated[Caller, Depends(_requires(Scope.ADMIN))]


async def _operator(caller: AdminCaller) -> Caller:
    if caller.collections is not None:
        raise forbidden("this concerns all collections; it needs an admin key that is not limited to some")
    return caller


Operator: TypeAlias = Annotated[Caller, Depends(_operator)]  # an admin of all collections


def check_reach(state: RequestState, collection: str) -> str:
    """The collection's name, for routes that have it in their body. Raises `ApiError` 404 where it is out of reach."""
    if state.caller is None or not state.caller.reaches(collection):
        state.denied = True
        raise no_such_collection(collection)
    return collection


async def _reachable(
    state: State,
    collection: Annotated[
        str, Path(description="Name of the collection.", pattern=COLLECTION_PATTERN, examples=["handbook"])
    ],
) -> str:
    return check_reach(state, collection)


async def _reachable_by_query(
    state: State,
    collection: Annotated[
        str, Query(description="Name of the collection.", pattern=COLLECTION_PATTERN, examples=["handbook"])
    ],
) -> str:
    return check_reach(state, collection)


CollectionName: TypeAlias = Annotated[str, Depends(_reachable)]  # put it after ReadCaller, WriteCaller or AdminCaller
CollectionQuery: TypeAlias = Annotated[str, Depends(_reachable_by_query)]


def existing(kb: KnowledgeBase, collection: str) -> Collection:
    """The collection's row. Raises `ApiError` 404 in the words that also meet those who may not reach it."""
    try:
        return kb.catalog.collections.get(collection)
    except NotFoundError:
        raise no_such_collection(collection) from None


def principal_of(caller: Caller, as_groups: Sequence[str] | None) -> Principal:
    """Whose rights a search has: the caller's, narrowed to `as_groups` where given. Raises `ApiError` 403."""
    if as_groups is None:
        return caller.principal
    narrowed = caller.narrowed(as_groups)
    if narrowed is None:
        raise forbidden("as_groups names a group that you are not in; leave it out or name your own groups only")
    return narrowed


async def _page(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items of the page at most.")] = DEFAULT_PAGE,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=4096)] = None,
) -> Page:
    return Page(limit, cursor)


PageQuery: TypeAlias = Annotated[Page, Depends(_page)]
