"""A collection is deleted while a job saves or compacts its views."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_world import hash_settings

from api import knowledge_base
from api.knowledge_base import KnowledgeBase
from retrieval.errors import NotFoundError, OutageError
from retrieval.types import Document

WAIT_SECONDS = 60.0


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.open(hash_settings(tmp_path)) as opened:
        opened.create_collection("docs")
        opened.write("docs", [Document("a", "The warranty of all drives is 24 months.")], wait=True)
        yield opened


def test_a_job_that_saves_the_views_ends_before_they_are_deleted(kb: KnowledgeBase, tmp_path: Path) -> None:
    follower = kb.runtime("docs").follower
    paused, saving = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def save() -> None:
        try:
            with follower.paused():
                paused.set()
                assert saving.wait(WAIT_SECONDS)
                follower.save()
        except BaseException as error:
            failures.append(error)

    def drop() -> None:
        try:
            kb.drop_collection("docs")
        except BaseException as error:
            failures.append(error)

    job, deletion = threading.Thread(target=save), threading.Thread(target=drop)
    job.start()
    assert paused.wait(WAIT_SECONDS)
    deletion.start()
    deletion.join(1.0)
    assert deletion.is_alive()
    saving.set()
    job.join(WAIT_SECONDS)
    deletion.join(WAIT_SECONDS)
    assert not failures
    assert list((tmp_path / "views").iterdir()) == []
    with pytest.raises((NotFoundError, OutageError)), follower.paused():
        pass


def test_what_fails_at_the_end_leaves_nothing_behind(
    kb: KnowledgeBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[str] = []
    monkeypatch.setattr(knowledge_base, "drop_shared_views", lambda _, collection: shared.append(collection.name))
    views = kb.runtime("docs").follower.views
    views.sparse.close()

    def broken() -> None:
        raise RuntimeError("Already borrowed")

    monkeypatch.setattr(views.sparse, "close", broken)
    with pytest.raises(RuntimeError, match="borrowed"):
        kb.drop_collection("docs")
    assert list((tmp_path / "views").iterdir()) == []
    assert shared == ["docs"]
