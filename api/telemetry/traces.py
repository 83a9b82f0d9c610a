"""What is traced: a request with the legs of its search, and a row from its event until searches see it.

Whoever applied a row's event and whoever made it searchable are two processes that never talk. Both derive the place
of the row's trace from what the catalog holds of the document: its key and its position in the source.
"""

from __future__ import annotations

import time

from api.access.request_state import RequestState
from infra.telemetry import Attribute, Place, Span, Traces, end_to_end
from ingest.kafka.live_sources import LIVE
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.arrivals import Arrival
from retrieval.search.types import SearchResult

LOOK_SECONDS = 10.0  # how late a new live source is noticed
SERVER_ERROR = 500  # and over, or 0 for no answer: the request failed by our fault


def request_span(method: str, route: str, status: int, seconds: float, state: RequestState) -> Span:
    """A request that ended now after so many seconds, with its search. Neither query nor document is in it."""
    ended = time.time()
    attributes: dict[str, Attribute] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "kb.request_id": state.request_id,
    }
    children = [] if state.searched is None else [search_span(state.searched)]
    failed = status >= SERVER_ERROR or not status
    return Span(f"{method} {route}", ended - seconds, ended, attributes, children, failed=failed, serves=True)


def search_span(result: SearchResult) -> Span:
    """A search with its stages as they followed each other."""
    began = result.as_of.timestamp()
    stages = end_to_end(began, {name: milliseconds / 1000 for name, milliseconds in result.stages.items()})
    attributes: dict[str, Attribute] = {"kb.hits": len(result.hits), "kb.seq": result.seq}
    if result.degraded:
        attributes["kb.degraded"] = ",".join(result.degraded)
    return Span("search", began, began + result.took_ms / 1000, attributes, stages)


def row_place(collection: Collection, key: str, position: str) -> Place:
    """Where the trace of a document's version begins; the same in every process on this catalog."""
    return Place.derived(collection.created_at.isoformat(), collection.id, key, position)


class ArrivalTraces:
    """Tells when a row's document became searchable, under the span in which a worker applied the row's event."""

    def __init__(self, catalog: Catalog, traces: Traces) -> None:
        self._catalog = catalog
        self._traces = traces
        self._live: frozenset[tuple[int, str]] = frozenset()
        self._looked_at = float("-inf")

    def seen(self, collection: Collection, arrival: Arrival, at: float) -> None:
        """Searches of this process see it since `at`, in seconds since 1970."""
        if arrival.position is None or not self._is_live(collection, arrival.source):
            return
        place = row_place(collection, arrival.key, arrival.position)
        if self._traces.keeps(place):
            attributes: dict[str, Attribute] = {"kb.collection": collection.name, "kb.seq": arrival.seq}
            began = arrival.cataloged_at.timestamp()
            self._traces.record(Span("searchable", began, max(began, at), attributes), parent=place)

    def _is_live(self, collection: Collection, source: str) -> bool:
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._live = frozenset((one.collection_id, one.name) for one in self._catalog.sources.live(LIVE))
        return (collection.id, source) in self._live
