"""Opens the views of a collection as the settings choose them: in a folder of this machine, or on Elasticsearch."""

from __future__ import annotations

import hashlib
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable
from urllib.parse import urlsplit

from infra.settings import Settings
from retrieval.analysis.analyzer import Analyzer
from retrieval.catalog import Catalog, Collection, sqlite_url
from retrieval.contracts import VectorView, WordView
from retrieval.dense import DenseView
from retrieval.elastic import ElasticDenseView, ElasticServer, ElasticSparseView, FreshSparseView, ServerOptions
from retrieval.elastic.index import drop_indexes
from retrieval.elastic.layout import vectors_name, words_name
from retrieval.errors import RetrievalError, ViewError, ViewLockedError
from retrieval.graph.view import GraphView
from retrieval.sparse import SparseView
from retrieval.views.attributes import AttributeView
from retrieval.views.contract import Views
from retrieval.views.folder import Reached, delete_views

logger = logging.getLogger(__name__)
Opened = TypeVar("Opened", covariant=True)


@dataclass(frozen=True, slots=True)
class OpenedViews:
    """The views; `durable` tells whether this process maintains the folder's; `server` is to be closed after them."""

    views: Views
    durable: bool
    server: ElasticServer | None


@runtime_checkable
class FolderView(Protocol):
    """A view kept in a folder of this machine."""

    @property
    def reached(self) -> Reached:
        """The last operation it applied."""
        ...


def open_views(
    folder: Path, catalog: Catalog, collection: Collection, settings: Settings, analyzer: Analyzer, dim: int
) -> OpenedViews:
    """The views of the folder, or a private copy of what another process maintains there; what fits not is built anew.

    What followed another log than the catalog has now, as after that came back from a backup, fits not either.

    Nothing is asked of a server yet: one that does not answer leaves its leg degraded, not the collection closed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made_by = folder.name
    server = open_server(settings) if settings.uses_elasticsearch else None
    name = shared_name(settings, collection, collection.generation)
    encoder = collection.encoder_fingerprint

    def opened(folder: Path | None, *, read_only: bool) -> Views:
        with ExitStack() as stack:
            views = _views(folder, made_by, encoder, name, settings, server, analyzer, dim, read_only=read_only)
            stack.callback(views.close)
            _check_log(catalog, collection, views.sparse, views.dense, views.attributes)
            stack.pop_all()
            return views

    def opened_somehow() -> tuple[Views, bool]:
        try:
            return opened(folder, read_only=False), True
        except ViewLockedError:
            logger.debug("another process maintains %s; this one follows the log in a private copy", folder)
            return _private_copy(opened, folder), False
        except ViewError as error:
            logger.warning("%s; it is built again from the catalog, which takes a moment", error)
            delete_views(folder)
            folder.mkdir()
            return opened(folder, read_only=False), True

    with ExitStack() as stack:
        if server is not None:
            stack.callback(server.close)
        views, durable = opened_somehow()
        stack.pop_all()
    return OpenedViews(views, durable, server)


def open_graph(
    folder: Path, catalog: Catalog, collection: Collection, analyzer: Analyzer, *, durable: bool
) -> GraphView:
    """The graph view of the folder, or a private copy of what another process maintains; what fits not is built anew.

    It is kept in each process that searches by it, whichever views are on Elasticsearch.
    """

    def opened(folder: Path | None, *, read_only: bool) -> GraphView:
        with ExitStack() as stack:
            references = partial(catalog.references.of, collection)
            view = GraphView(folder, analyzer, read_only=read_only, references=references)
            stack.callback(view.close)
            _check_log(catalog, collection, view)
            stack.pop_all()
            return view

    try:
        return opened(folder, read_only=not durable)
    except ViewLockedError:
        return _private_copy(opened, folder)
    except ViewError as error:
        logger.warning("%s; it is built again from the catalog, which takes a moment", error)
        if not durable:
            return opened(None, read_only=False)
        delete_views(folder)
        return opened(folder, read_only=False)


def open_server(settings: Settings) -> ElasticServer:
    """The settings' Elasticsearch; not connected to yet."""
    return ElasticServer(
        ServerOptions(
            settings.elasticsearch_url,
            settings.elasticsearch_api_key.get_secret_value(),
            settings.elasticsearch_ca_file,
            settings.elasticsearch_replicas,
            _catalog_mark(settings),
        )
    )


def shared_name(settings: Settings, collection: Collection, generation: int | None = None) -> str:
    """What the names of the indexes of a collection, or of one generation, begin with; unique among catalogs."""
    identity = hashlib.sha256(f"{collection.name} {collection.created_at.isoformat()}".encode()).hexdigest()[:8]
    mine = f"{settings.elasticsearch_prefix}-{collection.id}-{identity}"
    return mine if generation is None else f"{mine}-g{generation}"


def shared_indexes(settings: Settings, collection: Collection, made_by: str, analyzer: Analyzer) -> set[str]:
    """The aliases of what this generation of the collection has on Elasticsearch, by these settings.

    `made_by` is the name of its view folder.
    """
    name, found = shared_name(settings, collection, collection.generation), set[str]()
    if settings.sparse_is_shared:
        found.add(words_name(name, made_by, analyzer.fingerprint).alias)
    if settings.dense_view == "elasticsearch":
        found.add(vectors_name(name, collection.encoder_fingerprint, quantised=_is_quantised(settings)).alias)
    return found


def drop_shared_views(settings: Settings, collection: Collection, generation: int | None = None) -> None:
    """Delete what a collection, or one generation of it, has on Elasticsearch.

    Where the server does not answer, that is left and logged.
    """
    if not settings.uses_elasticsearch:
        return
    name = shared_name(settings, collection, generation)
    server = open_server(settings)
    try:
        drop_indexes(server, name)
    except RetrievalError as error:
        logger.warning("indexes %s-* are left behind: %s", name, error)
    finally:
        server.close()


def _is_quantised(settings: Settings) -> bool:
    return settings.elasticsearch_vectors == "int8"


def _catalog_mark(settings: Settings) -> str:
    """What tells this catalog from others, which may share the server: where it is, whoever logs in."""
    url = urlsplit(settings.catalog_url or sqlite_url(settings.data_dir.resolve() / "catalog.db"))
    return hashlib.sha256(f"{url.hostname} {url.port} {url.path}".encode()).hexdigest()[:16]


class _Open(Protocol[Opened]):
    def __call__(self, folder: Path | None, *, read_only: bool) -> Opened: ...


def _private_copy(opened: _Open[Opened], folder: Path) -> Opened:
    """A copy of what another process maintains there; empty, to be built from the catalog, where it does not fit."""
    try:
        return opened(folder, read_only=True)
    except ViewError as error:
        logger.warning("%s; this process builds its own from the catalog, which takes a moment", error)
        return opened(None, read_only=False)


def _check_log(catalog: Catalog, collection: Collection, *views: object) -> None:
    """Raise `ViewError` where a view in a folder has applied what is not in the catalog's log.

    The log is asked after the view was read, so what another process commits meanwhile is no difference. Of views on a
    server, whoever is to write them asks.
    """
    for view in views:
        if isinstance(view, FolderView) and not catalog.log.holds(collection, view.reached.seq, view.reached.mark):
            raise ViewError(
                f"a view of collection {collection.name!r} ({type(view).__name__}) has applied operation "
                f"{view.reached.seq}, which the catalog's log does not have: it is kept for days only, or was put "
                "back to an older state"
            )


def _views(
    folder: Path | None,
    made_by: str,
    encoder: str,
    name: str,
    settings: Settings,
    server: ElasticServer | None,
    analyzer: Analyzer,
    dim: int,
    *,
    read_only: bool,
) -> Views:
    def kept(view: str) -> Path | None:
        return None if folder is None else folder / view

    with ExitStack() as stack:  # what was opened is closed again when a later one cannot be
        attributes = AttributeView(kept("attributes"), read_only=read_only)
        stack.callback(attributes.close)
        sparse: WordView = (
            FreshSparseView(ElasticSparseView(server, name, analyzer, made_by), analyzer)
            if server is not None and settings.sparse_is_shared
            else SparseView(kept("sparse"), analyzer, read_only=read_only)
        )
        stack.callback(sparse.close)
        dense: VectorView = (
            ElasticDenseView(server, name, dim, encoder, quantised=_is_quantised(settings))
            if server is not None and settings.dense_view == "elasticsearch"
            else DenseView(kept("dense"), dim, read_only=read_only)
        )
        stack.pop_all()
        return Views(sparse, dense, attributes)
