"""Dead letters of live sources, tried once more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from api.knowledge_base import KnowledgeBase
from api.worker import Pipelines
from ingest.kafka.message import Message
from ingest.kafka.replay import Replay, Replayed, fetch_message
from retrieval.catalog import Collection
from retrieval.catalog.sources import DeadLetterRecord


def replay(kb: KnowledgeBase, collection: Collection, letters: Sequence[DeadLetterRecord]) -> list[Replayed]:
    """What became of each. Raises `OutageError`; letters before that one are settled."""
    pipeline = Pipelines(kb).of(collection.id)
    fetch = partial(fetch_message, kb.settings.kafka_bootstrap_servers) if _names_kafka(kb) else _not_there
    return Replay(kb.catalog, collection, pipeline, fetch).run(letters)


def _names_kafka(kb: KnowledgeBase) -> bool:
    return bool(kb.settings.kafka_bootstrap_servers)


def _not_there(topic: str, partition: int, offset: int) -> Message | None:
    return None
