"""Fusion against sums worked by hand and against what must hold for any two rankings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.plan import FusionMethod, Normalisation, Plan
from retrieval.ranking.fusion import RRF_K, FusionSignals, GraphPart, VectorLookup, dense_weight, fuse
from retrieval.types import Ranking


def ranking(**scores: float) -> Ranking:
    """`ranking(_3=2.0)`: label 3 with score 2."""
    ordered = sorted(((int(label[1:]), score) for label, score in scores.items()), key=lambda p: (-p[1], p[0]))
    labels, values = zip(*ordered, strict=True) if ordered else ((), ())
    return Ranking(np.array(labels, np.int64), np.array(values, np.float32))


SPARSE = ranking(_1=10.0, _2=6.0, _3=2.0)
DENSE = ranking(_3=0.8, _4=0.7, _1=0.4)


def test_reciprocal_ranks_by_hand() -> None:
    fused = fuse(Plan(fusion=FusionMethod.RRF, dense_weight=0.5), SPARSE, DENSE)
    expected = {1: 1 / 61 + 1 / 63, 3: 1 / 63 + 1 / 61, 2: 1 / 62, 4: 1 / 62}
    assert RRF_K == 60
    assert [hit.label for hit in fused] == [1, 3, 2, 4], "ties go to the smaller label"
    assert {hit.label: hit.score for hit in fused} == pytest.approx({k: v / 2 for k, v in expected.items()})


def test_min_max_convex_by_hand() -> None:
    fused = fuse(Plan(dense_weight=0.25, adaptive=False, normalisation=Normalisation.MIN_MAX), SPARSE, DENSE)
    expected = {1: 0.75, 2: 0.375, 3: 0.25, 4: 0.25 * 0.75}
    assert {hit.label: hit.score for hit in fused} == pytest.approx(expected)
    assert [hit.label for hit in fused] == [1, 2, 3, 4]


def test_z_score_convex_by_hand() -> None:
    fused = fuse(Plan(normalisation=Normalisation.Z_SCORE, dense_weight=0.5), SPARSE, ranking(_1=0.5, _2=0.3))
    deviation = np.std([10.0, 6.0, 2.0])
    expected = {1: (4 / deviation + 1) / 2, 2: -0.5, 3: (-4 / deviation - 1) / 2}
    assert {hit.label: hit.score for hit in fused} == pytest.approx(expected)


def test_bounds_convex_by_hand() -> None:
    plan = Plan(normalisation=Normalisation.BOUNDS, dense_weight=0.5)
    fused = fuse(plan, ranking(_1=10.0, _2=5.0), ranking(_1=0.5))
    assert [hit.score for hit in fused] == pytest.approx([(1 + 1.5 / 2) / 2, (5 / 10 + 1.5 / 2) / 2])


def test_best_convex_by_hand() -> None:
    found_all = {1: 0.5 + 0.5 * 0.4 / 0.8, 2: 0.3 + 0.5 * 0.4 / 0.8, 3: 0.1 + 0.5, 4: 0.5 * 0.7 / 0.8}
    fused = fuse(Plan(dense_weight=0.5, sparse_depth=4), SPARSE, DENSE)
    assert {hit.label: hit.score for hit in fused} == pytest.approx(found_all), "no word of the query: nothing"
    fused = fuse(Plan(dense_weight=0.5, sparse_depth=3), SPARSE, DENSE)
    cut_off = found_all | {4: 0.5 * 0.7 / 0.8 + 0.05}
    assert {hit.label: hit.score for hit in fused} == pytest.approx(cut_off), "half of the last one's share"


def test_the_dense_leg_has_weight_as_far_as_its_encoder_knows_the_letters() -> None:
    assert dense_weight(Plan(dense_weight=0.6), SPARSE, DENSE, FusionSignals(coverage=0.25)) == pytest.approx(0.15)
    assert dense_weight(Plan(dense_weight=0.6, adaptive=False), SPARSE, DENSE, FusionSignals(coverage=0.25)) == 0.6
    unknown = fuse(Plan(), SPARSE, DENSE, FusionSignals(coverage=0.0))
    assert [hit.label for hit in unknown][:3] == [1, 2, 3], "words alone decide"


def test_feedback_by_hand() -> None:
    vectors = {1: [1.0, 0.0], 2: [0.6, 0.8], 3: [0.0, 1.0], 4: [0.0, 0.0]}
    plan = Plan(dense_weight=0.5, feedback=0.2, feedback_top=2)
    plain = {hit.label: hit.score for hit in fuse(plan, SPARSE, DENSE)}
    assert sorted(plain, key=lambda label: -plain[label])[:2] == [1, 3], "the two that the others are compared with"
    for coverage, share in ((1.0, 0.2), (0.0, 0.0)):
        hits = fuse(plan, SPARSE, DENSE, FusionSignals(coverage), vectors_of=_lookup(vectors))
        gained = {hit.label: hit.feedback for hit in hits}
        assert gained == pytest.approx({1: share / 2, 2: share * 1.4 / 2, 3: share / 2, 4: 0})
    assert {hit.label: hit.score - hit.feedback for hit in fuse(plan, SPARSE, DENSE, vectors_of=_lookup(vectors))} == (
        pytest.approx(plain)
    )


def _lookup(vectors: dict[int, list[float]]) -> VectorLookup:
    return lambda labels: np.array([vectors[label] for label in labels.tolist()], np.float32)


def test_explain_shows_each_legs_rank_score_and_weight() -> None:
    first = fuse(Plan(dense_weight=0.25, adaptive=False), SPARSE, DENSE)[0]
    assert first.sparse is not None and first.dense is not None
    assert (first.label, first.sparse.rank, first.sparse.score, first.sparse.weight) == (1, 1, 10.0, 0.75)
    assert (first.dense.rank, first.dense.score, first.dense.weight) == (3, pytest.approx(0.4), 0.25)
    assert first.score == pytest.approx(first.sparse.contribution + first.dense.contribution)


@pytest.mark.parametrize("normalisation", list(Normalisation))
def test_explained_parts_add_up_where_a_leg_was_cut_before_the_hit(normalisation: Normalisation) -> None:
    plan = Plan(sparse_depth=3, normalisation=normalisation)
    found = {hit.label: hit for hit in fuse(plan, SPARSE, DENSE)}
    for hit in found.values():
        assert hit.score == pytest.approx(sum(part.contribution for part in (hit.sparse, hit.dense) if part))
    unfound = found[2].dense
    if normalisation is Normalisation.MIN_MAX:
        assert unfound is None, "the last one's share is nothing there"
    else:
        assert unfound is not None and (unfound.rank, unfound.score) == (None, None)


def test_nothing_is_assumed_of_what_joined_after_fusion() -> None:
    joined = fuse(Plan(), SPARSE, DENSE).with_graph({9: GraphPart(0.5, "links")}, floor=0.0)
    hit = next(hit for hit in joined if hit.label == 9)
    assert (hit.score, hit.sparse, hit.dense) == (0.5, None, None)


@pytest.mark.parametrize("method", list(FusionMethod))
def test_one_silent_leg_leaves_the_other_in_its_order(method: FusionMethod) -> None:
    plan = Plan(fusion=method)
    if method is not FusionMethod.DENSE:
        assert [hit.label for hit in fuse(plan, SPARSE, Ranking.empty())] == [1, 2, 3]
    if method is not FusionMethod.SPARSE:
        assert [hit.label for hit in fuse(plan, Ranking.empty(), DENSE)] == [3, 4, 1]
    assert list(fuse(plan, Ranking.empty(), Ranking.empty())) == []


def test_a_part_of_the_candidates_is_as_in_the_whole() -> None:
    found = fuse(Plan(), SPARSE, DENSE)
    everything = list(found)
    assert len(found) == len(everything) == 4
    for start in range(-5, 6):
        for stop in range(-5, 6):
            assert found[start:stop] == everything[start:stop]
    assert [found[at] for at in range(-4, 4)] == [everything[at] for at in range(-4, 4)]
    with pytest.raises(IndexError):
        found[4]


def rankings() -> st.SearchStrategy[Ranking]:
    scores = st.floats(-1, 30, width=32)
    return st.dictionaries(st.integers(0, 20), scores, max_size=12).map(
        lambda found: ranking(**{f"_{label}": score for label, score in found.items()})
    )


@given(rankings(), rankings(), st.sampled_from(FusionMethod), st.sampled_from(Normalisation), st.floats(0, 1))
def test_any_two_rankings_fuse_into_all_their_candidates_once(
    sparse: Ranking, dense: Ranking, method: FusionMethod, normalisation: Normalisation, weight: float
) -> None:
    fused = list(fuse(Plan(fusion=method, normalisation=normalisation, dense_weight=weight), sparse, dense))
    asked = {FusionMethod.SPARSE: [sparse], FusionMethod.DENSE: [dense]}.get(method, [sparse, dense])
    assert sorted(hit.label for hit in fused) == sorted({label for leg in asked for label in leg.labels.tolist()})
    assert fused == sorted(fused, key=lambda hit: (-hit.score, hit.label))
    assert all(np.isfinite(hit.score) for hit in fused)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12, unique=True))
def test_vectors_alone_keep_the_order_of_their_cosines(cosines: list[float]) -> None:
    """Whatever their signs: of a small collection even the best may be below zero."""
    dense = ranking(**{f"_{label}": cosine for label, cosine in enumerate(cosines)})
    plan = Plan(fusion=FusionMethod.CONVEX, dense_weight=1.0, feedback=0.0)
    fused = list(fuse(plan, Ranking.empty(), dense))
    assert all(0.0 <= hit.score <= 1.0 for hit in fused)
    ordered = [hit.score for label in dense.labels.tolist() for hit in fused if hit.label == label]
    assert ordered == sorted(ordered, reverse=True)


@given(rankings(), rankings(), st.sampled_from(FusionMethod), st.sampled_from(Normalisation))
def test_a_candidate_first_in_both_legs_is_first(
    sparse: Ranking, dense: Ranking, method: FusionMethod, normalisation: Normalisation
) -> None:
    sparse = Ranking(np.append([99], sparse.labels), np.append([31], sparse.scores).astype(np.float32))
    dense = Ranking(np.append([99], dense.labels), np.append([31], dense.scores).astype(np.float32))
    assert fuse(Plan(fusion=method, normalisation=normalisation), sparse, dense)[0].label == 99
