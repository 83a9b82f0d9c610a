"""Dead letters of live sources, tried once more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from api.knowledge_base import KnowledgeBase
from api.sources.pipelines import Pipelines
from ingest.kafka.replay import Fetch, Replay, Replayed, fetch_message
from retrieval.catalog import Collection
from retrieval.catalog.sources import DeadLetterRecord


def replay(kb: KnowledgeBase, collection: Collection, letters: Sequence[DeadLetterRecord]) -> list[Replayed]:
    """What became of each. Raises `OutageError`; letters before that one are settled."""
    pipeline = Pipelines(kb).of(collection.id)
    brokers = kb.settings.kafka_bootstrap_servers
    fetch: Fetch = partial(fetch_message, brokers) if brokers else lambda *_: None  # else only the kept bytes
    return Replay(kb.catalog, collection, pipeline, fetch).run(letters)
