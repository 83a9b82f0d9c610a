"""What a run stands on once it has begun: corpus, questions, both legs' answers, and what serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.experiments import ExperimentRecord
from retrieval.contracts import Encoder
from retrieval.plan import DEFAULT_PLAN, Plan
from search_core.clock import Clock
from search_core.experiment_log import ExperimentLog
from search_core.legs import CachedLegs, ask_legs
from search_core.pseudo_questions import questions_from_corpus
from search_core.request import Request
from search_core.snapshot import CorpusSnapshot, key_of, read_snapshot
from search_core.space import SearchSpace, open_space
from search_core.splits import Split, split_questions
from search_core.supervision import Supervision, given, stored
from search_core.task import TaskSpec


@dataclass(frozen=True, slots=True)
class Conditions:
    """Read once at the start; nothing of it changes while the run goes on."""

    request: Request
    spec: TaskSpec
    catalog: Catalog
    collection: Collection
    record: ExperimentRecord
    folder: Path
    encoder: Encoder
    snapshot: CorpusSnapshot
    supervision: Supervision
    split: Split
    legs: CachedLegs
    space: SearchSpace
    incumbent: Plan
    log: ExperimentLog
    clock: Clock


def prepare(
    request: Request,
    spec: TaskSpec,
    catalog: Catalog,
    collection: Collection,
    record: ExperimentRecord,
    folder: Path,
    encoder: Encoder,
    clock: Clock,
) -> Conditions:
    """Read the corpus, find questions, ask both legs. Raises `SearchCoreError` where there is nothing to learn from."""
    space = open_space(request.search_space)
    snapshot = read_snapshot(catalog, collection)
    try:
        snapshot, supervision = _supervised(request, catalog, snapshot, encoder)
        split = split_questions(supervision.questions, request.seed)
        legs = ask_legs(snapshot, encoder, supervision.questions)
        log = ExperimentLog(catalog.experiments, record.id, folder)
    except BaseException:
        snapshot.close()
        raise
    return Conditions(
        request=request,
        spec=spec,
        catalog=catalog,
        collection=collection,
        record=record,
        folder=folder,
        encoder=encoder,
        snapshot=snapshot,
        supervision=supervision,
        split=split,
        legs=legs,
        space=space,
        incumbent=serving_plan(catalog, collection) if request.against is None else Plan.from_dict(request.against),
        log=log,
        clock=clock,
    )


def serving_plan(catalog: Catalog, collection: Collection) -> Plan:
    """The plan that serves the collection, as its record says."""
    if collection.plan_id is None:
        return DEFAULT_PLAN
    return Plan.from_dict(catalog.plans.get(collection, collection.plan_id).body)


def _supervised(
    request: Request, catalog: Catalog, snapshot: CorpusSnapshot, encoder: Encoder
) -> tuple[CorpusSnapshot, Supervision]:
    keys = frozenset(key_of(chunk) for chunk in snapshot.chunks)
    if request.qrels is not None:
        return snapshot, given(request.queries or {}, request.qrels, keys)
    found = stored(catalog, snapshot.collection, request.eval_set, keys)
    if found is not None:
        return snapshot, found
    asked, supervision = questions_from_corpus(snapshot, encoder, request.seed)
    snapshot.close()
    return asked, supervision
