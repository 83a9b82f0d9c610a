"""The lease of a view on a server while one process applies to it."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyroaring import BitMap64

from retrieval.catalog import Catalog, schema, sqlite_url
from retrieval.catalog.engine import reading
from retrieval.errors import OutageError
from retrieval.types import ViewBatch
from retrieval.views import tracks
from retrieval.views.health import Health
from retrieval.views.tracks import SharedTrack

BATCH_SECONDS = 0.2
LEASE_SECONDS = 60.0  # a busy machine may stand still for a while


class SlowView:
    """A shared view whose server takes its time."""

    shared_name = "slow"
    refused_by = 0

    def __init__(self) -> None:
        self.seq = 0

    def apply(self, batch: ViewBatch) -> None:
        time.sleep(BATCH_SECONDS)
        self.seq = max(self.seq, batch.seq)

    def mend(self, batch: ViewBatch) -> None:
        raise NotImplementedError

    def labels(self) -> BitMap64:
        return BitMap64()

    def newer_than(self, seq: int) -> dict[int, int]:
        raise NotImplementedError

    def resume(self) -> int:
        return self.seq

    def restart(self) -> None:
        raise NotImplementedError

    def is_current(self) -> bool:
        return True

    def check(self) -> None:
        """It always answers."""

    def observe(self, seq: int) -> None:
        self.seq = seq


def test_a_long_build_keeps_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next process began the same build, and each would take the view from the other for ever."""
    monkeypatch.setattr(tracks, "LEASE_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(tracks, "RENEW_SECONDS", BATCH_SECONDS)
    catalog = Catalog(sqlite_url(tmp_path / "c.db"))
    collection = catalog.collections.create("c", "hash", "fingerprint")
    one, other = (SharedTrack("sparse", SlowView(), Health(), catalog, collection, name) for name in ("one", "other"))
    assert one.begin(1)
    ends = [lease_ends(catalog)]
    for _ in range(4):
        assert one.apply(ViewBatch(0, [], [], state=1), rebuilds=True)
        ends.append(lease_ends(catalog))
    renewed = [after for before, after in pairwise(ends) if after > before]
    assert len(renewed) >= 3, "each batch takes as long as a lease may go without being renewed"
    assert not other.begin(1)
    catalog.close()


class LostView(SlowView):
    """A shared view whose server is away for a while."""

    is_away = False

    def apply(self, batch: ViewBatch) -> None:
        if self.is_away:
            raise OutageError("away")
        self.seq = max(self.seq, batch.seq)


def test_after_an_outage_a_leg_is_behind_until_it_has_all_of_it(tmp_path: Path, instant_retries: None) -> None:
    """With a part of what was missed, searches still miss the rest: they must say so."""
    catalog, track, health, view = held_track(tmp_path)
    assert track.begin(1)
    assert track.apply(ViewBatch(1, [], []))
    view.is_away = True
    assert not track.apply(ViewBatch(2, [], []))
    view.is_away = False
    assert track.begin(9)
    assert track.apply(ViewBatch(5, [], []))
    assert health.troubles() == {"sparse": "it catches up: operation 5 of 9"}
    assert track.begin(12), "what came meanwhile is not of the outage"
    assert track.apply(ViewBatch(10, [], []))
    assert health.troubles() == {}
    catalog.close()


def test_who_only_watches_a_leg_catch_up_calls_it_behind_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant_retries: None
) -> None:
    catalog, writer, _, _ = held_track(tmp_path)
    collection = catalog.collections.get("c")
    assert writer.begin(1)
    assert writer.apply(ViewBatch(1, [], []))
    health = Health()
    watcher = SharedTrack("sparse", LostView(), health, catalog, collection, "other")
    assert not watcher.begin(1)
    monkeypatch.setattr(tracks, "STALL_SECONDS", 0.0)
    assert not watcher.begin(9)
    assert health.troubles() == {"sparse": "no process has applied anything after operation 1"}
    assert writer.apply(ViewBatch(5, [], []))
    assert not watcher.begin(12)
    assert health.troubles() == {"sparse": "it catches up: operation 5 of 12"}
    assert writer.apply(ViewBatch(12, [], []))
    assert not watcher.begin(20)
    assert health.troubles() == {}
    catalog.positions.publish(collection.id, "slow", 7)
    assert not watcher.begin(7), "the catalog was put back, and the view built again"
    assert health.troubles() == {}
    catalog.close()


@pytest.fixture
def instant_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that fell behind is tried again at once."""
    monkeypatch.setattr(tracks, "RETRY_SECONDS", 0.0)


def held_track(folder: Path) -> tuple[Catalog, SharedTrack, Health, LostView]:
    """A catalog with a collection, and the track that writes its view."""
    catalog = Catalog(sqlite_url(folder / "c.db"))
    collection = catalog.collections.create("c", "hash", "fingerprint")
    health, view = Health(), LostView()
    return catalog, SharedTrack("sparse", view, health, catalog, collection, "one"), health, view


def lease_ends(catalog: Catalog) -> datetime:
    with reading(catalog._engine) as connection:
        found: datetime = connection.execute(sa.select(schema.leases.c.until)).scalar_one()
    return found
