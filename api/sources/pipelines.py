"""The pipelines that bring changes of live sources into their collections."""

from __future__ import annotations

from api.knowledge_base import KnowledgeBase
from ingest.kafka.timed_encoder import TimedEncoder
from ingest.pipeline import Pipeline
from ingest.targets import LiveTargets
from retrieval.catalog import Collection
from retrieval.contracts import Encoder
from retrieval.errors import NotFoundError


class Pipelines:
    """The pipeline of each collection; no view is opened for it. Its generations are read again when they change."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._made: dict[int, Pipeline] = {}
        self._timed: dict[str, TimedEncoder] = {}

    def of(self, collection_id: int) -> Pipeline:
        """The pipeline of that collection. Raises `NotFoundError` when it was dropped, `OutageError`."""
        if collection_id not in self._made:
            record = self._record(collection_id)
            targets = LiveTargets(self._kb.catalog, collection_id, self._open)
            self._made[collection_id] = Pipeline(self._kb.catalog, record, targets)
        return self._made[collection_id]

    def _record(self, collection_id: int) -> Collection:
        for record in self._kb.catalog.collections.all():
            if record.id == collection_id:
                return record
        raise NotFoundError(f"collection number {collection_id} was dropped")

    def _open(self, name: str) -> Encoder:
        encoder = self._kb.open_encoder(name)
        known = self._timed.get(name)
        if known is None or known.fingerprint != encoder.fingerprint:
            known = self._timed[name] = TimedEncoder(encoder)
        return known
