"""A plan survives its JSON, has a digest that tells plans apart, and refuses what makes no sense."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import InvalidInputError
from retrieval.plan import DEFAULT_PLAN, MAX_DEPTH, PLAN_VERSION, FusionMethod, Normalisation, Plan, RerankStep

depths = st.integers(1, MAX_DEPTH)
plans = st.builds(
    Plan,
    sparse_depth=depths,
    dense_depth=depths,
    fusion=st.sampled_from(FusionMethod),
    normalisation=st.sampled_from(Normalisation),
    dense_weight=st.floats(0, 1),
    adaptive=st.booleans(),
    feedback=st.floats(0, 1),
    feedback_top=depths,
    rerank=st.none() | st.builds(RerankStep, name=st.text(min_size=1), depth=depths),
    top=depths,
)


@given(plans)
def test_json_round_trip(plan: Plan) -> None:
    assert Plan.from_json(plan.to_json()) == plan


@given(plans, plans)
def test_digests_tell_plans_apart(one: Plan, other: Plan) -> None:
    assert (one.digest == other.digest) == (one == other)


def test_json_is_versioned_and_missing_fields_take_defaults() -> None:
    assert json.loads(DEFAULT_PLAN.to_json())["version"] == PLAN_VERSION
    assert Plan.from_json("{}") == DEFAULT_PLAN
    assert Plan.from_json('{"top": 3}') == replace(DEFAULT_PLAN, top=3)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"depth": 3}', "unknown field 'depth'"),
        ('{"version": 99}', "plan.version is 99"),
        ('{"top": 0}', "plan.top is 0"),
        ('{"top": true}', "plan.top is True"),
        ('{"top": 2.5}', "plan.top is 2.5"),
        ('{"dense_weight": 1.5}', "plan.dense_weight is 1.5"),
        ('{"dense_weight": NaN}', "plan.dense_weight is nan"),
        ('{"dense_weight": "half"}', "plan.dense_weight is 'half'"),
        (f'{{"dense_weight": 1{"0" * 400}}}', "plan.dense_weight is a whole number beyond"),
        ('{"feedback": -0.5}', "plan.feedback is -0.5"),
        ('{"fusion": "magic"}', "plan.fusion is 'magic'"),
        ('{"normalisation": []}', "plan.normalisation is []"),
        ('{"adaptive": 1}', "plan.adaptive is 1"),
        ('{"rerank": "minilm"}', "plan.rerank is 'minilm'"),
        ('{"rerank": {"name": "x", "top": 3}}', "plan.rerank has unknown field 'top'"),
        ('{"rerank": {"name": "x", "depth": 0}}', "plan.rerank.depth is 0"),
        ("[]", "plan is a JSON list"),
        ("{", "plan is not JSON"),
        pytest.param("[" * 100_000, "is not JSON", id="nested"),
        pytest.param('{"top": ' + "9" * 5_000 + "}", "is not JSON", id="digits"),
    ],
)
def test_a_wrong_plan_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Plan.from_json(text)
    assert named in str(caught.value)
