"""One collection while it serves: encoder, views with their follower, retriever, answerer and pipeline."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from api.serving.answerers import Answerers
from api.serving.view_opening import open_graph, open_views
from infra.settings import Settings
from ingest.pipeline import Pipeline
from ingest.targets import LiveTargets, OpenEncoder
from retrieval.analysis.analyzer import Analyzer
from retrieval.answer.types import TermStatistics
from retrieval.catalog import Catalog, Collection
from retrieval.catalog.rollouts import RolloutRecord
from retrieval.contracts import Encoder
from retrieval.errors import ConflictError, InvalidInputError, OutageError, RetrievalError, ViewLockedError
from retrieval.graph.keeper import GraphKeeper
from retrieval.learned.adapter import load_adapter
from retrieval.learned.files import ARTIFACTS, OpenParts
from retrieval.learned.plan_parts import named_parts, require_parts
from retrieval.learned.precedents import load_precedents
from retrieval.learned.ranker import load_ranker
from retrieval.plan import DEFAULT_PLAN, Plan
from retrieval.ranking.diffusion import needs_graph
from retrieval.ranking.rerank import OpenRerankers
from retrieval.retriever import Retriever
from retrieval.search.types import SearchRequest, SearchResult
from retrieval.stored_plan import stored_plan
from retrieval.types import Principal
from retrieval.views.folder import lock_folder
from retrieval.views.follower import Follower
from retrieval.why import Inquiry

logger = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.25  # that a search waits for changes which overtook it; mostly the views take milliseconds
FOLLOW_ROUNDS = 3  # a document may change again meanwhile
HEIR_SECONDS = 2.0  # between two looks whether what another process maintained is to be maintained here
RECORD_SECONDS = 0.5  # how soon another process's change of settings or plan is noticed
VIEWS = "views"  # folder of the data directory
LOCKED = "attributes"  # the view whose lock stands for those of the folder: it is closed last
FINGERPRINT_DIGITS = 12  # enough to tell folders apart


class CollectionRuntime:
    """Everything that serves one generation of a collection, to which the whole of it belongs for ever.

    Raises `ConflictError` when its embeddings are another encoder's.
    """

    def __init__(self, catalog: Catalog, collection: Collection, open_encoder: OpenEncoder, settings: Settings) -> None:
        encoder = encoder_of(collection, open_encoder)
        self.name, self.collection_id = collection.name, collection.id
        self.encoder = encoder
        self.analyzer = Analyzer(collection.settings.dictionary, collection.settings.synonyms)
        self._catalog = catalog
        self._record = collection
        self._record_at = time.monotonic()
        self._made_of = _made_of(collection)
        self._plans: dict[int, Plan] = {}
        self._now = (collection, self._running_rollout())
        self._heir_at = time.monotonic() + HEIR_SECONDS
        self._missed_seq = 0  # newest operation that a search waited for in vain
        self._reading = threading.Lock()  # who read an older row must not overwrite a newer one
        self._data_dir = settings.data_dir
        self._folder = folder = view_folder(settings.data_dir, collection, self.analyzer)
        self.answerers = Answerers(settings, encoder, self.analyzer)  # may fail: before the views, which lock a folder
        with ExitStack() as stack:
            stack.callback(self.answerers.close)
            opened = open_views(folder, catalog, collection, settings, self.analyzer, encoder.dim)
            stack.pop_all()
        views, self._server = opened.views, opened.server
        self.follower = Follower(catalog, collection, views, durable=opened.durable)
        learned = settings.data_dir / ARTIFACTS, encoder.fingerprint, encoder.dim
        adapters, rankers = OpenParts(load_adapter, *learned), OpenParts(load_ranker, *learned)
        precedents = OpenParts(load_precedents, *learned)
        self.graph = GraphKeeper(
            lambda: open_graph(folder / "graph", catalog, collection, self.analyzer, durable=opened.durable),
            self.follower,
        )
        self.retriever = Retriever(
            catalog, encoder, self.analyzer, views, OpenRerankers(), adapters, self.graph, precedents, rankers
        )
        self.inquiry = Inquiry(catalog, encoder, self.analyzer, views, self.retriever)
        self.pipeline = Pipeline(catalog, collection, LiveTargets(catalog, collection.id, open_encoder))

    @property
    def collection(self) -> Collection:
        """The collection as this generation sees it, at most half a second old."""
        self._renew()
        return self._record

    @property
    def term_statistics(self) -> TermStatistics | None:
        """How common words are among all chunks, whoever may read them: only refusals are weighed by it.

        None while the sparse leg does not answer.
        """
        views = self.follower.views
        if views.health.is_down("sparse"):
            return None
        try:
            return TermStatistics(len(views.sparse), views.frequency)
        except OutageError:
            return None

    def troubles(self) -> dict[str, str]:
        """Leg, or learned part of the plan that serves -> why searches go without it, or find it behind."""
        known = DEFAULT_PLAN if self._record.plan_id is None else self._plans.get(self._record.plan_id)
        return self.follower.health.troubles() | ({} if known is None else self.retriever.unreadable(known))

    def refresh(self) -> None:
        """Read the collection's row again."""
        with self._reading:
            self._read()

    def may_inherit(self) -> bool:
        """Whether this follows in a private copy of a folder that no process maintains any more; looks now and then."""
        if self.follower.is_durable or time.monotonic() < self._heir_at:
            return False
        self._heir_at = time.monotonic() + HEIR_SECONDS
        try:
            lock_folder(self._folder / LOCKED).release()
        except ViewLockedError:
            return False
        return True

    def _renew(self) -> None:
        if time.monotonic() - self._record_at > RECORD_SECONDS:
            with self._reading:
                if time.monotonic() - self._record_at > RECORD_SECONDS:
                    self._read()

    def _read(self) -> None:
        rollout = self._running_rollout()  # first: whose rollout completed meanwhile finds its plan in the row
        record = self._catalog.collections.seen_by(self._record.id, self._record.generation)
        if not self._may_serve(record.plan_id):
            record = replace(record, plan_id=self._record.plan_id)
        if rollout is not None and not self._may_serve(rollout.plan_id):
            rollout = None
        self._record, self._now = record, (record, rollout)
        self._record_at = time.monotonic()

    def _may_serve(self, plan_id: int | None) -> bool:
        """Whether searches by that plan would neither go without a part of it nor wait for the graph.

        Where they would wait, the graph is being opened, and the plan serves then.
        """
        plan = self._plan(plan_id)
        if self._is_of_another_generation(plan):
            return False
        if self.graph.is_settled or not needs_graph(plan.diffusion):
            return True
        self.graph.begin()
        return False

    def _is_of_another_generation(self, plan: Plan) -> bool:
        """Whether it was promoted for a generation that serves by now, whose encoder its learned parts are of.

        This process has yet to open that one, or requests end here that began before.
        """
        if not named_parts(plan) or self._catalog.collections.get(self.name).generation == self._record.generation:
            return False
        try:
            require_parts(plan, self._data_dir, self.encoder.fingerprint)
        except InvalidInputError:
            return True
        return False

    def prepare(self, *plans: Plan) -> None:
        """Have ready what searches by these plans need, by default those that serve; returns when it is."""
        serving, _, candidate = self.plans_now()
        wanted = plans or tuple(plan for plan in (serving, candidate) if plan is not None)
        if any(needs_graph(plan.diffusion) for plan in wanted):
            self.graph.prepare()
        for plan in wanted:
            self.retriever.prepare(plan)

    def search(self, plan: Plan, request: SearchRequest, principal: Principal) -> SearchResult:
        """Hits by a plan; where what was found is replaced in this moment, once more when the views have followed.

        Else a document would be missing while its new passages are on their way. Views that are still behind after
        `FOLLOW_SECONDS` are told as degraded; until they have caught up with that no other search waits for them, since
        those that wait hold threads that searches of all collections need.
        """
        began = time.monotonic()
        result = self.retriever.search(self.collection, plan, request, principal)
        for _ in range(FOLLOW_ROUNDS):
            if not self._is_overtaken(result) or not self._followed(began + FOLLOW_SECONDS):
                break
            waited = (time.monotonic() - began) * 1000
            again = self.retriever.search(self.collection, plan, request, principal)
            result = replace(again, took_ms=waited + again.took_ms, stages=again.stages | {"follow": waited})
        if self._is_overtaken(result):
            return replace(result, degraded=tuple(name for name, _ in self.follower.views.legs))
        return result

    def _is_overtaken(self, result: SearchResult) -> bool:
        """Whether hits were replaced by what the views lack so far; not where they hold more than the catalog."""
        if not result.overtaken or result.degraded:
            return False
        return result.seq < self._catalog.collections.last_seq(self.collection_id)

    def _followed(self, deadline: float) -> bool:
        """Whether the views have what the catalog has now, before that moment of the monotonic clock."""
        if self.follower.seq < self._missed_seq:
            return False
        last_seq = self._catalog.collections.last_seq(self.collection_id)
        try:
            self.follower.wait_for(last_seq, max(0.0, deadline - time.monotonic()))
        except RetrievalError:
            self._missed_seq = last_seq
            return False
        return True

    def _running_rollout(self) -> RolloutRecord | None:
        return next(iter(self._catalog.rollouts.running(self._record.id)), None)

    def is_of(self, name: str, generation: int) -> bool:
        """Whether this is that generation of that collection."""
        return (self.name, self._record.generation) == (name, generation)

    def serves(self, record: Collection) -> bool:
        """Whether this is what the record describes: its generation, with the analyzer it has now."""
        return self._made_of == _made_of(record)

    @property
    def plan(self) -> Plan:
        """The plan that serves now."""
        return self._plan(self.collection.plan_id)

    def plans_now(self) -> tuple[Plan, RolloutRecord | None, Plan | None]:
        """The plan that serves, the running rollout and its candidate, all of one moment."""
        self._renew()
        record, rollout = self._now
        return self._plan(record.plan_id), rollout, None if rollout is None else self._plan(rollout.plan_id)

    def _plan(self, plan_id: int | None) -> Plan:
        if plan_id is None:
            return DEFAULT_PLAN
        if plan_id not in self._plans:
            self._plans[plan_id] = stored_plan(self._catalog, self._record, plan_id)
        return self._plans[plan_id]

    def stop(self, *, save: bool = True) -> None:
        """Stop following, save and close the views."""
        with ExitStack() as stack:  # from the last to the first; one that fails keeps no other open
            if self._server is not None:
                stack.callback(self._server.close)
            stack.callback(self.answerers.close)
            stack.callback(self.follower.stop, save=save)
            stack.callback(self.graph.close)


def encoder_of(collection: Collection, open_encoder: OpenEncoder) -> Encoder:
    """What embedded this generation of the collection. Raises `EncoderError`, or `ConflictError` where it changed."""
    encoder = open_encoder(collection.encoder)
    if collection.encoder_fingerprint != encoder.fingerprint:
        raise ConflictError(
            f"generation {collection.generation} of collection {collection.name!r} was made by {collection.encoder} "
            f"({collection.encoder_fingerprint[:FINGERPRINT_DIGITS]}), but that encoder is now "
            f"{encoder.fingerprint[:FINGERPRINT_DIGITS]}: run `kb reindex --collection {collection.name}`"
        )
    return encoder


def _made_of(record: Collection) -> tuple[object, ...]:
    """What cannot change while a runtime is open."""
    settings = record.settings
    return (record.id, record.generation, record.encoder_fingerprint, settings.dictionary, settings.synonyms)


def drop_views(data_dir: Path, collection: Collection) -> None:
    """Delete the view files of a collection; they can always be built again."""
    shutil.rmtree(_collection_folder(data_dir, collection), ignore_errors=True)


def drop_generation_views(data_dir: Path, collection: Collection, generation: int) -> None:
    """Delete the view files of one generation, unless another process still has them open."""
    for folder in _collection_folder(data_dir, collection).glob(f"g{generation}-*"):
        drop_unless_open(folder)


def drop_unless_open(folder: Path) -> None:
    """Delete a folder of views, unless a process still has it open."""
    try:
        lock = lock_folder(folder / LOCKED)
    except ViewLockedError:
        logger.info("%s is in use by another process; it is deleted later", folder)
        return
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()


def _collection_folder(data_dir: Path, collection: Collection) -> Path:
    return data_dir / VIEWS / f"{collection.id}-{collection.name}"


def view_folder(data_dir: Path, collection: Collection, analyzer: Analyzer) -> Path:
    """Named by what built it, so that another encoder, analyzer or chunking starts an empty folder, never a mixture."""
    made_by = f"{collection.encoder_fingerprint[:FINGERPRINT_DIGITS]}-{analyzer.fingerprint[:FINGERPRINT_DIGITS]}"
    return _collection_folder(data_dir, collection) / f"g{collection.generation}-{made_by}"
