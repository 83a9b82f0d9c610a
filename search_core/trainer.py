"""AutoModelTrainer: from a task and a collection to a served plan that is provably better, or to the one that serves.

task ─▶ corpus snapshot ─▶ questions in three parts ─▶ both legs asked once                     conditions.py
─▶ candidates: ask the policy, score, tell ─▶ one finalist                                 finalist.py
─▶ sealed questions ─▶ gate ─▶ artifact ─▶ promoted, or the reasons why not                conclusion.py
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from infra.settings import Settings, load_settings
from retrieval.catalog import Catalog, Collection, sqlite_url
from retrieval.catalog.experiments import ExperimentRecord, ExperimentState
from retrieval.contracts import Encoder
from retrieval.encoder import open_encoder
from retrieval.errors import ConflictError, RetrievalError
from search_core.artifact.artifacts import RUNS
from search_core.clock import Clock
from search_core.conclusion import conclude
from search_core.conditions import prepare
from search_core.errors import ArtifactError, CorpusError, SearchCoreError
from search_core.log.run_lock import run_lock
from search_core.policy import check_policy
from search_core.proof.promotion import check_way
from search_core.questions.splits import BY_DOCUMENT
from search_core.request import ANSWER_TASK, AT_ONCE, DEFAULT_POLICY, DEFAULT_SPACE, Request
from search_core.result import Result
from search_core.spaces.space_file import text_to_store
from search_core.stages.finalist import find_finalist
from search_core.stages.plan_tier import Progress
from search_core.task import SEARCH_TASKS, TaskSpec, parse_budget, parse_task
from search_core.tiers import parse_tiers
from search_core.tuning.checkpoint import TRAININGS
from search_core.tuning.devices import PROCESSOR, check_device

logger = logging.getLogger(__name__)


class AutoModelTrainer:
    """Searches, tests and promotes for one collection; `run` may be called once.

    `queries` (id -> text) and `qrels` (id -> document key -> grade) are judged questions; without them an evaluation
    set of the collection is taken, else questions are made from the corpus and nothing is promoted: always so with
    `made_questions`. Of task `answer`, `answers` (id -> right answers, none: it has none) stand in place of `qrels`.
    `rollout` says how a proven winner goes out: `none` (at once), `shadow` or `canary`. `tensorboard` writes event
    files beside the log. `tiers` names what is searched (`search_core.tiers`; empty: by the budget), `parts`
    (question id -> fit, choose or sealed) keeps a split that a set comes with, `split` says what no two parts have in
    common (`document`, or `question` alone), `metric` what is chosen and proven by (`recall@5`, `ndcg@100`; empty: the
    task's own), `latency_ms` how long a search may take (None: what the sentence says), `encoders` names
    (with commas) of encoders that the encoder tier may begin from in place of the one that serves, `device` and
    `threads` what trains encoders, `fast` lets them be trained in bf16 where that is faster, so that a replay agrees
    within a tolerance only.
    Without a catalog the one of the settings is opened; without the name of a collection the only one there is taken.
    `wanted` is called between the steps of an encoder's training and of the end, and before a plan goes out: what it
    raises ends the run there.
    `spec` is how the task was understood, `spec.describe()` says it in words. Raises `SearchCoreError` for a task that
    is not about a collection, `BudgetError`, `SpaceError`, and `InvalidInputError` for options that exclude each other.
    """

    def __init__(
        self,
        task: str = "text-to-graph",
        search_space: str = DEFAULT_SPACE,
        max_epochs: int = 50,
        *,
        collection: str = "",
        budget: str | float = "5m",
        seed: int = 0,
        policy: str = DEFAULT_POLICY,
        eval_set: str = "",
        made_questions: bool = False,
        queries: Mapping[str, str] | None = None,
        qrels: Mapping[str, Mapping[str, int]] | None = None,
        answers: Mapping[str, Sequence[str]] | None = None,
        promote: bool = True,
        rollout: str = AT_ONCE,
        tiers: str = "",
        parts: Mapping[str, str] | None = None,
        split: str = BY_DOCUMENT,
        metric: str = "",
        latency_ms: float | None = None,
        device: str = PROCESSOR,
        threads: int = 1,
        encoders: str = "",
        fast: bool = False,
        tensorboard: bool = False,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        encoder_of: Callable[[str], Encoder] | None = None,
        progress: Progress = lambda _: None,
        wanted: Callable[[], None] = lambda: None,
    ) -> None:
        request = Request(
            task=task,
            search_space=search_space,
            max_epochs=max_epochs,
            collection=collection,
            budget=budget,
            seed=seed,
            policy=policy,
            eval_set=eval_set,
            made_questions=made_questions,
            queries=queries,
            qrels=qrels,
            answers=answers,
            promote=promote,
            rollout=rollout,
            tiers=tiers,
            parts=parts,
            split=split,
            metric=metric,
            latency_ms=latency_ms,
            device=device,
            threads=threads,
            encoders=encoders,
            fast=fast,
            tensorboard=tensorboard,
        )
        self._begin(request, settings, catalog, encoder_of, progress, wanted, "")

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        encoder_of: Callable[[str], Encoder] | None = None,
        progress: Progress = lambda _: None,
        wanted: Callable[[], None] = lambda: None,
        experiment: str = "",
    ) -> AutoModelTrainer:
        """A trainer for a request; with the id of an experiment that was stopped, it goes on where that ended."""
        trainer = cls.__new__(cls)
        trainer._begin(request, settings, catalog, encoder_of, progress, wanted, experiment)
        return trainer

    def _begin(
        self,
        request: Request,
        settings: Settings | None,
        catalog: Catalog | None,
        encoder_of: Callable[[str], Encoder] | None,
        progress: Progress,
        wanted: Callable[[], None],
        experiment: str,
    ) -> None:
        if not request.space_text:
            request = replace(request, space_text=text_to_store(request.search_space))
        self.request = request
        self._settings = settings or load_settings()
        self._catalog = catalog
        self._encoder_of = encoder_of or self._open_encoder
        self._progress = progress
        self._wanted = wanted
        self._experiment = experiment
        self._clock = Clock(parse_budget(request.budget))
        self.spec: TaskSpec = parse_task(request.task, self._clock.budget, request.metric, request.latency_ms)
        if self.spec.task not in SEARCH_TASKS:
            known = ", ".join(SEARCH_TASKS)
            raise SearchCoreError(f"task {self.spec.task!r} is not about a collection; expected one of {known}")
        self.tiers = parse_tiers(request.tiers, self._clock.budget)
        check_policy(request.policy)
        check_device(request.device)

    @property
    def experiment(self) -> str:
        """The id of the experiment, by which a run that was ended goes on; "" before it has one."""
        return self._experiment

    def stop(self) -> None:
        """End the search at the next trial, or step of an encoder, and go on with what was found. For any thread."""
        self._clock.stop()

    def run(self) -> Result:
        """The outcome. Raises `SearchCoreError` where there is nothing to learn from; what serves is untouched then."""
        logger.debug("task understood as: %s", self.spec.describe())  # who asked says it in his own way
        if self._catalog is not None:
            return self._recorded(self._catalog)
        file = self._settings.data_dir / "catalog.db"
        if not self._settings.catalog_url and not file.exists():
            raise CorpusError(_nothing_to_tune(self._settings))
        catalog = Catalog(self._settings.catalog_url or sqlite_url(file))
        try:
            return self._recorded(catalog)
        finally:
            catalog.close()

    def _recorded(self, catalog: Catalog) -> Result:
        """The run, with its beginning and its end in the catalog."""
        name = self.request.collection or _only_collection(catalog, self._settings)
        self.request = replace(self.request, collection=name)
        collection = catalog.collections.get(name)
        record = self._record(catalog, collection)
        goes_on, self._experiment = bool(self._experiment), record.id
        with ExitStack() as held:
            try:
                held.enter_context(run_lock(self._folder(record)))
            except ArtifactError as error:
                if record.state is ExperimentState.RUNNING:
                    catalog.experiments.finish(record.id, ExperimentState.FAILED, {"error": str(error)})
                raise
            if goes_on:
                _go_on(catalog, collection, record)
            return self._settled(catalog, collection, record)

    def _settled(self, catalog: Catalog, collection: Collection, record: ExperimentRecord) -> Result:
        try:
            result = self._run(catalog, collection, record)
        except RetrievalError as error:
            catalog.experiments.finish(record.id, ExperimentState.FAILED, {"error": str(error)})
            raise
        except BaseException:
            catalog.experiments.finish(record.id, ExperimentState.STOPPED, None)
            raise
        catalog.experiments.finish(record.id, ExperimentState.FINISHED, result.to_dict())
        return result

    def _record(self, catalog: Catalog, collection: Collection) -> ExperimentRecord:
        if not self._experiment:
            if self.request.promote:  # a replay lets nothing serve, whatever its original was asked
                check_way(catalog, collection, self.request.rollout)
            return catalog.experiments.create(collection, self.request.to_dict())
        return catalog.experiments.get(collection, self._experiment)

    def _folder(self, record: ExperimentRecord) -> Path:
        return self._settings.data_dir / RUNS / record.id

    def _run(self, catalog: Catalog, collection: Collection, record: ExperimentRecord) -> Result:
        folder = self._folder(record)
        encoder = self._encoder_of(collection.encoder)
        if self.request.task == ANSWER_TASK:  # a sentence about replies is about finding them
            from search_core.answering.answer_task import tune_answers  # opens models that others do not need
            from search_core.answering.run import AnswerRun

            run = AnswerRun(
                request=self.request,
                spec=self.spec,
                settings=self._settings,
                catalog=catalog,
                collection=collection,
                record=record,
                encoder=encoder,
                clock=self._clock,
                wanted=self._wanted,
            )
            return tune_answers(run, self._progress)
        conditions = prepare(
            request=self.request,
            spec=self.spec,
            catalog=catalog,
            collection=collection,
            record=record,
            folder=folder,
            encoder=encoder,
            clock=self._clock,
            data_dir=self._settings.data_dir,
            precision=self._settings.encoder_precision,
            wanted=self._wanted,
        )
        try:
            result = conclude(conditions, find_finalist(conditions, self._progress))
            shutil.rmtree(folder / TRAININGS, ignore_errors=True)  # nobody resumes it now
            return result
        finally:
            conditions.snapshot.close()
            conditions.log.close()

    def _open_encoder(self, name: str) -> Encoder:
        settings = self._settings
        return open_encoder(name, settings.data_dir / "models", settings.encoder_precision, settings.encoder_threads)


def _go_on(catalog: Catalog, collection: Collection, record: ExperimentRecord) -> None:
    """Say that it runs again. Raises `ConflictError` where it has finished, perhaps since the record was read."""
    if catalog.experiments.get(collection, record.id).state is ExperimentState.FINISHED:
        raise ConflictError(f"experiment {record.id!r} is finished; start another one")
    catalog.experiments.resume(record.id)


def _only_collection(catalog: Catalog, settings: Settings) -> str:
    """The name of the one collection that there is. Raises `CorpusError` where there are none or several."""
    names = [collection.name for collection in catalog.collections.all()]
    if len(names) > 1:
        raise CorpusError(f"there are the collections {', '.join(names)}; say which: collection={names[0]!r}")
    if not names:
        raise CorpusError(_nothing_to_tune(settings))
    return names[0]


def _nothing_to_tune(settings: Settings) -> str:
    place = "the catalog of KB_CATALOG_URL" if settings.catalog_url else f"data folder {settings.data_dir}"
    return (
        f"{place} holds no collection, so there is nothing to tune: ingest documents by `kb ingest FOLDER -c mine`, "
        "make the sample company by `kb demo`, or name another folder in KB_DATA_DIR"
    )
