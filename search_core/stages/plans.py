"""The plan tier as a stage, and the plan chosen anew where the models under it have changed: model first, then plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from retrieval.plan import FusionMethod, Plan
from retrieval.ranking.diffusion import needs_graph
from search_core.candidate import Candidate, StageReport
from search_core.conditions import Conditions
from search_core.policy import POLICIES
from search_core.proof.reasons import Reason
from search_core.spaces.architecture import Architecture
from search_core.spaces.plan_mapping import architecture_of, plan_of, plan_space
from search_core.spaces.scalar import same
from search_core.spaces.space import SearchSpace
from search_core.stages.cross_fitting import crossed_plan
from search_core.stages.plan_choice import PlanChoice
from search_core.stages.plan_tier import PlanTier, Progress, Scored, untried
from search_core.stages.portfolio import PLAIN, portfolio
from search_core.stages.quickness import given_up, too_slow
from search_core.stages.recording import Stopwatch
from search_core.thinning import compared_on

PLAN_POLICY = "random"  # of "auto": trials are cheap here, and no policy beats it (docs/search-space.md)
PAIRED = ("dense_weight", "feedback")  # decisions that are moved together when a plan is chosen anew


def plan_stage(
    conditions: Conditions, start: Candidate, share: float, progress: Progress
) -> tuple[Candidate, StageReport, PlanTier]:
    """Sweep the plan tier: what serves and a portfolio of known good plans first, then what the policy asks for."""
    request, clock, watch = conditions.request, conditions.clock, Stopwatch()
    space = plan_space(conditions.space)
    name = PLAN_POLICY if request.policy == "auto" else request.policy
    places = compared_on(conditions.untaught)
    tier = _tier(conditions, start, places, name)
    incumbent = tier.add(architecture_of(start.plan, space), start.plan)
    is_over = partial(conditions.timed.is_over, share)
    tier.try_all(portfolio(space), clock, is_over, progress)
    policy = POLICIES.create(name, space, request.seed)
    tier.search(policy, request.max_epochs, clock, is_over, progress)
    choice, slow = _quick_enough(conditions, start, _plain_choice(conditions, tier, incumbent, places))
    chosen = choice.whole
    found = start.with_plan(chosen.architecture, chosen.plan)
    if len(conditions.tiers) > 1:  # a later tier compares with it
        found = replace(found, crossed=crossed_plan(conditions, start, choice))
    kept = chosen.plan != start.plan
    why_not = "what serves already was not beaten by more than chance" if tier.trials else untried(clock)
    report = StageReport(
        tier="plan",
        trials=tier.trials,
        seconds=watch.seconds,
        cpu_seconds=watch.cpu_seconds,
        kept=kept,
        reason="" if kept else slow or why_not,
        gain=chosen.mean - incumbent.mean,
        best=found,
        policy=policy.report(),
    )
    return found, report, tier


def plans_anew(
    conditions: Conditions, start: Candidate, share: float, progress: Progress
) -> tuple[Candidate, PlanChoice]:
    """The best plan near the start's, scored with its legs on `choose`, which its models have not learned from.

    The choice tells what some of these questions would have chosen: on those that chose it a plan is too good to
    compare the candidate by (`search_core.stages.cross_fitting`). The plain ones are scored even where the time is
    over: a plan by words alone would hide all that a model learned.
    """
    space = plan_space(conditions.space)
    places = compared_on(conditions.split.choose)
    tier = _tier(conditions, start, places, "sweep")
    incumbent = tier.add(start.architecture, start.plan)
    open_ones = {decision.name for decision in space.decisions if len(decision.values) > 1}
    kept = {name: value for name, value in start.architecture.choices if name not in open_ones}
    moved = {name: value for name, value in start.architecture.choices if name in open_ones}
    near = [conditions.space.complete(one.as_dict() | kept) for one in _near(space.complete(moved), space)]
    is_over = partial(conditions.timed.is_over, share)
    tier.try_all(near, conditions.clock, is_over, progress, least=PLAIN)
    choice, _ = _quick_enough(conditions, start, _plain_choice(conditions, tier, incumbent, places))
    chosen = choice.whole
    return start.with_plan(chosen.architecture, chosen.plan), choice


def _tier(conditions: Conditions, start: Candidate, places: Sequence[int], policy: str) -> PlanTier:
    metric = conditions.spec.metric
    return PlanTier(start.legs.only(places), _plan_by(start, conditions.space), metric, conditions.log, policy)


def _plan_by(start: Candidate, space: SearchSpace) -> Callable[[Architecture], Plan]:
    """What no decision is about, such as the adapter learned in this run, stays as it is."""
    return lambda architecture: replace(plan_of(architecture, start.plan, space), adapter=start.plan.adapter)


def _plain_choice(conditions: Conditions, tier: PlanTier, incumbent: Scored, places: Sequence[int]) -> PlanChoice:
    """The choice; where changes of the chosen plan change nothing, such as a walk over links without any, it has none.

    That is nearer to what serves, and quicker.
    """
    choice = _choice(tier, incumbent, places)
    left = chosen = choice.whole
    for name, value in incumbent.architecture.choices:
        choices = left.architecture.as_dict()
        if name in choices and not same(choices[name], value) and conditions.space.has(name, value):
            plain = tier.keep_if_alike(conditions.space.complete(choices | {name: value}), left)
            left = left if plain is None else plain
    return choice if left is chosen else _choice(tier, incumbent, places)


def _choice(tier: PlanTier, incumbent: Scored, places: Sequence[int]) -> PlanChoice:
    return PlanChoice(tuple(tier.scored.values()), incumbent, tuple(places), tier.questions)


def _quick_enough(conditions: Conditions, start: Candidate, choice: PlanChoice) -> tuple[PlanChoice, Reason | None]:
    """The choice; where that is too slow, that with one step of diffusion, then with ever less.

    The reason is why the first was given up; None where it was not.
    """
    left, slow = choice, None
    for simpler in (_takes_one_step, _asks_no_graph, _does_not_diffuse, _asks_words_alone):
        chosen = left.whole
        if simpler(chosen):
            continue
        reasons = too_slow(conditions, start.with_plan(chosen.architecture, chosen.plan))
        if not reasons:
            break
        slow = slow or given_up(reasons[0], chosen.mean - choice.incumbent.mean)
        left = choice.only([one for one in choice.scored if one is choice.incumbent or simpler(one)])
    return left, slow


def _takes_one_step(one: Scored) -> bool:
    return one.plan.diffusion is None or one.plan.diffusion.steps <= 1


def _asks_no_graph(one: Scored) -> bool:
    return not needs_graph(one.plan.diffusion)


def _does_not_diffuse(one: Scored) -> bool:
    return one.plan.diffusion is None


def _asks_words_alone(one: Scored) -> bool:
    return one.plan.fusion is FusionMethod.SPARSE and _does_not_diffuse(one)


def _near(architecture: Architecture, space: SearchSpace) -> Iterator[Architecture]:
    """The portfolio, every plan that differs in one decision, and all pairs of weight and feedback."""
    yield from portfolio(space)
    choices = architecture.as_dict()
    known = {decision.name: decision for decision in space.decisions}
    for name, decision in known.items():
        if name in choices:
            yield from (space.complete(choices | {name: value}) for value in decision.values if value != choices[name])
    if all(name in choices and name in known for name in PAIRED):
        first, second = (known[name] for name in PAIRED)
        for one in first.values:
            yield from (space.complete(choices | {first.name: one, second.name: two}) for two in second.values)
