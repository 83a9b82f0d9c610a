"""`kb demo` as a newcomer runs it, with the default encoder: what the README promises is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SHOWN = [  # in this order
    r"\d+ documents, \d+ chunks, 0 failed",
    r"AX-1200 报 E-07 故障怎么处理",  # an English question finds the Chinese answer
    r"words: rank \d+, .* \| meaning: rank \d+",
    r"焊接车间用什么接近开关",
    r"36 months for drives registered within 60 days on the service portal\. \[1\]",
    r"\[1\] How long is the warranty\?  company/main\.faqs/\d+ @ 0–\d+",
    r"» 压缩空气里有水怎么办？",
    r"\[1\].*company/.* @ \d+–\d+",
    r"» Who won the football match",
    r"The knowledge base holds nothing that supports an answer",
    r"a visitor finds (?!.*salary)",
    r"a member of hr finds .*salary",
    r"main\.faqs/\d+ found with its new text after \d+ ms",
    r"main\.tickets/\d+ found with its new text after \d+ ms",
    r"main\.tickets/\d+ gone from search after \d+ ms",
    r"Serve it: .* serve",
]


def test_it_shows_what_the_readme_promises(tmp_path: Path) -> None:
    names = ("HOME", "PATH", "TMPDIR")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    environment |= {"KB_DATA_DIR": str(tmp_path / "kb"), "COLUMNS": "120", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "api.cli", "demo"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rest = ended.stdout
    for pattern in SHOWN:
        found = re.search(pattern, rest)
        assert found, f"{pattern} is not shown, or not there:\n{rest}"
        rest = rest[found.end() :]
    assert not re.search("WARNING|ERROR|Traceback", ended.stderr), ended.stderr
