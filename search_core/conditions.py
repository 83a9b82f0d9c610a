"""What a run stands on once it has begun: corpus, questions, both legs' answers, and what serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from retrieval.catalog import Catalog, Collection
from retrieval.catalog.eval_sets import EvalQuery
from retrieval.catalog.experiments import ExperimentRecord
from retrieval.contracts import Encoder
from retrieval.encoder import Precision
from retrieval.encoder.model_folder import in_data_folder
from retrieval.plan import Plan
from search_core.artifact.artifacts import RUNS
from search_core.candidate import Candidate, serving
from search_core.clock import Clock
from search_core.corpus.legs import CachedLegs, ask_legs
from search_core.corpus.served_parts import served_parts
from search_core.corpus.snapshot import CorpusSnapshot, key_of, read_snapshot, texts_by_key
from search_core.errors import SupervisionError
from search_core.log.experiment_log import ExperimentLog
from search_core.log.run_start import begin, incumbent_of
from search_core.log.tensorboard_log import TensorBoardLog
from search_core.policy.archive import Archive
from search_core.questions.pseudo_questions import questions_from_corpus
from search_core.questions.splits import MIN_PART, MIN_QUESTIONS, PARTS, Split, given_split, split_questions
from search_core.questions.supervision import Supervision, choose_set, given, stored
from search_core.questions.taught_questions import taught_to
from search_core.request import Request
from search_core.spaces.plan_mapping import deepest
from search_core.spaces.space import SearchSpace
from search_core.spaces.space_file import stored_space
from search_core.task import TaskSpec
from search_core.tiers import parse_tiers
from search_core.time_decisions import TimeDecisions
from search_core.time_needed import keep_time

ARCHIVE = Path(RUNS, "archive.jsonl")  # in the data folder: the runs of this installation


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
    serving: Candidate  # the incumbent with its learned parts
    tiers: tuple[str, ...]
    data_dir: Path
    precision: Precision  # of encoders, as the installation serves them
    earlier_runs: int  # of the archive, that a policy is told
    log: ExperimentLog
    clock: Clock
    timed: TimeDecisions
    wanted: Callable[[], None]  # raises where the run itself is to end

    @property
    def working(self) -> tuple[int, ...]:
        """The questions that are not sealed."""
        return tuple(sorted((*self.split.fit, *self.split.choose)))

    @property
    def untaught(self) -> tuple[int, ...]:
        """The working questions that what serves has not learned from."""
        return tuple(sorted({*self.working} - {*self.split.taught}))

    @property
    def choosing(self) -> list[EvalQuery]:
        """The questions of `choose`."""
        return [self.legs.questions[place] for place in self.split.choose]


def prepare(
    request: Request,
    spec: TaskSpec,
    catalog: Catalog,
    collection: Collection,
    record: ExperimentRecord,
    folder: Path,
    encoder: Encoder,
    clock: Clock,
    data_dir: Path,
    precision: Precision,
    wanted: Callable[[], None],
) -> Conditions:
    """Read the corpus, find questions, ask both legs. Raises `SearchCoreError` where there is nothing to learn from."""
    space = stored_space(request.search_space, request.space_text)
    snapshot = read_snapshot(catalog, collection)
    try:
        snapshot, supervision = _supervised(request, catalog, snapshot, encoder)
        against = request.against
        incumbent = incumbent_of(catalog, collection, record) if against is None else Plan.from_dict(against)
        parts = served_parts(incumbent, encoder, data_dir)
        taught = taught_to(str(in_data_folder(collection.encoder, data_dir)), *parts[:2])
        split = _split(request, snapshot, supervision, taught.questions)
        tiers = parse_tiers(request.tiers, spec.budget_seconds)
        keep_time(clock, len(tiers), snapshot, encoder, supervision, split, incumbent, parts, spec.metric)
        stands_on = _stands_on(snapshot, supervision, split, encoder, incumbent)
        proving = [supervision.questions[place].text for place in split.sealed] if supervision.judged else []
        begun = begin(catalog.experiments, record, stands_on, lambda: len(Archive(data_dir / ARCHIVE)), proving)
        notes = (*supervision.notes, *taught.notes, *_kept_out(split), *begun.notes)
        supervision = replace(supervision, notes=notes)
        legs = ask_legs(snapshot, encoder, supervision.questions, depth=deepest(incumbent, space))
        served = serving(incumbent, legs, encoder, parts, space)
        events = TensorBoardLog(folder) if request.tensorboard else None
        log = ExperimentLog(catalog.experiments, record.id, folder, seed=request.seed, space=space, events=events)
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
        incumbent=incumbent,
        serving=served,
        tiers=tiers,
        data_dir=data_dir,
        precision=precision,
        earlier_runs=begun.earlier_runs,
        log=log,
        clock=clock,
        timed=TimeDecisions.of(clock, begun.timed, catalog.experiments, record),
        wanted=wanted,
    )


def _split(request: Request, snapshot: CorpusSnapshot, supervision: Supervision, taught: frozenset[str]) -> Split:
    texts = texts_by_key(snapshot)
    try:
        if request.parts is not None:
            return given_split(supervision.questions, request.parts, texts, taught)
        return split_questions(supervision.questions, request.seed, texts, request.split, taught)
    except SupervisionError as error:
        if not supervision.notes:
            raise
        raise SupervisionError("; ".join((str(error), *supervision.notes))) from error  # where the others went


def _kept_out(split: Split) -> tuple[str, ...]:
    if not split.taught:
        return ()
    learned = f"what serves learned from {len(split.taught)} of the questions, or their documents"
    return (f"{learned}: none of them is used as proof",)


def _stands_on(
    snapshot: CorpusSnapshot, supervision: Supervision, split: Split, encoder: Encoder, incumbent: Plan
) -> list[object]:
    """What decides the score of a trial, and is not in the request."""
    asked = [[one.id, one.text, sorted(one.judgements.items())] for one in supervision.questions]
    parts = [split.fit, split.choose, split.sealed]
    return [snapshot.digest, encoder.fingerprint, incumbent.digest, asked, parts]


def _supervised(
    request: Request, catalog: Catalog, snapshot: CorpusSnapshot, encoder: Encoder
) -> tuple[CorpusSnapshot, Supervision]:
    keys = frozenset(key_of(chunk) for chunk in snapshot.chunks)
    if request.qrels is not None:
        return snapshot, given(request.queries or {}, request.qrels, keys)
    notes: tuple[str, ...] = ()
    if not request.made_questions:
        least = MIN_QUESTIONS if request.parts is None else MIN_PART * len(PARTS)
        chosen = choose_set(catalog, snapshot.collection, request.eval_set, least=least)
        notes = chosen.notes
        if chosen.record is not None:
            found = stored(catalog, chosen.record, keys)
            return snapshot, replace(found, notes=(*found.notes, *notes))
    asked, supervision = questions_from_corpus(snapshot, encoder, request.seed)
    snapshot.close()
    return asked, replace(supervision, notes=(*supervision.notes, *notes))
