"""A collection that is deleted while work goes on with what it held: that it is gone is said as of any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from change_events import live_source

from api.jobs import compaction as retention
from api.knowledge_base import KnowledgeBase
from api.sources.live_sources import LiveSources
from infra.settings import load_settings
from retrieval.errors import NotFoundError


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash")) as opened:
        yield opened


def test_a_sources_collection_does_not_exist_any_more(kb: KnowledgeBase) -> None:
    source = live_source(kb.catalog, kb.create_collection("c"), "shop", "kb-1")
    kb.drop_collection("c")
    with pytest.raises(NotFoundError, match="collection of source 'shop' was deleted"):
        LiveSources(kb).collection_of(source)


def test_a_generation_that_is_to_retire_does_not_exist_any_more(kb: KnowledgeBase) -> None:
    record = kb.create_collection("c")
    kb.drop_collection("c")
    with pytest.raises(NotFoundError):
        retention._retire_standby(kb, record, 1)
