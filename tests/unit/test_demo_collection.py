"""`kb demo` makes its collection anew, and touches no other that has the same name."""

from __future__ import annotations

from pathlib import Path

import pytest
from kb_ingestion import kb, put

from api.commands.demo import COLLECTION, ROWS_SOURCE, make_room
from api.knowledge_base import KnowledgeBase
from api.sources.opening import open_source
from infra.sample.company import Company, write_company
from retrieval.errors import ConflictError
from retrieval.types import Document

__all__ = ["kb"]


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return write_company(tmp_path / "sample")


def test_what_an_earlier_demo_left_makes_room(kb: KnowledgeBase, company: Company) -> None:
    make_room(kb, company)
    kb.create_collection(COLLECTION)
    address = f"sqlite:///{company.database}"
    opened = open_source(kb, COLLECTION, address, ROWS_SOURCE, "sql", company.mapping)
    kb.ingest(COLLECTION, opened.source, rows=opened.rows)
    make_room(kb, company)
    assert COLLECTION not in {collection.name for collection in kb.catalog.collections.all()}


@pytest.mark.parametrize("over_rest", [False, True])
def test_a_collection_with_other_documents_is_refused_and_kept(
    kb: KnowledgeBase, company: Company, tmp_path: Path, over_rest: bool
) -> None:
    collection = kb.create_collection(COLLECTION)
    if over_rest:
        kb.write(COLLECTION, [Document("ours", "Words of ours")])
    else:
        put(tmp_path / "in" / "ours.txt", "Words of ours")
        kb.ingest(COLLECTION, open_source(kb, COLLECTION, str(tmp_path / "in" / "ours.txt")).source)
    before = kb.catalog.documents.keys(collection)
    with pytest.raises(ConflictError, match="not the demo's.*KB_DATA_DIR"):
        make_room(kb, company)
    assert kb.catalog.documents.keys(collection) == before and len(before) == 1
    kb.drop_collection(COLLECTION)
