"""What `kb ingest` shows of its report."""

from __future__ import annotations

import pytest

from api.commands.ingest import FAILURES_SHOWN, show_report
from ingest.changes import Failure
from ingest.report import IngestReport


def test_many_failures_of_one_cause_hide_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    report = IngestReport()
    report.fail([Failure("a.jpg", "has the type .jpg", "run OCR")])
    report.fail(Failure(f"old/{number}.doc", "has the type .doc", "save it as .docx") for number in range(30))
    report.fail([Failure("x.md", "is of another source", "use --source")])
    show_report(report, "docs", "files")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["skipped old/0.doc", "skipped a.jpg", "skipped x.md"]
    assert lines[FAILURES_SHOWN] == "… and 22 more; see `kb dead-letters -c docs`"
