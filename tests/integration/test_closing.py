"""What is opened is closed: by a start that fails in its middle, and where closing one thing fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from served import in_process

from api.knowledge_base import KnowledgeBase
from api.overview_thread import OverviewThread
from infra.settings import load_settings
from retrieval.errors import ReaderError


def assert_nothing_is_locked(folder: Path, *names: str) -> None:
    """Whoever comes next maintains the folders of these collections, and does not follow in a private copy."""
    with KnowledgeBase.open(load_settings(data_dir=folder, encoder="hash")) as kb:
        for name in names:
            assert kb.runtime(name).follower.is_durable, name


def test_a_collection_whose_reader_cannot_be_opened_keeps_no_folder_locked(tmp_path: Path) -> None:
    with KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash")) as kb:
        kb.create_collection("c")
        kb.runtime("c")
    chosen = load_settings(data_dir=tmp_path, encoder="hash", generator="reader", reader="gone")
    with KnowledgeBase.open(chosen) as kb:
        for _ in range(2):
            with pytest.raises(ReaderError, match="gone"):
                kb.runtime("c")
        assert_nothing_is_locked(tmp_path, "c")


def test_a_view_that_fails_to_close_keeps_no_other_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = KnowledgeBase.open(load_settings(data_dir=tmp_path, encoder="hash"))
    for name in ("a", "b"):
        kb.create_collection(name)
        kb.runtime(name)
    broken = kb.runtime("a").follower.views.dense
    monkeypatch.setattr(broken, "close", lambda close=broken.close: [close(), 1 / 0])
    kb.close()
    assert_nothing_is_locked(tmp_path, "a", "b")


def test_a_server_whose_part_fails_to_stop_ends_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = OverviewThread.stop
    monkeypatch.setattr(OverviewThread, "stop", lambda self: [stop(self), 1 / 0])
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), in_process(tmp_path):
        pass
    assert threading.active_count() <= before, [thread.name for thread in threading.enumerate()]
