"""A server opens what it can; what only an operator can mend is told until it is mended, and keeps nobody waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import eventually

from api import readiness
from api.generations.reindex import reindex
from api.knowledge_base import KnowledgeBase
from api.readiness import Readiness
from infra.settings import Settings
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.errors import OutageError

CHANGING, DIM, AWAY = "hash-that-breaks", list[int | None]([48]), [0]  # AWAY: how many tries to open it fail


@pytest.fixture(autouse=True)
def encoder() -> None:
    DIM[0], AWAY[0] = 48, 0
    if CHANGING not in ENCODERS:
        ENCODERS.register(CHANGING, open_changing, "a model that is exchanged, or fails in a way of its own")


def open_changing(**_: Any) -> HashEncoder:
    AWAY[0] -= 1
    if AWAY[0] >= 0:
        raise OutageError(f"the model's server does not answer, {AWAY[0]}")
    if DIM[0] is None:
        raise RuntimeError("the model's library has a bug")
    return HashEncoder(DIM[0])


def made(folder: Path) -> Settings:
    """A data folder with collections `a`, of an encoder that changes, and `b`."""
    settings = Settings(data_dir=folder, encoder="hash")
    with KnowledgeBase.open(settings) as kb:
        kb.create_collection("a", encoder=CHANGING)
        kb.create_collection("b")
    return settings


@contextmanager
def opening(kb: KnowledgeBase) -> Iterator[Readiness]:
    started = Readiness(kb)
    started.start()
    try:
        eventually(lambda: started.ready, what="all collections")
        yield started
    finally:
        started.stop()


def test_what_an_operator_has_mended_is_no_longer_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "MENDED_SECONDS", 0.05)
    settings = made(tmp_path)
    DIM[0] = 32
    with KnowledgeBase.open(settings) as kb, opening(kb) as started:
        assert "kb reindex --collection a" in started.unusable["a"]
        reindex(kb, "a", {}, lambda done, total: None)
        eventually(lambda: started.unusable, lambda told: not told, what="that nothing is told")
        assert kb.runtimes.open_names() == ["b", "a"]


def test_a_collection_that_fails_in_an_unknown_way_keeps_no_other_waiting(tmp_path: Path) -> None:
    settings = made(tmp_path)
    DIM[0] = None
    with KnowledgeBase.open(settings) as kb, opening(kb) as started:
        assert kb.runtimes.open_names() == ["b"]
        assert started.unusable == {"a": "it does not open; the server's log says why"}


@pytest.mark.parametrize("tries", [1, 5])
def test_an_outage_is_told_once_and_so_is_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tries: int
) -> None:
    monkeypatch.setattr(readiness, "RETRY_SECONDS", 0.05)
    settings = made(tmp_path)
    AWAY[0] = tries
    with caplog.at_level(logging.INFO, readiness.__name__), KnowledgeBase.open(settings) as kb, opening(kb):
        pass
    told = [record.getMessage() for record in caplog.records if record.name == readiness.__name__]
    began = f"collection a cannot be opened: the model's server does not answer, {tries - 1}; tried again until it "
    assert [one.split("succeeds")[0] for one in told] == [began, "collection a is served now"]


def test_a_catalog_that_cannot_be_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(readiness, "RETRY_SECONDS", 0.05)
    with caplog.at_level(logging.INFO, readiness.__name__), KnowledgeBase.open(made(tmp_path)) as kb:
        database, aside, nowhere = (tmp_path / name for name in ("catalog.db", "aside.db", "nowhere.db"))
        kb.catalog.close()  # so that the next read opens the file anew
        aside.hardlink_to(database)
        nowhere.symlink_to(tmp_path / "missing" / "catalog.db")
        nowhere.replace(database)  # there is a name at every moment: SQLite would make an empty database otherwise
        started = Readiness(kb)
        started.start()
        eventually(lambda: caplog.text.count("cannot be listed"))
        time.sleep(0.3)
        aside.replace(database)
        eventually(lambda: started.ready)
        started.stop()
    assert caplog.text.count("cannot be listed") == caplog.text.count("can be listed again") == 1
