"""The console's texts: what is chosen by a number names the parameter that chooses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = re.compile(r'"([\w.-]+)":\s*"((?:[^"\\]|\\.)*)"')


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_and_many_are_told_apart_by_count(repository: Path, language: str) -> None:
    """`i18n/format.ts` looks at `count` alone; with another parameter the text would always be that of many."""
    folder = repository / "api/console/src/i18n" / language
    texts = {key: text for path in folder.glob("*.ts") for key, text in TEXT.findall(path.read_text("utf-8"))}
    assert len(texts) > 500
    wrong = {key: text for key, text in texts.items() if "|" in text and "{count}" not in text}
    assert wrong == {}
