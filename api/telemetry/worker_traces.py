"""A worker's batches as traces, and each row that became a document in a trace of its own, linked to its batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.telemetry.traces import row_place
from infra.telemetry import Attribute, Place, Span, Traces, end_to_end
from ingest.kafka.message import Message
from ingest.kafka.observer import Applied, Lag, Observer, SourceName
from retrieval.catalog import Catalog, Collection, Outcome, Upsert
from retrieval.types import Deletion, SourcePosition

ORDER = ("poll", "parse", "map", "prepare", "encode", "commit")  # of a batch's stages
REACHES_VIEWS = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.METADATA, Outcome.DELETED})


class WorkerTraces:
    """An `Observer` that tells another, then traces."""

    def __init__(self, catalog: Catalog, traces: Traces, then: Observer) -> None:
        self._catalog = catalog
        self._traces = traces
        self._then = then
        self._polled = 0.0
        self._collections: dict[int, Collection] = {}

    def applied(self, batch: Applied) -> None:
        """See `Observer`."""
        self._then.applied(batch)
        stages = {"poll": self._polled, **batch.stages}
        self._polled = 0.0  # one poll brings the batches of several sources; the first has waited for it
        ended = batch.cataloged_at.timestamp()
        began = ended - sum(stages.values())
        attributes: dict[str, Attribute] = {
            "kb.source": batch.source,
            "kb.events": batch.events,
            "kb.dead_letters": batch.dead_letters,
        }
        spans = end_to_end(began, {name: stages[name] for name in ORDER if name in stages})
        place = self._traces.record(Span("batch", began, ended, attributes, spans, failed=batch.dead_letters > 0))
        self._rows(batch, began + stages["poll"], place)

    def polled(self, seconds: float) -> None:
        """See `Observer`."""
        self._polled = seconds
        self._then.polled(seconds)

    def lag(self, by_source: Mapping[SourceName, Lag]) -> None:
        """See `Observer`."""
        self._then.lag(by_source)

    def stopped_for(self, reason: str, pause_seconds: float) -> None:
        """See `Observer`."""
        self._then.stopped_for(reason, pause_seconds)

    def ended(self) -> None:
        """See `Observer`."""
        self._then.ended()

    def _rows(self, batch: Applied, began: float, link: Place) -> None:
        collection = self._collection(batch.collection_id) if batch.written else None
        if collection is None:
            return
        messages: dict[SourcePosition, Message] | None = None
        for change, outcome in batch.written:
            document = change.document if isinstance(change, Upsert) else change
            if outcome not in REACHES_VIEWS or document.position is None:
                continue
            place = row_place(collection, document.key, document.position.encode())
            if self._traces.keeps(place):
                messages = _by_position(batch) if messages is None else messages
                span = _row_span(batch, change, outcome, began, messages.get(document.position))
                self._traces.record(span, place=place, link=link)

    def _collection(self, number: int) -> Collection | None:
        if number not in self._collections:
            self._collections = {collection.id: collection for collection in self._catalog.collections.all()}
        return self._collections.get(number)


def _by_position(batch: Applied) -> dict[SourcePosition, Message]:
    return {event.position: message for message, events in batch.read for event in events if event.position is not None}


def _row_span(
    batch: Applied, change: Upsert | Deletion, outcome: Outcome, applied_from: float, message: Message | None
) -> Span:
    """From the commit at the source to that in the catalog; before it is applied it waits for Debezium and Kafka."""
    document = change.document if isinstance(change, Upsert) else change
    ended = batch.cataloged_at.timestamp()
    committed = applied_from if document.committed_at is None else document.committed_at.timestamp()
    began = min(committed, applied_from)  # clocks of two machines may differ
    attributes: dict[str, Attribute] = {
        "kb.source": batch.source,
        "kb.document": document.key,
        "kb.outcome": outcome.value,
    }
    if message is not None:
        attributes |= _place_in_kafka(message)
    parts: Sequence[Span] = (Span("arrive", began, applied_from), Span("apply", applied_from, ended))
    return Span("row", began, ended, attributes, parts)


def _place_in_kafka(message: Message) -> dict[str, Attribute]:
    """By OpenTelemetry's names for messaging."""
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": message.topic,
        "messaging.destination.partition.id": str(message.partition),
        "messaging.kafka.offset": message.offset,
    }
