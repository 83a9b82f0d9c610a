"""Ingestion waits for its views as long as they advance, however far behind they are."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.errors import NotYetSearchableError
from retrieval.types import Document


def test_waits_while_views_advance_and_gives_up_when_they_stand_still(tmp_path: Path) -> None:
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")) as kb:
        kb.create_collection("c")
        follower = kb.runtime("c").follower
        with follower.paused():  # nothing is applied: a short patience ends
            seq = kb.write("c", [Document("a", "text")]).seq
            with pytest.raises(NotYetSearchableError, match="the write is safe"):
                follower.wait_while_advancing(seq, 0.05)
        for number in range(20):
            seq = kb.write("c", [Document(f"k{number}", f"text {number}")]).seq
        waiting = threading.Thread(target=follower.wait_while_advancing, args=(seq, 1.0))
        waiting.start()
        waiting.join(30)
        assert not waiting.is_alive() and follower.seq >= seq
