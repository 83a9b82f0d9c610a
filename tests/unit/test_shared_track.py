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


def lease_ends(catalog: Catalog) -> datetime:
    with reading(catalog._engine) as connection:
        found: datetime = connection.execute(sa.select(schema.leases.c.until)).scalar_one()
    return found
