"""A live source compared with what the catalog holds of it: every kind of planted difference is found and mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from test_postgres_source import load_chinook

import api.sources.second_look
from api.knowledge_base import KnowledgeBase
from api.sources.live_sources import LiveSources
from api.upkeep.maintenance import verify_collection
from infra.settings import Settings
from ingest.connect.address import DatabaseAddress
from ingest.row_mapper import RowMapper
from ingest.rows import MemoryRows
from ingest.sources.sql import SqlSource
from ingest.table_mapping import parse_mapping
from retrieval.catalog import schema
from retrieval.search.types import SearchRequest
from retrieval.types import OPERATOR, Document

pytestmark = [pytest.mark.server, pytest.mark.data, pytest.mark.slow]

TABLES = {
    "public.album": {
        "title": "title",
        "body": "{title} by {artist.name}. Tracks: {tracks.name}",
        "metadata": {"artist": "artist.name"},
        "include": {
            "artist": {"table": "public.artist", "on": {"artist_id": "artist_id"}},
            "tracks": {"table": "public.track", "on": {"album_id": "album_id"}, "many": True},
        },
    },
    "public.invoice": {"title": "invoice_id", "body": "{invoice_date} {total} {billing_city}", "metadata": ["total"]},
}


@pytest.fixture
def shop(fresh_postgres: str, data_dir_public: Path) -> str:
    url = fresh_postgres.replace("postgresql+psycopg", "postgresql")
    load_chinook(url, data_dir_public / "sql_chinook" / "chinook_postgresql.sql")
    return url


@pytest.fixture
def kb(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KnowledgeBase]:
    """A knowledge base with a live source that nothing has been read of yet."""
    monkeypatch.setattr(api.sources.second_look, "SECOND_LOOK_SECONDS", 0.0)
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as opened:
        collection = opened.create_collection("music")
        address = DatabaseAddress.parse(shop if "@" in shop else shop.replace("://", "://postgres@"))
        config = {"engine": "postgresql", "tables": TABLES, "topic_prefix": "kb-1", "url": address.plain}
        secret = LiveSources(opened).setup.encrypted(address)
        opened.catalog.sources.create(collection, "shop", "database", config, secret)
        yield opened


def expected(shop: str) -> dict[str, Document]:
    """The documents that a snapshot of the same tables renders to."""
    mapping = parse_mapping({"tables": TABLES})
    mapper = RowMapper(mapping, MemoryRows())
    events = [event for batch in SqlSource(shop, mapping).poll(None) for event in batch.row_changes]
    return {one.key: one for one in mapper.apply(events) if isinstance(one, Document)}


def held(kb: KnowledgeBase) -> dict[str, tuple[str, Any]]:
    collection = kb.catalog.collections.get("music")
    keys = kb.catalog.documents.keys(collection)
    documents = [kb.catalog.documents.get(collection, key, OPERATOR).document for key in keys]
    return {one.key: (one.text, one.metadata) for one in documents}


def agrees(kb: KnowledgeBase, shop: str) -> bool:
    wanted = {key: (one.text.strip(), dict(one.metadata)) for key, one in expected(shop).items()}
    return {key: (text.strip(), dict(metadata)) for key, (text, metadata) in held(kb).items()} == wanted


def plant(kb: KnowledgeBase, *statements: sa.Executable) -> None:
    with kb.catalog._engine.begin() as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount >= 1


ROWS, DOCUMENTS = schema.source_rows, schema.documents
OF_ALBUM_1 = (ROWS.c.table_name == "public.album") & (ROWS.c.row_key == "1")
PLANTED: dict[str, Callable[[], list[sa.Executable]]] = {
    "a row that never arrived": lambda: [ROWS.delete().where(OF_ALBUM_1)],
    "a row of older content": lambda: [
        ROWS.update().where(OF_ALBUM_1).values(data={"album_id": 1, "title": "An old title", "artist_id": 1})
    ],
    "a row that is gone at the source": lambda: [
        ROWS.insert().values(
            source_id=1,
            table_name="public.album",
            row_key="9999",
            position="[1, 0]",
            data={"album_id": 9999, "title": "Never made", "artist_id": 1},
        )
    ],
    "a joined row of older content": lambda: [
        ROWS.update()
        .where(ROWS.c.table_name == "public.artist", ROWS.c.row_key == "1")
        .values(data={"artist_id": 1, "name": "CD/AB"})
    ],
    "a document that was lost": lambda: [
        DOCUMENTS.update().where(DOCUMENTS.c.key == "public.album/2").values(deleted=True, seq=0)
    ],
    "a document with other rights": lambda: [
        DOCUMENTS.update().where(DOCUMENTS.c.key == "public.album/2").values(acl=["strangers"], content_hash="x")
    ],
    "a text altered past the writer": lambda: [
        schema.document_texts.update()
        .where(
            schema.document_texts.c.number.in_(sa.select(DOCUMENTS.c.number).where(DOCUMENTS.c.key == "public.album/3"))
        )
        .values(text="something else")
    ],
}


def test_everything_planted_is_found_and_mended(kb: KnowledgeBase, shop: str) -> None:
    first = verify_collection(kb, "music")
    assert first.sources["shop"].rows["missing"] == first.sources["shop"].rows_compared > 4_000
    assert verify_collection(kb, "music", repair=True).repaired, "from nothing, mending is a snapshot"
    assert agrees(kb, shop)
    assert verify_collection(kb, "music").in_step
    for what, statements in PLANTED.items():
        plant(kb, *statements())
        found = verify_collection(kb, "music")
        assert not found.in_step, what
        assert verify_collection(kb, "music", repair=True).repaired, what
        assert verify_collection(kb, "music").in_step, what
        assert agrees(kb, shop), what
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("UPDATE artist SET name = 'Les Zébulons' WHERE artist_id = 1")
        connection.execute("DELETE FROM invoice_line WHERE invoice_id = 5")
        connection.execute("DELETE FROM invoice WHERE invoice_id = 5")
    assert verify_collection(kb, "music").sources["shop"].rows == {"changed": 1, "surplus": 1}
    assert verify_collection(kb, "music", repair=True).repaired
    assert agrees(kb, shop)
    hits = kb.search("music", SearchRequest("Zébulons", 50), OPERATOR).hits
    assert {hit.chunk.metadata["artist"] for hit in hits if "Zébulons" in hit.chunk.text} == {"Les Zébulons"}


def test_a_source_that_cannot_be_reached_is_said_so(kb: KnowledgeBase) -> None:
    collection = kb.catalog.collections.get("music")
    source = kb.catalog.sources.get(collection, "shop")
    config = source.config | {"url": "postgresql://nobody@127.0.0.1:9/nothing"}
    kb.catalog.sources.change(source, config=config)
    verdict = verify_collection(kb, "music")
    assert verdict.in_step
    assert "127.0.0.1:9" in verdict.sources["shop"].unreachable
    assert "not compared" in verdict.sentence()
