"""Search spaces as data, architectures as values, and their digests, descriptions and pictures."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.plan import DEFAULT_PLAN
from search_core.errors import ArchitectureError, SpaceError
from search_core.spaces.architecture import Architecture
from search_core.spaces.counting import Counting
from search_core.spaces.decision import Decision, Tier
from search_core.spaces.drawing import choice_graph, describe, draw
from search_core.spaces.plan_mapping import plan_choices
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import open_space, read_space, space_text, stored_space, text_to_store
from search_core.testing import SMALL, WIDE

SPACE = open_space("gnn-lm-v1")


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Small spaces with conditions on up to two earlier decisions, values of every kind."""
    decisions: list[Decision] = []
    for place in range(draw(st.integers(1, 6))):
        values = draw(
            st.lists(st.sampled_from([0, 1, 2.5, "a", "b", True, None]), min_size=1, max_size=4, unique_by=repr)
        )
        parents = (
            draw(st.lists(st.sampled_from(decisions), max_size=2, unique_by=lambda d: d.name)) if decisions else []
        )
        when = {p.name: tuple(draw(st.lists(st.sampled_from(p.values), min_size=1, unique_by=repr))) for p in parents}
        default = draw(st.sampled_from(values))
        decisions.append(Decision(f"d{place}", draw(st.sampled_from(Tier)), tuple(values), default, "something", when))
    return SearchSpace("drawn", tuple(decisions))


@given(space=spaces(), seed=st.integers(0, 1000))
def test_samples_mutants_and_defaults_are_legal(space: SearchSpace, seed: int) -> None:
    rng = random.Random(seed)
    one = space.check(space.sample(rng))
    mutant = space.check(space.mutate(one, rng))
    assert space.legal(one.as_dict()) == ()
    assert space.check(space.default()) == space.default()
    if any(len(space[name].values) > 1 for name, _ in one.choices):
        assert mutant.digest != one.digest


@settings(max_examples=50)
@given(space=spaces())
def test_counting_agrees_with_walking_every_branch(space: SearchSpace) -> None:
    """The oracle follows `legal` by hand, without numbers."""

    def walk(choices: dict[str, object]) -> list[str]:
        if not (open_now := space.legal(choices)):  # type: ignore[arg-type]
            return [Architecture(space.name, choices).digest]  # type: ignore[arg-type]
        first = open_now[0]
        return [digest for value in first.values for digest in walk(choices | {first.name: value})]

    expected = walk({})
    counting = Counting(space)
    assert counting.size == len(expected)
    assert [counting.at(place).digest for place in range(counting.size)] == expected
    with pytest.raises(ArchitectureError, match="expected 0 to"):
        counting.at(counting.size)


def test_the_default_is_what_serves() -> None:
    chosen = plan_choices(SPACE.default())
    named = {name: value for name, value in chosen.items() if hasattr(DEFAULT_PLAN, name) and name != "adapter"}
    assert {"fusion", "sparse_depth", "dense_weight", "adaptive", "feedback"} <= set(named)
    assert named == {name: getattr(DEFAULT_PLAN, name) for name in named}
    assert chosen["diffusion"] is None and chosen["adapter"] == "none"
    assert SPACE.cost(SPACE.default()).trial_seconds == 0


def test_choices_of_one_field_come_back_together() -> None:
    one = SPACE.complete({"diffusion.edges": "words", "diffusion.strength": 0.35, "fusion": "sparse"})
    chosen = plan_choices(one)
    assert chosen["diffusion"] == {"edges": "words", "neighbours": 10, "strength": 0.35, "steps": 1}
    assert "dense_weight" not in chosen and "dense_depth" not in chosen
    assert not any(name.startswith(("graph", "encoder")) for name in chosen)


def test_a_tier_alone_has_only_its_own_choices() -> None:
    plans = SPACE.only(Tier.PLAN)
    rng = random.Random(0)
    for _ in range(200):
        one = SPACE.check(plans.check(plans.sample(rng)))
        assert one["graph.depth"] == 0 and one["encoder.train"] == "none"
    assert Counting(plans).size < Counting(SPACE).size


def test_values_are_drawn_evenly() -> None:
    rng = random.Random(0)
    drawn = Counter(SMALL.sample(rng)["kind"] for _ in range(4000))
    assert abs(drawn["a"] - 2000) < 5 * 32  # five standard deviations of 4,000 fair coins


def test_equal_choices_have_one_digest_in_every_process_and_order() -> None:
    one = SPACE.complete({"fusion": "rrf"})
    turned = Architecture(one.space, dict(reversed(one.choices)))
    assert turned == one and hash(turned) == hash(one) and turned.digest == one.digest
    assert Architecture.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    script = """
from search_core.spaces.space_file import open_space
print(open_space("gnn-lm-v1").complete({"fusion": "rrf"}).digest)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert told == one.digest and len(one.digest) == 12


def test_true_one_and_one_point_zero_are_three_values() -> None:
    space = SearchSpace("types", (Decision("d", Tier.PLAN, (True, 1, 1.0), True, "a type"),))
    counting = Counting(space)
    assert counting.size == len({counting.at(place).digest for place in range(counting.size)}) == 3
    with pytest.raises(ArchitectureError, match="d is 0; expected one of"):
        space.check(Architecture("types", {"d": 0}))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kind": "a"}, "depth is missing"),
        ({"kind": "b", "flag": True, "depth": 2}, "only asked when kind is one of"),
        ({"kind": "c"}, "kind is 'c'; expected one of"),
        ({"kind": "b", "flag": False, "colour": "red"}, "no decision 'colour'; known: kind, depth, flag"),
    ],
)
def test_what_is_illegal_is_named(choices: dict[str, str], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        SMALL.check(Architecture("small", choices))


def test_an_architecture_of_another_space_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="of space 'wide'; expected 'small'"):
        SMALL.check(WIDE.default())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\ndecisions: {a: {tier: plan, values: [1, 1], summary: s}}", "decision 'a' has values"),
        ("name: x\ndecisions: {a: {tier: plan, values: [1], default: 2, summary: s}}", "'a' has default 2"),
        ("name: x\ndecisions: {a: {tier: slow, values: [1], summary: s}}", "'a': tier is 'slow'; expected one of plan"),
        ("name: x\ndecisions: {a: {tier: plan, values: [[1]], summary: s}}", "'a': values is"),
        ("name: x\ndecisions: {a: {tier: plan, values: [1]}}", "'a' has name 'a' and summary ''"),
        ("name: x\ndecisions: {a: {tier: plan, values: [1], summary: s, wehn: {}}}", "unknown field 'wehn'"),
        ("name: x\ndecisions: {a: {tier: plan, values: [1], summary: s, when: {b: [1]}}}", "depends on 'b'"),
        (
            "name: x\ndecisions: {a: {tier: plan, values: [1, 2], summary: s},"
            " b: {tier: plan, values: [1], summary: s, when: {a: [1, 3]}}}",
            "'b' depends on a being 3; expected values among",
        ),
        ("name: x\ndecisions: {a: {tier: plan, values: [1], summary: s, trial_cost: -1}}", "negative cost"),
        ("name: x\ndecisions: {}", "0 decisions"),
        ("name: x\ndecisions: [", "is not YAML"),
        ("decisions: {a: 1}", "has no name"),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        read_space(text, "mine.yaml")


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(SpaceError, match="mine.yaml cannot be read: .*; expected YAML in UTF-8"):
        open_space(str(file))


def test_a_third_party_extends_a_space_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nextends: gnn-lm-v1\ndecisions:\n"
        "  top: {tier: plan, values: [10, 20], summary: hits returned, when: {fusion: [sparse]}}\n"
        "  dense_weight: {tier: plan, values: [0.5], summary: the only weight I want, when: {fusion: [convex]}}\n"
    )
    mine = open_space(str(path))
    assert mine["top"].values == (10, 20) and mine["dense_weight"].values == (0.5,)
    assert mine.complete({"fusion": "sparse", "top": 20})["top"] == 20
    assert [d.name for d in mine.decisions][:-1] == [d.name for d in SPACE.decisions]
    assert read_space(space_text(mine), "stored") == mine and read_space(space_text(SPACE), "stored") == SPACE
    assert plan_choices(mine.complete({"fusion": "sparse", "top": 20}), mine)["top"] == 20
    stored = text_to_store(str(path))
    path.unlink()
    assert stored_space(str(path), stored) == mine and stored_space("gnn-lm-v1", text_to_store("gnn-lm-v1")) is SPACE
    with pytest.raises(SpaceError, match=r"expected a registered one \(.*gnn-lm-v1.*\) or a path"):
        open_space("gnn-lm-v0")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("dense_wieght", "did you mean 'dense_weight'"), ("boost", "expected one of fusion, .*precedents")],
)
def test_a_decision_that_nothing_reads_is_refused_when_a_run_begins(tmp_path: Path, name: str, meant: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\nextends: gnn-lm-v1\ndecisions: {{{name}: {{tier: plan, values: [1, 2], summary: s}}}}"
    )
    with pytest.raises(SpaceError, match=f"^mine.yaml: no stage of a run reads decision '{name}'; {meant}"):
        text_to_store(str(path))


def test_the_description_tells_what_differs() -> None:
    text = describe(SPACE.complete({"fusion": "rrf", "adaptive": False, "graph.depth": 2}), SPACE)
    plan, graph, encoder = text.splitlines()
    assert "rrf (default convex)" in plan and "no (default yes)" in plan
    assert "2 (default 0)" in graph
    assert encoder == "Encoder: as by default."


@pytest.mark.parametrize("seed", range(5))
def test_the_picture_has_a_box_for_each_choice_and_none_overlap(seed: int) -> None:
    one = SPACE.sample(random.Random(seed))
    root = ET.fromstring(draw(one, SPACE))
    boxes = [box for box in root.iter() if box.tag.endswith("rect")]
    corners = {(float(box.get("x", "")), float(box.get("y", ""))) for box in boxes}
    assert len(corners) == len(boxes) == len(one.choices)
    width, height = (float(number) for number in root.get("viewBox", "").split()[2:])
    tops: dict[float, list[float]] = {}
    for box in boxes:
        x, y, w, h = (float(box.get(name, "")) for name in ("x", "y", "width", "height"))
        assert x + w <= width and y + h <= height
        tops.setdefault(x // 320, []).append(y)
    for column in tops.values():
        column.sort()
        assert all(later - earlier > 34 for earlier, later in zip(column, column[1:], strict=False))


def test_the_graph_has_an_edge_for_each_condition() -> None:
    graph = choice_graph(SMALL.complete({"kind": "a", "depth": 4}).as_dict(), SMALL)
    assert [(node.name, node.value) for node in graph.nodes] == [("kind", 0), ("depth", 3)]
    assert graph.edges == ((0, 1),)
