"""What people rated becomes an evaluation set by a command, and what is tuned with it remembers it."""

from __future__ import annotations

import json
from pathlib import Path

from served import in_process
from typer.testing import CliRunner

from api.cli import app
from retrieval.types import Document


def test_a_command_makes_the_set_and_measures_by_it(tmp_path: Path) -> None:
    with in_process(tmp_path) as served:
        served.kb.create_collection("c")
        served.kb.write("c", [Document("pump", "an old pump"), Document("tea", "green tea leaves")], wait=True)
        found = served.kb.catalog.collections.get("c")
        for person, key, rating in (("ada", "pump", 1), ("ben", "pump", 1), ("ben", "tea", -1)):
            served.kb.catalog.feedback.add(found, person, "an old pump", key, rating, "")
    runner = CliRunner(env={"KB_DATA_DIR": str(tmp_path), "KB_ENCODER": "hash"})
    done = runner.invoke(app, ["eval", "--from-feedback", "--save", "rated", "-c", "c", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["ndcg@10"] == 1.0
    for wrong in (["--from-feedback"], ["--from-feedback", "--save", "rated"], ["--from-feedback", "--eval-set", "r"]):
        assert runner.invoke(app, ["eval", *wrong, "-c", "c"]).exit_code != 0
    with in_process(tmp_path) as served:
        [record] = served.kb.catalog.eval_sets.all(served.kb.catalog.collections.get("c"))
        assert (record.name, record.queries) == ("rated", 1)
