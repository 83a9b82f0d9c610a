"""Progress where no terminal shows a bar: a line now and then."""

from __future__ import annotations

import pytest

from api.commands import shared


def test_without_a_terminal_work_of_known_length_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shared, "TELL_SECONDS", 0.0)
    with shared.progress_bar("reindexing docs") as progress:
        shared.reach(progress, 1_200, 3_600)
        shared.reach(progress, 1_300, None)
    assert capsys.readouterr().err.splitlines() == [
        "reindexing docs: 1,200 of 3,600",
        "reindexing docs: 1,300 of 3,600",
    ]
