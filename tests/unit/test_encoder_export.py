"""A tuned encoder's folder: never missing, whatever interrupts its writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.knowledge_base import KnowledgeBase
from infra.settings import Settings
from retrieval.learned.files import ARTIFACTS

torch = pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')

from search_core.tuning.export import MANIFEST_FILE, WEIGHTS_FILE, write_model  # noqa: E402

NUMBERS = ("unknown_share", "new_pieces", "steps", "batch", "rate", "first_loss", "last_loss", "share", "texts")
REPORT = dict.fromkeys(NUMBERS, 1) | {
    "base_weights_sha256": "f" * 64,
    "labelled_questions": 1,
    "held_out_ndcg@10": {"0": 1},
}
FALLING = """
import sys
from pathlib import Path
from tests.killed_renames import kill_at
from tests.unit.test_encoder_export import written

kill_at(int(sys.argv[2]))
written(Path(sys.argv[1]), 2.0)
"""
ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, weight: float, **more: Any) -> Path:
    start = tmp_path / "start"
    start.mkdir(exist_ok=True)
    (start / "config.json").write_text("{}")
    write_model(start, tmp_path / "encoder", {"w": torch.full((2,), weight)}, REPORT | more)
    return tmp_path / "encoder"


def test_the_same_model_stays_and_what_is_said_of_it_is_new(tmp_path: Path) -> None:
    folder = written(tmp_path, 1.0)
    before = (folder / WEIGHTS_FILE).stat().st_ino, (folder / WEIGHTS_FILE).stat().st_mtime_ns
    written(tmp_path, 1.0, steps=7)
    assert ((folder / WEIGHTS_FILE).stat().st_ino, (folder / WEIGHTS_FILE).stat().st_mtime_ns) == before
    assert '"steps": 7' in (folder / MANIFEST_FILE).read_text()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
def test_another_model_takes_its_place_or_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    folder = written(tmp_path, 1.0)
    first = (folder / WEIGHTS_FILE).read_bytes()
    real = os.replace

    def interrupted(source: Path, target: Path) -> None:
        if target == folder and (source / WEIGHTS_FILE).read_bytes() != first:
            raise failure
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupted)
        with pytest.raises(failure):
            written(tmp_path, 2.0)
    assert (folder / WEIGHTS_FILE).read_bytes() == first
    written(tmp_path, 2.0)
    assert (folder / WEIGHTS_FILE).read_bytes() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder", "start"]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_in_the_midst_leaves_the_old_model_for_the_next_start(tmp_path: Path, renames: int) -> None:
    """Whoever opens the knowledge base next brings back what was put aside; the next model leaves nothing aside."""
    artifacts = tmp_path / ARTIFACTS
    artifacts.mkdir()
    folder = written(artifacts, 1.0)
    first = (folder / WEIGHTS_FILE).read_bytes()
    fallen = subprocess.run([sys.executable, "-c", FALLING, str(artifacts), str(renames)], cwd=ROOT, check=False)
    assert fallen.returncode == -signal.SIGKILL
    with KnowledgeBase.open(Settings(data_dir=tmp_path, encoder="hash")):
        assert (folder / WEIGHTS_FILE).read_bytes() == first
    written(artifacts, 3.0)
    assert (folder / WEIGHTS_FILE).read_bytes() != first
    left = {path.name for path in artifacts.iterdir()} - {"encoder", "start"}
    assert all(name.startswith(".tuned-") and not name.endswith(".before") for name in left)  # never put in place
