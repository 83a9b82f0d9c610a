"""A server opens what it can; what only an operator can mend is told until it is mended, and keeps nobody waiting."""

from __future__ import annotations

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

CHANGING, DIM = "hash-that-breaks", list[int | None]([48])


@pytest.fixture(autouse=True)
def encoder() -> None:
    DIM[0] = 48
    if CHANGING not in ENCODERS:
        ENCODERS.register(CHANGING, open_changing, "a model that is exchanged, or fails in a way of its own")


def open_changing(**_: Any) -> HashEncoder:
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
