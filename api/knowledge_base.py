"""The whole knowledge base as one object; the command line and the REST API are two faces of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any

from api.rollout.answering import LiveAnswers
from api.rollout.live import LiveSearch
from api.serving.citation_places import CitationPlaces
from api.serving.collection_runtime import CollectionRuntime, drop_views
from api.serving.runtimes import Runtimes
from api.serving.view_opening import drop_shared_views
from infra.settings import Settings
from ingest.changes import Change
from ingest.contracts import Source
from ingest.duplicates import DuplicateFinder
from ingest.pipeline import Progress, RowRenderer
from ingest.reading_log import noted
from ingest.report import IngestReport
from retrieval.analysis.language import detect_language
from retrieval.answer.choice import READERS
from retrieval.answer.condense import standalone_question
from retrieval.answer.types import PASSAGES_PER_ANSWER, Answer, AnswerEvent, Origin, Passage, Standing, Turn
from retrieval.catalog import AccessChange, Catalog, Collection, CollectionSettings, Commit, Receipt, sqlite_url
from retrieval.contracts import Encoder
from retrieval.encoder import open_encoder
from retrieval.errors import ConflictError, NotFoundError, OutageError
from retrieval.filters import Filter
from retrieval.folder_exchange import bring_back
from retrieval.learned.files import ARTIFACTS
from retrieval.plan import Plan
from retrieval.search.spelling import corrected
from retrieval.search.types import Hit, SearchRequest, SearchResult
from retrieval.types import Principal
from retrieval.why import Why

logger = logging.getLogger(__name__)

WAIT_SECONDS = 10.0  # for a write to become searchable


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """An answer and the search it stands on."""

    answer: Answer
    search: SearchResult


class KnowledgeBase:
    """Opens a data folder and serves its collections. Thread-safe."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.settings = settings
        self.catalog = catalog
        self._encoders: dict[str, Encoder] = {}
        self.runtimes = Runtimes(catalog, self.open_runtime)
        self.live = LiveSearch(self.runtimes)
        self.live_answers = LiveAnswers(self.live.tally)
        self._opening = threading.RLock()

    @classmethod
    def open(cls, settings: Settings) -> KnowledgeBase:
        """The knowledge base of the settings' data folder, created when it is new. Raises `OutageError`."""
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutageError(
                f"data folder {settings.data_dir} cannot be used: {error.strerror}; name a writable one in KB_DATA_DIR"
            ) from error
        for models in (READERS, ARTIFACTS):
            bring_back(settings.data_dir / models)
        url = settings.catalog_url or sqlite_url(settings.data_dir / "catalog.db")
        return cls(settings, Catalog(url, settings.kept_versions))

    def close(self) -> None:
        """Save the views and release everything."""
        with ExitStack() as stack:  # from the last to the first; one that fails keeps no other open
            stack.callback(self.catalog.close)
            stack.callback(self.runtimes.close)
            stack.callback(self.live.close)

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_collection(
        self, name: str, settings: CollectionSettings | None = None, encoder: str | None = None
    ) -> Collection:
        """A new collection, embedded by the settings' encoder unless another is named."""
        encoder = encoder or self.settings.encoder
        return self.catalog.collections.create(name, encoder, self.open_encoder(encoder).fingerprint, settings)

    def ensure_collection(self, name: str) -> Collection:
        """The collection of that name, created when it is new."""
        if name not in {collection.name for collection in self.catalog.collections.all()}:
            with suppress(ConflictError):  # another process was faster
                return self.create_collection(name)
        return self.catalog.collections.get(name)

    def drop_collection(self, name: str) -> None:
        """Delete a collection with its documents and views. Raises `NotFoundError`."""
        collection = self.catalog.collections.get(name)
        self.catalog.collections.drop(name)
        with ExitStack() as stack:  # from the last to the first, whatever fails: nobody comes back for the rest
            stack.callback(drop_shared_views, self.settings, collection)
            stack.callback(drop_views, self.settings.data_dir, collection)
            stack.callback(self.runtimes.forget, name, save=False)

    def runtime(self, name: str) -> CollectionRuntime:
        """What serves that collection; opened and caught up at first use. Raises `NotFoundError`.

        Another generation may take over at any moment; `runtimes.use` keeps one open for a whole request.
        """
        return self.runtimes.get(name)

    def open_runtime(self, collection: Collection) -> CollectionRuntime:
        """A runtime of that generation beside those that serve; the caller catches up and stops it."""
        return CollectionRuntime(self.catalog, collection, self.open_encoder, self.settings)

    def serve_anew(self, name: str) -> None:
        """Serve a collection as the catalog describes it now; its newest operation is searchable when this returns."""
        self.runtimes.get(name)
        self.runtimes.refresh(name)
        self.runtimes.wait_while_advancing(name, self.catalog.collections.get(name).last_seq, WAIT_SECONDS)

    def nudge(self, collection_id: int) -> None:
        """Tell the views of that collection, where it is served here, that something was committed."""
        runtime = self.runtimes.open_one(collection_id)
        if runtime is not None:
            runtime.follower.nudge()

    def open_encoder(self, name: str) -> Encoder:
        """The encoder of that name, loaded once."""
        with self._opening:
            if name not in self._encoders:
                self._encoders[name] = open_encoder(
                    name,
                    self.settings.data_dir / "models",
                    self.settings.encoder_precision,
                    self.settings.encoder_threads,
                )
            return self._encoders[name]

    def search(
        self,
        collection: str,
        request: SearchRequest,
        principal: Principal,
        *,
        plan: Plan | None = None,
        min_seq: int = 0,
        timeout: float = WAIT_SECONDS,
        session: str = "",
    ) -> SearchResult:
        """Hits the caller may read, seeing at least operation `min_seq`. Raises `NotYetSearchableError`.

        Without a plan, by the one that serves this caller: while one is rolled out, a session keeps to its own.
        """
        with self.runtimes.use(collection) as runtime:
            if min_seq:
                runtime.follower.wait_for(min_seq, timeout)
            result = self.live.search(runtime, request, principal, session, plan=plan)
            if min_seq and result.degraded:  # a server went away just now, and what is kept before it is no use
                runtime.follower.wait_for(min_seq, timeout)
            return result

    def why(
        self,
        collection: str,
        key: str,
        request: SearchRequest,
        searcher: Principal,
        asker: Principal,
        *,
        plan: Plan | None = None,
    ) -> Why:
        """Why a search with the rights of `searcher` does (not) find the document. Raises `NotFoundError`."""
        with self.runtimes.use(collection) as runtime:
            return runtime.inquiry.why(runtime.collection, plan or runtime.plan, request, key, searcher, asker)

    def answer(
        self,
        collection: str,
        question: str,
        principal: Principal,
        *,
        history: Sequence[Turn] = (),
        filter: Filter | None = None,
        top_k: int | None = None,
        plan: Plan | None = None,
        session: str = "",
    ) -> AnswerResult:
        """A grounded answer, or a refusal when the caller's documents do not support one.

        Without a plan, by the one that serves this caller, as in `search`. Only evaluations name one.
        """
        with self.runtimes.use(collection) as runtime:
            search = self._passages_for(runtime, question, principal, history, filter, top_k, session, plan)
            passages = [_passage(hit) for hit in search.hits]
            standing = self._standing(runtime, search, principal)
            asked = corrected(question, search.corrections)
            places = CitationPlaces(self.catalog.places, runtime.collection, search, principal)
            answer, search = self.live_answers.answer(runtime, search, asked, passages, history, standing)
            return AnswerResult(places.of_answer(answer), search)

    def stream_answer(
        self,
        collection: str,
        question: str,
        principal: Principal,
        *,
        history: Sequence[Turn] = (),
        filter: Filter | None = None,
        top_k: int | None = None,
        session: str = "",
    ) -> Iterator[SearchResult | AnswerEvent]:
        """First the search result, then the answer as it is written, then the final answer."""
        with self.runtimes.use(collection) as runtime:
            search = self._passages_for(runtime, question, principal, history, filter, top_k, session)
            yield search
            passages = [_passage(hit) for hit in search.hits]
            standing = self._standing(runtime, search, principal)
            asked = corrected(question, search.corrections)
            places = CitationPlaces(self.catalog.places, runtime.collection, search, principal)
            with closing(self.live_answers.stream(runtime, search, asked, passages, history, standing)) as events:
                yield from map(places.of_event, events)

    def _passages_for(
        self,
        runtime: CollectionRuntime,
        question: str,
        principal: Principal,
        history: Sequence[Turn],
        filter: Filter | None,
        top_k: int | None,
        session: str,
        plan: Plan | None = None,
    ) -> SearchResult:
        query = standalone_question(history, question)
        request = SearchRequest(query, top_k or PASSAGES_PER_ANSWER, filter, group_by="chunk", highlight=False)
        if plan is not None:
            return runtime.search(plan, request, principal)
        return self.live.search(runtime, request, principal, session, asked=question)

    def _standing(self, runtime: CollectionRuntime, search: SearchResult, principal: Principal) -> Standing:
        """Asks the catalog again which passages of that search are stored, and the caller's to read."""
        labels = {hit.chunk_id: hit.chunk.label for hit in search.hits}

        def standing(passages: Sequence[Passage]) -> list[Passage]:
            asked = [labels[passage.chunk_id] for passage in passages]
            visible = self.catalog.documents.visible(runtime.collection, asked, principal)
            return [passage for passage in passages if labels[passage.chunk_id] in visible]

        return standing

    def write(
        self, collection: str, changes: Sequence[Change], *, wait: bool = False, timeout: float = WAIT_SECONDS
    ) -> Receipt:
        """Commit documents and deletions; with `wait`, return once searches see them."""
        with self.runtimes.use(collection) as runtime:
            receipt = runtime.pipeline.write(changes)
            runtime.follower.nudge()
        if wait:
            self.runtimes.wait_for(collection, receipt.seq, timeout, receipt.collection_id)
        return receipt

    def change_access(self, collection: str, key: str, acl: tuple[str, ...] | None) -> Receipt:
        """Give a document other readers, whatever text it has by then; its outcome is `ABSENT` where there is none."""
        with self.runtimes.use(collection) as runtime:
            receipt = self.catalog.writer.commit(runtime.collection.id, Commit(access=[AccessChange(key, acl)]))
            runtime.follower.nudge()
        return receipt

    def ingest(
        self,
        collection: str,
        source: Source,
        *,
        rows: RowRenderer | None = None,
        allow_mass_deletion: bool = False,
        find_duplicates: bool = False,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Read a source to its end; its changes are searchable when this returns.

        With `find_duplicates`, the report groups the documents read that have the same or nearly the same text.
        """
        finder = DuplicateFinder() if find_duplicates else None
        with self.runtimes.use(collection) as runtime:
            record = self.catalog.sources.register(runtime.collection, source.name, source.kind)
            with noted(self.catalog, record) as note:
                report = runtime.pipeline.run(
                    source, rows=rows, allow_mass_deletion=allow_mass_deletion, duplicates=finder, progress=progress
                )
                note(report)
        self.runtimes.wait_while_advancing(collection, report.seq, WAIT_SECONDS)
        return report

    def wait_searchable(
        self, collection: str, seq: int, timeout: float = WAIT_SECONDS, collection_id: int | None = None
    ) -> None:
        """Return once searches see operation `seq`. Raises `NotYetSearchableError`.

        Raises `NotFoundError` where that was another collection of the same name.
        """
        self.runtimes.wait_for(collection, seq, timeout, collection_id)

    def plan_of(self, collection: str) -> Plan:
        """The plan that serves."""
        return self.runtime(collection).plan

    def encoder(self, collection: str) -> Encoder:
        """The encoder of a collection."""
        return self.open_encoder(self.catalog.collections.get(collection).encoder)

    def warm_up(self) -> None:
        """Load what the first write and the first search would otherwise wait for: a second or two."""
        detect_language("The first document need not wait for this model of languages.")
        self.open_encoder(self.settings.encoder).encode_queries(["the first question"])

    def freshness(self, collection: str) -> dict[str, Any]:
        """How far searches are behind the catalog, in operations."""
        runtime = self.runtime(collection)
        last = self.catalog.collections.last_seq(runtime.collection.id)
        return {"last_seq": last, "searchable_seq": runtime.follower.seq, "lag": last - runtime.follower.seq}

    def troubles(self) -> dict[str, dict[str, str]]:
        """Open collection -> leg or learned part -> why searches go without it or find it behind; {}: all is well."""
        found: dict[str, dict[str, str]] = {}
        for name in self.runtimes.open_names():
            with suppress(NotFoundError):  # deleted at this moment
                if troubles := self.runtime(name).troubles():
                    found[name] = troubles
        return found

    def ready(self) -> bool:
        """Whether the catalog answers; collections open at first use."""
        try:
            self.catalog.collections.all()
        except OutageError as error:
            logger.warning("not ready: %s", error)
            return False
        return True


def _passage(hit: Hit) -> Passage:
    explain = {"sparse": hit.fused.sparse, "dense": hit.fused.dense}
    chunk = hit.chunk
    return Passage(
        chunk_id=hit.chunk_id,
        document_id=hit.document_id,
        title=chunk.title,
        text=chunk.text,
        start=chunk.start,
        score=hit.score,
        uri=chunk.uri,
        as_of=chunk.as_of,
        explain=explain,
        heading=chunk.heading,
        page=chunk.page,
        source=Origin(chunk.source, chunk.table, chunk.key, chunk.position),
    )
