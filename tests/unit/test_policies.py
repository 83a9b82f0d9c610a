"""The learned policy against closed forms, its masks, its warm start, its stepping back; all policies against luck."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_core.errors import ArtifactError, PolicyError
from search_core.policy import POLICIES, Briefing, Earlier, Trial
from search_core.policy.archive import Archive
from search_core.policy.contract import DRAW, PICK, Accountable
from search_core.policy.standing import MIN_DRAWS, MIN_PICKS, Standing
from search_core.spaces.architecture import Architecture
from search_core.spaces.counting import Counting
from search_core.spaces.decision import Decision, Tier
from search_core.spaces.space import SearchSpace
from search_core.testing import WIDE, reward_of, run

torch = pytest.importorskip("torch", reason='needs "autoglm-kb[train]"')
pytestmark = [
    pytest.mark.slow,  # the imports alone take seconds
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
]
ARMS = SearchSpace("arms", (Decision("arm", Tier.PLAN, ("left", "right"), "left", "which arm"),))


def network(space: SearchSpace, seed: int = 0) -> Any:
    from search_core.policy.encoding import space_tensors
    from search_core.policy.network import ControllerNetwork

    torch.manual_seed(seed)
    return ControllerNetwork(space_tensors(space), 0)


@pytest.mark.parametrize("baseline", [0.0, 0.7, -3.0])
def test_reinforce_on_two_arms_is_the_closed_form(baseline: float) -> None:
    """With p = P(right) and rewards l, r the gradient of the expected reward by the right logit is p(1 - p)(r - l)."""
    from search_core.policy.reinforce import entropy_of, masked_log_softmax, reinforce_loss

    logits = torch.tensor([[0.3, -0.4]], dtype=torch.float64, requires_grad=True)
    legal, rewards = torch.ones(1, 2, dtype=torch.bool), (0.2, 0.9)
    chance = torch.softmax(logits.detach()[0], 0)
    gradient = torch.zeros(1, 2, dtype=torch.float64)
    for arm, reward in enumerate(rewards):  # the expectation over both arms, exactly
        logs = masked_log_softmax(logits, legal)
        loss = reinforce_loss(logs[:, arm], torch.tensor([reward - baseline]), entropy_of(logs, legal), 0.0)
        gradient -= chance[arm] * torch.autograd.grad(loss, logits)[0]
    right = float(chance[0] * chance[1]) * (rewards[1] - rewards[0])
    assert gradient[0].tolist() == pytest.approx([-right, right])


def test_the_entropy_bonus_has_the_closed_form() -> None:
    """The gradient of the entropy by a logit is -p (log p + H)."""
    from search_core.policy.reinforce import entropy_of, masked_log_softmax, reinforce_loss

    logits = torch.tensor([[0.3, -0.4, 5.0]], dtype=torch.float64, requires_grad=True)
    legal = torch.tensor([[True, True, False]])
    logs = masked_log_softmax(logits, legal)
    entropy = entropy_of(logs, legal)
    loss = reinforce_loss(logs[:, 0], torch.zeros(1, dtype=torch.float64), entropy, 0.5)
    gradient = -torch.autograd.grad(loss, logits)[0][0]
    p = torch.softmax(torch.tensor([0.3, -0.4], dtype=torch.float64), 0)
    h = -(p * p.log()).sum()
    assert entropy.item() == pytest.approx(h.item())
    assert gradient.tolist() == pytest.approx([*(-0.5 * p * (p.log() + h)).tolist(), 0.0])


def test_the_network_follows_the_gradient_of_the_expected_reward() -> None:
    """Through every weight of the graph network: the mean over both arms equals d/dw of p·r, by autograd."""
    from search_core.policy.reinforce import reinforce_loss

    net = network(ARMS)
    states, profile = torch.tensor([[2], [3]]), torch.zeros(2, 1)
    rewards = torch.tensor([0.2, 0.9])
    logs, entropy = net.log_probability(states, profile)
    weights = [w for name, w in net.named_parameters() if not name.startswith(("foreseers", "baseline"))]
    chances = logs.exp().detach()
    assert float(chances.sum()) == pytest.approx(1.0, abs=1e-6)
    two = 2 * chances * (rewards - 0.5)  # the loss takes the mean of two
    got = torch.autograd.grad(reinforce_loss(logs, two, entropy, 0.0), weights, retain_graph=True, allow_unused=True)
    want = torch.autograd.grad(-(logs.exp() * rewards).sum(), weights, allow_unused=True)
    pairs = [(g, w) for g, w in zip(got, want, strict=True) if g is not None and w is not None]
    assert len(pairs) > 8 and any(w.abs().max() > 1e-5 for _, w in pairs)
    assert all(torch.allclose(g, w, atol=1e-7) for g, w in pairs)


@st.composite
def tangled(draw: st.DrawFn) -> SearchSpace:
    """Spaces with conditions on up to two earlier decisions, themselves conditional."""
    decisions: list[Decision] = []
    for place in range(draw(st.integers(1, 7))):
        values = tuple(range(draw(st.integers(1, 5))))
        parents = draw(st.lists(st.sampled_from(decisions), max_size=2, unique_by=lambda d: d.name)) if place else []
        when = {p.name: tuple(draw(st.lists(st.sampled_from(p.values), min_size=1, unique=True))) for p in parents}
        decisions.append(Decision(f"d{place}", Tier.PLAN, values, 0, "something", when))
    return SearchSpace("tangled", tuple(decisions))


@settings(max_examples=60)
@given(space=tangled(), seed=st.integers(0, 99))
def test_no_weights_lead_to_an_illegal_architecture(space: SearchSpace, seed: int) -> None:
    """Also extreme ones; and the probability of what was drawn is what drawing it says."""
    net = network(space, seed)
    with torch.no_grad():
        net.choice.weight.mul_(random.Random(seed).choice([1, 1000]))
        states = net.sample(torch.zeros(1, 1), 16, torch.Generator().manual_seed(seed))
        drawn = [space.check(net.tensors.architecture(row)) for row in states.tolist()]
        logs, _ = net.log_probability(states, torch.zeros(16, 1))
    assert torch.equal(net.tensors.states(drawn), states)
    assert bool((logs <= 1e-5).all())


def test_probabilities_of_all_architectures_add_up_to_one() -> None:
    net = network(WIDE, 5)
    counting = Counting(WIDE)
    everything = [counting.at(place) for place in range(counting.size)]
    with torch.no_grad():
        logs, _ = net.log_probability(net.tensors.states(everything), torch.zeros(len(everything), 1))
    assert float(logs.exp().sum()) == pytest.approx(1.0, abs=1e-4)


def best_of(name: str, seed: int) -> float:
    return max(trial.reward for trial in run(POLICIES.create(name, WIDE, seed), 40))


@pytest.mark.parametrize("name", ["tpe", "evolution", "controller"])
def test_learning_beats_luck_on_a_reward_that_can_be_learned(name: str) -> None:
    """Means of the last trials, not of one lucky best: what was learned shows in what is asked."""

    def late(name: str, seed: int) -> float:
        return sum(trial.reward for trial in run(POLICIES.create(name, WIDE, seed), 60)[40:]) / 20

    for seed in range(2):
        assert late(name, seed) > late("random", seed) + 0.02, seed


def test_no_policy_ends_far_below_random() -> None:
    luck = sum(best_of("random", seed) for seed in range(5)) / 5
    for name in ("grid", "tpe", "evolution", "controller"):
        assert sum(best_of(name, seed) for seed in range(2)) / 2 > luck - 0.03, name


def archived(seed: int, shift: float = 0.0) -> Earlier:
    trials = run(POLICIES.create("random", WIDE, seed), 80, reward=lambda one: reward_of(one) * 0.5 + shift)
    return Earlier((0.1 * seed, 1.0), tuple(trials))


def test_earlier_runs_make_the_first_questions_better() -> None:
    """Rewards there had another mean and spread; what counts is which architectures were better."""
    briefing = Briefing((0.25, 1.0), (archived(1), archived(2, shift=3.0)))

    def first(seed: int, *told: Briefing) -> float:
        return sum(trial.reward for trial in run(POLICIES.create("controller", WIDE, seed, *told), 8)) / 8

    for seed in range(2):
        assert first(seed, briefing) > first(seed) + 0.1, seed


def test_earlier_runs_with_another_encoders_profile_are_refused() -> None:
    with pytest.raises(PolicyError, match="profile of 2 numbers, this one of 3"):
        POLICIES.create("controller", WIDE, 0, Briefing((1.0, 2.0, 3.0), (archived(1),)))


def test_a_misled_controller_steps_back_and_says_so() -> None:
    """Earlier runs praised what is worst here; picks lose against random draws, and the report says it."""
    trials = run(POLICIES.create("random", WIDE, 1), 100, reward=lambda one: -reward_of(one))
    policy = POLICIES.create("controller", WIDE, 0, Briefing((), (Earlier((), tuple(trials)),)))
    stepped = False
    for _ in range(12):
        asked = policy.ask(4)
        policy.tell([Trial(one, reward_of(one)) for one in asked])
        stepped = stepped or (policy.report()["steps_back"] and "steps back" in policy.report()["says"])
    assert stepped


def test_standing_falls_and_rises_by_its_rules() -> None:
    standing = Standing()
    for reward in (0.5, 0.6, 0.7, 0.8):
        standing.count(DRAW, reward)
    for _ in range(7):
        standing.count(PICK, 0.1)
    assert not standing.review()  # too few picks to conclude
    standing.count(PICK, 0.1)
    assert standing.review() and standing.win_rate == 0.0
    for place in range(8):
        standing.count("mutant", float(place) ** 3, forecast=float(place))
    assert standing.foresight == pytest.approx(1.0)
    assert not standing.review() and standing.changes == 2
    standing.count("mutant", -1.0, forecast=99.0)
    assert standing.foresight < 0.4


def test_one_run_of_a_dear_tier_is_too_short_to_step_back_and_some_together_are_not() -> None:
    """As docs/search-space.md says, with these numbers: half of the requests are draws until enough is known."""
    from search_core.stages.encoder_stage import FEEDBACK_RUNGS, LANGUAGE_RUNGS
    from search_core.stages.graph_stage import RUNGS

    requests = [rungs[0].count for rungs in (RUNGS, FEEDBACK_RUNGS, LANGUAGE_RUNGS)]
    assert requests == [9, 4, 1]
    assert (MIN_PICKS, MIN_DRAWS) == (8, 4) and max(requests) < MIN_PICKS + MIN_DRAWS
    assert [math.ceil(MIN_PICKS / math.ceil(count / 2)) for count in requests[:2]] == [2, 4]  # runs


def tried(number: int, origin: str, reward: float, **more: Any) -> Trial:
    return Trial(Counting(WIDE).at(number), reward, origin=origin, **more)


def test_standing_adds_up_over_runs_and_compares_within_each() -> None:
    """The win rate is that of all pairs of a run, however its rewards lie beside those of another; by brute force."""
    random_ = random.Random(4)
    runs = []
    for shift in (0.0, 50.0, -3.0):
        origins = [PICK, DRAW] * 3 + [DRAW, "mutant", ""]
        runs.append([tried(place, one, shift + random_.random()) for place, one in enumerate(origins)])
    pairs = [
        (pick.reward > draw.reward)
        for run in runs
        for pick in run
        for draw in run
        if (pick.origin, draw.origin) == (PICK, DRAW)
    ]
    standing = Standing.over(runs)
    assert standing.win_rate == pytest.approx(sum(pairs) / len(pairs)) and len(pairs) == 36
    assert {name: standing.to_dict()[name] for name in ("picks", "draws", "runs")} == {
        "picks": 9,
        "draws": 12,
        "runs": 3,
    }
    assert Standing.over(runs[:2]).to_dict()["picks"] == 6 and not Standing.over(runs[:2]).is_known


def test_standing_counts_each_architecture_once_as_it_did_beside_the_others() -> None:
    """A trial in full is worth more than a short one, and says nothing of who asks better."""
    run = [tried(0, PICK, 0.4, fidelity=0.1), tried(1, DRAW, 0.5, fidelity=0.1), tried(0, PICK, 0.9)]
    standing = Standing.over([run])
    assert (standing.win_rate, standing.to_dict()["picks"]) == (0.0, 1)
    alone = Standing.over([[tried(0, PICK, 0.1), tried(1, PICK, 0.2)], [tried(2, DRAW, 0.3), tried(3, DRAW, math.nan)]])
    assert alone.to_dict()["picks"] == 0 and alone.win_rate == 0.5, "no draw beside them"


def test_standing_rises_over_runs_by_what_each_foretold() -> None:
    losing = [tried(0, PICK, 0.1), tried(1, DRAW, 0.5), tried(2, PICK, 0.2), tried(3, DRAW, 0.6)]
    standing = Standing.over([losing] * 4)
    assert standing.steps_back and standing.to_dict()["runs"] == 4
    foreseen = [tried(place, "mutant", place + 1.0, forecast=place / 10) for place in range(4)]
    higher = [tried(place, "mutant", 90.0 - place, forecast=-place / 10) for place in range(4)]
    assert Standing.over([*[losing] * 4, foreseen]).steps_back, "four forecasts are too few"
    again = Standing.over([*[losing] * 4, foreseen, higher])
    assert again.foresight == pytest.approx(1.0) and not again.steps_back


def short_run(briefing: Briefing, seed: int, requests: int = 4) -> tuple[dict[str, Any], list[Trial]]:
    """A run as a dear tier makes it: asked for few, told, accounted for."""
    policy = POLICIES.create("controller", WIDE, seed, briefing)
    assert isinstance(policy, Accountable)
    made = run(policy, requests, batch=3)
    return policy.report(), policy.accounted(made)


def test_short_runs_add_up_until_a_misled_controller_steps_back_with_the_numbers() -> None:
    """What the archive keeps of four runs of four requests is enough, where one never is."""
    trials = run(POLICIES.create("random", WIDE, 1), 100, reward=lambda one: -reward_of(one))
    earlier = (Earlier((), tuple(trials)),)
    record: list[tuple[Trial, ...]] = []
    for seed in range(4):
        report, made = short_run(Briefing((), earlier, tuple(record)), seed)
        assert [one.origin for one in made] == [PICK, DRAW, PICK, DRAW] and all(
            one.forecast is not None for one in made
        )
        assert report["steps_back"] is (seed == 3)
        record.append(tuple(made))
    report, made = short_run(Briefing((), earlier, tuple(record)), 4)
    assert report["steps_back"] and PICK not in {one.origin for one in made}
    assert "steps back to random draws and mutations" in report["says"]
    assert "8 picks beside 8 random draws over 4 runs" in report["says"]
    again, same = short_run(Briefing((), earlier, tuple(record)), 4)
    assert (again, same) == (report, made), "equal seeds and an equal archive go the same way"


def test_a_controller_that_wins_leads_in_short_runs_and_goes_on_being_compared() -> None:
    earlier = (Earlier((), tuple(run(POLICIES.create("random", WIDE, 1), 100))),)
    winning = tuple(tried(place, PICK if place % 2 else DRAW, float(place % 2)) for place in range(16))
    report, made = short_run(Briefing((), earlier, (winning,)), 0)
    assert [one.origin for one in made] == [PICK, PICK, PICK, DRAW]
    assert report["says"].startswith("leads: ") and report["runs"] == 2
    _, cold = short_run(Briefing((), (), ()), 0)
    assert {one.origin for one in cold} == {DRAW}, "without any lessons nothing is picked"
    _, long = short_run(Briefing((), earlier), 0)
    assert {one.origin for one in long} == {PICK}, "a run that is counted by itself draws once in eight requests"


def test_the_archive_keeps_runs_apart_and_survives_a_torn_line(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "runs" / "archive.jsonl")
    trials = [Trial(WIDE.default(), 0.5, 2.0, 0.5), Trial(WIDE.complete({"left": 3}), math.nan)]
    archive.add(corpus="one", task="retrieval", encoder="small", profile=(0.5, 1.0), trials=trials)
    with archive.path.open("a") as file:
        file.write('{"format": 1, "corp')  # a writer fell here
    assert len(archive.briefing(profile=(1.0, 1.0), encoder="small").earlier) == 1
    archive.add(corpus="two", task="answer", encoder="small", profile=(0.0, 1.0), trials=trials[:1])
    archive.add(corpus="two", task="retrieval", encoder="large", profile=(0.0,), trials=trials)
    told = archive.briefing(profile=(1.0, 1.0), encoder="small")
    assert [len(run.trials) for run in told.earlier] == [2, 1]
    assert told.earlier[0].trials[0] == trials[0] and told.earlier[0].trials[1].failed
    assert len(archive.briefing(profile=(1.0, 1.0), encoder="small", task="answer").earlier) == 1


def test_an_archive_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the place of the folder")
    with pytest.raises(ArtifactError, match=r"archive .*archive\.jsonl cannot be written: File exists"):
        Archive(tmp_path / "runs" / "archive.jsonl").add(corpus="c", task="t", encoder="e", profile=(), trials=[])


def test_the_archive_tells_no_run_of_the_own_collection_that_another_split_rewarded(tmp_path: Path) -> None:
    """What was worked with there may be sealed here; who won, picks or draws, may be known of all."""
    archive = Archive(tmp_path / "archive.jsonl")
    about: dict[str, Any] = {"task": "graph", "encoder": "e", "profile": (1.0,)}
    for number, (corpus, split) in enumerate((("one", "a"), ("one", "b"), ("two", "a"), ("two", "c"))):
        archive.add(**about, corpus=corpus, split=split, trials=[tried(number, PICK, 0.5, forecast=0.25)])
    former = json.loads(archive.path.read_text().splitlines()[0])  # as an earlier version wrote it
    del former["split"], former["trials"][0]["origin"], former["trials"][0]["forecast"]
    with archive.path.open("a") as file:
        for corpus in ("one", "two"):
            file.write(json.dumps(former | {"corpus": corpus}) + "\n")
    told = archive.briefing(profile=(1.0,), encoder="e", task="graph", corpus="one", split="a")
    numbers = [one.trials[0].architecture for one in told.earlier]
    assert numbers == [Counting(WIDE).at(number) for number in (0, 2, 3, 0)], "of the last two lines only the second"
    assert told.earlier[0].trials[0] == tried(0, PICK, 0.5, forecast=0.25)
    assert (told.earlier[3].trials[0].origin, told.earlier[3].trials[0].forecast) == ("", None)
    assert told.record is not None and len(told.record) == 6
    assert len(archive.briefing(profile=(1.0,), encoder="e", corpus="one", first=2).earlier) == 0, "its split not said"
    other = archive.briefing(profile=(1.0,), encoder="f", task="graph")
    assert (other.earlier, len(other.record or ())) == ((), 6), "the record needs no profile"


def test_a_broken_archive_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "archive.jsonl"
    path.write_text(json.dumps({"format": 2}) + "\n")
    with pytest.raises(PolicyError, match=r"archive.jsonl:1 is not of format 1"):
        Archive(path).briefing(profile=(), encoder="small")
    path.write_text('{"format"\n{}\n')
    with pytest.raises(PolicyError, match=r"archive.jsonl:1 is not JSON"):
        Archive(path).briefing(profile=(), encoder="small")


def test_a_broken_archive_is_counted_and_added_to(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive.jsonl")
    archive.path.write_bytes(b'{"format": 1, "x": "\xff"}\n{}\n{"cut')
    archive.add(corpus="c", task="graph", encoder="e", profile=(), trials=(), experiment="a")
    assert len(archive) == 3
    with pytest.raises(PolicyError, match=r"archive.jsonl:1 is not JSON"):
        archive.briefing(profile=(), encoder="e")


def test_a_trial_survives_json() -> None:
    trial = Trial(Architecture("wide", {"left": 0, "last": True}), 0.25, 1.5, 0.5)
    for one in (trial, replace(trial, origin=DRAW), replace(trial, origin=PICK, forecast=-0.5)):
        assert Trial.from_dict(json.loads(json.dumps(one.to_dict()))) == one
