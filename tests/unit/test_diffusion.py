"""Scores flow over the graph as the formulas say, only among what the caller may see, and the plan says whether."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pyroaring import BitMap64

from retrieval.analysis.analyzer import Analyzer
from retrieval.errors import InvalidInputError
from retrieval.graph.links import LinkWalk, Question
from retrieval.graph.smoothing import by_structure, by_vectors, by_words, smoothed
from retrieval.graph.state import GraphState
from retrieval.graph.view import GraphView
from retrieval.plan import DEFAULT_PLAN, DiffusionEdges, DiffusionStep, FusionMethod, Normalisation, Plan
from retrieval.ranking.diffusion import diffuse, needs_graph
from retrieval.ranking.fusion import Candidates, fuse
from retrieval.types import IndexedChunk, Ranking, ViewBatch

NO_VECTOR = np.empty(0, np.float32)


def graph_of(texts: dict[int, tuple[str, str]], documents: dict[int, int] | None = None) -> GraphState:
    """A graph of label -> (title, text)."""
    view = GraphView(None, Analyzer())
    view.apply(
        ViewBatch(
            1,
            [],
            [
                IndexedChunk(
                    label, (documents or {}).get(label, label), title, "", text, None, (), {"_key": str(label)}
                )
                for label, (title, text) in texts.items()
            ],
        )
    )
    return view.state


ALBUMS = {
    1: ("Green (Steve Hillage album)", "An album of 1978 by Steve Hillage."),
    2: ("Miquette Giraudy", "She is the partner of Steve Hillage and played with Gong."),
    3: ("Orange juice", "It is made of oranges."),
    4: ("Secret memo", "Steve Hillage told us something in confidence."),
}


def candidates(scores: dict[int, float], normalisation: Normalisation = Normalisation.BEST) -> Candidates:
    ranked = sorted(scores, key=lambda label: (-scores[label], label))
    ranking = Ranking(np.array(ranked), np.array([scores[label] for label in ranked], np.float32))
    plan = replace(DEFAULT_PLAN, fusion=FusionMethod.SPARSE, normalisation=normalisation, feedback=0.0)
    return fuse(plan, ranking, Ranking.empty())


def test_smoothing_is_the_formula() -> None:
    choose = np.random.default_rng(0)
    affinity = np.triu(choose.random((6, 6)).astype(np.float32), 1)
    affinity += affinity.T
    scores = choose.random(6)
    passing = np.zeros((6, 6))
    for row in range(6):
        best = np.argsort(-affinity[row])[:2]
        passing[row, best] = affinity[row, best] / affinity[row, best].sum()
    once = 0.7 * scores + 0.3 * passing @ scores
    twice = 0.7 * scores + 0.3 * passing @ once
    np.testing.assert_allclose(smoothed(affinity, scores, 2, 0.3, 1), once, rtol=1e-5)
    np.testing.assert_allclose(smoothed(affinity, scores, 2, 0.3, 2), twice, rtol=1e-5)
    np.testing.assert_allclose(smoothed(affinity, scores, 2, 0.0, 2), scores)


def test_what_has_no_neighbour_keeps_its_score() -> None:
    affinity = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32)
    assert smoothed(affinity, np.array([1.0, 0.0, 0.5]), 5, 0.4, 1).tolist() == pytest.approx([0.6, 0.4, 0.5])
    assert smoothed(np.zeros((1, 1), np.float32), np.array([2.0]), 5, 0.4, 1).tolist() == [2.0]


def test_affinities_are_those_by_hand() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [-1, 0]], np.float32)
    np.testing.assert_allclose(by_vectors(vectors), [[0, 0.6, 0], [0.6, 0, 0], [0, 0, 0]], atol=1e-6)
    state = graph_of({label: ("", f"word{label}") for label in range(1, 7)}, {1: 9, 2: 9, 3: 9, 5: 9})
    expected = np.zeros((4, 4))  # of chunks 1, 3, 4, 5: 1 begins the document of 2, 3 and 5
    expected[0, 1] = expected[1, 0] = expected[0, 3] = expected[3, 0] = 0.5
    expected[1, 3] = expected[3, 1] = 1.0
    np.testing.assert_array_equal(by_structure(state, np.array([1, 3, 4, 5])), expected)
    words = graph_of({1: ("", "alpha beta"), 2: ("", "alpha gamma"), 3: ("", "delta delta"), 4: ("", "gamma gamma")})
    affinity = by_words(words, np.array([1, 2, 3, 4]))
    # Words of a single chunk count nothing: 1 is alpha alone, 4 gamma alone, 2 both with equal weight.
    assert affinity[0, 1] == affinity[1, 3] == pytest.approx(0.5**0.5, rel=1e-5)
    assert affinity[0, 2] == affinity[0, 3] == affinity[2, 3] == 0.0


def test_links_bring_what_shares_a_name_with_the_first_hit() -> None:
    found = diffuse(
        DiffusionStep(DiffusionEdges.LINKS, strength=0.5),
        candidates({1: 3.0, 3: 0.5}),
        graph_of(ALBUMS),
        Question("Who is the partner of the performer of Green?", NO_VECTOR),
        None,
    )
    labels = [one.label for one in found]
    assert set(labels) == {1, 2, 3, 4} and labels.index(2) < labels.index(3)
    parts = {one.label: one.graph for one in found}
    assert parts[3] is None
    assert parts[2] is not None and (parts[2].edges, parts[2].source) == ("links", 1)
    assert parts[1] is not None and parts[1].source == 0, "the question names it"


def test_nothing_is_lifted_over_the_anchor_it_comes_from() -> None:
    """That one answers the question as it is; what it leads to comes after it, whatever the strength."""
    step = DiffusionStep(DiffusionEdges.LINKS, strength=0.9)
    texts = {**ALBUMS, 1: ("A record", "An album of 1978 by Steve Hillage.")}
    found = diffuse(step, candidates({1: 3.0, 2: 1.0, 3: 0.5}), graph_of(texts), Question("album", NO_VECTOR), None)
    by_label = {one.label: one for one in found}
    assert by_label[2].graph is not None and by_label[2].graph.source == 1
    assert by_label[1].score * 0.94 < by_label[2].score < by_label[1].score


def test_what_is_held_below_one_anchor_ties_and_comes_by_rising_label() -> None:
    """However their own scores were rounded on the way there: else noise decides which of them is found."""
    texts = {
        1: ("Steve Hillage", "He plays the guitar."),
        **{n: (f"Album {n}", "By Steve Hillage.") for n in range(2, 14)},
    }
    step, draw, graph = DiffusionStep(DiffusionEdges.LINKS, 20, strength=0.9), np.random.default_rng(0), graph_of(texts)
    ties = 0
    for normalisation in Normalisation:
        for _ in range(20):
            scores = {1: 1.0, **dict(zip(range(2, 14), draw.uniform(0.3, 0.6, 12).tolist(), strict=True))}
            found = diffuse(
                step, candidates(scores, normalisation), graph, Question("guitar", NO_VECTOR), None
            ).scored()
            for (one, above), (other, below) in pairwise(zip(*(array.tolist() for array in found), strict=True)):
                ties += above == below
                assert above > below + 1e-8 or (above == below and one < other)
    assert ties > 400


def test_any_walk_names_who_gave_most_and_keeps_below_it() -> None:
    choose = np.random.default_rng(3)
    names = [f"Name{first} Last{last}" for first in "ABCDE" for last in "FGH"]
    mutual = 0
    for _ in range(60):
        titles = [names[choose.integers(15)] if choose.random() < 0.6 else f"T{label}" for label in range(1, 13)]
        said = [" ".join(f"Then {names[place]} said so." for place in choose.integers(0, 15, 3)) for _ in titles]
        graph = graph_of({label: (titles[label - 1], said[label - 1]) for label in range(1, 13)})
        shares = dict(zip((choose.permutation(12)[:8] + 1).tolist(), np.sort(choose.random(8))[::-1], strict=True))
        step = DiffusionStep(DiffusionEdges.LINKS, neighbours=10, strength=0.8, steps=2)
        found = {one.label: one for one in diffuse(step, candidates(shares), graph, Question("z", NO_VECTOR), None)}
        own = {one.label: one.score for one in candidates(shares)}
        for label, one in found.items():
            if one.graph is not None and one.graph.source:
                source = found[one.graph.source]
                mutual += source.graph is not None and source.graph.source == label
                is_below = one.score <= 0.95 * source.score + 1e-9
                assert is_below or one.score == pytest.approx(own.get(label, 0.0)), (label, one, source)
    assert mutual > 5, "anchors that lead to each other are among them"


def test_the_source_is_the_anchor_that_gave_most() -> None:
    """Both anchors lead to 3 by a name that one more passage has; the first is the better candidate."""
    texts = {
        1: ("", "Ann Other came."),
        2: ("", "Peter Pan came."),
        3: ("", "Ann Other met Peter Pan."),
        4: ("", "Ann Other left."),
        5: ("", "Peter Pan left."),
    }
    reached = LinkWalk(graph_of(texts), Question("z", NO_VECTOR), None, None).run(
        np.array([1, 2]), np.array([1.0, 1.0]), 30, 1
    )
    assert dict(zip(reached.labels.tolist(), reached.sources.tolist(), strict=True))[3] == 1


def test_a_candidate_beyond_those_a_walk_begins_at_keeps_below_its_anchor_too() -> None:
    texts = {1: ("Alpha One", "Gamma Three is near."), 300: ("Gamma Three", "alone")}
    shares = {1: 1.0, **{label: 0.999 - label / 1000 for label in range(2, 300)}, 300: 0.7}
    found = diffuse(
        DiffusionStep(DiffusionEdges.LINKS, strength=0.8),
        candidates(shares),
        graph_of(texts),
        Question("z", NO_VECTOR),
        None,
    )
    by_label = {one.label: one for one in found}
    assert by_label[300].graph is not None
    assert by_label[300].score <= 0.95 * by_label[1].score + 1e-9


def test_what_the_caller_may_not_see_neither_joins_nor_passes_on() -> None:
    state = graph_of({**ALBUMS, 5: ("Confidence", "Something for Orange Grove."), 6: ("Orange Grove", "Trees.")})
    bridge = graph_of(
        {1: ("Green", "By Steve Hillage."), 2: ("Steve Hillage", "With Ann Other."), 3: ("Ann Other", "x")}
    )
    question = Question("Green", NO_VECTOR)
    for graph, allowed, hidden in ((state, BitMap64([1, 2, 3]), {4, 5, 6}), (bridge, BitMap64([1, 3]), {2, 3})):
        reached = LinkWalk(graph, question, None, allowed).run(np.array([1]), np.array([1.0]), 10, 2)
        assert not hidden & set(reached.labels.tolist()), "3 of the second graph is reached over 2 alone"
    open_walk = LinkWalk(bridge, question, None, None).run(np.array([1]), np.array([1.0]), 10, 2)
    assert {2, 3} <= set(open_walk.labels.tolist())


def test_what_the_caller_may_not_see_changes_nothing_that_he_sees() -> None:
    """The same question over the corpus without the forbidden chunks gives the same gains, to the last digit."""
    hidden = {4: ALBUMS[4], 7: ("Performer of Green", "Steve Hillage and Gong."), 8: ("", "Gong and Miquette Giraudy")}
    mine = {label: ALBUMS[label] for label in (1, 2, 3)}
    results = []
    for texts, allowed in ((mine, None), (mine, BitMap64(mine)), ({**mine, **hidden}, BitMap64(mine))):
        walk = LinkWalk(graph_of(texts), Question("Who is the performer of Green?", NO_VECTOR), None, allowed)
        reached = walk.run(np.array([1, 3]), np.array([1.0, 0.5]), 1, 2)
        results.append((reached.labels.tolist(), reached.sources.tolist(), reached.nodes.tolist(), reached.gains))
    for labels, sources, nodes, gains in results[1:]:
        assert (labels, sources, nodes) == results[0][:3]
        np.testing.assert_allclose(gains, results[0][3])


def test_a_walk_adds_a_bounded_number_of_candidates() -> None:
    many = {0: ("", "Steve Hillage"), **{label: ("", f"Steve Hillage and {label}") for label in range(1, 60)}}
    walk = LinkWalk(graph_of(many), Question("anything", NO_VECTOR), None, None)
    assert len(walk.run(np.array([0]), np.array([1.0]), 7, 1).labels) == 7


def test_without_a_graph_or_vectors_candidates_stay_as_they_are() -> None:
    before = candidates({1: 3.0, 3: 2.0})
    question = Question("x", NO_VECTOR)
    for edges in DiffusionEdges:
        assert diffuse(DiffusionStep(edges), before, None, question, None) is before
        assert len(diffuse(DiffusionStep(edges), candidates({}), GraphState(), question, None)) == 0
    assert [needs_graph(DiffusionStep(edges)) for edges in DiffusionEdges] == [
        edges is not DiffusionEdges.DENSE for edges in DiffusionEdges
    ]
    assert not needs_graph(None)


def test_scores_flow_between_near_candidates() -> None:
    vectors = {1: [1.0, 0.0], 2: [0.0, 1.0], 3: [0.8, 0.6]}
    found = diffuse(
        DiffusionStep(DiffusionEdges.DENSE, strength=0.5),
        candidates({1: 1.0, 2: 0.6, 3: 0.5}),
        None,
        Question("", NO_VECTOR),
        lambda labels: np.array([vectors[int(label)] for label in labels], np.float32),
    )
    by_label = {one.label: one for one in found}
    assert [one.label for one in found][:2] == [1, 3]
    for one in found:
        before = {1: 1.0, 2: 0.6, 3: 0.5}[one.label]
        assert one.graph is not None and one.score == pytest.approx(before + one.graph.contribution, rel=1e-6)
    assert by_label[3].score == pytest.approx(0.5 * 0.5 + 0.5 * (0.8 * 1.0 + 0.6 * 0.6) / 1.4)


def test_a_plan_without_diffusion_is_written_as_before_there_was_any() -> None:
    assert "diffusion" not in DEFAULT_PLAN.to_dict()
    plan = replace(DEFAULT_PLAN, diffusion=DiffusionStep(DiffusionEdges.LINKS, 5, 0.35, 2))
    assert plan.to_dict()["diffusion"] == {"edges": "links", "neighbours": 5, "strength": 0.35, "steps": 2}
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.digest != DEFAULT_PLAN.digest
    assert Plan.from_dict({"diffusion": None}) == DEFAULT_PLAN


@pytest.mark.parametrize(
    ("diffusion", "message"),
    [
        ("links", "expected null or"),
        ({}, "expected null or"),
        ({"edges": "none"}, "plan.diffusion.edges is 'none'; expected one of dense, words, structure, links, "),
        ({"edges": "links", "strength": 1.0}, "plan.diffusion.strength is 1.0; expected a number from 0 to below 1"),
        ({"edges": "links", "steps": 0}, "plan.diffusion.steps is 0; expected a whole number from 1 to 5"),
        ({"edges": "links", "neighbours": 101}, "from 1 to 100"),
        ({"edges": "links", "hops": 2}, "plan.diffusion has unknown field 'hops'"),
    ],
)
def test_a_diffusion_that_makes_no_sense_is_refused(diffusion: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Plan.from_dict({"diffusion": diffusion})
