"""Hits by document against hits by chunk, grouped here: while all pass the catalog, and when it drops some of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Deletion, Document

NAME, DOCUMENTS, TOP = "grouped", 25, 8
WORDS = [f"word{number}" for number in range(60)]


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    choose = random.Random(5)
    settings = Settings(data_dir=Path(tmp_path_factory.mktemp("grouped")), encoder="hash")
    with KnowledgeBase.open(settings) as opened:
        opened.ensure_collection(NAME)
        # some of many chunks, so that the best chunks are often of one document, and some of one
        documents = [
            Document(f"d{number}", " ".join(choose.choices(WORDS, k=choose.choice((30, 900)))), f"title {number}")
            for number in range(DOCUMENTS)
        ]
        opened.write(NAME, documents, wait=True)
        yield opened


def grouped(kb: KnowledgeBase, query: str, top: int) -> list[str]:
    """The oracle: all chunks in order, each document at its best one."""
    chunks = kb.search(NAME, SearchRequest(query, 1_000, group_by="chunk"), OPERATOR).hits
    return list(dict.fromkeys(hit.document_id for hit in chunks))[:top]


def found(kb: KnowledgeBase, query: str, top: int) -> list[str]:
    return [hit.document_id for hit in kb.search(NAME, SearchRequest(query, top), OPERATOR).hits]


@pytest.mark.parametrize("top", [1, TOP])
def test_a_document_counts_once_at_its_best_chunk(kb: KnowledgeBase, top: int) -> None:
    for query in ("word1 word2", "word7", "word3 word4 word5 word6"):
        # the same depth for both, since a leg that is cut later may rank otherwise
        assert found(kb, query, 1_000)[:top] == grouped(kb, query, top)
        shown = found(kb, query, top)
        assert len(set(shown)) == len(shown) <= top


def test_what_the_catalog_drops_makes_room(kb: KnowledgeBase) -> None:
    first = found(kb, "word1 word2", TOP)
    runtime = kb.runtime(NAME)
    with runtime.follower.paused():  # the views still hold what is deleted
        runtime.pipeline.write([Deletion(first[0].partition("/")[2]), Deletion(first[3].partition("/")[2])])
        after = found(kb, "word1 word2", TOP)
        assert len(after) == len(set(after)) == TOP
        assert first[0] not in after
        assert first[3] not in after
        assert after[: TOP - 2] == [one for one in first if one not in (first[0], first[3])]
