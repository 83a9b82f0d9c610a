"""The graph tier: a network over the corpus graph gives the chunks other vectors; questions are embedded as before.

What it finds is measured and kept in the run's report. It does not serve: see docs/search-core-measured.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from infra.wording import counted
from retrieval.graph import CorpusGraph, build_graph
from search_core.candidate import Candidate, StageReport, is_better
from search_core.conditions import Conditions
from search_core.corpus.snapshot import key_of
from search_core.errors import ArchitectureError, TrainingError
from search_core.models.retrieval_gnn import fit_graph_lm
from search_core.spaces.architecture import Architecture
from search_core.stages.briefing import archive_trials, open_policy
from search_core.stages.cross_fitting import compare_learned
from search_core.stages.graph_mapping import config_of, edges_of, graph_space, training_of
from search_core.stages.halving import Outcome, Rung, halve
from search_core.stages.labels import Judged, judged_rows
from search_core.stages.plan_tier import Progress
from search_core.stages.plans import plans_anew
from search_core.stages.recording import Recorder, Stopwatch
from search_core.thinning import thinned

RUNGS = (Rung(9, 0.1), Rung(3, 0.3), Rung(1, 1.0))
EPOCHS = 30  # of a training in full
QUESTIONS = 1_000  # of `fit` in a training in full
MIN_FIT = 30  # questions to learn from
MIN_CHUNKS = 2  # of one nothing can be normalised, nor ranked
DEPTH = "graph.depth"
NOT_SERVED = "vectors that a graph network gives are measured, not served"


@dataclass(slots=True)
class _Ground:
    """What all trials of the stage stand on; `trouble`: why the last training that failed did."""

    conditions: Conditions
    start: Candidate
    graph: CorpusGraph
    judged: Judged  # of `fit`
    recorder: Recorder
    offset: float  # of the scale of rewards
    trouble: str = ""


def graph_stage(
    conditions: Conditions, start: Candidate, best: float, share: float, progress: Progress
) -> tuple[Candidate, StageReport]:
    """The start, for nothing of this serves, and what a network would bring."""
    watch, recorder = Stopwatch(), Recorder(conditions, "graph", "", progress, best)
    if reason := _why_not(conditions, share):
        return start, recorder.report(watch, reason=reason)
    try:
        space = graph_space(conditions.space)
    except ArchitectureError as error:
        return start, recorder.report(watch, reason=f"the search space does not fit it: {error}")
    recorder.policy, policy = open_policy(conditions, "graph", space)
    before = start.values(conditions.split.choose, conditions.spec.metric)
    graph = build_graph(conditions.snapshot.chunks, start.base.snapshot.vectors)
    judged = judged_rows(start.base, conditions.split.fit)
    ground = _Ground(conditions, start, graph, judged, recorder, best - float(before.mean()))
    done = halve(policy, RUNGS, lambda architecture, rung: _trial(ground, architecture, rung), conditions.clock, share)
    archive_trials(conditions, "graph", policy, [outcome.trial for _, outcomes in done for outcome in outcomes])
    found = next((outcome.made for outcome in done[-1][1] if outcome.made is not None), None) if done else None
    report = policy.report()
    if found is None:
        reason = ground.trouble or "the time did not suffice, or no network could be trained"
        return start, recorder.report(watch, reason=reason, policy=report)
    swept, choice = plans_anew(conditions, found, share, progress)
    network = found
    values, plain = compare_learned(
        conditions, start, choice, lambda fold, plan: network.under(plan).values(fold, conditions.spec.metric)
    )
    gain = float(values.mean() - plain.mean())
    reason = (
        NOT_SERVED
        if is_better(values, plain, conditions.choosing)
        else f"a gain of {gain:+.4f} on {len(plain)} may be chance"
    )
    return start, recorder.report(watch, reason=reason, gain=gain, best=swept, policy=report)


def _why_not(conditions: Conditions, share: float) -> str:
    if not conditions.supervision.judged:
        return "questions made from the corpus do not rank graph settings as people's questions do"
    if DEPTH not in {decision.name for decision in conditions.space.decisions}:
        return "the search space has no decision about it"
    if len(conditions.split.fit) < MIN_FIT:
        few = counted(len(conditions.split.fit), "question is", "questions are")
        return f"{few} too few to learn from; expected {MIN_FIT} or more"
    if len(conditions.snapshot.chunks) < MIN_CHUNKS:
        return "a single passage has no neighbours to learn from"
    if conditions.timed.is_over(share):
        return "the time was over, or the run was stopped, before it began"
    return ""


def _trial(ground: _Ground, asked: Architecture, rung: Rung) -> Outcome[Candidate]:
    watch, conditions, start = Stopwatch(), ground.conditions, ground.start
    chosen = {name: value for name, value in asked.choices if name.startswith("graph.")}
    architecture = conditions.space.complete(start.architecture.as_dict() | chosen)
    try:
        made = replace(_fitted(ground, asked, rung), architecture=architecture)
    except TrainingError as error:
        ground.trouble = str(error)
        return Outcome(ground.recorder.add(architecture, start.plan, rung.fidelity, None, watch, asked), None)
    values = made.values(conditions.split.choose, conditions.spec.metric)
    reward = ground.offset + float(values.mean())
    return Outcome(ground.recorder.add(architecture, start.plan, rung.fidelity, reward, watch, asked), made)


def _fitted(ground: _Ground, architecture: Architecture, rung: Rung) -> Candidate:
    """The start with the vectors that the network of these choices gives."""
    start, fit = ground.start, ground.conditions.split.fit
    if architecture[DEPTH] == 0:
        return start
    edges = edges_of(architecture, ground.graph)
    places = thinned(range(len(fit)), max(1, int(QUESTIONS * rung.fidelity)))
    vectors = start.base.snapshot.vectors
    fitted = fit_graph_lm(
        vectors,
        edges,
        start.legs.query_vectors[[fit[place] for place in places]],
        [ground.judged[place] for place in places],
        config_of(architecture, int(vectors.shape[1]), edges.kinds),
        ground.conditions.request.seed,
        ground.conditions.spec.budget_seconds,
        training_of(architecture, max(1, int(EPOCHS * rung.fidelity))),
        [key_of(chunk) for chunk in start.base.snapshot.chunks],
    )
    if fitted.epoch == 0:
        return start
    refined = fitted.vectors()
    return replace(start, base=start.base.with_chunk_vectors(refined), legs=start.legs.with_chunk_vectors(refined))
