"""A ranker is learned where judged questions prove it, and serves as it was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from served import Served, in_process

from api.wire.presentation import hit_json
from retrieval.catalog import Catalog
from retrieval.encoder import ENCODERS
from retrieval.encoder.hashing import HashEncoder
from retrieval.learned.files import ARTIFACTS
from retrieval.learned.ranker import load_ranker
from retrieval.plan import FusionMethod
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.types import OPERATOR, Document
from search_core.artifact.artifact_store import list_artifacts, verified
from search_core.candidate import Candidate
from search_core.errors import SupervisionError
from search_core.proof import gate
from search_core.proof.gate import Latency
from search_core.questions.taught_questions import hashes_of
from search_core.result import Result
from search_core.stages import quickness
from search_core.trainer import AutoModelTrainer
from search_core.tuning.export import MANIFEST_FILE

ENCODER = "artifacts/encoder-of-words"
THINGS = 90
PARTS = ("fit", "choose", "sealed")
SPACE = """name: both
extends: gnn-lm-v1
decisions:
  fusion: {tier: plan, values: [convex], summary: how words and vectors become one ranking}
"""  # by words alone nothing could be learned
PAGE = "It goes on about installation, maintenance, safety and spare parts of what was named before. " * 12


def thing(number: int) -> str:
    return f"device{number} part{number % 11}"


def question(number: int) -> str:
    return f"manual for {thing(number)}"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Of each thing there is a short note and a long manual; both legs prefer the note, people the manual."""
    if ENCODER not in ENCODERS:
        ENCODERS.register(ENCODER, lambda **_: HashEncoder(), "hashed words, as if tuned in an earlier run")
    monkeypatch.setattr(gate, "LATENCY_RATIO", 5.0)  # nothing is encoded here: a search takes a third of a millisecond
    with in_process(tmp_path) as opened:
        opened.kb.create_collection("c", encoder=ENCODER)
        notes = [Document(f"note{n}", f"{thing(n)}.") for n in range(THINGS)]
        manuals = [Document(f"manual{n}", f"The manual of {thing(n)}. {PAGE}") for n in range(THINGS)]
        opened.kb.write("c", notes + manuals, wait=True)
        yield opened


def tuned(served: Served, **more: Any) -> Result:
    kb = served.kb
    about = {"settings": kb.settings, "catalog": kb.catalog, "encoder_of": kb.open_encoder, "collection": "c"}
    judged = {
        "queries": {f"q{n}": question(n) for n in range(THINGS)},
        "qrels": {f"q{n}": {f"manual{n}": 1} for n in range(THINGS)},
        "parts": {f"q{n}": PARTS[n % 3] for n in range(THINGS)},
    }
    space = kb.settings.data_dir / "both.yaml"
    space.write_text(SPACE)
    quick = {"tiers": "plan,ranker", "budget": "5m", "max_epochs": 1, "search_space": str(space)}
    return AutoModelTrainer(**about | quick | judged | more).run()


def search(served: Served, number: int) -> SearchResult:
    return served.kb.search("c", SearchRequest(question(number), 3), OPERATOR)


def test_what_people_prefer_is_learned_proven_and_served(served: Served) -> None:
    assert search(served, 5).hits[0].chunk.key == "note5"
    result = tuned(served)
    assert result.promoted, result.reasons
    [plan, ranker] = result.stages
    assert (ranker["tier"], ranker["kept"]) == ("ranker", True)
    assert ranker["sealed"] > plan["sealed"] + 0.2
    assert result.plan.ranker is not None and result.best["ranker"] > 0
    assert (result.folder / "ranker.safetensors").exists()
    stored = map(verified, list_artifacts(served.kb.catalog, served.kb.settings.data_dir))
    assert {one.name: one.trouble for one in stored}[result.plan.ranker] == ""

    served.kb.runtime("c").prepare(result.plan)  # its scores may flow over the corpus graph, which is opened then
    served.kb.runtime("c").refresh()
    found = [search(served, number) for number in range(2, THINGS, 3)]  # the sealed ones
    first = sum(one.hits[0].chunk.key.startswith("manual") for one in found)
    assert first > 0.8 * len(found) and "ranker" in found[0].stages
    hit = found[0].hits[0]
    told = hit_json(hit, explain=True)["explain"]
    legs = sum(leg["contribution"] for leg in (told["sparse"], told["dense"], told["graph"]) if leg is not None)
    assert hit.score == pytest.approx(legs + told["feedback"] + told["ranker"], abs=1e-6)
    with pytest.raises(SupervisionError, match="0 questions that what serves was not taught"):
        tuned(served)


def test_all_working_questions_teach_and_tell_what_a_ranker_is_worth(served: Served) -> None:
    """Each by a ranker that has learned from others, so that a small part to choose by is enough."""
    small = {f"q{n}": "sealed" if n % 3 == 2 else "choose" if n < 18 else "fit" for n in range(THINGS)}
    result = tuned(served, promote=False, parts=small)
    assert result.stages[1]["kept"] and result.plan.ranker is not None
    folder = served.kb.settings.data_dir / ARTIFACTS / result.plan.ranker
    ranker = load_ranker(folder, served.kb.open_encoder(ENCODER).fingerprint, None)
    assert ranker.taught == hashes_of(question(n) for n in range(THINGS) if n % 3 != 2)


def test_the_same_questions_learn_the_same(served: Served) -> None:
    one, other = tuned(served, promote=False), tuned(served, promote=False)
    assert one.plan.ranker is not None
    assert (one.artifact.digest, one.trajectory, one.plan) == (other.artifact.digest, other.trajectory, other.plan)


def test_what_a_tuned_encoder_was_taught_teaches_no_ranker(served: Served) -> None:
    data, asked = served.kb.settings.data_dir, [[question(n) for n in range(at, THINGS, 3)] for at in range(3)]
    (data / ENCODER).mkdir(parents=True)
    (data / ENCODER / MANIFEST_FILE).write_text(json.dumps({"labelled_questions": 30, "taught": hashes_of(asked[0])}))
    plan = tuned(served, promote=False).plan
    assert plan.ranker is not None
    ranker = load_ranker(data / ARTIFACTS / plan.ranker, served.kb.open_encoder(ENCODER).fingerprint, None)
    assert ranker.taught == hashes_of(asked[1])


def test_searches_go_on_without_one_that_cannot_be_read(served: Served) -> None:
    plan = tuned(served, promote=False).plan
    assert plan.ranker is not None
    arrays = served.kb.settings.data_dir / ARTIFACTS / plan.ranker / "ranker.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-4] + b"oops")
    found = served.kb.search("c", SearchRequest(question(5), 3), OPERATOR, plan=plan)
    assert found.hits[0].chunk.key == "note5" and found.degraded == ("ranker",)
    words = replace(plan, fusion=FusionMethod.SPARSE)
    found = served.kb.search("c", SearchRequest(question(5), 3), OPERATOR, plan=words)
    assert found.degraded == (), "by words alone there is nothing that it could compare"


def test_a_ranker_that_makes_searches_too_slow_is_left_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(catalog: Catalog, before: Candidate, after: Candidate, places: tuple[int, ...]) -> Latency:
        ratio = 1.0 if after.plan.ranker is None else 9.0
        return Latency(1.0, ratio, ratio, ratio)

    monkeypatch.setattr(quickness, "compare_latency", slow)
    result = tuned(served)
    [_, ranker] = result.stages
    assert ranker["gain"] > 0 and not ranker["kept"]
    assert "9.00 times as long" in ranker["reason"]
    assert result.plan.ranker is None
