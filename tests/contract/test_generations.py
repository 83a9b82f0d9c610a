"""Generations in the catalog: the pointer, the epoch, shared chunks, and catalogs from before there were any."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from retrieval.catalog import Catalog, Collection, CollectionSettings, Commit, Upsert
from retrieval.catalog.engine import open_engine, writing
from retrieval.catalog.generations import GenerationState
from retrieval.errors import ConflictError, NotFoundError, OvertakenError
from retrieval.types import OPERATOR, Chunk, Document

SETTINGS = {"chunker": "structure", "chunk_tokens": 220, "dictionary": [], "synonyms": []}


def upsert(key: str, text: str, **others: str) -> Upsert:
    """A document of one chunk; `others` are its chunks for other chunkings, named c2, c3 …"""
    cuts = {int(name[1:]): [Chunk(0, part, 0, len(part))] for name, part in others.items()}
    return Upsert(Document(key, text), [Chunk(0, text, 0, len(text))], others=cuts)


def test_a_commit_of_an_older_epoch_is_refused_whole(catalog: Catalog, handbook: Collection) -> None:
    epoch = catalog.generations.active(handbook.id).epoch
    catalog.generations.begin(handbook, "hash", "other", SETTINGS)
    with pytest.raises(OvertakenError, match="prepare the changes anew"):
        catalog.writer.commit(handbook.id, Commit([upsert("a", "text")], epoch=epoch))
    assert catalog.documents.keys(handbook) == set()
    catalog.writer.commit(handbook.id, Commit([upsert("a", "text")], epoch=epoch + 1))


@pytest.mark.parametrize("act", ["activate", "retire"])
def test_whatever_changes_what_a_commit_carries_advances_the_epoch(
    catalog: Catalog, handbook: Collection, act: str
) -> None:
    other = catalog.generations.begin(handbook, "hash", "other", SETTINGS)
    catalog.generations.finish(handbook, other.id, {})
    before = catalog.generations.active(handbook.id).epoch
    getattr(catalog.generations, act)(handbook, other.id)
    assert catalog.generations.active(handbook.id).epoch > before


def test_the_same_cutting_is_shared_and_another_has_its_own(catalog: Catalog, handbook: Collection) -> None:
    same = catalog.generations.begin(handbook, "hash", "other", SETTINGS | {"synonyms": [["a", "b"]]})
    assert same.chunking == handbook.chunking
    catalog.generations.finish(handbook, same.id, {})
    finer = catalog.generations.begin(handbook, "hash", "fp", SETTINGS | {"chunk_tokens": 160})
    assert finer.chunking != handbook.chunking
    catalog.generations.retire(handbook, finer.id)
    again = catalog.generations.begin(handbook, "hash", "fp", SETTINGS | {"chunk_tokens": 160})
    assert again.chunking not in (finer.chunking, handbook.chunking)  # its chunks may still be being deleted


def test_each_generation_sees_its_own_chunks(catalog: Catalog, handbook: Collection) -> None:
    finer = catalog.generations.begin(handbook, "hash", "fp", SETTINGS | {"chunk_tokens": 160})
    mine = catalog.collections.seen_by(handbook.id, finer.id)
    catalog.writer.commit(handbook.id, Commit([upsert("a", "coarse", c2="fine")]))
    assert [chunk.text for _, chunk in catalog.documents.chunks(handbook, "a")] == ["coarse"]
    assert [chunk.text for _, chunk in catalog.documents.chunks(mine, "a")] == ["fine"]
    former = {label for one in (handbook, mine) for label, _ in catalog.documents.chunks(one, "a")}
    catalog.writer.commit(handbook.id, Commit([upsert("a", "changed")]))  # nobody cut it for the finer one
    assert catalog.documents.chunks(mine, "a") == []
    assert catalog.documents.visible(handbook, sorted(former), OPERATOR) == {}
    assert [one.document.key for one in catalog.recutting.uncut(mine, 10)] == ["a"]


def test_a_document_that_changed_is_not_given_chunks_of_its_former_text(catalog: Catalog, handbook: Collection) -> None:
    catalog.writer.commit(handbook.id, Commit([upsert("a", "former"), upsert("b", "same")]))
    finer = catalog.generations.begin(handbook, "hash", "fp", SETTINGS | {"chunk_tokens": 160})
    mine = catalog.collections.seen_by(handbook.id, finer.id)
    read = catalog.recutting.uncut(mine, 10)
    catalog.writer.commit(handbook.id, Commit([upsert("a", "newer")]))
    skipped = catalog.recutting.store(mine, [(one, [Chunk(0, one.document.text, 0, 6)]) for one in read])
    assert skipped == 1
    assert catalog.documents.chunks(mine, "a") == []
    assert [chunk.text for _, chunk in catalog.documents.chunks(mine, "b")] == ["same"]


def test_only_a_complete_generation_is_activated_and_the_serving_one_stays(
    catalog: Catalog, handbook: Collection
) -> None:
    other = catalog.generations.begin(handbook, "hash", "other", SETTINGS)
    with pytest.raises(ConflictError, match="building"):
        catalog.generations.activate(handbook, other.id)
    with pytest.raises(ConflictError, match="serves"):
        catalog.generations.retire(handbook, handbook.generation)
    with pytest.raises(NotFoundError):
        catalog.generations.activate(handbook, 999)
    catalog.generations.finish(handbook, other.id, {})
    catalog.generations.activate(handbook, other.id)
    assert catalog.collections.get("handbook").encoder_fingerprint == "other"
    assert catalog.generations.former(handbook).id == handbook.generation
    assert catalog.generations.get(handbook, other.id).state is GenerationState.SERVING


def test_a_complete_generation_that_has_not_served_is_found_again(catalog: Catalog, handbook: Collection) -> None:
    other = catalog.generations.begin(handbook, "hash", "other", SETTINGS)
    catalog.generations.finish(handbook, other.id, {})
    assert catalog.generations.begin(handbook, "hash", "other", SETTINGS).id == other.id
    catalog.generations.activate(handbook, other.id)
    catalog.generations.activate(handbook, handbook.generation)
    assert catalog.generations.begin(handbook, "hash", "other", SETTINGS).id != other.id  # one to go back to stays


def test_words_that_change_reach_every_generation_that_had_them_in_common(
    catalog: Catalog, handbook: Collection
) -> None:
    own = SETTINGS | {"dictionary": ["own"]}
    states = {}
    for state, settings in (("retired", SETTINGS), ("ready", own), ("standby", SETTINGS), ("building", SETTINGS)):
        states[state] = catalog.generations.begin(handbook, "hash", state, settings).id
        if state != "building":
            catalog.generations.finish(handbook, states[state], {})
    catalog.generations.retire(handbook, states["retired"])
    catalog.generations.activate(handbook, states["standby"])
    catalog.generations.activate(handbook, handbook.generation)
    catalog.collections.change_settings("handbook", synonyms=(("pump", "circulator"),), dictionary=("AX-12",))
    found = {
        one.id: (one.settings["dictionary"], one.settings["synonyms"]) for one in catalog.generations.all(handbook)
    }
    changed = (["AX-12"], [["pump", "circulator"]])
    assert found[handbook.generation] == found[states["standby"]] == found[states["building"]] == changed
    assert found[states["ready"]] == (["own"], changed[1])
    assert found[states["retired"]] == ([], [])
    # Whoever read the collection before builds, and finishes, by the words that serve now.
    assert catalog.generations.begin(handbook, "hash", "building", SETTINGS).id == states["building"]
    with pytest.raises(ConflictError, match="is unfinished"):
        catalog.generations.begin(handbook, "hash", "building", own)


def test_two_changes_of_settings_at_once_both_stay(catalog: Catalog, handbook: Collection) -> None:
    rounds, synonyms = 25, (("pump", "circulator"),)
    barrier = threading.Barrier(2)

    def change(**settings: object) -> None:
        barrier.wait()
        catalog.collections.change_settings("handbook", **settings)

    for number in range(rounds):
        catalog.collections.change_settings("handbook", default_acl=("everyone",), synonyms=())
        with ThreadPoolExecutor(2) as pool:
            for changing in (pool.submit(change, default_acl=("hr",)), pool.submit(change, synonyms=synonyms)):
                changing.result()
        settings = catalog.collections.get("handbook").settings
        assert (settings.default_acl, settings.synonyms) == (("hr",), synonyms), number
    with pytest.raises(NotFoundError):
        catalog.collections.change_settings("absent", synonyms=())


def test_a_catalog_without_generations_gets_one_of_each_collection(url: str) -> None:
    old = Catalog(url)
    settings = CollectionSettings(chunk_tokens=300, synonyms=(("pump", "circulator"),), default_acl=("staff",))
    collection = old.collections.create("handbook", "hash", "fp", settings)
    old.writer.commit(collection.id, Commit([upsert("a", "text")]))
    old.close()
    engine = open_engine(url)
    with writing(engine) as connection:
        command.downgrade(alembic(connection), "0002")
    with writing(engine) as connection:
        row = connection.execute(sa.text("SELECT encoder, encoder_fingerprint FROM collections")).one()
        assert tuple(row) == ("hash", "fp")
    engine.dispose()
    new = Catalog(url)
    found = new.collections.get("handbook")
    assert (found.settings, found.encoder, found.encoder_fingerprint) == (settings, "hash", "fp")
    assert [chunk.text for _, chunk in new.documents.chunks(found, "a")] == ["text"]
    (only,) = new.generations.all(found)
    assert only.state is GenerationState.SERVING
    new.close()


def alembic(connection: Connection) -> Config:
    """What `engine.migrate` configures, for going back."""
    import retrieval.catalog.migrations as migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config
