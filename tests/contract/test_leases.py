"""Leases and published positions, on both databases; notices wake followers on PostgreSQL."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest
from waiting import eventually

from retrieval.catalog import Catalog, Commit, Upsert
from retrieval.types import Chunk, Document


def test_one_holder_at_a_time(catalog: Catalog) -> None:
    leases = catalog.leases
    assert leases.acquire("views", "a", 30)
    assert not leases.acquire("views", "b", 30)
    assert leases.acquire("views", "a", 30), "the holder renews"
    assert leases.acquire("other", "b", 30), "another name is another lease"
    assert leases.holder("views") == "a"
    leases.release("views", "b")
    assert leases.holder("views") == "a", "only the holder gives it up"
    leases.release("views", "a")
    assert leases.holder("views") is None
    assert leases.acquire("views", "b", 30)


def test_a_lease_ends_by_itself(catalog: Catalog) -> None:
    assert catalog.leases.acquire("views", "a", 0.05)
    time.sleep(0.1)
    assert catalog.leases.holder("views") is None
    assert catalog.leases.acquire("views", "b", 30)
    assert not catalog.leases.acquire("views", "a", 30)


def test_a_clock_that_was_ahead_keeps_nobody_out(catalog: Catalog) -> None:
    assert catalog.leases.acquire("views", "a", 10 * 365 * 86_400)
    assert catalog.leases.acquire("views", "b", 30)
    assert not catalog.leases.acquire("views", "a", 30)


def test_many_want_it_and_one_gets_it(catalog: Catalog) -> None:
    got: list[str] = []
    start = threading.Barrier(8)

    def take(name: str) -> None:
        start.wait()
        if catalog.leases.acquire("views", name, 30):
            got.append(name)

    threads = [threading.Thread(target=take, args=(f"p{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [catalog.leases.holder("views")]


def test_positions_are_what_was_published_last(catalog: Catalog) -> None:
    collection = catalog.collections.create("c", "hash", "f")
    assert catalog.positions.read(collection.id, "index") == 0
    for seq in (7, 9, 3):
        catalog.positions.publish(collection.id, "index", seq)
        assert catalog.positions.read(collection.id, "index") == seq
    assert catalog.positions.read(collection.id, "another") == 0


@pytest.mark.server
def test_a_commit_wakes_listeners_of_other_processes(fresh_postgres: str) -> None:
    writer, reader = Catalog(fresh_postgres), Catalog(fresh_postgres)
    collection = writer.collections.create("c", "hash", "f")
    other = writer.collections.create("other", "hash", "f")
    heard, missed = threading.Event(), threading.Event()
    reader.notices.listen(collection.id, heard.set)
    reader.notices.listen(other.id, missed.set)
    texts = count()

    def written() -> bool:
        change = Upsert(Document("a", f"text {next(texts)}"), [Chunk(0, "text", 0, 4)])
        writer.writer.commit(collection.id, Commit([change]))
        return heard.wait(0.2)

    eventually(written, what="a notice")  # the thread does not listen at once
    assert not missed.is_set()
    assert reader.notices.are_heard and not writer.notices.are_heard
    reader.notices.forget(collection.id, heard.set)
    reader.close()
    assert not reader.notices.are_heard
    writer.close()
